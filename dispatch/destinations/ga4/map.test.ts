// What the mapping decides for itself: names, times, money, limits, who it was, where it was, and what is not told.
import { test } from 'tap'
import { Value } from 'typebox/value'
import { sha256Hex } from '../../person/hashing.ts'
import type { OutgoingEvent } from '../../destination.ts'
import { map } from './map.ts'
import { payload as schema, type Ga4Params, type Ga4Payload } from './payload.ts'
import { settings as settingsSchema, type Ga4Settings } from './settings.ts'

const receivedAtMs = Date.UTC(2026, 10, 20, 8, 30, 1)
const settings = Value.Default(settingsSchema, { measurement_id: 'G-8W3K5XN2QP', api_secret: 's' }) as Ga4Settings
const consent = {
  ad_storage: 'granted',
  ad_user_data: 'granted',
  ad_personalization: 'granted',
  analytics_storage: 'granted',
  because: 'said',
  limited: false
} as const
const lead: OutgoingEvent = {
  site: 'main',
  event_name: 'generate_lead',
  event_id: 'lead-1',
  received_at_ms: receivedAtMs,
  occurred_at_ms: receivedAtMs - 1500,
  trust: 'same_site',
  page_location: 'https://www.example.com/offer',
  cookies: { _ga: 'GA1.1.7.8', _ga_8W3K5XN2QP: 'GS2.1.s1795163098$o1$g1$t1795163391' },
  consent,
  defaults: {}
}

type Mapping = { payload: Ga4Payload, params: Ga4Params, warnings: string[] }

function mapped (change: Partial<OutgoingEvent>, given: Partial<Ga4Settings> = {}): Mapping {
  const event = { ...lead, ...change }
  const result = map(event, { ...settings, ...given }, event.event_name)
  if (!('payload' in result)) throw new Error(JSON.stringify(result))
  const clean = JSON.parse(JSON.stringify(result.payload)) as Ga4Payload
  const errors = Value.Errors(schema, clean).map(({ instancePath, message }) => `${instancePath} ${message}`)
  if (errors.length > 0) throw new Error(errors.join(', '))
  const [event0] = clean.events
  return {
    payload: clean,
    params: event0?.params ?? {},
    warnings: result.warnings.map(({ path, code }) => `${path} ${code}`)
  }
}

const own = { session_id: '1795163098', engagement_time_msec: 1, page_location: 'https://www.example.com/offer' }

test('says no more than it knows', t => {
  const { payload, warnings } = mapped({})
  t.same(payload, {
    client_id: '7.8',
    timestamp_micros: (receivedAtMs - 1500) * 1000,
    consent: { ad_user_data: 'GRANTED', ad_personalization: 'GRANTED' },
    events: [{ name: 'generate_lead', params: own }]
  })
  t.same(warnings, [])
  t.end()
})

test('refuses a name that GA4 would drop without a word', t => {
  const cases: [name: string, detail: RegExp | null][] = [
    ['contact', null],
    ['Lead_2026', null],
    ['x'.repeat(40), null],
    ['gala_dinner', null],
    ['constructor', null],
    ['toString', null],
    ['x'.repeat(41), /41 characters, 40 are allowed/],
    ['my-event', /letters, digits and underscores/],
    ['Meine Anfrage', /letters, digits and underscores/],
    ['größe', /letters, digits and underscores/],
    ['1st_visit', /begins with a letter/],
    ['', /begins with a letter/],
    ['_lead', /begin with _ are reserved/],
    ['ga_lead', /begin with ga_ are reserved/],
    ['GA_lead', /begin with ga_ are reserved/],
    ['google_lead', /begin with google_/],
    ['firebase_lead', /begin with firebase_/],
    ['gtag.event', /begin with gtag\./],
    ...['session_start', 'first_visit', 'user_engagement', 'error', 'ad_click', 'app_remove', 'screen_view',
      'in_app_purchase'].map((name): [string, RegExp] => [name, new RegExp(`${name} is reserved`)])
  ]
  for (const [name, detail] of cases) {
    const result = map({ ...lead, event_name: name }, settings, name)
    if (detail === null) t.match(result, { payload: { events: [{ name }] } }, name)
    else t.match(result, { rejected: 'invalid_event', detail }, name)
  }
  t.match(map({ ...lead, event_name: 'my-event' }, { ...settings, event_names: { 'my-event': 'contact' } }, 'my-event'),
    { payload: { events: [{ name: 'contact' }] } }, 'unless the settings give it another')
  t.end()
})

