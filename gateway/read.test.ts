// What bodies become: amounts, times, names, persons, parameters; and that nothing in them is lost without a word.
import { test } from 'tap'
import { readBoolean, readAmount, readCurrency } from './coerce.ts'
import { judgeTime, readPageSeed, readTime } from './clock.ts'
import { readEvent, type Draft, type ReadContext } from './read.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const minuteMs = 60_000
const dayMs = 86_400_000
const context: ReadContext = { receivedAtMs: nowMs, isSigned: false, newId: () => 'e-of-ours' }

function read (body: unknown, more: Partial<ReadContext> = {}): { draft: Draft, codes: string[] } {
  const result = readEvent(body, { ...context, ...more })
  if ('error' in result) throw new Error(`refused: ${result.error.message}`)
  return { draft: result.draft, codes: result.warnings.map(({ path, code }) => `${path}: ${code}`) }
}

const amounts: [given: unknown, value: number | string | null, currency?: string][] = [
  [150, 150], [0, 0], [-5, -5], [0.1, 0.1], [Number.POSITIVE_INFINITY, 'not_a_number'],
  [Number.NaN, 'not_a_number'], [1e16,
    'not_a_number'],
  [null, null], [undefined, null], ['', null], ['   ', null],
  ['150', 150], ['150.00', 150], ['150,00', 150], ['150,5', 150.5], ['0.125', 0.125], ['12.3456', 12.3456], ['.5', 0.5],
  ['€ 1.234,56', 1234.56, 'EUR'], ['1.234,56 €', 1234.56, 'EUR'], ['150.00 EUR', 150, 'EUR'], ['EUR150', 150, 'EUR'],
  ['usd 12', 12, 'USD'], ['$1,000.00', 1000], ['1,234.56', 1234.56], ['1.234.567', 1234567], ['1,234,567.89',
    1234567.89],
  ['1\u00A0234,50', 1234.5], ['1 234,50', 1234.5], ['1\'234.50', 1234.5], ['CHF 1’234.50', 1234.5, 'CHF'],
  ['1,50,000.00', 150000], ['99,-', 99], ['99,--', 99], ['-5,50', -5.5], ['100 zł', 100, 'PLN'], ['R$ 10,00', 10],
  ['1.234', 'ambiguous_number'], ['1,234', 'ambiguous_number'], ['12,500 EUR', 'ambiguous_number'],
  ['abc', 'not_a_number'], ['5 apples', 'not_a_number'], ['1.23.45', 'not_a_number'], ['1,2,3', 'not_a_number'],
  ['1..5', 'not_a_number'], ['1e5', 'not_a_number'], ['EUR 5 USD', 'not_a_number'], ['١٥٠', 'not_a_number'],
  ['9'.repeat(65), 'not_a_number'], [true, 'not_a_number'], [[150], 'not_a_number'], [{}, 'not_a_number']
]

test('an amount is parsed or refused, and never becomes 0 by mistake', t => {
  for (const [given, value, currency] of amounts) {
    const result = readAmount(given)
    const got = result === null ? null : 'value' in result ? result.value : result.refused
    t.equal(got, value, `${typeof given} ${JSON.stringify(given)}`)
    if (result !== null) t.equal(result.currency, currency, `currency of ${JSON.stringify(given)}`)
  }
  t.end()
})

test('currencies are ISO codes, in any case, or signs that mean one', t => {
  const cases: [unknown, string | null][] = [['EUR', 'EUR'], ['eur', 'EUR'], [' Usd ', 'USD'], ['€', 'EUR'], ['$',
    null],
  ['XYZ', null], ['EURO', null], [978, null], ['zł', 'PLN']]
  for (const [given, expected] of cases) {
    const result = readCurrency(given)
    t.equal(result !== null && 'value' in result ? result.value : null, expected, JSON.stringify(given))
  }
  t.end()
})

test('yes and no are understood in several languages', t => {
  for (const given of [true, 1, '1', 'true', 'YES', 'on', 'ja', 'oui', 'sí',
    'granted']) t.strictSame(readBoolean(given), { value: true })
  for (const given of [false, 0, '0', 'false', 'No', 'off', 'nein', 'não', 'denied']) {
    t.strictSame(readBoolean(given),
      { value: false })
  }
  for (const given of ['maybe', 2, {}, []]) t.match(readBoolean(given), { refused: String })
  for (const given of [null, undefined, '']) t.equal(readBoolean(given), null)
  t.end()
})

