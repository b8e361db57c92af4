// The arrivals of events, read from `events` and opened.
import type { Queryable } from '../config/postgres.ts'
import type { EventData, Part, Trust } from '../schema/event.ts'
import { fromPlaintexts } from '../schema/sealing.ts'
import type { Deps } from './deps.ts'

/** A row of `events`. */
export interface PartRow {
  event_seq: number
  seq: number
  receipt_id: string
  site: string
  trust: Trust
  event_name: string
  event_id: string
  received_ms: number
  occurred_ms: number
  lead_id: string | null
  visitor: Buffer | null
  sealed: Buffer | null
  sealed_client: Buffer | null
}

/** Every part of some events of one day, sealed, in the order of arrival. */
export async function readParts (pool: Queryable, seqs: number[], day: string): Promise<PartRow[]> {
  if (seqs.length === 0) return []
  const { rows } = await pool.query<PartRow>(`
    SELECT e.event_seq, e.seq, e.receipt_id, e.site, e.trust::text AS trust, e.event_name, e.event_id, e.visitor,
      e.sealed, e.sealed_client, (extract(epoch FROM e.received_at) * 1000)::bigint AS received_ms,
      (extract(epoch FROM e.occurred_at) * 1000)::bigint AS occurred_ms,
      CASE WHEN e.is_lead THEN (
        SELECT l.lead_id FROM leads l WHERE l.site = e.site AND l.event_seq = e.event_seq
      ) END AS lead_id
    FROM events e WHERE e.event_seq = ANY($1) AND e.day = $2 ORDER BY e.event_seq, e.seq`, [seqs, day])
  return rows
}

/** A part with its number and its visitor's blind index, for those who show it. */
export interface OpenPart { seq: number, visitor: Buffer | null, part: Part, isErased: boolean }

/** Every part of some events of one day, opened, in the order of arrival. Parts that cannot be opened are left out. */
export async function readOpenParts (
  deps: Pick<Deps, 'pool' | 'keys'>, seqs: number[], day: string
): Promise<OpenPart[]> {
  const rows = await readParts(deps.pool, seqs, day)
  return rows.flatMap(row => {
    const part = readPart(row, deps)
    return part === null ? [] : [{ seq: row.seq, visitor: row.visitor, part, isErased: row.sealed === null }]
  })
}

/** Opens a part. Null when the key ring does not hold its key or the bytes are damaged; an erased part is empty. */
export function readPart (row: PartRow, deps: Pick<Deps, 'keys'>): Part | null {
  let data: EventData = {}
  if (row.sealed !== null) {
    try {
      data = fromPlaintexts({
        data: deps.keys.open(row.site, row.sealed).toString('utf8'),
        client: row.sealed_client === null ? null : deps.keys.open(row.site, row.sealed_client).toString('utf8')
      })
    } catch (error) {
      if (error instanceof Error && error.name === 'KeyError') return null
      throw error
    }
  }
  return {
    receipt_id: row.receipt_id,
    site: row.site,
    trust: row.trust,
    event_name: row.event_name,
    event_id: row.event_id,
    received_at_ms: row.received_ms,
    occurred_at_ms: row.occurred_ms,
    lead_id: row.lead_id ?? undefined,
    data
  }
}
