// Remembers who took their consent back and when, so that nothing older of theirs is sent any more.
import type { Keys } from '../config/keys.ts'
import { isOutage, type Pool } from '../config/postgres.ts'
import { Unavailable } from './arrival.ts'

export interface RevokeLog {
  /**
   * Records a revoke of visitors (often one, or none) and forgets their landings. Resolves when it is committed;
   * rejects with Unavailable when it must be tried again.
   */
  record: (site: string, visitorIds: readonly string[], atMs: number) => Promise<void>
}

export function openRevokeLog (pool: Pool, keys: Keys): RevokeLog {
  return {
    async record (site, visitorIds, atMs) {
      if (visitorIds.length === 0) return
      const visitors = visitorIds.map(id => keys.blindIndex(site, 'visitor', id))
      try {
        await pool.query(`
          WITH forgotten AS (DELETE FROM touches WHERE site = $1 AND visitor = ANY($2))
          INSERT INTO revokes AS r (site, visitor, revoked_at)
          SELECT DISTINCT $1, visitor, to_timestamp($3::float8 / 1000) FROM unnest($2::bytea[]) AS visitor
          ON CONFLICT (site, visitor) DO UPDATE SET revoked_at = greatest(r.revoked_at, excluded.revoked_at)`,
        [site, visitors, atMs])
      } catch (error) {
        if (!isOutage(error)) throw error
        throw new Unavailable('the revoke could not be stored', { cause: error })
      }
    }
  }
}