const at = Date.UTC(2026, 10, 23, 10)
const times: [given: unknown, atMs: number | string | null][] = [
  [at / 1000, at], [at, at], [at * 1000, at], [at * 1e6, at], [String(at / 1000), at], [at / 1000 + 0.25, at + 250],
  ['2026-11-23T10:00:00Z', at], ['2026-11-23T11:00:00+01:00', at], ['2026-11-23 11:00:00 +0100', at],
  ['2026-11-23T10:00Z', at], ['2026-11-23T10:00:00.123456Z', at + 123], ['2026-11-23t10:00:00z', at],
  ['2026-11-23T05:00:00-05', at], ['2026-11-23T10:00:00', 'time_without_offset'], ['23.11.2026', 'not_a_time'],
  ['2026-13-45T10:00:00Z', 'not_a_time'], [0, 'not_a_time'], [-1, 'not_a_time'], [1e300, 'not_a_time'],
  [Number.POSITIVE_INFINITY, 'not_a_time'], [{}, 'not_a_time'], [true, 'not_a_time'], [null, null], ['', null]
]

test('times are read by magnitude, or as ISO 8601 with an offset', t => {
  for (const [given, expected] of times) {
    const result = readTime(given)
    t.equal(result === null ? null : 'value' in result ? result.value : result.refused, expected, JSON.stringify(given))
  }
  t.end()
})

test('a time is judged by our clock', t => {
  const judged: [name: string, givenMs: number, sentAtMs: number | undefined, isSigned: boolean, occurredAtMs: number,
    warning?: string][] = [
    ['just now', nowMs - 500, undefined, false, nowMs - 500],
    ['a little ahead', nowMs + 3000, undefined, false, nowMs],
    ['an hour ahead', nowMs + 60 * minuteMs, undefined, false, nowMs, 'in_the_future'],
    ['years ahead', nowMs + 900 * dayMs, undefined, false, nowMs, 'implausible_time'],
    ['an hour ahead by a clock that is', nowMs + 59 * minuteMs, nowMs + 60 * minuteMs, false, nowMs - minuteMs],
    ['behind by a clock that is', nowMs - 500 * dayMs, nowMs - 499 * dayMs, false, nowMs - dayMs],
    ['sent_at within the network\'s time', nowMs - 5000, nowMs - 900, false, nowMs - 5000],
    ['a week old, unsigned', nowMs - 8 * dayMs, undefined, false, nowMs, 'implausible_time'],
    ['a year old, signed', nowMs - 365 * dayMs, undefined, true, nowMs - 365 * dayMs],
    ['1970, signed', 86_400_000, undefined, true, nowMs, 'implausible_time'],
    ['signed senders\' clocks are believed', nowMs - 60 * minuteMs, nowMs - 30 * minuteMs, true, nowMs - 60 * minuteMs]
  ]
  for (const [name, givenMs, sentAtMs, isSigned, occurredAtMs, warning] of judged) {
    const result = judgeTime(givenMs, { receivedAtMs: nowMs, isSigned, sentAtMs })
    t.equal(result.occurredAtMs, occurredAtMs, name)
    t.equal(result.warning, warning, `${name}: warning`)
  }
  t.end()
})

test('a dropped time is kept in the warning, as stored', t => {
  const { draft } = read({ event_name: 'purchase', event_time: 12 })
  t.equal(draft.occurredAtMs, nowMs)
  t.strictSame(draft.data.warnings, [{ path: 'event_time', code: 'implausible_time', value: '12' }])
  t.end()
})

