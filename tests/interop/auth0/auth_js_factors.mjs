// The part of @auth0/auth0-auth-js for second factors against the example `auth0`.
import { AuthClient, isMfaRequiredError } from '@auth0/auth0-auth-js'
import { check, clients, env, fails, passwords } from './common.mjs'
import {
  codesOf, codeTo, dan, dee, deviceAnswers, dirk, enya, newTelephone, nora, pause, recoveryCodes, telephone, typed, wrong,
} from './factors.mjs'

const domain = env.DOMAIN
// The SDK keeps nothing of an answer that it does not know.
let lastAnswer
const customFetch = async (...request) => {
  const answer = await fetch(...request)
  lastAnswer = await answer.clone().json().catch(() => undefined)
  return answer
}
const client = (clientId) => new AuthClient({ domain, clientId, clientSecret: env.CLIENT_SECRET, customFetch })
const [web, kiosk] = [clients.web, clients.kiosk].map(client)
const { mfa } = web

const everything = { enroll: ['otp', 'phone', 'push-notification'] }
const shown = { challenge: ['otp', 'recovery-code'] }
const onTelephone = { challenge: ['phone', 'recovery-code'] }

const login = (username, more = {}, from = web) =>
  from.getTokenByPassword({ username, password: passwords.customers, scope: 'openid offline_access', ...more })

const told = (error, error_description) => ({
  error,
  error_description,
  message: 'server responded with an error in the response body',
})

// What the SDK makes of a login or a refresh that needs a second factor: all of it but the token, which is given back.
async function leftOpen(what, requirements, attempt, kind = 'login') {
  const [name, code, message] = {
    login: ['TokenByPasswordError', 'token_by_password_error', 'There was an error while trying to request a token.'],
    refresh: [
      'TokenByRefreshTokenError',
      'token_by_refresh_token_error',
      'The access token has expired and there was an error while trying to refresh it.',
    ],
  }[kind]
  const types = Object.entries(requirements).map(([key, kinds]) => [key, kinds.map((type) => ({ type }))])
  const error = await fails(
    `${what}: a factor is open`,
    'mfa_required',
    attempt,
    ({ name, code, message, statusCode, cause }) => {
      return { name, code, message, statusCode, cause: { ...cause, mfa_token: typeof cause?.mfa_token } }
    },
    (statusCode, error, error_description) => {
      const cause = { ...told(error, error_description), mfa_token: 'string', mfa_requirements: Object.fromEntries(types) }
      return { name, code, message, statusCode, cause }
    },
  )
  check(`${what}: the SDK sees it`, isMfaRequiredError(error), true)
  return error.cause.mfa_token
}
const open = (username, requirements, more) => leftOpen(username, requirements, () => login(username, more))

const kinds = {
  listAuthenticators: ['MfaListAuthenticatorsError', 'mfa_list_authenticators_error'],
  enrollAuthenticator: ['MfaEnrollmentError', 'mfa_enrollment_error'],
  deleteAuthenticator: ['MfaDeleteAuthenticatorError', 'mfa_delete_authenticator_error'],
  challengeAuthenticator: ['MfaChallengeError', 'mfa_challenge_error'],
  verify: ['MfaVerifyError', 'mfa_verify_error'],
}
// The whole error that the SDK makes of an answer.
const refused = (what, answer, call, options) =>
  fails(
    what,
    answer,
    () => mfa[call](options),
    ({ name, code, message, statusCode, cause }) => ({ name, code, message, statusCode, cause }),
    (statusCode, error, error_description) => {
      const [name, code] = kinds[call]
      return { name, code, message: error_description, statusCode, cause: { error, error_description, message: undefined } }
    },
  )

async function logsIn(what, options) {
  const tokens = await mfa.verify(options)
  const life = tokens.expiresAt - Date.now() / 1000
  const seen = [tokens.tokenType.toLowerCase(), life > 590 && life < 610, typeof tokens.idToken, typeof tokens.refreshToken]
  check(what, seen, ['bearer', true, 'string', 'string'])
  return tokens
}

const listed = async (mfaToken) =>
  (await mfa.listAuthenticators({ mfaToken })).map(({ authenticatorType, name, type, active }) => [authenticatorType, name, type, active]).sort()

