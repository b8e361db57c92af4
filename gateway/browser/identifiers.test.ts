// Tests of click ids, cookies and event ids, against the words in schema/.
import { test } from 'tap'
import { canonicalEventName } from '../../schema/event_names.ts'
import { clickIdKinds, isClickId, knownCookies, makeFbc, makeFbp, parseFbValue } from '../../schema/identity.ts'
import { cookieDomain, cookieNames, drawDigits, eventIdFor, findClickIds, missingMetaCookies, parseJar }
  from './identifiers.ts'

test('every click id that the schema knows is found, in any case and place', async t => {
  for (const { param } of clickIdKinds) {
    for (const spelt of [param, param.toLowerCase(), param.toUpperCase()]) {
      t.same(findClickIds(`https://www.example.com/offer?utm_source=x&${spelt}=AbC-9_z.%2B&b=1#top`),
        { [param.toLowerCase()]: 'AbC-9_z.%2B' })
      t.same(findClickIds(`https://www.example.com/?${spelt}=AbC-9_z`), { [param.toLowerCase()]: 'AbC-9_z' })
    }
  }
})

test('click ids are taken byte for byte or not at all', async t => {
  const page = 'https://www.example.com/'
  const cases: Array<[string, Record<string, string>]> = [
    [page, {}],
    [page + '?gclid=', {}],
    [page + '?gclid=abc', {}],
    [page + '?gclid=a+b%20C', { gclid: 'a+b%20C' }],
    [page + '?gclid=abcd<script>', {}],
    [page + '?gclid=' + 'a'.repeat(512), { gclid: 'a'.repeat(512) }],
    [page + '?gclid=' + 'a'.repeat(513), {}],
    [page + '?xgclid=abcd&gclid2=abcd', {}],
    [page + '?gclid=first&gclid=second', { gclid: 'first' }],
    [page + '?fbclid=IwAR-x_y&gclid=Cj0KCQ', { fbclid: 'IwAR-x_y', gclid: 'Cj0KCQ' }],
    [page + '?gclid=newer ' + page + '?gclid=older&fbclid=IwAR', { gclid: 'newer', fbclid: 'IwAR' }]
  ]
  for (const [addresses, found] of cases) {
    t.same(findClickIds(addresses), found, addresses)
    for (const value of Object.values(found)) t.ok(isClickId(value))
  }
})

test('the cookies that are read are those the schema knows, for the same purpose', async t => {
  const names = ['_fbp', '_fbc', '_gcl_aw', '_gcl_dc', '_gcl_gb', '_gcl_ag', '_gcl_gs', '_gcl_au', '_ttp', 'ttclid',
    '_scid', '_scclid', '_epik', '_derived_epik', 'li_fat_id', '_rdt_cid', '_rdt_uuid', 'twclid', '_twclid',
    '_uetmsclkid', '_uetsid', '_uetvid', '_ga', '_ga_ABC123XYZ']
  for (const { name: known, purpose } of knownCookies) {
    const matching = names.filter(name => known.test(name))
    if (!/FP/.test(known.source)) t.ok(matching.length > 0, `a name for ${known.source}`)
    for (const name of matching) {
      t.equal(cookieNames.ads.test(name), purpose === 'ads', name)
      t.equal(cookieNames.analytics.test(name), purpose === 'analytics', name)
    }
  }
  for (const name of ['_rdt_em', 'PHPSESSID', '_pstn', '_pstn_c', '_gat', '_gid', 'x_fbp', '_fbpx', 'session_ga']) {
    t.notOk(cookieNames.ads.test(name) || cookieNames.analytics.test(name), name)
  }
})

test('a cookie jar is read verbatim, and the first of a name wins', async t => {
  t.same(parseJar('a=1; b=x=y%20z; flag; a=2; c=', /^/), { a: '1', b: 'x=y%20z', c: '' })
  t.same(parseJar('', /^/), {})
  t.same(parseJar('_fbp=fb.1.2.3; sid=secret', cookieNames.ads), { _fbp: 'fb.1.2.3' })
})

