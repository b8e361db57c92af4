// Events over real HTTP into a real database: answers, batches, origins, consent, visitors, poison, many at once.
import { test } from 'tap'
import { formatConsentCookie } from '../schema/consent_cookie.ts'
import type { Consent } from '../schema/consent.ts'
import { Unavailable } from './arrival.ts'
import { browserAgent, gatewayWorld, granted, send, setCookiesOf, site, type Answer } from '../test/gateway_world.ts'

const page = 'https://www.example.com/offer?fbclid=AbC_123-x&gclid=Gc_1234&utm_source=news&utm_medium=mail'
const jarOf = (answer: Answer) => [...setCookiesOf(answer)].map(([name, { value }]) => `${name}=${value}`).join('; ')

test('the answers of the contract', async t => {
  const world = await gatewayWorld(t)
  const first = await world.post({ event_name: 'Lead', event_id: 'id-1', value: 'much', consent: granted })
  t.equal(first.status, 202)
  t.strictSame(first.json, { status: 'stored', event_id: 'id-1', warnings: [{ path: 'value', code: 'not_a_number' }] })
  t.strictSame((await world.post({ event_name: 'generate_lead', event_id: 'id-1' })).json, { status: 'duplicate', event_id: 'id-1' })
  const made = await world.post({ event_name: 'x' }, { type: 'application/json' })
  t.match(made.json.event_id, /^e[a-z2-7]{26}$/, 'an id of ours starts with a letter')
  t.strictSame((await world.post({ event_name: 'purchase', transaction_id: '9' })).json.event_id, 'purchase.9')

  const batch = await world.post({ sent_at: Date.now(), events: [{ event_name: 'a', event_id: 'b-1' }, 'no event', { event_name: '' },
    { event_name: 'a', event_id: 'b-1' }, { event_name: 'purchase', transaction_id: 9 }, { event_name: 'c', event_id: 'b-2', tax: {} }] })
  t.equal(batch.status, 202)
  t.match(batch.json, { results: [
    { status: 'stored', event_id: 'b-1' },
    { status: 'rejected', error: { code: 'invalid_event', message: String } },
    { status: 'rejected', error: { code: 'invalid_event', message: String, path: 'event_name' } },
    { status: 'duplicate', event_id: 'b-1' },
    { status: 'duplicate', event_id: 'purchase.9' },
    { status: 'stored', event_id: 'b-2', warnings: [{ path: 'tax', code: 'not_a_number' }] }
  ] })
  t.equal((batch.json.results as unknown[]).length, 6)
  t.equal((await world.parts()).length, 8)
  t.equal(first.headers['cache-control'], 'no-store')
  t.equal(first.headers['x-content-type-options'], 'nosniff')
})

test('refusals have one shape, and name no more than they must', async t => {
  const world = await gatewayWorld(t)
  const long = { event_name: 'x', page_title: 'y'.repeat(65_000), more: 'z'.repeat(1000) }
  const cases: [name: string, answer: Promise<Answer>, status: number, code: string][] = [
    ['no JSON', world.post('{'), 400, 'malformed_body'],
    ['no body', world.post(''), 400, 'malformed_body'],
    ['no event', world.post({}), 400, 'invalid_event'],
    ['a list', world.post([]), 400, 'invalid_event'],
    ['a form', world.post('a=1', { type: 'application/x-www-form-urlencoded' }), 415, 'unsupported_media_type'],
    ['a bad type', world.post({ event_name: 'x' }, { type: 'nonsense' }), 415, 'unsupported_media_type'],
    ['compressed', world.post({ event_name: 'x' }, { headers: { 'content-encoding': 'gzip' } }), 415, 'unsupported_media_type'],
    ['too large', world.post(long), 413, 'too_large'],
    ['an unknown host', world.post({}, { host: 'evil.example' }), 404, 'unknown_site'],
    ['an unknown path', world.post({}, { path: '/v1/x' }), 404, 'not_found'],
    ['a GET', world.post({}, { method: 'GET' }), 405, 'method_not_allowed'],
    ['a DELETE', world.post({}, { method: 'DELETE', path: '/v1/leads' }), 405, 'method_not_allowed'],
    ['a POST to the script', world.post({}, { path: '/s.js' }), 405, 'method_not_allowed'],
    ['a broken address', world.post({}, { path: '/v1/%zz' }), 400, 'malformed_body'],
    ['no key', world.signed({ event_name: 'x' }, { headers: { authorization: '' } }), 401, 'unauthorized'],
    ['a wrong key', world.signed({ event_name: 'x' }, { headers: { authorization: 'Bearer nope' } }), 401, 'unauthorized'],
    ['no content type', world.post({ event_name: 'x' }, { type: null }), 202, '']
  ]
  for (const [name, pending, status, code] of cases) {
    const answer = await pending
    t.equal(answer.status, status, name)
    if (code === '') continue
    t.match(answer.json, { error: { code, message: String } }, name)
    t.strictSame(Object.keys(answer.json), ['error'], name)
  }
  t.equal((await world.post({}, { method: 'GET' })).headers.allow, 'POST, OPTIONS')
})

