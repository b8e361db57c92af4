// The fake GA4 over real HTTP: every rule refuses what it should and nothing beside it, and nobody is ever told.
import { test } from 'tap'
import { startFakeNetworks, type FakeNetworksOptions } from './fake_networks.ts'
import { ga4EventRules, ga4RequestRules } from './ga4.ts'
import { ga4Address, ga4Event, ga4Request, ga4User } from './ga4_example.ts'
import { exampleNowMs, sha256 } from './meta_example.ts'
import type { Json } from './json.ts'

interface T { teardown (clean: () => unknown): void }
interface Message { fieldPath: string, description: string, validationCode: string }

const stream = 'measurement_id=G-8W3K5XN2QP&api_secret=kZ3vWq8TRbmX'

async function startGa4 (t: T, options: FakeNetworksOptions = {}) {
  let nowMs = exampleNowMs
  const fakes = await startFakeNetworks({ now: () => nowMs, ...options })
  t.teardown(() => fakes.close())
  const post = (path: string, body: unknown) => fetch(`${fakes.url}/ga4/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body)
  })
  return {
    ...fakes,
    pass (ms: number) { nowMs += ms },
    /** The status of the answer, which is always the same, and what became of the events. */
    async send (body: unknown, query = stream): Promise<{ status: number, reasons: (string | undefined)[] }> {
      const before = fakes.received().length
      const { status } = await post(`mp/collect?${query}`, body)
      return { status, reasons: fakes.received().slice(before).map(({ verdict, reason }) => reason ?? verdict) }
    },
    async validate (body: unknown, query = stream): Promise<Message[]> {
      const answer = await post(`debug/mp/collect?${query}`, body)
      const { validationMessages: messages } = await answer.json() as { validationMessages: Message[] }
      return messages
    },
    tag: (query: Record<string, string>, init?: RequestInit) =>
      fetch(`${fakes.url}/ga4/g/collect?${new URLSearchParams({ v: '2', ...query })}`, init),
    verdicts: () => fakes.received().map(({ source, verdict, reason }) =>
      [source, verdict, ...(reason ? [reason] : [])].join(' '))
  }
}

const hour = 3600e6
const nowMicros = exampleNowMs * 1000
const hashes = (count: number) => Array.from({ length: count }, (_, index) => sha256(`value ${index}`))
const many = (count: number, make: (index: number) => unknown = index => index) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, make(index)]))
const request = (over: Json) => ga4Request(over)
const user = (over: Json) => ga4Request({ user_data: ga4User(over) })
const address = (over: Json) => user({ address: [ga4Address(over)] })
const event = (over: Json, name?: unknown) => ga4Request({ events: [ga4Event(over, name)] })
const named = (name: unknown) => event({}, name)
const bare = (params: Json, name: unknown = 'search') => ga4Request({ events: [{ name, params }] })
const item = (over: Json) => event({ items: [over] })
const properties = (given: Json) => request({ user_properties: given })
const granted = { ad_user_data: 'GRANTED', ad_personalization: 'GRANTED' }
const denied = { ad_user_data: 'DENIED', ad_personalization: 'DENIED' }
const ip = { user_location: undefined, ip_override: '203.0.113.7' }

/** For each rule: what breaks it and no rule before it, and its nearest neighbours that do not. */
const cases: Record<string, { refused: Json[], accepted: Json[] }> = {
  too_large: {
    refused: [request({ user_properties: { long: { value: 'x'.repeat(130_000) } } })],
    accepted: [event({ items: Array.from({ length: 200 }, () => ({ item_id: 'x'.repeat(100) })) })]
  },
  unexpected_key: {
    refused: [{ email: 'x' }, { validationBehavior: 'RELAXED' }, { session_id: '1' }, { app_instance_id: 'x' }]
      .map(request),
    accepted: [request({ non_personalized_ads: true })]
  },
  wrong_type: {
    refused: [{ client_id: 17 }, { timestamp_micros: String(nowMicros) }, { consent: 'GRANTED' }, { events: {} },
      { timestamp_micros: '2026-11-23T10:00:00Z' }, { user_id: 17 }, { validation_behavior: 'STRICT' }, { device: [] }]
      .map(request),
    accepted: [request({ validation_behavior: 'RELAXED' })]
  },
  client_id_missing: { refused: [request({ client_id: undefined })], accepted: [request({ user_id: undefined })] },
  client_id_form: {
    refused: ['GA1.1.1187364950.1795135999', '1187364950', 'visitor-17', '1187364950.0', 'a.b', '1.2.3',
      '0192f0c1-7b1e-7c3d-9e8f-0a1b2c3d4e5f'].map(id => request({ client_id: id })),
    accepted: [request({ client_id: '1.1' })]
  },
  user_id_personal: {
    refused: ['erika@example.com', 'erika%40example.com', '+49 30 1234567', '0301234567', '0049301234567',
      'x'.repeat(257)].map(id => request({ user_id: id })),
    accepted: ['000001', sha256('17'), '0192f0c1-7b1e-7c3d-9e8f-0a1b2c3d4e5f', 'x'.repeat(256)].map(id =>
      request({ user_id: id }))
  },
  timestamp_unit: {
    refused: [exampleNowMs, exampleNowMs / 1000, nowMicros - 0.5, nowMicros * 1000].map(time =>
      request({ timestamp_micros: time })),
    accepted: [request({ timestamp_micros: undefined })]
  },
  timestamp_too_old: {
    refused: [request({ timestamp_micros: nowMicros - 72 * hour - 1000 }),
      request({ events: [{ ...ga4Event(), timestamp_micros: nowMicros - 73 * hour }] })],
    accepted: [request({ timestamp_micros: nowMicros - 72 * hour })]
  },
  timestamp_in_future: {
    refused: [request({ timestamp_micros: nowMicros + 61e6 })],
    accepted: [request({ timestamp_micros: nowMicros + 60e6 })]
  },
  consent_value: {
    refused: [{ ...granted, ad_user_data: 'granted' }, { ...granted, analytics_storage: 'GRANTED' },
      { ...granted, ad_personalization: true }].map(consent => request({ consent })),
    accepted: [request({ consent: granted })]
  },
  consent_unsaid: {
    refused: [request({ consent: undefined }), request({ consent: { ad_user_data: 'GRANTED' } })],
    accepted: [request({ consent: denied, user_data: undefined })]
  },
  user_location: {
    refused: [{ country_id: 'Germany' }, { country_id: 'de' }, { country: 'DE' }, { region_id: 'BE' },
      { continent_id: 150 }].map(place => request({ user_location: place })),
    accepted: [request({ user_location: { city: 'Berlin', region_id: 'DE-BE', country_id: 'DE' } }),
      request({ user_location: { continent_id: '150', subcontinent_id: '155' } })]
  },
  ip_address: {
    refused: ['10.0.0.1', '203.0.113.7, 10.0.0.1', 'unknown', '203.0.113.7:443', '::ffff:203.0.113.7'].map(address =>
      request({ ...ip, ip_override: address })),
    accepted: [request(ip), request({ ...ip, ip_override: '2001:db8::1' })]
  },
  ip_beside_location: { refused: [request({ ip_override: '203.0.113.7' })], accepted: [request(ip)] },
  device: {
    refused: [{ category: 'phone' }, { screen_resolution: '1512×982' }, { language: 'Deutsch!' }, { os: 'Windows' },
      { browser: 1 }].map(device => request({ device })),
    accepted: [request({ device: { category: 'smart TV', language: 'zh-Hant-TW', brand: 'Samsung' } })]
  },
  user_agent: {
    refused: [request({ user_agent: 'Mozilla/5.0' }), ...[' Mozilla/5.0', 'x', sha256('Mozilla')].map(agent =>
      request({ device: undefined, user_agent: agent }))],
    accepted: [request({ device: undefined, user_agent: 'Mozilla/5.0 (X11; Linux x86_64)' })]
  },
  too_many_user_properties: {
    refused: [properties(many(26, index => ({ value: index })))],
    accepted: [properties(many(25, index => ({ value: index })))]
  },
  user_property_name: {
    refused: ['user_id', 'first_open_time', 'ga_tier', '1st', 'x'.repeat(25), 'a-b'].map(name =>
      properties({ [name]: { value: 'x' } })),
    accepted: [properties({ ['x'.repeat(24)]: { value: 'x' } })]
  },
  user_property_value: {
    refused: [properties({ tier: { value: 'x'.repeat(37) } }), properties({ tier: 'gold' })],
    accepted: [properties({ tier: { value: 'x'.repeat(36) } })]
  },
  strict_in_production: {
    refused: [request({ validation_behavior: 'ENFORCE_RECOMMENDATIONS' })],
    accepted: [request({ validation_behavior: 'RELAXED' })]
  },
  events_missing: {
    refused: [request({ events: undefined }), request({ events: [] })],
    accepted: [bare({})]
  },
  too_many_events: {
    refused: [request({ events: Array.from({ length: 26 }, (_, index) => ({ name: `e${index}` })) })],
    accepted: [request({ events: Array.from({ length: 25 }, (_, index) => ({ name: `e${index}` })) })]
  },
  empty_value: {
    refused: [event({ coupon: '' }), event({ coupon: null }), event({ items: [] }), user({ address: [] }),
      request({ device: {} }), address({ city: '' })],
    accepted: [event({ coupon: undefined })]
  },
  stringified_nothing: {
    refused: ['undefined', 'null', 'NaN', '[object Object]'].map(coupon => event({ coupon })),
    accepted: [event({ coupon: 'NULLIFY' })]
  },
  raw_email: {
    refused: [event({ form_name: 'write to erika@example.com' }),
      event({ page_location: 'https://example.com/?m=erika%40example.com' })],
    accepted: [event({ form_name: 'questions @ night' })]
  },
  user_data_key: {
    refused: [user({ email: sha256('x') }), user({ sha256_email: [sha256('x')] }), address({ first_name: 'erika' }),
      address({ street: 'hauptstraße 1' }), address({ sha256_city: sha256('x') })],
    accepted: [user({ address: ga4Address() }), user({ sha256_email_address: sha256('x') })]
  },
  user_data_without_consent: {
    refused: [request({ consent: denied })],
    accepted: [request({ consent: denied, user_data: undefined })]
  },
  not_hashed: {
    refused: [user({ sha256_phone_number: ['+493012345678'] }), user({ sha256_email_address: [sha256('x').slice(1)] }),
      user({ sha256_email_address: [sha256('x').toUpperCase()] }), address({ sha256_first_name: 'erika' }),
      address({ sha256_street: 'hauptstraße 1' })],
    accepted: [address({ sha256_last_name: sha256('mustermann') })]
  },
  hashed_in_clear_field: {
    refused: ['city', 'region', 'postal_code', 'country'].map(key => address({ [key]: sha256('x') })),
    accepted: [address({ region: 'bayern' })]
  },
  place_form: {
    refused: ['München', 'saint-étienne', 'st. gallen', 'bezirk 9', ' berlin'].map(city => address({ city })),
    accepted: ['são paulo', '東京', 'saint étienne'].map(city => address({ city }))
  },
  country_form: {
    refused: ['de', 'DEU', 'Germany', 'UK'].map(country => address({ country })),
    accepted: [address({ country: 'GB' })]
  },
  postal_code_form: {
    refused: [' 80331', '80331.', 'unknown'].map(code => address({ postal_code: code })),
    accepted: ['M1 1AE', '20500-0003', '01310-100'].map(code => address({ postal_code: code }))
  },
  too_many_values: {
    refused: [user({ sha256_email_address: hashes(4) }), user({ sha256_phone_number: hashes(4) }),
      user({ address: [ga4Address(), ga4Address(), ga4Address()] })],
    accepted: [user({ sha256_email_address: hashes(3), address: [ga4Address(), ga4Address({ city: 'berlin' })] })]
  },
  repeated_value: {
    refused: [user({ sha256_email_address: [sha256('a'), sha256('a')] })],
    accepted: [user({ sha256_email_address: [sha256('a')], sha256_phone_number: [sha256('a')] })]
  },
  hash_of_nothing: {
    refused: ['', '+', 'undefined', 'null', '[object Object]'].map(text =>
      user({ sha256_phone_number: [sha256(text)] })),
    accepted: [user({ sha256_phone_number: [sha256('+493012345678')] })]
  },
  event_key: {
    refused: [request({ events: [{ ...ga4Event(), event_name: 'purchase' }] }), request({ events: [{ name: 17 }] }),
      request({ events: [{ ...ga4Event(), event_id: 'x' }] }), request({ events: [{ name: 'search', params: [1] }] })],
    accepted: [request({ events: [{ ...ga4Event(), timestamp_micros: nowMicros - hour }] })]
  },
  event_name_missing: { refused: [request({ events: [{ params: {} }] })], accepted: [named('a')] },
  event_name_reserved: {
    refused: ['ga_lead', 'google_lead', 'firebase_lead', '_lead', 'gtag.lead', 'session_start', 'first_visit', 'error',
      'user_engagement', 'ad_click', 'app_remove', 'screen_view', 'GA_lead'].map(named),
    accepted: ['gala', 'googled', 'page_view', 'add_to_cart'].map(named)
  },
  event_name: {
    refused: ['my-event', 'Meine Übung', '1st', 'x'.repeat(41), 'a.b'].map(named),
    accepted: ['x'.repeat(40), 'Lead', 'a1_'].map(named)
  },
  too_many_params: { refused: [bare(many(26))], accepted: [bare(many(25))] },
  param_name_reserved: {
    refused: ['ga_x', '_x', 'google_x', 'firebase_conversion', 'gtag.x'].map(name => bare({ [name]: 'x' })),
    accepted: [bare({ gax: 'x' })]
  },
  param_name: {
    refused: ['a-b', '1st', 'größe', 'x'.repeat(41)].map(name => bare({ [name]: 'x' })),
    accepted: [bare({ ['x'.repeat(40)]: 'x' })]
  },
  param_type: {
    refused: [{ plan: true }, { plan: ['a'] }, { plan: { a: 1 } }, { items: { item_id: 'a' } },
      { transaction_id: 1042 }, { debug_mode: 'true' }].map(over => event(over)),
    accepted: [event({ plan: 1 }), event({ debug_mode: true }), event({ debug_mode: 1 })]
  },
  param_value_length: {
    refused: [event({ plan: 'x'.repeat(101) }), event({ page_title: 'x'.repeat(301) }),
      event({ page_location: `https://a.de/${'x'.repeat(1000)}` }),
      event({ page_referrer: `https://a.de/${'x'.repeat(420)}` })],
    accepted: [event({ plan: 'x'.repeat(100) }), event({ page_title: 'x'.repeat(300) }),
      event({ page_location: `https://a.de/${'x'.repeat(980)}` })]
  },
  amount_type: {
    refused: [{ value: '129.98' }, { tax: '1' }, { shipping: 'free' }].map(over => event(over)),
    accepted: [event({ value: 0 }), event({ value: -5 }), event({ tax: 1.5 })]
  },
  value_without_currency: {
    refused: [event({ currency: undefined }), bare({ value: 5 }, 'generate_lead')],
    accepted: [bare({ currency: 'EUR' })]
  },
  currency_code: {
    refused: ['eur', '€', 'EURO', 'E'].map(currency => event({ currency })),
    accepted: [event({ currency: 'CHF' })]
  },
  item_without_id: {
    refused: [item({ price: 1 }), item({ id: 'SKU-1' }), item({ item_id: 17 }), event({ items: ['SKU-1'] })],
    accepted: [item({ item_id: 'a' }), item({ item_name: 'a' })]
  },
  item_value: {
    refused: [{ item_name: 'x'.repeat(101) }, { _id: 'x' }, { 'a-b': 1 }, { size: true }].map(over =>
      item({ item_id: 'a', ...over })),
    accepted: [item({ item_id: 'x'.repeat(100), size: 'XL' })]
  },
  item_type: {
    refused: [{ price: '1.00' }, { quantity: '2' }, { item_brand: 7 }].map(over => item({ item_id: 'a', ...over })),
    accepted: [item({ item_id: 'a', index: 0, discount: 0.5 })]
  },
  too_many_items: {
    refused: [event({ items: Array.from({ length: 201 }, () => ({ item_id: 'a' })) })],
    accepted: [event({ items: Array.from({ length: 200 }, () => ({ item_id: 'a' })) })]
  },
  session_id: {
    refused: ['GS1.1.1795167001.5.1.1795168790.60.0.0', 's1795167001', '0', -1].map(id => event({ session_id: id })),
    accepted: [event({ session_id: 1795167001 })]
  },
  session_without_engagement: {
    refused: [event({ engagement_time_msec: undefined })],
    accepted: [event({ session_id: undefined, engagement_time_msec: undefined })]
  },
  engagement: {
    refused: [0, -1, '100'].map(time => event({ engagement_time_msec: time })),
    accepted: [event({ engagement_time_msec: 0.5 })]
  },
  purchase_recommendations: {
    refused: [event({ transaction_id: undefined }), event({ items: undefined }), event({ value: undefined })],
    accepted: [event({ tax: undefined })]
  },
  refund_recommendations: {
    refused: [event({ transaction_id: undefined }, 'refund'), event({ value: undefined }, 'refund')],
    accepted: [event({ items: undefined }, 'refund')]
  },
  foreign_param: {
    refused: ['gclid', 'gbraid', 'fbclid', 'client_id', 'order_id'].map(name => bare({ [name]: 'x1y2' })),
    accepted: [bare({ lead_source: 'fair' })]
  },
  address_form: {
    refused: ['www.example.com/', '/offer', 'android-app://x', 'https://'].map(url => event({ page_location: url })),
    accepted: [event({ page_referrer: 'http://localhost:8379/' })]
  },
  collect_address: {
    refused: ['v1/leads', 'v1/e', 's.js'].map(path => event({ page_location: `https://t.example.com/${path}` })),
    accepted: [event({ page_location: 'https://t.example.com/v1' })]
  },
  private_address: {
    refused: ['https://example.com/#top', 'https://me@localhost/', 'https://example.com/?gclid=x',
      'https://example.com/?a=1&gbraid=x'].map(url => event({ page_location: url })),
    accepted: [event({ page_location: 'https://example.com/?utm_campaign=gclid' })]
  }
}

