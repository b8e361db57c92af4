// Remembers who took their consent back and when, so that nothing older of theirs is sent any more.
import type { Keys } from '../config/keys.ts'
import { isOutage, type Pool } from '../config/postgres.ts'
import { Unavailable } from './arrival.ts'

/** What is taken back, and whether anything is left that would allow to keep the visitor's landings. */
export interface Revoke { ads: boolean, analytics: boolean, keepsLandings: boolean }

export interface RevokeLog {
  /**
   * Records a revoke of visitors (often one, or none) and forgets their landings. Resolves when it is committed;
   * rejects with Unavailable when it must be tried again.
   */
  record: (site: string, visitorIds: readonly string[], revoke: Revoke, atMs: number) => Promise<void>
}

/** `onForgotten`: landings were deleted, and may come again. */
export function openRevokeLog (pool: Pool, keys: Keys, onForgotten: () => void = () => undefined): RevokeLog {
  return {
    async record (site, visitorIds, { ads, analytics, keepsLandings }, atMs) {
      if (visitorIds.length === 0) return
      // Under every secret of the ring: what was stored before the last change of it has the index of its time.
      const visitors = visitorIds.flatMap(id => keys.blindIndexes(site, 'visitor', id))
      try {
        await pool.query(`
          WITH forgotten AS (DELETE FROM touches WHERE site = $1 AND visitor = ANY($2) AND NOT $5)
          INSERT INTO revokes AS r (site, visitor, ads_revoked_at, analytics_revoked_at)
          SELECT DISTINCT $1, visitor, to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000)
          FROM unnest($2::bytea[]) AS visitor
          ON CONFLICT (site, visitor) DO UPDATE SET
            ads_revoked_at = greatest(r.ads_revoked_at, excluded.ads_revoked_at),
            analytics_revoked_at = greatest(r.analytics_revoked_at, excluded.analytics_revoked_at)`,
        [site, visitors, ads ? atMs : null, analytics ? atMs : null, keepsLandings])
        if (!keepsLandings) onForgotten()
      } catch (error) {
        if (!isOutage(error)) throw error
        throw new Unavailable('the revoke could not be stored', { cause: error })
      }
    }
  }
}
