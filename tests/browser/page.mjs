// What a person does on the page, in a headless Chromium. The environment names the SERVER, the file with what its CONSOLE
// shows, the CHROMIUM and a PROFILE directory that does not exist yet.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import jsQR from 'jsqr'
import { chromium } from 'playwright-core'

const { SERVER, CONSOLE, CHROMIUM, PROFILE } = process.env
const PASSWORD = 'correct horse battery staple'
const CUSTOMERS_PASSWORD = 'tomato soup on a rainy day'

const context = await chromium.launchPersistentContext(PROFILE, {
  executablePath: CHROMIUM,
  headless: true,
  // A small phone.
  viewport: { width: 375, height: 667 },
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

// The answers stand in the cards whose buttons are asked.
const toLogin = page.getByRole('status', { name: 'Answer to the login' })
const toUse = page.getByRole('status', { name: 'Answer to the use' })
const button = name => page.getByRole('button', { name, exact: true })
const text = locator => locator.innerText()
async function says(locator, pattern) {
  await locator.filter({ hasText: pattern }).waitFor()
}
// Whether all of it can be seen without scrolling.
async function isInView(locator) {
  return locator.evaluate(element => {
    const { top, bottom, left, right } = element.getBoundingClientRect()
    return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth && bottom > top
  })
}
// Clicks, waits for the answer, and looks for both on the screen.
async function click(name, status, pattern, ...more) {
  await button(name).click()
  for (const [locator, words] of [[status, pattern], ...more]) {
    await says(locator, words)
    assert.ok(await isInView(locator), `the answer to "${name}" is not in view: ${await text(locator)}`)
  }
  assert.ok(await isInView(button(name)), `"${name}" is not in view beside its answer`)
}
const use = (name, pattern, ...more) => click(name, toUse, pattern, ...more)
const realm = page.getByLabel('Realm')
async function logIn(username, password, pattern, from = 'Employees') {
  await realm.selectOption({ label: from })
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await click('Log in', toLogin, pattern)
}
const token = name => text(page.locator(`dd#${name}`))

// The factor's card.
const toFactor = page.getByRole('status', { name: 'Answer to the second factor' })
const code = page.getByLabel('Code', { exact: true })
const factors = page.getByLabel('Factor', { exact: true })
const shownOnce = page.locator('#once')
async function show(value, pattern, factor = 'Code of the app') {
  await factors.selectOption({ label: factor })
  await code.fill(value)
  await ofFactor('Finish the login', pattern)
}
// After an enrolment and after a login the buttons are gone, and the answer stays.
async function ofFactor(name, pattern) {
  await button(name).click()
  await says(toFactor, pattern)
  assert.ok(await isInView(toFactor), `the answer to "${name}" is not in view: ${await text(toFactor)}`)
}
// What an authenticator app shows (RFC 6238), written apart from the server's.
function totp(secret, steps = 0) {
  const bits = [...secret].map(letter => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map(byte => parseInt(byte, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps))
  const mac = createHmac('sha1', key).update(step).digest()
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff
  return String(number % 1_000_000).padStart(6, '0')
}
// The code of the step before counts, too: it leaves the present one for the next login. Not at the end of a step, when it is
// about to be too old.
async function codeBefore(secret) {
  const left = 30_000 - Date.now() % 30_000
  if (left < 5_000) await page.waitForTimeout(left)
  return totp(secret, -1)
}
// What a camera reads in a picture of the page.
async function readQrCode(picture) {
  const { pixels, width, height } = await picture.evaluate(async image => {
    await image.decode()
    const [width, height] = [image.naturalWidth, image.naturalHeight]
    const canvas = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d')
    canvas.drawImage(image, 0, 0)
    return { pixels: [...canvas.getImageData(0, 0, width, height).data], width, height }
  })
  return jsQR(Uint8ClampedArray.from(pixels), width, height).data
}
// Six digits that are no code of this secret now or soon.
function wrongCode(secret) {
  const right = [-2, -1, 0, 1, 2].map(steps => totp(secret, steps))
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find(one => !right.includes(one))
}
const api = page.locator('#api')
const exchange = page.locator('#exchange')
// Each line in its list, as a title and what stands below it.
const lines = async name => {
  const items = await page.getByRole('list', { name }).getByRole('listitem').allInnerTexts()
  return items.map(item => item.split('\n'))
}
const rules = () => lines('What the login rules did')
// The newest event of the trail, without its time.
async function operatorSees(outcome, ...more) {
  await page.getByRole('list', { name: 'What the operator sees' }).getByRole('listitem').first().filter({ hasText: outcome }).waitFor()
  const [[title, details]] = await lines('What the operator sees')
  assert.deepEqual([title, ...details.split(', ').slice(1)], [outcome, ...more])
}
const marks = () => page.locator('#tokens .mark').allInnerTexts()

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
    for (const field of await page.locator('input, select').all()) {
      assert.ok(await field.evaluate(input => input.labels.length), await field.evaluate(input => input.outerHTML))
    }
    for (const status of [toLogin, page.locator('#use-answer [role=status]')]) {
      assert.equal(await status.getAttribute('aria-live'), 'polite')
    }
  })

  await check('without tokens there is nothing to use, and each button says why', async () => {
    const why = page.getByText('These buttons need tokens: log in first.')
    for (const name of ['Call /api/me', 'Refresh', 'Revoke']) {
      assert.ok(await button(name).isDisabled(), name)
      assert.equal(await button(name).getAttribute('aria-describedby'), await why.first().getAttribute('id'))
    }
    await button('Refresh').click({ force: true })
    await says(toUse, 'log in first')
    assert.ok((await isInView(toUse)) && (await isInView(why.first())))
    assert.equal(await text(exchange), 'None yet.')
  })

  await check('nothing empty is shown, and nothing is wider than the screen', async () => {
    const empty = await page.evaluate(() => [...document.querySelectorAll('main p, main pre, main dl, main ol, main section, main .answer')]
      .filter(element => element.getClientRects().length && !element.innerText.trim()).map(element => element.outerHTML))
    assert.deepEqual(empty, [])
    const gaps = await page.evaluate(() => {
      const cards = [...document.querySelectorAll('header, section')].map(card => card.getBoundingClientRect())
      return cards.slice(1).map((card, n) => card.top - cards[n].bottom)
    })
    assert.ok(gaps.every(gap => gap >= 0 && gap <= 24), `${gaps}`)
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
  })

  await check('a login by keyboard alone gives tokens', async () => {
    await page.getByLabel('Username').focus()
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.type('alice')
    await page.keyboard.press('Tab')
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press('Enter')
    await says(toLogin, 'Logged in as alice')
    assert.ok(await isInView(toLogin))
    assert.match(await token('access_token'), /^at_[\w-]{43}$/)
    assert.match(await token('refresh_token'), /^rt_[\w-]{72}$/)
    assert.equal(await token('token_type'), 'Bearer')
    assert.equal(await token('scope'), 'read')
    assert.ok(await page.getByText('The access token is opaque').isVisible())
  })

  await check('the password is gone from the field, and was never shown', async () => {
    assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), '')
    assert.match(await text(exchange), /password=\(hidden\)/)
  })

  await check('the API tells who is logged in, by keyboard', async () => {
    await button('Call /api/me').focus()
    await page.keyboard.press('Enter')
    await says(api, '200')
    assert.ok((await isInView(api)) && (await isInView(toUse)))
    const told = JSON.parse((await text(api)).slice(3))
    const seen = [told.sub, told.realm, told.client_id, told.scope]
    assert.deepEqual(seen, ['employees:alice', 'employees', 'demo-cli', 'read'])
  })

  await check('a route that needs more scope refuses the token', async () => {
    await use('Write a note', '403 insufficient_scope')
    assert.deepEqual(await marks(), [], 'it is as good as before for what it may do')
  })

  await check('the first refresh token cannot come again before a refresh, and the button says why', async () => {
    const replay = button('Present the first refresh token again')
    assert.ok(await replay.isDisabled())
    await replay.click({ force: true })
    await says(toUse, 'refresh before you present it again')
    assert.ok(await isInView(toUse))
  })

  const login = { access: await token('access_token'), refresh: await token('refresh_token') }
  const refreshed = []
  await check('a refresh gives new tokens, and the old refresh token is gone', async () => {
    await use('Refresh', 'Refreshed')
    refreshed.push(await token('refresh_token'))
    assert.notEqual(await token('access_token'), login.access)
    assert.notEqual(refreshed[0], login.refresh)
    assert.ok(!(await text(page.locator('#tokens'))).includes(login.refresh))
    await use('Call /api/me', 'The API took the token: 200', [api, '200'])
    assert.deepEqual(await marks(), [])
  })

  await check('a refresh token that comes again after two refreshes ends the login', async () => {
    await button('Refresh').click()
    await page.locator('dd#refresh_token').filter({ hasNotText: refreshed[0] }).waitFor()
    await use('Present the first refresh token again', 'The login has ended')
    await says(toUse, '400 invalid_grant')
    assert.deepEqual(await marks(), ['ended', 'ended'], 'both tokens are marked as dead')
    await use('Refresh', '400 invalid_grant')
    await says(exchange, '400 Bad Request')
    await use('Call /api/me', '401 invalid_token', [api, '401'])
    assert.deepEqual(await marks(), ['ended', 'ended'])
  })

  await check('a login with the scope write opens the other route', async () => {
    await page.getByLabel('ask for the scope write, too').check()
    await logIn('alice', PASSWORD, 'Logged in as alice')
    assert.equal(await token('scope'), 'read write')
    assert.deepEqual(await marks(), [], 'new tokens are alive')
    await use('Write a note', 'The API took the token: 200', [api, '"written_by": "employees:alice"'])
    await use('Call /api/me', 'The API took the token: 200', [api, '"note": "buy milk"'])
  })

  await check('each login rule stands there with what it did: an employee gets what was asked for, and a claim', async () => {
    assert.deepEqual(await rules(), [
      ['Asked for', 'the scope read write'],
      ['good standing', 'changed nothing'],
      ['customers only read', 'changed nothing'],
      ['short tokens for customers', 'changed nothing'],
      ['department', 'added the claim https://api.example/department: "engineering"'],
      ['Got', 'the scope read write for employees:alice, for 3600 s'],
    ])
    await operatorSees('tokens for employees:alice with the scope read write', 'password', 'demo-cli', 'employees')
  })

  await check('the realm is chosen by keyboard, and a customer of the same name is another user', async () => {
    assert.deepEqual(await realm.locator('option').allInnerTexts(), ['Employees', 'Customers'])
    await realm.focus()
    await page.keyboard.press('ArrowDown')
    assert.equal(await realm.inputValue(), 'customers')
    await page.getByLabel('Password', { exact: true }).fill(CUSTOMERS_PASSWORD)
    await page.keyboard.press('Enter')
    await says(toLogin, 'Logged in as alice of the customers')
    await use('Call /api/me', 'The API took the token: 200', [api, '"sub": "customers:alice"'], [api, '"realm": "customers"'])
  })

  await check('the rules take scope and lifetime away from a customer, and the page says which rule took what', async () => {
    assert.ok(await page.getByLabel('ask for the scope write, too').isChecked())
    assert.equal(await token('scope'), 'read')
    assert.match(await token('expires_in'), /^900 /)
    assert.deepEqual(await rules(), [
      ['Asked for', 'the scope read write'],
      ['good standing', 'changed nothing'],
      ['customers only read', 'took the scope write away'],
      ['short tokens for customers', 'shortened the access token from 3600 s to 900 s'],
      ['department', 'changed nothing'],
      ['Got', 'the scope read for customers:alice, for 900 s'],
    ])
    await use('Write a note', '403 insufficient_scope')
  })

  await check('at a refresh the rules decide anew', async () => {
    await use('Refresh', 'Refreshed')
    assert.deepEqual(await rules(), [
      ['Asked for', 'the scope read'],
      ['good standing', 'changed nothing'],
      ['customers only read', 'changed nothing'],
      ['short tokens for customers', 'shortened the access token from 3600 s to 900 s'],
      ['department', 'changed nothing'],
      ['Got', 'the scope read for customers:alice, for 900 s'],
    ])
    await operatorSees('tokens for customers:alice with the scope read', 'refresh_token', 'demo-cli', 'customers')
  })

  // What erin gets to see once.
  let secret
  let recovery
  await check('a route that takes a second factor sends the login for one, without the password again', async () => {
    await logIn('erin', PASSWORD, 'Logged in as erin')
    await says(toFactor, 'No login waits for one.')
    await use('Show the account number', 'It goes on under "The second factor"', [api, '401'], [api, 'insufficient_user_authentication'])
    await says(toFactor, 'erin of the employees has no second factor: enrol one.')
    assert.deepEqual(await marks(), [], 'the tokens are as good as before for what they may do')
    await operatorSees('refused: factor_required', 'refresh_token', 'demo-cli', 'employees')
  })

  await check('an app is enrolled with a QR code, which says the secret', async () => {
    await ofFactor('Enrol an authenticator app', 'Enrolled, and active from its first code on.')
    secret = await text(page.locator('dd#secret'))
    assert.match(secret, /^[A-Z2-7]{32}$/)
    const picture = page.getByAltText('The secret of the app as a QR code')
    assert.ok(await picture.isVisible())
    const uri = new URL(await readQrCode(picture))
    assert.deepEqual([uri.protocol, uri.host, uri.pathname], ['otpauth:', 'totp', '/Demo:employees%3Aerin'])
    assert.equal(uri.searchParams.get('secret'), secret)
    recovery = (await text(page.locator('dd#recovery_codes'))).split(' ')
    assert.equal(new Set(recovery).size, 8)
    for (const one of recovery) assert.match(one, /^[A-Z2-9]{24}$/)
    await operatorSees('factor_enrolment_begun for employees:erin', 'demo-cli', 'employees')
  })

  await check('a wrong code does not make it active', async () => {
    await show(wrongCode(secret), '400 invalid_grant: Invalid otp_code.')
    await operatorSees('refused: wrong_otp', 'http://auth0.com/oauth/grant-type/mfa-otp', 'demo-cli', 'employees')
  })

  await check('its first right code finishes the login, and what was shown once is gone', async () => {
    const before = await token('access_token')
    await show(await codeBefore(secret), 'Logged in as erin of the employees, with a second factor.')
    assert.notEqual(await token('access_token'), before)
    assert.ok(await shownOnce.isHidden())
    assert.ok(!(await page.content()).includes(secret))
    assert.ok(!(await page.content()).includes(recovery[0]))
  })

  await check('and the route opens', async () => {
    await use('Show the account number', 'The API took the token: 200', [api, '"otp"'], [api, '"account"'])
  })

  await check('the password alone is not enough from now on', async () => {
    await logIn('erin', PASSWORD, '403 mfa_required: Multifactor authentication required. It goes on under "The second factor".')
    await says(toFactor, 'erin of the employees needs a second factor.')
    assert.deepEqual(await factors.locator('option').allInnerTexts(), ['Code of the app', 'Recovery code'])
    assert.ok(await shownOnce.isHidden())
  })

  await check('a login with a code from the shown secret, by keyboard', async () => {
    await code.focus()
    await page.keyboard.type(totp(secret))
    await page.keyboard.press('Enter')
    await says(toFactor, 'Logged in as erin of the employees, with a second factor.')
    await says(toLogin, 'Logged in as erin of the employees, with a second factor.')
    assert.equal(await code.inputValue(), '')
    await operatorSees('tokens for employees:erin with the scope read write', 'http://auth0.com/oauth/grant-type/mfa-otp', 'demo-cli', 'employees')
    await use('Show the account number', 'The API took the token: 200')
  })

  await check('a recovery code logs in, however it is typed, and the next one comes in its place', async () => {
    await logIn('erin', PASSWORD, '403 mfa_required')
    await show(recovery[0].toLowerCase().match(/.{6}/g).join('-'), 'The next recovery code stands in the token response.', 'Recovery code')
    const next = await token('recovery_code')
    assert.match(next, /^[A-Z2-9]{24}$/)
    assert.ok(!recovery.includes(next))
    await logIn('erin', PASSWORD, '403 mfa_required')
    await show(recovery[0], '400 invalid_grant: MFA Authorization rejected.', 'Recovery code')
    await show(next, 'Logged in as erin', 'Recovery code')
  })

  await check('ten wrong codes lock the codes of the user, and five end a login', async () => {
    for (const round of [1, 2]) {
      await logIn('erin', PASSWORD, '403 mfa_required')
      const wrong = round === 1 ? 5 : 4
      for (let n = 0; n < wrong; n += 1) await show(wrongCode(secret), '400 invalid_grant')
      await show(totp(secret), '429 too_many_attempts')
      assert.match(await text(toFactor), /Try again in \d+ s\./)
    }
    await operatorSees('refused: factor_throttled', 'http://auth0.com/oauth/grant-type/mfa-otp', 'demo-cli', 'employees')
  })

  await check('and a recovery code still logs in', async () => {
    await logIn('erin', PASSWORD, '403 mfa_required')
    await show(recovery[1], 'Logged in as erin', 'Recovery code')
  })

  await check('a telephone is enrolled with a code that the console prints, and its next codes come on demand', async () => {
    const sent = () => readFileSync(CONSOLE, 'utf8').match(/^Text message to .*$/gm) ?? []
    const last = () => sent().at(-1).match(/: (\d{6}) is your code for demo-cli\.$/)[1]
    await logIn('frank', PASSWORD, 'Logged in as frank')
    await use('Show the account number', 'It goes on under "The second factor"')
    await page.getByLabel('Telephone number').fill('12')
    await ofFactor('Enrol this telephone', '400 invalid_phone_number')
    await page.getByLabel('Telephone number').fill('+15555550123')
    await ofFactor('Enrol this telephone', 'Enrolled, and active from its first code on.')
    assert.equal(sent().length, 1)
    assert.match(sent()[0], /^Text message to \+15555550123: /)
    await show(last() === '000000' ? '111111' : '000000', '400 invalid_grant: Invalid binding_code.', 'Code of the text message')
    await show(last(), 'Logged in as frank of the employees, with a second factor.', 'Code of the text message')
    await use('Show the account number', 'The API took the token: 200', [api, '"sms"'])

    await logIn('frank', PASSWORD, '403 mfa_required')
    await show('123456', 'Have a code sent to you first.', 'Code of the text message')
    await ofFactor('Send me a code', '429 too_many_attempts')
    await operatorSees('refused: delivery_throttled', 'demo-cli', 'employees')
    assert.equal(sent().length, 1, 'a second one within 30 seconds is not sent')
    await button('Forget the tokens').click()
    await says(toFactor, 'No login waits for one.')
  })

  const refusals = []
  await check('the password of the other realm is refused', async () => {
    await logIn('alice', CUSTOMERS_PASSWORD, '400 invalid_grant', 'Employees')
    refusals.push(await text(toLogin))
    await operatorSees('refused: wrong_password', 'password', 'demo-cli', 'employees')
    await logIn('alice', PASSWORD, '400 invalid_grant', 'Customers')
    await operatorSees('refused: wrong_password', 'password', 'demo-cli', 'customers')
  })

  await check('a login that a rule refuses looks like a wrong password, and the operator sees which rule it was and why', async () => {
    await logIn('dave', PASSWORD, '400 invalid_grant')
    refusals.push(await text(toLogin))
    assert.equal(refusals[0], refusals[1])
    const outcome = 'refused: rule_denied, by the rule "good standing": the contract has ended'
    await operatorSees(outcome, 'password', 'demo-cli', 'employees')
  })

  await check('a user who has to act elsewhere first is told so', async () => {
    await logIn('carol', CUSTOMERS_PASSWORD, '400 interaction_required', 'Customers')
    const outcome = 'refused: interaction_required, by the rule "good standing"'
    await operatorSees(outcome, 'password', 'demo-cli', 'customers')
  })

  await check('a login of an employee again', async () => {
    await logIn('alice', PASSWORD, 'Logged in as alice of the employees')
  })

  const toEnd = page.getByRole('status', { name: 'Answer to the end' })
  const leave = (name, pattern, ...more) => click(name, toEnd, pattern, ...more)
  await check('each answer to a login announces the end of the grant', async () => {
    for (const header of [/deprecation: @\d+/, /sunset: \w{3}, \d{2} \w{3} \d{4} /, /link: <https:/]) assert.match(await text(exchange), header)
  })

  await check('the report says who still logs in by password, in tables', async () => {
    const report = page.getByLabel('The report')
    await leave('Who still logs in by password?', 'Only by password, at this client: ', [report, 'password only'])
    assert.match(await text(toEnd), /employees:alice/)
    assert.match(await text(report), /^demo-cli +\d+ +\d+ +0 +0 /m)
    assert.match(await text(report), /^demo-cli +second_factor +yes +\d+ /m)
  })

  await check('a rehearsal of the end refuses a login, and the client is told until when and what to read', async () => {
    await leave('Rehearse the end', 'Begun, for a minute')
    await logIn('alice', PASSWORD, '400 unauthorized_client: ')
    assert.match(await text(exchange), /"error_uri": "https:/)
    assert.match(await text(exchange), /sunset: /)
    await operatorSees('refused: grant_brownout', 'password', 'demo-cli')
  })

  await check('a wrong password is told the same, and a refresh goes on', async () => {
    const told = await text(toLogin)
    await logIn('alice', 'wrong', '400 unauthorized_client: ')
    assert.equal(await text(toLogin), told)
    await use('Refresh', 'Refreshed')
  })

  await check('taken back, logins go on', async () => {
    await leave('Take it back', 'Taken back')
    await logIn('alice', PASSWORD, 'Logged in as alice of the employees')
  })

  await check('after a revocation the API refuses the token', async () => {
    await use('Revoke', 'Revoked')
    assert.deepEqual(await marks(), ['revoked', 'revoked'])
    await use('Call /api/me', '401 invalid_token', [api, '401'])
    await use('Refresh', '400 invalid_grant')
  })

  await check('forgotten tokens are gone from the page', async () => {
    await use('Forget the tokens', 'Forgotten')
    assert.equal(await page.locator('dd').count(), 0)
    assert.deepEqual(await rules(), [])
    assert.ok(await button('Refresh').isDisabled())
    await says(toLogin, 'Nobody is logged in')
  })

  await check('no token is kept outside of the memory of the page', async () => {
    const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie, location.href])
    assert.deepEqual(kept, [0, 0, '', `${SERVER}/`])
    await page.reload()
    assert.ok(await button('Call /api/me').isDisabled())
  })

  await check('a wrong password is refused, and leaves nobody logged in', async () => {
    await logIn('bob', 'wrong', '400 invalid_grant', 'Customers')
    assert.equal(await page.locator('dd#access_token').count(), 0)
  })

  await check('after ten wrong passwords the next one is locked, with a waiting time that counts down', async () => {
    const guesses = page.getByRole('list', { name: 'Guesses' })
    await click('Guess wrong until it locks', toLogin, '429 too_many_attempts', [page.getByRole('timer'), 'Try again'], [guesses, '429'])
    const answers = await guesses.getByRole('listitem').allInnerTexts()
    // One was made before.
    assert.deepEqual(answers, [...Array(9).fill('400'), '429'])
    const left = async () => Number((await text(page.getByRole('timer'))).match(/^Try again in (\d+) s$/)[1])
    const before = await left()
    assert.ok(before >= 1 && before <= 3600, `${before}`)
    assert.match(await text(exchange), /retry-after: \d+/)
    await page.waitForTimeout(2100)
    assert.ok((await left()) < before)
  })

  await check('under the lock the right password is refused, too, and others log in', async () => {
    await logIn('bob', CUSTOMERS_PASSWORD, '429 too_many_attempts', 'Customers')
    await logIn('alice', PASSWORD, 'Logged in as alice')
    assert.equal(await page.getByRole('timer').count(), 0)
  })

  await check('and the employee of the same name is not locked', async () => {
    await logIn('bob', PASSWORD, 'Logged in as bob of the employees')
  })

  await check('on a wide screen each answer is in view, too', async () => {
    await page.setViewportSize({ width: 1280, height: 720 })
    await use('Call /api/me', 'The API took the token: 200', [api, '200'])
    await use('Refresh', 'Refreshed')
    await logIn('bob', CUSTOMERS_PASSWORD, '429 too_many_attempts', 'Customers')
    await logIn('alice', PASSWORD, 'Logged in as alice')
    await page.setViewportSize({ width: 375, height: 667 })
  })

  await check('nothing was asked of any other server', async () => assert.deepEqual(foreign, []))
  await check('the policy was never violated', async () => assert.deepEqual(violations, []))
  await check('there is no error in the console', async () => assert.deepEqual(errors, []))

  await check('a server that does not answer is told', async () => {
    await context.setOffline(true)
    await use('Call /api/me', 'The server does not answer')
    await context.setOffline(false)
    await use('Call /api/me', 'The API took the token: 200')
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
