// What of an event leaves, and what stays.
import { test } from 'tap'
import { effective } from '../schema/consent.ts'
import { candidateAt, fictionalTarget, granted } from '../test/fictional.ts'
import { cleanAddress, looksPersonal } from './address.ts'
import { outgoing } from './outgoing.ts'
import { scrub } from './scrub.ts'

const now = Date.UTC(2026, 10, 23, 12)
const day = 86_400_000
const rules = { queryKeys: ['plan'], sensitivePaths: ['/health'] }

test('a page address leaves without what is personal', t => {
  const cases: [string, string | undefined][] = [
    ['https://a.example/offer?utm_source=x&gclid=y&plan=pro#top', 'https://a.example/offer?utm_source=x&plan=pro'],
    ['https://user:pass@a.example/x', 'https://a.example/x'],
    ['https://a.example/u/anna@example.com/orders', 'https://a.example/u/redacted/orders'],
    ['https://a.example/u/anna%40example.com', 'https://a.example/u/redacted'],
    ['https://a.example/?plan=anna%2540example.com', 'https://a.example/'],
    ['https://a.example/?plan=+491701234567', 'https://a.example/'],
    ['https://a.example/?plan=%2B49%20170%201234567', 'https://a.example/'],
    ['https://a.example/?plan=0170/1234567', 'https://a.example/'],
    ['https://a.example/reset/eyJhbGciOiJIUzI1NiJ9.e30.x', 'https://a.example/reset/redacted'],
    ['https://a.example/o/3f2b8c1e-1111-2222-3333-444455556666', 'https://a.example/o/redacted'],
    ['https://a.example/?plan=9f86d081884c7d659a2feaa0c55ad015', 'https://a.example/'],
    ['https://a.example/2026-11-23/1234567890', 'https://a.example/2026-11-23/1234567890'],
    ['https://a.example/best-10-shoes-for-the-2026-winter-season',
      'https://a.example/best-10-shoes-for-the-2026-winter-season'],
    ['https://a.example/?utm_term=red+shoes', 'https://a.example/?utm_term=red+shoes'],
    ['https://a.example/%zz/x', 'https://a.example/%zz/x'],
    ['https://a.example/health/diabetes?utm_source=x', 'https://a.example/'],
    ['https://a.example/healthy', 'https://a.example/healthy'],
    ['javascript:alert(1)', undefined],
    ['/only/a/path', undefined]
  ]
  for (const [given, expected] of cases) t.equal(cleanAddress(given, rules), expected, given)
  t.equal(cleanAddress('https://a.example/x', { ...rules, sensitivePaths: ['/'] }), 'https://a.example/', 'whole site')
  t.notOk(looksPersonal('Größe 42'))
  t.ok(looksPersonal('+@example.com'), 'a plus sign is not always a space')
  t.end()
})

const rich = candidateAt(now, {
  page_location: 'https://a.example/?email=anna@example.com',
  page_referrer: 'https://b.example/?q=secret',
  page_title: 'Diabetes test',
  user_data: { email: ['anna@example.com'], birth_date: '1990-01-01', gender: 'f' },
  click_ids: {
    fbclid: { value: 'alive', seen_at_ms: now - 89 * day },
    gclid: { value: 'dead', seen_at_ms: now - 91 * day },
    ttclid: { value: 'dead_too', seen_at_ms: now - 31 * day },
    unknown: { value: 'x', seen_at_ms: now }
  },
  cookies: {
    _fbp: `fb.1.${now - 300 * day}.123456`,
    _fbc: `fb.1.${now - 91 * day}.IwAR`,
    _gcl_aw: `GCL.${Math.floor(now / 1000) - 10}.abc`,
    _ga: 'GA1.1.1.2',
    session: 'not ours'
  },
  params: { plan: 'pro', note: 'private' },
  fields: { message: 'hello' },
  visitor_id: 'v1',
  warnings: [{ path: 'x', code: 'y', value: 'anna@example.com' }]
}).event