test('skips what belongs to nobody', t => {
  t.same(map({ ...lead, cookies: undefined }, settings, 'generate_lead'), { skipped: 'no_identifier' })
  const person = { email: ['ada@example.org'], phone_number: ['+49 171 8391046'] }
  t.same(map({ ...lead, cookies: undefined, user_data: person }, settings, 'generate_lead'),
    { skipped: 'no_identifier' }, 'an e-mail address makes no client')
  t.end()
})

test('gives the time in microseconds, and none from the future', t => {
  t.equal(mapped({ occurred_at_ms: receivedAtMs - 3_600_123 }).payload.timestamp_micros,
    (receivedAtMs - 3_600_123) * 1000)
  const slightly = mapped({ occurred_at_ms: receivedAtMs + 5000 })
  t.equal(slightly.payload.timestamp_micros, receivedAtMs * 1000)
  t.same(slightly.warnings, [])
  const ahead = mapped({ occurred_at_ms: receivedAtMs + 600_000 })
  t.equal(ahead.payload.timestamp_micros, receivedAtMs * 1000)
  t.same(ahead.warnings, ['event_time in_the_future'])
  t.end()
})

test('sends a value with its currency or not at all', t => {
  const money = (change: Partial<OutgoingEvent>) => {
    const { params, warnings } = mapped(change)
    return [params.value, params.currency, ...warnings]
  }
  t.same(money({ value: 150, currency: 'eur' }), [150, 'EUR'])
  t.same(money({ value: 0, currency: 'EUR' }), [0, 'EUR'])
  t.same(money({ value: 150, defaults: { currency: 'CHF' } }), [150, 'CHF'])
  t.same(money({ defaults: { currency: 'CHF', lead_value: 50 } }), [50, 'CHF'])
  t.same(money({ defaults: { currency: 'CHF' } }), [undefined, undefined])
  t.same(money({ value: 150 }), [undefined, undefined, 'currency missing'])
  t.same(money({ value: 150, currency: 'XYZ' }), [undefined, undefined, 'currency unknown_currency'])
  const { params } = mapped({ event_name: 'add_to_cart', currency: 'EUR', items: [{ item_id: 'a', price: 2 }] })
  t.match(params, { currency: 'EUR', value: undefined, items: [{ price: 2 }] }, 'prices have a currency too')
  t.end()
})

test('sends a purchase with what it has, and warns of what GA4 would like to have', t => {
  const items = [{ item_id: 'a', price: 0.1, quantity: 3 }, { item_name: 'B', price: 2 }]
  const base = { event_name: 'purchase', transaction_id: '1042', value: 5, currency: 'EUR', items }
  const purchase = (change: Partial<OutgoingEvent>) => mapped({ ...base, ...change })
  t.same(purchase({}).warnings, [])
  t.same(purchase({ new_customer: true, tax: 1, shipping: 2, coupon: 'X' }).params, {
    ...own,
    currency: 'EUR',
    value: 5,
    tax: 1,
    shipping: 2,
    transaction_id: '1042',
    coupon: 'X',
    customer_type: 'new',
    items
  })
  t.equal(purchase({ new_customer: false }).params.customer_type, 'returning')
  const computed = purchase({ value: undefined })
  t.equal(computed.params.value, 2.3)
  t.same(computed.warnings, ['value computed_from_items'])
  t.same(purchase({ transaction_id: undefined }).warnings, ['transaction_id recommended'])
  t.same(purchase({ value: undefined, items: [{ item_id: 'a' }] }).warnings, ['value recommended'])
  t.same(purchase({ items: undefined }).warnings, ['items recommended'])
  const refund = mapped({ event_name: 'refund' })
  t.same(refund.warnings, ['transaction_id recommended', 'value recommended'])
  t.end()
})

