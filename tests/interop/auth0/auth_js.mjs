// The Node SDK @auth0/auth0-auth-js against the example `auth0`. It reads the server's metadata first, and sends a realm with the password
// grant.
import { AuthClient } from '@auth0/auth0-auth-js'
import { addresses, alice, check, checkWait, claimsOf, clients, env, everything, fails, passwords, profiles } from './common.mjs'

const domain = env.DOMAIN
const client = (clientId, clientSecret = env.CLIENT_SECRET) => new AuthClient({ domain, clientId, clientSecret })
const [web, shop, kiosk] = [clients.web, clients.shop, clients.kiosk].map((id) => client(id))

const login = (options, from = web) =>
  from.getTokenByPassword({ username: alice, password: passwords[options.realm ?? 'customers'], ...options })
const refresh = (refreshToken, from = web) => from.getTokenByRefreshToken({ refreshToken })
const profile = ({ accessToken }) => web.getUserInfo({ accessToken })

const kinds = {
  login: ['TokenByPasswordError', 'token_by_password_error', 'There was an error while trying to request a token.'],
  refresh: [
    'TokenByRefreshTokenError',
    'token_by_refresh_token_error',
    'The access token has expired and there was an error while trying to refresh it.',
  ],
}
const refused = (kind) => (what, answer, attempt) =>
  fails(
    what,
    answer,
    attempt,
    ({ name, code, message, statusCode, cause }) => ({ name, code, message, statusCode, cause }),
    (statusCode, error, error_description) => {
      const [name, code, message] = kinds[kind]
      const told = { error, error_description, message: 'server responded with an error in the response body' }
      return { name, code, message, statusCode, cause: { ...told, mfa_token: undefined, mfa_requirements: undefined } }
    },
  )
const refusedLogin = refused('login')
const refusedRefresh = refused('refresh')

const { issuer } = await web.getServerMetadata()
check('the issuer', issuer, `https://${domain}/`)

for (const realm of ['customers', 'employees']) {
  const tokens = await login({ realm, scope: everything })
  const life = tokens.expiresAt - Date.now() / 1000
  check(`${realm}: a login`, [tokens.tokenType.toLowerCase(), life > 590 && life < 610], ['bearer', true])
  check(`${realm}: userinfo`, await profile(tokens), profiles[realm])
}
check('no realm: the default', await profile(await login({})), profiles.customers)
await refusedLogin('no realm: the password of another one', 'wrong', () => login({ password: passwords.employees }))
for (const realm of [{}, { realm: 'customers' }]) {
  const what = realm.realm ? 'a realm' : 'no realm'
  await refusedLogin(`${what}: a wrong password`, 'wrong', () => login({ ...realm, password: 'wrong' }))
  await refusedLogin(`${what}: an unknown name`, 'wrong', () => login({ ...realm, username: 'nobody@example.com' }))
}
await refusedLogin('no name', 'no_username', () => login({ username: '' }))
await refusedLogin('no password', 'no_password', () => login({ password: '' }))
const astray = { realm: 'employees', password: passwords.customers }
await refusedLogin('the password of the other realm', 'wrong', () => login(astray))
for (const [what, realm] of [['unknown', 'partners'], ['overlong', 'x'.repeat(300)], ['unprintable', 'cust\0mers']]) {
  await refusedLogin(`an ${what} realm`, 'realm', () => login({ realm, password: 'x' }))
}
await refusedLogin('a foreign realm', 'realm', () => login({ realm: 'employees' }, shop))
await refusedRefresh('a client without refresh tokens', 'refresh_grant', () => refresh('rt_x', kiosk))
await refusedLogin('a wrong secret', 'client', () => login({}, client(clients.web, 'wrong')))
await refusedLogin('an unknown client', 'client', () => login({}, client('nobody')))

await refusedLogin('a rule denies', 'denied', () => login({ username: env.DENIED_USERNAME }))
await refusedLogin('a rule redirects', 'redirected', () => login({ username: env.REDIRECTED_USERNAME }))
const leaked = { username: env.LEAKED_USERNAME, password: env.LEAKED_PASSWORD }
await refusedLogin('a leaked password', 'leaked', () => login(leaked))

// The user is known at one address. Guesses from another one lock the account there, and there only.
const username = env.LOCKED_USERNAME
await login({ username, auth0ForwardedFor: addresses.home })
for (let number = 0; number < 10; number++) {
  const guess = { username, password: `x${number}`, auth0ForwardedFor: addresses.elsewhere }
  await refusedLogin(`guess ${number}`, 'wrong', () => login(guess))
}
for (const [what, password] of [['a guess', 'x'], ['the right password', passwords.customers]]) {
  const attempt = () => login({ username, password, auth0ForwardedFor: addresses.elsewhere })
  const error = await refusedLogin(`locked: ${what}`, 'locked', attempt)
  checkWait(error.headers)
}
const atHome = await login({ username, auth0ForwardedFor: addresses.home })
check('not locked at home', typeof atHome.accessToken, 'string')

const family = [await login({ scope: everything })]
for (const number of [0, 1]) {
  family.push(await refresh(family.at(-1).refreshToken))
  check(`refresh ${number}`, await profile(family.at(-1)), profiles.customers)
}
for (const [what, tokens] of [['login', family[0]], ['refresh', family[2]]]) {
  const { iss, aud, sub, email, name } = tokens.claims ?? {}
  check(`the ID token of a ${what}`, { iss, aud, sub, email, name }, { iss: issuer, aud: clients.web, ...profiles.customers })
}
await refusedRefresh('a replay', 'refresh_token', () => refresh(family[0].refreshToken))
await refusedRefresh('which ended the login', 'refresh_token', () => refresh(family[2].refreshToken))
await refusedRefresh('an unknown refresh token', 'refresh_token', () => refresh('rt_x'))

const { refreshToken: token } = await login({ scope: everything })
for (const what of ['a log-out', 'and again']) {
  check(what, await web.revokeToken({ token }), undefined)
}
await refusedRefresh('after it', 'refresh_token', () => refresh(token))

const narrow = await login({ scope: 'openid' })
check('no refresh token, for it was not asked for', narrow.refreshToken, undefined)
check('a profile of one scope', await profile(narrow), { sub: profiles.customers.sub })
const unknown = await login({ scope: 'email read:nothing' })
check('an unknown scope is dropped', [unknown.scope, unknown.idToken], ['email', undefined])

const audience = env.API_AUDIENCE
const forApi = await login({ audience, scope: 'openid offline_access read:orders' })
check('the audience of an API', claimsOf(forApi.accessToken).aud, audience)
check('userinfo with its token', await profile(forApi), { sub: profiles.customers.sub })
check('and after a refresh', claimsOf((await refresh(forApi.refreshToken)).accessToken).aud, audience)
const nobody = { audience: 'https://elsewhere.example.com/' }
await refusedLogin('the audience of nobody', 'audience', () => login(nobody))

const { name, code, statusCode } = await profile({ accessToken: 'nonsense' }).catch((error) => error)
check('userinfo without a token', [name, code, statusCode], ['UserInfoError', 'user_info_error', 401])
