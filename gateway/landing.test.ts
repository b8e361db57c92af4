// Landings in front of a site: who gets which cookies with the page, what is stored, and that the page never cares.
import type { OutgoingHttpHeaders } from 'node:http'
import { test } from 'tap'
import { browserAgent, testKeys } from '../test/gateway_world.ts'
import { frontWorld, until, type Handler } from '../test/front_world.ts'
import { spoolFolder, spoolIn } from '../test/spool_world.ts'
import { testDatabase } from '../test/database.ts'
import { openPool, type Pool } from '../config/postgres.ts'
import { lengthen } from '../schema/short_text.ts'
import type { ConsentRule } from '../schema/consent.ts'
import { Unavailable, type IngestLog } from './arrival.ts'
import { openIngestLog } from './ingest.ts'

const html = '<!doctype html><html><head><title>x</title></head><body>y</body></html>'
const pageWith = (headers: OutgoingHttpHeaders = {}, status = 200): Handler => (_request, response) => {
  response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(html)
}
const ad = '/offer?gclid=Cj0KCQ.a-b_c&fbclid=IwAR0abc-DEF_x&utm_source=google&utm_medium=cpc'
const optIn: ConsentRule = { consent: 'opt_in', gpc: 'drop', optOutCountries: [] }
const daySeconds = 86_400
const ageOf = (line: string | undefined) => Number(/Max-Age=(\d+)/.exec(line ?? '')?.[1])

test('where consent allows, the page of a landing sets the cookies, and its ids are stored', async t => {
  let nowMs = Date.UTC(2026, 10, 23, 12)
  const handle = pageWith({ 'set-cookie': ['session=1; Path=/'], 'cache-control': 'max-age=0' })
  const world = await frontWorld(t, { keepsCookies: [] }, handle, { now: () => nowMs })
  const got = await world.page(ad, { referer: 'https://www.google.com/' })
  t.equal(got.body.toString(), html)
  t.same([...got.cookies.keys()].sort(), ['_fbc', '_fbp', '_pstn', 'session'])
  t.equal(got.headers['cache-control'], 'private, max-age=0')
  const [visitor, fbc, fbp] = ['_pstn', '_fbc', '_fbp'].map(name => got.cookies.get(name))
  t.match(visitor, /^v1\.v[\w-]{22}\.\d+\.[\w-]{43}; Path=\/; Max-Age=\d+; Domain=example\.com; HttpOnly; Secure; /)
  t.equal(ageOf(visitor), 180 * daySeconds, 'as long as the consent holds')
  t.equal(fbc?.split(';')[0], `fb.1.${nowMs}.IwAR0abc-DEF_x`)
  t.equal(ageOf(fbc), 90 * daySeconds)
  t.equal(ageOf(fbp), 90 * daySeconds)
  t.notMatch(fbc, /HttpOnly/, 'the pixel shares it')

  await until('the landing', async () => (await world.touches()).length === 1)
  const [touch] = await world.touches()
  t.match(touch, {
    seen_at_ms: nowMs,
    page_location: `http://www.example.com${ad}`,
    page_referrer: 'https://www.google.com/',
    click_ids: {
      gclid: { value: 'Cj0KCQ.a-b_c', seen_at_ms: nowMs }, fbclid: { value: 'IwAR0abc-DEF_x', seen_at_ms: nowMs }
    },
    campaign: { source: 'google', medium: 'cpc' }
  })
  t.same(await world.parts(), [], 'a landing is no event: whether anybody saw the page is not known')

  const cookie = [...got.cookies].map(([name, value]) => `${name}=${value.split(';')[0]}`).join('; ')
  const again = await world.page(ad, { cookie })
  t.same([...again.cookies.keys()], ['session'], 'nothing is set again')
  t.equal(again.headers['cache-control'], 'max-age=0', 'and the page is as it was')
  t.equal((await world.touches()).length, 1, 'the repetition is the same landing')
  nowMs += 60_000
  const answer = await world.lead({ email: 'a@example.com' }, {
    path: '/_p/v1/leads', host: 'www.example.com', headers: { cookie }, type: 'application/json'
  })
  t.equal(answer.status, 202)
  const [lead] = await world.leads()
  t.match(lead?.first_touch, { click_ids: { gclid: { value: 'Cj0KCQ.a-b_c' } } }, 'a lead without any script knows it')
})

const choice = (marks: string) => ({ cookie: `_pstn_c=1.${marks}.${Math.floor(Date.now() / 1000) - daySeconds}` })
const cookiebot = (marketing: boolean) => ({
  cookie: `CookieConsent=${encodeURIComponent(`{stamp:'x',necessary:true,preferences:false,statistics:${marketing},` +
    `marketing:${marketing},method:'explicit',ver:1,utc:${Date.now() - daySeconds * 1000},region:'de'}`)}`
})

