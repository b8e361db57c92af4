// What became of a request's events: the answer of `requestStatus:retrieve`, half an hour and more after the events.
import type { Outcome } from '../../../schema/outcome.ts'
import type { Judgement, NetworkResponse } from '../../destination.ts'
import { listOf, objectOf, textOf, type Json } from '../../json.ts'
import { readError, wholeOf } from './answer.ts'
import { bareReason, classOfVerdict, explainReason, explainVerdict } from './errors.ts'

/** A click is known to Google after six hours (google.md §2.6). */
const recentClickWaitSeconds = 6 * 3600

/** How many events were refused for one reason, and which where Google says so. */
interface Count { reason: string, records: number, indices: number[] }

/**
 * All events of a request go to one destination, so its status is the request's, and `recordIndices` are places among
 * the events (google.md §2.6, §10). An answer that says nothing yet, or in unknown words, is asked for again.
 */
export function judgeVerdict (response: NetworkResponse, count: number): Judgement {
  const { status, body } = response
  if (status !== 200) return judgeNoStatus(response)
  const [destination] = listOf(objectOf(body).requestStatusPerDestination).map(objectOf)
  const requestStatus = textOf(destination?.requestStatus)?.replace(/^REQUEST_STATUS_/, '')
  const said = warningsOf(destination)
  switch (requestStatus) {
    case 'SUCCESS':
      return { all: { kind: 'delivered' }, said }
    // The proto writes one, a guide the other.
    case 'FAILED':
    case 'FAILURE':
      return { ...judgeCounts(countsOf(destination, count), count, true), said }
    case 'PARTIAL_SUCCESS':
      return { ...judgeCounts(countsOf(destination, count), count, false), said }
    default:
      return { all: { kind: 'accepted' } }
  }
}

/**
 * No status: Google does not know the request, which it then never will; or it did not let us ask, which says nothing
 * of the events: a `pause` would send them again.
 */
function judgeNoStatus ({ status, body }: NetworkResponse): Judgement {
  const error = readError(body)
  const reason = error.violations[0]?.reason ?? error.reason
  const detail = reason === undefined ? `HTTP ${status} ${error.status ?? ''}`.trim() : explainReason(reason)
  const isUnknown = reason === undefined
    ? error.isGoogles && status === 404
    : bareReason(reason) === 'INVALID_REQUEST_ID'
  if (isUnknown) return { all: { kind: 'accepted', isLastWord: true, detail: `Google has no status of it: ${detail}` } }
  return { all: { kind: 'accepted', detail: `not answered: ${detail}` } }
}

function countsOf (destination: Json | undefined, count: number): Count[] {
  return listOf(objectOf(destination?.errorInfo).errorCounts).map(objectOf).map(entry => {
    const given = listOf(entry.recordIndices).map(wholeOf)
    // A place that is none, and all places are doubtful.
    const indices = given.flatMap(index => index !== undefined && index < count ? [index] : [])
    const isSound = indices.length === given.length
    return {
      reason: textOf(entry.reason) ?? 'PROCESSING_ERROR_REASON_UNSPECIFIED',
      records: wholeOf(entry.recordCount) ?? given.length,
      indices: isSound ? [...new Set(indices)] : []
    }
  })
}

function judgeCounts (counts: readonly Count[], count: number, isAllFailed: boolean): Judgement {
  const known = new Map<number, string[]>()
  const add = (index: number, reason: string) => known.set(index, [...known.get(index) ?? [], reason])
  const vague: Count[] = []
  for (const one of counts) {
    if (one.indices.length > 0) for (const index of one.indices) add(index, one.reason)
    else if (one.records >= count) for (let index = 0; index < count; index++) add(index, one.reason)
    else if (one.records > 0) vague.push(one)
  }
  const detail = summaryOf(counts, count)
  const unnamed = count - known.size
  const rest = restOf(vague, unnamed, isAllFailed, detail)
  return {
    each: Array.from({ length: count }, (_, index) => {
      const reasons = known.get(index)
      return reasons === undefined ? rest : worstOf(reasons)
    })
  }
}

/** What is known of the events that no reason names. */
function restOf (vague: readonly Count[], unnamed: number, isAllFailed: boolean, detail: string): Outcome {
  const records = vague.reduce((sum, one) => sum + one.records, 0)
  if (vague.length === 0) {
    // FAILED without a reason: nothing forbids to try again, and a second copy changes nothing (google.md §2.5).
    if (!isAllFailed) return { kind: 'delivered' }
    return { kind: 'retry', reason: 'network_error', detail: 'FAILED without a reason' }
  }
  const outcomes = vague.map(({ reason }) => worstOf([reason]))
  const [first] = outcomes
  // All of them were refused: which for what does not matter where the same follows from every reason.
  if (records >= unnamed && first !== undefined && outcomes.every(({ kind }) => kind === first.kind)) {
    return first.kind === 'rejected' ? { ...first, detail } : first
  }
  return { kind: 'accepted', isLastWord: true, detail: `${detail}; Google does not say which` }
}

/** An event with several reasons: what refuses it for good counts before what may pass. */
function worstOf (reasons: readonly string[]): Outcome {
  const order = ['rejected', 'pause', 'retry', 'delivered'] as const
  const outcomes = reasons.map(outcomeOf)
  return order.map(kind => outcomes.find(outcome => outcome.kind === kind)).find(found => found !== undefined) ??
    { kind: 'accepted' }
}

function outcomeOf (reason: string): Outcome {
  const detail = explainVerdict(reason)
  switch (classOfVerdict(reason)) {
    case 'counted_before': return { kind: 'delivered' }
    case 'too_recent': return { kind: 'retry', reason: 'network_error', afterSeconds: recentClickWaitSeconds, detail }
    case 'passing': return { kind: 'retry', reason: 'network_error', detail }
    case 'configuration': return { kind: 'pause', detail }
    case 'refused': return { kind: 'rejected', reason: 'network_refused', detail }
  }
}

function summaryOf (counts: readonly Count[], count: number): string {
  const parts = counts.map(({ reason, records }) => `${records} ${bareReason(reason)}`)
  return `of ${count} events Google refused ${parts.join(', ') || 'all'}`
}

function warningsOf (destination: Json | undefined): string | undefined {
  const warnings = listOf(objectOf(destination?.warningInfo).warningCounts).map(objectOf)
    .map(({ reason, recordCount }) => `${wholeOf(recordCount) ?? 0} ${bareReason(textOf(reason) ?? '')}`)
  return warnings.length === 0 ? undefined : warnings.join(', ')
}
