// A network that does not exist: its destination uses every corner of the contract. For tests of dispatch/.
import { Type } from 'typebox'
import type { MergedEvent } from '../schema/event.ts'
import type { Candidate } from '../dispatch/decide.ts'
import { defineDestination, type Destination } from '../dispatch/destination.ts'
import type { Target } from '../dispatch/target.ts'

const payload = Type.Object({
  id: Type.String(),
  name: Type.String(),
  at: Type.Integer(),
  email: Type.Optional(Type.String()),
  click: Type.Optional(Type.String()),
  value: Type.Optional(Type.Number())
}, { additionalProperties: false })

const settings = Type.Object({
  account: Type.String(),
  token: Type.String({ secret: true })
}, { additionalProperties: false })

const verdicts = { ok: { kind: 'delivered' }, later: { kind: 'accepted' } } as const

/**
 * The Fictional network takes batches of five, answers per event (`{"results":["ok","later","bad","busy"]}`), tells an
 * accepted event's verdict later, and pauses on 401.
 */
export const fictional = defineDestination({
  type: 'fictional',
  title: 'Fictional',
  settings,
  payload,
  purpose: 'advertising',
  endpoint: 'https://fictional.example',
  limits: { events: 5, bytes: 4000, maxAgeDays: () => 7 },
  rate: {},
  lingerMs: 0,
  dedupes: { windowHours: 48 },
  events: { generate_lead: 'Lead', purchase: 'Order', page_view: 'Visit', refund: 'Refund' },
  customEvents: false,
  auth: { kind: 'header', name: 'x-token', value: ({ token }) => token },
  normalize: (_field, value) => ({ normalized: value, sha256: null }),
  map: (event, _settings, theirName) => {
    if (event.form_id === 'explode') throw new TypeError('a bug of the mapping')
    if (event.form_id === 'incomplete') return { rejected: 'invalid_event', detail: 'no form' }
    return {
      warnings: [],
      payload: {
        id: event.event_id,
        name: theirName,
        at: event.occurred_at_ms,
        email: event.user_data?.email?.[0],
        click: event.click_ids?.fbclid?.value,
        value: event.value
      }
    }
  },
  request: (events, { account }, endpoint, isTest) => ({
    method: 'POST',
    url: `${endpoint}/${account}/events${isTest ? '?test=1' : ''}`,
    headers: {},
    body: { events }
  }),
  judge: ({ status, headers, body }, payloads) => {
    const answer = body as { batch?: string, results?: string[], culprit?: number } | null
    if (status === 401) return { all: { kind: 'pause', detail: 'the token is not valid' } }
    if (status === 429) {
      return { all: { kind: 'retry', reason: 'throttled', afterSeconds: Number(headers['retry-after'] ?? 1) } }
    }
    if (status >= 500) return { all: { kind: 'retry', reason: 'network_error', detail: `HTTP ${status}` } }
    if (status === 400 && answer?.culprit !== undefined) {
      return {
        each: payloads.map((_, index) => index === answer.culprit
          ? { kind: 'rejected', reason: 'network_refused', detail: 'bad event of anna@example.com' }
          : { kind: 'retry', reason: 'isolating' })
      }
    }
    if (status === 400) return { isolate: true, said: 'one of them is bad' }
    return {
      trace: answer?.batch,
      each: (answer?.results ?? []).map(result => result in verdicts
        ? verdicts[result as keyof typeof verdicts]
        : result === 'bad'
          ? { kind: 'rejected', reason: 'network_refused', detail: 'bad' }
          : { kind: 'retry', reason: 'network_error', detail: result })
    }
  },
  verify: {
    afterSeconds: 60,
    request: (trace, { account }, endpoint) => ({
      method: 'GET', url: `${endpoint}/${account}/batches/${trace}`, headers: {}
    }),
    judge: ({ body }) => {
      const { verdict } = body as { verdict: string }
      if (verdict === 'counted') return { all: { kind: 'delivered' } }
      if (verdict === 'pending') return { all: { kind: 'accepted' } }
      return { all: { kind: 'rejected', reason: 'network_refused', detail: verdict } }
    }
  }
})

/** A live target of the fictional network; `destination` overrides parts of the contract. */
export function fictionalTarget (
  overrides: Partial<Omit<Target, 'destination'>> & { destination?: Partial<Destination> } = {}
): Target {
  return {
    id: 1,
    name: 'fictional',
    site: {
      name: 'main',
      consent: { consent: 'opt_in', gpc: 'drop', optOutCountries: [] },
      defaults: {},
      queryKeys: [],
      sensitivePaths: []
    },
    settings: { account: 'acc', token: 'secret-token-0123456789abcdef' },
    mode: 'live',
    events: 'conversions',
    endpoint: 'https://fictional.example',
    params: [],
    ...overrides,
    destination: { ...fictional, ...overrides.destination }
  }
}

/** All four keys granted. */
export const granted = {
  ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted'
} as const

/** A lead that may go: signed, with consent, one minute old at `nowMs`. */
export function candidateAt (
  nowMs: number, event: Partial<MergedEvent> = {}, more: Partial<Candidate> = {}
): Candidate {
  const whole: MergedEvent = {
    site: 'main',
    event_name: 'generate_lead',
    event_id: 'lead-1',
    received_at_ms: nowMs - 60_000,
    occurred_at_ms: nowMs - 60_000,
    trust: 'same_site',
    consent: granted,
    user_data: { email: ['anna@example.com'] },
    ...event
  }
  return {
    event: whole,
    said: { consent: whole.consent, gpc: whole.gpc, country: whole.country },
    trusts: [whole.trust],
    isErased: false,
    firstSentAtMs: null,
    isAnswerLost: false,
    ...more
  }
}