test('keeps GA4\'s fields of the products that it could find again', t => {
  const { params, warnings } = mapped({
    event_name: 'view_item',
    items: [
      {
        item_id: ' SKU-1 ',
        item_name: 'x'.repeat(120),
        item_brand: 'Nord',
        item_category: 'Knitwear',
        item_variant: 'red',
        coupon: 'A',
        discount: 1,
        price: 2,
        quantity: 0.5
      },
      { price: 3 },
      { item_id: 'y'.repeat(101), item_name: 'kept' },
      { item_id: ' ', item_name: 'mail ada@example.org' }
    ],
    currency: 'EUR'
  })
  t.same(params.items, [
    {
      item_id: 'SKU-1',
      item_name: 'x'.repeat(100),
      item_brand: 'Nord',
      item_category: 'Knitwear',
      item_variant: 'red',
      coupon: 'A',
      discount: 1,
      price: 2,
      quantity: 0.5
    },
    { item_name: 'kept' }
  ])
  t.same(warnings, ['items.0.item_name cut', 'items.1 no_id_and_no_name', 'items.2.item_id too_long',
    'items.3.item_name personal_data', 'items.3 no_id_and_no_name'])
  const many = mapped({ event_name: 'view_item_list', items: Array.from({ length: 201 }, () => ({ item_id: 'a' })) })
  t.equal(many.params.items?.length, 200)
  t.same(many.warnings, ['items too_many_items'])
  t.end()
})

test('cuts texts at GA4\'s limits, addresses at their query, and ids never', t => {
  const page = 'https://www.example.com/offer'
  const { params, warnings } = mapped({
    page_location: `${page}?utm_source=${'x'.repeat(1000)}`,
    page_referrer: `https://www.example.com/${'y'.repeat(420)}`,
    page_title: 'z'.repeat(301),
    form_name: `${'a'.repeat(99)}😀`,
    search_term: ' wool ',
    transaction_id: 't'.repeat(101)
  })
  t.same(params, {
    ...own, page_location: page, page_title: 'z'.repeat(300), form_name: 'a'.repeat(99), search_term: 'wool'
  })
  t.same(warnings, ['page_location cut', 'page_referrer cut', 'page_title cut', 'transaction_id too_long',
    'form_name cut'])
  const fitting = mapped({ page_location: `${page}/${'x'.repeat(970)}`, page_title: 'z'.repeat(300) })
  t.same(fitting.warnings, [])
  t.same(mapped({ page_location: 'about:blank' }).warnings, ['page_location not_a_web_address'])
  t.end()
})

test('lets no e-mail address out, wherever it stands', t => {
  const { payload, warnings } = mapped({
    page_title: 'Hello ada@example.org',
    search_term: 'ada@example.org',
    form_name: 'for ada@example.org',
    params: { note: 'write to ada@example.org' }
  })
  t.notMatch(JSON.stringify(payload), /ada/)
  t.same(warnings, ['page_title personal_data', 'search_term personal_data', 'form_name personal_data',
    'params.note personal_data'])
  t.end()
})

test('takes parameters that GA4 takes, under names that it takes', t => {
  const { params, warnings } = mapped({
    params: {
      lead_source: 'fair',
      seats: 3,
      trial: false,
      long: 'x'.repeat(101),
      blank: ' ',
      nested: { a: 1 },
      nothing: null,
      nan: Number.NaN,
      value: 17,
      session_id: '5',
      items: 'x',
      gclid: 'Cj0KCQ',
      ga_tier: 'x',
      _private: 'x',
      firebase_conversion: 1,
      'my-param': 'x',
      ['n'.repeat(41)]: 'x',
      engagement_time_msec: 1200
    }
  })
  t.same(params, {
    ...own, engagement_time_msec: 1200, lead_source: 'fair', seats: 3, trial: 'false', long: 'x'.repeat(100)
  })
  t.same(warnings, ['params.long cut', 'params.nested unusable', 'params.nothing unusable', 'params.nan unusable',
    'params.value unusable', 'params.session_id unusable', 'params.items unusable', 'params.gclid unusable',
    'params.ga_tier reserved_name', 'params._private reserved_name', 'params.firebase_conversion reserved_name',
    'params.my-param bad_name', `params.${'n'.repeat(41)} bad_name`])
  t.end()
})

