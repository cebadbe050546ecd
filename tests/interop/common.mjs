// What the Node clients share: where the example listens, and how a check is told.
import assert from 'node:assert/strict'

const { SERVER, EXAMPLE, CLIENT_ID, CLIENT_SECRET, PUBLIC_CLIENT_ID, API_CLIENT_ID, API_CLIENT_SECRET } = process.env
const { TOKEN_USERNAME, TOKEN_PASSWORD } = process.env
// Of the server of two realms.
const { CUSTOMERS_CLIENT_ID, CUSTOMER_PASSWORD, EMPLOYEE_PASSWORD, BLOCKED_USERNAME, DEMANDED_USERNAME } = process.env
const { REHEARSING_CLIENT_ID, ENDED_CLIENT_ID, LAST_USERS_CLIENT_ID, GUIDE, BROWNOUT_END, END_TO_COME, END } = process.env

export const REALM_GRANT = 'http://auth0.com/oauth/grant-type/password-realm'
export const FACTOR_GRANTS = ['mfa-otp', 'mfa-oob', 'mfa-recovery-code'].map((name) => `http://auth0.com/oauth/grant-type/${name}`)

export const settings = {
  server: SERVER,
  clientId: CLIENT_ID,
  secret: CLIENT_SECRET,
  publicClientId: PUBLIC_CLIENT_ID,
  apiClientId: API_CLIENT_ID,
  apiSecret: API_CLIENT_SECRET,
  username: TOKEN_USERNAME,
  password: TOKEN_PASSWORD,
  customersClientId: CUSTOMERS_CLIENT_ID,
  passwords: { customers: CUSTOMER_PASSWORD, employees: EMPLOYEE_PASSWORD },
  blocked: BLOCKED_USERNAME,
  demanded: DEMANDED_USERNAME,
  // Only the axum example has an API to call, realms, and second factors.
  hasApi: EXAMPLE === 'axum',
  subject: EXAMPLE === 'axum' ? 'employees:alice' : 'user:alice',
  grants: ['password', 'refresh_token', ...(EXAMPLE === 'axum' ? [REALM_GRANT, ...FACTOR_GRANTS] : [])],
}

// The clients of that server that leave the grant, and the dates of their plans in seconds since 1970.
export const leaving = {
  rehearsingClientId: REHEARSING_CLIENT_ID,
  endedClientId: ENDED_CLIENT_ID,
  lastUsersClientId: LAST_USERS_CLIENT_ID,
  guide: GUIDE,
  brownoutEnd: BROWNOUT_END,
  endToCome: END_TO_COME,
  end: END,
}

export function check(what, seen, expected) {
  assert.deepEqual(seen, expected, what)
  console.log(`ok ${what}`)
}

export async function failure(attempt) {
  try {
    await attempt()
  } catch (error) {
    return error
  }
  throw new Error('it succeeded')
}
