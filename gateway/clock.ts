// When an event happened: reads the times that senders give, and judges them against our own clock.
import type { Coerced } from './coerce.ts'

const secondMs = 1000
const dayMs = 86_400_000

/** A browser's clock is corrected only when it is off by more than the network may have taken. */
const toleratedSkewMs = 10 * secondMs
/** A page does not send what is older than this; a time before it is a broken clock. */
const oldestUnsignedMs = 7 * dayMs
/** No event of a signed sender is older than the year 2000. */
const oldestSignedMs = Date.UTC(2000, 0, 1)

const isoTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?( ?(Z|[+-]\d\d(:?\d\d)?))?$/i

/**
 * A point in time, in Unix milliseconds: a number (or its text) in seconds, milliseconds, microseconds or nanoseconds
 * by its magnitude, or ISO 8601 with an offset. Without an offset nobody knows when it was.
 */
export function readTime (given: unknown): Coerced<number> {
  if (given === null || given === undefined || given === '') return null
  if (typeof given === 'number' || (typeof given === 'string' && /^\s*\d{1,20}(\.\d{1,9})?\s*$/.test(given))) {
    return readEpoch(Number(given))
  }
  if (typeof given !== 'string') return { refused: 'not_a_time' }
  const text = given.trim()
  const found = isoTime.exec(text)
  if (found === null) return { refused: 'not_a_time' }
  if (found[3] === undefined) return { refused: 'time_without_offset' }
  const atMs = Date.parse(text.toUpperCase().replace(/^(.{10}) /, '$1T').replace(' ', '').replace(/([+-]\d\d)$/,
    '$1:00')
    .replace(/([+-]\d\d)(\d\d)$/, '$1:$2').replace(/(\.\d{3})\d+/, '$1'))
  return Number.isNaN(atMs) ? { refused: 'not_a_time' } : { value: atMs }
}

function readEpoch (number: number): Coerced<number> {
  if (!Number.isFinite(number) || number <= 0 || number > 9e18) return { refused: 'not_a_time' }
  const atMs = number < 1e11 ? number * 1e3 : number < 1e14 ? number : number < 1e17 ? number / 1e3 : number / 1e6
  return { value: Math.round(atMs) }
}

export interface ClockFacts {
  receivedAtMs: number
  isSigned: boolean
  /** `sent_at` of the body, by the sender's clock. */
  sentAtMs?: number
}

/**
 * Judges an event's own time. `sent_at` corrects the clock of a browser (a signed sender's is believed). The future is
 * moved to the time of arrival; a time that cannot be is replaced by it, and the warning says so.
 */
export function judgeTime (givenMs: number, facts: ClockFacts): { occurredAtMs: number, warning?: string } {
  const skewMs = facts.sentAtMs === undefined || facts.isSigned ? 0 : facts.receivedAtMs - facts.sentAtMs
  const occurredAtMs = Math.abs(skewMs) > toleratedSkewMs ? givenMs + skewMs : givenMs
  const aheadMs = occurredAtMs - facts.receivedAtMs
  if (aheadMs > 0) {
    if (aheadMs > 365 * dayMs) return { occurredAtMs: facts.receivedAtMs, warning: 'implausible_time' }
    return { occurredAtMs: facts.receivedAtMs, warning: aheadMs > toleratedSkewMs ? 'in_the_future' : undefined }
  }
  const oldestMs = facts.isSigned ? oldestSignedMs : facts.receivedAtMs - oldestUnsignedMs
  return occurredAtMs < oldestMs ? { occurredAtMs: facts.receivedAtMs, warning: 'implausible_time' } : { occurredAtMs }
}

/** `page_seed`, one per page load: when the page began, by the browser's clock, and a random number. */
export interface PageSeed {
  text: string
  startedAtMs: number
}

/** Reads `<ms>.<digits>` as the script writes it. */
export function readPageSeed (given: unknown): Coerced<PageSeed> {
  if (given === null || given === undefined || given === '') return null
  const found = typeof given === 'string' ? /^(\d{12,14})\.\d{6,20}$/.exec(given) : null
  return found === null ? { refused: 'not_a_page_seed' } : { value: { text: found[0], startedAtMs: Number(found[1]) } }
}

/** When the page began, if the browser's clock can be right; else undefined. */
export function plausibleStart (seed: PageSeed | undefined, receivedAtMs: number): number | undefined {
  if (seed === undefined) return undefined
  const ageMs = receivedAtMs - seed.startedAtMs
  return ageMs >= -toleratedSkewMs && ageMs <= oldestUnsignedMs ? seed.startedAtMs : undefined
}