test('origins: exactly the site\'s and the gateway\'s own', async t => {
  const world = await gatewayWorld(t, { sites: [{ ...site, origins: ['https://www.example.com', 'https://shop.example.com:8443', 'http://localhost:3000'] }] })
  const cases: [origin: string | null, isAllowed: boolean][] = [
    [null, true], ['https://www.example.com', true], ['https://shop.example.com:8443', true], ['http://localhost:3000', true],
    ['https://t.example.com', true], ['http://t.example.com', true],
    ['null', false], ['', false], ['http://www.example.com', false], ['https://www.example.com:443', false], ['https://www.example.com:8443', false],
    ['https://www.example.com.', false], ['https://www.example.com/', false], ['https://WWW.example.com', false],
    ['https://example.com', false], ['https://evil.www.example.com', false], ['https://www.example.com.evil.example', false],
    ['https://evilwww.example.com', false], ['https://www-example.com', false], ['https://www.example.com@evil.example', false],
    ['https://evil.example/https://www.example.com', false], ['https://evil.example?https://www.example.com', false],
    ['https://www.example.com, https://evil.example', false], ['https://evil.example', false], ['*', false], ['file://', false],
    ['chrome-extension://abcdef', false], ['https://shop.example.com', false], ['https://shop.example.com:443', false],
    ['http://localhost', false], ['http://localhost:3001', false], ['https://localhost:3000', false], ['http://127.0.0.1:3000', false],
    ['https://t.example.com:8443', false], ['https://t.example.com.', false], ['ftp://t.example.com', false],
    ['https://www.exämple.com', false], ['https://xn--www-example-com.example', false], ['data:text/html,x', false], ['https://t.example.com#', false]
  ]
  for (const [origin, isAllowed] of cases) {
    // A header cannot carry every text; where Node refuses to send it, so does a browser.
    const header = origin === null ? null : Buffer.from(origin).toString('latin1')
    const answer = await world.post({ event_name: 'x' }, { origin: header })
    t.equal(answer.status, isAllowed ? 202 : 403, `${origin}`)
    if (!isAllowed) t.match(answer.json, { error: { code: 'origin_not_allowed' } })
    t.equal(answer.headers['access-control-allow-origin'], isAllowed && origin !== null ? origin : undefined, `${origin}: echoed`)
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
  await world.post({ event_name: 'd' }, { origin: null, headers: { 'sec-fetch-site': 'cross-site' } })
  await world.signed({ event_name: 'e' })
  await world.lead({ email: 'a@b.de' }, { origin: 'https://evil.example', type: 'application/json', headers: { 'sec-fetch-site': 'same-site' } })
  await world.lead({ email: 'b@b.de' }, { origin: 'null', type: 'application/json', headers: { 'sec-fetch-site': 'same-origin' } })
  await world.lead({ email: 'c@b.de' }, { origin: null, type: 'application/json', headers: { authorization: 'Bearer a-key-of-the-shop' } })
  t.strictSame((await world.parts()).map(part => part.trust),
    ['same_site', 'anonymous', 'same_site', 'anonymous', 'signed', 'anonymous', 'same_site', 'signed'])
})

test('consent decides what is stored and which cookies are set', async t => {
  const world = await gatewayWorld(t)
  const choice = (consent: Partial<Consent>, ageDays = 1) =>
    `_pstn_c=${formatConsentCookie(consent, Math.floor(Date.now() / 1000 - ageDays * 86_400))}`
  const all: Consent = { ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted' }
  const cases: [name: string, body: object, headers: Record<string, string>, cookies: string[], hasAds: boolean, hasGa: boolean][] = [
    ['nobody said anything', {}, {}, [], false, false],
    ['granted in the body', { consent: all }, {}, ['_fbc', '_fbp', '_pstn'], true, true],
    ['denied in the body', { consent: { ad_storage: 'denied', analytics_storage: 'denied' } }, {}, [], false, false],
    ['granted in the cookie', {}, { cookie: choice(all) }, ['_fbc', '_fbp', '_pstn'], true, true],
    ['the body against the cookie', { consent: { ad_storage: 'denied', analytics_storage: 'denied' } }, { cookie: choice(all) }, [], false, false],
    ['a choice past its life', {}, { cookie: choice(all, 181) }, [], false, false],
    ['a forged choice', {}, { cookie: '_pstn_c=1.9999.1764000000' }, [], false, false],
    ['analytics alone', { consent: { ad_storage: 'denied', analytics_storage: 'granted' } }, {}, ['_pstn'], false, true],
    ['ads alone', { consent: { ad_storage: 'granted', analytics_storage: 'denied' } }, {}, ['_fbc', '_fbp', '_pstn'], true, false],
    ['GPC in the header', { consent: { ad_storage: 'granted', analytics_storage: 'denied' } }, { 'sec-gpc': '1' }, [], false, false],
    ['GPC in the body', { consent: all, gpc: true }, {}, ['_pstn'], false, true]
  ]
  for (const [name, body, headers, cookies, hasAds, hasGa] of cases) {
    const event = { event_name: 'page_view', page_location: page, landing: page, cookies: { _ga: 'GA1.1.123.456', _ttp: '2abcdefghijklmnop' }, ...body }
    const answer = await world.post(event, { headers })
    t.strictSame([...setCookiesOf(answer).keys()].toSorted(), cookies, name)
    const data = (await world.parts()).at(-1)?.data
    const text = JSON.stringify(data)
    t.equal(text.includes('AbC_123-x'), hasAds, `${name}: the click id`)
    t.equal(text.includes('_ttp'), hasAds, `${name}: the network's cookie`)
    t.equal(text.includes('GA1.1.123.456'), hasGa, `${name}: the analytics cookie`)
    t.equal(data?.visitor_id !== undefined, cookies.includes('_pstn'), `${name}: the visitor`)
    t.ok(data?.page_location?.includes('utm_source=news'), `${name}: the rest of the address`)
  }
  t.equal((await world.pool.query('SELECT 1 FROM touches')).rowCount, 3, 'a landing is kept with ad_storage alone')
})

test('cookies are set once, with their attributes, and what the browser has is kept', async t => {
  const world = await gatewayWorld(t)
  const first = await world.post({ event_name: 'page_view', page_location: page, consent: granted })
  const cookies = setCookiesOf(first)
  t.match(cookies.get('_pstn')?.attributes, /^Path=\/; Max-Age=15552000; Domain=example\.com; HttpOnly; Secure; SameSite=Lax$/)
  t.match(cookies.get('_fbp')?.attributes, /^Path=\/; Max-Age=777\d{4}; Domain=example\.com; Secure; SameSite=Lax$/)
  t.match(cookies.get('_fbp')?.value, /^fb\.1\.\d{13}\.\d{1,18}$/)
  t.match(cookies.get('_fbc')?.value, /^fb\.1\.\d{13}\.AbC_123-x$/)

  const again = await world.post({ event_name: 'page_view', page_location: page, consent: granted }, { headers: { cookie: jarOf(first) } })
  t.equal(setCookiesOf(again).size, 0)
  const [one, two] = await world.parts()
  t.equal(two?.data.visitor_id, one?.data.visitor_id)
  t.equal(two?.data.visitor_verified, true)
  t.strictSame(two?.data.cookies, one?.data.cookies)

  const theirs = { _fbp: 'fb.1.1700000000000.42', _fbc: 'fb.1.1700000000000.Other_click' }
  const withOwn = await world.post({ event_name: 'page_view', page_location: page, consent: granted, cookies: theirs })
  t.strictSame([...setCookiesOf(withOwn).keys()], ['_pstn'], 'what the body has is not made again')
  t.match((await world.parts()).at(-1)?.data, { cookies: theirs, click_ids: { fbclid: { value: 'AbC_123-x' } } })

  const withPixel = await world.post({ event_name: 'page_view', page_location: page, consent: granted, browser_tags: { meta: 'unknown' } })
  t.strictSame([...setCookiesOf(withPixel).keys()], ['_pstn'], 'a page with the pixel makes its own')
  const later = await world.post({ event_name: 'page_view', consent: granted, browser_tags: { meta: 'unknown' } },
    { headers: { cookie: `_pstn=${cookies.get('_pstn')?.value}` } })
  t.strictSame([...setCookiesOf(later).keys()], ['_fbp'], 'but not on a later hit that still has none')
})

test('Secure is left out on this machine over plain http alone; a host without a domain keeps its cookies', async t => {
  const world = await gatewayWorld(t, { sites: [{ ...site, hosts: ['localhost', 't.example.com', '192.0.2.7', 'shop.example.co.uk'] }] })
  const cases: [host: string, attributes: RegExp, fbp: RegExp][] = [
    ['localhost:8377', /^Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/, /^fb\.0\./],
    ['t.example.com', /Domain=example\.com; HttpOnly; Secure/, /^fb\.1\./],
    ['192.0.2.7', /^Path=\/; Max-Age=\d+; HttpOnly; Secure; SameSite=Lax$/, /^fb\.0\./],
    ['shop.example.co.uk', /Domain=example\.co\.uk;/, /^fb\.2\./]
  ]
  for (const [host, attributes, fbp] of cases) {
    const cookies = setCookiesOf(await world.post({ event_name: 'x', consent: granted }, { host }))
    t.match(cookies.get('_pstn')?.attributes, attributes, host)
    t.match(cookies.get('_fbp')?.value, fbp, host)
  }
})

test('forged visitor cookies are nobody; among several the one that verifies counts', async t => {
  const world = await gatewayWorld(t)
  const own = setCookiesOf(await world.post({ event_name: 'x', consent: granted })).get('_pstn')?.value ?? ''
  const [version, id = '', grantedAt, mac = ''] = own.split('.')
  const forged: [name: string, cookie: string][] = [
    ['another id', `_pstn=${version}.v${'A'.repeat(22)}.${grantedAt}.${mac}`],
    ['a later grant', `_pstn=${version}.${id}.${Number(grantedAt) + 1}.${mac}`],
    ['another mac', `_pstn=${version}.${id}.${grantedAt}.${'A'.repeat(43)}`],
    ['no mac', `_pstn=${version}.${id}.${grantedAt}.`],
    ['another version', `_pstn=v2.${id}.${grantedAt}.${mac}`],
    ['five parts', `_pstn=${own}.x`],
    ['empty', '_pstn='],
    ['huge', `_pstn=${'x'.repeat(4000)}`],
    ['under another name', `_pstn2=${own}`]
  ]
  for (const [name, cookie] of forged) {
    const answer = await world.post({ event_name: 'x', consent: granted }, { headers: { cookie } })
    t.equal(answer.status, 202, name)
    t.ok(setCookiesOf(answer).has('_pstn'), `${name}: a new visitor`)
    const data = (await world.parts()).at(-1)?.data
    t.not(data?.visitor_id, id, name)
    t.equal(data?.visitor_verified, undefined, name)
  }
  for (const cookie of [`_pstn=forged; _pstn=${own}`, `a=b; _pstn=${own}; _pstn=x`]) {
    const answer = await world.post({ event_name: 'x', consent: granted }, { headers: { cookie } })
    t.notOk(setCookiesOf(answer).has('_pstn'))
    t.match((await world.parts()).at(-1)?.data, { visitor_id: id, visitor_verified: true })
  }
  const elsewhere = await gatewayWorld(t, { sites: [{ ...site, hosts: ['t.other.example'] }] })
  const moved = await elsewhere.post({ event_name: 'x', consent: granted }, { host: 't.other.example', headers: { cookie: `_pstn=${own}` } })
  t.ok(setCookiesOf(moved).has('_pstn'), 'a cookie of another domain does not verify')
})

test('a visitor cookie ends with the grant', async t => {
  let nowMs = Date.now()
  const world = await gatewayWorld(t, { now: () => nowMs })
  const chosenAtSeconds = Math.floor(nowMs / 1000) - 100 * 86_400
  const cookie = `_pstn_c=${formatConsentCookie({ ad_storage: 'granted' }, chosenAtSeconds)}`
  const answer = await world.post({ event_name: 'x' }, { headers: { cookie } })
  const own = setCookiesOf(answer).get('_pstn')
  t.match(own?.attributes, new RegExp(`Max-Age=${80 * 86_400};`))
  nowMs += 81 * 86_400_000
  await world.post({ event_name: 'x', consent: granted }, { headers: { cookie: `_pstn=${own?.value}` } })
  t.equal((await world.parts()).at(-1)?.data.visitor_verified, undefined)
})

test('fifty parallel first hits of one page are one visitor with one _fbp', async t => {
  const world = await gatewayWorld(t)
  for (const startedAtMs of [Date.now() - 2000, Date.now() - 400 * 86_400_000]) {
    const body = { page_location: page, consent: granted, page_seed: `${startedAtMs}.123456789012345678` }
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => world.post({ ...body, event_name: `view_${at}` })))
    const jars = answers.map(answer => setCookiesOf(answer))
    for (const name of ['_fbp', '_fbc']) t.equal(new Set(jars.map(jar => jar.get(name)?.value)).size, 1, `${name} in the jar`)
    t.equal(new Set(jars.map(jar => jar.get('_pstn')?.value.split('.')[1])).size, 1, 'one visitor in the jar')
    const stored = (await world.parts()).slice(-50).map(part => part.data)
    t.equal(new Set(stored.map(data => data.visitor_id)).size, 1, 'one visitor in the rows')
    t.equal(new Set(stored.map(data => `${data.cookies?._fbp} ${data.cookies?._fbc}`)).size, 1, 'one _fbp and _fbc in the rows')
    t.equal(stored[0]?.cookies?._fbp, jars[0]?.get('_fbp')?.value)
  }
  const { rows } = await world.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM touches')
  t.equal(rows[0]?.n, 2, 'one landing for each of the two pages')
})