test('sends 25 parameters at most, the event\'s own first', t => {
  const params = Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`p${index}`, index]))
  const found = mapped({ params })
  t.equal(Object.keys(found.params).length, 25)
  t.match(found.params, { ...own, p0: 0, p21: 21 })
  t.same(found.warnings, ['params.p22 too_many_params', 'params.p23 too_many_params', 'params.p24 too_many_params'])
  t.end()
})

test('carries our event id where the owner wants it, and shows in DebugView only if asked', t => {
  t.match(mapped({}, { event_id_parameter: 'postern_event_id' }).params, { postern_event_id: 'lead-1' })
  t.same(mapped({ event_id: 'x'.repeat(101) }, { event_id_parameter: 'event_id' }).warnings, ['event_id too_long'])
  t.equal(mapped({}, { debug_view: true }).params.debug_mode, true)
  t.end()
})

test('says nothing of engagement without a session', t => {
  const { params, warnings } = mapped({ cookies: { _ga: 'GA1.1.7.8' }, params: { engagement_time_msec: 1200 } })
  t.same(params, { page_location: own.page_location })
  t.same(warnings, ['session_id missing'])
  t.equal(mapped({ params: { engagement_time_msec: 0 } }).params.engagement_time_msec, 1)
  t.equal(mapped({ params: { engagement_time_msec: '9' } }).params.engagement_time_msec, 1)
  t.end()
})

test('sends each way to find the person once, hashed, and only with the consent for it', t => {
  const hash = sha256Hex('ada@example.org')
  const change: Partial<OutgoingEvent> = {
    user_id: 'Customer-17',
    user_data: {
      email: [' ADA@example.org', 'a.da+x@gmail.com', 'nobody'],
      sha256_email_address: [hash.toUpperCase(), 'not-a-hash'],
      phone_number: ['030 901820'],
      address: {
        first_name: 'Ada',
        last_name: '...',
        sha256_last_name: hash,
        street: 'Hauptstraße 1',
        city: 'Berlin',
        region: 'BE',
        postal_code: '10115',
        country: 'Deutschland'
      }
    }
  }
  const { payload, warnings } = mapped(change)
  t.same(payload.user_data, {
    sha256_email_address: [hash, sha256Hex('ada+x@gmail.com'), sha256Hex('ada@gmail.com')],
    sha256_phone_number: [sha256Hex('+4930901820')],
    address: [{
      sha256_first_name: sha256Hex('ada'),
      sha256_last_name: hash,
      sha256_street: sha256Hex('hauptstraße 1'),
      city: 'berlin',
      region: 'be',
      postal_code: '10115',
      country: 'DE'
    }]
  })
  t.equal(payload.user_id, 'Customer-17')
  t.same(warnings, ['user_data.email.2 not_an_email', 'user_data.sha256_email_address.1 not_a_hash',
    'user_data.address.last_name unusable_characters'])

  const withheld = mapped({ ...change, consent: { ...consent, ad_user_data: 'denied' } })
  t.notOk(withheld.payload.user_data)
  t.same(withheld.payload.consent, { ad_user_data: 'DENIED', ad_personalization: 'GRANTED' })
  t.equal(withheld.payload.user_id, 'Customer-17', 'who is logged in is no matter of advertising')
  t.same(mapped({ consent: { ...consent, ad_personalization: 'denied' } }).payload.consent,
    { ad_user_data: 'GRANTED', ad_personalization: 'DENIED' })
  t.end()
})

