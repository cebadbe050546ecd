// An authenticator app (RFC 6238), written for these clients alone.
import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const STEP = 30
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function bytesOf(base32) {
  const bits = [...base32].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, '0')).join('')
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
}

// RFC 6238, and RFC 4226 section 5.3.
function codeOf(secret, seconds) {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(seconds / STEP)))
  const hash = createHmac('sha1', bytesOf(secret)).update(counter).digest()
  const offset = hash.at(-1) & 0xf
  return String((hash.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

// The codes of the step before, of this step and of the next, when it is early enough that none is too old as it arrives.
export async function codesOf(secret) {
  const spent = (Date.now() / 1000) % STEP
  if (spent > 20) await sleep((STEP - spent) * 1000 + 100)
  const now = Date.now() / 1000
  return [-STEP, 0, STEP].map((seconds) => codeOf(secret, now + seconds))
}

// A code that is not this one.
export const wrong = (code) => String((Number(code) + 1) % 1_000_000).padStart(6, '0')
