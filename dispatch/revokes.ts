// When visitors took their consent back: what is older of theirs is not sent any more.
import type { Queryable } from '../config/postgres.ts'
import type { Revoked } from '../schema/consent.ts'

/** The newest revokes of visitors, by their blind index in hexadecimal. */
export type Revokes = ReadonlyMap<string, Revoked>

/** Reads the revokes of some visitors of a site, given by their blind indexes. */
export async function readRevokes (pool: Queryable, site: string, visitors: readonly Buffer[]): Promise<Revokes> {
  if (visitors.length === 0) return new Map()
  const { rows } = await pool.query<{ visitor: Buffer, ads_ms: number | null, analytics_ms: number | null }>(`
    SELECT visitor, (extract(epoch FROM ads_revoked_at) * 1000)::bigint AS ads_ms,
      (extract(epoch FROM analytics_revoked_at) * 1000)::bigint AS analytics_ms
    FROM revokes WHERE site = $1 AND visitor = ANY($2)`, [site, visitors])
  return new Map(rows.map(row =>
    [row.visitor.toString('hex'), { adsAtMs: row.ads_ms ?? undefined, analyticsAtMs: row.analytics_ms ?? undefined }]))
}

/** What the visitors of one event revoked, each kind at its latest. */
export function newestRevoke (revokes: Revokes, visitors: readonly Buffer[]): Revoked {
  const found = visitors.flatMap(visitor => revokes.get(visitor.toString('hex')) ?? [])
  return { adsAtMs: lastOf(found.map(one => one.adsAtMs)), analyticsAtMs: lastOf(found.map(one => one.analyticsAtMs)) }
}

/** The greatest of some times, if there is one. */
function lastOf (timesMs: (number | undefined)[]): number | undefined {
  const known = timesMs.filter(time => time !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}
