// What an application does whose page logs users in by the SDK auth0-js, in a headless Chromium. The page comes from another origin
// than the server, which is the example `auth0`. The environment names the EXAMPLE, a DATABASE file and a PROFILE directory that do
// not exist yet, and the CHROMIUM.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, STATUS_CODES } from 'node:http'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import { chromium } from 'playwright-core'

const { EXAMPLE, CHROMIUM, PROFILE } = process.env

// An application's pages: nothing but the SDK, as a script.
const sdk = readFileSync(new URL('node_modules/auth0-js/dist/auth0.min.js', import.meta.url))
const html = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/auth0.min.js"></script>'
async function pages() {
  const server = createServer((request, response) => {
    const [type, body] = request.url === '/auth0.min.js' ? ['text/javascript', sdk] : ['text/html', html]
    response.writeHead(200, { 'content-type': type }).end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, origin: `http://127.0.0.1:${server.address().port}` }
}

// Starts the example, which lists one origin, and takes over what it prints for clients.
async function start(origin) {
  const example = spawn(EXAMPLE, { env: { ...process.env, PORT: '0', ORIGIN: origin }, stdio: ['ignore', 'pipe', 'inherit'] })
  process.on('exit', () => example.kill())
  for await (const line of createInterface({ input: example.stdout })) {
    const [, name, value] = line.match(/^([A-Z_]+)=(.*)$/) ?? []
    if (name) process.env[name] = value
    if (line.startsWith('ready')) return example
  }
  throw new Error(`${EXAMPLE} did not start`)
}

// The key of the server, to Chromium as a name that it trusts: Node has checked its certificate against the example's authority.
async function keyOf(domain) {
  const [host, port] = domain.split(':')
  const socket = connect({ host, port, servername: host, ca: readFileSync(process.env.CA_FILE) })
  await once(socket, 'secureConnect')
  const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' })
  socket.destroy()
  return createHash('sha256').update(key).digest('base64')
}

const [listed, other] = [await pages(), await pages()]
const example = await start(listed.origin)
const { alice, check, claimsOf, everything, fails, passwords, profiles } = await import('./common.mjs')
const { DOMAIN: domain, PUBLIC_CLIENT_ID: clientID } = process.env

const context = await chromium.launchPersistentContext(PROFILE, {
  executablePath: CHROMIUM,
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    `--ignore-certificate-errors-spki-list=${await keyOf(domain)}`,
  ],
})
context.setDefaultTimeout(20_000)

async function open(origin) {
  const page = await context.newPage()
  await page.goto(origin)
  return page
}

// Calls a method of the SDK in a page, and throws what it gives its callback as an error.
async function call(page, method, options, settings = {}) {
  const [error, result] = await page.evaluate(
    ([method, options, settings]) =>
      new Promise((done) => {
        const client = new globalThis.auth0.Authentication(settings)
        client[method](options, (error, result) => {
          const { original, ...told } = error ?? {}
          done([error && { ...told, body: original?.response?.body ?? null }, result])
        })
      }),
    [method, options, { domain, clientID, ...settings }],
  )
  if (error) throw error
  return result
}

