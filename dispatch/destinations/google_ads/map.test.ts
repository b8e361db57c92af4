// What the mapping decides for itself: which action, which id, when and where, who it was, what it was worth.
import { test } from 'tap'
import { Value } from 'typebox/value'
import { sha256Hex } from '../../person/hashing.ts'
import type { OutgoingEvent } from '../../destination.ts'
import { map } from './map.ts'
import { payload as schema, type GoogleAdsPayload } from './payload.ts'
import { settings as settingsSchema, type GoogleAdsSettings } from './settings.ts'

const receivedAtMs = Date.UTC(2026, 10, 20, 8, 30, 1)
const settings = Value.Default(settingsSchema, {
  customer_id: '604-318-2257',
  credentials: '{}',
  conversion_actions: { generate_lead: '11', purchase: 'customers/1/conversionActions/12', qualify_lead: 13 }
}) as GoogleAdsSettings
const lead: OutgoingEvent = {
  site: 'main',
  event_name: 'generate_lead',
  event_id: 'lead-1',
  received_at_ms: receivedAtMs,
  occurred_at_ms: receivedAtMs - 1500,
  trust: 'same_site',
  page_location: 'https://www.example.com/offer',
  user_data: { email: ['ada@example.org'] },
  client: { ip: '93.184.216.34', user_agent: 'Mozilla/5.0' },
  consent: {
    ad_storage: 'granted',
    ad_user_data: 'granted',
    ad_personalization: 'granted',
    analytics_storage: 'granted',
    because: 'said',
    limited: false
  },
  defaults: {}
}

type Mapping = { payload: GoogleAdsPayload, warnings: { path: string, code: string }[] }

function mapped (change: Partial<OutgoingEvent>, given: Partial<GoogleAdsSettings> = {}): Mapping {
  const result = map({ ...lead, ...change }, { ...settings, ...given })
  if (!('payload' in result)) throw new Error(JSON.stringify(result))
  const clean = JSON.parse(JSON.stringify(result.payload)) as GoogleAdsPayload
  if (!Value.Check(schema, clean)) throw new Error(JSON.stringify(Value.Errors(schema, clean)))
  return { payload: clean, warnings: result.warnings }
}

const coded = ({ warnings }: Mapping) => warnings.map(({ path, code }) => `${path} ${code}`)
const purchase = { event_name: 'purchase', value: 20, currency: 'EUR' }

test('an event goes to its action, and without one nowhere', t => {
  t.same(mapped({}).payload.destinationReferences, ['11'])
  t.same(mapped(purchase).payload.destinationReferences, ['12'], 'the number of a resource name')
  t.same(mapped({ event_name: 'qualify_lead' }).payload.destinationReferences, ['13'], 'a number of YAML')
  t.match(map({ ...lead, event_name: 'sign_up' }, settings), {
    skipped: 'event_not_supported', detail: /no action for sign_up/
  })
  t.match(map({ ...lead, event_name: 'toString' }, settings), { skipped: 'event_not_supported' })
  const refunds = { ...settings, conversion_actions: { refund: '14' } }
  t.match(map({ ...lead, event_name: 'refund' }, refunds), { skipped: 'event_not_supported', detail: /back/ })
  t.end()
})

test('the transaction id is the order\'s exactly as given, else the event id', t => {
  const id = (change: Partial<OutgoingEvent>, role: 'import' | 'supplement' = 'import') => {
    const mapping = mapped(change, { role })
    return [mapping.payload.transactionId, ...coded(mapping)]
  }
  t.same(id({}), ['lead-1'])
  t.same(id({ transaction_id: ' Ä-17 ' }), [' Ä-17 '])
  t.same(id({ transaction_id: ' ' }), ['lead-1'])
  t.same(id({ transaction_id: '1042' }), ['1042', 'transaction_id digits_only'])
  t.same(id({ event_id: '4711' }), ['4711', 'event_id digits_only'])
  t.same(id({ transaction_id: 'x'.repeat(65) }), ['x'.repeat(65)])
  t.same(id({ transaction_id: 'x'.repeat(65) }, 'supplement').slice(1), ['transaction_id longer_than_the_tag_sends'])
  t.match(map({ ...lead, transaction_id: 'order of ada@example.org' }, settings), { rejected: 'invalid_event' })
  t.end()
})