const isTaken = (reason: string | undefined) => ['counted', 'same_transaction_id'].includes(reason ?? '')

test('every rule has something that breaks it first, and neighbours that do not break it', async t => {
  const ga4 = await startGa4(t)
  const rules = [...ga4RequestRules, ...ga4EventRules]
  t.strictSame(Object.keys(cases).sort(), rules.map(rule => rule.name).sort(), 'the table covers the rules')
  for (const { name, from, code, isAdvice } of rules) {
    t.match(from, /^(google\.md §|ours: )/, `${name} names its source`)
    const { refused = [], accepted = [] } = cases[name] ?? {}
    t.ok(refused.length > 0 && accepted.length > 0, `${name} has both`)
    for (const body of refused) {
      const { status, reasons } = await ga4.send(body)
      t.equal(status, 204, 'and nobody is told')
      const words = reasons.map(reason => reason?.split(' ')[0])
      if (isAdvice) t.ok(reasons.every(isTaken), `${name} counts`)
      else t.ok(words.length > 0 && words.every(word => word === name), `${name}: ${reasons.join(', ')}`)
      const found = await ga4.validate({ ...body, validation_behavior: 'ENFORCE_RECOMMENDATIONS' })
      const isFound = found.some(({ description, validationCode }) =>
        description.includes(` ${name}.`) && validationCode === code)
      const isOther = name === 'wrong_type' && 'validation_behavior' in body
      t.equal(isFound || isOther, code !== undefined, `the validator and ${name}`)
    }
    for (const body of accepted) {
      const { reasons } = await ga4.send(body)
      t.ok(reasons.length > 0 && reasons.every(isTaken), `${name}: ${reasons[0]}`)
    }
  }
})