test('a cookie goes to the site\'s domain only from a host within it', async t => {
  const cases = [
    ['www.example.com', 'example.com', 'example.com'],
    ['example.com', 'example.com', 'example.com'],
    ['notexample.com', 'example.com', ''],
    ['www.otherbrand.net', 'example.com', ''],
    ['localhost', '', ''],
    ['127.0.0.1', '', '']
  ] as const
  for (const [host, siteDomain, domain] of cases) t.equal(cookieDomain(host, siteDomain), domain, host)
})

test('Meta\'s cookies are made as the schema makes them, and never replaced without a new click', async t => {
  const at = 1764000000123
  const random = '123456789012345678'
  const fbp = makeFbp('example.com', at, BigInt(random))
  const fbc = makeFbc('example.com', at, 'IwAR-x_Y')
  const cases: Array<[Record<string, string>, string | undefined, Record<string, string>]> = [
    [{}, undefined, { _fbp: fbp }],
    [{}, 'IwAR-x_Y', { _fbp: fbp, _fbc: fbc }],
    [{ _fbp: 'fb.1.1.2' }, 'IwAR-x_Y', { _fbc: fbc }],
    [{ _fbp: 'fb.1.1.2', _fbc: 'fb.1.1700000000000.IwAR-x_Y' }, 'IwAR-x_Y', {}],
    [{ _fbp: 'fb.1.1.2', _fbc: 'fb.1.1700000000000.IwAR-x_Y.AQQAAQMC' }, 'IwAR-x_Y', {}],
    [{ _fbp: 'fb.1.1.2', _fbc: 'fb.1.1700000000000.IwAR-x_Yz' }, 'IwAR-x_Y', { _fbc: fbc }],
    [{ _fbp: 'fb.1.1.2', _fbc: 'fb.1.1700000000000.Iwolder' }, undefined, {}]
  ]
  for (const [jar, fbclid, missing] of cases) {
    t.same(missingMetaCookies(jar, 'example.com', at, random, fbclid), missing, JSON.stringify(jar))
  }
  t.match(missingMetaCookies({}, '', at, random, undefined), { _fbp: `fb.0.${at}.${random}` })
  t.match(missingMetaCookies({}, 'example.co.uk', at, random, undefined), { _fbp: `fb.2.${at}.${random}` })
})

test('random numbers have up to 18 digits, and no two are the same', async t => {
  const drawn = new Set(Array.from({ length: 1000 }, drawDigits))
  t.equal(drawn.size, 1000)
  for (const digits of drawn) t.match(digits, /^[1-9]\d{5,17}$/)
  const fbp = missingMetaCookies({}, 'example.com', 1764000000123, drawDigits(), undefined)._fbp ?? ''
  t.not(parseFbValue(fbp), null)
})

test('an event has the given id, or that of its transaction, or a new one that starts with a letter', async t => {
  t.equal(eventIdFor('generate_lead', { event_id: 'x 1' }), 'x 1')
  t.equal(eventIdFor('purchase', { event_id: 'x', transaction_id: '1042' }), 'x')
  t.equal(eventIdFor('purchase', { transaction_id: 1042 }), 'purchase.1042')
  t.equal(eventIdFor('my_event', { transaction_id: 'A-1' }), 'my_event.A-1')
  for (const params of [{}, null, undefined, { event_id: '' }]) {
    t.match(eventIdFor('page_view', params), /^e\d{13}\.\d{6,18}$/)
  }
  t.not(eventIdFor('page_view'), eventIdFor('page_view'))
})

test('a purchase under another vendor\'s name gets the id that the gateway derives', async t => {
  const names = ['purchase', 'Purchase', 'CompletePayment', 'complete_payment', 'Order Completed', 'order_completed']
  for (const name of names) {
    t.equal(eventIdFor(name, { transaction_id: '7' }), `${canonicalEventName(name)}.7`, name)
  }
})