test('names and ids', t => {
  const names: [Record<string, unknown>, name: string, id: string][] = [
    [{ event_name: 'generate_lead' }, 'generate_lead', 'e-of-ours'],
    [{ event: 'Lead', eventId: 'a b' }, 'generate_lead', 'a b'],
    [{ eventName: 'ViewContent', event_id: ' kept ' }, 'view_item', ' kept '],
    [{ event_name: 'Order Completed', transaction_id: 1042 }, 'purchase', 'purchase.1042'],
    [{ event_name: 'purchase', order_id: 'A-1', event_id: 'x' }, 'purchase', 'x'],
    [{ event_name: 'my_event', event_id: 77 }, 'my_event', '77'],
    [{ event_name: 'x', event_id: 'Ünï©ode-💶' }, 'x', 'Ünï©ode-💶'],
    [{ event_name: 'x', event_id: null }, 'x', 'e-of-ours'],
    [{ event_name: 'x', event_id: 'a\u0000b' }, 'x', 'e-of-ours'],
    [{ event_name: 'x', event_id: 'a\uD800' }, 'x', 'e-of-ours'],
    [{ event_name: 'x', event_id: 'y'.repeat(256) }, 'x', 'e-of-ours'],
    [{ event_name: 'x', event_id: '   ' }, 'x', 'e-of-ours'],
    [{ event_name: 'x', event_id: {} }, 'x', 'e-of-ours']
  ]
  for (const [body, name, id] of names) {
    const { draft } = read(body)
    t.strictSame([draft.eventName, draft.eventId], [name, id], JSON.stringify(body).slice(0, 60))
  }
  for (const body of [{}, { event_name: '' }, { event_name: 7 }, { event_name: 'x'.repeat(101) },
    { event_name: 'a\nb' },
    null, [], 'text', 5, { event_name: { toString: 1 } }]) {
    t.match(readEvent(body, context), { error: { code: 'invalid_event' } }, JSON.stringify(body).slice(0, 40))
  }
  t.end()
})

test('aliases, GA4 params and flat persons come under one name', t => {
  const { draft, codes } = read({
    event: 'Purchase',
    event_source_url: 'https://www.example.com/thanks?gclid=abcdef',
    referrer: 'https://www.example.com/',
    order_id: '77',
    params: {
      value: '1.234,56 EUR',
      items: [{
        id: 'sku-1',
        name: 'Shoe',
        price: '9,90',
        quantity: '2',
        colour: 'red'
      }],
      plan: 'gold'
    },
    email_address: 'a@b.de',
    firstName: 'Anna',
    fbclid: 'IwAR_flat',
    language: 'de-DE',
    custom: { deep: [1, 'x', null] },
    name: 'not a person'
  })
  const { data } = draft
  t.match(data, {
    page_location: 'https://www.example.com/thanks?gclid=abcdef',
    page_referrer: 'https://www.example.com/',
    transaction_id: '77',
    value: 1234.56,
    currency: 'EUR',
    items: [{ item_id: 'sku-1', item_name: 'Shoe', price: 9.9, quantity: 2 }],
    user_data: { email: ['a@b.de'], address: { first_name: 'Anna' } },
    click_ids: { fbclid: { value: 'IwAR_flat', seen_at_ms: nowMs } },
    params: { plan: 'gold', custom: { deep: [1, 'x'] }, name: 'not a person' }
  })
  t.strictSame(codes, ['items[0].colour: unknown_field'])
  t.equal(draft.eventId, 'purchase.77')
  t.end()
})

test('user_data is taken in every form', t => {
  const hash = 'a'.repeat(64)
  const cases: [unknown, object | undefined][] = [
    [{ email: 'a@b.de' }, { email: ['a@b.de'] }],
    [{ email: ['a@b.de', 'c@d.de', 'a@b.de'] }, { email: ['a@b.de', 'c@d.de'] }],
    [{ email_address: 'a@b.de', phone: '+49 1' }, { email: ['a@b.de'], phone_number: ['+49 1'] }],
    [{ sha256_email_address: hash.toUpperCase() }, { sha256_email_address: [hash.toUpperCase()] }],
    [{ sha256_email_address: ['nope'] }, undefined],
    [{ email: hash }, { sha256_email_address: [hash] }],
    [{ address: [{ first_name: 'A', postal_code: 1234 }, { first_name: 'B' }] }, {
      address: {
        first_name: 'A',
        postal_code: '1234'
      }
    }],
    [{ address: { sha256_first_name: hash, street: 'S 1', zip: '1' } }, {
      address: {
        sha256_first_name: hash,
        street: 'S 1',
        postal_code: '1'
      }
    }],
    [{ first_name: 'A', city: 'Bonn', country: 'DE' }, { address: { first_name: 'A', city: 'Bonn', country: 'DE' } }],
    [{ birth_date: '1990-01-01', gender: 'f' }, { birth_date: '1990-01-01', gender: 'f' }],
    [{ email: '', phone_number: null }, undefined],
    [{ email: { a: 1 } }, undefined],
    ['text', undefined]
  ]
  for (const [given, expected] of cases) {
    t.strictSame(read({ event_name: 'x', user_data: given }).draft.data.user_data, expected, JSON.stringify(given))
  }
  t.end()
})