test('answers 204 to whatever comes, and only the receipts say what it was worth', async t => {
  const ga4 = await startGa4(t, { ga4: { streams: { 'G-8W3K5XN2QP': 'right', 'G-OTHER1': 'other' } } })
  const id = 'measurement_id=G-8W3K5XN2QP'
  const things: [name: string, body: unknown, query: string, reason: string][] = [
    ['the right secret', ga4Request(), `${id}&api_secret=right`, 'counted'],
    ['a wrong one', ga4Request(), `${id}&api_secret=wrong`, 'api_secret'],
    ['another stream\'s', ga4Request(), `${id}&api_secret=other`, 'api_secret'],
    ['none', ga4Request(), id, 'api_secret'],
    ['a mask', ga4Request(), `${id}&api_secret=***`, 'api_secret'],
    ['an unknown stream', ga4Request(), 'measurement_id=G-NOBODY1&api_secret=right', 'unknown_stream'],
    ['no stream', ga4Request(), 'api_secret=right', 'measurement_id'],
    ['a placeholder', ga4Request(), 'measurement_id=<measurement_id>&api_secret=right', 'measurement_id'],
    ['no JSON', '{"client_id":', `${id}&api_secret=right`, 'unreadable_body'],
    ['a list', [], `${id}&api_secret=right`, 'unreadable_body'],
    ['an event that is none', ga4Request({ events: ['x'] }), `${id}&api_secret=right`, 'event_type']
  ]
  for (const [name, body, query, reason] of things) {
    t.same(await ga4.send(body, query), { status: 204, reasons: [reason] }, name)
  }
  t.notMatch(JSON.stringify(ga4.received()), /right|wrong/, 'no secret is written down')
})

