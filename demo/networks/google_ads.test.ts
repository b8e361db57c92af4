// The fake Data Manager API over real HTTP: every rule refuses what it should, good events pass, verdicts come later.
import { test } from 'tap'
import { startFakeNetworks } from './fake_networks.ts'
import { googleAdsRules, type FakeGoogleAdsOptions } from './google_ads.ts'
import {
  callAction, customer, exampleAddress, exampleDestination, exampleEvent, exampleNowMs, exampleRequest, exampleSession,
  importAction, sha256, websiteAction
} from './google_ads_example.ts'
import type { Json } from './json.ts'

interface Answer { status: number, body: Json & { requestId?: string, error?: { details: Json[] } & Json } }
interface T { teardown (clean: () => unknown): void }

const customers = {
  [customer]: {
    [importAction]: { kind: 'UPLOAD_CLICKS', name: 'Lead' },
    [websiteAction]: { kind: 'WEBPAGE', name: 'Order' },
    [callAction]: { kind: 'UPLOAD_CALLS' }
  }
} as const

async function startGoogle (t: T, options: FakeGoogleAdsOptions = {}) {
  let nowMs = exampleNowMs
  const fakes = await startFakeNetworks({
    now: () => nowMs, google_ads: { customers, accessTokens: ['ya29.known'], ...options }
  })
  t.teardown(() => fakes.close())
  const headers = { 'content-type': 'application/json', authorization: 'Bearer ya29.known' }
  const call = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(`${fakes.url}/google_ads/${path}`, init)
    return { status: response.status, body: await response.json() as Answer['body'] }
  }
  return {
    ...fakes,
    pass (ms: number) { nowMs += ms },
    send: (body: unknown, more: Record<string, string> = {}) =>
      call('v1/events:ingest', { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify(body) }),
    status: (id: string) => call(`v1/requestStatus:retrieve?requestId=${id}`, { headers }),
    tag: (query: Record<string, string>) =>
      fetch(`${fakes.url}/google_ads/pagead/conversion/${customer}/?${new URLSearchParams(query)}`),
    verdicts: () => fakes.received().map(({ source, verdict, reason }) =>
      [source, verdict, ...reason === undefined ? [] : [reason]].join(' '))
  }
}

const identified = (userIdentifiers: unknown[]): Json => exampleEvent({ userData: { userIdentifiers } })
const address = (over: Json): Json => identified([{ address: exampleAddress(over) }])
const clicked = (adIdentifiers: Json): Json => exampleEvent({ adIdentifiers })
const cart = (cartData: Json): Json => exampleEvent({ cartData })
const without = (key: string): Json => { const { [key]: _left, ...rest } = exampleEvent(); return rest }
const manyEmails = (length: number): Json =>
  identified(Array.from({ length }, (_, index) => ({ emailAddress: sha256(`e${index}`) })))
const emails = (hash: string): Json => identified([{ emailAddress: hash }])

