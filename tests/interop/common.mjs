// What both Node clients share: where the example listens, and how a check is told.
import assert from 'node:assert/strict'

const { SERVER, CLIENT_ID, CLIENT_SECRET, PUBLIC_CLIENT_ID, TOKEN_USERNAME, TOKEN_PASSWORD } = process.env

export const settings = {
  server: SERVER,
  clientId: CLIENT_ID,
  secret: CLIENT_SECRET,
  publicClientId: PUBLIC_CLIENT_ID,
  username: TOKEN_USERNAME,
  password: TOKEN_PASSWORD,
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