test('one bad event costs its neighbours nothing, a bad request all of them', async t => {
  const ga4 = await startGa4(t)
  const events = [ga4Event({ transaction_id: '1' }), ga4Event({}, 'ga_x'), ga4Event({}, 'search')]
  t.same((await ga4.send(ga4Request({ events }))).reasons, ['counted', 'event_name_reserved name', 'counted'])
  const whole = await ga4.send(ga4Request({ events, client_id: 'x' }))
  t.same(whole.reasons, new Array(3).fill('client_id_form client_id'))
})

test('the validation server says what is wrong, asks for no secret and records nothing', async t => {
  const ga4 = await startGa4(t, { ga4: { streams: { 'G-8W3K5XN2QP': 'right' } } })
  const strict = { validation_behavior: 'ENFORCE_RECOMMENDATIONS' }
  t.same(await ga4.validate(ga4Request(strict), 'measurement_id=G-NOBODY1'), [])
  const wrong = event({ session_id: 'GS1.1.5', currency: 'eur' }, '_bad')
  t.match(await ga4.validate(wrong), [
    { fieldPath: 'events.0.name', validationCode: 'NAME_RESERVED' },
    { fieldPath: 'events.0.name', validationCode: 'NAME_INVALID' },
    { fieldPath: 'events.0.params.currency', validationCode: 'VALUE_INVALID' }
  ], 'what it says by itself')
  t.equal((await ga4.validate({ ...wrong, ...strict })).length, 4, 'and what it says when asked to be strict')
  t.match(await ga4.validate('{'), [{ validationCode: 'VALUE_INVALID' }])
  t.match(await ga4.validate({}), [{ fieldPath: 'client_id', validationCode: 'VALUE_REQUIRED' },
    { fieldPath: 'events', validationCode: 'VALUE_REQUIRED' }])
  t.same(ga4.received(), [])
})