/** What each rule must refuse: the rule's name, then events that break it and no rule before it. */
const broken: Record<string, Json[]> = {
  timestamp_missing: [without('eventTimestamp'), exampleEvent({ eventTimestamp: '' })],
  source_missing: [without('eventSource')],
  timestamp_format: ['1795163400', '2026-11-23 09:59:00+00:00', '2026-11-23T09:59:00', '2026-13-40T00:00:00Z']
    .map(eventTimestamp => exampleEvent({ eventTimestamp })),
  event_in_future: [exampleEvent({ eventTimestamp: '2026-11-23T10:01:01Z' })],
  enum_value: [exampleEvent({ eventSource: 'website' }), exampleEvent({ consent: { adUserData: 'GRANTED' } }),
    exampleEvent({ consent: { adUserData: 'CONSENT_GRANTED', adPersonalization: 'granted' } }),
    exampleEvent({ userProperties: { customerType: 'new' } }),
    exampleEvent({ userProperties: { customerValueBucket: 'MID' } })],
  tag_without_transaction: [],
  transaction_missing: [without('transactionId')],
  transaction_personal: [exampleEvent({ transactionId: 'order-erika@example.com' })],
  transaction_length: [exampleEvent({ transactionId: 'x'.repeat(256) })],
  currency_code: ['eur', '€', 'EURO', 'XQQ'].map(currency => exampleEvent({ currency })),
  value_without_currency: [without('currency'),
    exampleEvent({
      cartData: { items: [{ merchantProductId: 'a', unitPrice: 1 }] }, conversionValue: undefined, currency: undefined
    })],
  negative_value: [exampleEvent({ conversionValue: -1 })],
  merchant_id: [cart({ merchantId: 'shop', items: [{ merchantProductId: 'a' }] })],
  cart_empty: [cart({ items: [] }), cart({ merchantId: '55' })],
  item_quantity: [cart({ items: [{ merchantProductId: 'a', quantity: 0 }] })],
  item_of_analytics: [cart({ items: [{ merchantProductId: 'b' }, { itemId: 'a' }] })],
  key_of_analytics: [exampleEvent({ eventName: 'purchase' }), exampleEvent({ clientId: '1.2' }),
    exampleEvent({ userId: '17' })],
  variable_personal: [exampleEvent({ customVariables: [{ variable: 'note', value: 'to erika@example.com' }] })],
  third_party_data: [exampleEvent({ thirdPartyUserData: {} })],
  ip_address: ['10.0.0.1', '203.0.113.7, 10.0.0.1', '::ffff:203.0.113.7', 'unknown'].map(ipAddress =>
    exampleEvent({ eventDeviceInfo: { ipAddress } })),
  raw_email: [exampleEvent({ eventDeviceInfo: { userAgent: 'erika@example.com' } })],
  empty_value: [exampleEvent({ adIdentifiers: {} }), exampleEvent({ eventDeviceInfo: { userAgent: '' } })],
  stringified_nothing: ['undefined', 'null', 'NaN', '[object Object]'].map(userAgent =>
    exampleEvent({ eventDeviceInfo: { userAgent } })),
  identifiers_missing: [{ ...without('adIdentifiers'), userData: undefined }],
  gbraid_with_wbraid: [clicked({ gbraid: '0AAAAACpZqg7', wbraid: 'CjkKCQiAwbraid' })],
  gclid_with_wbraid: [clicked({ gclid: 'Cj0KCQiA88X', wbraid: 'CjkKCQiAwbraid' })],
  session_attributes: ['not json', Buffer.from('{"gad_source":"1"}').toString('base64'),
    exampleSession({ session_start_time_usec: exampleNowMs }), exampleSession({ session_start_time_usec: '1795163' }),
    exampleSession({ gclid: 'Cj0KCQiA88X' }), exampleSession({ landing_page_url: 'www.example.com' }),
    exampleSession({ session_start_time_usec: `${exampleNowMs + 120_000}000` }),
    exampleSession({ landing_page_url: 'https://example.com/?m=erika%40example.com' })].map(sessionAttributes =>
    clicked({ sessionAttributes })),
  too_many_identifiers: [manyEmails(11)],
  one_identifier_each: [identified([{ emailAddress: sha256('a'), phoneNumber: sha256('b') }])],
  hex_encoding: ['erika-muster', Buffer.alloc(32).toString('base64'), 'g'.repeat(64)].map(emails),
  base64_encoding: [],
  sha256_length: [sha256('a').slice(1), `${sha256('a')}0`].map(emails),
  lower_case_hex: [emails(sha256('a').toUpperCase())],
  hash_of_nothing: [emails(sha256('')), address({ givenName: sha256('undefined') })],
  address_incomplete: ['givenName', 'familyName', 'regionCode', 'postalCode'].map(key => address({ [key]: undefined })),
  address_of_analytics: [{ city: 'Berlin' }, { addressLine: sha256('x') }, { administrativeArea: 'BE' }].map(address),
  region_code: ['de', 'DEU', 'UK', 'Germany', 'QQ'].map(regionCode => address({ regionCode })),
  postal_code: [{ regionCode: 'US', postalCode: '9402' }, { regionCode: 'US', postalCode: '940251234' },
    { postalCode: sha256('10115') }, { postalCode: ' 10115' }].map(address),
  repeated_identifier: [identified([{ emailAddress: sha256('a') }, { emailAddress: sha256('a') }])]
}

