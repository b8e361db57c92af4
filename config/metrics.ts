// The only home of `prom-client`: every metric of Postern, its labels bounded (no id, address or URL of a visitor).
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const longSeconds = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200, 86_400, 604_800]

/** The metrics of reliability-and-security.md §6, made by createMetrics(). */
export type Metrics = ReturnType<typeof createMetrics>

/**
 * Makes the registry of one process. `version` becomes `build_info`. Gateway, dispatch and admin are given the result;
 * gauges that are read from the database are set when /metrics is asked for.
 */
export function createMetrics (version: string) {
  const registry = new Registry()
  const registers = [registry]
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name, help, labelNames, registers })
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name, help, labelNames, registers })
  const histogram = (name: string, help: string, labelNames: string[] = [], buckets = seconds) =>
    new Histogram({ name, help, labelNames, buckets, registers })
  collectDefaultMetrics({ register: registry })
  const clockOffsetSeconds = gauge('clock_offset_seconds', 'How far this machine\'s clock is ahead of Postgres\'s.')
  const replicaLagSeconds = gauge('pg_replica_lag_seconds', 'How far the standby is behind; NaN while none is read.')
  // Nobody has asked yet: zero would say that they agree.
  for (const unknown of [clockOffsetSeconds, replicaLagSeconds]) unknown.set(Number.NaN)
  gauge('build_info', 'Always 1; the version is in the label.', ['version']).set({ version }, 1)

  return {
    registry,
    httpRequests: counter('http_requests_total', 'Requests by route template and status.', ['route', 'code']),
    httpSeconds: histogram('http_request_duration_seconds', 'Time to answer, by route template.', ['route']),
    ingestReceived: counter('ingest_received_total', 'Arrivals read.', ['site', 'kind']),
    ingestStored: counter('ingest_stored_total', 'Arrivals stored as new events.', ['site']),
    ingestDuplicate: counter('ingest_duplicate_total', 'Arrivals stored as parts of known events.', ['site']),
    ingestRejected: counter('ingest_rejected_total', 'Arrivals refused.', ['reason']),
    ingestFailed: counter('ingest_failed_events_total', 'Events set aside in failed_events.', ['reason']),
    ingestAckSeconds: histogram('ingest_ack_seconds', 'Time until an arrival was durable.', ['path']),
    ingestSpooled: counter('ingest_spooled_total', 'Arrivals acknowledged from the spool; counted as stored or ' +
      'duplicate once Postgres has them.', ['site']),
    landings: counter('landings_total', 'Documents asked for by visitors who came in from elsewhere.',
      ['site', 'outcome']),
    crowds: counter('crowded_visitor_ids_total', 'Visitor ids that came from too many places and were ended: a cache ' +
      'keeps answers with cookies.', ['site']),
    spoolBytes: gauge('spool_bytes', 'What waits in the spool.'),
    spoolRecords: gauge('spool_records', 'Arrivals that wait in the spool.'),
    spoolOldestSeconds: gauge('spool_oldest_age_seconds', 'How long the oldest of them has been waiting.'),
    spoolQuarantined: gauge('spool_quarantined_files', 'Damaged files of the spool that a person must look at.'),
    spoolErrors: counter('spool_errors_total', 'What went wrong with the spool or its disk.', ['what', 'code']),
    pgCircuitOpen: gauge('pg_circuit_open', '1 while Postgres is away and arrivals go to the spool.'),
    ingestShed: counter('ingest_shed_total', 'Arrivals answered with 429 or 503.', ['reason']),
    pgPool: gauge('pg_pool', 'Connections of this process.', ['pool', 'state']),
    routedBatches: counter('route_batches_total', 'Batches routed.', ['outcome']),
    deliveryAttempts: counter('delivery_attempts_total', 'Requests to networks.', ['destination', 'outcome', 'code']),
    deliveryOutcomes: counter('delivery_outcomes_total', 'What became of deliveries.',
      ['destination', 'state', 'reason']),
    deliverySeconds: histogram('delivery_latency_seconds', 'From the event\'s arrival to the network\'s acceptance.',
      ['destination'], longSeconds),
    deliveryDuplicateSends: counter('delivery_duplicate_sends_total', 'Events sent again because an answer was lost.',
      ['destination']),
    deliveryBacklog: gauge('delivery_backlog', 'Deliveries that are open.', ['destination', 'state']),
    deliveryOldestSeconds: gauge('delivery_oldest_age_seconds', 'How long the longest overdue delivery is due.',
      ['destination']),
    breakerState: gauge('destination_breaker_state', '1 while the circuit breaker is open.', ['destination']),
    destinationPaused: gauge('destination_paused', '1 while the destination is paused.', ['destination']),
    clockOffsetSeconds,
    replicaLagSeconds,
    unroutedBatches: gauge('route_backlog_batches', 'Batches of events that are not routed yet.')
  }
}