test('what somebody said about consent and cannot be read is never a yes', t => {
  const { draft, codes } = read({
    event_name: 'x',
    consent: {
      ad_storage: 'granted',
      ad_user_data: 'perhaps',
      ad_personalization: false,
      analytics_storage: null,
      other: 1
    }
  })
  t.strictSame(draft.data.consent, { ad_storage: 'granted', ad_user_data: 'denied', ad_personalization: 'denied' })
  t.strictSame(codes, ['consent.ad_user_data: unreadable_taken_as_denied'])
  t.end()
})

test('hostile values leave a warning, and the event lives', t => {
  const body: unknown = JSON.parse(`{"event_name":"x","value":1e999,"tax":"1e5","title":"a\\u0000b\\ud800c",
    "__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},
    "params":{"__proto__":{"polluted":1},"n":1e999},"items":"no","consent":[],
    "click_ids":{"fbclid":"no spaces allowed","gclid":"ok_id","other":"x"},
    "cookies":{"_fbp":"nonsense","x":"y"},"browser_tags":{"meta":"lied"},
    "page_location":"javascript:alert(1)","currency":"EURO","language":"<b>","page_seed":"1",
    "visitor_id":"v","ip_override":"1.2.3.4"}`)
  const { draft, codes } = read(body)
  t.equal(draft.data.params?.title, 'ab\uFFFDc')
  t.strictSame(draft.data.click_ids, { gclid: { value: 'ok_id', seen_at_ms: nowMs } })
  t.strictSame(draft.visitor, {})
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  t.notOk(JSON.stringify(draft.data).includes('polluted'))
  t.strictSame(codes.toSorted(), ['__proto__: bad_name', 'browser_tags.meta: unknown_tag_state',
    'click_ids.fbclid: malformed_click_id',
    'click_ids.other: unknown_click_id', 'consent: not_an_object', 'constructor: bad_name',
    'cookies._fbp: unknown_or_malformed_cookie',
    'cookies.x: unknown_or_malformed_cookie', 'currency: unknown_currency', 'ip_override: only_from_signed_senders',
    'items: not_a_list',
    'language: not_a_language', 'n: not_a_number', 'page_location: not_an_address', 'page_seed: not_a_page_seed',
    'tax: not_a_number',
    'value: not_a_number', 'visitor_id: only_from_signed_senders'].toSorted())
  t.end()
})

test('long texts are cut between characters, long lists are cut with a warning', t => {
  const { draft, codes } = read({
    event_name: 'x', page_title: 'é'.repeat(499) + '💶', items: Array.from({ length: 201 }, (_, at) => ({ item_id: at }))
  })
  t.equal(draft.data.page_title, 'é'.repeat(499))
  t.equal(draft.data.items?.length, 200)
  t.strictSame(codes, ['page_title: too_long', 'items: too_many'])
  t.end()
})

test('only a signed sender says whose event it is', t => {
  const body = { event_name: 'x', ip_override: '203.0.113.7', user_agent: 'UA', visitor_id: 'v1' }
  t.strictSame(read(body, { isSigned: true }).draft.visitor, { ip: '203.0.113.7', userAgent: 'UA', visitorId: 'v1' })
  t.end()
})

test('a page seed is the script\'s, or nothing', t => {
  t.match(readPageSeed('1764000000000.123456789012345678'), { value: { startedAtMs: 1764000000000 } })
  for (const given of ['x', '1764000000000', '1.2', 1764000000000.5, {}]) {
    t.match(readPageSeed(given),
      { refused: 'not_a_page_seed' })
  }
  t.end()
})