test('every rule has something that breaks it, and breaks it first', async t => {
  const google = await startGoogle(t)
  t.strictSame(Object.keys(broken).sort(), googleAdsRules.map(rule => rule.name).sort(), 'the table covers the rules')
  for (const { name, reason, from } of googleAdsRules) {
    t.match(from, /^(google\.md §|ours: )/, `${name} names its source`)
    for (const event of broken[name] ?? []) {
      const before = google.received().length
      const { status, body } = await google.send(exampleRequest([event]))
      const [receipt, ...more] = google.received().slice(before)
      t.equal(status, 400, name)
      t.match(body.error, { code: 400, status: 'INVALID_ARGUMENT', details: [{ reason }] }, name)
      t.equal(receipt?.verdict, 'rejected')
      t.equal(receipt?.reason?.split(' ')[1], name, `${name}: ${receipt?.reason}`)
      t.strictSame([more, receipt?.body], [[], JSON.parse(JSON.stringify(event))])
    }
  }
  const tagged = exampleRequest([{ ...without('transactionId'), destinationReferences: [websiteAction] }], {},
    websiteAction)
  t.match((await google.send(tagged)).body, { error: { details: [{ reason: 'REQUIRED_FIELD_MISSING' }] } })
  t.match(google.received().at(-1)?.reason, /tag_without_transaction/)
  const inBase64 = (hash: string) => google.send(exampleRequest([emails(hash)], { encoding: 'BASE64' }))
  t.match((await inBase64(sha256('a'))).body, { error: { details: [{ reason: 'INVALID_BASE64_ENCODING' }] } })
  t.equal((await inBase64(Buffer.from(sha256('a'), 'hex').toString('base64'))).status, 200)
})

const good: Record<string, Json> = {
  'a lead with everything': exampleEvent(),
  'a click alone': { ...clicked({ gclid: 'Cj0KCQiA88X' }), userData: undefined },
  'gclid with gbraid': clicked({ gclid: 'Cj0KCQiA88X', gbraid: '0AAAAACpZqg7' }),
  'a wbraid': clicked({ wbraid: 'CjkKCQiAwbraid' }),
  'a person alone': without('adIdentifiers'),
  'a time with an offset': exampleEvent({ eventTimestamp: '2026-11-23T10:59:30+01:00' }),
  'a clock half a minute ahead': exampleEvent({ eventTimestamp: '2026-11-23T10:00:30Z' }),
  'an event without value': { ...without('conversionValue'), currency: undefined },
  'worth nothing': exampleEvent({ conversionValue: 0 }),
  'ten identifiers': manyEmails(10),
  'an address in the United States': address({ regionCode: 'US', postalCode: '94025-1234' }),
  'an address in the United Kingdom': address({ regionCode: 'GB', postalCode: 'M1 1AE' }),
  'a purchase with its cart': cart({
    merchantId: '5512345',
    merchantFeedLabel: 'DE',
    merchantFeedLanguageCode: 'de',
    items: [{ merchantProductId: 'a', quantity: '2', unitPrice: 24.5 }]
  }),
  'what the owner says of the customer': exampleEvent({
    userProperties: { customerType: 'RETURNING', customerValueBucket: 'HIGH' },
    customVariables: [{ variable: 'minutes', value: '12' }]
  }),
  'a visitor\'s address': exampleEvent({ eventDeviceInfo: { ipAddress: '2001:db8::1' } })
}

test('good events are taken in under a request id, and counted when half an hour is over', async t => {
  const google = await startGoogle(t)
  for (const [name, event] of Object.entries(good)) {
    const before = google.received().length
    const { status, body } = await google.send(exampleRequest([{ ...event, transactionId: name }]))
    t.equal(status, 200, name)
    const counted = { source: 'server', event_name: 'Lead', event_id: name, verdict: 'counted' }
    t.match(google.received().slice(before), [counted])
    const { body: early } = await google.status(String(body.requestId))
    const processing = { requestStatus: 'PROCESSING', destination: exampleDestination() }
    t.match(early, { requestStatusPerDestination: [processing] })
    google.pass(30 * 60_000)
    const { body: late } = await google.status(String(body.requestId))
    t.match(late, {
      requestStatusPerDestination: [{ requestStatus: 'SUCCESS', eventsIngestionStatus: { recordCount: '1' } }]
    }, name)
    google.pass(-30 * 60_000)
  }
})

