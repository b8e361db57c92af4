// Sending: bounded requests against hostile servers.
import { generateKeyPairSync, verify as verifySignature } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { test, type Test } from 'tap'
import { fictionalTarget } from '../test/fictional.ts'
import { createSender, type Credential } from './send.ts'
import { createTokens } from './token.ts'

const none: Credential = { kind: 'none' }

async function listen (t: Test, server: Server): Promise<string> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function serve (t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  t.teardown(() => server.closeAllConnections())
  return await listen(t, server)
}

const hasty = { connectMs: 300, headersMs: 300, bodyMs: 300, totalMs: 600, responseBytes: 1000 }

function sender (t: Test, limits = hasty) {
  const made = createSender(limits)
  t.teardown(() => made.close())
  return made
}

const post = (url: string, body: unknown = { a: 1 }) => ({ method: 'POST' as const, url, headers: {}, body })

test('a request and its answer', async t => {
  const origin = await serve(t, (request, response) => {
    let body = ''
    request.on('data', chunk => { body += String(chunk) })
    request.on('end', () => {
      response.writeHead(202, { 'X-Trace': 'abc' })
      response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }))
    })
  })
  const { send } = sender(t)
  const answer = await send(post(`${origin}/x`, { name: 'Jürgen' }), { kind: 'header', name: 'X-Token', value: 's' })
  t.match(answer, { kind: 'response', response: { status: 202, headers: { 'x-trace': 'abc' } } })
  t.match(answer, { response: { body: { method: 'POST', url: '/x', body: '{"name":"Jürgen"}' } } })
  t.match(answer, { response: { body: { headers: { 'x-token': 's', 'content-type': 'application/json' } } } })

  const key: Credential = { kind: 'query', name: 'key', value: 'k&' }
  const asked = await send({ method: 'GET', url: `${origin}/y?a=1`, headers: {} }, key)
  t.match(asked, { response: { body: { method: 'GET', url: '/y?a=1&key=k%26', body: '' } } })
  const form = { ...post(`${origin}/f`, 'a=1&b=2'), headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  t.match(await send(form, none), { response: { body: { body: 'a=1&b=2' } } }, 'text goes as it is')
})

test('what a hostile network does is a value', async t => {
  const hits: string[] = []
  const origin = await serve(t, (request, response) => {
    hits.push(request.url ?? '')
    switch (request.url ?? '') {
      case '/redirect': response.writeHead(302, { location: '/secret' }).end(); break
      case '/html': response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'); break
      case '/huge': response.end('x'.repeat(100_000)); break
      case '/reset': request.socket.destroy(); break
      case '/half': response.writeHead(200, { 'content-length': '50' }).end('{"a":'); break
      case '/slow_body': response.writeHead(200).write('{'); break
      default: // '/silence' never answers
    }
  })
  const closed = await listen(t, createTcpServer())
  const { send } = sender(t)
  const cases: [string, object][] = [
    [`${origin}/redirect`, { kind: 'response', response: { status: 302 } }],
    [`${origin}/html`, { kind: 'response', response: { status: 200, body: '<html>' } }],
    [`${origin}/huge`, { kind: 'failure', failure: { sent: 'maybe' } }],
    [`${origin}/reset`, { kind: 'failure', failure: { sent: 'maybe' } }],
    [`${origin}/half`, { kind: 'failure', failure: { sent: 'maybe' } }],
    [`${origin}/slow_body`, { kind: 'failure', failure: { sent: 'maybe' } }],
    [`${origin}/silence`, { kind: 'failure', failure: { sent: 'maybe' } }],
    [closed, { kind: 'failure', failure: { sent: 'maybe' } }],
    ['http://127.0.0.1:1/', { kind: 'failure', failure: { code: 'ECONNREFUSED', sent: 'no' } }],
    ['http://no-such-host.invalid/', { kind: 'failure', failure: { sent: 'no' } }]
  ]
  for (const [url, expected] of cases) t.match(await send(post(url), none), expected, url.replace(/:\d+/, ''))
  t.notOk(hits.includes('/secret'), 'a redirect is not followed')
})

test('no secret in a failure', async t => {
  const { send } = sender(t)
  const secrets: Credential[] = [
    { kind: 'header', name: 'authorization', value: 'Bearer canary\r\nx: y' },
    { kind: 'query', name: 'token', value: 'canary' }
  ]
  for (const credential of secrets) {
    const answer = await send(post('http://127.0.0.1:1/'), credential)
    t.equal(answer.kind, 'failure')
    t.notMatch(JSON.stringify(answer), /canary/)
  }
})

