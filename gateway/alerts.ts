// What the operator is told of trouble in storing: log lines and metrics. Only codes: a message may quote rows.
import type { Crowd } from './crowds.ts'
import type { IngestAlert } from './durable.ts'
import type { GatewayLog, GatewayMetrics } from './journal.ts'
import type { Spool, SpoolEvent } from './spool/spool.ts'

/** In an overload each request would write a line. */
const quietMs = 10_000

/** Tells of an ingest log's alerts. `clock`: monotonic milliseconds. */
export function alertWith (
  log: GatewayLog, metrics: GatewayMetrics, clock: () => number = () => performance.now()
): (alert: IngestAlert) => void {
  let toldMs = Number.NEGATIVE_INFINITY
  let untold = 0

  function tellShed (reason: string, rows: number): void {
    untold += rows
    if (clock() - toldMs < quietMs) return
    log.warn({ reason, rows: untold }, 'arrivals are turned away with 503: nothing durable takes them')
    toldMs = clock()
    untold = 0
  }

  return alert => {
    switch (alert.what) {
      case 'outage':
        log.warn({ reason: alert.reason, rows: alert.rows },
          'postgres does not answer: arrivals are turned away with 503')
        break
      case 'set_aside':
        metrics.ingestFailed.inc({ reason: alert.reason })
        log.error({ reason: alert.reason, rows: alert.rows, receipt_id: alert.receiptId },
          'postgres refused a row: it was set aside in failed_events')
        break
      case 'bug':
        log.error({ reason: alert.reason, rows: alert.rows }, 'storing failed in a way that nobody foresaw')
        break
      case 'spooling_began':
        metrics.pgCircuitOpen.set(1)
        log.warn({ reason: alert.reason }, 'postgres is away: arrivals are kept in the spool and acknowledged')
        break
      case 'spooling_ended':
        metrics.pgCircuitOpen.set(0)
        log.warn({ seconds: round(alert.seconds), waiting: alert.waiting },
          'postgres is back: arrivals go to it again, and the spool is drained')
        break
      case 'drained':
        log.warn({ rows: alert.rows, seconds: round(alert.seconds) }, 'the spool is empty: postgres has all of it')
        break
      case 'shed':
        metrics.ingestShed.inc({ reason: alert.reason }, alert.rows)
        tellShed(alert.reason, alert.rows)
        break
      case 'spool_trouble':
        metrics.spoolErrors.inc({ what: 'read', code: alert.reason })
        log.error({ code: alert.reason }, 'the spool cannot be read; it is tried again')
    }
  }
}

const round = (seconds: number) => Math.round(seconds * 10) / 10

/** Tells of what happens to the spool's files. */
export function spoolAlertWith (log: GatewayLog, metrics: GatewayMetrics): (event: SpoolEvent) => void {
  return event => {
    const { what, ...fields } = event
    switch (what) {
      case 'adopted':
        log.warn(fields, 'a process that is gone left arrivals in the spool: they will be stored')
        break
      case 'torn_tail':
        metrics.spoolErrors.inc({ what, code: 'none' })
        log.warn(fields, 'an unfinished write, acknowledged to nobody, was cut off a file of the spool')
        break
      case 'quarantined':
        metrics.spoolErrors.inc({ what, code: 'none' })
        log.error(fields, 'a file of the spool is damaged: what can be read is stored, the file is in spool/quarantine')
        break
      case 'write_failed':
        metrics.spoolErrors.inc({ what, code: event.code })
        log.error(fields, 'the spool\'s disk failed to write: the file is not written any more')
        break
      case 'trouble':
        metrics.spoolErrors.inc({ what, code: event.code })
        log.warn(fields, 'something on the spool\'s disk failed; nothing is lost by it')
    }
  }
}

/** Tells of visitor ids that many people carry. One cached page may make several. */
export function crowdAlertWith (
  log: GatewayLog, metrics: GatewayMetrics, clock: () => number = () => performance.now()
): (crowd: Crowd) => void {
  let toldMs = Number.NEGATIVE_INFINITY
  return ({ site, networks, addresses }) => {
    metrics.crowds.inc({ site })
    if (clock() - toldMs < quietMs) return
    toldMs = clock()
    log.error({ site, networks, addresses }, 'one visitor id came from many places: a cache in front gives an answer ' +
      'of Postern\'s to everybody, with its cookies. The id is ended; docs/deploy.md, "Caches"')
  }
}

/** Keeps the gauges of the spool up to date; the result stops it. */
export function watchSpool (spool: Spool, metrics: GatewayMetrics, everyMs = 1000): () => void {
  const set = () => {
    const { bytes, records, oldestSeconds, quarantined } = spool.state()
    metrics.spoolBytes.set(bytes)
    metrics.spoolRecords.set(records)
    metrics.spoolOldestSeconds.set(oldestSeconds)
    metrics.spoolQuarantined.set(quarantined)
  }
  set()
  const timer = setInterval(set, everyMs)
  timer.unref()
  return () => { clearInterval(timer) }
}
