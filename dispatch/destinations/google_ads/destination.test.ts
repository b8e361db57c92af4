// The Google Ads destination as a whole: its requests, its settings, and its journey through the strict fake.
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { startFakeNetworks, type FakeNetworksOptions } from '../../../demo/networks/fake_networks.ts'
import { exampleNowMs, sha256 } from '../../../demo/networks/google_ads_example.ts'
import type { Outcome } from '../../../schema/outcome.ts'
import type { NetworkResponse, OutgoingRequest } from '../../destination.ts'
import { maskSecrets } from '../../preview.ts'
import { outcomesOf } from '../../judge.ts'
import { createSender } from '../../send.ts'
import { createTokens } from '../../token.ts'
import type { Target } from '../../target.ts'
import googleAds from './destination.ts'
import { knownReasons } from './errors.ts'
import type { GoogleAdsPayload } from './payload.ts'

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
})
const serviceAccount = {
  type: 'service_account',
  project_id: 'postern-main',
  client_email: 'postern@postern-main.iam.gserviceaccount.com',
  private_key: privateKey,
  token_uri: 'https://oauth2.googleapis.com/token'
}
const user = { type: 'authorized_user', client_id: '731-a', client_secret: 'shh', refresh_token: '1//known' }

const settings = {
  customer_id: '604-318-2257',
  conversion_actions: { generate_lead: '6512345001', purchase: '6512345002' },
  role: 'import',
  credentials: JSON.stringify(serviceAccount),
  custom_variables: {}
}

const payload = (over: Partial<GoogleAdsPayload> = {}): GoogleAdsPayload => ({
  destinationReferences: ['6512345001'],
  transactionId: 'lead-1',
  eventTimestamp: new Date(exampleNowMs - 1000).toISOString(),
  eventSource: 'WEB',
  userData: { userIdentifiers: [{ emailAddress: sha256('ada@example.org') }] },
  consent: { adUserData: 'CONSENT_GRANTED', adPersonalization: 'CONSENT_GRANTED' },
  ...over
})
const request = (payloads: unknown[], given: object = settings, isTest = false): OutgoingRequest =>
  googleAds.request(payloads, given, googleAds.endpoint, isTest)

test('makes a request for one action', t => {
  t.same(JSON.parse(JSON.stringify(request([payload(), payload({ transactionId: 'b' })]))), {
    method: 'POST',
    url: 'https://datamanager.googleapis.com/v1/events:ingest',
    headers: { 'content-type': 'application/json' },
    body: {
      destinations: [{
        reference: '6512345001',
        operatingAccount: { accountType: 'GOOGLE_ADS', accountId: '6043182257' },
        productDestinationId: '6512345001'
      }],
      events: JSON.parse(JSON.stringify([payload(), payload({ transactionId: 'b' })])),
      encoding: 'HEX'
    }
  })
  const body = (given: object, isTest = false) => request([payload()], { ...settings, ...given }, isTest).body as {
    destinations: { loginAccount?: { accountId: string } }[], validateOnly?: boolean
  }
  t.equal(body({ login_customer_id: '771-920-4438' }).destinations[0]?.loginAccount?.accountId, '7719204438')
  t.equal(body({ login_customer_id: '6043182257' }).destinations[0]?.loginAccount, undefined, 'itself is none')
  t.same([body({}, true).validateOnly, body({}).validateOnly], [true, undefined])
  t.throws(() => request([payload(), payload({ destinationReferences: ['6512345002'] })]), /one action/)
  const keys = [payload(), payload({ destinationReferences: ['7'] })].map(one => googleAds.batchKey?.(one))
  t.same(keys, ['6512345001', '7'])
  t.equal(googleAds.verify?.request('a/b', settings, 'http://localhost:1/google_ads/').url,
    'http://localhost:1/google_ads/v1/requestStatus:retrieve?requestId=a%2Fb')
  t.end()
})

