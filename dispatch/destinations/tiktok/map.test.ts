// What the mapping decides for itself: the source, who it was, what it was worth, what TikTok may not do with it.
import { test } from 'tap'
import { Value } from 'typebox/value'
import { sha256Hex } from '../../person/hashing.ts'
import type { OutgoingEvent } from '../../destination.ts'
import { map } from './map.ts'
import { payload as schema, type TikTokPayload } from './payload.ts'
import { settings as settingsSchema, type TikTokSettings } from './settings.ts'
import { sourceOfPayload } from './source.ts'

const receivedAtMs = Date.UTC(2026, 10, 20, 8, 30, 1)
const settings = Value.Default(settingsSchema, {
  pixel_code: 'CP0STERN0TESTS000001',
  access_token: 't',
  offline_event_set_id: '7301964452018376450',
  crm_event_set_id: '7301964452018376833'
}) as TikTokSettings
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
const landing = {
  seen_at_ms: receivedAtMs - 86_400_000,
  page_location: 'https://www.example.com/spring',
  page_referrer: 'https://www.tiktok.com/',
  gad: {}
}
const stage: Partial<OutgoingEvent> = {
  event_name: 'qualify_lead', trust: 'signed', page_location: undefined, client: undefined
}
const tiktokLead = { tiktok_lead_id: '7301964452018999123' }

type Mapping = { payload: TikTokPayload, warnings: { path: string, code: string }[] }

function result (change: Partial<OutgoingEvent>, given: Partial<TikTokSettings> = {}, theirName = 'Lead') {
  return map({ ...lead, ...change }, { ...settings, ...given }, theirName)
}

function mapped (change: Partial<OutgoingEvent>, given: Partial<TikTokSettings> = {}, theirName = 'Lead'): Mapping {
  const made = result(change, given, theirName)
  if (!('payload' in made)) throw new Error(JSON.stringify(made))
  const clean = JSON.parse(JSON.stringify(made.payload)) as TikTokPayload
  if (!Value.Check(schema, clean)) throw new Error(JSON.stringify(Value.Errors(schema, clean)))
  return { payload: clean, warnings: made.warnings }
}

const coded = ({ warnings }: { warnings: Mapping['warnings'] }) => warnings.map(({ path, code }) => `${path} ${code}`)

test('finds the source of an event', t => {
  const cases: [name: string, Partial<OutgoingEvent>, source: string, theirName?: string][] = [
    ['a website', {}, 'web'],
    ['an e-mail that led to a page', { action_source: 'email' }, 'web'],
    ['a chat on a page', { action_source: 'chat' }, 'web'],
    ['a shop', { action_source: 'physical_store' }, 'offline'],
    ['a call', { action_source: 'phone_call' }, 'offline'],
    ['a stage with the landing of its visitor', { ...stage, landing }, 'web', 'QualifiedLead'],
    ['a stage of a lead from TikTok\'s form', { ...stage, params: tiktokLead }, 'crm', 'QualifiedLead'],
    ['another event of a CRM about such a lead', {
      ...stage, event_name: 'contract_signed', action_source: 'system_generated', params: tiktokLead
    }, 'crm', 'contract_signed'],
    ['a stage that was reported by phone', {
      ...stage, action_source: 'phone_call', params: tiktokLead
    }, 'crm', 'QualifiedLead'],
    ['a website\'s lead that has such an id', { params: tiktokLead }, 'web']
  ]
  for (const [name, change, source, theirName] of cases) {
    t.equal(sourceOfPayload(mapped(change, {}, theirName).payload), source, name)
  }
  t.end()
})