test('a thousand concurrent posts of one id are one event', async t => {
  const world = await gatewayWorld(t)
  const answers = await Promise.all(Array.from({ length: 1000 }, () => world.post({ event_name: 'purchase', event_id: 'one', value: 1 })))
  t.equal(answers.filter(answer => answer.json.status === 'stored').length, 1)
  t.equal(answers.filter(answer => answer.json.status === 'duplicate').length, 999)
  const parts = await world.parts()
  t.equal(parts.length, 1000)
  t.equal(new Set(parts.map(part => part.event_seq)).size, 1)
  const { rows } = await world.pool.query<{ n: number }>('SELECT sum(cardinality(event_seqs))::int AS n FROM unrouted_batches')
  t.equal(rows[0]?.n, 1)
})

test('poison never fails a request, nor its neighbours', async t => {
  const world = await gatewayWorld(t)
  const deep = (levels: number) => '{"event_name":"deep","a":' + '['.repeat(levels) + ']'.repeat(levels) + '}'
  const bodies: [body: string | Buffer, status: number][] = [
    ['{"event_name":"x\\u0000y","event_id":"\\u0000"}', 202], ['{"event_name":"x","event_id":"\\ud800","page_title":"\\udfff\\ud800"}', 202],
    ['{"event_name":"x","__proto__":{"a":1},"constructor":{"prototype":{"a":1}}}', 202], [deep(20), 202], [deep(40), 400],
    ['{"event_name":"x","value":1e999,"tax":-1e999,"items":[{"price":1e400}]}', 202], ['{"event_name":"x","value":1e200}', 202],
    ['{"event_name":"x","event_time":1e300}', 202], [`{"event_name":"x","k${'y'.repeat(5000)}":1}`, 202],
    [Buffer.from([0x7B, 0xFF, 0xFE, 0x7D]), 400], [Buffer.from('{"event_name":"\xff\xfe"}', 'latin1'), 202], ['\uFEFF{"event_name":"x"}', 202],
    [`{"event_name":"x",${Array.from({ length: 3000 }, (_, at) => `"k${at}":${at}`).join()}}`, 202],
    ['{"event_name":"x","event_name":"y"}', 202], [`{"event_name":"x","event_id":"${'"'.replace('"', '\\"').repeat(255)}"}`, 202],
    ['['.repeat(60_000), 400], ['{"events":[[[]],null,{"event_name":{}}]}', 202], ['{"event_name":"x","page_location":"https://[bad"}', 202],
    ['{"event_name":"x","user_data":{"email":[[["x"]]],"address":[[]],"__proto__":1}}', 202], ['"just text"', 400]
  ]
  const answers = await Promise.all(bodies.flatMap(([body, status], at) => [
    world.post(body).then(answer => ({ answer, status, name: String(body).slice(0, 60) })),
    world.post({ event_name: 'neighbour', event_id: `n-${at}` }).then(answer => ({ answer, status: 202, name: 'neighbour' }))
  ]))
  for (const { answer, status, name } of answers) t.equal(answer.status, status, name)
  const names = (await world.parts()).map(part => part.event_name)
  t.equal(names.filter(name => name === 'neighbour').length, bodies.length)
  t.strictSame(world.alerts, [], 'nothing had to be set aside')
  t.equal(({} as Record<string, unknown>).a, undefined)
})