test('one invalid event costs its whole request, and its place is named', async t => {
  const google = await startGoogle(t)
  const events = [exampleEvent(), without('eventSource'), exampleEvent({ transactionId: 'c', currency: 'eur' })]
  const fields: unknown[] = []
  while (fields.length < 2) {
    const { status, body } = await google.send(exampleRequest(events))
    t.equal(status, 400)
    const bad = body.error?.details.find(detail => String(detail['@type']).endsWith('BadRequest'))
    fields.push((bad?.fieldViolations as { field: string, reason: string }[]).map(one => `${one.reason} ${one.field}`))
  }
  t.strictSame(fields, [
    ['REQUIRED_FIELD_MISSING events[1].event_source', 'INVALID_CURRENCY_CODE events[2].currency'],
    ['REQUIRED_FIELD_MISSING events.events[1].event_source', 'INVALID_CURRENCY_CODE events.events[2].currency']
  ], 'in both spellings of the place')
  t.same(google.verdicts().slice(0, 3), ['server rejected batch_rejected',
    'server rejected REQUIRED_FIELD_MISSING source_missing eventSource',
    'server rejected INVALID_CURRENCY_CODE currency_code currency'])
})

test('proto JSON knows no other keys and no other types', async t => {
  const google = await startGoogle(t)
  const cases: [unknown, RegExp][] = [
    [exampleRequest([exampleEvent({ click_id: 'x' })]), /Unknown name "click_id" at 'events\[0\]'/],
    [exampleRequest([clicked({ fbclid: 'x' })]), /Unknown name "fbclid" at 'events\[0\]\.ad_identifiers'/],
    [{ ...exampleRequest([exampleEvent()]), partialFailure: true }, /Unknown name "partialFailure"/],
    [exampleRequest([exampleEvent({ conversionValue: '50' })]), /events\[0\]\.conversion_value' \(TYPE_DOUBLE\)/],
    [exampleRequest([exampleEvent({ transactionId: 1042 })]), /transaction_id' \(TYPE_STRING\)/],
    [exampleRequest([exampleEvent({ userData: [] })]), /user_data' \(TYPE_MESSAGE\)/],
    [{ ...exampleRequest([]), events: {} }, /'events' \(TYPE_MESSAGE\)/],
    [[exampleEvent()], /Root element/]
  ]
  for (const [body, message] of cases) {
    const answer = await google.send(body)
    t.match(answer, { status: 400, body: { error: { status: 'INVALID_ARGUMENT', message } } }, String(message))
  }
  t.equal((await google.send(exampleRequest([exampleEvent()]), { 'content-type': 'text/plain' })).status, 400)
})

test('what is around the events must be right as well', async t => {
  const google = await startGoogle(t)
  const to = (over: Json, action?: string) => exampleRequest([exampleEvent({ destinationReferences: undefined })],
    { destinations: [exampleDestination(over, action)] })
  const account = (accountId: string, accountType = 'GOOGLE_ADS') => ({ accountType, accountId })
  const cases: [Json, number, string][] = [
    [exampleRequest([exampleEvent()], { encoding: undefined }), 400, 'REQUIRED_FIELD_MISSING'],
    [exampleRequest([exampleEvent()], { encoding: 'hex' }), 400, 'INVALID_ENUM_VALUE'],
    [exampleRequest([]), 400, 'REQUIRED_FIELD_MISSING'],
    [exampleRequest([exampleEvent()], { destinations: [] }), 400, 'REQUIRED_FIELD_MISSING'],
    [exampleRequest(new Array(2001).fill(exampleEvent())), 400, 'TOO_MANY_EVENTS'],
    [exampleRequest([exampleEvent()], { destinations: [exampleDestination(), exampleDestination()] }), 400,
      'DUPLICATE_DESTINATION_REFERENCE'],
    [exampleRequest([exampleEvent()], { destinations: new Array(11).fill(exampleDestination()) }), 400,
      'TOO_MANY_DESTINATIONS'],
    [exampleRequest([exampleEvent({ destinationReferences: ['other'] })]), 400, 'INVALID_DESTINATION'],
    [to({ productDestinationId: '1' }), 400, 'INVALID_CONVERSION_ACTION_ID'],
    [to({ productDestinationId: `customers/${customer}/conversionActions/${importAction}` }), 400,
      'INVALID_CONVERSION_ACTION_ID'],
    [to({}, callAction), 400, 'INVALID_CONVERSION_ACTION_TYPE'],
    [to({ operatingAccount: account('604-318-2257') }), 400, 'INVALID_NUMBER_FORMAT'],
    [to({ operatingAccount: account(customer, 'ADS') }), 400, 'INVALID_ENUM_VALUE'],
    [to({ operatingAccount: account(customer, 'FLOODLIGHT_CONFIG') }), 400, 'INVALID_DESTINATION'],
    [to({ operatingAccount: account('1111111111') }), 403, 'PERMISSION_DENIED'],
    [to({ loginAccount: account(customer) }), 403, 'PERMISSION_DENIED']
  ]
  for (const [body, status, reason] of cases) {
    t.match(await google.send(body), { status, body: { error: { details: [{ reason }] } } }, reason)
  }
  t.notOk(google.received().some(({ verdict }) => verdict === 'counted'))
  t.equal((await google.send(to({ loginAccount: account('7719204438') }))).status, 200)
  t.equal((await google.send(exampleRequest(new Array(2000).fill(exampleEvent())))).status, 200)
})

test('a token is asked for, and one that is none or has ended is refused', async t => {
  const google = await startGoogle(t, { tokenSeconds: 60 })
  const answer = (authorization: string) => google.send(exampleRequest([exampleEvent()]), { authorization })
  for (const authorization of ['', 'Bearer ya29.other', 'ya29.known', 'Bearer ***']) {
    t.match(await answer(authorization), { status: 401, body: { error: { status: 'UNAUTHENTICATED' } } }, authorization)
  }
  const form = { client_id: '1-a', client_secret: 's', refresh_token: '1//r', grant_type: 'refresh_token' }
  const response = await fetch(`${google.url}/google_ads/token`, { method: 'POST', body: new URLSearchParams(form) })
  const { access_token: token } = await response.json() as { access_token: string }
  t.equal((await answer(`Bearer ${token}`)).status, 200)
  google.pass(60_000)
  const ended = { error: { details: [{ reason: 'ACCESS_TOKEN_EXPIRED' }] } }
  t.match(await answer(`Bearer ${token}`), { status: 401, body: ended })
})

test('300 requests a minute are one project\'s quota, and reads are counted apart', async t => {
  const google = await startGoogle(t, { quota: { perMinute: 3, perDay: 5 } })
  const send = async () => (await google.send(exampleRequest([exampleEvent()])))
  const statuses: number[] = []
  for (let index = 0; index < 4; index++) statuses.push((await send()).status)
  t.same(statuses, [200, 200, 200, 429])
  t.match(await send(), {
    body: { error: { status: 'RESOURCE_EXHAUSTED', details: [{ metadata: { quota_limit: /PerMinute/ } }] } }
  })
  t.equal((await google.status('none')).status, 400, 'a question is answered all the same')
  google.pass(60_000)
  t.same([(await send()).status, (await send()).status], [200, 200])
  t.match(await send(), { status: 429, body: { error: { details: [{ metadata: { quota_limit: /PerDay/ } }] } } })
  t.match(google.received().at(-1), { verdict: 'rejected', reason: '429 RATE_LIMIT_EXCEEDED' })
})

test('what does not count shows half an hour later, with its place or without', async t => {
  for (const namesRecords of [true, false]) {
    const google = await startGoogle(t, { namesRecords, clicks: ['Cj0KCQiA88X'], refusesDigits: true })
    const events = [
      exampleEvent({ transactionId: 'a' }),
      exampleEvent({ transactionId: 'old', eventTimestamp: '2026-08-01T00:00:00Z' }),
      exampleEvent({ transactionId: 'denied', consent: { adUserData: 'CONSENT_DENIED' } }),
      exampleEvent({ transactionId: 'silent', consent: undefined }),
      exampleEvent({ transactionId: 'ancient', eventTimestamp: '2026-08-02T00:00:00Z' }),
      { ...clicked({ gclid: 'Cj0KCQiAother' }), transactionId: 'unknown', userData: undefined },
      { ...clicked({ gclid: 'Cj0%20KCQiA88X' }), transactionId: 'escaped' },
      exampleEvent({ transactionId: '1042' })
    ]
    const { status, body } = await google.send(exampleRequest(events))
    t.equal(status, 200)
    google.pass(1_800_000)
    const { body: later } = await google.status(String(body.requestId))
    const count = (reason: string, ...places: number[]) => ({
      recordCount: String(places.length),
      reason: `PROCESSING_ERROR_REASON_${reason}`,
      ...namesRecords ? { recordIndices: places } : {}
    })
    t.strictSame(later, {
      requestStatusPerDestination: [{
        destination: exampleDestination(),
        requestStatus: 'PARTIAL_SUCCESS',
        errorInfo: {
          errorCounts: [count('EVENT_TOO_OLD', 1, 4), count('DENIED_CONSENT', 2), count('UNKNOWN_CONSENT', 3),
            count('CLICK_NOT_FOUND', 5), count('INVALID_GCLID', 6), count('INVALID_FORMAT', 7)]
        },
        eventsIngestionStatus: { recordCount: '8' }
      }]
    })
    t.same(google.received().map(({ verdict, reason }) => [verdict, reason]), [['counted', undefined],
      ...['EVENT_TOO_OLD', 'DENIED_CONSENT', 'UNKNOWN_CONSENT', 'EVENT_TOO_OLD', 'CLICK_NOT_FOUND', 'INVALID_GCLID',
        'INVALID_FORMAT'].map(reason => ['rejected', reason])])
  }
})

test('a test orders verdicts, and shortens the wait for them', async t => {
  const verdicts = { later: ['TOO_RECENT_CLICK', null], foreign: ['OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER'] }
  const google = await startGoogle(t, { verdicts, processingMs: 0 })
  const statuses = new Set<unknown>()
  for (const id of ['later', 'later', 'foreign', 'foreign']) {
    const { body } = await google.send(exampleRequest([exampleEvent({ transactionId: id })]))
    const { body: status } = await google.status(String(body.requestId))
    const [only] = status.requestStatusPerDestination as
      { requestStatus: string, errorInfo?: { errorCounts: Json[] } }[]
    statuses.add(`${id} ${only?.requestStatus} ${String(only?.errorInfo?.errorCounts[0]?.reason)}`)
  }
  t.match([...statuses].join('\n'), /later FAIL\w+ PROCESSING_ERROR_REASON_TOO_RECENT_CLICK/)
  t.match([...statuses].join('\n'), /foreign FAIL\w+ PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH/)
  t.same(google.verdicts(), ['server rejected TOO_RECENT_CLICK', 'server counted',
    'server rejected OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER', 'server counted'])
})

test('a second copy of a transaction is an adjustment, and so is one after the page\'s own tag', async t => {
  const google = await startGoogle(t)
  const order = (transactionId: string, over: Json = {}) => exampleRequest(
    [exampleEvent({ destinationReferences: [websiteAction], transactionId, ...over })], {}, websiteAction)
  await google.tag({ label: websiteAction, oid: 'R-1', value: '50', currency_code: 'EUR' })
  await google.send(order('R-1'))
  await google.send(order('R-2'))
  await google.send(order('R-2', { conversionValue: 60 }))
  await google.tag({ label: websiteAction, oid: 'R-2' })
  await google.send(exampleRequest([exampleEvent({ transactionId: 'R-2' })]))
  await google.tag({ label: websiteAction })
  t.same(google.verdicts(), ['browser counted', 'server deduplicated same_transaction', 'server counted',
    'server deduplicated same_transaction', 'browser deduplicated same_transaction', 'server counted',
    'browser counted'], 'another action knows nothing of it, and a tag without an id counts each time')
  await google.tag({ label: importAction, oid: 'R-3' })
  await google.tag({ label: '77', oid: 'R-3' })
  await google.tag({ label: 'AbC', oid: 'R-3' })
  t.same(google.verdicts().slice(7), ['browser rejected not_a_website_action', 'browser rejected unknown_action',
    'browser rejected conversion_id'])
})

test('validateOnly counts nothing and has no status; warnings are no errors', async t => {
  const google = await startGoogle(t)
  const bought = {
    ...cart({ items: [{ merchantProductId: 'a' }] }), adIdentifiers: { gbraid: '0AAAAACpZqg7' }
  }
  const validated = await google.send(exampleRequest([bought], { validateOnly: true }))
  t.match(validated, {
    status: 200,
    body: {
      fieldWarnings: [{
        reason: 'WARNING_REASON_CART_DATA_NOT_SUPPORTED_WITH_GBRAID_OR_WBRAID', field: 'events.events[0].cart_data'
      }]
    }
  })
  t.notOk(validated.body.requestId)
  t.same(google.verdicts(), ['server rejected validate_only'])
  const { body } = await google.send(exampleRequest([cart({ items: [{ quantity: 1 }] })]))
  t.same((body.fieldWarnings as Json[]).map(({ reason }) => reason), [
    'WARNING_REASON_CART_DATA_ITEM_MERCHANT_PRODUCT_ID_MISSING', 'WARNING_REASON_CART_DATA_ITEM_UNIT_PRICE_MISSING'
  ])
  t.equal((await google.send(exampleRequest([without('eventSource')], { validateOnly: true }))).status, 400)
  t.match((await google.status('DMFake00000000')).body, { error: { details: [{ reason: 'INVALID_REQUEST_ID' }] } })
  t.match((await google.status('')).body, { error: { details: [{ reason: 'REQUIRED_FIELD_MISSING' }] } })
})

test('an event goes to all destinations unless it names some', async t => {
  const google = await startGoogle(t)
  const destinations = [exampleDestination(), exampleDestination({}, websiteAction)]
  const { body } = await google.send(exampleRequest([exampleEvent({ destinationReferences: undefined }),
    exampleEvent({ transactionId: 'b', destinationReferences: [websiteAction] })], { destinations }))
  t.same(google.received().map(one => `${one.event_name} ${one.event_id}`),
    ['Lead lead-0192f0c1', 'Order lead-0192f0c1', 'Order b'])
  google.pass(1_800_000)
  t.match((await google.status(String(body.requestId))).body, {
    requestStatusPerDestination: [{ eventsIngestionStatus: { recordCount: '1' } },
      { eventsIngestionStatus: { recordCount: '2' } }]
  })
})

test('a test can order failures of the events, of the token service, or of the status', async t => {
  const google = await startGoogle(t)
  const fault = { kind: 'status', status: 503, times: 1 } as const
  google.behave({ type: 'google_ads', faults: [{ ...fault, status: 429 }, fault] })
  t.equal((await google.status('none')).status, 400, 'a status is no event')
  t.match(await google.send(exampleRequest([exampleEvent()])), {
    status: 429, body: { error: { status: 'RESOURCE_EXHAUSTED', details: [{ metadata: { quota_limit: String } }] } }
  })
  const unavailable = { status: 503, body: { error: { status: 'UNAVAILABLE' } } }
  t.match(await google.send(exampleRequest([exampleEvent()])), unavailable)
  google.behave({ type: 'google_ads', part: 'status', faults: [{ ...fault, status: 500 }] })
  t.match(await google.status('none'), { status: 500, body: { error: { details: [{ reason: 'INTERNAL_ERROR' }] } } })
  google.behave({ type: 'google_ads', part: 'token', faults: [fault] })
  t.equal((await fetch(`${google.url}/google_ads/token`, { method: 'POST' })).status, 503)
  t.equal((await google.send(exampleRequest([exampleEvent()]))).status, 200)
})
