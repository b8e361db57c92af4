// One wide log line per attempt, and the metrics of deliveries. Ids and counts only, no personal data.
import type { Outcome } from '../schema/outcome.ts'
import type { Deps } from './deps.ts'
import type { Answer } from './judge.ts'
import type { LoadedDelivery } from './load.ts'
import type { Settlement } from './settle.ts'
import { targetLabel, type Target } from './target.ts'

/** What there is to say of one finished attempt. */
export interface AttemptReport {
  attemptId: number
  going: readonly Pick<LoadedDelivery, 'seq' | 'receivedAtMs' | 'resendOf'>[]
  answer: Answer | null
  outcomes: Outcome[] | 'isolate'
  settlements: readonly Settlement[]
  /** False: the lease had run out, and what we learned was not written. */
  isOurs: boolean
  trace: string | null
}

/** Logs an attempt and counts it. */
export function reportAttempt (deps: Deps, target: Target, report: AttemptReport): void {
  const { answer, going, settlements } = report
  const destination = targetLabel(target)
  const [first] = going
  const code = answer?.kind === 'response' ? String(answer.response.status) : answer?.failure.code ?? 'none'
  const states = countStates(settlements)
  const [outcome] = Object.keys(states).length === 1 ? Object.keys(states) : ['mixed']
  deps.metrics.deliveryAttempts.inc({ destination, outcome: report.isOurs ? outcome : 'zombie', code })
  if (first !== undefined && first.resendOf !== null) {
    deps.metrics.deliveryDuplicateSends.inc({ destination }, going.length)
  }
  const values = {
    destination,
    type: target.destination.type,
    attempt: report.attemptId,
    events: going.length,
    first_seq: first?.seq,
    resend_of: first?.resendOf ?? undefined,
    code,
    duration_ms: answer?.durationMs,
    trace: report.trace ?? undefined,
    states,
    paused: settlements.some(one => one.pauses !== undefined) || undefined
  }
  if (!report.isOurs) {
    deps.log.warn(values, 'attempt: its lease had run out, the answer came too late')
    return
  }
  deps.log.info(values, 'attempt')
  reportSettlements(deps, target, settlements)
  const acceptedSeqs = new Set(settlements.filter(isTaken).map(one => one.seq))
  const seconds = deps.metrics.deliverySeconds.labels({ destination })
  const nowMs = deps.now()
  for (const one of going) {
    if (acceptedSeqs.has(one.seq)) seconds.observe(Math.max(0, nowMs - one.receivedAtMs) / 1000)
  }
}

/** Counts what became of deliveries; those that wait on are counted by the backlog. */
export function reportSettlements (deps: Deps, target: Target, settlements: readonly Settlement[]): void {
  const destination = targetLabel(target)
  for (const [state, ofState] of Map.groupBy(settlements, one => one.state)) {
    if (state === 'waiting') continue
    for (const [reason, alike] of Map.groupBy(ofState, one => one.reason ?? '')) {
      deps.metrics.deliveryOutcomes.inc({ destination, state, reason }, alike.length)
    }
  }
}

const isTaken = ({ state }: Settlement) => state === 'delivered' || state === 'accepted'

function countStates (settlements: readonly Settlement[]): Record<string, number> {
  const states: Record<string, number> = {}
  for (const { state, reason } of settlements) {
    const word = reason === undefined ? state : `${state}(${reason})`
    states[word] = (states[word] ?? 0) + 1
  }
  return states
}
