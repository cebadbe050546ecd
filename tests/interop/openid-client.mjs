// openid-client's genericGrantRequest against a running example.
import * as client from 'openid-client'
import { check, failure, settings } from './common.mjs'

const { server, clientId, secret, publicClientId, username, password } = settings

function configuration(id, authentication) {
  const metadata = { issuer: server, token_endpoint: `${server}/oauth/token` }
  const config = new client.Configuration(metadata, id, undefined, authentication)
  // The example listens on the loopback address, without TLS.
  client.allowInsecureRequests(config)
  return config
}

const login = (config, parameters = {}) =>
  client.genericGrantRequest(config, 'password', { username, password, ...parameters })

const inHeader = configuration(clientId, client.ClientSecretBasic(secret))
const inBody = configuration(clientId, client.ClientSecretPost(secret))
const asPublic = configuration(publicClientId, client.None())

check('secret in the header', (await login(inHeader)).scope, 'read')
check('secret in the body', (await login(inBody)).token_type, 'bearer')
check('public client', (await login(asPublic)).expires_in, 3600)
check('scope', (await login(inHeader, { scope: 'read write' })).scope, 'read write')

const wrongPassword = await failure(() => login(inHeader, { password: 'wrong' }))
check('wrong password', [wrongPassword.error, wrongPassword.status], ['invalid_grant', 400])

// A challenge is reported as such, without reading the body.
const wrongSecret = await failure(() => login(configuration(clientId, client.ClientSecretBasic('wrong'))))
check('wrong secret in the header', [wrongSecret.status, wrongSecret.cause[0].scheme], [401, 'basic'])

const wrongPost = await failure(() => login(configuration(clientId, client.ClientSecretPost('wrong'))))
check('wrong secret in the body', wrongPost.error, 'invalid_client')

const wrongScope = await failure(() => login(asPublic, { scope: 'admin' }))
check('unknown scope', wrongScope.error, 'invalid_scope')
