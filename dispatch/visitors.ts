// What is known of the visitors of some events: where they came in, and when they took their consent back.
import { prepared, type Pool } from '../config/postgres.ts'
import type { Revoked } from '../schema/consent.ts'
import type { Touch } from '../schema/lead.ts'
import { lengthen } from '../schema/short_text.ts'
import type { Deps } from './deps.ts'
import { openText } from './parts.ts'
import { revokedOf, revokesQuery, type RevokeRow, type Revokes } from './revokes.ts'
import { bytesList } from './sql_lists.ts'

export interface SeenTouch { seenAtMs: number, touch: Touch }

/** By the visitors' blind indexes in hexadecimal. */
export interface Visitors {
  /** The landings of each, newest first. */
  touches: ReadonlyMap<string, readonly SeenTouch[]>
  revokes: Revokes
}

interface VisitorRow extends RevokeRow {
  /** A landing; null: a revoke. */
  sealed: string | null
  seen_ms: number | null
}

/** One statement for both, because it is asked for every job, and mostly there is little or nothing. */
const visitorsStatement = {
  name: 'read_visitors',
  text: `
    SELECT encode(visitor, 'hex') AS visitor, NULL::float8 AS ads_ms, NULL::float8 AS analytics_ms,
      encode(sealed, 'base64') AS sealed, round(date_part('epoch', seen_at) * 1000) AS seen_ms
    FROM touches WHERE site = $1 AND visitor = ANY($2::bytea[])
    UNION ALL
    SELECT visitor, ads_ms, analytics_ms, NULL, NULL FROM (${revokesQuery}) AS revoked`
}

/** Reads what is known of some visitors of a site, given by their blind indexes. */
export async function readVisitors (
  deps: Pick<Deps, 'keys'> & { pool: Pool }, site: string, visitors: readonly string[]
): Promise<Visitors> {
  const touches = new Map<string, SeenTouch[]>()
  const revokes = new Map<string, Revoked>()
  if (visitors.length === 0) return { touches, revokes }
  const { rows } = await deps.pool.query<VisitorRow>(
    prepared(deps.pool, visitorsStatement), [site, bytesList(visitors)])
  for (const row of rows) {
    if (row.sealed === null) {
      revokes.set(row.visitor, revokedOf(row))
      continue
    }
    const touch = open(deps, site, row.sealed)
    if (touch === null) continue
    const known = touches.get(row.visitor)
    if (known === undefined) touches.set(row.visitor, [{ seenAtMs: row.seen_ms ?? 0, touch }])
    else known.push({ seenAtMs: row.seen_ms ?? 0, touch })
  }
  for (const seen of touches.values()) seen.sort((a, b) => b.seenAtMs - a.seenAtMs)
  return { touches, revokes }
}

/** Opens a landing; null when the key ring does not hold its key or the bytes are damaged. */
function open (deps: Pick<Deps, 'keys'>, site: string, sealed: string): Touch | null {
  try {
    return JSON.parse(lengthen(openText(deps, site, sealed))) as Touch
  } catch (error) {
    if (error instanceof Error && error.name === 'KeyError') return null
    throw error
  }
}
