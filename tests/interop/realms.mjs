// openid-client against a server of two realms: the extra parameter `realm`, the realm grant, a login rule.
import * as client from 'openid-client'
import { FACTOR_GRANTS, REALM_GRANT, check, failure, settings } from './common.mjs'

const { server, clientId, customersClientId, apiClientId, apiSecret, username, passwords, blocked } = settings

const configuration = (id, authentication = client.None()) =>
  client.discovery(new URL(server), id, undefined, authentication, {
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests],
  })

const app = await configuration(clientId)
const shop = await configuration(customersClientId)
const api = await configuration(apiClientId, client.ClientSecretBasic(apiSecret))

const login = (config, grant, password, parameters = {}) =>
  client.genericGrantRequest(config, grant, { username, password, ...parameters })

// Subject and realm, as an API is told.
async function holder(tokens) {
  const { sub, realm } = await client.tokenIntrospection(api, tokens.access_token)
  return [sub, realm]
}

const isOf = async (what, tokens, realm) => check(what, await holder(tokens), [`${realm}|user:${username}`, realm])

async function refusal(attempt) {
  const { error, status } = await failure(attempt)
  return [error, status]
}

const granted = app.serverMetadata().grant_types_supported
check('the grants are told', [...granted].sort(), ['password', 'refresh_token', REALM_GRANT, ...FACTOR_GRANTS].sort())

await isOf('no realm: the default', await login(app, 'password', passwords.customers), 'customers')
for (const grant of ['password', REALM_GRANT]) {
  for (const realm of ['customers', 'employees']) {
    let tokens = await login(app, grant, passwords[realm], { realm })
    await isOf(`${grant}: ${realm}`, tokens, realm)
    for (const parameters of [{}, { realm: 'customers' }, { realm: 'nowhere' }]) {
      tokens = await client.refreshTokenGrant(app, tokens.refresh_token, parameters)
      await isOf(`${grant}: ${realm}, refreshed with ${JSON.stringify(parameters)}`, tokens, realm)
    }
  }
  const astray = () => login(app, grant, passwords.customers, { realm: 'employees' })
  check(`${grant}: the password of another realm`, await refusal(astray), ['invalid_grant', 400])
  for (const realm of ['employees', 'nowhere']) {
    const foreign = await refusal(() => login(shop, grant, passwords.employees, { realm }))
    check(`${grant}: the realm ${realm}, which the client does not list`, foreign, ['invalid_request', 400])
  }
}
const elsewhere = await refusal(() => login(app, 'password', passwords.employees))
check('no realm: the password of another one', elsewhere, ['invalid_grant', 400])
const nameless = await refusal(() => login(app, REALM_GRANT, passwords.customers))
check('realm grant: no realm', nameless, ['invalid_request', 400])

for (const realm of ['customers', 'employees']) {
  const { directory } = await login(app, 'password', passwords[realm], { realm })
  check(`a rule's member of the answer: ${realm}`, directory, realm)
}
const sentAway = await refusal(() => login(app, 'password', passwords.customers, { username: blocked }))
check('a rule that wants the user elsewhere', sentAway, ['interaction_required', 400])
