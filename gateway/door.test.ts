// Who is believed: origins, proxies, the browser's own word, keys; and who is no person.
import { test } from 'tap'
import { gatewayWorld, site } from '../test/gateway_world.ts'

test('origins: exactly the site\'s and the gateway\'s own', async t => {
  const world = await gatewayWorld(t, {
    sites: [{
      ...site,
      origins: ['https://www.example.com',
        'https://shop.example.com:8443', 'http://localhost:3000']
    }]
  })
  const cases: [origin: string | null, isAllowed: boolean][] = [
    [null, true], ['https://www.example.com', true], ['https://shop.example.com:8443', true],
    ['http://localhost:3000', true],
    ['https://t.example.com', true], ['http://t.example.com', true],
    ['null', false], ['', false], ['http://www.example.com', false], ['https://www.example.com:443', false],
    ['https://www.example.com:8443', false],
    ['https://www.example.com.', false], ['https://www.example.com/', false], ['https://WWW.example.com', false],
    ['https://example.com', false], ['https://evil.www.example.com', false], ['https://www.example.com.evil.example',
      false],
    ['https://evilwww.example.com', false], ['https://www-example.com', false],
    ['https://www.example.com@evil.example', false],
    ['https://evil.example/https://www.example.com', false], ['https://evil.example?https://www.example.com', false],
    ['https://www.example.com, https://evil.example', false], ['https://evil.example', false], ['*', false],
    ['file://', false],
    ['chrome-extension://abcdef', false], ['https://shop.example.com', false], ['https://shop.example.com:443', false],
    ['http://localhost', false], ['http://localhost:3001', false], ['https://localhost:3000', false],
    ['http://127.0.0.1:3000', false],
    ['https://t.example.com:8443', false], ['https://t.example.com.', false], ['ftp://t.example.com', false],
    ['https://www.exämple.com', false], ['https://xn--www-example-com.example', false], ['data:text/html,x', false],
    ['https://t.example.com#', false]
  ]
  for (const [origin, isAllowed] of cases) {
    // A header cannot carry every text; where Node refuses to send it, so does a browser.
    const header = origin === null ? null : Buffer.from(origin).toString('latin1')
    const answer = await world.post({ event_name: 'x' }, { origin: header })
    t.equal(answer.status, isAllowed ? 202 : 403, `${origin}`)
    if (!isAllowed) t.match(answer.json, { error: { code: 'origin_not_allowed' } })
    t.equal(answer.headers['access-control-allow-origin'], isAllowed && origin !== null ? origin : undefined,
      `${origin}: echoed`)
    t.equal(answer.headers.vary, 'Origin')
    const lead = await world.lead({ email: 'a@b.de' }, { origin: header, type: 'application/json' })
    t.equal(lead.status, 202, `${origin}: a lead is never refused`)
    t.equal(lead.headers['access-control-allow-credentials'], isAllowed && origin !== null ? 'true' : undefined)
    const preflight = await world.post('', { method: 'OPTIONS', origin: header })
    t.equal(preflight.status, 204)
    t.equal(preflight.headers['access-control-allow-methods'], isAllowed && origin !== null ? 'POST' : undefined)
  }
  t.ok(cases.length >= 40)
})

test('trust by origin, by the browser\'s own word, and by key', async t => {
  const world = await gatewayWorld(t)
  await world.post({ event_name: 'a' })
  await world.post({ event_name: 'b' }, { origin: null })
  await world.post({ event_name: 'c' }, { origin: null, headers: { 'sec-fetch-site': 'same-site' } })
  const foreign = await world.post({ event_name: 'd' }, { origin: null, headers: { 'sec-fetch-site': 'cross-site' } })
  t.match(foreign, { status: 403, json: { error: { code: 'origin_not_allowed' } } }, 'by the browser\'s own word')
  await world.lead({ email: 'd@b.de' }, {
    origin: null, type: 'application/json', headers: { 'sec-fetch-site': 'cross-site' }
  })
  await world.signed({ event_name: 'e' })
  await world.lead({ email: 'a@b.de' }, {
    origin: 'https://evil.example',
    type: 'application/json',
    headers: { 'sec-fetch-site': 'same-site' }
  })
  await world.lead({ email: 'b@b.de' }, {
    origin: 'null',
    type: 'application/json',
    headers: { 'sec-fetch-site': 'same-origin' }
  })
  await world.lead({ email: 'c@b.de' }, {
    origin: null,
    type: 'application/json',
    headers: { authorization: 'Bearer a-key-of-the-shop' }
  })
  t.strictSame((await world.parts()).map(part => part.trust),
    ['same_site', 'anonymous', 'same_site', 'anonymous', 'signed', 'anonymous', 'same_site', 'signed'])
})

test('bots and prefetches are stored and marked with the reason', async t => {
  const world = await gatewayWorld(t)
  const cases: [headers: Record<string, string>, reasons: string[] | undefined][] = [
    [{}, undefined],
    [{ 'user-agent': 'Googlebot/2.1 (+http://www.google.com/bot.html)' }, ['user_agent']],
    [{ 'user-agent': 'curl/8.5.0' }, ['user_agent']],
    [{ 'sec-purpose': 'prefetch' }, ['prefetch']],
    [{ 'sec-purpose': 'prefetch;prerender' }, ['prerender']],
    [{ purpose: 'prefetch', 'user-agent': 'bingbot/2.0' }, ['user_agent', 'prefetch']]
  ]
  for (const [headers, reasons] of cases) {
    t.equal((await world.post({ event_name: 'x' }, { headers })).status, 202)
    const part = (await world.parts()).at(-1)
    t.strictSame(part?.data.bot, reasons, JSON.stringify(headers))
    t.equal(part?.is_bot, reasons !== undefined)
  }
})

test('addresses and countries are believed from trusted proxies alone', async t => {
  const forged = {
    'x-forwarded-for': '198.51.100.9, 203.0.113.7',
    'x-forwarded-host': 'evil.example',
    'cf-ipcountry': 'us'
  }
  const cases: [trustProxy: string[], ip: string, country: string | undefined, status: number][] = [
    [[], '127.0.0.1', undefined, 202],
    [['10.0.0.0/8'], '127.0.0.1', undefined, 202],
    [['127.0.0.1'], '203.0.113.7', 'US', 404],
    [['127.0.0.1', '203.0.113.0/24'], '198.51.100.9', 'US', 404]
  ]
  for (const [trustProxy, ip, country, status] of cases) {
    const world = await gatewayWorld(t, { trustProxy })
    t.equal((await world.post({ event_name: 'x' }, { headers: forged })).status, status,
      'the host of a trusted proxy decides the site')
    await world.post({ event_name: 'x' }, { headers: { ...forged, 'x-forwarded-host': 't.example.com' } })
    const data = (await world.parts()).at(-1)?.data
    t.strictSame([data?.client?.ip, data?.country], [ip, country], `trusting ${trustProxy.join()}`)
  }
})
