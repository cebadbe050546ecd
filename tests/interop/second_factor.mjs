// openid-client against a server with second factors in the default profile: the grants that finish a login, through its call for
// grants that it does not know.
import * as client from 'openid-client'
import { check, failure, settings } from './common.mjs'
import { codesOf, wrong } from './totp.mjs'

const { server, clientId, apiClientId, apiSecret, demanded: username, passwords } = settings
const grantOf = (name) => `http://auth0.com/oauth/grant-type/${name}`

const configuration = (id, authentication = client.None()) =>
  client.discovery(new URL(server), id, undefined, authentication, {
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests],
  })

const app = await configuration(clientId)
const api = await configuration(apiClientId, client.ClientSecretBasic(apiSecret))
const endpoint = app.serverMetadata().mfa_challenge_endpoint
check('the metadata names the challenge endpoint', endpoint, `${server}/mfa/challenge`)

const login = () => client.genericGrantRequest(app, 'password', { username, password: passwords.customers, realm: 'customers' })
const redeem = (name, parameters) => client.genericGrantRequest(app, grantOf(name), parameters)

// All that the library makes of a refusal, but for the token of an open login, which is given back.
async function open(kind, types) {
  const { name, code, error, error_description, status, cause } = await failure(login)
  const { mfa_token, ...told } = cause
  check(`a factor is open: ${types}`, { name, code, error, error_description, status, told, mfa_token: typeof mfa_token }, {
    name: 'ResponseBodyError',
    code: 'OAUTH_RESPONSE_BODY_ERROR',
    error: 'mfa_required',
    error_description: 'Multifactor authentication required',
    status: 403,
    told: {
      error: 'mfa_required',
      error_description: 'Multifactor authentication required',
      mfa_requirements: { [kind]: types.map((type) => ({ type })) },
    },
    mfa_token: 'string',
  })
  return mfa_token
}

async function refused(what, attempt, error, error_description) {
  const seen = await failure(attempt)
  const facts = [seen.name, seen.status, seen.error, seen.error_description, seen.cause]
  check(what, facts, ['ResponseBodyError', 400, error, error_description, { error, error_description }])
}
const invalid = (what, description, attempt) => refused(what, attempt, 'invalid_grant', description)

async function ask(path, token, body) {
  const method = body ? 'POST' : 'GET'
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` }
  return (await fetch(`${server}${path}`, { method, headers, body: body && JSON.stringify(body) })).json()
}

let mfa_token = await open('enroll', ['otp'])
check('no authenticator', await ask('/mfa/authenticators', mfa_token), [])
const { secret, recovery_codes } = await ask('/mfa/associate', mfa_token, { authenticator_types: ['otp'] })
check('recovery codes', recovery_codes.length, 8)
const [before, code, after] = await codesOf(secret)
await invalid('a wrong code', 'Invalid otp_code.', () => redeem('mfa-otp', { mfa_token, otp: wrong(code) }))
await invalid('the code of the next step', 'Invalid otp_code.', () => redeem('mfa-otp', { mfa_token, otp: after }))
const first = await redeem('mfa-otp', { mfa_token, otp: before })
check('the code of the step before', [first.token_type, first.scope, typeof first.refresh_token], ['bearer', 'read', 'string'])
const { active, sub, amr, acr } = await client.tokenIntrospection(api, first.access_token)
check('the API learns of the factor', [active, sub, amr], [true, 'customers|user:carol', ['pwd', 'otp', 'mfa']])
check('as a level, too', acr, 'http://schemas.openid.net/pape/policies/2007/06/multi-factor')

mfa_token = await open('challenge', ['otp', 'recovery-code'])
await invalid('a replay', 'Invalid otp_code.', () => redeem('mfa-otp', { mfa_token, otp: before }))
const second = await redeem('mfa-otp', { mfa_token, otp: code })
const refreshed = await client.refreshTokenGrant(app, second.refresh_token)
const told = await client.tokenIntrospection(api, refreshed.access_token)
check('a refresh keeps it', told.amr, ['pwd', 'otp', 'mfa'])

mfa_token = await open('challenge', ['otp', 'recovery-code'])
const recover = (recovery_code) => redeem('mfa-recovery-code', { mfa_token, recovery_code })
await invalid('a wrong recovery code', 'MFA Authorization rejected.', () => recover('A'.repeat(24)))
const { recovery_code: successor } = await recover(recovery_codes[0])
check('a recovery code has a successor', [successor.length, recovery_codes.includes(successor)], [24, false])
mfa_token = await open('challenge', ['otp', 'recovery-code'])
await invalid('it works once', 'MFA Authorization rejected.', () => recover(recovery_codes[0]))
check('the successor', typeof (await recover(successor)).access_token, 'string')
await invalid('a login works once', 'Malformed mfa_token', () => recover(recovery_codes[1]))
await invalid('a made-up token', 'Malformed mfa_token', () => redeem('mfa-otp', { mfa_token: 'x', otp: code }))
await invalid('a made-up oob_code', 'Malformed oob_code', async () => {
  mfa_token = await open('challenge', ['otp', 'recovery-code'])
  return redeem('mfa-oob', { mfa_token, oob_code: 'x', binding_code: '000000' })
})
const lacking = await failure(() => redeem('mfa-otp', { mfa_token }))
check('no code at all', [lacking.error, lacking.status], ['invalid_request', 400])
