// What the Node SDKs share: what the example printed, the answers, and how a check is told.
import { readFileSync } from 'node:fs'
import { inspect, isDeepStrictEqual } from 'node:util'

export const env = process.env
export const alice = env.TOKEN_USERNAME
export const passwords = { customers: env.CUSTOMER_PASSWORD, employees: env.EMPLOYEE_PASSWORD }
export const profiles = {
  customers: { sub: 'auth0|1', email: alice, name: 'Alice, a customer' },
  employees: { sub: 'ad|1', email: alice, name: 'Alice, an employee' },
}
export const everything = 'openid profile email offline_access'
export const clients = { web: env.CLIENT_ID, shop: env.CUSTOMERS_CLIENT_ID, kiosk: env.LIMITED_CLIENT_ID }
export const addresses = { home: '198.51.100.4', elsewhere: '203.0.113.7' }

const answers = JSON.parse(readFileSync(new URL('answers.json', import.meta.url)))

export function check(what, seen, expected) {
  if (isDeepStrictEqual(seen, expected)) {
    console.log(`ok ${what}`)
  } else {
    console.log(`FAILED ${what}: ${inspect(seen)} is not ${inspect(expected)}`)
    process.exitCode = 1
  }
}

// Compares the whole error that an SDK makes of an answer; `facts` says what is in it, and `expected` what should be.
export async function fails(what, answer, attempt, facts, expected) {
  const error = await attempt().then(
    (seen) => ({ name: `no error but ${inspect(seen)}` }),
    (error) => error,
  )
  check(what, facts(error), expected(...answers[answer]))
  return error
}

// The headers of a lock.
export function checkWait(headers) {
  const [wait, reset] = ['retry-after', 'x-ratelimit-reset'].map((name) => Number(headers.get(name)))
  const inTime = [wait > 0 && wait <= 900, Math.abs(Date.now() / 1000 + wait - reset) < 3]
  check('the wait', inTime, [true, true])
  check('its headers', [headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')], ['10', '0'])
}

// What a signed token says; nothing of one that is not there.
export function claimsOf(token) {
  const [, claims] = (token ?? '').split('.')
  return claims ? JSON.parse(Buffer.from(claims, 'base64url')) : {}
}
