// The request as GA4 reads it: counted by the strict fake, tests that record nothing, the role beside the page's tag.
import { test } from 'tap'
import { Value } from 'typebox/value'
import { startFakeNetworks } from '../../../demo/networks/fake_networks.ts'
import type { BrowserTagState, MergedEvent, Trust } from '../../../schema/event.ts'
import { decide, type Candidate } from '../../decide.ts'
import type { Target } from '../../target.ts'
import ga4 from './destination.ts'

const id = 'G-8W3K5XN2QP'
const secret = 'kZ3vWq8TRbmX'
const nowMs = Date.UTC(2026, 10, 20, 8, 30)

function targetWith (given: object): Target {
  return {
    id: 1,
    name: 'ga4',
    site: {
      name: 'main',
      consent: { consent: 'opt_out', gpc: 'drop', optOutCountries: [] },
      defaults: {},
      queryKeys: [],
      sensitivePaths: []
    },
    destination: ga4,
    settings: Value.Default(ga4.settings, { measurement_id: id, api_secret: secret, ...given }),
    mode: 'live',
    events: 'all',
    endpoint: ga4.endpoint,
    params: []
  }
}

function candidateOf (over: Partial<MergedEvent> = {}, trusts: Trust[] = ['same_site']): Candidate {
  const event: MergedEvent = {
    site: 'main',
    event_name: 'generate_lead',
    event_id: 'lead-1',
    received_at_ms: nowMs,
    occurred_at_ms: nowMs - 1000,
    trust: 'same_site',
    cookies: { _ga: 'GA1.1.7.8' },
    ...over
  }
  return { event, said: {}, trusts, isErased: false, firstSentAtMs: null, isAnswerLost: false }
}

interface Answer { status: number, headers: Record<string, string>, body: unknown }

async function send (payload: unknown, target: Target, isTest: boolean): Promise<Answer> {
  const request = ga4.request([payload as never], target.settings, target.endpoint, isTest)
  const url = new URL(request.url)
  if (ga4.auth.kind === 'query') url.searchParams.set(ga4.auth.name, ga4.auth.value(target.settings))
  const { method, headers } = request
  const answer = await fetch(url, { method, headers, body: JSON.stringify(request.body) })
  const text = await answer.text()
  return { status: answer.status, headers: {}, body: text === '' ? '' : JSON.parse(text) }
}

function payloadOf (candidate: Candidate, target: Target): Record<string, unknown> {
  const decision = decide(candidate, target, nowMs)
  if (!('go' in decision)) throw new Error(JSON.stringify(decision))
  return JSON.parse(JSON.stringify(decision.payload)) as Record<string, unknown>
}

test('is counted, and told no more than that it arrived', async t => {
  const fakes = await startFakeNetworks({ now: () => nowMs, ga4: { streams: { [id]: secret } } })
  t.teardown(() => fakes.close())
  const target = { ...targetWith({ role: 'sole' }), endpoint: `${fakes.url}/ga4/` }
  const payload = payloadOf(candidateOf(), target)
  const wrong = { ...target, settings: { ...target.settings as object, api_secret: 'wrong' } }
  for (const where of [target, wrong]) {
    const answer = await send(payload, where, false)
    t.equal(answer.status, 204)
    t.same(ga4.judge?.(answer, [payload]), { all: { kind: 'accepted', isLastWord: true } })
  }
  t.same(fakes.received().map(({ verdict, reason }) => reason ?? verdict), ['counted', 'api_secret'])
})

test('a test goes to the validation server, which says what is wrong and records nothing', async t => {
  const fakes = await startFakeNetworks({ now: () => nowMs, ga4: { streams: { [id]: secret } } })
  t.teardown(() => fakes.close())
  const target = { ...targetWith({ role: 'sole' }), endpoint: `${fakes.url}/ga4` }
  const payload = payloadOf(candidateOf(), target)
  const valid = await send(payload, target, true)
  t.same(ga4.judge?.(valid, [payload]),
    { all: { kind: 'accepted', isLastWord: true, detail: 'found valid; a test is not recorded' } })
  const order = { event_name: 'purchase', value: 5, currency: 'EUR', transaction_id: '7' }
  const poor = payloadOf(candidateOf(order), target)
  const said = 'VALUE_REQUIRED: events.0.params.items: The request breaks the rule purchase_recommendations.'
  t.same(ga4.judge?.(await send(poor, target, true), [poor]),
    { all: { kind: 'rejected', reason: 'invalid_event', detail: said }, said }, 'strictly')
  t.same(fakes.received(), [])
  await send(poor, target, false)
  t.equal(fakes.received()[0]?.verdict, 'counted', 'what the test complains of, GA4 takes all the same')
})

