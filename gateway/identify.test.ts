// Consent, visitors and cookies over real HTTP: what is set, what is kept, what is stored.
import { test } from 'tap'
import { formatConsentCookie } from '../schema/consent_cookie.ts'
import type { Consent } from '../schema/consent.ts'
import { gatewayWorld, granted, setCookiesOf, site, type Answer } from '../test/gateway_world.ts'

const page = 'https://www.example.com/offer?fbclid=AbC_123-x&gclid=Gc_1234&utm_source=news&utm_medium=mail'
const jarOf = (answer: Answer) => [...setCookiesOf(answer)].map(([name, { value }]) => `${name}=${value}`).join('; ')

test('consent decides what is stored and which cookies are set', async t => {
  const world = await gatewayWorld(t)
  const choice = (consent: Partial<Consent>, ageDays = 1) =>
    `_pstn_c=${formatConsentCookie(consent, Math.floor(Date.now() / 1000 - ageDays * 86_400))}`
  const all: Consent = {
    ad_storage: 'granted',
    ad_user_data: 'granted',
    ad_personalization: 'granted',
    analytics_storage: 'granted'
  }
  const cases: [name: string, body: object, headers: Record<string, string>, cookies: string[], hasAds: boolean,
    hasGa: boolean][] = [
    ['nobody said anything', {}, {}, [], false, false],
    ['granted in the body', { consent: all }, {}, ['_fbc', '_fbp', '_pstn'], true, true],
    ['denied in the body', { consent: { ad_storage: 'denied', analytics_storage: 'denied' } }, {}, [], false, false],
    ['granted in the cookie', {}, { cookie: choice(all) }, ['_fbc', '_fbp', '_pstn'], true, true],
    ['the body against the cookie', { consent: { ad_storage: 'denied', analytics_storage: 'denied' } },
      { cookie: choice(all) }, [], false, false],
    ['a choice past its life', {}, { cookie: choice(all, 181) }, [], false, false],
    ['a forged choice', {}, { cookie: '_pstn_c=1.9999.1764000000' }, [], false, false],
    ['analytics alone', { consent: { ad_storage: 'denied', analytics_storage: 'granted' } }, {}, ['_pstn'], false,
      true],
    ['ads alone', { consent: { ad_storage: 'granted', analytics_storage: 'denied' } }, {}, ['_fbc', '_fbp', '_pstn'],
      true, false],
    ['GPC in the header', { consent: { ad_storage: 'granted', analytics_storage: 'denied' } }, { 'sec-gpc': '1' }, [],
      false, false],
    ['GPC in the body', { consent: all, gpc: true }, {}, ['_pstn'], false, true]
  ]
  for (const [name, body, headers, cookies, hasAds, hasGa] of cases) {
    const event = {
      event_name: 'page_view',
      page_location: page,
      landing: page,
      cookies: {
        _ga: 'GA1.1.123.456',
        _ttp: '2abcdefghijklmnop'
      },
      ...body
    }
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
  t.match(cookies.get('_pstn')?.attributes,
    /^Path=\/; Max-Age=15552000; Domain=example\.com; HttpOnly; Secure; SameSite=Lax$/)
  t.match(cookies.get('_fbp')?.attributes, /^Path=\/; Max-Age=777\d{4}; Domain=example\.com; Secure; SameSite=Lax$/)
  t.match(cookies.get('_fbp')?.value, /^fb\.1\.\d{13}\.\d{1,18}$/)
  t.match(cookies.get('_fbc')?.value, /^fb\.1\.\d{13}\.AbC_123-x$/)

  const again = await world.post({ event_name: 'page_view', page_location: page, consent: granted },
    { headers: { cookie: jarOf(first) } })
  t.equal(setCookiesOf(again).size, 0)
  const [one, two] = await world.parts()
  t.equal(two?.data.visitor_id, one?.data.visitor_id)
  t.equal(two?.data.visitor_verified, true)
  t.strictSame(two?.data.cookies, one?.data.cookies)

  const theirs = { _fbp: 'fb.1.1700000000000.42', _fbc: 'fb.1.1700000000000.Other_click' }
  const withOwn = await world.post({ event_name: 'page_view', page_location: page, consent: granted, cookies: theirs })
  t.strictSame([...setCookiesOf(withOwn).keys()], ['_pstn'], 'what the body has is not made again')
  t.match((await world.parts()).at(-1)?.data, { cookies: theirs, click_ids: { fbclid: { value: 'AbC_123-x' } } })

  for (const meta of ['absent', 'blocked']) {
    const answer = await world.post({ event_name: 'page_view', consent: granted, browser_tags: { meta } })
    t.strictSame([...setCookiesOf(answer).keys()], ['_pstn', '_fbp'], `the pixel is ${meta}`)
  }
  const withPixel = await world.post({
    event_name: 'page_view',
    page_location: page,
    consent: granted,
    browser_tags: { meta: 'unknown' }
  })
  t.strictSame([...setCookiesOf(withPixel).keys()], ['_pstn'], 'a page with the pixel makes its own')
  const later = await world.post({ event_name: 'page_view', consent: granted, browser_tags: { meta: 'unknown' } },
    { headers: { cookie: `_pstn=${cookies.get('_pstn')?.value}` } })
  t.strictSame([...setCookiesOf(later).keys()], ['_fbp'], 'but not on a later hit that still has none')
})

test('Secure is left out on this machine over plain http alone; a host without a domain keeps its cookies', async t => {
  const world = await gatewayWorld(t, {
    sites: [{
      ...site,
      hosts: ['localhost', 't.example.com', '192.0.2.7',
        'shop.example.co.uk']
    }]
  })
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
  const moved = await elsewhere.post({ event_name: 'x', consent: granted }, {
    host: 't.other.example',
    headers: { cookie: `_pstn=${own}` }
  })
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
    const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => world.post({
      ...body,
      event_name: `view_${at}`
    })))
    const jars = answers.map(answer => setCookiesOf(answer))
    for (const name of ['_fbp', '_fbc']) {
      t.equal(new Set(jars.map(jar => jar.get(name)?.value)).size, 1,
      `${name} in the jar`)
    }
    t.equal(new Set(jars.map(jar => jar.get('_pstn')?.value.split('.')[1])).size, 1, 'one visitor in the jar')
    const stored = (await world.parts()).slice(-50).map(part => part.data)
    t.equal(new Set(stored.map(data => data.visitor_id)).size, 1, 'one visitor in the rows')
    t.equal(new Set(stored.map(data => `${data.cookies?._fbp} ${data.cookies?._fbc}`)).size, 1,
      'one _fbp and _fbc in the rows')
    t.equal(stored[0]?.cookies?._fbp, jars[0]?.get('_fbp')?.value)
  }
  const { rows } = await world.pool.query<{ n: number }>('SELECT count(*)::int AS n FROM touches')
  t.equal(rows[0]?.n, 2, 'one landing for each of the two pages')
})
