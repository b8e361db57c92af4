// When visitors took their consent back: what is older of theirs is not sent any more.
import type { Queryable } from '../config/postgres.ts'
import type { Revoked } from '../schema/consent.ts'
import { bytesList } from './sql_lists.ts'

/** The newest revokes of visitors, by their blind index in hexadecimal, as everywhere here. */
export type Revokes = ReadonlyMap<string, Revoked>

/** A visitor's revokes, in Unix milliseconds. */
export interface RevokeRow { visitor: string, ads_ms: number | null, analytics_ms: number | null }

/** The revokes of a site ($1) by some of its visitors ($2), as rows of RevokeRow. */
export const revokesQuery = `
    SELECT encode(visitor, 'hex') AS visitor, round(date_part('epoch', ads_revoked_at) * 1000) AS ads_ms,
      round(date_part('epoch', analytics_revoked_at) * 1000) AS analytics_ms
    FROM revokes WHERE site = $1 AND visitor = ANY($2::bytea[])`

export const revokedOf = ({ ads_ms: adsAtMs, analytics_ms: analyticsAtMs }: RevokeRow): Revoked =>
  ({ adsAtMs: adsAtMs ?? undefined, analyticsAtMs: analyticsAtMs ?? undefined })

/** Reads the revokes of some visitors of a site, given by their blind indexes. */
export async function readRevokes (pool: Queryable, site: string, visitors: readonly string[]): Promise<Revokes> {
  if (visitors.length === 0) return new Map()
  const { rows } = await pool.query<RevokeRow>(revokesQuery, [site, bytesList(visitors)])
  return new Map(rows.map(row => [row.visitor, revokedOf(row)]))
}

/** What the visitors of one event revoked, each kind at its latest. */
export function newestRevoke (revokes: Revokes, visitors: readonly string[]): Revoked {
  if (revokes.size === 0) return {}
  const found = visitors.flatMap(visitor => revokes.get(visitor) ?? [])
  return { adsAtMs: lastOf(found.map(one => one.adsAtMs)), analyticsAtMs: lastOf(found.map(one => one.analyticsAtMs)) }
}

/** The greatest of some times, if there is one. */
function lastOf (timesMs: (number | undefined)[]): number | undefined {
  const known = timesMs.filter(time => time !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}
