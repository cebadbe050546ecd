// jose verifies the signed tokens of a running example with its published keys: access tokens (RFC 9068), and an ID token.
import { createLocalJWKSet, createRemoteJWKSet, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { check, failure, settings } from './common.mjs'

const { server, publicClientId, username, password } = settings

const jwksUrl = new URL(`${server}/.well-known/jwks.json`)
const published = createRemoteJWKSet(jwksUrl)
const rules = { issuer: server, audience: 'https://api.example', typ: 'at+jwt', algorithms: ['ES256'], clockTolerance: 0 }
rules.requiredClaims = ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti', 'auth_time', 'scope']

async function login(more) {
  const form = new URLSearchParams({ grant_type: 'password', client_id: publicClientId, username, password, ...more })
  return await (await fetch(`${server}/oauth/token`, { method: 'POST', body: form })).json()
}
const answer = await login({})
const token = answer.access_token

const { payload, protectedHeader } = await jwtVerify(token, published, rules)
check('a token', [payload.sub, payload.client_id, payload.scope], ['user:alice', publicClientId, answer.scope])
check('its life', payload.exp - payload.iat, answer.expires_in)
check('its header', [protectedHeader.alg, protectedHeader.typ], ['ES256', 'at+jwt'])

const jwks = await (await fetch(jwksUrl)).json()
check('the keys are public', jwks.keys.filter((key) => 'd' in key || 'k' in key), [])
await jwtVerify(token, createLocalJWKSet(jwks), rules)
console.log('ok the keys as a document')

async function refusal(presented, change = {}) {
  return (await failure(() => jwtVerify(presented, published, { ...rules, ...change }))).code
}

const [header, claims, signature] = token.split('.')
const other = Buffer.from(JSON.stringify({ ...payload, sub: 'user:bob' })).toString('base64url')
check('other claims', await refusal([header, other, signature].join('.')), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
const { privateKey } = await generateKeyPair('ES256')
const forged = await new SignJWT(payload).setProtectedHeader(protectedHeader).sign(privateKey)
check('a key of its own', await refusal(forged), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
const none = Buffer.from(JSON.stringify({ ...protectedHeader, alg: 'none' })).toString('base64url')
check('no signature', await refusal([none, claims, ''].join('.')), 'ERR_JOSE_ALG_NOT_ALLOWED')
check('another issuer', await refusal(token, { issuer: 'https://other.example' }), 'ERR_JWT_CLAIM_VALIDATION_FAILED')
check('another audience', await refusal(token, { audience: 'https://other.example' }), 'ERR_JWT_CLAIM_VALIDATION_FAILED')
check('after its end', await refusal(token, { currentDate: new Date(payload.exp * 1000) }), 'ERR_JWT_EXPIRED')

check('no ID token without openid', answer.id_token, undefined)
const { access_token: beside, id_token: idToken } = await login({ scope: 'openid' })
const idRules = { ...rules, audience: publicClientId, typ: 'JWT', requiredClaims: ['iss', 'exp', 'aud', 'sub', 'iat', 'auth_time'] }
const { payload: user } = await jwtVerify(idToken, published, idRules)
const names = ['aud', 'auth_time', 'exp', 'iat', 'iss', 'preferred_username', 'sub']
check('an ID token', [Object.keys(user).sort(), user.sub, user.preferred_username], [names, 'user:alice', 'alice'])
check('an ID token is no access token', await refusal(idToken), 'ERR_JWT_CLAIM_VALIDATION_FAILED')
check('an access token is no ID token', await refusal(beside, idRules), 'ERR_JWT_CLAIM_VALIDATION_FAILED')
