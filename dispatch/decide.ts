// Whether one event goes to one target, and why not. Pure: the same for worker, dry-run and explain.
import { effective } from '../schema/consent.ts'
import type { ConsentFacts, EffectiveConsent, Revoked } from '../schema/consent.ts'
import type { EventData, MergedEvent, Trust } from '../schema/event.ts'
import { stageEvents } from '../schema/event_names.ts'
import type { HeldReason, RejectedReason, SkippedReason } from '../schema/outcome.ts'
import type { MapWarning, Purpose } from './destination.ts'
import { outgoing } from './outgoing.ts'
import type { Target } from './target.ts'
import { jsonOf } from './written.ts'

const hourMs = 3_600_000
const dayMs = 86_400_000

/** One event at one target, with what was sent of it before. */
export interface Candidate {
  /** The parts that are sent, folded; on a retry the parts that the first attempt carried. */
  event: MergedEvent
  /** Consent and GPC as every part so far says: a denial that came late still counts. */
  said: Pick<EventData, 'consent' | 'gpc' | 'country'>
  /** The trust of each part. */
  trusts: readonly Trust[]
  /** The personal data was erased; `event` is empty then. */
  isErased: boolean
  /** When its visitor last took their consent back, if ever. */
  revoked?: Revoked
  /** When the first request that carried it was started; null before that. */
  firstSentAtMs: number | null
  /** The answer of its newest request was never heard. */
  isAnswerLost: boolean
}

export type Decision =
  | { go: true, payload: unknown, json: string, theirName: string, warnings: MapWarning[], bytes: number }
  | { skipped: SkippedReason, detail?: string }
  | { held: HeldReason }
  | { rejected: RejectedReason, detail?: string }

/** Which consent a purpose needs (design.md, "What leaves"); null: none. */
export const consentFor: Record<Purpose, 'ad_user_data' | 'analytics_storage' | null> = {
  advertising: 'ad_user_data',
  analytics: 'analytics_storage',
  first_party: null
}

/** The effective consent of a candidate under its site's rule. */
export function consentOf (candidate: Candidate, target: Target): EffectiveConsent {
  const facts: ConsentFacts = {
    ...candidate.said,
    revoked: candidate.revoked,
    occurredAtMs: candidate.event.occurred_at_ms
  }
  return effective(facts, target.site.consent)
}

/**
 * Decides and maps. The order is: what forbids (erased, bot, consent), what the network does not take (name, age), what
 * would count twice (the page's own tag, the dedupe window), the mapping, and shadow mode last, so that a shadow says
 * what a live target would have said.
 */
export function decide (candidate: Candidate, target: Target, nowMs: number): Decision {
  const { event } = candidate
  const { destination } = target
  if (candidate.isErased) return { skipped: 'erased' }
  if (event.bot !== undefined && event.bot.length > 0) return { skipped: 'bot', detail: event.bot.join(', ') }

  const consent = consentOf(candidate, target)
  const needed = consentFor[destination.purpose]
  if (needed !== null && consent[needed] !== 'granted') {
    const why = needed === 'analytics_storage' ? consent.analytics_because ?? consent.because : consent.because
    return { skipped: 'no_consent', detail: `${needed}: ${why}` }
  }

  const theirName = nameFor(event.event_name, target)
  if (theirName === undefined) return { skipped: 'event_not_supported' }
  if (nowMs > ageLimitMs(event, target)) return { skipped: 'too_old' }
  const double = countsTwice(candidate, target, nowMs)
  if (double !== null) return double

  const mapped = destination.map(outgoing(event, target, consent, nowMs), target.settings, theirName)
  if (!('payload' in mapped)) return mapped
  const json = jsonOf(mapped.payload)
  const bytes = Buffer.byteLength(json)
  if (bytes > destination.limits.bytes) return { rejected: 'too_large', detail: `${bytes} bytes` }
  if (target.mode === 'shadow') return { skipped: 'shadow' }
  return { go: true, payload: mapped.payload, json, theirName, warnings: mapped.warnings, bytes }
}

function nameFor (eventName: string, { destination }: Target): string | undefined {
  if (Object.hasOwn(destination.events, eventName)) return destination.events[eventName]
  return destination.customEvents ? eventName : undefined
}

