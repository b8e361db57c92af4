// What must hold after a fault run, asked of the database and of the fake network's own log.
import type { Pool } from '../../config/postgres.ts'
import type { Receipt } from '../../demo/networks/network.ts'
import type { LoadResult } from './load.ts'

export interface Findings {
  attempted: number
  acked: number
  stored: number
  delivered: number
  lost: number
  phantoms: number
  countedTwice: number
  notCounted: number
  receipts: number
  /** How many receipts there may be: events, plus those whose request was lost or hung. */
  receiptsAllowed: number
  problems: string[]
}

async function idsStored (pool: Pool): Promise<Set<string>> {
  const { rows } = await pool.query<{ event_id: string }>('SELECT DISTINCT event_id FROM events')
  return new Set(rows.map(row => row.event_id))
}

/** Deliveries by state and reason, e.g. `delivered 60000`. */
async function states (pool: Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ word: string, count: number }>(`
    SELECT state || coalesce('(' || reason || ')', '') AS word, count(*) AS count
    FROM deliveries GROUP BY 1 ORDER BY 1`)
  return new Map(rows.map(row => [row.word, row.count]))
}

/** Events in requests whose answer was never heard: killed workers, and networks that hung or cut the line. */
async function inFlight (pool: Pool): Promise<number> {
  const { rows: [row] } = await pool.query<{ events: number }>(`
    SELECT coalesce(sum(cardinality(event_seqs)), 0)::int AS events FROM attempts
    WHERE result = 'lost' OR http_status IS NULL`)
  return row?.events ?? 0
}

/** Compares the books of the senders, of Postern and of the network. */
export async function audit (
  pool: Pool, load: LoadResult, leads: number, received: readonly Receipt[]
): Promise<Findings> {
  const stored = await idsStored(pool)
  const acked = [...load.ackedLeads, ...load.ackedBeacons]
  const lost = acked.filter(id => !stored.has(id))
  const phantoms = [...stored].filter(id => !load.attempted.has(id))
  const byState = await states(pool)
  // What the network failed on purpose (a 5xx, a 429) was not taken in, and asked for another try.
  const taken = received.filter(({ verdict }) => verdict !== 'rejected')
  const refused = received.filter(({ reason }) => reason !== undefined && !/^(fault_|same_)/.test(reason))
  const counted = new Map<string, number>()
  for (const { event_id: id, verdict } of taken) {
    if (verdict === 'counted') counted.set(id ?? '', (counted.get(id ?? '') ?? 0) + 1)
  }
  const countedTwice = [...counted].filter(([, count]) => count > 1)
  const notCounted = [...stored].filter(id => !counted.has(id))
  const strangers = [...counted.keys()].filter(id => !load.attempted.has(id))
  const receiptsAllowed = stored.size + await inFlight(pool)
  const unheard = leads - load.ackedLeads.size
  const problems = [
    ...(unheard > 0 ? [`${unheard} leads were never acknowledged, although their senders insisted`] : []),
    ...lost.slice(0, 5).map(id => `lost: ${id} was acknowledged and is not stored`),
    ...phantoms.slice(0, 5).map(id => `phantom: ${id} is stored and was never sent`),
    ...strangers.slice(0, 5).map(id => `phantom: ${id} reached the network and was never sent`),
    ...countedTwice.slice(0, 5).map(([id, count]) => `counted ${count} times: ${id}`),
    ...notCounted.slice(0, 5).map(id => `never counted: ${id}`),
    ...[...byState].filter(([word]) => word !== 'delivered').map(([word, count]) => `${count} deliveries ${word}`),
    ...refused.slice(0, 5).map(({ event_id: id, reason }) => `the network refused ${id}: ${reason}`),
    ...(taken.length > receiptsAllowed ? [`${taken.length} receipts, ${receiptsAllowed} allowed`] : []),
    ...load.wrong.map(answer => `an answer that the contract does not know: ${answer}`)
  ]
  return {
    attempted: load.attempted.size,
    acked: acked.length,
    stored: stored.size,
    delivered: byState.get('delivered') ?? 0,
    lost: lost.length,
    phantoms: phantoms.length + strangers.length,
    countedTwice: countedTwice.length,
    notCounted: notCounted.length,
    receipts: taken.length,
    receiptsAllowed,
    problems
  }
}
