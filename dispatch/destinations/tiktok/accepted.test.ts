// Whatever comes in: what the mapping lets out is of its own schema, and the strict fake finds no fault with it.
import fc from 'fast-check'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { tiktokRules } from '../../../demo/networks/tiktok.ts'
import type { OutgoingEvent } from '../../destination.ts'
import destination from './destination.ts'
import { map } from './map.ts'
import { payload as schema } from './payload.ts'
import { settings as settingsSchema, type TikTokSettings } from './settings.ts'
import { sourceOfPayload } from './source.ts'

const nowMs = Date.UTC(2026, 10, 20, 8, 30, 1)
const settings = Value.Default(settingsSchema, {
  pixel_code: 'CP0STERN0TESTS000001',
  access_token: 't',
  offline_event_set_id: '7301964452018376450',
  crm_event_set_id: '7301964452018376833'
}) as TikTokSettings

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

const anEvent = fc.record({
  site: fc.constant('main'),
  event_name: fc.constantFrom(...Object.keys(destination.events), 'my_event', 'toString'),
  event_id: fc.string({ minLength: 1, maxLength: 40 }).filter(id => /^[!-~]+$/.test(id) && !id.includes('@')),
  received_at_ms: fc.constant(nowMs),
  occurred_at_ms: fc.integer({ min: nowMs - 6 * 86_400_000, max: nowMs + 86_400_000 }),
  trust: fc.constantFrom('signed', 'same_site', 'anonymous'),
  action_source: optional(fc.constantFrom('website', 'phone_call', 'chat', 'email', 'physical_store',
    'system_generated', 'app', 'other')),
  page_location: fc.option(url, { nil: undefined, freq: 8 }),
  page_referrer: optional(url),
  landing: optional(fc.record({
    seen_at_ms: fc.constant(nowMs), page_location: optional(url), page_referrer: optional(url), gad: fc.constant({})
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
  click_ids: optional(fc.record({ ttclid: fc.record({ value: text, seen_at_ms: fc.constant(nowMs) }) })),
  cookies: optional(fc.dictionary(fc.constantFrom('_ttp', 'ttclid', '_fbp'), text)),
  client: optional(fc.record({ ip: optional(text), user_agent: optional(userAgent) })),
  params: optional(fc.dictionary(fc.constantFrom(...propertyNames), anything)),
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

const names = new Map(Object.entries(destination.events))

/** Rules that take words for a mapping's mistake which a visitor may have typed. */
const aboutWords = ['hash_of_nothing', 'stringified_nothing']
const rules = tiktokRules.filter(({ name }) => !aboutWords.includes(name))

test('the strict fake finds no fault with anything that the mapping lets out', t => {
  let sent = 0
  fc.assert(fc.property(anEvent, event => {
    const mapped = map(event, settings, names.get(event.event_name) ?? event.event_name)
    if (!('payload' in mapped)) return true
    sent++
    const payload = JSON.parse(JSON.stringify(mapped.payload)) as Record<string, unknown>
    const errors = [...Value.Errors(schema, payload)].map(({ instancePath, message }) => `${instancePath} ${message}`)
    const context = { nowMs, source: sourceOfPayload(mapped.payload) }
    const broken = rules.flatMap(rule => {
      const path = rule.broken(payload, context)
      return path === undefined ? [] : [`${rule.name} ${path.join('.')}`]
    })
    if (errors.length + broken.length > 0) throw new Error([...errors, ...broken].join('; '))
    return true
  }), { numRuns: 1000 })
  t.ok(sent > 200, `${sent} were sent`)
  t.end()
})
