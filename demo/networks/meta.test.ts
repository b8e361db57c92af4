// The fake Meta over real HTTP: every rule refuses what it should, good events pass, and copies count once.
import { test } from 'tap'
import { startFakeNetworks, type FakeNetworksOptions } from './fake_networks.ts'
import { exampleEvent, exampleNowMs, exampleUser, sha256 } from './meta_example.ts'
import { metaRules } from './meta.ts'
import type { Json } from './json.ts'

interface Answer {
  status: number
  headers: Headers
  body: { events_received?: number, messages?: unknown[], fbtrace_id?: string, error?: Json }
}
interface T { teardown (clean: () => unknown): void }

async function startMeta (t: T, options: FakeNetworksOptions = {}) {
  let nowMs = exampleNowMs
  const fakes = await startFakeNetworks({ now: () => nowMs, ...options })
  t.teardown(() => fakes.close())
  const headers = { 'content-type': 'application/json', authorization: 'Bearer EAAB-token' }
  return {
    ...fakes,
    pass (ms: number) { nowMs += ms },
    async send (data: unknown, init: RequestInit = {}, path = 'v26.0/1234567890/events'): Promise<Answer> {
      const body = JSON.stringify({ data })
      const response = await fetch(`${fakes.url}/meta/${path}`, { method: 'POST', headers, body, ...init })
      return { status: response.status, headers: response.headers, body: await response.json() as Answer['body'] }
    },
    pixel: (query: Record<string, string>) => fetch(`${fakes.url}/meta/tr?${new URLSearchParams(query)}`),
    verdicts: () => fakes.received().map(({ source, verdict, reason }) =>
      [source, verdict, ...(reason ? [reason] : [])])
  }
}

const user = (over: Json): Json => exampleEvent({ user_data: exampleUser(over) })
const custom = (data: Json, over: Json = {}): Json => exampleEvent({ custom_data: data, ...over })
const purchase = { event_name: 'Purchase' }
const without = (key: string): Json => { const { [key]: _left, ...rest } = exampleEvent(); return rest }
const ago = (days: number): number => exampleNowMs / 1000 - days * 86_400
const app = (appData: Json): Json => exampleEvent({ action_source: 'app', app_data: appData })
const extinfo = ['i2', '', '', '', '17.1', ...Array.from({ length: 11 }, () => 'x')]

