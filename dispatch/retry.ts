// When a delivery is tried again, and when it is given up. Pure: the clock and chance are given.

/** The longest wait before each retry (reliability-and-security.md §3.2.11). */
export const retryDelaysSeconds = [5, 30, 120, 600, 1800, 7200, 18_000, 36_000, 36_000, 86_400] as const

/** A network may ask us to wait, but not for longer than this. */
export const longestRetryAfterSeconds = 3600

export interface RetryQuestion {
  /** Requests that carried this delivery and were answered or lost, the newest one included. */
  attempts: number
  /** What the network asked for; capped at one hour. */
  afterSeconds?: number
  nowMs: number
  /** The last moment at which sending still makes sense: age limit and dedupe window. */
  latestMs: number
  /** Uniform in [0, 1). */
  random: () => number
}

/**
 * The time of the next try, with full jitter so that a crowd that failed together does not come back together; never
 * before what the network asked for. `gave_up` when the schedule is used up, or would run past `latestMs`.
 */
export function nextTry (question: RetryQuestion): { dueAtMs: number } | 'gave_up' {
  const longest = retryDelaysSeconds[Math.max(question.attempts, 1) - 1]
  if (longest === undefined) return 'gave_up'
  const chance = question.random()
  const jittered = longest * chance
  // Those who were asked to wait for the same minute are spread over a tenth more.
  const asked = Math.min(question.afterSeconds ?? 0, longestRetryAfterSeconds) * (1 + chance / 10)
  const dueAtMs = question.nowMs + Math.round(Math.max(jittered, asked) * 1000)
  return dueAtMs > question.latestMs ? 'gave_up' : { dueAtMs }
}

/** Reads a Retry-After header: seconds, or an HTTP date (RFC 9110 §10.2.3). Undefined when it is neither; capped. */
export function readRetryAfter (header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  const given = header.trim()
  const seconds = /^\d{1,9}$/.test(given)
    ? Number(given)
    : /^[A-Za-z]{3},? /.test(given) ? (Date.parse(given) - nowMs) / 1000 : Number.NaN
  if (Number.isNaN(seconds)) return undefined
  return Math.min(Math.max(seconds, 0), longestRetryAfterSeconds)
}
