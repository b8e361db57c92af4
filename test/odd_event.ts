// Events that have broken a mapping somewhere, and any others: for tests that hold a mapping to the strict fakes.
import fc from 'fast-check'
import type { OutgoingEvent } from '../dispatch/destination.ts'

/** The moment at which they were received. */
export const oddNowMs = Date.UTC(2026, 10, 20, 8, 30, 1)

/** Texts that have broken a mapping somewhere, among any text at all. */
const odd = fc.constantFrom('', ' ', '\t', 'undefined', 'null', '[object Object]', 'ada@example.org', '0', '-1',
  'a'.repeat(64), 'A'.repeat(64), '+49 30 901820', '030 901820', '10115 Berlin', 'São Paulo', '\ud800', '\u0000', 'ß',
  'İ', '127.0.0.1', '10.0.0.1', '::ffff:93.184.216.34', '2606:2800:220:1::1', '93.184.216.34')
const text = fc.oneof(odd, fc.string({ maxLength: 30 }), fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.emailAddress())
const optional = <T>(arb: fc.Arbitrary<T>) => fc.option(arb, { nil: undefined })
const number = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
/** As dispatch/ hands them over: what is private in an address is gone by then. */
const page = fc.webUrl({ validSchemes: ['https', 'http'] }).filter(address => !address.includes('@'))
const url = fc.oneof({ arbitrary: page, weight: 8 }, odd, fc.constant('about:blank'))
const consentState = fc.constantFrom('granted', 'granted', 'granted', 'granted', 'denied')
const userAgent = fc.constantFrom('Mozilla/5.0 (X11; Linux x86_64)', ' curl/8.1 ', '', 'x', '\t')
const currency = fc.oneof(fc.constantFrom('EUR', 'usd', ' jpy ', 'LKR', 'XYZ', '€'), text)
const anything = fc.oneof(text, number, fc.boolean(), fc.constant(null), fc.array(text, { maxLength: 3 }),
  fc.record({ unit: text, value: number }), fc.object({ maxDepth: 1 }))
const propertyNames = ['content_type', 'description', 'status', 'delivery_category', 'predicted_ltv', 'num_adults',
  'mileage', 'preferred_price_range', 'destination_ids', 'value', 'contents', 'tiktok_lead_id', '__proto__', 'toString']

const item = fc.record({
  item_id: optional(text),
  item_name: optional(text),
  item_brand: optional(text),
  item_category: optional(text),
  price: optional(number),
  quantity: optional(number)
})

const clickId = fc.record({
  value: fc.constantFrom('EAIaIQobChMI-abc', 'E.C.P.abcdef-1234', 'x'.repeat(512), 'short', '0AAAAA-bbb_c'),
  seen_at_ms: fc.constantFrom(oddNowMs, oddNowMs - 10_000, oddNowMs - 86_400_000, oddNowMs - 80 * 86_400_000)
})
const cookieNames = ['_ttp', 'ttclid', '_fbp', '_gcl_aw', '_gcl_gb', '_gcl_ag', 'FPGCLAW', '_ga', '_ga_ABCD1234']
const cookieValues = ['GCL.1794900000.Cj0KCQ_a-b', '2.1.k0AAAA$i1794900000', 'GA1.1.123.456', 'GA1.2-2.0.456',
  'GS2.1.s1794900000$o1$g0', 'GS1.1.1794900000.1.1.1.0.0.0']

/** Any event at all of the given names, as dispatch/ would hand it over. */
export const anOddEvent = (eventNames: readonly string[]) => fc.record({
  site: fc.constant('main'),
  event_name: fc.constantFrom(...eventNames, 'my_event', 'toString'),
  event_id: fc.string({ minLength: 1, maxLength: 40 }).filter(id => /^[!-~]+$/.test(id) && !id.includes('@')),
  received_at_ms: fc.constant(oddNowMs),
  occurred_at_ms: fc.integer({ min: oddNowMs - 2 * 86_400_000, max: oddNowMs + 86_400_000 }),
  trust: fc.constantFrom('signed', 'same_site', 'anonymous'),
  action_source: optional(fc.constantFrom('website', 'phone_call', 'chat', 'email', 'physical_store',
    'system_generated', 'app', 'other')),
  page_location: fc.option(url, { nil: undefined, freq: 8 }),
  page_referrer: optional(url),
  landing: optional(fc.record({
    seen_at_ms: fc.constant(oddNowMs),
    page_location: page,
    page_referrer: optional(page),
    gad: fc.constantFrom({}, { gad_source: '1', gad_campaignid: '42' })
  })),
  language: optional(text),
  value: optional(number),
  currency: optional(currency),
  transaction_id: optional(text),
  items: optional(fc.array(item, { maxLength: 3 })),
  search_term: optional(text),
  new_customer: optional(fc.boolean()),
  user_id: optional(text),
  user_data: optional(fc.record({
    email: optional(fc.array(fc.oneof(fc.emailAddress(), text), { maxLength: 3 })),
    sha256_email_address: optional(fc.array(text, { maxLength: 2 })),
    phone_number: optional(fc.array(text, { maxLength: 3 })),
    sha256_phone_number: optional(fc.array(text, { maxLength: 2 })),
    address: optional(fc.record({
      first_name: optional(text),
      sha256_last_name: optional(text),
      city: optional(text),
      region: optional(text),
      postal_code: optional(text),
      country: optional(fc.oneof(text, fc.constantFrom('DE', 'Germany', 'us')))
    }))
  })),
  click_ids: optional(fc.dictionary(fc.constantFrom('ttclid', 'gclid', 'gbraid', 'wbraid', 'fbclid'), clickId)),
  cookies: optional(fc.dictionary(fc.constantFrom(...cookieNames), fc.oneof(text, fc.constantFrom(...cookieValues)))),
  client: optional(fc.record({ ip: optional(text), user_agent: optional(userAgent) })),
  params: optional(fc.dictionary(fc.constantFrom(...propertyNames), anything)),
  country: optional(fc.constantFrom('DE', 'US', 'FR', 'de', 'XX')),
  form_id: optional(text),
  coupon: optional(text),
  tax: optional(number),
  shipping: optional(number),
  visitor_id: optional(text),
  device: optional(fc.record({
    type: optional(fc.constantFrom('desktop', 'mobile', 'smarttv', 'wearable', '')),
    browser: optional(fc.constantFrom('Mobile Safari', 'Mobile ', 'Chrome', '')),
    os: optional(fc.constantFrom('mac os', 'Windows', '')),
    model: optional(fc.constantFrom('K', ''))
  })),
  consent: fc.record({
    ad_storage: consentState,
    ad_user_data: fc.constant('granted'),
    ad_personalization: consentState,
    analytics_storage: consentState,
    because: fc.constant('said'),
    limited: fc.constantFrom(false, false, false, false, true)
  }),
  defaults: fc.record({ country: fc.constant('DE'), currency: optional(currency), lead_value: optional(fc.nat()) })
}) as fc.Arbitrary<OutgoingEvent>