test('names the project that the quota belongs to, and counts a user\'s requests for it', t => {
  const projectOf = (credentials: unknown) => googleAds.rate.sharedBy?.({
    ...settings, credentials: typeof credentials === 'string' ? credentials : JSON.stringify(credentials)
  })
  t.equal(projectOf(serviceAccount), 'google cloud project postern-main')
  t.equal(projectOf(user), 'google cloud project 731')
  t.equal(projectOf({ ...user, quota_project_id: 'postern-other' }), 'google cloud project postern-other')
  for (const unreadable of ['***', '{', '[]', 'null', '"x"', '<credentials>']) {
    t.equal(projectOf(unreadable), 'google cloud project unknown', unreadable)
  }
  const credentials = JSON.stringify({ ...user, quota_project_id: 'postern-other' })
  t.match(request([payload()], { ...settings, credentials }).headers, { 'x-goog-user-project': 'postern-other' })
  t.match(googleAds.verify?.request('a', { ...settings, credentials }, 'http://x').headers,
    { 'x-goog-user-project': 'postern-other' })
  const injected = JSON.stringify({ ...user, quota_project_id: 'a\r\nx-other: 1' })
  t.same(Object.keys(request([payload()], { ...settings, credentials: injected }).headers), ['content-type'])
  t.end()
})

test('the page\'s tag shares the id with a supplement, and is apart from an import', t => {
  t.equal(googleAds.browserTag?.({ ...settings, role: 'supplement' }), 'shares_id')
  t.equal(googleAds.browserTag?.(settings), 'apart')
  t.end()
})

test('settings take numbers and resource names, and need an action', t => {
  const { properties } = googleAds.settings
  const isAction = (id: unknown) => Value.Check(properties.conversion_actions ?? {}, { generate_lead: id })
  const actions = ['1', '6512345001', 6512345001, 'customers/604/conversionActions/651']
  for (const id of actions) t.ok(isAction(id), String(id))
  for (const id of ['', 0, -1, 1.5, 'AW-123', 'lead', null, true]) t.notOk(isAction(id), String(id))
  t.notOk(Value.Check(properties.conversion_actions ?? {}, {}))
  const isCustomer = (id: string) => Value.Check(properties.customer_id ?? {}, id)
  for (const id of ['604-318-2257', '6043182257']) t.ok(isCustomer(id), id)
  for (const id of ['604', 'customers/6043182257', '604.318.2257']) t.notOk(isCustomer(id), id)
  t.match(maskSecrets(googleAds, {}), {
    customer_id: '<customer_id>',
    conversion_actions: { generate_lead: '<conversion_actions.generate_lead>', purchase: String },
    role: 'import',
    credentials: '<credentials>'
  }, 'a dry-run without settings has an action for each event')
  t.end()
})

test('one event has one role in an account, and one action too', t => {
  const one = (name: string, over: object) => ({ name, settings: { ...settings, ...over } })
  const conflicts = (...configured: ReturnType<typeof one>[]) =>
    googleAds.findConflicts?.(configured).map(({ name, keys, text }) => [name, keys.join('.'), text])
  const supplement = { role: 'supplement', conversion_actions: { purchase: '7' } }
  t.same(conflicts(one('ads', {}), one('shop', { ...supplement, customer_id: '1112223333' })), [], 'another account')
  t.same(conflicts(one('ads', {}), one('more', { conversion_actions: { purchase: '7' } })), [], 'the same role')
  t.same(conflicts(one('ads', { conversion_actions: { generate_lead: '1' } }), one('shop', supplement)), [])
  t.match(conflicts(one('ads', {}), one('shop', { ...supplement, customer_id: '6043182257' })),
    [['shop', 'conversion_actions.purchase', /role supplement here and import in ads.*twice/]])
  t.match(conflicts(one('ads', {}), one('shop', { ...supplement, conversion_actions: { sign_up: 6512345001 } })),
    [['shop', 'conversion_actions.sign_up', /the action 6512345001 has the role/]])
  t.match(conflicts(one('ads', { conversion_actions: { refund: '9' } })),
    [['ads', 'conversion_actions.refund', /takes no conversion back/]])
  t.match(conflicts(one('ads', { conversion_actions: { Lead: '9', demo_booked: '10' } })),
    [['ads', 'conversion_actions.Lead', /come in as generate_lead/]])
  t.end()
})