test('consent decides, by the rules of every other arrival', async t => {
  const optOut: ConsentRule = { ...optIn, consent: 'opt_out' }
  const byCountry: ConsentRule = { consent: 'by_country', gpc: 'drop', optOutCountries: ['US'] }
  const all = ['_fbc', '_fbp', '_pstn']
  type Case = [name: string, rule: ConsentRule, headers: Record<string, string>, cookies: string[], isStored: boolean]
  const cases: Case[] = [
    ['opt-out', optOut, {}, all, true],
    ['opt-out, denied', optOut, choice('0000'), [], false],
    ['opt-out, only statistics', optOut, choice('0001'), ['_pstn'], false],
    ['opt-out, GPC', optOut, { 'sec-gpc': '1' }, ['_pstn'], false],
    ['opt-in', optIn, {}, [], false],
    ['opt-in, denied', optIn, choice('0000'), [], false],
    ['opt-in, granted', optIn, choice('1111'), all, true],
    ['opt-in, granted, GPC', optIn, { ...choice('1111'), 'sec-gpc': '1' }, ['_pstn'], false],
    ['opt-in, granted by the platform', optIn, cookiebot(true), all, true],
    ['opt-in, denied by the platform', optIn, cookiebot(false), [], false],
    ['opt-out, denied by the platform', optOut, cookiebot(false), [], false],
    ['opt-in, the platform\'s denial is newer', optIn, {
      cookie: `${cookiebot(false).cookie}; _pstn_c=1.1111.${Math.floor(Date.now() / 1000) - 2 * daySeconds}`
    }, [], false],
    ['by country, an unknown one', byCountry, {}, [], false]
  ]
  for (const [name, rule, headers, cookies, isStored] of cases) {
    const world = await frontWorld(t, { rule, consentCookies: ['cookiebot'] }, pageWith())
    const got = await world.page(ad, headers)
    t.same([...got.cookies.keys()].sort(), cookies, name)
    if (cookies.length === 0) t.equal(got.headers['cache-control'], undefined, `${name}: the page is as it was`)
    await world.app.close()
    t.equal((await world.touches()).length, isStored ? 1 : 0, name)
    t.equal((await world.parts()).length, 0, name)
  }
})

test('only pages of people get cookies, and no cache ever sees one', async t => {
  const image: OutgoingHttpHeaders = { 'content-type': 'image/png' }
  const cases: [name: string, handle: Handler, path: string, headers: Record<string, string>, isSet: boolean][] = [
    ['a page', pageWith(), ad, {}, true],
    ['a private page', pageWith({ 'cache-control': 'private, max-age=600' }), ad, {}, true],
    ['a redirect that loses the query', pageWith({ location: '/de/' }, 302), ad, {}, true],
    ['an error page', pageWith({}, 404), ad, {}, true],
    ['a page that may be cached', pageWith({ 'cache-control': 'public, max-age=600' }), ad, {}, false],
    ['a page out of a cache', pageWith({ age: '3' }), ad, {}, false],
    ['a confirmation', pageWith({ etag: '"x"' }, 304), ad, {}, false],
    ['an image that is looked at', pageWith(image), ad, {}, false],
    ['an image in a page', pageWith(), ad, { 'sec-fetch-dest': 'image' }, false],
    ['a frame', pageWith(), ad, { 'sec-fetch-dest': 'iframe' }, false],
    ['a script\'s request', pageWith(), ad, { 'sec-fetch-dest': 'empty' }, false],
    ['a page in advance', pageWith(), ad, { 'sec-purpose': 'prefetch;prerender' }, false],
    ['a robot', pageWith(), ad, { 'user-agent': 'Googlebot/2.1 (+http://www.google.com/bot.html)' }, false],
    ['nobody from elsewhere', pageWith(), '/offer?page=2', {}, false],
    ['the next page', pageWith(), '/offer', { referer: 'http://www.example.com/' }, false],
    ['another site\'s link', pageWith(), '/offer', { referer: 'https://blog.example.net/' }, true]
  ]
  for (const [name, handle, path, headers, isSet] of cases) {
    const world = await frontWorld(t, {}, handle)
    const got = await world.page(path, headers)
    t.equal(got.cookies.size > 0, isSet, name)
    await world.app.close()
    t.equal((await world.touches()).length, isSet ? 1 : 0, `${name}: what nobody is told is not stored`)
  }
  const world = await frontWorld(t, {}, pageWith())
  const old = await world.get(ad, { headers: { accept: 'text/html', 'user-agent': browserAgent } })
  t.ok(old.cookies.has('_pstn'), 'a browser without Sec-Fetch-Dest')
  t.equal((await world.get(ad, { method: 'HEAD', headers: { accept: 'text/html' } })).cookies.size, 0, 'HEAD')
  t.equal((await world.get(ad, { method: 'POST', headers: { accept: 'text/html' } })).cookies.size, 0, 'POST')
})