// ---- Google's tokens ----------------------------------------------------------------------------------------------

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})
const serviceAccount = JSON.stringify({
  type: 'service_account',
  client_email: 'postern@project.iam.gserviceaccount.com',
  private_key: privateKey,
  private_key_id: 'k1',
  token_uri: 'https://oauth2.googleapis.com/token'
})
const authorizedUser = JSON.stringify({
  type: 'authorized_user', client_id: 'id', client_secret: 'secret', refresh_token: 'refresh'
})

function googleTarget (tokenEndpoint: string, credentials: string) {
  const auth = { kind: 'google_oauth', scope: 'scope-a', credentials: () => credentials } as const
  return fictionalTarget({ tokenEndpoint, destination: { auth } })
}

test('Google tokens: asked for once, cached, renewed before they end', async t => {
  const forms: URLSearchParams[] = []
  const origin = await serve(t, (request, response) => {
    let body = ''
    request.on('data', chunk => { body += String(chunk) })
    request.on('end', () => {
      forms.push(new URLSearchParams(body))
      response.end(JSON.stringify({ access_token: `token-${forms.length}`, expires_in: 3600, token_type: 'Bearer' }))
    })
  })
  let nowMs = Date.UTC(2026, 10, 23)
  const tokens = createTokens({ sender: sender(t), now: () => nowMs })
  const target = googleTarget(origin, serviceAccount)
  const asked = await Promise.all([tokens.authorize(target), tokens.authorize(target), tokens.authorize(target)])
  for (const one of asked) {
    t.same(one, { credential: { kind: 'header', name: 'authorization', value: 'Bearer token-1' }, isCached: false })
  }
  t.equal(forms.length, 1, 'three at once share one fetch')
  t.match(await tokens.authorize(target), { credential: { value: 'Bearer token-1' }, isCached: true })

  t.equal(forms[0]?.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer')
  const [head = '', claims = '', signature = ''] = (forms[0]?.get('assertion') ?? '').split('.')
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown
  t.same(read(head), { alg: 'RS256', typ: 'JWT', kid: 'k1' })
  t.same(read(claims), {
    iss: 'postern@project.iam.gserviceaccount.com',
    scope: 'scope-a',
    aud: 'https://oauth2.googleapis.com/token',
    iat: nowMs / 1000,
    exp: nowMs / 1000 + 3600
  })
  t.ok(verifySignature('sha256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url')))

  nowMs += 3541_000
  t.match(await tokens.authorize(target), { credential: { value: 'Bearer token-2' } }, 'renewed a minute early')
  tokens.forget(target)
  t.match(await tokens.authorize(target), { credential: { value: 'Bearer token-3' } }, 'a refused token is forgotten')
  t.match(await tokens.authorize(googleTarget(origin, authorizedUser)), { credential: { value: 'Bearer token-4' } })
  t.same(Object.fromEntries(forms[3] ?? []), {
    grant_type: 'refresh_token', client_id: 'id', client_secret: 'secret', refresh_token: 'refresh'
  })
})

test('Google tokens: what is refused pauses, what is passing is tried again', async t => {
  let status = 400
  const origin = await serve(t, (_request, response) => {
    response.writeHead(status, { 'retry-after': '7' })
    response.end(JSON.stringify({ error: 'invalid_grant', error_description: 'for anna@example.com' }))
  })
  const tokens = createTokens({ sender: sender(t), now: Date.now })
  const target = googleTarget(origin, authorizedUser)
  t.same(await tokens.authorize(target), { pause: 'token: HTTP 400 invalid_grant' })
  status = 503
  t.same(await tokens.authorize(target), { retry: 'token: HTTP 503 invalid_grant', afterSeconds: 7 })
  t.same(await tokens.authorize(googleTarget('http://127.0.0.1:1', authorizedUser)), { retry: 'token: ECONNREFUSED' })
  for (const bad of ['{"canary', '{}', JSON.stringify({ client_email: 'x', private_key: 'canary' })]) {
    const answer = await tokens.authorize(googleTarget(origin, bad))
    t.ok('pause' in answer)
    t.notMatch(JSON.stringify(answer), /canary/)
  }
})
