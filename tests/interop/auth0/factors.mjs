// What the Node SDKs share about second factors: the users, and the console of the example, which shows the codes that it sends.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { check, env } from './common.mjs'

export { codesOf, wrong } from './totp.mjs'

export const [dan, dee, dirk] = env.DEMANDED_USERNAMES.split(' ')
export const [enya, nora] = [env.ENROLLED_USERNAME, env.NOT_ENROLLED_USERNAME]
export const [telephone, newTelephone] = [env.ENROLLED_TELEPHONE, '+15555550199']
export const recoveryCodes = env.RECOVERY_CODES.split(' ')

const printed = (pattern) => [...readFileSync(env.CONSOLE, 'utf8').matchAll(pattern)].at(-1)[1]

export const codeTo = (number) => printed(new RegExp(`sms to ${number.replace('+', '\\+')}: (\\d{6})`, 'g'))

export async function deviceAnswers(answer) {
  const url = printed(/push to \S+: POST (\S+\/)approve or deny/g)
  check(`the device says ${answer}`, (await fetch(url + answer, { method: 'POST' })).status, 204)
}

// Until a question may be asked again.
export const pause = () => sleep(5100)

// As a user types a recovery code.
export const typed = (code) => code.match(/.{4}/g).join('-').toLowerCase()