test('a signed sender says whose event it is; its own address and agent are nobody\'s', async t => {
  const world = await gatewayWorld(t)
  const answer = await world.signed({ event_name: 'purchase', transaction_id: '1', event_time: '2026-01-05T10:00:00Z', consent: granted,
    ip_override: '::ffff:203.0.113.7', user_agent: browserAgent, visitor_id: 'v-known', click_ids: { gclid: 'Gc_1234' } }, { headers: { cookie: '_fbp=fb.1.1700000000000.42' } })
  t.equal(answer.status, 202)
  t.equal(setCookiesOf(answer).size, 0)
  await world.signed({ event_name: 'refund', transaction_id: '1' })
  const [first, second] = await world.parts()
  t.match(first, { trust: 'signed', is_bot: false, occurred_at: new Date('2026-01-05T10:00:00Z'),
    data: { client: { ip: '203.0.113.7', user_agent: browserAgent }, visitor_id: 'v-known', device: { browser: 'Chrome' } } })
  t.equal(first?.data.cookies, undefined)
  t.equal(second?.data.client, undefined)
  t.equal(second?.data.bot, undefined, 'no agent says nothing of a browser')

  const strict = await world.signed({ event_name: 'x', value: 'much', currency: 'EURO' }, { headers: { prefer: 'handling=strict' } })
  t.equal(strict.status, 400)
  t.match(strict.json, { error: { code: 'invalid_event', path: 'value', message: /value: not_a_number, currency: unknown_currency/ } })
  t.match((await world.signed({ events: [{ event_name: 'x', value: 'much' }, { event_name: 'y' }] }, { headers: { prefer: 'handling=strict' } })).json,
    { results: [{ status: 'rejected' }, { status: 'stored' }] })
  t.equal((await world.post({ event_name: 'x', value: 'much' }, { headers: { prefer: 'handling=strict' } })).status, 202, 'browsers may not ask')
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
  const forged = { 'x-forwarded-for': '198.51.100.9, 203.0.113.7', 'x-forwarded-host': 'evil.example', 'cf-ipcountry': 'us' }
  const cases: [trustProxy: string[], ip: string, country: string | undefined, status: number][] = [
    [[], '127.0.0.1', undefined, 202],
    [['10.0.0.0/8'], '127.0.0.1', undefined, 202],
    [['127.0.0.1'], '203.0.113.7', 'US', 404],
    [['127.0.0.1', '203.0.113.0/24'], '198.51.100.9', 'US', 404]
  ]
  for (const [trustProxy, ip, country, status] of cases) {
    const world = await gatewayWorld(t, { trustProxy })
    t.equal((await world.post({ event_name: 'x' }, { headers: forged })).status, status, 'the host of a trusted proxy decides the site')
    await world.post({ event_name: 'x' }, { headers: { ...forged, 'x-forwarded-host': 't.example.com' } })
    const data = (await world.parts()).at(-1)?.data
    t.strictSame([data?.client?.ip, data?.country], [ip, country], `trusting ${trustProxy.join()}`)
  }
})

