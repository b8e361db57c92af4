// The gauges that are read from the database: what is open, what is overdue, what is paused.
import type { Metrics } from '../config/metrics.ts'
import type { Pool, Queryable } from '../config/postgres.ts'
import type { Reader } from '../config/replica.ts'

export interface GaugeDeps {
  metrics: Metrics
  reader: Reader
  /** Pools of the process, by name: their connections are counted as well. */
  pools: Record<string, Pool>
  now: () => number
  onError: (error: unknown) => void
}

/** Several scrapers within this time share one reading. */
const freshMs = 5000

/** Makes the reader of the gauges. While Postgres is away the last values stay; the pools are counted all the same. */
export function createGaugeReader (deps: GaugeDeps): () => Promise<void> {
  let readAtMs = -Infinity
  let reading: Promise<void> | undefined

  async function read (): Promise<void> {
    try {
      const { lagSeconds } = await deps.reader.read(async db => { await readDatabase(deps.metrics, db) })
      deps.metrics.replicaLagSeconds.set(lagSeconds ?? Number.NaN)
      readAtMs = deps.now()
    } catch (error) {
      deps.onError(error)
    }
  }

  return async () => {
    for (const [name, pool] of Object.entries(deps.pools)) {
      deps.metrics.pgPool.set({ pool: name, state: 'total' }, pool.totalCount)
      deps.metrics.pgPool.set({ pool: name, state: 'idle' }, pool.idleCount)
      deps.metrics.pgPool.set({ pool: name, state: 'waiting' }, pool.waitingCount)
    }
    if (deps.now() - readAtMs < freshMs) return
    reading ??= read().finally(() => { reading = undefined })
    await reading
  }
}

async function readDatabase (metrics: Metrics, db: Queryable): Promise<void> {
  interface Backlog { destination: string, state: string, open: number, late: number | null }
  // Read from the agenda and the open questions, never from the deliveries themselves: what an entry that is being sent
  // has settled already counts until all of it is, and what an attempt was refused counts with what it was accepted.
  const { rows: backlog } = await db.query<Backlog>(`
    SELECT d.site || '/' || d.name AS destination, s.state, s.open, s.late
    FROM (
      SELECT destination_id, 'waiting' AS state, sum(events) AS open,
        greatest(0, extract(epoch FROM now() - min(due_at)))::float8 AS late
      FROM agenda GROUP BY destination_id
      UNION ALL
      SELECT destination_id, 'accepted', sum(cardinality(event_seqs)), NULL
      FROM attempts WHERE verify_at IS NOT NULL GROUP BY destination_id
    ) AS s JOIN destinations d ON d.id = s.destination_id`)
  const { rows: destinations } = await db.query<{ destination: string, paused: boolean }>(
    'SELECT site || \'/\' || name AS destination, paused_at IS NOT NULL AS paused FROM destinations')
  const { rows: [unrouted] } = await db.query<{ batches: number }>('SELECT count(*) AS batches FROM unrouted_batches')

  metrics.deliveryBacklog.reset()
  metrics.deliveryOldestSeconds.reset()
  metrics.destinationPaused.reset()
  for (const { destination, paused } of destinations) {
    metrics.deliveryBacklog.set({ destination, state: 'waiting' }, 0)
    metrics.deliveryOldestSeconds.set({ destination }, 0)
    metrics.destinationPaused.set({ destination }, paused ? 1 : 0)
  }
  for (const { destination, state, open, late } of backlog) {
    metrics.deliveryBacklog.set({ destination, state }, open)
    if (late !== null) metrics.deliveryOldestSeconds.set({ destination }, late)
  }
  metrics.unroutedBatches.set(unrouted?.batches ?? 0)
}
