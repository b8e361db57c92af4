// Which process serves from an embedded database: one at a time. Who reads or migrates needs no claim.
import { openPool, type Pool, type PoolClient } from './postgres.ts'

export interface Claim {
  /** Lets the next one in. */
  release: () => Promise<void>
}

/** Who has the claim already. */
export interface Holder { pid: number | null, since: Date }

const lockName = 'postern serves'
const pollMs = 50
/** A process that was killed a moment ago still seems to be there. */
const withinMs = 3000

/** Postgres does not know the process behind a unix socket, so its name carries the number. */
const nameOf = (pid: number) => `postern serves, process ${pid}`

/**
 * Claims the embedded database behind `url` for this process, or says who has it. The claim is a lock of a session:
 * however a process ends, the lock ends with its connection, so there is none that could be stale.
 */
export async function claimEmbedded (url: string): Promise<Claim | Holder> {
  const pool = openPool({
    url, name: nameOf(process.pid), max: 1, statementTimeoutMs: 0, lockTimeoutMs: 0, onError: () => undefined
  })
  const leaving = new AbortController()
  let keeping: Promise<void> = Promise.resolve()
  const found = await take(pool)
  if ('since' in found) {
    await pool.end()
    return found
  }
  let held: PoolClient | undefined

  // The server went away and comes back: its other users claim anew as well, and whoever is first has it.
  const keep = async (): Promise<void> => {
    while (!leaving.signal.aborted) {
      await new Promise(resolve => setTimeout(resolve, pollMs))
      // Whatever it fails with while the server comes up: without the claim there is only less protection.
      const again = await take(pool).catch(() => undefined)
      if (again === undefined || 'since' in again) continue
      hold(again.client)
      return
    }
  }
  const hold = (client: PoolClient) => {
    held = client
    client.once('end', () => {
      if (leaving.signal.aborted) return
      held = undefined
      client.release(true)
      keeping = keep()
    })
  }
  hold(found.client)
  return {
    async release () {
      leaving.abort()
      await keeping
      held?.release(true)
      await pool.end()
    }
  }
}

async function take (pool: Pool): Promise<{ client: PoolClient } | Holder> {
  const startedMs = performance.now()
  const client = await pool.connect()
  try {
    for (;;) {
      const { rows: [row] } = await client.query<{ got: boolean }>(
        'SELECT pg_try_advisory_lock(hashtext($1)) AS got', [lockName])
      if (row?.got === true) return { client }
      const holder = await findHolder(client)
      if (holder !== undefined && performance.now() - startedMs > withinMs) {
        client.release(true)
        return holder
      }
      await new Promise(resolve => setTimeout(resolve, pollMs))
    }
  } catch (error) {
    client.release(true)
    throw error
  }
}

async function findHolder (client: PoolClient): Promise<Holder | undefined> {
  const { rows: [row] } = await client.query<{ name: string, since: Date }>(`
    SELECT a.application_name AS name, a.backend_start AS since
    FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
      AND (l.classid::int8 << 32 | l.objid::int8) = hashtext($1)`, [lockName])
  if (row === undefined) return undefined
  const pid = /process (\d+)$/.exec(row.name)?.[1]
  return { pid: pid === undefined ? null : Number(pid), since: row.since }
}