// An authenticator app, and recovery codes.
{
  let mfaToken = await open(dan, everything)
  check('no authenticator', await listed(mfaToken), [])
  await refused('nothing to be challenged', 'not_enrolled', 'challengeAuthenticator', { mfaToken, challengeType: 'otp' })
  const byTelephone = { authenticatorTypes: ['oob'], oobChannels: ['sms'], phoneNumber: '0555' }
  await refused('a telephone number', 'phone_number', 'enrollAuthenticator', { mfaToken, ...byTelephone })
  const byEmail = { authenticatorTypes: ['oob'], oobChannels: ['email'], email: dan }
  await refused('e-mail is not served', 'challenge_type', 'enrollAuthenticator', { mfaToken, ...byEmail })
  await refused('an unknown bearer', 'bearer', 'listAuthenticators', { mfaToken: 'x' })
  await refused('and it enrols nothing', 'bearer', 'enrollAuthenticator', { mfaToken: 'x', authenticatorTypes: ['otp'] })

  const enrolled = await mfa.enrollAuthenticator({ mfaToken, authenticatorTypes: ['otp'] })
  const { secret, recoveryCodes: codes } = enrolled
  const uri = new URL(enrolled.barcodeUri)
  const parts = ['secret', 'issuer', 'algorithm', 'digits', 'period'].map((name) => uri.searchParams.get(name))
  check('an app is enrolled', [enrolled.authenticatorType, ...parts], ['otp', secret, 'Example Shop', 'SHA1', '6', '30'])
  check('with recovery codes', [codes.length, new Set(codes.map((code) => code.length))], [8, new Set([24])])
  const both = (active) => ['otp', 'recovery-code'].map((type) => [type, undefined, type, active])
  check('it is not active', await listed(mfaToken), both(false))
  const [before, code, after] = await codesOf(secret)
  const byCode = (otp) => ({ mfaToken, factorType: 'otp', otp })
  await refused('a wrong code', 'otp', 'verify', byCode(wrong(code)))
  await refused('the code of the next step', 'otp', 'verify', byCode(after))
  await logsIn('the code of the step before', byCode(before))

  mfaToken = await open(dan, shown)
  check('both are active', await listed(mfaToken), both(true))
  check('a challenge', await mfa.challengeAuthenticator({ mfaToken, challengeType: 'otp' }), { challengeType: 'otp' })
  await refused('no telephone', 'challenge_type', 'challengeAuthenticator', { mfaToken, challengeType: 'oob' })
  const foreign = { mfaToken, challengeType: 'otp', authenticatorId: 'totp|dev_x' }
  await refused("another's app", 'authenticator', 'challengeAuthenticator', foreign)
  await refused('no second enrolment by it', 'enrolled', 'enrollAuthenticator', { mfaToken, authenticatorTypes: ['otp'] })
  await refused('a replay', 'otp', 'verify', byCode(before))
  await logsIn('the next code', byCode(code))
  mfaToken = await open(dan, shown)
  await refused('its replay', 'otp', 'verify', byCode(code))

  const byRecovery = (recoveryCode) => ({ mfaToken, factorType: 'recovery-code', recoveryCode })
  await refused('a wrong recovery code', 'recovery_code', 'verify', byRecovery('A'.repeat(24)))
  const { recoveryCode: successor } = await logsIn('a recovery code', byRecovery(codes[0]))
  check('has a successor', [successor.length, codes.includes(successor)], [24, false])
  mfaToken = await open(dan, shown)
  await refused('it works once', 'recovery_code', 'verify', byRecovery(codes[0]))
  await logsIn('the successor as a user types it', byRecovery(typed(successor)))

  // The authenticators are managed with an access token.
  const [{ id }] = (await mfa.listAuthenticators({ mfaToken: await open(dan, shown) })).filter(({ type }) => type === 'otp')
  mfaToken = await open(dan, shown, { audience: `https://${domain}/mfa/`, scope: 'read:authenticators remove:authenticators' })
  await refused('a login removes nothing', 'bearer_scope', 'deleteAuthenticator', { mfaToken, authenticatorId: id })
  const { accessToken } = await mfa.verify(byRecovery(codes[1]))
  await refused('a token enrols by its scope', 'bearer_scope', 'enrollAuthenticator', { mfaToken: accessToken, authenticatorTypes: ['otp'] })
  const removed = { mfaToken: accessToken, authenticatorId: id }
  check('a lost app is removed', await mfa.deleteAuthenticator(removed), undefined)
  await refused('once', 'authenticator', 'deleteAuthenticator', removed)
  check('with its codes', await listed(accessToken), [])

  await fails(
    'a client without second factors gets no token to go on with',
    'mfa_required',
    () => login(enya, { scope: 'openid' }, kiosk),
    ({ cause }) => cause,
    (_, error, error_description) => ({ ...told(error, error_description), mfa_token: undefined, mfa_requirements: undefined }),
  )
}