/** google.md §2.6, the table of ErrorReason, and what becomes of the first of two events that it is said of. */
const classes: [reasons: string, first: object, second: object][] = [
  ['EVENT_TIME_INVALID NO_IDENTIFIERS_PROVIDED REQUIRED_FIELD_MISSING INVALID_FORMAT INVALID_SHA256_FORMAT ' +
    'INVALID_HEX_ENCODING INVALID_BASE64_ENCODING INVALID_POSTAL_CODE INVALID_CURRENCY_CODE INVALID_ENUM_VALUE ' +
    'INVALID_NUMBER_FORMAT TOO_MANY_USER_IDENTIFIERS INVALID_EVENT RESERVED_NAME_USED INVALID_EVENT_NAME ' +
    'BOTH_CLIENT_ID_AND_APP_INSTANCE_ID_NOT_ALLOWED FIELD_VALUE_TOO_LONG FIELD_VALUE_TOO_SHORT ' +
    'CUSTOM_VARIABLE_VALUE_CONTAINS_PII INVALID_CUSTOM_VARIABLE_VALUE INVALID_REGION_CODE INVALID_SUBDIVISION_CODE ' +
    'INVALID_CONTINENT_CODE INVALID_SUBCONTINENT_CODE INVALID_DEVICE_CATEGORY INVALID_COUPON_CODE ' +
    'INVALID_MERCHANT_ID THIRD_PARTY_USER_DATA_NOT_ALLOWED EVENT_SOURCE_AND_DESTINATION_MISMATCH',
  { kind: 'rejected', reason: 'network_refused' }, { kind: 'retry', reason: 'isolating', afterSeconds: 0 }],
  ['TOO_MANY_DESTINATIONS DUPLICATE_DESTINATION_REFERENCE MULTIPLE_DESTINATIONS_FOR_GOOGLE_ANALYTICS_EVENT ' +
    'MULTIPLE_DATA_TYPES_NOT_ALLOWED INVALID_DESTINATION', { kind: 'pause' }, { kind: 'pause' }],
  ['PERMISSION_DENIED NOT_ALLOWLISTED TERMS_AND_CONDITIONS_NOT_SIGNED INVALID_CONVERSION_ACTION_ID ' +
    'INVALID_CONVERSION_ACTION_TYPE DESTINATION_ACCOUNT_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS ' +
    'DESTINATION_ACCOUNT_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS ' +
    'DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH ' +
    'DESTINATION_ACCOUNT_TYPE_MISMATCH INVALID_PROPERTY_TYPE INVALID_STREAM_TYPE ' +
    'GOOGLE_ANALYTICS_SUBPROPERTY_OR_ROLLUP_PROPERTY_NOT_ALLOWED CUSTOM_VARIABLE_NOT_FOUND ' +
    'CUSTOM_VARIABLE_NOT_ENABLED', { kind: 'pause' }, { kind: 'pause' }],
  ['INTERNAL_ERROR DEADLINE_EXCEEDED', { kind: 'retry', reason: 'network_error' },
    { kind: 'retry', reason: 'network_error' }],
  ['RESOURCE_EXHAUSTED', { kind: 'retry', reason: 'throttled' }, { kind: 'retry', reason: 'throttled' }]
]

