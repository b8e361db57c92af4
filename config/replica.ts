// A standby that is read instead of the database itself, as long as it answers.
import { isOutage, type Pool, type Queryable } from './postgres.ts'

/** How far a standby is behind, in seconds; 0 where everything that arrived was replayed, and at a primary. */
export async function readLagSeconds (db: Queryable): Promise<number> {
  const { rows: [row] } = await db.query<{ lag: number }>(`
    SELECT CASE
      WHEN NOT pg_is_in_recovery() THEN 0
      -- While nothing is written there is nothing to replay; without a receiver nobody knows what was written.
      WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
      ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())
    END::float8 AS lag`)
  return row?.lag ?? 0
}

export interface Reader {
  /** What only reads. `lagSeconds`: of the standby that it was read from; null where that was the database itself. */
  read: <T>(work: (db: Pool) => Promise<T>) => Promise<{ value: T, lagSeconds: number | null }>
}

/** Reads at the standby; while that does not answer at the database itself, and `onAway` is told each time. */
export function openReader (pool: Pool, replica: Pool | undefined, onAway: (error: unknown) => void): Reader {
  return {
    async read (work) {
      if (replica !== undefined) {
        try {
          return { lagSeconds: await readLagSeconds(replica), value: await work(replica) }
        } catch (error) {
          if (!isOutage(error)) throw error
          onAway(error)
        }
      }
      return { value: await work(pool), lagSeconds: null }
    }
  }
}
