// The server around the flow: outages, limits, logs, the script, health, closing.
import { test } from 'tap'
import { Unavailable } from './arrival.ts'
import { gatewayWorld, granted, send, setCookiesOf, site } from '../test/gateway_world.ts'

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
    rule: {
      consent: 'by_country' as const,
      gpc: 'limit' as const,
      optOutCountries: ['US']
    }
  }
  const world = await gatewayWorld(t, { sites: [site, byCountry], trustProxy: ['127.0.0.1'] })
  const get = async (host: string, headers: Record<string, string> = {}) => await send(world.base, '',
    { method: 'GET', path: '/s.js', host, origin: null, headers })
  const script = await get('t.example.com')
  t.equal(script.status, 200)
  t.match(script.headers, {
    'content-type': 'text/javascript; charset=utf-8',
    vary: 'Host',
    'access-control-allow-origin': '*',
    'cache-control': 'public, max-age=300',
    etag: /^"[\w-]+"$/
  })
  t.match(script.text, /"cookie_domain":"example\.com"/)
  t.notOk(script.text.includes('__POSTERN_SITE__'))
  t.equal((await get('t.example.com', { 'if-none-match': `W/"x", ${script.headers.etag}` })).status, 304)
  const us = await get('t.other.example', { 'cf-ipcountry': 'US', 'x-forwarded-for': '203.0.113.7' })
  t.match(us.text, /"consent":"opt_out","gpc":"limit","cookie_domain":"other\.example"/)
  t.match(us.headers, { 'cache-control': 'private, max-age=300' })
  t.match((await get('t.other.example', { 'cf-ipcountry': 'DE', 'x-forwarded-for': '203.0.113.7' })).text,
    /"consent":"opt_in"/)
  t.match((await get('t.other.example')).text, /"consent":"opt_in"/)
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