/** What each rule must refuse: the rule's name, then events that break it and no rule before it. */
const broken: Record<string, Json[]> = {
  unexpected_key: [exampleEvent({ click_id: 'x' }), exampleEvent({ advertiser_tracking_enabled: 1 }),
    exampleEvent({ customer_segmentation: 'new_customer_to_business' })],
  missing_key: ['event_name', 'event_time', 'user_data', 'action_source'].map(without),
  wrong_type: [{ event_time: String(ago(0)) }, { event_time: ago(0) + 0.5 }, { event_time: '2026-11-23T09:59:00Z' },
    { event_id: 17 }, { event_id: '' }, { event_id: 'x'.repeat(256) }, { action_source: 'web' },
    { event_name: ' Lead' },
    { user_data: [] }, { custom_data: [] }, { opt_out: 'true' }, { data_processing_options: ['ldu'] },
    { data_processing_options: ['LDU', 'LDU'] }, { data_processing_options_country: 'US' },
    { data_processing_options_state: 999 }, { action_source: 'Website' }].map(exampleEvent),
  event_too_old: [{ event_time: ago(7.01) }, { event_time: ago(62.01), action_source: 'physical_store' },
    { event_time: Math.floor(exampleNowMs / 1_000_000) }].map(exampleEvent),
  event_in_future: [{ event_time: exampleNowMs }, { event_time: exampleNowMs / 1000 + 61 }].map(over =>
    exampleEvent(over)),
  url_missing: [without('event_source_url')],
  url_scheme: ['www.example.com/', 'ftp://example.com/', 'https://', '/offer', 'android-app://x'].flatMap(url =>
    [exampleEvent({ event_source_url: url }), exampleEvent({ referrer_url: url })]),
  ldu_country: [exampleEvent({ data_processing_options: ['LDU'] })],
  ldu_state: [exampleEvent({ data_processing_options: ['LDU'], data_processing_options_country: 1 })],
  ldu_without_options: [{ data_processing_options_country: 1, data_processing_options_state: 1000 },
    { data_processing_options: [], data_processing_options_country: 0, data_processing_options_state: 0 },
    { data_processing_options: ['LDU'], data_processing_options_country: 0, data_processing_options_state: 1000 }]
    .map(exampleEvent),
  original_event_key: [{ _event_name: 'Lead' }, { event_time: '5' }].map(data =>
    exampleEvent({ original_event_data: data })),
  attribution_key_missing: [exampleEvent({ attribution_data: { ad_id: '1', touchpoint_ts: 1, attribution_share: 1 } })],
  app_data: [exampleEvent({ action_source: 'app' }), app({ extinfo: [] }),
    app({ extinfo: extinfo.with(4, ''), advertiser_tracking_enabled: 1, application_tracking_enabled: 1 }),
    app({ extinfo, advertiser_tracking_enabled: true, application_tracking_enabled: 1 })],
  messaging_channel_missing: [exampleEvent({ action_source: 'business_messaging' })],
  misspelt_standard_name: ['lead', 'LEAD', 'purchase', 'add_to_cart', 'page_view', 'Pageview'].map(name =>
    exampleEvent({ event_name: name })),
  sdk_appendix: ['AQQCAQMC', 'Bg'].map(end => exampleEvent({ event_source_url: `https://example.com/offer.${end}` })),
  collect_address: ['v1/leads', 'v1/e', 's.js'].map(path =>
    exampleEvent({ referrer_url: `https://t.example.com/${path}` })),
  private_address: ['https://example.com/#top', 'https://me@example.com/', 'https://example.com/?m=erika%40example.com',
    'https://example.com/?m=erika@example.com'].map(url => exampleEvent({ event_source_url: url })),
  raw_email: [custom({ content_name: 'erika@example.com' }), custom({ form: { answers: ['erika@example.com'] } })],
  empty_value: [custom({ content_name: null }), custom({ content_name: '' }), custom({ contents: [] }),
    exampleEvent({ original_event_data: {} }), custom({ contents: [{ id: '' }] })],
  stringified_nothing: ['undefined', 'null', 'NaN', '[object Object]'].map(name => custom({ content_name: name })),
  unexpected_user_key: ['click_id', 'fbclid', 'email', 'browser_id'].map(key => user({ [key]: 'x' })),
  user_value_type: [{ em: 17 }, { em: { hash: sha256('x') } }, { client_ip_address: ['203.0.113.7'] },
    { fb_login_id: 'x' }].map(user),
  not_hashed: ['em', 'ph', 'fn', 'ln', 'ge', 'db', 'ct', 'st', 'zp', 'country'].flatMap(key =>
    ['plain', [sha256('a'), sha256('a').toUpperCase()], sha256('a').slice(1), `${sha256('a')}.AQQCAQMC`].map(value =>
      user({ [key]: value }))),
  external_id_not_hashed: [user({ external_id: 'customer-17' }), user({ external_id: [sha256('a'), '17'] })],
  fb_grammar: ['fbc', 'fbp'].flatMap(key => ['fb.1.', 'fb.1.1700000000.123', `fb.1.${exampleNowMs}.`,
    `fb.x.${exampleNowMs}.123`, `fb.1.${exampleNowMs}.12 3`, `fb.1.${exampleNowMs}.123.xyz`, `1.${exampleNowMs}.123`,
    `fb.1.${exampleNowMs + 120_000}.123`, `fb.1.${exampleNowMs}.123.AQ.AQ`]
    .map(value => user({ [key]: value })))
    .concat(user({ fbp: `fb.1.${exampleNowMs}.abc` }), user({ fbc: 'IwZXh0bgNhZW0' })),
  insufficient_user_data: [{ country: sha256('de'), client_user_agent: 'Mozilla/5.0' },
    { client_user_agent: 'Mozilla/5.0' }, { db: sha256('19840229') }, { fn: sha256('erika'), ge: sha256('f') },
    { ln: sha256('muster') }]
    .map(data => exampleEvent({ user_data: data })),
  lead_id: ['l:123456789012345', '12345', '123456789012345678'].map(id => user({ lead_id: id })),
  ip_address: ['203.0.113.7, 10.0.0.1', ' 203.0.113.7', '10.0.0.1', '192.168.1.4', '172.20.0.2', '100.64.1.1',
    '169.254.1.1', '::ffff:203.0.113.7', 'fe80::1', 'fd00::1', 'unknown', '203.0.113.7:443', '239.1.1.1'].map(address =>
    user({ client_ip_address: address })),
  hashed_in_clear_field: [user({ client_user_agent: sha256('Mozilla') }), user({ subscription_id: sha256('1') })],
  user_agent: [' Mozilla/5.0', '203.0.113.7', 'x'].map(agent => user({ client_user_agent: agent })),
  hash_of_nothing: ['', 'undefined', 'null', '[object Object]'].flatMap(text =>
    [user({ em: sha256(text) }), user({ external_id: [sha256('a'), sha256(text)] })]),
  unmatchable_hash: [{ country: sha256('DE') }, { country: sha256('uk') }, { country: sha256('germany') },
    { country: sha256(sha256('de')) }, { ge: sha256('female') }, { db: sha256('1984-02-29') },
    { db: sha256('29021984') },
    { db: sha256('19970231') }].map(user),
  repeated_value: [user({ em: [sha256('a'), sha256('a')] })],
  fbc_past_its_life: [user({ fbc: `fb.1.${exampleNowMs - 91 * 86_400_000}.IwZXh0` })],
  custom_value_type: [{ value: '150,00' }, { value: [1] }, { content_ids: 'a' }, { content_type: 'item' },
    { num_items: '2' }, { order_id: 1042 }, { contents: ['a'] }].map(data =>
    custom({ currency: 'EUR', ...data })),
  purchase_without_value: [custom({ currency: 'EUR' }, purchase),
    exampleEvent({ ...purchase, custom_data: undefined })],
  value_without_currency: [custom({ value: 1 }), custom({ value: 1 }, purchase)],
  currency_code: ['€', 'EURO', 'XQQ'].map(currency => custom({ value: 1, currency })),
  content_keys: [{ quantity: 1 }, { id: 'a', price: 1 }, { id: 'a', quantity: 0 }, { id: 'a', item_price: '1 €' },
    { id: 'a', delivery_category: 'post' }].map(content => custom({ contents: [content] })),
  negative_value: [custom({ value: -1, currency: 'EUR' })]
}