test('skips what TikTok has no source for, and says what it would need', t => {
  const page = /address of a page/
  const cases: [Partial<OutgoingEvent>, Partial<TikTokSettings>, string, RegExp][] = [
    [{ action_source: 'app' }, {}, 'Lead', /app's own id/],
    [{ action_source: 'physical_store' }, { offline_event_set_id: undefined }, 'Lead', /offline_event_set_id/],
    [{ action_source: 'phone_call' }, { offline_event_set_id: undefined }, 'Lead', /offline_event_set_id/],
    [{ action_source: 'phone_call', event_name: 'call_back' }, {}, 'call_back', /standard events only/],
    [stage, {}, 'QualifiedLead', page],
    [{ ...stage, landing: { ...landing, page_location: undefined } }, {}, 'QualifiedLead', page],
    [{ ...stage, params: tiktokLead }, { crm_event_set_id: undefined }, 'QualifiedLead', page],
    [{ ...stage, event_name: 'purchase', params: tiktokLead }, {}, 'Purchase', page],
    [{ ...stage, event_name: 'generate_lead' }, {}, 'Lead', page],
    [{}, {}, 'x'.repeat(101), /100 characters/]
  ]
  for (const [change, given, name, detail] of cases) {
    t.match(result(change, given, name), { skipped: 'event_not_supported', detail }, JSON.stringify(change))
  }
  t.same(result({ page_location: undefined }), {
    rejected: 'invalid_event', detail: 'TikTok takes it only with the address of a page, and none is known'
  })
  t.match(result({ page_location: 'about:blank' }), { rejected: 'invalid_event' })
  const signed = { trust: 'signed' as const, action_source: 'website' as const, page_location: undefined }
  t.match(result(signed), { rejected: 'invalid_event' })
  t.end()
})

test('tells why a lead of TikTok\'s own form does not go as one of a CRM', t => {
  const withPage = { ...stage, landing, params: tiktokLead }
  t.same(coded(mapped(withPage, { crm_event_set_id: undefined }, 'QualifiedLead')),
    ['params.tiktok_lead_id without_crm_event_set_id'])
  t.same(coded(mapped(withPage, { event_names: { qualify_lead: 'Lead' } }, 'QualifiedLead')),
    ['params.tiktok_lead_id standard_event_name'])
  for (const id of ['', 'ld_abc!', 7.3e18, true]) {
    t.same(coded(mapped({ ...withPage, params: { tiktok_lead_id: id } }, {}, 'QualifiedLead')),
      ['params.tiktok_lead_id not_a_tiktok_lead_id'], String(id))
  }
  t.end()
})

test('gives each source the blocks and the keys that are its own', t => {
  const everything: Partial<OutgoingEvent> = {
    user_id: 'u-1',
    language: 'de-DE',
    cookies: { _ttp: '2F7h37YkS1j57AYSKTI7IHhJPYH', ttclid: 'E.C.P.cookie-of-a-click' },
    user_data: { email: ['ada@example.org'], phone_number: ['+49 30 901820'], address: { city: 'Berlin' } }
  }
  const shapeOf = (change: Partial<OutgoingEvent>, theirName?: string) => {
    const { user, page, lead: ofForm } = mapped({ ...everything, ...change }, {}, theirName).payload
    return [Object.keys(user).sort().join(' '), page !== undefined, ofForm !== undefined]
  }
  t.same(shapeOf({}), ['city email external_id ip locale phone ttclid ttp user_agent', true, false])
  t.same(shapeOf({ action_source: 'phone_call' }), ['email phone', false, false])
  t.same(shapeOf({ event_name: 'qualify_lead', params: tiktokLead }, 'QualifiedLead'),
    ['email external_id phone', false, true])
  t.same(mapped({ ...stage, params: tiktokLead }, { crm_name: 'HubSpot' }, 'QualifiedLead').payload.lead,
    { lead_id: '7301964452018999123', lead_event_source: 'HubSpot' })
  t.end()
})

test('gives the page, or the one the visitor came in by, each with its own referrer', t => {
  const pageOf = (change: Partial<OutgoingEvent>) => mapped({ landing, ...change }).payload.page
  t.same(pageOf({ page_referrer: 'https://www.example.com/' }),
    { url: 'https://www.example.com/offer', referrer: 'https://www.example.com/' })
  t.same(pageOf({}), { url: 'https://www.example.com/offer' })
  t.same(pageOf({ page_location: undefined, page_referrer: 'https://www.example.com/' }),
    { url: 'https://www.example.com/spring', referrer: 'https://www.tiktok.com/' })
  t.same(pageOf({ page_location: 'file:///tmp/x.html' }),
    { url: 'https://www.example.com/spring', referrer: 'https://www.tiktok.com/' })
  t.same(coded(mapped({ landing, page_location: 'file:///tmp/x.html' })), ['page_location not_a_web_address'])
  t.same(pageOf({ page_referrer: 'android-app://com.example' }), { url: 'https://www.example.com/offer' })
  t.end()
})

test('gives the time in whole seconds, and none from the future', t => {
  t.equal(mapped({}).payload.event_time, Math.floor((receivedAtMs - 1500) / 1000))
  const ahead = mapped({ occurred_at_ms: receivedAtMs + 2000 })
  t.equal(ahead.payload.event_time, receivedAtMs / 1000)
  t.same(coded(ahead), ['event_time in_the_future'])
  t.end()
})

test('gives the id as it is, and as text', t => {
  for (const id of ['273196', 'Übung-1', 'x'.repeat(255)]) t.equal(mapped({ event_id: id }).payload.event_id, id)
  t.end()
})

test('goes by the pixel\'s names where the settings say so', t => {
  const named = mapped({ event_name: 'purchase' }, { event_names: { purchase: 'CompletePayment' } }, 'Purchase')
  t.equal(named.payload.event, 'CompletePayment')
  for (const own of ['my_event', 'constructor', '__proto__']) {
    t.equal(mapped({ event_name: own }, {}, own).payload.event, own)
  }
  const closed = { event_name: 'close_convert_lead', action_source: 'phone_call' as const }
  const asPurchase = { event_names: { close_convert_lead: 'Purchase' } }
  t.equal(mapped(closed, asPurchase, 'ConvertedLead').payload.event, 'Purchase')
  t.end()
})

test('sends each way to find the person once, and never an empty list', t => {
  const hash = sha256Hex('ada@example.org')
  const { payload, warnings } = mapped({
    user_id: 'User 42',
    visitor_id: 'v-of-ours',
    user_data: {
      email: [' ADA@example.org', 'ada@example.org', 'nobody'],
      sha256_email_address: [hash.toUpperCase(), 'not-a-hash'],
      phone_number: ['030 901820'],
      birth_date: '1997-02-16',
      gender: 'f',
      address: {
        first_name: '...',
        sha256_first_name: sha256Hex('ada'),
        last_name: 'O’Brien',
        street: 'Hauptstraße 1',
        city: 'München',
        country: 'Deutschland',
        postal_code: '80 331',
        region: sha256Hex('bayern')
      }
    }
  })
  t.same(payload.user, {
    email: [hash],
    phone: [sha256Hex('+4930901820')],
    external_id: [sha256Hex('User 42'), sha256Hex('user 42')],
    ip: '93.184.216.34',
    user_agent: 'Mozilla/5.0',
    first_name: sha256Hex('ada'),
    last_name: sha256Hex('obrien'),
    zip_code: sha256Hex('80331'),
    city: 'münchen',
    country: 'de'
  })
  t.same(coded({ warnings }), ['user_data.email.2 not_an_email', 'user_data.sha256_email_address.1 not_a_hash',
    'user_data.address.first_name unusable_characters', 'user_data.address.region already_hashed'])
  t.end()
})

test('takes the country of a bare phone number from the address, the site, the visit, in this order', t => {
  const phone = (change: Partial<OutgoingEvent>, country?: string) =>
    mapped({ user_data: { phone_number: ['030 901820'], address: { country } }, ...change }).payload.user.phone
  t.same(phone({ defaults: { country: 'US' } }, 'DE'), [sha256Hex('+4930901820')])
  t.same(phone({ defaults: { country: 'DE' }, country: 'US' }), [sha256Hex('+4930901820')])
  t.same(phone({ country: 'DE' }), [sha256Hex('+4930901820')])
  t.same(phone({}), undefined)
  t.end()
})

test('spells an external id as the owner chose', t => {
  const ids = (choice: TikTokSettings['external_id_spelling'], id = 'User-42') =>
    mapped({ user_id: id }, { external_id_spelling: choice }).payload.user.external_id
  t.same(ids('both'), [sha256Hex('User-42'), sha256Hex('user-42')])
  t.same(ids('as_given'), [sha256Hex('User-42')])
  t.same(ids('lower'), [sha256Hex('user-42')])
  for (const choice of ['both', 'as_given', 'lower'] as const) t.same(ids(choice, 'u-1'), [sha256Hex('u-1')])
  t.end()
})

test('takes the click id of the address before the cookie, byte for byte, and none that is malformed', t => {
  const click = (value: string) => ({ click_ids: { ttclid: { value, seen_at_ms: receivedAtMs } } })
  const cookies = { ttclid: 'E.C.P.of-the-Cookie', _ttp: '01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1' }
  t.equal(mapped({ ...click('E.C.P.Of-the_Address'), cookies }).payload.user.ttclid, 'E.C.P.Of-the_Address')
  t.equal(mapped({ cookies }).payload.user.ttclid, 'E.C.P.of-the-Cookie')
  t.equal(mapped({ cookies }).payload.user.ttp, '01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1')
  const bad = mapped({ ...click('E.C.P.%20'), cookies })
  t.equal(bad.payload.user.ttclid, 'E.C.P.of-the-Cookie')
  t.same(coded(bad), ['click_ids.ttclid malformed'])
  t.equal(mapped({}).payload.user.ttp, undefined, 'none is invented')
  const later = { ...stage, landing, cookies }
  t.equal(mapped(later, {}, 'QualifiedLead').payload.user.ttclid, undefined, 'the cookie of an earlier visit is old')
  t.equal(mapped({ ...later, ...click('E.C.P.Of-the_Click') }, {}, 'QualifiedLead').payload.user.ttclid,
    'E.C.P.Of-the_Click')
  t.end()
})

test('gives the visitor\'s address only if it is a public one, and the language only if it is one', t => {
  const cases: [string, string | undefined][] = [
    ['93.184.216.34', '93.184.216.34'],
    ['::ffff:93.184.216.34', '93.184.216.34'],
    ['2606:2800:220:1::1', '2606:2800:220:1::1'],
    ['10.0.0.7', undefined],
    ['127.0.0.1', undefined],
    ['fd00::1', undefined],
    ['93.184.216.34, 10.0.0.1', undefined]
  ]
  for (const [ip, sent] of cases) {
    t.equal(mapped({ client: { ip, user_agent: 'x/1' } }).payload.user.ip, sent, ip)
  }
  for (const tag of ['de', 'de-DE', 'zh-Hant-TW', 'sr-Latn-RS']) {
    t.equal(mapped({ language: tag }).payload.user.locale, tag)
  }
  for (const tag of ['deutsch bitte', 'de_DE', 'AA-0']) {
    t.same(coded(mapped({ language: tag })), ['language not_a_language_tag'], tag)
  }
  t.end()
})

test('skips whom TikTok could not find', t => {
  const nobody = { client: undefined, user_data: undefined }
  const cases: [Partial<OutgoingEvent>, boolean][] = [
    [nobody, false],
    [{ ...nobody, client: { user_agent: 'Mozilla/5.0' } }, false],
    [{ ...nobody, client: { ip: '93.184.216.34' } }, false],
    [{ ...nobody, client: { ip: '10.0.0.1', user_agent: 'Mozilla/5.0' } }, false],
    [{ ...nobody, user_data: { address: { first_name: 'Ada', last_name: 'Lovelace', city: 'Berlin' } } }, false],
    [{ ...nobody, user_data: { email: ['nobody'] } }, false],
    [{ ...nobody, user_id: 'u-1', action_source: 'phone_call' }, false],
    [{ ...nobody, client: lead.client, action_source: 'physical_store' }, false],
    [{ ...nobody, page_location: undefined }, false],
    [{ ...nobody, client: { ip: '93.184.216.34', user_agent: 'Mozilla/5.0' } }, true],
    [{ ...nobody, user_id: 'u-1' }, true],
    [{ ...nobody, cookies: { _ttp: '2F7h37YkS1j57AYSKTI7IHhJPYH' } }, true],
    [{ ...nobody, cookies: { ttclid: 'E.C.P.of-the-Cookie' } }, true]
  ]
  for (const [change, isFound] of cases) {
    const made = result(change)
    t.equal('payload' in made, isFound, JSON.stringify(change))
    if (!isFound) t.same(made, { skipped: 'no_identifier' })
  }
  t.end()
})

test('sends a value with a currency that TikTok knows, or not at all', t => {
  const money = (change: Partial<OutgoingEvent>) => {
    const { payload, warnings } = mapped(change)
    return [payload.properties?.value, payload.properties?.currency, ...warnings.map(({ code }) => code)]
  }
  t.same(money({ value: 150, currency: 'eur' }), [150, 'EUR'])
  t.same(money({ value: 0, currency: 'EUR' }), [0, 'EUR'])
  t.same(money({ value: 150, defaults: { currency: 'CHF' } }), [150, 'CHF'])
  t.same(money({ defaults: { currency: 'CHF', lead_value: 50 } }), [50, 'CHF'])
  t.same(money({ value: 150 }), [undefined, undefined, 'missing'])
  t.same(money({ value: 150, currency: 'LKR' }), [undefined, undefined, 'not_accepted_by_network'])
  t.same(money({ value: 150, currency: 'XYZ' }), [undefined, undefined, 'not_accepted_by_network'])
  t.same(money({ value: -1, currency: 'EUR' }), [undefined, undefined, 'negative'])
  t.same(money({ currency: 'EUR' }), [undefined, undefined])
  t.end()
})

test('is worth its items where it says no value, but a list is worth nothing', t => {
  const items = [{ item_id: 'a', price: 0.1, quantity: 3 }, { item_id: 'b', price: 2 }]
  const of = (name: string, theirName: string) => mapped({ event_name: name, items, currency: 'EUR' }, {}, theirName)
  for (const [name, theirs] of [['purchase', 'Purchase'], ['add_to_cart', 'AddToCart']] as const) {
    t.match(of(name, theirs).payload.properties, { value: 2.3, currency: 'EUR', num_items: 4, content_type: 'product' })
    t.same(coded(of(name, theirs)), ['value computed_from_items'])
  }
  const list = of('view_item_list', 'ViewContent').payload.properties
  t.match(list, { content_type: 'product_group', content_ids: ['a', 'b'] })
  t.equal(list?.value, undefined)
  const bare = mapped({ event_name: 'purchase', currency: 'EUR', items: [{ item_id: 'a' }] }, {}, 'Purchase')
  t.same([bare.payload.properties?.value, ...coded(bare)], [undefined, 'value missing'])
  t.end()
})

test('describes products as TikTok wants them', t => {
  const { payload, warnings } = mapped({
    event_name: 'purchase',
    value: 10,
    currency: 'EUR',
    transaction_id: '1042',
    new_customer: false,
    items: [
      { item_id: ' SKU-1 ', item_name: 'Jumper', item_brand: 'Nord', item_category: 'Knit', price: 5, quantity: 2 },
      { item_id: 'SKU-2', item_name: 'to ada@example.org', quantity: 0.5 },
      { item_name: 'nameless' },
      { item_id: 'SKU-1' }
    ]
  }, {}, 'Purchase')
  t.same(payload.properties, {
    value: 10,
    currency: 'EUR',
    contents: [
      { content_id: 'SKU-1', content_name: 'Jumper', content_category: 'Knit', brand: 'Nord', price: 5, quantity: 2 },
      { content_id: 'SKU-2' },
      { content_id: 'SKU-1', quantity: 1 }
    ],
    content_ids: ['SKU-1', 'SKU-2'],
    num_items: 4,
    order_id: '1042',
    customer_type: 'returning',
    content_type: 'product'
  })
  t.same(coded({ warnings }), ['items.2.item_id missing'])
  t.end()
})

test('lets only parameters through that TikTok has a property for, of its kind, and no e-mail address', t => {
  const { payload, warnings } = mapped({
    search_term: 'ada@example.org',
    params: {
      description: 'gold',
      predicted_ltv: 900,
      delivery_category: 'by_drone',
      content_ids: ['x'],
      shop_id: 'write to ada@example.org',
      status: ' ',
      destination_ids: ['LIS', 'BER'],
      suggested_hotels: 'Ritz',
      num_adults: 2,
      mileage: { unit: 'km', value: 5 },
      preferred_price_range: [1, 2],
      vin: 5,
      plan: 'gold',
      constructor: 'x'
    }
  })
  t.same(payload.properties, {
    description: 'gold',
    predicted_ltv: 900,
    destination_ids: ['LIS', 'BER'],
    num_adults: 2,
    mileage: { unit: 'km', value: 5 },
    preferred_price_range: [1, 2]
  })
  t.same(coded({ warnings }).toSorted(), ['params.constructor not_a_property_of_tiktok', 'params.content_ids unusable',
    'params.delivery_category unusable', 'params.plan not_a_property_of_tiktok', 'params.shop_id unusable',
    'params.status unusable', 'params.suggested_hotels unusable', 'params.vin unusable', 'search_term personal_data'])
  const list = mapped({ items: [{ item_id: 'a' }], params: { content_type: 'product_group' } })
  t.equal(list.payload.properties?.content_type, 'product_group', 'the owner\'s word counts')
  t.equal(mapped({}).payload.properties, undefined, 'nothing is no empty object')
  t.end()
})

test('limits the use of an event by setting, by consent and by GPC, or does not send it', t => {
  const { consent } = lead
  const refused = { consent: { ...consent, ad_personalization: 'denied' as const } }
  const limited = { consent: { ...consent, ad_personalization: 'denied' as const, limited: true } }
  const homeless = { client: { user_agent: 'Mozilla/5.0' } }
  const use = (change: Partial<OutgoingEvent>, choice: TikTokSettings['limited_data_use'] = 'off') =>
    mapped(change, { limited_data_use: choice }).payload.limited_data_use
  t.equal(use({}), undefined)
  t.equal(use({}, 'on'), true)
  t.equal(use(refused), true)
  t.equal(use(limited), true)
  for (const change of [refused, limited]) {
    for (const where of [homeless, { client: { ip: '10.0.0.7', user_agent: 'x/1' } },
      { action_source: 'phone_call' as const }]) {
      t.match(result({ ...change, ...where }), { skipped: 'no_consent', detail: /public address/ })
    }
    t.match(result({ ...stage, ...change, params: tiktokLead }, {}, 'QualifiedLead'), { skipped: 'no_consent' })
  }
  const without = mapped(homeless, { limited_data_use: 'on' })
  t.same([without.payload.limited_data_use, ...coded(without)], [undefined, 'client.ip ldu_without_address'])
  t.equal(use({ action_source: 'phone_call' }, 'on'), undefined, 'no such flag where there is no web')
  t.end()
})