test('over the limit an event is refused with Retry-After', async t => {
  const world = await gatewayWorld(t, { limits: { eventsPerMinute: 3 } })
  const answers: Answer[] = []
  for (let at = 0; at < 5; at++) answers.push(await world.post({ event_name: 'x' }))
  t.strictSame(answers.map(answer => answer.status), [202, 202, 202, 429, 429])
  t.match(answers[3]?.json, { error: { code: 'too_many' } })
  t.ok(Number(answers[3]?.headers['retry-after']) > 0)
  t.equal(answers[3]?.headers['access-control-allow-origin'], 'https://www.example.com', 'the page may read it')
  t.equal((await world.signed({ event_name: 'x' })).status, 202, 'signed senders are not counted')
})

test('an outage is 503 with Retry-After, and nothing is promised', async t => {
  const world = await gatewayWorld(t, { log: { append: async () => { throw new Unavailable('down') }, close: async () => {} } })
  for (const answer of [await world.post({ event_name: 'x', consent: granted }), await world.lead({ email: 'a@b.de' }, { type: 'application/json' })]) {
    t.equal(answer.status, 503)
    t.match(answer.json, { error: { code: 'unavailable' } })
    t.ok(Number(answer.headers['retry-after']) >= 5)
    t.equal(setCookiesOf(answer).size, 0)
  }
})