test('every rule has something that breaks it, and breaks it first', async t => {
  const meta = await startMeta(t)
  t.strictSame(Object.keys(broken).sort(), metaRules.map(rule => rule.name).sort(), 'the table covers the rules')
  for (const { name, subcode, from } of metaRules) {
    t.match(from, /^(meta\.md §|ours: )/, `${name} names its source`)
    for (const event of broken[name] ?? []) {
      const before = meta.received().length
      const { status, body } = await meta.send([event])
      const [receipt, ...more] = meta.received().slice(before)
      t.equal(status, 400)
      t.match(body.error, { code: 100, error_subcode: subcode, fbtrace_id: /^A/ })
      t.equal(receipt?.verdict, 'rejected')
      t.equal(receipt?.reason?.split(' ')[1], name, `${name}: ${receipt?.reason}`)
      t.strictSame([more, receipt?.body], [[], JSON.parse(JSON.stringify(event))])
    }
  }
})

const good: Record<string, Json> = {
  'a website lead': exampleEvent(),
  'one without user agent': exampleEvent({ user_data: { em: sha256('a'), client_ip_address: '2001:db8::1' } }),
  'address and browser alone': exampleEvent({
    user_data: { client_ip_address: '127.0.0.1', client_user_agent: 'Mozilla/5.0' }
  }),
  'the visitor at this machine': user({ client_ip_address: '::1' }),
  'an fbp alone': exampleEvent({ user_data: { fbp: `fb.0.${exampleNowMs}.1` } }),
  'cookies with the appendix of a Meta library': user({
    fbc: `fb.2.${exampleNowMs}.IwZXh0.AQQCAQMC`, fbp: `fb.1.${exampleNowMs}.123.BA`
  }),
  'almost seven days old': exampleEvent({ event_time: ago(6.99) }),
  'a visit to a shop two months ago': exampleEvent({
    event_time: ago(61.9), action_source: 'physical_store', event_source_url: undefined
  }),
  'a clock half a minute ahead': exampleEvent({ event_time: exampleNowMs / 1000 + 30 }),
  'limited data use by place': exampleEvent({
    data_processing_options: ['LDU'], data_processing_options_country: 0, data_processing_options_state: 0
  }),
  'limited data use in California': exampleEvent({
    data_processing_options: ['LDU'], data_processing_options_country: 1, data_processing_options_state: 1000
  }),
  'limited data use explicitly off': exampleEvent({ data_processing_options: [] }),
  'a purchase': custom({
    value: '149.90',
    currency: 'eur',
    order_id: '1042',
    content_type: 'product',
    content_ids: ['a'],
    num_items: 1,
    contents: [{ id: 'a', quantity: 2, item_price: 74.95 }],
    coupon: 'own keys pass here'
  }, purchase),
  'a custom event': exampleEvent({ event_name: 'RoofMeasured', event_id: 'Übung-1' }),
  'a stage of a CRM': exampleEvent({
    event_name: 'lead',
    action_source: 'system_generated',
    event_source_url: undefined,
    user_data: { lead_id: '123456789012345' },
    custom_data: { event_source: 'crm', lead_event_source: 'HubSpot' }
  }),
  'an event of an app': app({ extinfo, advertiser_tracking_enabled: 1, application_tracking_enabled: 0 })
}