test('every reason of the reference has its outcome, said of an event or without a place', t => {
  const answer = (reason: string, field?: string): NetworkResponse => {
    const details: object[] = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason }]
    const violation = { field, reason, description: 'x' }
    if (field !== undefined) {
      details.push({ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [violation] })
    }
    const error = { code: 400, status: 'INVALID_ARGUMENT', message: 'There was a problem.', details }
    return { status: 400, headers: {}, body: { error } }
  }
  const judged = (response: NetworkResponse) => {
    const judgement = googleAds.judge?.(response, [payload(), payload()])
    return judgement === undefined ? [] : outcomesOf(judgement, 2)
  }
  for (const [reasons, first, second] of classes) {
    for (const reason of reasons.split(' ')) {
      t.ok(reason in knownReasons.errorReasons, reason)
      t.match(judged(answer(reason, 'events.events[0].x')), [first, second], reason)
      const isRow = 'reason' in second && second.reason === 'isolating'
      t.match(judged(answer(reason)), isRow ? 'isolate' : [first, second], `${reason} without a place`)
    }
  }
  t.equal(judged(answer('TOO_MANY_EVENTS', 'events')), 'isolate')
  t.end()
})

test('says in its own words and in Google\'s what was refused, and where', t => {
  const violation = {
    field: 'events.events[1].currency', description: 'The currency is not supported.', reason: 'INVALID_CURRENCY_CODE'
  }
  const body = {
    error: {
      code: 400,
      status: 'INVALID_ARGUMENT',
      message: 'There was a problem with the request.',
      details: [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [violation] },
        { '@type': 'type.googleapis.com/google.rpc.RequestInfo', requestId: 'req-1' }]
    }
  }
  t.match(googleAds.judge?.({ status: 400, headers: {}, body }, [payload(), payload()]), {
    each: [{ kind: 'retry', reason: 'isolating', afterSeconds: 0 },
      { detail: 'INVALID_CURRENCY_CODE (events[1].currency): The currency is not supported.' }],
    trace: 'req-1',
    said: /There was a problem .* The currency is not supported\./
  })
  const warned = { requestId: 'r', fieldWarnings: [{ reason: 'WARNING_REASON_GENERIC', field: 'events[0]' }] }
  const receipt = googleAds.judge?.({ status: 200, headers: {}, body: warned }, [payload()])
  t.match(receipt, { trace: 'r', said: 'GENERIC events[0]' })
  t.end()
})

interface T { teardown (clean: () => unknown): void }

/** Sends payloads to the fake as the dispatcher would: token, request, judge; and asks for the verdict. */
async function startJourney (t: T, options: FakeNetworksOptions['google_ads'], credentials: object = serviceAccount) {
  let nowMs = exampleNowMs
  const fakes = await startFakeNetworks({
    now: () => nowMs,
    google_ads: {
      customers: { 6043182257: { 6512345001: { kind: 'UPLOAD_CLICKS' } } },
      serviceAccounts: { [serviceAccount.client_email]: publicKey },
      refreshTokens: { '1//known': { clientId: '731-a', clientSecret: 'shh' } },
      ...options
    }
  })
  const sender = createSender()
  t.teardown(async () => {
    await sender.close()
    await fakes.close()
  })
  const tokens = createTokens({ sender, now: () => nowMs })
  const given = { ...settings, credentials: JSON.stringify(credentials) }
  const endpoint = `${fakes.url}/google_ads`
  const target = { destination: googleAds, settings: given, tokenEndpoint: `${endpoint}/token` } as unknown as Target
  const exchange = async (outgoing: OutgoingRequest): Promise<NetworkResponse> => {
    const authorization = await tokens.authorize(target)
    if (!('credential' in authorization)) throw new Error(JSON.stringify(authorization))
    const answer = await sender.send(outgoing, authorization.credential)
    if (answer.kind === 'failure') throw new Error(answer.failure.code)
    return answer.response
  }
  const judged = (judgement: ReturnType<NonNullable<typeof googleAds.judge>> | undefined, count: number) => {
    if (judgement === undefined) throw new Error('there is a judge')
    const outcomes = outcomesOf(judgement, count)
    return { outcomes: outcomes === 'isolate' ? [] : outcomes, trace: judgement.trace ?? '' }
  }
  return {
    fakes,
    pass (ms: number) { nowMs += ms },
    async send (payloads: GoogleAdsPayload[]): Promise<{ outcomes: Outcome[], trace: string }> {
      const response = await exchange(googleAds.request(payloads, given, endpoint, false))
      return judged(googleAds.judge?.(response, payloads), payloads.length)
    },
    async ask (trace: string, count: number): Promise<Outcome[]> {
      const question = googleAds.verify?.request(trace, given, endpoint)
      if (question === undefined) throw new Error('there is a question')
      return judged(googleAds.verify?.judge(await exchange(question), count), count).outcomes
    }
  }
}