test('keeps the words of the validation server, whatever their form', t => {
  const judge = (body: unknown) => ga4.judge?.({ status: 200, headers: {}, body }, [{}])
  const named = { fieldPath: 'events', description: 'Bad name.', validationCode: 'NAME_INVALID' }
  const messages = [named, { description: 'x' }, 'y', null]
  const said = 'NAME_INVALID: events: Bad name. · x · a message without words · a message without words'
  t.same(judge({ validationMessages: messages }),
    { all: { kind: 'rejected', reason: 'invalid_event', detail: said }, said })
  for (const body of ['', {}, null, { validationMessages: 'none' }]) t.match(judge(body), { all: { kind: 'accepted' } })
  t.end()
})

const seen = (state: BrowserTagState) => ({ browser_tags: { ga4: state } })
const roles: [name: string, candidate: Candidate, supplement: object, sole: object][] = [
  ['a lead of a page', candidateOf(), { skipped: 'role_not_meant' }, { go: true }],
  ['one that the tag reported', candidateOf(seen('sent_with_id')), { skipped: 'role_not_meant' }, { go: true }],
  ['one that the tag reported without an id', candidateOf(seen('sent_without_id')), { skipped: 'role_not_meant' },
    { go: true }],
  ['one of which nothing is known', candidateOf(seen('unknown')), { skipped: 'role_not_meant' }, { go: true }],
  ['one whose tag was blocked', candidateOf(seen('blocked')), { go: true }, { go: true }],
  ['one of a page without the tag', candidateOf(seen('absent')), { go: true }, { go: true }],
  ['a webhook\'s purchase', candidateOf({ event_name: 'purchase', transaction_id: '7' }, ['signed']), { go: true },
    { go: true }],
  ['a webhook\'s purchase that the browser reported as well', candidateOf({ event_name: 'purchase' },
    ['signed', 'same_site']), { skipped: 'role_not_meant' }, { go: true }],
  ['a stage of a lead', candidateOf({ event_name: 'qualify_lead' }), { go: true }, { go: true }]
]

test('as a supplement it sends what the page\'s tag cannot have sent; alone it sends everything', t => {
  for (const [name, candidate, supplement, sole] of roles) {
    t.match(decide(candidate, targetWith({}), nowMs), supplement, `${name}: supplement is the default`)
    t.match(decide(candidate, targetWith({ role: 'sole' }), nowMs), sole, `${name}: sole`)
  }
  t.end()
})

test('goes by analytics consent, and with 72 hours to do it', t => {
  const target = targetWith({ role: 'sole' })
  const candidate = candidateOf()
  const denied = { ...candidate, said: { consent: { analytics_storage: 'denied' as const } } }
  t.match(decide(denied, target, nowMs), { skipped: 'no_consent', detail: /analytics_storage/ })
  const adsDenied = { ...candidate, said: { consent: { ad_user_data: 'denied' as const } } }
  t.match(decide(adsDenied, target, nowMs), { go: true, payload: { consent: { ad_user_data: 'DENIED' } } })
  const lastMs = candidate.event.occurred_at_ms + 72 * 3_600_000
  t.match(decide(candidate, target, lastMs), { go: true })
  t.match(decide(candidate, target, lastMs + 1), { skipped: 'too_old' })
  const lost = { ...candidate, firstSentAtMs: nowMs, isAnswerLost: true }
  t.match(decide(lost, target, nowMs), { rejected: 'unknown_whether_sent' }, 'GA4 would count it again')
  t.end()
})