// A telephone.
{
  let mfaToken = await open(enya, onTelephone)
  const [found] = (await mfa.listAuthenticators({ mfaToken })).filter(({ type }) => type === 'phone')
  const { id: authenticatorId, ...shownOfIt } = found
  check('her telephone', shownOfIt, { authenticatorType: 'oob', active: true, name: 'XXXXXXXX0106', oobChannels: undefined, type: 'phone' })
  const asked = { mfaToken, challengeType: 'oob', authenticatorId }
  const { oobCode, ...challenge } = await mfa.challengeAuthenticator(asked)
  check('a code is sent', challenge, { challengeType: 'oob', bindingMethod: 'prompt' })
  const code = codeTo(telephone)
  await refused('not twice in 30 seconds', 'messages', 'challengeAuthenticator', asked)
  const by = (bindingCode, given = oobCode) => ({ mfaToken, factorType: 'oob', oobCode: given, bindingCode })
  await refused('no code is typed yet', 'pending', 'verify', by(undefined))
  await refused('a made-up oob_code', 'oob_code', 'verify', by(code, 'x'))
  await refused('a wrong code', 'binding_code', 'verify', by(wrong(code)))
  await logsIn('the right one', by(code))
  await refused('works once', 'mfa_token', 'verify', by(code))
  mfaToken = await open(enya, onTelephone)
  await refused('nor for another login', 'oob_code', 'verify', by(code))
  await logsIn('a recovery code in its place', { mfaToken, factorType: 'recovery-code', recoveryCode: recoveryCodes[0] })
}
{
  const mfaToken = await open(dee, everything)
  const byTelephone = { authenticatorTypes: ['oob'], oobChannels: ['sms'], phoneNumber: newTelephone }
  const { oobCode, recoveryCodes: codes, ...enrolled } = await mfa.enrollAuthenticator({ mfaToken, ...byTelephone })
  const bySms = { authenticatorType: 'oob', oobChannel: 'sms', bindingMethod: 'prompt', id: undefined, barcodeUri: undefined }
  check('a telephone is enrolled', [enrolled, codes.length], [bySms, 8])
  const by = (bindingCode) => ({ mfaToken, factorType: 'oob', oobCode, bindingCode })
  await refused('by no wrong code', 'binding_code', 'verify', by(wrong(codeTo(newTelephone))))
  await logsIn('but by the right one', by(codeTo(newTelephone)))
  await open(dee, onTelephone)
}

// A device, which is asked again and again.
{
  for (const answer of ['deny', 'approve']) {
    const mfaToken = await open(dirk, everything)
    const byDevice = { authenticatorTypes: ['oob'], oobChannels: ['auth0'] }
    const { oobCode, bindingMethod } = await mfa.enrollAuthenticator({ mfaToken, ...byDevice })
    check('a device is enrolled', [typeof oobCode, bindingMethod], ['string', undefined])
    const asked = { mfaToken, factorType: 'oob', oobCode }
    await refused('it has not answered', 'pending', 'verify', asked)
    await refused('polled too fast', 'slow_down', 'verify', asked)
    await deviceAnswers(answer)
    await pause()
    if (answer === 'deny') await refused('its user refuses', 'rejected', 'verify', asked)
    else await logsIn('its user agrees', asked)
  }
  await open(dirk, { challenge: ['push-notification', 'recovery-code'] })
}

// A login of before the enrolment, whose next refresh asks for a second factor.
{
  const { refreshToken } = await login(nora)
  const manager = await login(nora, { audience: `https://${domain}/mfa/`, scope: 'enroll' })
  const { secret } = await mfa.enrollAuthenticator({ mfaToken: manager.accessToken, authenticatorTypes: ['otp'] })
  const [before, code] = await codesOf(secret)
  const tokens = await mfa.verify({ mfaToken: lastAnswer.mfa_token, factorType: 'otp', otp: before })
  check('an enrolment by an access token', typeof tokens.accessToken, 'string')
  const refresh = () => web.getTokenByRefreshToken({ refreshToken })
  await leftOpen('a refresh', shown, refresh, 'refresh')
  const mfaToken = await leftOpen('and again', shown, refresh, 'refresh')
  await logsIn('a code at a refresh', { mfaToken, factorType: 'otp', otp: code })
}
