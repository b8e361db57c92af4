// The server around the flow: outages, limits, logs, the script, health, closing.
import { createHash } from 'node:crypto'
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { test } from 'tap'
import { Unavailable } from './arrival.ts'
import { gatewayWorld, granted, send, setCookiesOf, site } from '../test/gateway_world.ts'

/** An answer as it travels, not decoded. */
async function sendForBytes (base: string, path: string, headers: Record<string, string>):
Promise<{ status: number, headers: IncomingHttpHeaders, bytes: Buffer }> {
  return await new Promise((resolve, reject) => {
    httpRequest(new URL(path, base), { headers }, answer => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes: Buffer.concat(chunks) })
      })
    }).on('error', reject).end()
  })
}

test('an outage is 503 with Retry-After, and nothing is promised', async t => {
  const world = await gatewayWorld(t, {
    log: {
      append: async () => { throw new Unavailable('down') },
      close: async () => {}
    }
  })
  for (const answer of [await world.post({ event_name: 'x', consent: granted }), await world.lead({ email: 'a@b.de' },
    { type: 'application/json' })]) {
    t.equal(answer.status, 503)
    t.match(answer.json, { error: { code: 'unavailable' } })
    t.ok(Number(answer.headers['retry-after']) >= 5)
    t.equal(setCookiesOf(answer).size, 0)
  }
})

test('what broke is told without what was posted', async t => {
  const world = await gatewayWorld(t, {
    log: {
      append: async () => { throw new Error('Key (email)=(canary@b.de)') },
      close: async () => {}
    }
  })
  const answer = await world.post({ event_name: 'x' })
  t.equal(answer.status, 500)
  t.match(answer.json, { error: { code: 'internal', message: 'the request failed' } })
  t.match(world.lines, [{ route: '/v1/e', error: 'Error', message: 'request failed' }])
  t.notOk(JSON.stringify(world.lines).includes('canary'))
})

test('one wide line for each accepted arrival, without personal data', async t => {
  const world = await gatewayWorld(t)
  await world.post({
    events: [{
      event_name: 'Lead',
      event_id: 'l-1',
      email: 'canary@b.de',
      page_location: 'https://www.example.com/?canary=1',
      value: 'x',
      consent: granted
    }, {}]
  })
  t.equal(world.lines.length, 1)
  t.match(world.lines[0], {
    site: 'main',
    kind: 'event',
    event_name: 'generate_lead',
    event_id: 'l-1',
    status: 'stored',
    trust: 'same_site',
    consent: '1111',
    bytes: Number,
    ack_ms: Number,
    warnings: 1,
    message: 'accepted'
  })
  t.notOk(/canary|127\.0\.0\.1|Mozilla/.test(JSON.stringify(world.lines)))
  const metrics = await world.metrics.registry.metrics()
  t.match(metrics, /ingest_stored_total\{site="main"\} 1/)
  t.match(metrics, /ingest_rejected_total\{reason="invalid_event"\} 1/)
  t.match(metrics, /http_requests_total\{route="\/v1\/e",code="202"\} 1/)
})