test('good events are counted and answered with their number', async t => {
  const meta = await startMeta(t)
  for (const [name, event] of Object.entries(good)) {
    const before = meta.received().length
    const { status, body } = await meta.send([{ ...event, event_id: name }])
    t.equal(status, 200, name)
    t.match(body, { events_received: 1, messages: [], fbtrace_id: /^A/ })
    t.match(meta.received().slice(before), [{ source: 'server', event_id: name, verdict: 'counted' }], name)
  }
})

test('one invalid event costs its whole request, and only a general error names the place', async t => {
  const meta = await startMeta(t)
  const event = (id: string, over: Json = {}) => exampleEvent({ event_id: id, ...over })
  const strange = event('b', { user_data: exampleUser({ click_id: 'x' }) })
  const named = await meta.send([event('a'), strange, event('c')])
  t.equal(named.body.error?.error_subcode, 2804019)
  t.match(named.body.error?.message, /"click_id".*\$\['data'\]\[1\]\['user_data'\]/)
  t.strictSame(meta.verdicts(), [['server', 'rejected', 'batch_rejected'],
    ['server', 'rejected', '100/2804019 unexpected_user_key user_data.click_id'],
    ['server', 'rejected', 'batch_rejected']])
  const unnamed = await meta.send([event('a'), event('b', { event_time: ago(8) })])
  t.notMatch(unnamed.body.error?.message, /data/)
  t.equal((await meta.send([event('a'), event('c')])).body.events_received, 2, 'the refused ones left no trace')
  t.strictSame(meta.verdicts().slice(-2), [['server', 'counted'], ['server', 'counted']])
})

test('errors come in several languages', async t => {
  const meta = await startMeta(t)
  const titles = new Set<unknown>()
  for (let turn = 0; turn < 3; turn++) titles.add((await meta.send([{}])).body.error?.error_user_title)
  t.equal(titles.size, 3)
})

const strictPixels = { meta: { pixels: { 111: 'token-a', 222: 'token-b' } } }
const bearer = (token: string) => ({ 'content-type': 'application/json', authorization: `Bearer ${token}` })

test('only the right token for the account gets in', async t => {
  const meta = await startMeta(t, strictPixels)
  const cases: [name: string, path: string, headers: Record<string, string>, status: number, codes: object][] = [
    ['the right one', 'v26.0/111/events', bearer('token-a'), 200, {}],
    ['a wrong one', 'v26.0/111/events', bearer('token-x'), 401, { code: 190 }],
    ['a wrong one in the address', 'v26.0/111/events?access_token=x', {}, 400, { code: 190 }],
    ['none', 'v26.0/111/events', {}, 400, { code: 104 }],
    ['that of another account', 'v26.0/111/events', bearer('token-b'), 400, { code: 100, error_subcode: 33 }],
    ['an unknown account', 'v26.0/333/events', bearer('token-a'), 400, { code: 100, error_subcode: 33 }],
    ['an unknown version', 'v12.0/111/events', bearer('token-a'), 400, { code: 2635 }],
    ['the right one in the address', 'v26.0/222/events?access_token=token-b', {}, 200, {}]
  ]
  for (const [name, path, headers, status, codes] of cases) {
    const init = { headers: { ...bearer(''), authorization: '', ...headers } }
    const answer = await meta.send([exampleEvent({ event_id: name })], init, path)
    t.equal(answer.status, status, name)
    t.match(answer.body.error ?? {}, codes, name)
  }
  t.notMatch(JSON.stringify(meta.received()), /token-/)
})