test('a purchase counts once by its transaction id, everything else each time', async t => {
  const ga4 = await startGa4(t)
  const hit = { tid: 'G-8W3K5XN2QP', cid: '1187364950.1795135999', en: 'purchase', 'ep.transaction_id': '1042' }
  await ga4.tag(hit)
  await ga4.send(ga4Request())
  ga4.pass(70 * 3_600_000)
  await ga4.send(ga4Request())
  await ga4.send(event({ transaction_id: '1043' }))
  await ga4.send(ga4Request(), 'measurement_id=G-OTHER123&api_secret=x')
  for (let turn = 0; turn < 2; turn++) {
    await ga4.send(event({ transaction_id: undefined }))
    await ga4.send(event({}, 'refund'))
    await ga4.send(bare({ event_id: 'same' }, 'generate_lead'))
    await ga4.tag({ ...hit, en: 'generate_lead', 'ep.event_id': 'same' })
  }
  t.same(ga4.verdicts(), ['browser counted', 'server deduplicated same_transaction_id',
    'server deduplicated same_transaction_id', 'server counted', 'server counted',
    ...new Array(2).fill(['server counted', 'server counted', 'server counted', 'browser counted']).flat()])
  t.match(ga4.received().map(receipt => [receipt.event_name, receipt.event_id]), [['purchase', '1042'],
    ['purchase', '1042'], ['purchase', '1042'], ['purchase', '1043'], ['purchase', '1042'], ['purchase', null],
    ['refund', '1042'], ['generate_lead', 'same'], ['generate_lead', 'same']])
})

