// openid-client against a running example: discovery, login, refresh, the API, introspection, revocation.
import * as client from 'openid-client'
import { check, failure, settings } from './common.mjs'

const { server, clientId, secret, publicClientId, apiClientId, apiSecret, username, password, hasApi } = settings

// Everything is found by the issuer alone. The example listens on the loopback address, without TLS.
const configuration = (id, authentication) =>
  client.discovery(new URL(server), id, undefined, authentication, {
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests],
  })

const login = (config, parameters = {}) =>
  client.genericGrantRequest(config, 'password', { username, password, ...parameters })

const inHeader = await configuration(clientId, client.ClientSecretBasic(secret))
const inBody = await configuration(clientId, client.ClientSecretPost(secret))
const asPublic = await configuration(publicClientId, client.None())

const asApi = await configuration(apiClientId, client.ClientSecretBasic(apiSecret))

const metadata = inHeader.serverMetadata()
check('discovery', [metadata.issuer, metadata.token_endpoint], [server, `${server}/oauth/token`])
check('the grants are told', metadata.grant_types_supported, settings.grants)

check('secret in the header', (await login(inHeader)).scope, 'read')
check('secret in the body', (await login(inBody)).token_type, 'bearer')
check('public client', (await login(asPublic)).expires_in, 3600)
check('scope', (await login(inHeader, { scope: 'read write' })).scope, 'read write')

const wrongPassword = await failure(() => login(inHeader, { password: 'wrong' }))
check('wrong password', [wrongPassword.error, wrongPassword.status], ['invalid_grant', 400])

// A challenge is reported as such, without reading the body.
const impostor = await configuration(clientId, client.ClientSecretBasic('wrong'))
const wrongSecret = await failure(() => login(impostor))
check('wrong secret in the header', [wrongSecret.status, wrongSecret.cause[0].scheme], [401, 'basic'])

const wrongPost = await failure(async () => login(await configuration(clientId, client.ClientSecretPost('wrong'))))
check('wrong secret in the body', wrongPost.error, 'invalid_client')

const wrongScope = await failure(() => login(asPublic, { scope: 'admin' }))
check('unknown scope', wrongScope.error, 'invalid_scope')

const isActive = async (token) => (await client.tokenIntrospection(asApi, token)).active

async function callApi(config, token) {
  const answer = await client.fetchProtectedResource(config, token, new URL(`${server}/api/me`), 'GET')
  return answer.json()
}

const clients = [['secret in the header', inHeader], ['secret in the body', inBody], ['public client', asPublic]]
for (const [what, config] of clients) {
  const { client_id: id } = config.clientMetadata()
  const refresh = (token, parameters) => client.refreshTokenGrant(config, token, parameters)
  const refusal = async (token) => {
    const { error, status } = await failure(() => refresh(token))
    return [error, status]
  }

  const first = await login(config, { scope: 'read write' })
  const second = await refresh(first.refresh_token)
  check(`${what}: refreshed`, second.refresh_token !== first.refresh_token, true)
  const again = await refresh(first.refresh_token)
  check(`${what}: the same again after a lost answer`, again.refresh_token, second.refresh_token)
  const third = await refresh(second.refresh_token, { scope: 'read' })
  check(`${what}: a narrower scope`, third.scope, 'read')
  const told = await client.tokenIntrospection(asApi, third.access_token)
  check(`${what}: introspection`, [told.active, told.client_id, told.sub, told.scope], [true, id, settings.subject, 'read'])
  if (hasApi) check(`${what}: the API`, (await callApi(config, third.access_token)).client_id, id)

  check(`${what}: a replayed token`, await refusal(first.refresh_token), ['invalid_grant', 400])
  check(`${what}: the newest token after it`, await refusal(third.refresh_token), ['invalid_grant', 400])
  check(`${what}: the access token after it`, await isActive(third.access_token), false)
  if (hasApi) {
    const { status, cause } = await failure(() => callApi(config, third.access_token))
    const { scheme, parameters } = cause[0]
    check(`${what}: the API refuses it`, [status, scheme, parameters.error], [401, 'bearer', 'invalid_token'])
  }

  const next = await login(config)
  await client.tokenRevocation(config, next.access_token, { token_type_hint: 'access_token' })
  check(`${what}: a revoked access token`, await isActive(next.access_token), false)
  const kept = await refresh(next.refresh_token)
  check(`${what}: the login goes on`, await isActive(kept.access_token), true)
  await client.tokenRevocation(config, kept.refresh_token, { token_type_hint: 'refresh_token' })
  check(`${what}: a revoked refresh token`, await refusal(kept.refresh_token), ['invalid_grant', 400])
  check(`${what}: and its access token`, await isActive(kept.access_token), false)
  await client.tokenRevocation(config, kept.refresh_token)
  console.log(`ok ${what}: revoking once more is no error`)
}

const mine = await login(inHeader)
const foreign = await failure(() => client.refreshTokenGrant(asPublic, mine.refresh_token))
check('a refresh token of another client', foreign.error, 'invalid_grant')
const stolen = await failure(() => client.tokenRevocation(impostor, mine.refresh_token))
check('a revocation with a wrong secret', [stolen.status, stolen.cause[0].scheme], [401, 'basic'])
const curious = await failure(() => client.tokenIntrospection(asPublic, mine.access_token))
check('an introspection without a secret', curious.error, 'invalid_client')
const alive = await client.refreshTokenGrant(inHeader, mine.refresh_token)
check('nothing of it ends the login', await isActive(alive.access_token), true)