test('what broke is told without what was posted', async t => {
  const world = await gatewayWorld(t, { log: { append: async () => { throw new Error('Key (email)=(canary@b.de)') }, close: async () => {} } })
  const answer = await world.post({ event_name: 'x' })
  t.equal(answer.status, 500)
  t.match(answer.json, { error: { code: 'internal', message: 'the request failed' } })
  t.match(world.lines, [{ route: '/v1/e', error: 'Error', message: 'request failed' }])
  t.notOk(JSON.stringify(world.lines).includes('canary'))
})

test('one wide line for each accepted arrival, without personal data', async t => {
  const world = await gatewayWorld(t)
  await world.post({ events: [{ event_name: 'Lead', event_id: 'l-1', email: 'canary@b.de', page_location: 'https://www.example.com/?canary=1', value: 'x', consent: granted }, {}] })
  t.equal(world.lines.length, 1)
  t.match(world.lines[0], { site: 'main', kind: 'event', event_name: 'generate_lead', event_id: 'l-1', status: 'stored', trust: 'same_site',
    consent: '1111', bytes: Number, ack_ms: Number, warnings: 1, message: 'accepted' })
  t.notOk(/canary|127\.0\.0\.1|Mozilla/.test(JSON.stringify(world.lines)))
  const metrics = await world.metrics.registry.metrics()
  t.match(metrics, /ingest_stored_total\{site="main"\} 1/)
  t.match(metrics, /ingest_rejected_total\{reason="invalid_event"\} 1/)
  t.match(metrics, /http_requests_total\{route="\/v1\/e",code="202"\} 1/)
})

