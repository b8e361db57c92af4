// The fake TikTok over real HTTP: every rule refuses what it should, good events pass, and copies count once.
import { test } from 'tap'
import { startFakeNetworks, type FakeNetworksOptions } from './fake_networks.ts'
import type { Json } from './json.ts'
import { exampleNowMs, sha256, tiktokEvent, tiktokOffline, tiktokStage, tiktokUser } from './tiktok_example.ts'
import { tiktokRules } from './tiktok.ts'

interface Answer { status: number, headers: Headers, body: { code: number, message: string, request_id: string } }
interface T { teardown (clean: () => unknown): void }

const pixel = 'CP0STERN0EXAMPLE0001'
const eventSet = '7301964452018376450'
const token = 'a-token-of-the-tests'
const ids: Record<string, string> = { web: pixel, app: '6899123', offline: eventSet, crm: eventSet }
const path = '/open_api/v1.3/event/track/'

async function startTiktok (t: T, options: FakeNetworksOptions = {}) {
  let nowMs = exampleNowMs
  const fakes = await startFakeNetworks({ now: () => nowMs, ...options })
  t.teardown(() => fakes.close())
  async function post (body: unknown, headers: Record<string, string> = {}, at = path): Promise<Answer> {
    const response = await fetch(`${fakes.url}/tiktok${at}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'access-token': token, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body)
    })
    return { status: response.status, headers: response.headers, body: await response.json() as Answer['body'] }
  }
  return {
    ...fakes,
    post,
    pass (ms: number) { nowMs += ms },
    send: (data: unknown, source = 'web', over: Json = {}) =>
      post({ event_source: source, event_source_id: ids[source], data, ...over }),
    pixel: (event: string, eventId?: string, code = pixel) => fetch(`${fakes.url}/tiktok/api/v2/pixel`, {
      method: 'POST',
      body: JSON.stringify({
        event, event_id: eventId, context: { pixel: { code }, page: { url: 'https://www.example.com/' } }
      })
    }),
    verdicts: () => fakes.received().map(({ source, verdict, reason }) =>
      [source, verdict, ...(reason ? [reason] : [])])
  }
}

const user = (over: Json): Json => tiktokEvent({ user: tiktokUser(over) })
const props = (properties: Json, over: Json = {}): Json => tiktokEvent({ properties, ...over })
const without = (key: string): Json => { const { [key]: _left, ...rest } = tiktokEvent(); return rest }
const ago = (days: number): number => exampleNowMs / 1000 - days * 86_400
const page = (url: string): Json => tiktokEvent({ page: { url } })
const app = (over: Json = {}): Json => tiktokEvent({
  event_id: undefined,
  page: undefined,
  app: { app_id: '6899123' },
  user: { email: sha256('a'), idfa: '00000000-0000-0000-0000-000000000000', att_status: 'AUTHORIZED' },
  ...over
})

type Broken = Json | [event: Json, source: string]

/** What each rule must refuse: the rule's name, then events that break it and no rule before it. */
const broken: Record<string, Broken[]> = {
  unexpected_key: [tiktokEvent({ timestamp: 'x' }), tiktokEvent({ event_source_url: 'x' }),
    tiktokEvent({ page: { url: 'https://example.com/', title: 'x' } }),
    [tiktokStage({ lead: { id: '1' } }), 'crm']],
  missing_key: ['event', 'event_time', 'user'].map(without),
  event_id_not_text: [273196, true, ['a'], null].map(id => tiktokEvent({ event_id: id })),
  wrong_type: [{ event: '' }, { event: ' Lead' }, { event: 'x'.repeat(101) }, { event: 7 },
    { event_time: String(ago(0)) }, { event_time: ago(0) - 0.5 }, { event_time: '2026-11-23T09:59:00Z' },
    { event_id: '' }, { event_id: 'x'.repeat(256) }, { user: [] }, { properties: [] },
    { page: 'https://example.com/' }, { limited_data_use: 'true' }, { page: { url: 7 } }].map(tiktokEvent),
  event_too_old: [{ event_time: ago(7.01) }, { event_time: Math.floor(exampleNowMs / 1_000_000) }].map(tiktokEvent),
  event_in_future: [{ event_time: exampleNowMs }, { event_time: exampleNowMs / 1000 + 1 }].map(tiktokEvent),
  event_id_of_app: [[app({ event_id: 'a' }), 'app']],
  page_url_missing: [without('page'), tiktokEvent({ page: { referrer: 'https://example.com/' } })],
  app_missing: [[app({ app: undefined }), 'app']],
  lead_missing: [[tiktokStage({ lead: undefined }), 'crm'],
    [tiktokStage({ lead: { lead_event_source: 'HubSpot' } }), 'crm']],
  block_of_another_source: [tiktokEvent({ lead: { lead_id: '1' } }), tiktokEvent({ app: { app_id: '1' } }),
    [tiktokOffline({ page: { url: 'https://example.com/' } }), 'offline']],
  page_address: ['www.example.com/', 'ftp://example.com/', 'https://', '/offer', 'android-app://x'].flatMap(url =>
    [page(url), tiktokEvent({ page: { url: 'https://example.com/', referrer: url } })]),
  offline_name: [[tiktokOffline({ event: 'QualifiedLead' }), 'offline'],
    [tiktokOffline({ event: 'Pageview' }), 'offline']],
  crm_name: [[tiktokStage({ event: 'Purchase' }), 'crm']],
  misspelt_standard_name: ['lead', 'LEAD', 'purchase', 'add_to_cart', 'PageView', 'page_view', 'Complete Payment']
    .map(name => tiktokEvent({ event: name })),
  limited_data_use_source: [[tiktokOffline({ limited_data_use: false }), 'offline'],
    [tiktokStage({ limited_data_use: true }), 'crm']],
  limited_data_use_address: [undefined, '127.0.0.1', '::1', '10.0.0.1'].map(ip =>
    tiktokEvent({ limited_data_use: true, user: tiktokUser({ ip }) })),
  collect_address: ['v1/leads', 'v1/e', 's.js'].map(end => page(`https://t.example.com/${end}`)),
  private_address: ['https://example.com/#top', 'https://me@example.com/', 'https://example.com/?m=erika%40example.com',
    'https://example.com/?m=erika@example.com'].map(page),
  raw_email: [props({ description: 'erika@example.com' }), props({ search_string: 'of erika@example.com' }),
    user({ city: 'erika@example.com' })],
  empty_value: [props({ description: null }), props({ description: '' }), props({ contents: [] }), props({}),
    user({ email: [] }), user({ phone: '' }), props({ contents: [{ content_id: '' }] })],
  stringified_nothing: ['undefined', 'null', 'NaN', '[object Object]'].map(text => props({ description: text })),
  unexpected_user_key: ['click_id', 'em', 'phone_number', 'lead_id', 'anonymous_id'].map(key => user({ [key]: 'x' })),
  user_value_type: [{ email: 17 }, { phone: { hash: sha256('x') } }, { ip: ['203.0.113.7'] }, { ttclid: 5 },
    { first_name: [sha256('erika')] }].map(user),
  user_key_of_another_source: [user({ idfa: 'X' }), user({ att_status: 'DENIED' }),
    [tiktokOffline({ user: { email: sha256('a'), external_id: sha256('b') } }), 'offline'],
    [tiktokStage({ user: { email: sha256('a'), ttclid: 'E.C.P.CvcBpSAMPLE' } }), 'crm'],
    [app({ user: { email: sha256('a'), ttp: '01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1' } }), 'app']],
  not_hashed: ['email', 'phone', 'external_id', 'first_name', 'last_name', 'zip_code'].flatMap(key =>
    ['plain', sha256('a').toUpperCase(), sha256('a').slice(1)].map(value => user({ [key]: value }))),
  hashed_in_clear_field: ['city', 'state', 'country', 'ttclid', 'ip', 'user_agent'].map(key =>
    user({ [key]: sha256('x') })),
  place_case: [user({ city: 'Berlin' }), user({ state: ' ca' }), user({ country: 'DE' })],
  country_code: [user({ country: 'germany' }), user({ country: 'deu' })],
  no_matchable_key: [{ ip: '203.0.113.7' }, { user_agent: 'Mozilla/5.0' }, { first_name: sha256('a') },
    { city: 'berlin', country: 'de', user_agent: 'Mozilla/5.0' }].map(one => tiktokEvent({ user: one })),
  ttclid: ['short', 'E.C.P.with a space', 'E.C.P.%20encoded', 'e.c.p.cvcbpsample', 'x'.repeat(513)].map(ttclid =>
    user({ ttclid })),
  ttp: ['short', '01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1'.toLowerCase(), 'a b c d e f g'].map(ttp => user({ ttp })),
  ip_address: ['203.0.113.7, 10.0.0.1', ' 203.0.113.7', '10.0.0.1', '192.168.1.4', '::ffff:203.0.113.7', 'fe80::1',
    'unknown', '203.0.113.7:443'].map(ip => user({ ip })),
  user_agent: [' Mozilla/5.0', '203.0.113.7', 'x'].map(agent => user({ user_agent: agent })),
  locale: ['de_DE', 'german language', '-'].map(locale => user({ locale })),
  hash_of_nothing: ['', 'undefined', 'null', '+'].flatMap(text =>
    [user({ email: sha256(text) }), user({ external_id: [sha256('a'), sha256(text)] })]),
  repeated_value: [user({ email: [sha256('a'), sha256('a')] })],
  unexpected_property: [props({ contents_ids: ['a'] }), props({ content_name: 'x' }), props({ coupon: 'x' }),
    props({ mileage: { unit: 'km', count: 5 } })],
  property_type: [{ value: '150,00' }, { value: '150' }, { content_ids: 'a' }, { content_type: 'item' },
    { num_items: '2' }, { num_items: 1.5 }, { order_id: 1042 }, { contents: ['a'] }, { customer_type: 'existing' },
    { delivery_category: 'post' }, { preferred_price_range: [1] }, { mileage: { unit: 5 } }].map(data =>
    props({ currency: 'EUR', ...data })),
  value_without_currency: [props({ value: 1 })],
  currency_code: ['€', 'EURO', 'XQQ', 'eur', 'HRK', 'LKR'].map(currency => props({ value: 1, currency })),
  content_keys: [{ quantity: 1 }, { content_id: 'a', item_price: 1 }, { content_id: 'a', quantity: 0 },
    { content_id: 'a', quantity: 1.5 }, { content_id: 'a', price: '1 €' }, { content_id: 7 }].map(content =>
    props({ contents: [content], content_type: 'product' })),
  content_type_missing: [props({ contents: [{ content_id: 'a' }] }), props({ content_ids: ['a'] })],
  negative_value: [props({ value: -1, currency: 'EUR' })]
}

test('every rule has something that breaks it, and breaks it first', async t => {
  const tiktok = await startTiktok(t)
  t.strictSame(Object.keys(broken).sort(), tiktokRules.map(rule => rule.name).sort(), 'the table covers the rules')
  for (const { name, code, from, isSilent } of tiktokRules) {
    t.match(from, /^(other-networks\.md §|ours: )/, `${name} names its source`)
    for (const one of broken[name] ?? []) {
      const [event, source] = Array.isArray(one) ? one : [one, 'web']
      const before = tiktok.received().length
      const { status, body, headers } = await tiktok.send([event], source)
      const [receipt, ...more] = tiktok.received().slice(before)
      t.equal(status, 200, 'also an error')
      t.match(body, { code, message: isSilent ? /^Invalid value for event_id/ : /^(Batch|data)\.0\b/ }, name)
      t.equal(headers.get('x-tt-logid'), body.request_id)
      t.equal(receipt?.verdict, 'rejected')
      t.equal(receipt?.reason?.split(' ')[1], name, `${name}: ${receipt?.reason}`)
      t.strictSame([more, receipt?.body], [[], JSON.parse(JSON.stringify(event))])
    }
  }
})

const good: Record<string, Broken> = {
  'a website lead': tiktokEvent(),
  'one with an e-mail alone, as text': tiktokEvent({ user: { email: sha256('a') } }),
  'address and browser alone': tiktokEvent({ user: { ip: '2001:db8::1', user_agent: 'Mozilla/5.0' } }),
  'the visitor at this machine': user({ ip: '127.0.0.1' }),
  'an older form of _ttp': user({ ttp: '2F7h37YkS1j57AYSKTI7IHhJPYH' }),
  'almost seven days old': tiktokEvent({ event_time: ago(6.99) }),
  'of this very second': tiktokEvent({ event_time: exampleNowMs / 1000 }),
  'limited data use': tiktokEvent({ limited_data_use: true }),
  'limited data use explicitly off': tiktokEvent({ limited_data_use: false, user: { email: sha256('a') } }),
  'a place with letters of its own': user({ city: 'são paulo', state: 'sp', country: 'br' }),
  'a purchase': props({
    value: 149.9,
    currency: 'EUR',
    order_id: '1042',
    content_type: 'product',
    content_ids: ['a'],
    num_items: 2,
    customer_type: 'returning',
    status: 'paid',
    contents: [{ content_id: 'a', content_name: 'Jumper', brand: 'Nord', quantity: 2, price: 74.95 }]
  }, { event: 'Purchase' }),
  'a purchase under its old name': props({ value: 1, currency: 'USD' }, { event: 'CompletePayment' }),
  'a journey': props({ origin_airport: 'BER', destination_ids: ['LIS'], num_adults: 2, travel_start: '2026-12-24' }),
  'a car': props({ make: 'VW', year: 2019, mileage: { unit: 'km', value: 5 }, preferred_price_range: [1, 2] }),
  'a page view': tiktokEvent({ event: 'Pageview', properties: undefined }),
  'a custom event': tiktokEvent({ event: 'RoofMeasured' }),
  'a visit to a shop': [tiktokOffline(), 'offline'],
  'a stage of a lead': [tiktokStage(), 'crm'],
  'an event of an app': [app(), 'app']
}

test('good events are counted', async t => {
  const tiktok = await startTiktok(t)
  for (const [name, one] of Object.entries(good)) {
    const [event, source] = Array.isArray(one) ? one : [one, 'web']
    const id = source === 'app' ? undefined : name
    const before = tiktok.received().length
    const { status, body } = await tiktok.send([{ ...event, event_id: id }], source)
    t.match({ status, body }, { status: 200, body: { code: 0, message: 'OK', request_id: /^\d{14}/ } }, name)
    t.match(tiktok.received().slice(before), [{ source: 'server', event_id: id ?? null, verdict: 'counted' }], name)
  }
})

test('one invalid event costs its whole request, and the message names the place', async t => {
  const tiktok = await startTiktok(t)
  const event = (id: string, over: Json = {}) => tiktokEvent({ event_id: id, ...over })
  const strange = event('b', { properties: { contents: [{ quantity: 1 }], content_type: 'product' } })
  const messages = new Set<string>()
  for (let turn = 0; turn < 2; turn++) {
    messages.add((await tiktok.send([event('a'), strange, event('c')])).body.message.split(':')[0] ?? '')
  }
  t.strictSame([...messages].sort(), ['Batch.1.properties.contents.0.content_id',
    'data.1.properties.contents.0.content_id'])
  t.strictSame(tiktok.verdicts().slice(0, 3), [['server', 'rejected', 'batch_rejected'],
    ['server', 'rejected', '40002 content_keys properties.contents.0.content_id'],
    ['server', 'rejected', 'batch_rejected']])
  const unnamed = await tiktok.send([event('a'), event('b', { event_id: 5 })])
  t.equal(unnamed.body.message, 'Invalid value for event_id: not a valid string.')
  t.equal((await tiktok.send([event('a'), event('c')])).body.code, 0, 'the refused ones left no trace')
  t.strictSame(tiktok.verdicts().slice(-2), [['server', 'counted'], ['server', 'counted']])
})

const accounts = { 'token-a': { web: [pixel], offline: [eventSet] }, 'token-b': { web: ['COTHER0PIXEL00000001'] } }

test('only the right token for the source gets in', async t => {
  const tiktok = await startTiktok(t, { tiktok: { accounts } })
  const cases: [name: string, token: string | undefined, source: string, id: string, code: number][] = [
    ['the right one', 'token-a', 'web', pixel, 0],
    ['a wrong one', 'token-x', 'web', pixel, 40105],
    ['none', '', 'web', pixel, 40104],
    ['that of another account', 'token-b', 'web', pixel, 40001],
    ['an unknown pixel', 'token-a', 'web', 'CNOBODYKNOWS00000001', 40007],
    ['an event set as a pixel', 'token-a', 'web', eventSet, 40002],
    ['a pixel as an event set', 'token-a', 'offline', pixel, 40002],
    ['an event set', 'token-a', 'offline', eventSet, 0]
  ]
  for (const [name, given, source, id, code] of cases) {
    const event = source === 'web' ? tiktokEvent({ event_id: name }) : tiktokOffline({ event_id: name })
    const body = { event_source: source, event_source_id: id, data: [event] }
    const answer = await tiktok.post(body, { 'access-token': given ?? '' })
    t.match(answer, { status: 200, body: { code } }, name)
  }
  t.notMatch(JSON.stringify(tiktok.received()), /token-/)
})

test('without a list of accounts a mask or a placeholder is still no token and no pixel', async t => {
  const tiktok = await startTiktok(t)
  const body = { event_source: 'web', event_source_id: pixel, data: [tiktokEvent()] }
  for (const given of ['***', '<access_token>', '$TOKEN']) {
    t.equal((await tiktok.post(body, { 'access-token': given })).body.code, 40105, given)
  }
  t.equal((await tiktok.post({ ...body, event_source_id: '<pixel_code>' })).body.code, 40007)
  t.equal((await tiktok.post({ ...body, event_source: 'offline' })).body.code, 40002)
})

test('requests: their envelope and their limits', async t => {
  const tiktok = await startTiktok(t)
  const events = (count: number) => Array.from({ length: count }, (_, index) => tiktokEvent({ event_id: `n${index}` }))
  const envelope = (over: Json) => ({ event_source: 'web', event_source_id: pixel, data: events(1), ...over })
  const long = Array.from({ length: 40 }, () => tiktokEvent({ properties: { description: 'x'.repeat(30_000) } }))
  const cases: [name: string, body: unknown, code: number, reason?: string][] = [
    ['a test code', envelope({ test_event_code: 'TEST123' }), 0],
    ['1,000 events', envelope({ data: events(1000) }), 0],
    ['1,001 events', envelope({ data: events(1001) }), 40061, 'batch_size'],
    ['more than 1 MB', envelope({ data: long }), 40061, 'batch_bytes'],
    ['no events', envelope({ data: [] }), 40002, 'envelope data'],
    ['events that are no list', envelope({ data: tiktokEvent() }), 40002, 'envelope data'],
    ['an event that is none', envelope({ data: ['x'] }), 40002, 'event_type'],
    ['an unknown key', envelope({ pixel_code: pixel }), 40002, 'unexpected_body_key pixel_code'],
    ['an unknown source', envelope({ event_source: 'website' }), 40002, 'envelope event_source'],
    ['no source id', envelope({ event_source_id: undefined }), 40002, 'envelope event_source_id'],
    ['a number for a source id', envelope({ event_source_id: 7 }), 40002, 'envelope event_source_id'],
    ['an empty test code', envelope({ test_event_code: '' }), 40002, 'envelope test_event_code'],
    ['a partner nobody knows', envelope({ partner_name: 'Postern' }), 40063, 'partner_name'],
    ['no JSON', '{"data":', 40000, 'unreadable_body'],
    ['a list', [], 40000, 'unreadable_body']
  ]
  for (const [name, body, code, reason] of cases) {
    t.equal((await tiktok.post(body)).body.code, code, name)
    if (reason !== undefined) t.equal(tiktok.received().at(-1)?.reason, `${code} ${reason}`, name)
  }
  t.equal((await tiktok.post(envelope({}), { 'content-type': 'text/plain' })).body.code, 40000)
  t.equal((await tiktok.post(envelope({}), {}, '/open_api/v1.2/event/track/')).body.code, 40006)
  const withoutSlash = await fetch(`${tiktok.url}/tiktok${path.slice(0, -1)}`, { method: 'POST' })
  t.equal(withoutSlash.status, 404)
})

test('pixel and server count once: merged within five minutes, dropped within 48 hours', async t => {
  const tiktok = await startTiktok(t)
  const hour = 3_600_000
  const fresh = (id: string, hours = 0, over: Json = {}) =>
    tiktok.send([tiktokEvent({ event_id: id, event_time: exampleNowMs / 1000 + hours * 3600, ...over })])
  t.equal((await tiktok.pixel('Lead', 'a')).headers.get('access-control-allow-origin'), '*')
  await fresh('a')
  await fresh('a')
  await tiktok.pixel('Lead', 'a')
  await fresh('a', 0, { event: 'Contact' })
  await tiktok.pixel('Lead', 'b')
  tiktok.pass(5 * 60_000 + 1)
  await fresh('b')
  await tiktok.pixel('Lead')
  await tiktok.pixel('Lead')
  await tiktok.send([tiktokOffline({ event: 'Lead', event_id: 'a' })], 'offline')
  tiktok.pass(48 * hour)
  await fresh('b', 48)
  t.strictSame(tiktok.verdicts(), [
    ['browser', 'counted'],
    ['server', 'deduplicated', 'merged_event_id'],
    ['server', 'deduplicated', 'merged_event_id'],
    ['browser', 'deduplicated', 'same_event_id'],
    ['server', 'counted'],
    ['browser', 'counted'],
    ['server', 'deduplicated', 'same_event_id'],
    ['browser', 'counted'],
    ['browser', 'counted'],
    ['server', 'counted'],
    ['server', 'counted']
  ])
})

test('events of an app are not recognised', async t => {
  const tiktok = await startTiktok(t)
  for (let turn = 0; turn < 2; turn++) await tiktok.send([app()], 'app')
  t.strictSame(tiktok.verdicts(), [['server', 'counted'], ['server', 'counted']])
})

test('a pixel is told the same whatever becomes of its copy', async t => {
  const tiktok = await startTiktok(t, { tiktok: { accounts } })
  const answers = [await tiktok.pixel('Lead', 'a'), await tiktok.pixel('', 'b'), await tiktok.pixel('Lead', 'c', 'x'),
    await tiktok.pixel('Lead', 'd', 'CNOBODYKNOWS00000001'),
    await fetch(`${tiktok.url}/tiktok/api/v2/pixel`, { method: 'POST', body: '{' })]
  t.strictSame(answers.map(({ status }) => status), [200, 200, 200, 200, 200])
  t.strictSame(tiktok.verdicts(), [['browser', 'counted'], ['browser', 'rejected', 'event_name'],
    ['browser', 'rejected', 'pixel_code'], ['browser', 'rejected', 'unknown_pixel'],
    ['browser', 'rejected', 'pixel_code']])
})

test('a failure that a test orders is one of TikTok\'s: a code, with 200', async t => {
  const tiktok = await startTiktok(t)
  const cases: [Json, number][] = [[{ status: 429 }, 40100], [{ status: 503 }, 50000], [{ status: 401 }, 40105],
    [{ status: 403 }, 40001], [{ status: 400 }, 40000], [{ status: 500, code: 60001 }, 60001]]
  for (const [fault, code] of cases) {
    tiktok.behave({ faults: [{ kind: 'status', retry_after_seconds: 7, times: 1, ...fault }] })
    const { status, headers, body } = await tiktok.send([tiktokEvent()])
    t.strictSame([status, headers.get('retry-after'), body.code], [200, '7', code])
  }
  t.equal((await tiktok.send([tiktokEvent()])).body.code, 0)
  t.equal(tiktok.verdicts().at(-1)?.[1], 'counted', 'what failed left no trace')
})
