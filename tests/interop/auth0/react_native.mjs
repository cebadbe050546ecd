// The core of the SDK react-native-auth0 against the example `auth0`: what its apps on both systems send, from one file that needs no
// phone. A public client that speaks JSON, takes the realm grant, and always asks for `openid`.
import { createRequire } from 'node:module'
import { alice, check, claimsOf, env, everything, fails, passwords, profiles } from './common.mjs'

const core = createRequire(import.meta.url)
const { HttpClient } = core('react-native-auth0/lib/commonjs/core/services/HttpClient.js')
const { AuthenticationOrchestrator } = core('react-native-auth0/lib/commonjs/core/services/AuthenticationOrchestrator.js')

const domain = env.DOMAIN
const baseUrl = `https://${domain}`
const client = (clientId) => new AuthenticationOrchestrator({ clientId, baseUrl, httpClient: new HttpClient({ baseUrl }) })
const app = client(env.PUBLIC_CLIENT_ID)

const login = ({ realm = 'customers', ...parameters }, from = app) =>
  from.passwordRealm({ username: alice, password: passwords[realm], realm, ...parameters })
const refresh = (refreshToken, parameters = {}) => app.refreshToken({ refreshToken, ...parameters })
const profile = async ({ accessToken }) => {
  const { sub, email, name } = await app.userInfo({ token: accessToken })
  return { sub, email, name }
}
const refused = (what, answer, attempt) =>
  fails(
    what,
    answer,
    attempt,
    ({ name, message, status, code, json }) => ({ name, message, status, code, json }),
    (status, error, error_description) => ({
      name: error,
      message: error_description,
      status,
      code: error,
      json: { error, error_description },
    }),
  )

for (const realm of ['customers', 'employees']) {
  const tokens = await login({ realm, scope: everything })
  const life = tokens.expiresAt - Date.now() / 1000
  check(`${realm}: a login`, [tokens.tokenType, life > 590 && life < 610], ['Bearer', true])
  check(`${realm}: userinfo`, await profile(tokens), profiles[realm])
}

await refused('a wrong password', 'wrong', () => login({ password: 'wrong' }))
await refused('an unknown name', 'wrong', () => login({ username: 'nobody@example.com' }))
await refused('the password of the other realm', 'wrong', () => login({ realm: 'employees', password: passwords.customers }))
for (const [what, realm] of [['unknown', 'partners'], ['overlong', 'x'.repeat(300)], ['unprintable', 'cust\0mers']]) {
  await refused(`an ${what} realm`, 'realm', () => login({ realm, password: 'x' }))
}
await refused('no name', 'no_username', () => login({ username: '' }))
await refused('no password', 'no_password', () => login({ password: '' }))
await refused('no realm', 'no_realm', () => login({ realm: '', password: 'x' }))
await refused('an unknown client', 'client', () => login({}, client('nobody')))
await refused('a client with a secret that it did not send', 'client', () => login({}, client(env.CLIENT_ID)))

await refused('a rule denies', 'denied', () => login({ username: env.DENIED_USERNAME }))
await refused('a rule redirects', 'redirected', () => login({ username: env.REDIRECTED_USERNAME }))
const leaked = { username: env.LEAKED_USERNAME, password: env.LEAKED_PASSWORD }
await refused('a leaked password', 'leaked', () => login(leaked))

// Letters that are escaped in JSON, and such as look alike.
for (const password of ['\u00e9\u{1f511}"\\/', `${passwords.customers}\u200b`, passwords.customers.toUpperCase()]) {
  await refused(`the password ${JSON.stringify(password)}`, 'wrong', () => login({ password }))
}

const username = env.LOCKED_USERNAME
for (let number = 0; number < 10; number++) {
  await refused(`guess ${number}`, 'wrong', () => login({ username, password: `x${number}` }))
}
for (const [what, password] of [['a guess', 'x'], ['the right password', passwords.customers]]) {
  await refused(`locked: ${what}`, 'locked', () => login({ username, password }))
}

const family = [await login({ scope: everything })]
for (const number of [0, 1]) {
  family.push(await refresh(family.at(-1).refreshToken))
  check(`refresh ${number}`, await profile(family.at(-1)), profiles.customers)
}
for (const [what, tokens] of [['login', family[0]], ['refresh', family[2]]]) {
  const { iss, aud, sub, email, name } = claimsOf(tokens.idToken)
  const told = { iss: `${baseUrl}/`, aud: env.PUBLIC_CLIENT_ID, ...profiles.customers }
  check(`the ID token of a ${what}`, { iss, aud, sub, email, name }, told)
}
await refused('a replay', 'refresh_token', () => refresh(family[0].refreshToken))
await refused('which ended the login', 'refresh_token', () => refresh(family[2].refreshToken))
await refused('an unknown refresh token', 'refresh_token', () => refresh('rt_x'))

// At a refresh the SDK asks for a profile and an address that the login of this user did not ask for.
const narrow = await login({ scope: 'openid offline_access' })
check('a profile of one scope', await profile(narrow), { sub: profiles.customers.sub, email: undefined, name: undefined })
const narrowAgain = await refresh(narrow.refreshToken)
check('and no more after a refresh', await profile(narrowAgain), { sub: profiles.customers.sub, email: undefined, name: undefined })

const { refreshToken } = await login({ scope: everything })
for (const what of ['a log-out', 'and again']) {
  check(what, await app.revoke({ refreshToken }), undefined)
}
await refused('after it', 'refresh_token', () => refresh(refreshToken))

check('no refresh token, for it was not asked for', (await login({})).refreshToken, undefined)
const unknown = await login({ scope: 'email read:nothing' })
check('an unknown scope is dropped', unknown.scope, 'email openid')

const audienceOf = async (wish) => claimsOf((await login(wish)).accessToken).aud
const elsewhere = await audienceOf({ audience: 'https://elsewhere.example.com/' })
check('an audience, of a client without a list', elsewhere, await audienceOf({}))

const answer = await app.userInfo({ token: 'nonsense' }).catch((error) => error)
const { name, status, code } = answer
check('userinfo without a token', [name, status, code], ['invalid_token', 401, 'invalid_token'])
