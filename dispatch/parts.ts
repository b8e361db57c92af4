// The arrivals of events, read from `events` and opened.
import { prepared, type Pool } from '../config/postgres.ts'
import type { EventData, Part, Trust } from '../schema/event.ts'
import { fromPlaintexts } from '../schema/sealing.ts'
import type { Deps } from './deps.ts'
import { numberList } from './sql_lists.ts'

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
  /** Blind index of the visitor, in hexadecimal. */
  visitor: string | null
  /** Base64: two thirds of what Postgres sends for bytes, and read three times as fast. */
  sealed: string | null
  sealed_client: string | null
}

/**
 * Every part of some events of one day, sealed, in the order of arrival. OFFSET keeps each event's look-up by key
 * apart: by itself the planner may read the whole day for them.
 */
export async function readParts (pool: Pool, seqs: number[], day: string): Promise<PartRow[]> {
  if (seqs.length === 0) return []
  const { rows } = await pool.query<PartRow>(prepared(pool, partsStatement), [numberList(seqs), day])
  return rows
}

/** The columns of a PartRow but for its lead, of a table or what has its columns. */
export const partColumns = (table: string): string => `${table}.event_seq, ${table}.seq, ${table}.receipt_id,
      ${table}.site, ${table}.trust::text AS trust, ${table}.event_name, ${table}.event_id,
      encode(${table}.visitor, 'hex') AS visitor, encode(${table}.sealed, 'base64') AS sealed,
      encode(${table}.sealed_client, 'base64') AS sealed_client,
      round(date_part('epoch', ${table}.received_at) * 1000) AS received_ms,
      round(date_part('epoch', ${table}.occurred_at) * 1000) AS occurred_ms`

const partsStatement = {
  name: 'read_parts',
  text: `
    SELECT ${partColumns('e')},
      CASE WHEN e.is_lead THEN (
        SELECT l.lead_id FROM leads l WHERE l.site = e.site AND l.event_seq = e.event_seq
      ) END AS lead_id
    FROM unnest($1::bigint[]) AS wanted (seq)
    CROSS JOIN LATERAL (SELECT * FROM events WHERE event_seq = wanted.seq AND day = $2 ORDER BY seq OFFSET 0) AS e`
}

/** A part with its number and its visitor's blind index, for those who show it. */
export interface OpenPart { seq: number, visitor: string | null, part: Part, isErased: boolean }

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

/** Opens what was sealed, given as base64. Throws KeyError when the ring does not hold its key, or it is damaged. */
export function openText (deps: Pick<Deps, 'keys'>, site: string, sealed: string): string {
  return deps.keys.open(site, Buffer.from(sealed, 'base64')).toString('utf8')
}

/** Opens a part. Null when the key ring does not hold its key or the bytes are damaged; an erased part is empty. */
export function readPart (row: PartRow, deps: Pick<Deps, 'keys'>): Part | null {
  let data: EventData = {}
  if (row.sealed !== null) {
    try {
      data = fromPlaintexts({
        data: openText(deps, row.site, row.sealed),
        client: row.sealed_client === null ? null : openText(deps, row.site, row.sealed_client)
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
