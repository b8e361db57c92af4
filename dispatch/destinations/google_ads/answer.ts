// Reading Google's JSON: the error model that all its APIs share (AIP-193), tolerant of spellings.
import { listOf, objectOf, textOf, type Json } from '../../json.ts'

/** A whole number, also as the text that JSON has for 64-bit ones. */
export function wholeOf (value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined
}

/** One complaint of a refused request. `index` is the event's place in it, where the path names one. */
export interface Violation { field: string, index?: number, reason?: string, description?: string }

/** What an error body says; `isGoogles` is false for a proxy's page or anything else without Google's error. */
export interface ErrorAnswer {
  isGoogles: boolean
  status?: string
  message?: string
  reason?: string
  violations: Violation[]
  /** Google's own id of the request. */
  requestId?: string
  /** How long it asks to wait, in seconds. */
  retrySeconds?: number
  /** The quota that is used up. */
  quota?: string
}

const typed = (details: readonly Json[], type: string): Json =>
  details.find(detail => String(detail['@type']).endsWith(`google.rpc.${type}`)) ?? {}

/** Reads `error.{status,message,details}` with ErrorInfo, BadRequest, RequestInfo and RetryInfo. */
export function readError (body: unknown): ErrorAnswer {
  const error = objectOf(objectOf(body).error)
  const details = listOf(error.details).map(objectOf)
  const info = typed(details, 'ErrorInfo')
  const bad = typed(details, 'BadRequest')
  const metadata = objectOf(info.metadata)
  return {
    isGoogles: textOf(error.status) !== undefined || textOf(error.message) !== undefined,
    status: textOf(error.status),
    message: textOf(error.message),
    reason: textOf(info.reason),
    violations: [...listOf(bad.fieldViolations), ...listOf(bad.field_violations)].map(objectOf).map(readViolation),
    requestId: textOf(typed(details, 'RequestInfo').requestId) ?? textOf(metadata.requestId),
    retrySeconds: readDuration(typed(details, 'RetryInfo').retryDelay),
    quota: textOf(metadata.quota_limit) ?? textOf(metadata.quotaLimit)
  }
}

/** Paths come as `events.events[3].event_source` and as `events[3]`, in both cases of spelling (google.md §2.6). */
function readViolation (violation: Json): Violation {
  const field = textOf(violation.field) ?? ''
  const [, index] = /(?:^|[.\s])events\[(\d{1,9})\]/.exec(field) ?? []
  return {
    field,
    index: index === undefined ? undefined : Number(index),
    reason: textOf(violation.reason),
    description: textOf(violation.description)
  }
}

/** A protobuf duration: `3.5s`. */
function readDuration (value: unknown): number | undefined {
  const [, seconds] = /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(String(value)) ?? []
  return seconds === undefined ? undefined : Math.ceil(Number(seconds))
}