test('one bad row of 500 is rejected with its reason, and the others arrive', async t => {
  const { send, ask, pass, fakes } = await startJourney(t, {})
  const rows = Array.from({ length: 500 }, (_, index) => payload({ transactionId: `lead-${index}` }))
  rows[317] = payload({ transactionId: 'lead-317', currency: 'EURO', conversionValue: 1 })
  const { outcomes } = await send(rows)
  const detail = /^INVALID_CURRENCY_CODE \(events\[317\]/
  t.match(outcomes[317], { kind: 'rejected', reason: 'network_refused', detail })
  t.equal(outcomes.filter(({ kind }) => kind === 'retry').length, 499)
  const again = await send(rows.filter((_, index) => outcomes[index]?.kind === 'retry'))
  t.equal(again.outcomes.filter(({ kind }) => kind === 'accepted').length, 499)
  t.match(await ask(again.trace, 499), new Array(499).fill({ kind: 'accepted' }), 'too early to know')
  pass(1_800_000)
  t.match(await ask(again.trace, 499), new Array(499).fill({ kind: 'delivered' }))
  t.equal(fakes.received().filter(({ verdict }) => verdict === 'counted').length, 499)
})

test('a row refused half an hour later is rejected in Google\'s words, a too recent click is sent again', async t => {
  const verdicts = { b: ['CLICK_NOT_FOUND'], c: ['TOO_RECENT_CLICK', null] }
  const { send, ask, pass, fakes } = await startJourney(t, { verdicts }, user)
  const rows = ['a', 'b', 'c'].map(transactionId => payload({ transactionId }))
  const { outcomes, trace } = await send(rows)
  t.match(outcomes, new Array(3).fill({ kind: 'accepted' }))
  pass(1_800_000)
  t.match(await ask(trace, 3), [{ kind: 'delivered' }, { kind: 'rejected', detail: /^CLICK_NOT_FOUND: / },
    { kind: 'retry', afterSeconds: 21_600 }])
  pass(21_600_000)
  const second = await send(rows.slice(2))
  pass(1_800_000)
  t.match(await ask(second.trace, 1), [{ kind: 'delivered' }])
  t.same(fakes.received().map(({ event_id: id, verdict }) => `${id} ${verdict}`),
    ['a counted', 'b rejected', 'c rejected', 'c counted'])
})

test('a copy whose answer was lost changes nothing', async t => {
  const { send, fakes } = await startJourney(t, {})
  await send([payload()])
  t.match((await send([payload()])).outcomes, [{ kind: 'accepted' }])
  t.same(fakes.received().map(({ verdict }) => verdict), ['counted', 'deduplicated'])
})

test('the quota throttles, and a wrong action pauses', async t => {
  const { send } = await startJourney(t, { quota: { perMinute: 2 } })
  await send([payload()])
  t.match((await send([payload({ destinationReferences: ['6512345002'] })])).outcomes,
    [{ kind: 'pause', detail: /^INVALID_CONVERSION_ACTION_ID/ }])
  t.match((await send([payload()])).outcomes, [{ kind: 'retry', reason: 'throttled', detail: /PerMinute/ }])
})