/** What the page's own tag did with this event, as the network's own type calls it. */
function tagOf (event: MergedEvent, target: Target): NonNullable<EventData['browser_tags']>[string] | undefined {
  return event.browser_tags?.[target.destination.type]
}

/** What the page's own tag of the network is to the target. */
function browserTagOf ({ destination, settings }: Target): 'shares_id' | 'reports_first' | 'apart' {
  if (destination.purpose === 'first_party') return 'apart'
  return destination.browserTag?.(settings) ?? 'shares_id'
}

/**
 * Whether the browser may have reported the event itself: its tag was seen doing so, or it could have.
 * A stage and a purely signed event did not come from a page.
 */
function browserMayHaveSent ({ event, trusts }: Candidate, target: Target): boolean {
  if (browserTagOf(target) === 'apart') return false
  const tag = tagOf(event, target)
  if (tag === 'absent' || tag === 'blocked') return false
  if (tag !== undefined && tag !== 'unknown') return true
  if ((stageEvents as readonly string[]).includes(event.event_name)) return false
  return tag !== undefined || trusts.some(trust => trust !== 'signed')
}

/** What would make the network count a second time. */
function countsTwice (candidate: Candidate, target: Target, nowMs: number): Decision | null {
  const { event } = candidate
  const { dedupes } = target.destination
  const role = browserTagOf(target)
  const tag = role === 'apart' ? undefined : tagOf(event, target)
  if (role === 'reports_first' && browserMayHaveSent(candidate, target)) return { skipped: 'role_not_meant' }
  if (tag === 'sent_without_id' || tag === 'sent_other_id') return { held: 'browser_tag_without_event_id' }
  if (candidate.isAnswerLost && nowMs > ownWindowMs(candidate, target)) return { rejected: 'unknown_whether_sent' }
  if (dedupes === false) return tag === 'sent_with_id' ? { skipped: 'dedupe_window_passed' } : null
  const isPast = nowMs > event.occurred_at_ms + dedupes.windowHours * hourMs
  if (isPast && browserMayHaveSent(candidate, target)) return { skipped: 'dedupe_window_passed' }
  return null
}

/** Until when the network recognises a copy of what we ourselves have sent. */
function ownWindowMs (candidate: Candidate, target: Target): number {
  const { dedupes } = target.destination
  if (dedupes === false) return -Infinity
  return (candidate.firstSentAtMs ?? Infinity) + dedupes.windowHours * hourMs
}

/** The last moment at which the network takes the event. */
export function ageLimitMs (event: MergedEvent, { destination }: Target): number {
  return event.occurred_at_ms + destination.limits.maxAgeDays(event) * dayMs
}

/** Until when an event may be sent again: what is kept of it while the answer to its request is awaited. */
export interface TryLimits {
  /** It would be too old, or the network would not recognise what the browser may have sent. */
  endsMs: number
  /** For so long after our first request the network recognises what that one left there. */
  ownWindowMs: number
  /** Null: no request was started before this one. */
  firstSentAtMs: number | null
}

export function tryLimits (candidate: Candidate, target: Target): TryLimits {
  const { event, firstSentAtMs } = candidate
  const { dedupes } = target.destination
  const ageMs = ageLimitMs(event, target)
  if (dedupes === false) return { endsMs: ageMs, ownWindowMs: Infinity, firstSentAtMs }
  const windowMs = dedupes.windowHours * hourMs
  const browsersMs = browserMayHaveSent(candidate, target) ? event.occurred_at_ms + windowMs : Infinity
  return { endsMs: Math.min(ageMs, browsersMs), ownWindowMs: windowMs, firstSentAtMs }
}

/**
 * The last moment at which a retry makes sense: before the network finds the event too old, and while it recognises
 * the copy that the browser, or a request of ours whose answer we misread, may have left there.
 */
export function latestTryMs ({ endsMs, ownWindowMs, firstSentAtMs }: TryLimits, sentAtMs: number): number {
  return Math.min(endsMs, (firstSentAtMs ?? sentAtMs) + ownWindowMs)
}
