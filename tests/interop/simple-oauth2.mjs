// simple-oauth2's ResourceOwnerPassword against a running example.
import { ResourceOwnerPassword } from 'simple-oauth2'
import { check, failure, settings } from './common.mjs'

const { server, clientId, secret, publicClientId, username, password } = settings

function client(id, clientSecret, options = {}) {
  return new ResourceOwnerPassword({
    client: { id, secret: clientSecret },
    auth: { tokenHost: server, tokenPath: '/oauth/token' },
    options,
  })
}

const inHeader = client(clientId, secret)
const inBody = client(clientId, secret, { authorizationMethod: 'body' })

const first = await inHeader.getToken({ username, password })
check('secret in the header', first.token.scope, 'read')
check('the expiry is known', first.expired(), false)

const second = await inBody.getToken({ username, password })
check('secret in the body', second.token.token_type, 'Bearer')

const both = await inHeader.getToken({ username, password, scope: 'read write' })
check('scope', both.token.scope, 'read write')

const asPublic = await client(publicClientId, '').getToken({ username, password })
check('public client, as an empty secret in the header', asPublic.token.scope, 'read')

const wrongPassword = await failure(() => inHeader.getToken({ username, password: 'wrong' }))
check('wrong password', wrongPassword.data.payload.error, 'invalid_grant')

// It reports a 401 by its status line; the code stands in the payload.
const wrongSecret = await failure(() => client(clientId, 'wrong').getToken({ username, password }))
check('wrong secret', wrongSecret.data.payload.error, 'invalid_client')

const wrongScope = await failure(() => inHeader.getToken({ username, password, scope: 'admin' }))
check('unknown scope', wrongScope.data.payload.error, 'invalid_scope')