test('says when, in UTC, and never in the future', t => {
  t.equal(mapped({}).payload.eventTimestamp, '2026-11-20T08:29:59.500Z')
  const ahead = mapped({ occurred_at_ms: receivedAtMs + 600_000 })
  t.same([ahead.payload.eventTimestamp, ...coded(ahead)], ['2026-11-20T08:30:01.000Z', 'event_time in_the_future'])
  t.end()
})

test('says where it happened, always', t => {
  const cases: [Partial<OutgoingEvent>, string][] = [
    [{}, 'WEB'],
    [{ action_source: 'website' }, 'WEB'],
    [{ action_source: 'app' }, 'APP'],
    [{ action_source: 'physical_store' }, 'IN_STORE'],
    [{ action_source: 'phone_call' }, 'PHONE'],
    [{ action_source: 'chat' }, 'MESSAGE'],
    [{ action_source: 'email' }, 'MESSAGE'],
    [{ action_source: 'system_generated' }, 'OTHER'],
    [{ action_source: 'other' }, 'OTHER'],
    [{ trust: 'signed', page_location: undefined }, 'OTHER'],
    [{ trust: 'signed' }, 'WEB'],
    [{ page_location: undefined }, 'WEB'],
    [{ event_name: 'qualify_lead' }, 'OTHER']
  ]
  for (const [change, source] of cases) t.equal(mapped(change).payload.eventSource, source, JSON.stringify(change))
  t.end()
})

test('sends each way to find the person once, hashed; an address whole or not at all', t => {
  const hash = sha256Hex('ada@example.org')
  const address = { first_name: 'Dr. Ada', last_name: 'Lovelace', postal_code: '10115', country: 'Deutschland' }
  const whole = {
    givenName: sha256Hex('ada'), familyName: sha256Hex('lovelace'), regionCode: 'DE', postalCode: '10115'
  }
  const { payload, warnings } = mapped({
    user_id: 'User 42',
    user_data: {
      email: [' ADA@example.org', 'ada@example.org', 'nobody'],
      sha256_email_address: [hash.toUpperCase(), 'not-a-hash'],
      phone_number: ['030 901820'],
      address: { ...address, city: 'Berlin', street: 'Hauptstraße 1' }
    }
  })
  t.same(payload.userData, {
    userIdentifiers: [{ emailAddress: hash }, { phoneNumber: sha256Hex('+4930901820') }, { address: whole }]
  })
  t.same(warnings, [
    { path: 'user_data.email.2', code: 'not_an_email' },
    { path: 'user_data.sha256_email_address.1', code: 'not_a_hash' }
  ])
  const parts = (given: object, defaults = {}) => {
    const mapping = mapped({ defaults, user_data: { email: ['ada@example.org'], address: given } })
    return [mapping.payload.userData?.userIdentifiers[1]?.address, ...coded(mapping)]
  }
  const { country: _country, ...homeless } = address
  t.same(parts(homeless), [undefined, 'user_data.address incomplete'])
  t.same(parts(homeless, { country: 'DE' }), [whole], 'the site\'s own country')
  t.same(parts({ ...address, country: 'Narnia' }, { country: 'DE' }), [undefined,
    'user_data.address.country unknown_country'], 'another than the site\'s')
  t.same(parts({ ...address, last_name: '…' }), [undefined, 'user_data.address.last_name unusable_characters',
    'user_data.address incomplete'])
  t.same(parts({ ...address, country: 'US', postal_code: '1011' }), [undefined,
    'user_data.address.postal_code not_a_postal_code', 'user_data.address incomplete'])
  const { first_name: _first, ...hashed } = { ...address, sha256_first_name: sha256Hex('ada') }
  t.same(parts(hashed), [whole])
  t.end()
})

