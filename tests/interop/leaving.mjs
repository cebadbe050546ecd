// openid-client on the way to the end of the grant: a brownout, an end, and an end with a user who is excepted.
import * as client from 'openid-client'
import { check, failure, leaving, settings } from './common.mjs'

const { server, username, passwords } = settings
const { guide } = leaving
const notAllowed = 'the client may not use this grant type'
const date = (seconds) => new Date(Number(seconds) * 1000).toUTCString()

async function app(id) {
  const options = { algorithm: 'oauth2', execute: [client.allowInsecureRequests] }
  const config = await client.discovery(new URL(server), id, undefined, client.None(), options)
  const login = (realm, password = passwords[realm]) =>
    client.genericGrantRequest(config, 'password', { username, password, realm })
  const tokens = {}
  for (const realm of Object.keys(passwords)) tokens[realm] = (await login(realm)).refresh_token

  // The tokens that the client has stored.
  async function refreshes(what, realm) {
    const { refresh_token } = await client.refreshTokenGrant(config, tokens[realm])
    check(`${what}: the stored token refreshes`, refresh_token !== tokens[realm], true)
    tokens[realm] = refresh_token
  }

  // All that the library makes of a refusal; the answer itself, with its headers, is in `response`.
  async function refused(what, attempt, description, end) {
    const { name, code, error, error_description, status, cause, response } = await failure(attempt)
    check(`${what}: code, description and guide`, { name, code, error, error_description, status, cause }, {
      name: 'ResponseBodyError',
      code: 'OAUTH_RESPONSE_BODY_ERROR',
      error: 'unauthorized_client',
      error_description: description,
      status: 400,
      cause: { error: 'unauthorized_client', error_description: description, error_uri: guide },
    })
    check(`${what}: the end in the headers`, response.headers.get('sunset'), date(end))
    check(`${what}: the guide in the headers`, response.headers.get('link').includes(`<${guide}>; rel="sunset"`), true)
    check(`${what}: nothing that is tried again`, response.headers.has('retry-after'), false)
  }
  return { login, refreshes, refused }
}

const rehearsing = await app(leaving.rehearsingClientId)
const ended = await app(leaving.endedClientId)
const lastUsers = await app(leaving.lastUsersClientId)
check('the plans are registered', (await fetch(`${server}/leave`, { method: 'POST' })).status, 200)

const until = `${notAllowed} until ${date(leaving.brownoutEnd)}`
for (const [what, own, description, end] of [
  ['brownout', rehearsing, until, leaving.endToCome],
  ['end', ended, notAllowed, leaving.end],
]) {
  for (const [which, password] of [['right', passwords.customers], ['wrong', 'wrong']]) {
    await own.refused(`${what}, ${which} password`, () => own.login('customers', password), description, end)
    await own.refreshes(`${what}, ${which} password`, 'customers')
  }
}

const left = 'one user is left'
for (const realm of Object.keys(passwords)) {
  const { error, status } = await failure(() => lastUsers.login(realm, 'wrong'))
  check(`${left}: a wrong password, ${realm}`, [error, status], ['invalid_grant', 400])
}
await lastUsers.refused(`${left}, not this one`, () => lastUsers.login('employees'), notAllowed, leaving.end)
await lastUsers.refreshes(`${left}, not this one`, 'employees')
await lastUsers.refreshes(`${left}: this one`, 'customers')
check(`${left}: this one logs in`, (await lastUsers.login('customers')).scope, 'read')
