// What the operator learns of the gateway's work: a wide log line per accepted arrival, and counters. Nothing personal.
import type { Metrics } from '../config/metrics.ts'
import { consentMarks } from '../schema/consent_cookie.ts'
import type { Receipt } from './arrival.ts'
import type { Accepted, Answer } from './receive.ts'

/** What this half counts. */
export type GatewayMetrics = Pick<Metrics, 'httpRequests' | 'httpSeconds' | 'ingestReceived' | 'ingestStored' |
  'ingestDuplicate' | 'ingestRejected' | 'ingestFailed' | 'ingestAckSeconds' | 'ingestShed' | 'ingestSpooled' |
  'landings' | 'crowds' | 'spoolBytes' | 'spoolRecords' | 'spoolOldestSeconds' | 'spoolQuarantined' | 'spoolErrors' |
  'pgCircuitOpen'>

/** What this half logs with: the process's log, or a list in tests. */
export interface GatewayLog {
  info: (fields: object, message: string) => void
  warn: (fields: object, message: string) => void
  error: (fields: object, message: string) => void
}

export type Kind = 'event' | 'signed_event' | 'lead'

/** Finds a metric's child by one or two labels: prom-client itself takes as long for it as for all of a log line. */
export function labelled<T> (find: (one: string, other: string) => T): (one: string, other?: string) => T {
  const known = new Map<string, Map<string, T>>()
  return (one, other = '') => {
    let ofOne = known.get(one)
    if (ofOne === undefined) known.set(one, ofOne = new Map())
    let child = ofOne.get(other)
    if (child === undefined) ofOne.set(other, child = find(one, other))
    return child
  }
}

/** Counts each arrival once for good: as stored, duplicate or failed; a spooled one when Postgres has it. */
export function openReceiptCounter (metrics: GatewayMetrics): (site: string, receipt: Receipt) => void {
  const { ingestSpooled, ingestStored, ingestDuplicate } = metrics
  const spooled = labelled(site => ingestSpooled.labels({ site }))
  const stored = labelled(site => ingestStored.labels({ site }))
  const duplicate = labelled(site => ingestDuplicate.labels({ site }))
  return (site, receipt) => {
    if (receipt.isSetAside === true) return
    if (receipt.isSpooled === true) spooled(site).inc()
    else if (receipt.status === 'stored') stored(site).inc()
    else duplicate(site).inc()
  }
}

/** One request as the journal tells of it. */
export interface Taken { site: string, kind: Kind, bytes: number, ackMs: number }

/** Writes down what became of one request's posts. */
export type Journal = (answers: readonly Answer[], taken: Taken) => void

export function openJournal (log: GatewayLog, metrics: GatewayMetrics): Journal {
  const received = labelled((site, kind) => metrics.ingestReceived.labels({ site, kind }))
  const ackSeconds = labelled(path => metrics.ingestAckSeconds.labels({ path }))
  const countReceipt = openReceiptCounter(metrics)
  return (answers, taken) => {
    for (const answer of answers) {
      received(taken.site, taken.kind).inc()
      if ('error' in answer) {
        metrics.ingestRejected.inc({ reason: answer.error.code })
        continue
      }
      countReceipt(taken.site, answer.receipt)
      ackSeconds(answer.receipt.isSpooled === true ? 'spool' : 'postgres').observe(taken.ackMs / 1000)
      log.info(fieldsOf(answer, taken), 'accepted')
    }
  }
}

function fieldsOf ({ receipt, arrival, consent, warnings }: Accepted, { site, kind, bytes, ackMs }: Taken): object {
  return {
    site,
    kind,
    event_name: arrival.part.event_name,
    event_id: receipt.eventId,
    lead_id: arrival.part.lead_id,
    receipt_id: arrival.part.receipt_id,
    status: receipt.status,
    spooled: receipt.isSpooled,
    trust: arrival.part.trust,
    consent: consentMarks(consent),
    consent_because: consent.because,
    bot: arrival.part.data.bot,
    flag: arrival.lead?.flag,
    bytes,
    ack_ms: Math.round(ackMs * 10) / 10,
    warnings: warnings.length
  }
}