test('ten identifiers are the most, and the address is among them', t => {
  const email = Array.from({ length: 12 }, (_, index) => `ada${index}@example.org`)
  const many = mapped({ user_data: { email } })
  t.equal(many.payload.userData?.userIdentifiers.length, 10)
  t.same(coded(many), ['user_data too_many'])
  const address = { first_name: 'Ada', last_name: 'L', postal_code: '10115', country: 'DE' }
  const identifiers = mapped({ user_data: { email, address } }).payload.userData?.userIdentifiers
  t.equal(identifiers?.length, 10)
  t.ok(identifiers?.at(-1)?.address)
  t.end()
})

test('nothing to match by is nothing to send', t => {
  t.same(map({ ...lead, user_data: undefined }, settings), { skipped: 'no_identifier' })
  t.same(map({ ...lead, user_data: { email: ['nobody'], address: { city: 'Berlin' } } }, settings),
    { skipped: 'no_identifier' })
  const clicked = mapped({ user_data: undefined, click_ids: { gclid: { value: 'g1', seen_at_ms: receivedAtMs } } })
  t.same([clicked.payload.adIdentifiers, clicked.payload.userData], [{ gclid: 'g1' }, undefined])
  t.end()
})

test('says what the visitor consented to, and GPC limits it', t => {
  const consent = (change: object) => mapped({ consent: { ...lead.consent, ...change } }).payload.consent
  t.same(consent({}), { adUserData: 'CONSENT_GRANTED', adPersonalization: 'CONSENT_GRANTED' })
  t.equal(consent({ ad_personalization: 'denied' }).adPersonalization, 'CONSENT_DENIED')
  t.equal(consent({ limited: true }).adPersonalization, 'CONSENT_DENIED')
  t.equal(consent({ ad_user_data: 'denied' }).adUserData, 'CONSENT_DENIED')
  t.end()
})

test('the address of the visitor goes only where Google may have it', t => {
  const ip = (change: Partial<OutgoingEvent>) => mapped(change).payload.eventDeviceInfo?.ipAddress
  const from = (country: string) => ({ user_data: { email: ['ada@example.org'], address: { country } } })
  t.equal(ip({}), undefined, 'an unknown country')
  for (const country of ['DE', 'AT', 'NO', 'IS', 'LI', 'GB', 'CH', 'RE']) t.equal(ip({ country }), undefined, country)
  for (const country of ['US', 'CA', 'BR', 'IN']) t.equal(ip({ country }), '93.184.216.34', country)
  t.equal(ip({ country: 'US', ...from('France') }), undefined, 'a traveller')
  t.equal(ip({ country: 'US', ...from('Narnia') }), undefined)
  t.equal(ip({ country: 'US', ...from('USA') }), '93.184.216.34')
  t.equal(ip({ country: 'US', client: { ip: '10.0.0.1', user_agent: 'x' } }), undefined)
  t.equal(mapped({ client: { user_agent: ' ' } }).payload.eventDeviceInfo, undefined)
  t.equal(mapped({ client: undefined }).payload.eventDeviceInfo, undefined)
  t.end()
})

test('a value goes with its currency or not at all', t => {
  const worth = (change: Partial<OutgoingEvent>) => {
    const mapping = mapped(change)
    return [mapping.payload.conversionValue, mapping.payload.currency, ...coded(mapping)]
  }
  t.same(worth({ value: 12.5, currency: ' eur ' }), [12.5, 'EUR'])
  t.same(worth({ value: 0, currency: 'EUR' }), [0, 'EUR'])
  t.same(worth({ value: 12, defaults: { currency: 'CHF' } }), [12, 'CHF'])
  t.same(worth({ value: 12 }), [undefined, undefined, 'currency missing'])
  t.same(worth({ value: 12, currency: 'XQQ' }), [undefined, undefined, 'currency unknown_currency'])
  t.same(worth({ value: -1, currency: 'EUR' }), [undefined, undefined, 'value negative'])
  t.same(worth({ currency: 'EUR' }), [undefined, undefined])
  t.same(worth({ defaults: { lead_value: 50, currency: 'EUR' } }), [50, 'EUR'])
  t.same(worth({ event_name: 'qualify_lead', defaults: { lead_value: 50, currency: 'EUR' } }), [undefined, undefined])
  const items = [{ item_id: 'a', price: 0.1, quantity: 3 }, { item_id: 'b', price: 5 }]
  t.same(worth({ event_name: 'purchase', currency: 'EUR', items }), [5.3, 'EUR', 'value computed_from_items'])
  t.end()
})