try {
  const page = await open(listed.origin)
  const requests = []
  page.on('request', (request) => requests.push(request))

  const inRealm = (options, settings) => {
    const realm = options.realm ?? 'customers'
    return call(page, 'login', { username: alice, password: passwords[realm], realm, ...options }, settings)
  }
  const byDefault = (options) =>
    call(page, 'loginWithDefaultDirectory', { username: alice, password: passwords.customers, ...options })
  const refresh = (refreshToken) => call(page, 'oauthToken', { grantType: 'refresh_token', refreshToken })
  const profile = ({ accessToken }) => call(page, 'userInfo', accessToken)
  const refused = (what, answer, attempt) =>
    fails(
      what,
      answer,
      attempt,
      (error) => error,
      (statusCode, code, description) => ({
        statusCode,
        statusText: STATUS_CODES[statusCode],
        code,
        description,
        body: { error: code, error_description: description },
      }),
    )

  for (const realm of ['customers', 'employees']) {
    const tokens = await inRealm({ realm, scope: everything })
    check(`${realm}: a login`, [tokens.tokenType, tokens.expiresIn], ['Bearer', 600])
    check(`${realm}: userinfo`, await profile(tokens), profiles[realm])
  }
  const login = requests.find((request) => request.method() === 'POST')
  const sent = await login.allHeaders()
  check(
    'the page is of another site, and sends JSON with the name of its SDK',
    [sent['sec-fetch-site'], sent.origin, sent['content-type'], JSON.parse(atob(sent['auth0-client'])).name],
    ['cross-site', listed.origin, 'application/json', 'auth0.js'],
  )
  check('no realm: the default', await profile(await byDefault({})), profiles.customers)
  check('spaces around the name', await profile(await byDefault({ username: ` ${alice} ` })), profiles.customers)
  const audienceOf = async (wish) => claimsOf((await inRealm(wish)).accessToken).aud
  const elsewhere = await audienceOf({ audience: 'https://elsewhere.example.com/' })
  check('an audience, of a client without a list', elsewhere, await audienceOf({}))

  await refused('no realm: a wrong password', 'wrong', () => byDefault({ password: 'wrong' }))
  await refused('no realm: the password of another one', 'wrong', () => byDefault({ password: passwords.employees }))
  await refused('a realm: a wrong password', 'wrong', () => inRealm({ password: 'wrong' }))
  await refused('an unknown name', 'wrong', () => inRealm({ username: 'nobody@example.com' }))
  const astray = { realm: 'employees', password: passwords.customers }
  await refused('the password of the other realm', 'wrong', () => inRealm(astray))
  for (const [what, realm] of [['unknown', 'partners'], ['overlong', 'x'.repeat(300)], ['unprintable', 'cust\0mers']]) {
    await refused(`an ${what} realm`, 'realm', () => inRealm({ realm, password: 'x' }))
  }
  await refused('no name', 'no_username', () => inRealm({ username: '' }))
  await refused('no password', 'no_password', () => inRealm({ password: '' }))
  await refused('no realm in the realm grant', 'no_realm', () => inRealm({ realm: '', password: 'x' }))

  await refused('a rule denies', 'denied', () => inRealm({ username: process.env.DENIED_USERNAME }))
  await refused('a rule redirects', 'redirected', () => inRealm({ username: process.env.REDIRECTED_USERNAME }))
  const leaked = { username: process.env.LEAKED_USERNAME, password: process.env.LEAKED_PASSWORD }
  await refused('a leaked password', 'leaked', () => inRealm(leaked))

  const username = process.env.LOCKED_USERNAME
  for (let number = 0; number < 10; number++) {
    await refused(`guess ${number}`, 'wrong', () => inRealm({ username, password: `x${number}` }))
  }
  for (const [what, password] of [['a guess', 'x'], ['the right password', passwords.customers]]) {
    await refused(`locked: ${what}`, 'locked', () => inRealm({ username, password }))
  }

  const family = [await inRealm({ scope: everything })]
  for (const number of [0, 1]) {
    family.push(await refresh(family.at(-1).refreshToken))
    check(`refresh ${number}`, await profile(family.at(-1)), profiles.customers)
  }
  const { iss, aud, sub, email, name } = claimsOf(family[0].idToken)
  const told = { iss: `https://${domain}/`, aud: clientID, ...profiles.customers }
  check('the ID token', { iss, aud, sub, email, name }, told)
  await refused('a replay', 'refresh_token', () => refresh(family[0].refreshToken))
  await refused('which ended the login', 'refresh_token', () => refresh(family[2].refreshToken))

  const unknown = await inRealm({ scope: 'email read:nothing' })
  check('an unknown scope is dropped', [unknown.scope, unknown.idToken], ['email', undefined])

  // The answer comes without a word for pages, and the browser gives nothing of it to the SDK.
  const stranger = await open(other.origin)
  const strange = { username: alice, password: passwords.customers, realm: 'customers' }
  const error = await call(stranger, 'login', strange).catch((error) => error)
  const { statusCode, body, description } = error
  check('a page of an origin that is not listed', [statusCode, body, description], [undefined, null, null])
} finally {
  await context.close()
  example.kill()
  listed.server.close()
  other.server.close()
}
