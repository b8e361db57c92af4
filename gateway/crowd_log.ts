// Remembers crowds for every process and every restart: in Postgres, and in memory while Postgres is away.
import type { Keys } from '../config/keys.ts'
import { isOutage, type Pool } from '../config/postgres.ts'
import { crowdDigest, type Crowd } from './crowds.ts'

/** So many at most; an id older than the longest visitor cookie is nobody's any more. */
const mostRemembered = 100_000
const longestDays = 400

export interface CrowdLog {
  isKnown: (visitorId: string) => boolean
  record: (crowd: Crowd) => void
  /** Writes what is not written yet and reads what others found. Rejects with nothing: the next round tries again. */
  sync: () => Promise<void>
  /** Ends the rounds; the last one has been waited for. */
  close: () => Promise<void>
}

/** `onTrouble` hears what is no outage. */
export function openCrowdLog (
  pool: Pick<Pool, 'query'>, keys: Keys, onTrouble: (error: Error) => void, everyMs = 15_000
): CrowdLog {
  const known = new Set<string>()
  const unwritten = new Map<string, Crowd>()
  let readUntil = new Date(0)

  async function write ({ site, visitorId }: Crowd): Promise<void> {
    // Its landings are of many people: none of them was anybody's way here.
    await pool.query(`
      WITH forgotten AS (DELETE FROM touches WHERE site = $2 AND visitor = ANY($3))
      INSERT INTO crowds (digest, site) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
    [crowdDigest(visitorId), site, keys.blindIndexes(site, 'visitor', visitorId)])
  }

  async function sync (): Promise<void> {
    try {
      for (const [digest, crowd] of [...unwritten]) {
        await write(crowd)
        unwritten.delete(digest)
      }
      // Somewhat more than is new: commits become visible late, and clocks of the database only are compared.
      const { rows } = await pool.query<{ digest: Buffer, found_at: Date }>(`
        SELECT digest, found_at FROM crowds
        WHERE found_at > $1::timestamptz - interval '10 minutes' AND found_at > now() - make_interval(days => $2)
        ORDER BY found_at DESC LIMIT $3`, [readUntil, longestDays, mostRemembered])
      for (const { digest } of rows) remember(digest.toString('latin1'))
      readUntil = rows[0]?.found_at ?? readUntil
    } catch (error) {
      if (!isOutage(error)) onTrouble(error instanceof Error ? error : new Error(String(error)))
    }
  }

  function remember (digest: string): void {
    known.add(digest)
    if (known.size <= mostRemembered) return
    const [oldest] = known
    if (oldest !== undefined) known.delete(oldest)
  }

  let running = Promise.resolve()
  const timer = setInterval(() => { running = running.then(sync) }, everyMs)
  timer.unref()
  return {
    isKnown: visitorId => known.size > 0 && known.has(crowdDigest(visitorId).toString('latin1')),
    record (crowd) {
      const digest = crowdDigest(crowd.visitorId).toString('latin1')
      remember(digest)
      if (unwritten.size < mostRemembered) unwritten.set(digest, crowd)
      running = running.then(sync)
    },
    sync: async () => { await (running = running.then(sync)) },
    async close () {
      clearInterval(timer)
      await running
    }
  }
}
