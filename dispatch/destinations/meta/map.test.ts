// What the mapping decides for itself: where it happened, who it was, what it was worth, what Meta may not do with it.
import { test } from 'tap'
import { Value } from 'typebox/value'
import { sha256Hex } from '../../person/hashing.ts'
import type { OutgoingEvent } from '../../destination.ts'
import { map } from './map.ts'
import { payload as schema, type MetaPayload } from './payload.ts'
import { settings as settingsSchema, type MetaSettings } from './settings.ts'

const receivedAtMs = Date.UTC(2026, 10, 20, 8, 30, 1)
const settings = Value.Default(settingsSchema, { pixel_id: '123456789', access_token: 't' }) as MetaSettings
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

type Mapping = { payload: MetaPayload, warnings: { path: string, code: string }[] }

function mapped (change: Partial<OutgoingEvent>, given: Partial<MetaSettings> = {}, theirName = 'Lead'): Mapping {
  const result = map({ ...lead, ...change }, { ...settings, ...given }, theirName)
  if (!('payload' in result)) throw new Error(JSON.stringify(result))
  const clean = JSON.parse(JSON.stringify(result.payload)) as MetaPayload
  if (!Value.Check(schema, clean)) throw new Error(JSON.stringify(Value.Errors(schema, clean)))
  return { payload: clean, warnings: result.warnings }
}

const coded = (mapping: Mapping) => mapping.warnings.map(({ path, code }) => `${path} ${code}`)

test('says where it happened', t => {
  const cases: [Partial<OutgoingEvent>, string][] = [
    [{}, 'website'],
    [{ action_source: 'physical_store' }, 'physical_store'],
    [{ action_source: 'phone_call' }, 'phone_call'],
    [{ action_source: 'app' }, 'other'],
    [{ trust: 'signed', page_location: undefined }, 'system_generated'],
    [{ trust: 'signed' }, 'website'],
    [{ trust: 'same_site', page_location: undefined }, 'website'],
    [{ event_name: 'close_convert_lead' }, 'system_generated']
  ]
  for (const [change, source] of cases) t.equal(mapped(change).payload.action_source, source, JSON.stringify(change))
  t.same(coded(mapped({ page_location: undefined })), ['page_location missing'])
  t.same(coded(mapped({ page_location: 'about:blank' })), ['page_location not_a_web_address'])
  t.end()
})

test('gives the time in whole seconds, and none from the future', t => {
  t.equal(mapped({}).payload.event_time, Math.floor((receivedAtMs - 1500) / 1000))
  const ahead = mapped({ occurred_at_ms: receivedAtMs + 600_000 })
  t.equal(ahead.payload.event_time, receivedAtMs / 1000)
  t.same(coded(ahead), ['event_time in_the_future'])
  t.end()
})

test('tells a later stage of a lead as Meta wants it from a CRM', t => {
  const stage = mapped({
    event_name: 'qualify_lead',
    trust: 'signed',
    page_location: undefined,
    client: undefined,
    params: { meta_lead_id: 'l:1234567890123456', stage: 'SQL' }
  }, { crm_name: 'HubSpot' }, 'QualifiedLead').payload
  t.match(stage, { event_name: 'QualifiedLead', action_source: 'system_generated' })
  t.equal(stage.user_data.lead_id, '1234567890123456')
  t.same(stage.custom_data, { stage: 'SQL', event_source: 'crm', lead_event_source: 'HubSpot' })
  t.notOk(mapped({}).payload.custom_data?.event_source, 'a website lead is none')
  t.same(coded(mapped({ params: { meta_lead_id: 'ld_abc' } })), ['params.meta_lead_id not_a_meta_lead_id'])
  t.end()
})

test('goes by the pixel\'s names where the settings say so', t => {
  t.equal(mapped({}, { event_names: { generate_lead: 'SubmitApplication' } }).payload.event_name, 'SubmitApplication')
  t.equal(mapped({ event_name: 'constructor' }, {}).payload.event_name, 'Lead', 'as the caller names it')
  t.equal(mapped({ event_name: 'my_event' }, {}, 'my_event').payload.event_name, 'my_event')
  t.end()
})

