// What the answer to a request with events means for each of them.
import type { Outcome } from '../../../schema/outcome.ts'
import type { Judgement, NetworkResponse } from '../../destination.ts'
import { listOf, objectOf, textOf } from '../../json.ts'
import { bareReason, classOfReason, classOfStatus, explainReason, type ErrorClass } from './errors.ts'
import { readError, type ErrorAnswer, type Violation } from './answer.ts'

/** A quota of the day comes back the next one: asking more often than hourly uses up what is left. */
const dailyWaitSeconds = 3600

/**
 * Google refuses a request as a whole for one bad event and names it by its place: that one is rejected, its
 * neighbours are sent again (google.md §2.6). 200 only says that the request can be read; the truth comes later.
 * What is wrong around the events is nobody's of them: the destination pauses, and none is lost.
 */
export function judge (response: NetworkResponse, payloads: readonly unknown[]): Judgement {
  const { status, body } = response
  if (status === 200 && typeof body === 'object' && body !== null) return judgeReceipt(objectOf(body))
  const error = readError(body)
  if (!error.isGoogles) return judgeForeign(response, payloads.length)
  return { ...judgeError(error, response, payloads.length), trace: error.requestId, said: saidOf(error) }
}

/** Warnings are no errors: the events count, only something of them was ignored. */
function judgeReceipt (body: ReturnType<typeof objectOf>): Judgement {
  const trace = textOf(body.requestId)
  const warnings = listOf(body.fieldWarnings).map(objectOf).map(({ reason, field, description }) =>
    [bareReason(textOf(reason) ?? ''), textOf(field), textOf(description)].filter(Boolean).join(' '))
  const said = warnings.length === 0 ? undefined : [...new Set(warnings)].join(' · ')
  if (trace !== undefined) return { all: { kind: 'accepted' }, trace, said }
  return { all: { kind: 'accepted', isLastWord: true, detail: 'Google gave no requestId to ask by' }, said }
}

/** An answer that is not the API's: a proxy's page, an empty body. Only the status can be gone by. */
function judgeForeign ({ status, headers }: NetworkResponse, count: number): Judgement {
  const detail = `HTTP ${status} without an answer of Google's`
  const afterSeconds = retryAfterOf(headers)
  if (status === 429) return { all: { kind: 'retry', reason: 'throttled', afterSeconds, detail } }
  if (status === 413) {
    return count > 1 ? { isolate: true, said: detail } : { all: { kind: 'rejected', reason: 'too_large', detail } }
  }
  return { all: { kind: 'retry', reason: 'network_error', afterSeconds, detail } }
}

function judgeError (error: ErrorAnswer, { status, headers }: NetworkResponse, count: number): Judgement {
  const asked = Math.max(error.retrySeconds ?? 0, retryAfterOf(headers) ?? 0)
  const afterSeconds = asked > 0 ? asked : undefined
  const complaints = complaintsOf(error, status)
  const first = (wanted: ErrorClass) => complaints.find(({ is }) => is === wanted)

  const throttled = first('throttled')
  if (status === 429 || throttled !== undefined) {
    const isDaily = /per_?day/i.test(error.quota ?? '')
    const wait = isDaily ? Math.max(asked, dailyWaitSeconds) : afterSeconds
    const detail = [throttled?.detail ?? `HTTP ${status}`, error.quota].filter(Boolean).join(', ')
    return { all: { kind: 'retry', reason: 'throttled', afterSeconds: wait, detail } }
  }
  const passing = first('passing')
  if (status >= 500 || passing !== undefined) {
    const detail = passing?.detail ?? `HTTP ${status} ${error.status ?? ''}`.trim()
    return { all: { kind: 'retry', reason: 'network_error', afterSeconds, detail } }
  }
  const fault = first('configuration') ?? first('request')
  if (fault !== undefined) return { all: { kind: 'pause', detail: fault.detail } }
  const size = first('size')
  if (size !== undefined && count > 1) return { isolate: true }
  return judgeRows(complaints, count)
}

interface Complaint { is: ErrorClass, index?: number, detail: string }

/** Each violation, or the error as a whole where it names none. */
function complaintsOf (error: ErrorAnswer, status: number): Complaint[] {
  if (error.violations.length === 0) {
    const byStatus = status === 401 || status === 403 || status === 404 ? 'configuration' : classOfStatus(error.status)
    const detail = error.reason === undefined
      ? `HTTP ${status} ${error.status ?? ''} ${error.message ?? ''}`.trim()
      : joined(explainReason(error.reason), undefined, error.message)
    return [{ is: classOfReason(error.reason) ?? byStatus, detail }]
  }
  return error.violations.map(violation => {
    const reason = violation.reason ?? error.reason
    return {
      is: classOf(violation, reason),
      index: violation.index,
      detail: joined(reason === undefined ? 'refused' : explainReason(reason), violation.field, violation.description)
    }
  })
}

/** What is said of anything but an event is not an event's fault, whatever the reason is called. */
function classOf ({ field, index }: Violation, reason: string | undefined): ErrorClass {
  const is = classOfReason(reason) ?? 'row'
  const isAroundEvents = index === undefined && /^(?:destinations|encoding|consent|validate|encryption)/i.test(field)
  return is === 'row' && isAroundEvents ? 'request' : is
}

function judgeRows (complaints: readonly Complaint[], count: number): Judgement {
  const [first] = complaints
  const refused = (detail: string | undefined): Outcome => ({ kind: 'rejected', reason: 'network_refused', detail })
  if (count === 1) return { all: refused(complaints.map(({ detail }) => detail).join(' · ')) }
  const byIndex = new Map<number, string[]>()
  for (const { index, detail } of complaints) {
    if (index === undefined || index >= count) continue
    byIndex.set(index, [...byIndex.get(index) ?? [], detail])
  }
  if (byIndex.size === 0) return { isolate: true, said: first?.detail }
  const again: Outcome = {
    kind: 'retry', reason: 'isolating', afterSeconds: 0, detail: 'its request was refused because of another event'
  }
  return {
    each: Array.from({ length: count }, (_, index) => {
      const details = byIndex.get(index)
      return details === undefined ? again : refused(details.join(' · '))
    })
  }
}

/** `REASON: our words (place): Google's words`. */
function joined (reason: string, place: string | undefined, words: string | undefined): string {
  const where = place === undefined || place === '' ? '' : ` (${place.replace(/^events\.(?=events\[)/, '')})`
  return `${reason}${where}${words === undefined ? '' : `: ${words}`}`
}

function saidOf (error: ErrorAnswer): string | undefined {
  const descriptions = error.violations.slice(0, 5).map(({ field, description }) =>
    [field, description].filter(Boolean).join(': '))
  const said = [error.message, ...descriptions].filter(text => text !== undefined && text !== '')
  return said.length === 0 ? undefined : said.join(' · ')
}

function retryAfterOf (headers: Record<string, string>): number | undefined {
  const { 'retry-after': seconds = '' } = headers
  return /^\d{1,6}$/.test(seconds) ? Number(seconds) : undefined
}
