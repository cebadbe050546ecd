// The Node SDK auth0 against the example `auth0`: version 7 by `auth0/legacy`, version 6 by itself. It takes the realm grant where a
// realm is given, and checks each ID token.
import { addresses, alice, check, checkWait, claimsOf, clients, env, everything, fails, passwords, profiles } from './common.mjs'

const { AuthenticationClient, UserInfoClient } = await import(process.argv[2])

const domain = env.DOMAIN
const client = (clientId, clientSecret = env.CLIENT_SECRET) => new AuthenticationClient({ domain, clientId, clientSecret })
const [web, shop, kiosk] = [clients.web, clients.shop, clients.kiosk].map((id) => client(id))

const login = async (parameters, from = web, address = undefined) => {
  const headers = address && { 'auth0-forwarded-for': address }
  const user = { username: alice, password: passwords[parameters.realm ?? 'customers'], ...parameters }
  return (await from.oauth.passwordGrant(user, headers && { initOverrides: { headers } })).data
}
const refresh = async (token, from = web) => (await from.oauth.refreshTokenGrant({ refresh_token: token })).data
const profile = async (tokens) => (await new UserInfoClient({ domain }).getUserInfo(tokens.access_token)).data

const refused = (what, answer, attempt) =>
  fails(
    what,
    answer,
    attempt,
    ({ name, message, statusCode, error, error_description, body }) => ({
      name,
      message,
      statusCode,
      error,
      error_description,
      body: body && JSON.parse(body),
    }),
    (statusCode, error, error_description) => ({
      name: 'AuthApiError',
      message: error_description,
      statusCode,
      error,
      error_description,
      body: { error, error_description },
    }),
  )

for (const realm of ['customers', 'employees']) {
  const tokens = await login({ realm, scope: everything })
  check(`${realm}: a login`, [tokens.token_type, tokens.expires_in], ['Bearer', 600])
  check(`${realm}: userinfo`, await profile(tokens), profiles[realm])
}
check('no realm: the default', await profile(await login({})), profiles.customers)
await refused('no realm: the password of another one', 'wrong', () => login({ password: passwords.employees }))

for (const realm of [{}, { realm: 'customers' }]) {
  const grant = realm.realm ? 'realm grant' : 'password grant'
  await refused(`${grant}: a wrong password`, 'wrong', () => login({ ...realm, password: 'wrong' }))
  await refused(`${grant}: an unknown name`, 'wrong', () => login({ ...realm, username: 'nobody@example.com' }))
}
await refused('no name', 'no_username', () => login({ username: '' }))
await refused('no password', 'no_password', () => login({ password: '' }))
await refused('the password of the other realm', 'wrong', () => login({ realm: 'employees', password: passwords.customers }))
for (const [what, realm] of [['unknown', 'partners'], ['overlong', 'x'.repeat(300)], ['unprintable', 'cust\0mers']]) {
  await refused(`an ${what} realm`, 'realm', () => login({ realm, password: 'x' }))
}
await refused('a foreign realm', 'realm', () => login({ realm: 'employees' }, shop))
await refused('a client without the realm grant', 'realm_grant', () => login({ realm: 'customers' }, kiosk))
await refused('a client without refresh tokens', 'refresh_grant', () => refresh('rt_x', kiosk))
await refused('a wrong secret', 'client', () => login({}, client(clients.web, 'wrong')))
await refused('an unknown client', 'client', () => login({}, client('nobody')))

await refused('a rule denies', 'denied', () => login({ username: env.DENIED_USERNAME }))
await refused('a rule redirects', 'redirected', () => login({ username: env.REDIRECTED_USERNAME }))
const leaked = { username: env.LEAKED_USERNAME, password: env.LEAKED_PASSWORD }
await refused('a leaked password', 'leaked', () => login(leaked))

// The user is known at one address. Guesses from another one lock the account there, and there only.
const username = env.LOCKED_USERNAME
await login({ username }, web, addresses.home)
for (let number = 0; number < 10; number++) {
  const guess = () => login({ username, password: `x${number}` }, web, addresses.elsewhere)
  await refused(`guess ${number}`, 'wrong', guess)
}
for (const [what, password] of [['a guess', 'x'], ['the right password', passwords.customers]]) {
  const error = await refused(`locked: ${what}`, 'locked', () => login({ username, password }, web, addresses.elsewhere))
  checkWait(error.headers)
}
check('not locked at home', 'access_token' in (await login({ username }, web, addresses.home)), true)

const family = [await login({ scope: everything })]
for (const number of [0, 1]) {
  family.push(await refresh(family.at(-1).refresh_token))
  check(`refresh ${number}`, await profile(family.at(-1)), profiles.customers)
}
for (const [what, tokens] of [['login', family[0]], ['refresh', family[2]]]) {
  const { sub, email, name } = claimsOf(tokens.id_token)
  check(`the ID token of a ${what}, which the SDK checked`, { sub, email, name }, profiles.customers)
}
await refused('a replay', 'refresh_token', () => refresh(family[0].refresh_token))
await refused('which ended the login', 'refresh_token', () => refresh(family[2].refresh_token))
await refused('an unknown refresh token', 'refresh_token', () => refresh('rt_x'))

const { refresh_token: token } = await login({ scope: everything })
for (const what of ['a log-out', 'and again']) {
  const { status, data } = await web.oauth.revokeRefreshToken({ token })
  check(what, [status, data], [200, undefined])
}
await refused('after it', 'refresh_token', () => refresh(token))

const narrow = await login({ scope: 'openid' })
check('no refresh token, for it was not asked for', 'refresh_token' in narrow, false)
check('a profile of one scope', await profile(narrow), { sub: profiles.customers.sub })
const unknown = await login({ scope: 'email read:nothing' })
check('an unknown scope is dropped', [unknown.scope, 'id_token' in unknown], ['email', false])

const audience = env.API_AUDIENCE
const forApi = await login({ audience, scope: 'openid offline_access read:orders' })
check('the audience of an API', claimsOf(forApi.access_token).aud, audience)
check('userinfo with its token', await profile(forApi), { sub: profiles.customers.sub })
check('and after a refresh', claimsOf((await refresh(forApi.refresh_token)).access_token).aud, audience)
const nobody = { audience: 'https://elsewhere.example.com/' }
await refused('the audience of nobody', 'audience', () => login(nobody))

const { name, error, statusCode } = await profile({ access_token: 'nonsense' }).catch((error) => error)
check('userinfo without a token', [name, error, statusCode], ['UserInfoError', 'invalid_token', 401])