test('the script carries the site\'s settings', async t => {
  const byCountry = { ...site, name: 'other', hosts: ['t.other.example'], rule: { consent: 'by_country' as const, gpc: 'limit' as const, optOutCountries: ['US'] } }
  const world = await gatewayWorld(t, { sites: [site, byCountry], trustProxy: ['127.0.0.1'] })
  const get = async (host: string, headers: Record<string, string> = {}) => await send(world.base, '', { method: 'GET', path: '/s.js', host, origin: null, headers })
  const script = await get('t.example.com')
  t.equal(script.status, 200)
  t.match(script.headers, { 'content-type': 'text/javascript; charset=utf-8', vary: 'Host', 'access-control-allow-origin': '*',
    'cache-control': 'public, max-age=300', etag: /^"[\w-]+"$/ })
  t.match(script.text, /"cookie_domain":"example\.com"/)
  t.notOk(script.text.includes('__POSTERN_SITE__'))
  t.equal((await get('t.example.com', { 'if-none-match': `W/"x", ${script.headers.etag}` })).status, 304)
  const us = await get('t.other.example', { 'cf-ipcountry': 'US', 'x-forwarded-for': '203.0.113.7' })
  t.match(us.text, /"consent":"opt_out","gpc":"limit","cookie_domain":"other\.example"/)
  t.match(us.headers, { 'cache-control': 'private, max-age=300' })
  t.match((await get('t.other.example', { 'cf-ipcountry': 'DE', 'x-forwarded-for': '203.0.113.7' })).text, /"consent":"opt_in"/)
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