test('a known visitor\'s landing is stored from a cached page, too', async t => {
  const world = await frontWorld(t, {}, pageWith())
  const first = await world.page(ad)
  world.owner.handle = pageWith({ 'cache-control': 'public, max-age=600' })
  const cookie = `_pstn=${first.cookies.get('_pstn')?.split(';')[0]}`
  const second = await world.page('/offer?gclid=second-click', { cookie })
  t.equal(second.cookies.size, 0)
  t.equal(second.headers['cache-control'], 'public, max-age=600')
  await until('both landings', async () => (await world.touches()).length === 2)
  const [one, two] = await world.touches()
  t.equal(one?.visitor, two?.visitor)
})

test('no page waits for a landing, and none breaks by it', async t => {
  const hangs: IngestLog = { append: async () => await new Promise(() => {}), close: async () => {} }
  const fails: IngestLog = { append: async () => { throw new Unavailable('no') }, close: async () => {} }
  const isBroken: IngestLog = { append: () => { throw new TypeError('a bug') }, close: async () => {} }
  for (const [name, log] of Object.entries({ hangs, fails, isBroken })) {
    const world = await frontWorld(t, {}, pageWith(), { log })
    const got = await world.page(ad)
    t.equal(got.status, 200, name)
    t.equal(got.body.toString(), html, name)
  }
  const captures = {
    throws: () => { throw new TypeError('a bug') },
    rejects: async () => { throw new TypeError('a bug') },
    never: async () => await new Promise<undefined>(() => {})
  }
  for (const [name, capture] of Object.entries(captures)) {
    const world = await frontWorld(t, { insertsScript: true }, pageWith(), { front: { capture } })
    const got = await world.page(ad)
    t.equal(got.status, 200, name)
    t.equal(got.body.toString(), html.replace('<head>', '<head><script async src="/_p/s.js"></script>'), name)
  }
})

test('who asks for pages in any number leaves no more than the limit', async t => {
  const world = await frontWorld(t, {}, pageWith(), { limits: { eventsPerMinute: 3 } })
  for (let at = 0; at < 10; at++) t.equal((await world.page(`/?gclid=number-${at}`)).status, 200)
  await world.app.close()
  t.equal((await world.touches()).length, 3)
})

test('a landing is spooled while Postgres is away, and stored when it is back', async t => {
  const { pool } = await testDatabase(t)
  let isAway = true
  const query = async (...given: Parameters<Pool['query']>) => {
    if (isAway) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' })
    return await (pool.query(...given) as unknown as Promise<unknown>)
  }
  const { spool } = await spoolIn(await spoolFolder(t), { keys: testKeys })
  const alerts: string[] = []
  const log = openIngestLog({
    pool: { query } as unknown as Pool,
    keys: testKeys,
    countryOf: () => undefined,
    spool,
    onAlert: ({ what }) => { alerts.push(what) }
  })
  const world = await frontWorld(t, {}, pageWith(), { log })
  const got = await world.page(ad)
  t.ok(got.cookies.has('_pstn'))
  await until('the landing to be in the spool', () => spool.state().records === 1)
  isAway = false
  await until('the spool to be empty', () => alerts.includes('drained'))
  const { rows } = await pool.query<{ sealed: Buffer }>('SELECT sealed FROM touches')
  t.equal(rows.length, 1)
  t.match(lengthen(testKeys.open('main', rows[0]?.sealed ?? Buffer.alloc(0)).toString()), /Cj0KCQ\.a-b_c/)
})

test('behind a pooler a landing leaves nothing in a session that is another\'s a moment later', async t => {
  const { url } = await testDatabase(t)
  const pool = openPool({ url, name: 'pooled', isPooled: true, max: 1, onError: () => undefined })
  t.teardown(async () => { await pool.end() })
  const log = openIngestLog({
    pool, keys: testKeys, countryOf: () => undefined, onAlert: alert => t.fail(JSON.stringify(alert))
  })
  const world = await frontWorld(t, {}, pageWith(), { log })
  await world.page(ad)
  await until('the landing', async () => (await pool.query('SELECT FROM touches')).rowCount === 1)
  t.same((await pool.query('SELECT name FROM pg_prepared_statements')).rows, [])
})
