// What a person does on the page, in a headless Chromium. The environment names the SERVER, the CHROMIUM and a PROFILE
// directory that does not exist yet.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

const { SERVER, CHROMIUM, PROFILE } = process.env
const PASSWORD = 'correct horse battery staple'

const context = await chromium.launchPersistentContext(PROFILE, {
  executablePath: CHROMIUM,
  headless: true,
  // For a test of a local page as any user, without the browser's own connections.
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
})
context.setDefaultTimeout(20_000)

const errors = []
const violations = []
const foreign = []
// Chromium writes each refused request to the console, which is no error of the page.
const isRefusal = message => message.text().startsWith('Failed to load resource: the server responded with a status of 4')
await context.exposeFunction('tellViolation', text => violations.push(text))
await context.addInitScript(() => {
  addEventListener('securitypolicyviolation', event => globalThis.tellViolation(`${event.violatedDirective} ${event.blockedURI}`))
})
const page = await context.newPage()
page.on('console', message => message.type() === 'error' && !isRefusal(message) && errors.push(message.text()))
page.on('pageerror', error => errors.push(String(error)))
page.on('request', request => {
  if (!request.url().startsWith(SERVER) && !request.url().startsWith('data:')) foreign.push(request.url())
})

let checks = 0
async function check(what, test) {
  try {
    await test()
  } catch (error) {
    console.log(`FAILED ${what}`)
    console.log(await page.locator('body').innerText().catch(() => ''))
    throw error
  }
  checks += 1
  console.log(`ok ${what}`)
}

const status = page.getByRole('status')
const button = name => page.getByRole('button', { name, exact: true })
const text = locator => locator.innerText()
async function says(locator, pattern) {
  await locator.filter({ hasText: pattern }).waitFor()
}
async function logIn(username, password) {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await button('Log in').click()
}
const token = name => text(page.locator(`dd#${name}`))