test('the script carries the site\'s settings', async t => {
  const byCountry = {
    ...site,
    name: 'other',
    hosts: ['t.other.example'],
    origins: ['https://www.other.example', 'https://other.example'],
    rule: {
      consent: 'by_country' as const,
      gpc: 'limit' as const,
      optOutCountries: ['US']
    }
  }
  const foreign = { ...site, name: 'far', hosts: ['t.far.example'], scriptModules: ['links'] }
  const world = await gatewayWorld(t, { sites: [site, byCountry, foreign], trustProxy: ['127.0.0.1'] })
  const get = async (host: string, headers: Record<string, string> = {}, path = '/s.js') => await send(world.base, '',
    { method: 'GET', path, host, origin: null, headers })
  const settingsIn = (text: string) => /\(\["1?",.*$/s.exec(text)?.[0] ?? text.slice(-300)
  const script = await get('t.example.com')
  t.equal(script.status, 200)
  t.match(script.headers, {
    'content-type': 'text/javascript; charset=utf-8',
    vary: 'Host, Accept-Encoding',
    'access-control-allow-origin': '*',
    'cache-control': 'public, max-age=300',
    etag: /^"[\da-f]{16}"$/
  })
  t.equal(settingsIn(script.text),
    '(["",1,";Path=/;SameSite=Lax;Domain=example.com;Secure","_pstn_c",15552000,"fb.1."],[])}')
  t.equal((await get('t.example.com', { 'if-none-match': `W/"x", ${script.headers.etag}` })).status, 304)
  const us = await get('t.other.example', { 'cf-ipcountry': 'US', 'x-forwarded-for': '203.0.113.7' })
  t.match(settingsIn(us.text), '(["1",0,";Path=/;SameSite=Lax;Domain=other.example;Secure"')
  t.match(us.headers, { 'cache-control': 'private, max-age=300' })
  const german = await get('t.other.example', { 'cf-ipcountry': 'DE', 'x-forwarded-for': '203.0.113.7' })
  t.match(settingsIn(german.text), '(["",0,')
  t.match(settingsIn((await get('t.other.example')).text), '(["",0,')
  const far = settingsIn((await get('t.far.example')).text)
  t.match(far, '";Path=/;SameSite=Lax;Secure"', 'pages of another domain set their cookies for themselves')
  t.match(far, /_uet.*file_download/s, 'and have their own module for the networks\' cookies')
})

test('the script is compressed once, and its pinned address never changes its content', async t => {
  const world = await gatewayWorld(t)
  const get = async (path: string, headers: Record<string, string> = {}) =>
    await sendForBytes(world.base, path, { host: 't.example.com', ...headers })
  const plain = await get('/s.js')
  const cases = [['br', 'br'], ['gzip, deflate, br;q=0.9', 'br'], ['gzip', 'gzip'], ['br;q=0, gzip', 'gzip'],
    ['identity', undefined], ['deflate', undefined]] as const
  for (const [accepted, encoding] of cases) {
    const answer = await get('/s.js', { 'accept-encoding': accepted })
    t.equal(answer.headers['content-encoding'], encoding, accepted)
    const decode = encoding === 'br' ? brotliDecompressSync : encoding === 'gzip' ? gunzipSync : Buffer.from
    t.ok(decode(answer.bytes).equals(plain.bytes), accepted)
    if (encoding === 'br') t.ok(answer.bytes.length <= 3000, `${answer.bytes.length} bytes of brotli`)
  }
  const described = JSON.parse((await get('/s.json')).bytes.toString()) as { src: string, integrity: string }
  t.equal(described.integrity, `sha384-${createHash('sha384').update(plain.bytes).digest('base64')}`)
  const pinned = await get('/' + described.src)
  t.equal(pinned.status, 200)
  t.ok(pinned.bytes.equals(plain.bytes))
  t.match(pinned.headers, { 'cache-control': 'public, max-age=31536000, immutable' })
  const old = await get('/s.0123456789abcdef.js')
  t.match(old, { status: 302, headers: { location: 's.js', 'cache-control': 'no-store' } })
  t.equal((await get('/s.0123.js')).status, 404)
})

test('health is told on hosts that are no site', async t => {
  const world = await gatewayWorld(t)
  for (const path of ['/livez', '/readyz']) {
    t.equal((await world.post('', { method: 'GET', path, host: '10.0.0.1' })).status, 200)
    t.match((await world.post('', { method: 'GET', path })).json, { error: { code: 'not_found' } })
  }
})

test('a gateway that closes gives the answers it owes', async t => {
  const world = await gatewayWorld(t)
  const pending = Array.from({ length: 20 }, (_, at) => world.post({ event_name: 'x', event_id: `c-${at}` })
    // A connection that was never taken on is no promise.
    .catch((error: NodeJS.ErrnoException) => ({ status: 0, error: error.code })))
  await Promise.race(pending)
  await world.app.close()
  const statuses = (await Promise.all(pending)).map(answer => answer.status)
  t.ok(statuses.every(status => [0, 202, 503].includes(status)), statuses.join())
  t.equal((await world.parts()).length, statuses.filter(status => status === 202).length, 'as many rows as promises')
})
