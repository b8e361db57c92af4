// What bodies become: names, ids, persons, parameters; and that nothing in them is lost without a word.
import { test } from 'tap'
import { readEvent, type Draft, type ReadContext } from './read.ts'

const nowMs = Date.UTC(2026, 10, 23, 12)
const context: ReadContext = { receivedAtMs: nowMs, isSigned: false, newId: () => 'e-of-ours' }

function read (body: unknown, more: Partial<ReadContext> = {}): { draft: Draft, codes: string[] } {
  const result = readEvent(body, { ...context, ...more })
  if ('error' in result) throw new Error(`refused: ${result.error.message}`)
  return { draft: result.draft, codes: result.warnings.map(({ path, code }) => `${path}: ${code}`) }
}

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
    [{ event_name: 'purchase', transaction_id: ' 1042 ' }, 'purchase', 'purchase.1042'],
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
    event_name: 'x',
    page_title: 'é'.repeat(499) + '💶',
    items: Array.from({ length: 201 }, (_, at) => ({ item_id: at }))
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