test('a purchase carries its cart, but not with a braid', t => {
  const items = [{ item_id: 'a', price: 5, quantity: 2 }, { item_id: 'b' }, { item_name: 'C', price: 1 },
    { item_id: 'd', quantity: 0.5 }]
  const feed = { merchant_id: '55', merchant_feed_label: 'DE', merchant_feed_language: 'de' }
  const full = mapped({ ...purchase, items }, feed)
  t.same(full.payload.cartData, {
    merchantId: '55',
    merchantFeedLabel: 'DE',
    merchantFeedLanguageCode: 'de',
    items: [{ merchantProductId: 'a', quantity: 2, unitPrice: 5 }, { merchantProductId: 'b', quantity: 1 }]
  })
  t.same(coded(full), ['items.2.item_id missing', 'items.3.quantity unusable'])
  t.same(mapped({ ...purchase, items }).payload.cartData?.merchantId, undefined)
  t.same(mapped({ ...purchase, value: undefined, currency: undefined, items }).payload.cartData?.items[0],
    { merchantProductId: 'a', quantity: 2 }, 'no price without a currency')
  t.equal(mapped({ ...purchase, items: [{ item_id: 'ada@example.org' }] }).payload.cartData, undefined,
    'no address of anybody in clear')
  t.equal(mapped({ ...purchase, items: [{ item_id: 'a', quantity: 2 ** 53 }] }).payload.cartData, undefined,
    'no number that JSON cannot hold exactly')
  const halfPriced = [{ item_id: 'a', price: 3 }, { item_id: 'b' }]
  t.match(mapped({ ...purchase, value: undefined, items: halfPriced }).payload,
    { conversionValue: undefined, currency: 'EUR', cartData: { items: [{ unitPrice: 3 }, { unitPrice: undefined }] } },
    'prices have their currency where the whole has no value')
  const braid = { gbraid: { value: 'b1', seen_at_ms: receivedAtMs } }
  t.equal(mapped({ ...purchase, items, click_ids: braid }).payload.cartData, undefined)
  t.equal(mapped({ ...purchase, items: [{ item_name: 'C' }] }).payload.cartData, undefined, 'never an empty one')
  t.equal(mapped({ items }).payload.cartData, undefined, 'a lead has none')
  t.end()
})

test('says what the owner says of the customer, and what the settings name', t => {
  const properties = (change: Partial<OutgoingEvent>) => mapped(change).payload.userProperties
  t.same(properties({ new_customer: true }), { customerType: 'NEW' })
  t.same(properties({ new_customer: false }), { customerType: 'RETURNING' })
  t.equal(properties({}), undefined)
  t.same(properties({ params: { customer_value_bucket: ' high ' } }), { customerValueBucket: 'HIGH' })
  t.same(coded(mapped({ params: { customer_value_bucket: 7 } })), ['params.customer_value_bucket unusable'])

  const named = { custom_variables: { minutes: 'call_length', who: 'agent', deep: 'x', gone: 'y' } }
  const params = { minutes: 12, who: 'ada@example.org', deep: { a: 1 }, other: 'stays here' }
  const mapping = mapped({ params }, named)
  t.same(mapping.payload.customVariables, [{ variable: 'call_length', value: '12' }])
  t.same(coded(mapping), ['params.who personal_data', 'params.deep unusable'])
  t.equal(mapped({ params: { other: 1 } }, named).payload.customVariables, undefined)
  t.end()
})