function leave (target: Parameters<typeof fictionalTarget>[0], consent: object = granted) {
  const whole = fictionalTarget(target)
  return outgoing(rich, whole, effective({ consent }, whole.site.consent), now)
}

test('what leaves to an ad network', t => {
  const event = leave({})
  t.equal(event.page_location, 'https://a.example/')
  t.equal(event.page_referrer, 'https://b.example/')
  t.equal(event.page_title, undefined)
  t.same(event.user_data, { email: ['anna@example.com'] })
  t.same(Object.keys(event.click_ids ?? {}), ['fbclid'], 'only click ids within their life')
  t.same(Object.keys(event.cookies ?? {}).sort(), ['_fbp', '_ga', '_gcl_aw'], 'a dead _fbc stays')
  t.equal(event.params, undefined)
  t.equal(event.fields, undefined)
  t.equal((event as { warnings?: unknown }).warnings, undefined, 'warnings quote what was dropped')
  t.end()
})

test('settings and purpose let more out', t => {
  const named = leave({ params: ['plan', 'birth_date'] })
  t.same(named.params, { plan: 'pro' })
  t.same(named.user_data, { email: ['anna@example.com'], birth_date: '1990-01-01' })
  t.equal(leave({ destination: { purpose: 'analytics' } }).page_title, 'Diabetes test')
  t.same(leave({ destination: { purpose: 'first_party' } }).fields, { message: 'hello' })
  t.end()
})

test('without ad_storage no click id, cookie or visitor leaves', t => {
  const event = leave({}, { ...granted, ad_storage: 'denied', analytics_storage: 'denied' })
  t.equal(event.click_ids, undefined)
  t.equal(event.cookies, undefined)
  t.equal(event.visitor_id, undefined)
  t.same(Object.keys(leave({}, { ...granted, ad_storage: 'denied' }).cookies ?? {}), ['_ga'])
  t.end()
})

test('the landing leaves with the marks of its ad, and only with ad_storage', t => {
  const landing = {
    seen_at_ms: now - day,
    page_location: 'https://a.example/in?gad_source=1&gad_campaignid=22&gad_x=anna@example.com&gclid=abc&email=x@y.de',
    page_referrer: 'https://www.google.com/?q=secret'
  }
  const leaveFrom = (event: object, consent: object = granted) => {
    const whole = fictionalTarget()
    const { event: candidate } = candidateAt(now, { page_location: 'https://a.example/form', ...event })
    return outgoing(candidate, whole, effective({ consent }, whole.site.consent), now).landing
  }
  t.same(leaveFrom({ landing }), {
    seen_at_ms: now - day,
    page_location: 'https://a.example/in',
    page_referrer: 'https://www.google.com/',
    gad: { gad_source: '1', gad_campaignid: '22' }
  })
  t.match(leaveFrom({ landing, page_location: 'https://a.example/other?wbraid=zzzz' }),
    { seen_at_ms: now - 60_000, page_location: 'https://a.example/other', gad: {} }, 'its own page, where that is one')
  t.equal(leaveFrom({}), undefined)
  t.equal(leaveFrom({ landing }, { ...granted, ad_storage: 'denied' }), undefined)
  t.end()
})

test('what a network said is kept without personal data', t => {
  const hash = '973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b'
  const token = 'EAABsbCS1234567890abcdefghijkl'
  const said = `bad anna.m@example.com, +49 170 1234567, ${hash}, ${token}, 203.0.113.7, 2001:db8::1:2:3`
  t.equal(scrub(said, 500), 'bad ‹email›, ‹number›, ‹hash›, ‹token›, ‹ip›, ‹ip›')
  t.equal(scrub('(#100) code 2804016\u0000\ud800', 500), '(#100) code 2804016 \ufffd', 'codes stay')
  t.equal(scrub('x'.repeat(900), 500).length, 500)
  t.end()
})