test('sends each way to find the person once, hashed, and never an empty list', t => {
  const hash = sha256Hex('ada@example.org')
  const { payload, warnings } = mapped({
    user_id: 'User 42',
    visitor_id: 'v-of-ours',
    user_data: {
      email: [' ADA@example.org', 'ada@example.org', 'nobody'],
      sha256_email_address: [hash.toUpperCase(), 'not-a-hash'],
      phone_number: ['030 901820'],
      address: { city: 'München', country: 'Deutschland', postal_code: '80331', region: 'Bayern' }
    }
  })
  t.same(payload.user_data, {
    em: [hash],
    ph: [sha256Hex('4930901820')],
    ct: [sha256Hex('münchen'), sha256Hex('mnchen')],
    st: [sha256Hex('bayern')],
    zp: [sha256Hex('80331')],
    country: [sha256Hex('de')],
    external_id: [sha256Hex('user42')],
    client_ip_address: '93.184.216.34',
    client_user_agent: 'Mozilla/5.0'
  })
  t.same(warnings, [
    { path: 'user_data.email.2', code: 'not_an_email' },
    { path: 'user_data.sha256_email_address.1', code: 'not_a_hash' }
  ])
  t.end()
})

test('takes the country of a bare phone number from the address, the site, the visit, in this order', t => {
  const phone = (change: Partial<OutgoingEvent>, country?: string) =>
    mapped({ user_data: { phone_number: ['030 901820'], address: { country } }, ...change }).payload.user_data.ph
  t.same(phone({ defaults: { country: 'US' } }, 'DE'), [sha256Hex('4930901820')])
  t.same(phone({ defaults: { country: 'DE' }, country: 'US' }), [sha256Hex('4930901820')])
  t.same(phone({ country: 'DE' }), [sha256Hex('4930901820')])
  t.same(phone({}), undefined)
  t.end()
})

test('spells a city as the owner chose', t => {
  const city = (choice: MetaSettings['city_spelling']) =>
    mapped({ user_data: { email: ['a@b.de'], address: { city: 'Köln' } } }, { city_spelling: choice })
      .payload.user_data.ct
  t.same(city('both'), [sha256Hex('köln'), sha256Hex('kln')])
  t.same(city('documented'), [sha256Hex('köln')])
  t.same(city('pixel'), [sha256Hex('kln')])
  t.end()
})

test('gives the visitor\'s address only if it is a public one', t => {
  const cases: [string, string | undefined][] = [
    ['93.184.216.34', '93.184.216.34'],
    ['::ffff:93.184.216.34', '93.184.216.34'],
    ['2606:2800:220:1::1', '2606:2800:220:1::1'],
    ['10.0.0.7', undefined],
    ['172.31.0.1', undefined],
    ['100.64.1.1', undefined],
    ['127.0.0.1', undefined],
    ['::1', undefined],
    ['fd00::1', undefined],
    ['fe80::1%eth0', undefined],
    ['93.184.216.34, 10.0.0.1', undefined],
    ['unknown', undefined]
  ]
  for (const [ip, sent] of cases) {
    t.equal(mapped({ client: { ip, user_agent: 'x/1' } }).payload.user_data.client_ip_address, sent, ip)
  }
  t.end()
})

test('skips whom Meta could not find', t => {
  const nobody = { client: undefined, user_data: undefined }
  const cases: [Partial<OutgoingEvent>, boolean][] = [
    [nobody, false],
    [{ ...nobody, client: { user_agent: 'Mozilla/5.0' } }, false],
    [{ ...nobody, user_data: { address: { city: 'Berlin', postal_code: '10115' }, gender: 'f' } }, false],
    [{ ...nobody, user_data: { birth_date: '1997-02-16' }, client: { user_agent: 'Mozilla/5.0' } }, false],
    [{ ...nobody, user_data: { address: { first_name: 'Ada' }, gender: 'f' } }, false],
    [{ ...nobody, user_data: { email: ['nobody'] } }, false],
    [{ ...nobody, user_data: { address: { first_name: 'Ada', last_name: 'Lovelace' } } }, true],
    [{ ...nobody, client: { ip: '93.184.216.34', user_agent: 'Mozilla/5.0' } }, true],
    [{ ...nobody, cookies: { _fbp: `fb.1.${receivedAtMs - 5000}.482910573` } }, true]
  ]
  for (const [change, isFound] of cases) {
    const result = map({ ...lead, ...change }, settings, 'Lead')
    t.equal('payload' in result, isFound, JSON.stringify(change))
    if (!isFound) t.same(result, { skipped: 'no_identifier' })
  }
  t.end()
})

