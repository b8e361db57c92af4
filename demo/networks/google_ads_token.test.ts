// The fake of Google's token service: which assertions and refresh tokens it takes, and what for.
import { createSign, generateKeyPairSync } from 'node:crypto'
import { test } from 'tap'
import { openTokens, tokenScope } from './google_ads_token.ts'
import { exampleNowMs } from './google_ads_example.ts'
import type { Json } from './json.ts'
import type { FakeRequest } from './network.ts'

const keyPair = () => generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})
const keys = keyPair()
const account = 'postern@main.iam.gserviceaccount.com'
const options = {
  serviceAccounts: { [account]: keys.publicKey },
  refreshTokens: { '1//known': { clientId: '17-a.apps.googleusercontent.com', clientSecret: 'shh' } }
}
const nowSeconds = exampleNowMs / 1000

function requestOf (form: Record<string, string>, contentType = 'application/x-www-form-urlencoded'): FakeRequest {
  return {
    params: {},
    query: new URLSearchParams(),
    headers: { 'content-type': contentType },
    body: Buffer.from(new URLSearchParams(form).toString()),
    nowMs: exampleNowMs,
    serial: 7
  }
}

function assertion (claims: Json = {}, head: Json = {}, privateKey: string = keys.privateKey): Record<string, string> {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const body = {
    iss: account,
    scope: tokenScope,
    aud: 'https://oauth2.googleapis.com/token',
    iat: nowSeconds,
    exp: nowSeconds + 3600,
    ...claims
  }
  const signed = `${part({ alg: 'RS256', typ: 'JWT', ...head })}.${part(body)}`
  const signature = createSign('sha256').update(signed).sign(privateKey).toString('base64url')
  return { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: `${signed}.${signature}` }
}

const refresh = (over: Record<string, string> = {}) => ({
  grant_type: 'refresh_token',
  client_id: '17-a.apps.googleusercontent.com',
  client_secret: 'shh',
  refresh_token: '1//known',
  ...over
})

test('a right assertion and a right refresh token get a token that is taken for an hour', t => {
  for (const form of [assertion(), refresh()]) {
    const tokens = openTokens(options)
    const { status, body } = tokens.give(requestOf(form))
    t.equal(status, 200)
    t.match(body, { access_token: /^ya29\./, expires_in: 3600, token_type: 'Bearer' })
    const authorization = `Bearer ${(body as { access_token: string }).access_token}`
    const at = (ms: number) => tokens.check({ ...requestOf({}), headers: { authorization }, nowMs: exampleNowMs + ms })
    t.equal(at(3_599_999), undefined)
    t.equal(at(3_600_000), 'ACCESS_TOKEN_EXPIRED')
  }
  t.end()
})

test('anything wrong with them has the error of RFC 6749', t => {
  const cases: [string, Record<string, string>, string, number][] = [
    ['another algorithm', assertion({}, { alg: 'HS256' }), 'invalid_grant', 400],
    ['another audience', assertion({ aud: 'https://datamanager.googleapis.com' }), 'invalid_grant', 400],
    ['another scope', assertion({ scope: 'https://www.googleapis.com/auth/adwords' }), 'invalid_scope', 400],
    ['longer than an hour', assertion({ exp: nowSeconds + 3601 }), 'invalid_grant', 400],
    ['ended', assertion({ iat: nowSeconds - 3600, exp: nowSeconds }), 'invalid_grant', 400],
    ['of the future', assertion({ iat: nowSeconds + 301, exp: nowSeconds + 3000 }), 'invalid_grant', 400],
    ['milliseconds', assertion({ iat: exampleNowMs, exp: exampleNowMs + 3600 }), 'invalid_grant', 400],
    ['nobody', assertion({ iss: undefined }), 'invalid_grant', 400],
    ['an unknown account', assertion({ iss: 'x@main.iam.gserviceaccount.com' }), 'invalid_grant', 400],
    ['another key', assertion({}, {}, keyPair().privateKey), 'invalid_grant', 400],
    ['no assertion', { ...assertion(), assertion: 'a.b' }, 'invalid_grant', 400],
    ['a revoked token', refresh({ refresh_token: '1//other' }), 'invalid_grant', 400],
    ['another client', refresh({ client_id: '18-b' }), 'invalid_client', 401],
    ['another secret', refresh({ client_secret: 'psst' }), 'invalid_client', 401],
    ['no token', refresh({ refresh_token: '' }), 'invalid_request', 400],
    ['another grant', refresh({ grant_type: 'password' }), 'unsupported_grant_type', 400]
  ]
  for (const [name, form, error, status] of cases) {
    t.match(openTokens(options).give(requestOf(form)), { status, body: { error, error_description: String } }, name)
  }
  t.match(openTokens(options).give(requestOf(refresh(), 'application/json')), { body: { error: 'invalid_request' } })
  t.end()
})

test('without known accounts the form alone counts, and a mask is no token', t => {
  const give = (form: Record<string, string>) => openTokens({}).give(requestOf(form)).status
  t.equal(give(assertion({}, {}, keyPair().privateKey)), 200)
  t.equal(give(assertion({ aud: 'x' })), 400)
  t.equal(give(refresh({ refresh_token: '1//any' })), 200)
  t.equal(give(refresh({ refresh_token: '***' })), 400)
  t.end()
})