try {
  const answer = await page.goto(SERVER)

  await check('the page is served with a policy that lets it load nothing else', async () => {
    const policy = answer.headers()['content-security-policy']
    for (const rule of ["default-src 'none'", "form-action 'none'", "frame-ancestors 'none'", "connect-src 'self'"]) {
      assert.ok(policy.split('; ').includes(rule), `${rule} is not in ${policy}`)
    }
    assert.ok(!policy.includes('unsafe'), policy)
  })

  await check('it says first that the grant is for legacy clients', async () => {
    const first = await text(page.getByRole('banner'))
    assert.match(first, /For legacy clients only/)
    assert.match(first, /MUST NOT/)
  })

  await check('every field has a label, and the status is announced', async () => {
    for (const field of await page.locator('input').all()) {
      assert.ok(await field.evaluate(input => input.labels.length), await field.evaluate(input => input.outerHTML))
    }
    assert.equal(await status.getAttribute('aria-live'), 'polite')
  })

  await check('without tokens there is nothing to use', async () => {
    for (const name of ['Call /api/me', 'Refresh', 'Revoke']) assert.ok(await button(name).isDisabled(), name)
  })

  await check('a login by keyboard alone gives tokens', async () => {
    await page.getByLabel('Username').focus()
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.type('alice')
    await page.keyboard.press('Tab')
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press('Enter')
    await says(status, 'Logged in as alice')
    assert.match(await token('access_token'), /^at_[\w-]{43}$/)
    assert.match(await token('refresh_token'), /^rt_[\w-]{43}$/)
    assert.equal(await token('token_type'), 'Bearer')
    assert.equal(await token('scope'), 'read')
    assert.ok(await page.getByText('The access token is opaque').isVisible())
  })

  await check('the password is gone from the field, and was never shown', async () => {
    assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '')
    assert.match(await text(page.locator('#exchange')), /password=\(hidden\)/)
  })

  await check('the API tells who is logged in, by keyboard', async () => {
    await button('Call /api/me').focus()
    await page.keyboard.press('Enter')
    await says(page.locator('#api'), '200')
    const told = JSON.parse((await text(page.locator('#api'))).slice(3))
    assert.deepEqual([told.sub, told.client_id, told.scope], ['user:alice', 'demo-cli', 'read'])
  })

  await check('a route that needs more scope refuses the token', async () => {
    await button('Write a note').click()
    await says(status, '403 insufficient_scope')
  })

  const login = { access: await token('access_token'), refresh: await token('refresh_token') }
  const refreshed = []
  await check('a refresh gives new tokens, and the old refresh token is gone', async () => {
    await button('Refresh').click()
    await says(status, 'Refreshed')
    refreshed.push(await token('refresh_token'))
    assert.notEqual(await token('access_token'), login.access)
    assert.notEqual(refreshed[0], login.refresh)
    assert.ok(!(await text(page.locator('#tokens'))).includes(login.refresh))
    await button('Call /api/me').click()
    await says(status, 'The API took the token: 200')
  })

  await check('a refresh token that comes again after two refreshes ends the login', async () => {
    await button('Refresh').click()
    await page.locator('dd#refresh_token').filter({ hasNotText: refreshed[0] }).waitFor()
    await button('Present the first refresh token again').click()
    await says(status, '400 invalid_grant')
    await says(status, 'The login has ended')
    await button('Refresh').click()
    await says(page.locator('#exchange'), '400 Bad Request')
    await button('Call /api/me').click()
    await says(status, '401 invalid_token')
  })

  await check('a login with the scope write opens the other route', async () => {
    await page.getByLabel('ask for the scope write, too').check()
    await logIn('alice', PASSWORD)
    await says(status, 'Logged in as alice')
    assert.equal(await token('scope'), 'read write')
    await button('Write a note').click()
    await says(page.locator('#api'), '"written_by": "user:alice"')
  })

  await check('after a revocation the API refuses the token', async () => {
    await button('Revoke').click()
    await says(status, 'Revoked')
    await button('Call /api/me').click()
    await says(status, '401 invalid_token')
    await says(page.locator('#api'), '401')
    await button('Refresh').click()
    await says(status, '400 invalid_grant')
  })

  await check('no token is kept outside of the memory of the page', async () => {
    const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, location.href])
    assert.deepEqual(kept, [0, 0, '', `${SERVER}/`])
    await page.reload()
    assert.ok(await button('Call /api/me').isDisabled())
  })

  await check('a wrong password is refused, and leaves nobody logged in', async () => {
    await logIn('bob', 'wrong')
    await says(status, '400 invalid_grant')
    assert.equal(await page.locator('dd#access_token').count(), 0)
  })

  await check('after ten wrong passwords the next one is locked, with a waiting time that counts down', async () => {
    await button('Guess wrong until it locks').click()
    await says(status, '429 too_many_attempts')
    const answers = await page.getByRole('list', { name: 'Guesses' }).getByRole('listitem').allInnerTexts()
    // One was made before.
    assert.deepEqual(answers, [...Array(9).fill('400 invalid_grant'), '429 too_many_attempts'])
    const left = async () => Number((await text(page.getByRole('timer'))).match(/^Try again in (\d+) s$/)[1])
    const before = await left()
    assert.ok(before >= 1 && before <= 3600, `${before}`)
    assert.match(await text(page.locator('#exchange')), new RegExp(`retry-after: \\d+`))
    await page.waitForTimeout(2100)
    assert.ok((await left()) < before)
  })

  await check('under the lock the right password is refused, too, and others log in', async () => {
    await logIn('bob', PASSWORD)
    await says(status, '429 too_many_attempts')
    await logIn('alice', PASSWORD)
    await says(status, 'Logged in as alice')
    assert.equal(await text(page.getByRole('timer')), '')
  })

  await check('nothing was asked of any other server', async () => assert.deepEqual(foreign, []))
  await check('the policy was never violated', async () => assert.deepEqual(violations, []))
  await check('there is no error in the console', async () => assert.deepEqual(errors, []))

  await check('a server that does not answer is told', async () => {
    await context.setOffline(true)
    await button('Call /api/me').click()
    await says(status, 'The server does not answer')
    await context.setOffline(false)
    await button('Call /api/me').click()
    await says(status, 'The API took the token: 200')
  })

  await check('and a script that is written into the page does not run', async () => {
    await page.evaluate(() => {
      const script = document.createElement('script')
      script.append('globalThis.wasRun = true')
      document.body.append(script)
    }).catch(() => {})
    assert.equal(await page.evaluate(() => globalThis.wasRun), undefined)
    for (let n = 0; n < 50 && !violations.length; n += 1) await page.waitForTimeout(20)
    assert.notDeepEqual(violations, [])
  })

  console.log(`${checks} checks`)
} finally {
  await context.close()
}
