// What the operator learns of the gateway's work: a wide log line per accepted arrival, and counters. Nothing personal.
import type { Metrics } from '../config/metrics.ts'
import { consentMarks } from '../schema/consent_cookie.ts'
import type { Receipt } from './arrival.ts'
import type { Answer } from './receive.ts'

/** What this half counts. */
export type GatewayMetrics = Pick<Metrics, 'httpRequests' | 'httpSeconds' | 'ingestReceived' | 'ingestStored' |
  'ingestDuplicate' | 'ingestRejected' | 'ingestFailed' | 'ingestAckSeconds' | 'ingestShed' | 'ingestSpooled' |
  'landings' | 'crowds' | 'spoolBytes' | 'spoolRecords' | 'spoolOldestSeconds' | 'spoolQuarantined' | 'spoolErrors' |
  'pgCircuitOpen'>

/** What this half logs with: pino, or a list in tests. */
export interface GatewayLog {
  info: (fields: object, message: string) => void
  warn: (fields: object, message: string) => void
  error: (fields: object, message: string) => void
}

export type Kind = 'event' | 'signed_event' | 'lead'

/** Each arrival is counted once for good: as stored, duplicate or failed; a spooled one when Postgres has it. */
export function countReceipt (site: string, receipt: Receipt, metrics: GatewayMetrics): void {
  if (receipt.isSetAside === true) return
  if (receipt.isSpooled === true) metrics.ingestSpooled.inc({ site })
  else if (receipt.status === 'stored') metrics.ingestStored.inc({ site })
  else metrics.ingestDuplicate.inc({ site })
}

/** Writes down what became of one request's posts. */
export function recordAnswers (
  answers: readonly Answer[], request: { site: string, kind: Kind, bytes: number, ackMs: number },
  log: GatewayLog, metrics: GatewayMetrics
): void {
  const { site, kind, bytes } = request
  const ackMs = Math.round(request.ackMs * 10) / 10
  for (const answer of answers) {
    metrics.ingestReceived.inc({ site, kind })
    if ('error' in answer) {
      metrics.ingestRejected.inc({ reason: answer.error.code })
      continue
    }
    const { receipt, arrival, consent, warnings } = answer
    countReceipt(site, receipt, metrics)
    metrics.ingestAckSeconds.observe({ path: receipt.isSpooled === true ? 'spool' : 'postgres' }, request.ackMs / 1000)
    log.info({
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
      ack_ms: ackMs,
      warnings: warnings.length
    }, 'accepted')
  }
}