test('takes gtag\'s hits, alone or several in a body, and answers all of them alike', async t => {
  const ga4 = await startGa4(t, { ga4: { streams: { 'G-8W3K5XN2QP': 'right' } } })
  const own = { tid: 'G-8W3K5XN2QP', cid: '1.2' }
  const good = await ga4.tag({ ...own, en: 'purchase', dl: 'https://a.de/', 'ep.transaction_id': '7', 'epn.value': '5' })
  t.equal(good.status, 204)
  t.equal(good.headers.get('access-control-allow-origin'), '*')
  t.match(ga4.received()[0], {
    type: 'ga4',
    source: 'browser',
    event_name: 'purchase',
    event_id: '7',
    body: { v: '2', cid: '1.2', dl: 'https://a.de/', params: { transaction_id: '7', value: 5 } }
  })
  await ga4.tag(own, { method: 'POST', body: 'en=page_view&ep.a=1\r\nen=purchase&ep.transaction_id=7' })
  for (const wrong of [{ ...own, en: '' }, { ...own, tid: 'UA-1' }, { ...own, tid: 'G-NOBODY1' }, { tid: own.tid }]) {
    t.equal((await ga4.tag({ en: 'x', ...wrong })).status, 204)
  }
  t.same(ga4.verdicts(), ['browser counted', 'browser counted', 'browser deduplicated same_transaction_id',
    'browser rejected event_name', 'browser rejected measurement_id', 'browser rejected unknown_stream',
    'browser rejected client_id'])
})

test('fails as a machine in front of GA4 would', async t => {
  const ga4 = await startGa4(t)
  ga4.behave({ type: 'ga4', faults: [{ kind: 'status', status: 503, retry_after_seconds: 7, times: 1 }] })
  t.same(await ga4.send(ga4Request()), { status: 503, reasons: ['fault_status_503'] })
  t.same(await ga4.send(ga4Request()), { status: 204, reasons: ['counted'] })
})
