// What would be sent: the worker's own decision and requests, without a database, a network or a secret.
import { Value } from 'typebox/value'
import { pack, packableOf } from './batch.ts'
import { decide, type Candidate, type Decision } from './decide.ts'
import type { Destination, MapWarning, OutgoingRequest } from './destination.ts'
import type { HeldReason, RejectedReason, SkippedReason } from '../schema/outcome.ts'
import { wants, type Target } from './target.ts'

/** What would become of one event at one target. Events that share a request have it at the first of them. */
export type Preview =
  | { requests: OutgoingRequest[], warnings: MapWarning[] }
  | { skipped: SkippedReason, detail?: string }
  | { held: HeldReason }
  | { rejected: RejectedReason, detail?: string }

/**
 * Previews events at one target, in order. A target in shadow mode shows what it would send if it were live.
 * `isBatched` packs as many events into a request as the network takes; else each has its own.
 */
export function preview (
  candidates: readonly { candidate: Candidate, nowMs: number }[], target: Target, isBatched: boolean
): Preview[] {
  const live: Target = target.mode === 'shadow' ? { ...target, mode: 'live' } : target
  const decisions = candidates.map(({ candidate, nowMs }): Decision =>
    wants(live, candidate.event.event_name)
      ? decide(candidate, live, nowMs)
      : { skipped: 'role_not_meant', detail: `the setting events is ${live.events}` })
  const going = decisions.flatMap((decision, index) => 'go' in decision ? [{ decision, index }] : [])
  const alone = { day: '', isTest: false, resendOf: null, isSuspect: !isBatched }
  const packable = going.map(({ decision, index }) =>
    ({ ...alone, index, ...packableOf(decision, live) }))
  const requests = new Map<number, OutgoingRequest>()
  for (const batch of pack(packable, live.destination.limits, envelopeBytes)) {
    const [first] = batch
    if (first !== undefined) requests.set(first.index, requestFor(batch.map(({ payload }) => payload), live))
  }
  return decisions.map((decision, index) => {
    if (!('go' in decision)) return decision
    const request = requests.get(index)
    return { requests: request === undefined ? [] : [request], warnings: decision.warnings }
  })
}

/** More than any network's envelope has. */
const envelopeBytes = 1024

/** The request with its authentication in place. The target's settings must be masked beforehand: see maskSecrets. */
function requestFor (payloads: unknown[], target: Target): OutgoingRequest {
  const { destination, settings, endpoint, mode } = target
  const request = destination.request(payloads, settings, endpoint, mode === 'test')
  const { auth } = destination
  switch (auth.kind) {
    case 'header': return { ...request, headers: { ...request.headers, [auth.name]: auth.value(settings) } }
    case 'query': {
      const join = request.url.includes('?') ? '&' : '?'
      return { ...request, url: `${request.url}${join}${auth.name}=${auth.value(settings)}` }
    }
    case 'google_oauth': return { ...request, headers: { ...request.headers, authorization: 'Bearer ***' } }
    case 'none': return request
  }
}

/**
 * A destination's settings fit for showing: secrets are `***`, a required setting that is missing is its schema's
 * `placeholder` (for what is no text) or `<its_name>`, and what has a default has it.
 */
export function maskSecrets (destination: Pick<Destination, 'settings'>, given: Record<string, unknown>): unknown {
  const masked = Value.Default(destination.settings, { ...given }) as Record<string, unknown>
  for (const [name, schema] of Object.entries(destination.settings.properties)) {
    if (masked[name] === undefined || masked[name] === '') {
      delete masked[name]
      if (destination.settings.required?.includes(name) === true) {
        masked[name] = (Reflect.get(schema, 'placeholder') as unknown) ?? `<${name}>`
      }
    } else if (Reflect.get(schema, 'secret') === true) masked[name] = '***'
  }
  return masked
}