test('sends a value with its currency or not at all', t => {
  const money = (change: Partial<OutgoingEvent>) => {
    const { payload, warnings } = mapped(change)
    return [payload.custom_data?.value, payload.custom_data?.currency, ...warnings.map(({ code }) => code)]
  }
  t.same(money({ value: 150, currency: 'eur' }), [150, 'EUR'])
  t.same(money({ value: 0, currency: 'EUR' }), [0, 'EUR'])
  t.same(money({ value: 150, defaults: { currency: 'CHF' } }), [150, 'CHF'])
  t.same(money({ defaults: { currency: 'CHF', lead_value: 50 } }), [50, 'CHF'])
  t.same(money({ value: 150 }), [undefined, undefined, 'missing'])
  t.same(money({ value: 150, currency: 'XYZ' }), [undefined, undefined, 'unknown_currency'])
  t.same(money({ value: -1, currency: 'EUR' }), [undefined, undefined, 'negative'])
  t.same(money({ currency: 'EUR' }), [undefined, undefined])
  t.end()
})

test('refuses a purchase without an amount, unless its items have prices', t => {
  const purchase = (change: Partial<OutgoingEvent>) =>
    map({ ...lead, event_name: 'purchase', ...change }, settings, 'Purchase')
  t.match(purchase({}), { rejected: 'invalid_event', detail: /no usable value/ })
  t.match(purchase({ value: 5 }), { rejected: 'invalid_event', detail: /no usable currency/ })
  t.match(purchase({ currency: 'EUR', items: [{ item_id: 'a' }] }), { rejected: 'invalid_event' })
  t.match(purchase({ value: 3, currency: 'EUR', items: [{ item_id: 'ada@example.org' }] }),
    { payload: { custom_data: { contents: undefined } }, warnings: [{ code: 'personal_data' }] })
  const items = [{ item_id: 'a', price: 0.1, quantity: 3 }, { item_id: 'b', price: 2 }]
  t.match(purchase({ currency: 'EUR', items }), {
    payload: { custom_data: { value: 2.3, currency: 'EUR', num_items: 4 } },
    warnings: [{ path: 'value', code: 'computed_from_items' }]
  })
  t.end()
})

test('lets only plain parameters through, and no e-mail address', t => {
  const { payload, warnings } = mapped({
    search_term: 'ada@example.org',
    params: {
      plan: 'gold',
      seats: 3,
      trial: false,
      predicted_ltv: 900,
      delivery_category: 'by_drone',
      content_ids: 'x',
      note: 'write to ada@example.org',
      nested: { a: 1 },
      nothing: null,
      blank: ' '
    }
  })
  t.same(payload.custom_data, { plan: 'gold', seats: 3, trial: false, predicted_ltv: 900 })
  t.same(warnings.map(({ path }) => path).toSorted(), ['params.blank', 'params.content_ids', 'params.delivery_category',
    'params.nested', 'params.note', 'params.nothing', 'search_term'])
  t.end()
})

test('restricts the use of an event by setting, by consent and by GPC', t => {
  const keys = (change: Partial<OutgoingEvent>, ldu: MetaSettings['ldu'] = 'off') => {
    const { payload } = mapped(change, { ldu })
    return [payload.opt_out, payload.data_processing_options, payload.data_processing_options_country,
      payload.data_processing_options_state]
  }
  const { consent } = lead
  t.same(keys({}), [undefined, undefined, undefined, undefined])
  t.same(keys({}, 'geolocate'), [undefined, ['LDU'], 0, 0])
  t.same(keys({}, 'US-RI'), [undefined, ['LDU'], 1, 1013])
  t.same(keys({ consent: { ...consent, ad_personalization: 'denied' } }), [true, undefined, undefined, undefined])
  const limited = { consent: { ...consent, ad_personalization: 'denied' as const, limited: true } }
  t.same(keys(limited), [true, ['LDU'], 0, 0])
  t.same(keys(limited, 'US-CA'), [true, ['LDU'], 1, 1000])
  t.same(coded(mapped({ client: undefined, user_data: { email: ['a@b.de'] } }, { ldu: 'geolocate' })),
    ['client.user_agent missing', 'client.ip ldu_without_address'])
  t.end()
})
