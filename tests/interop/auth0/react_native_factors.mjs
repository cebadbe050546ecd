// What the core of react-native-auth0 sends for second factors, against the example `auth0`: JSON, of a public client. The phone's part
// enrols authenticators; here a plain request does.
import { createRequire } from 'node:module'
import { check, env, fails, passwords } from './common.mjs'
import { codesOf, codeTo, dan, deviceAnswers, dirk, enya, pause, recoveryCodes, telephone, wrong } from './factors.mjs'

const core = createRequire(import.meta.url)
const { HttpClient } = core('react-native-auth0/lib/commonjs/core/services/HttpClient.js')
const { AuthenticationOrchestrator } = core('react-native-auth0/lib/commonjs/core/services/AuthenticationOrchestrator.js')

const baseUrl = `https://${env.DOMAIN}`
const app = new AuthenticationOrchestrator({ clientId: env.PUBLIC_CLIENT_ID, baseUrl, httpClient: new HttpClient({ baseUrl }) })
// The SDK says of each call that another one is newer.
console.warn = () => {}

const facts = ({ name, message, status, code, json }) => ({ name, message, status, code, json })
const expected = (status, error, error_description, more = {}) => ({
  name: error,
  message: error_description,
  status,
  code: error,
  json: { error, error_description, ...more },
})
const refused = (what, answer, attempt) => fails(what, answer, attempt, facts, expected)

// A login that needs a second factor; gives its token.
async function open(username, requirements) {
  const login = { username, password: passwords.customers, realm: 'customers', scope: 'openid offline_access' }
  const [[kind, types]] = Object.entries(requirements)
  const mfa_requirements = { [kind]: types.map((type) => ({ type })) }
  const error = await fails(
    `${username}: a factor is open`,
    'mfa_required',
    () => app.passwordRealm(login),
    (error) => facts({ ...facts(error), json: { ...error.json, mfa_token: typeof error.json?.mfa_token } }),
    (...answer) => expected(...answer, { mfa_token: 'string', mfa_requirements }),
  )
  return error.json.mfa_token
}

async function associate(mfaToken, body) {
  const headers = { authorization: `Bearer ${mfaToken}`, 'content-type': 'application/json' }
  return (await fetch(`${baseUrl}/mfa/associate`, { method: 'POST', headers, body: JSON.stringify(body) })).json()
}

async function logsIn(what, attempt) {
  const { tokenType, idToken, refreshToken } = await attempt
  check(what, [tokenType, typeof idToken, typeof refreshToken], ['Bearer', 'string', 'string'])
}

const everything = { enroll: ['otp', 'phone', 'push-notification'] }
const onTelephone = { challenge: ['phone', 'recovery-code'] }

let mfaToken = await open(dan, everything)
const { secret } = await associate(mfaToken, { authenticator_types: ['otp'] })
const [before, code] = await codesOf(secret)
await refused('a wrong code', 'otp', () => app.loginWithOTP({ mfaToken, otp: wrong(code) }))
await logsIn('a code', app.loginWithOTP({ mfaToken, otp: before }))
mfaToken = await open(dan, { challenge: ['otp', 'recovery-code'] })
await refused('a replay', 'otp', () => app.loginWithOTP({ mfaToken, otp: before }))
const challenged = await app.multifactorChallenge({ mfaToken, challengeType: 'otp' })
check('a challenge', challenged, { challengeType: 'otp' })
await logsIn('the next code', app.loginWithOTP({ mfaToken, otp: code }))
await refused('a made-up token', 'mfa_token', () => app.loginWithOTP({ mfaToken: 'x', otp: code }))

// Neither a type nor an authenticator is named.
mfaToken = await open(enya, onTelephone)
const { oobCode, ...challenge } = await app.multifactorChallenge({ mfaToken })
check('a code is sent', challenge, { challengeType: 'oob', bindingMethod: 'prompt', expiresIn: 300 })
const sent = codeTo(telephone)
await refused('not twice in 30 seconds', 'messages', () => app.multifactorChallenge({ mfaToken, challengeType: 'oob' }))
const foreign = { mfaToken, challengeType: 'oob', authenticatorId: 'sms|dev_x' }
await refused("another's telephone", 'authenticator', () => app.multifactorChallenge(foreign))
await refused('no code is typed yet', 'pending', () => app.loginWithOOB({ mfaToken, oobCode }))
await refused('a wrong one', 'binding_code', () => app.loginWithOOB({ mfaToken, oobCode, bindingCode: wrong(sent) }))
await logsIn('the right one', app.loginWithOOB({ mfaToken, oobCode, bindingCode: sent }))

mfaToken = await open(enya, onTelephone)
const byRecovery = (recoveryCode) => app.loginWithRecoveryCode({ mfaToken, recoveryCode })
await refused('a wrong recovery code', 'recovery_code', () => byRecovery('A'.repeat(24)))
await logsIn('a recovery code', byRecovery(recoveryCodes[0]))
mfaToken = await open(enya, onTelephone)
await refused('it works once', 'recovery_code', () => byRecovery(recoveryCodes[0]))

mfaToken = await open(dirk, everything)
const device = await associate(mfaToken, { authenticator_types: ['oob'], oob_channels: ['auth0'] })
const asked = { mfaToken, oobCode: device.oob_code }
await refused('a device has not answered', 'pending', () => app.loginWithOOB(asked))
await refused('polled too fast', 'slow_down', () => app.loginWithOOB(asked))
await deviceAnswers('approve')
await pause()
await logsIn('its user agrees', app.loginWithOOB(asked))
