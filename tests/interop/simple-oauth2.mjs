// simple-oauth2's ResourceOwnerPassword against a running example: login, refresh, revocation.
import { ResourceOwnerPassword } from 'simple-oauth2'
import { check, failure, settings } from './common.mjs'

const { server, clientId, secret, publicClientId, username, password } = settings

function client(id, clientSecret, options = {}) {
  return new ResourceOwnerPassword({
    client: { id, secret: clientSecret },
    auth: { tokenHost: server, tokenPath: '/oauth/token', revokePath: '/oauth/revoke' },
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

// It does not introspect; without that, a refresh tells whether the login lives.
const publicly = client(publicClientId, '')
const clients = [['secret in the header', inHeader], ['secret in the body', inBody], ['public client', publicly]]
for (const [what, config] of clients) {
  const refusal = async (token) => (await failure(() => token.refresh())).data.payload.error

  const first = await config.getToken({ username, password })
  const second = await first.refresh()
  check(`${what}: refreshed`, second.token.refresh_token !== first.token.refresh_token, true)
  const again = await first.refresh()
  check(`${what}: the same again after a lost answer`, again.token.refresh_token, second.token.refresh_token)
  const third = await second.refresh({ scope: 'read' })
  check(`${what}: refreshed with a scope`, third.token.scope, 'read')
  check(`${what}: a replayed token`, await refusal(first), 'invalid_grant')
  check(`${what}: the newest token after it`, await refusal(third), 'invalid_grant')

  const next = await config.getToken({ username, password })
  await next.revoke('access_token')
  const kept = await next.refresh()
  console.log(`ok ${what}: the login goes on after the revocation of an access token`)
  await kept.revoke('refresh_token')
  check(`${what}: a revoked refresh token`, await refusal(kept), 'invalid_grant')

  const last = await config.getToken({ username, password })
  await last.revokeAll()
  check(`${what}: revoked in one go`, await refusal(last), 'invalid_grant')
}