test('without a list of accounts a mask or a placeholder is still no token', async t => {
  const meta = await startMeta(t)
  for (const token of ['***', '<access_token>', '$TOKEN']) {
    t.equal((await meta.send([exampleEvent()], { headers: bearer(token) })).body.error?.code, 190, token)
  }
  t.equal((await meta.send([exampleEvent()], {}, 'v26.0/<pixel_id>/events')).body.error?.error_subcode, 33)
})

test('an app secret asks for its proof', async t => {
  const meta = await startMeta(t, { meta: { appSecret: 'secret' } })
  const proven = (proof: string) => meta.send([exampleEvent()], {}, `v26.0/1/events?appsecret_proof=${proof}`)
  // printf EAAB-token | openssl dgst -sha256 -hmac secret
  const proof = '940c02b6d4110fc81274b7ced50c8f1c067cdc892d4d824b08e555ac5907f42e'
  t.equal((await meta.send([exampleEvent()])).body.error?.code, 104)
  t.equal((await proven(proof.replace('9', '8'))).body.error?.code, 104)
  t.equal((await proven(proof)).body.events_received, 1)
})

test('bodies: their three forms, their keys and their limits', async t => {
  const meta = await startMeta(t)
  const events = (count: number) => Array.from({ length: count }, (_, index) => exampleEvent({ event_id: `n${index}` }))
  const json = (body: unknown): RequestInit => ({ body: typeof body === 'string' ? body : JSON.stringify(body) })
  const multipart = new FormData()
  multipart.set('data', JSON.stringify(events(2)))
  multipart.set('access_token', 'abc')
  const urlencoded = new URLSearchParams({ access_token: 'abc' })
  for (const event of events(2)) urlencoded.append('data', JSON.stringify(event))
  const cases: [name: string, init: RequestInit, outcome: number | string][] = [
    ['a test code and a partner', json({ data: events(1), test_event_code: 'TEST123', partner_agent: 'postern' }), 1],
    ['multipart', { body: multipart, headers: {} }, 2],
    ['urlencoded, an event a field', { body: urlencoded, headers: {} }, 2],
    ['1,000 events', json({ data: events(1000) }), 1000],
    ['1,001 events', json({ data: events(1001) }), 'too_many_events'],
    ['no events', json({ data: [] }), 'data_missing data'],
    ['events that are no list', json({ data: exampleEvent() }), 'data_missing data'],
    ['an event that is none', json({ data: ['x'] }), 'event_type'],
    ['an unknown key', json({ data: events(1), events: [] }), 'unexpected_body_key events'],
    ['an empty test code', json({ data: events(1), test_event_code: '' }), 'test_event_code test_event_code'],
    ['a partner without letters', json({ data: events(1), partner_agent: '12' }), 'partner_agent partner_agent'],
    ['no JSON', json('{"data":'), 'unreadable_body'],
    ['JSON said to be text', {
      ...json({ data: events(1) }), headers: { ...bearer('abc'), 'content-type': 'text/plain' }
    }, 'unreadable_body']
  ]
  for (const [name, init, outcome] of cases) {
    const { body } = await meta.send([], init)
    if (typeof outcome === 'number') t.equal(body.events_received, outcome, name)
    else t.match(meta.received().at(-1)?.reason, new RegExp(`^100(/2804019)? ${outcome}$`), name)
  }
})

test('a version that has ended is served with a warning', async t => {
  const meta = await startMeta(t)
  t.equal((await meta.send([exampleEvent()], {}, 'v21.0/1/events')).headers.get('x-ad-api-version-warning'), null)
  meta.pass(60 * 86_400_000)
  const late = await meta.send([exampleEvent({ event_time: ago(-59.99) })], {}, 'v21.0/1/events')
  t.match(late.headers.get('x-ad-api-version-warning'), /v21/)
})