test('sends three e-mail addresses, the typed ones before further spellings', t => {
  const { payload, warnings } = mapped({ user_data: { email: ['a+x@gmail.com', 'b@b.de', 'c@c.de'] } })
  t.same(payload.user_data?.sha256_email_address, ['a+x@gmail.com', 'b@b.de', 'c@c.de'].map(sha256Hex))
  t.same(warnings, [])
  const four = mapped({ user_data: { email: ['a@a.de', 'b@b.de', 'c@c.de', 'd@d.de'] } })
  t.equal(four.payload.user_data?.sha256_email_address?.length, 3)
  t.same(four.warnings, ['user_data.email too_many'])
  t.end()
})

test('takes the country of a bare phone number from the address, the site, the visit, in this order', t => {
  const phone = (change: Partial<OutgoingEvent>, country?: string) =>
    mapped({ user_data: { phone_number: ['030 901820'], address: { country } }, ...change })
      .payload.user_data?.sha256_phone_number
  const berlin = [sha256Hex('+4930901820')]
  t.same(phone({ defaults: { country: 'US' } }, 'DE'), berlin)
  t.same(phone({ defaults: { country: 'DE' }, country: 'US' }), berlin)
  t.same(phone({ country: 'DE' }), berlin)
  t.same(phone({}), undefined)
  t.end()
})

test('tells the visitor\'s address only where it is known not to be a European\'s', t => {
  const client = { ip: '93.184.216.34' }
  const place = (change: Partial<OutgoingEvent>, given: Partial<Ga4Settings> = {}) => {
    const { payload, warnings } = mapped({ client, ...change }, given)
    return [payload.ip_override, payload.user_location?.country_id, ...warnings]
  }
  t.same(place({ country: 'US' }), ['93.184.216.34', undefined])
  for (const country of ['DE', 'FR', 'IS', 'LI', 'NO', 'GB', 'CH', 'RE', 'AX', 'JE']) {
    t.same(place({ country }), [undefined, country], country)
  }
  t.same(place({}), [undefined, undefined], 'who is from nowhere known may be one')
  t.same(place({ country: 'US' }, { ip: 'never' }), [undefined, 'US'])
  t.same(place({ country: 'US', client: { ip: '10.0.0.7' } }), [undefined, 'US', 'client.ip not_a_public_address'])
  t.same(place({ country: 'US', client: undefined }), [undefined, 'US'])
  t.same(place({ country: 'xx' }), [undefined, undefined])
  t.end()
})

test('describes the device in parts, or by its user agent where nobody has read it', t => {
  const device = { browser: 'Mobile Safari', browser_version: '18.6', os: 'iOS', os_version: '18.6', type: 'mobile' }
  const client = { user_agent: ' Mozilla/5.0 (iPhone) ' }
  const screen = { language: 'de-DE', screen_resolution: '390x844' }
  const found = mapped({ device: { ...device, model: 'iPhone' }, client, ...screen })
  t.same(found.payload.device, {
    category: 'mobile',
    language: 'de-DE',
    screen_resolution: '390x844',
    operating_system: 'iOS',
    operating_system_version: '18.6',
    model: 'iPhone',
    browser: 'Safari',
    browser_version: '18.6'
  })
  t.notOk(found.payload.user_agent, 'GA4 ignores it beside a device')
  const unread = mapped({ client, language: 'de' }).payload
  t.same([unread.user_agent, unread.device], ['Mozilla/5.0 (iPhone)', undefined])
  t.same(mapped({ language: 'de' }).payload.device, { language: 'de' })
  t.same(mapped({ device: { os: 'Mac OS', browser: 'Chrome', type: 'desktop', model: 'Macintosh' } }).payload.device,
    { category: 'desktop', operating_system: 'MacOS', browser: 'Chrome' })
  t.same(mapped({ device: { os: 'Tizen', type: 'smarttv' } }).payload.device,
    { category: 'smart TV', operating_system: 'Tizen' })
  t.same(mapped({ device: { os: 'Orbis', type: 'console', model: '' } }).payload.device, { operating_system: 'Orbis' })
  const odd = mapped({ language: 'Deutsch (DE)', screen_resolution: 'big' })
  t.notOk(odd.payload.device)
  t.same(odd.warnings, ['language malformed', 'screen_resolution malformed'])
  t.end()
})
