// The embedded Postgres: real PostgreSQL in a folder, behind a unix socket, for trials and for small installations.
import {
  findRunning, makeCluster, prepareCluster, readLog, startServer, stopServer, superuser, type Cluster
} from './embedded_cluster.ts'
import { isOutage, openPool, sqlState, type Pool, type PoolClient } from './postgres.ts'

export interface EmbeddedOptions {
  /** Holds everything of the server; made if absent. */
  folder: string
  /** Further server settings, such as `fsync: off` where losing the last seconds is fine (tests). */
  settings?: Record<string, string>
  /** The server went away by itself and is being started again. */
  onLost?: () => void
}

export interface Embedded {
  /** For openPool() and everything else that takes a DATABASE_URL. */
  url: string
  /** Whether the server was running already: another process uses it, or a killed one left it behind. */
  adopted: boolean
  /** Leaves the server; the last process that leaves stops it. Close every pool of your own first. */
  stop: () => Promise<void>
}

/** One connection that every process holds as long as it uses the server, so that the others know of it. */
interface Guard { pool: Pool, client: PoolClient }

const database = 'postern'
const guardName = 'postern embedded'
const takeLock = 'SELECT pg_advisory_lock(hashtext($1))'
const startWithinMs = 60_000
const pollMs = 50

function urlOf (socket: string, name = database): string {
  return `postgresql:///${name}?${new URLSearchParams({ host: socket, user: superuser }).toString()}`
}

async function pause (): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, pollMs))
}

/**
 * Starts the server, or joins the one that runs in this folder already, and keeps it running until `stop`. Survives
 * what a crash leaves behind: a server without its process, a lock file whose number now belongs to somebody else, half
 * a first start. Rejects with what to do when the server does not come up within a minute.
 */
export async function startEmbedded (options: EmbeddedOptions): Promise<Embedded> {
  const cluster = await prepareCluster(options.folder)
  const leaving = new AbortController()
  let recovery: Promise<void> = Promise.resolve()

  const watch = (guard: Guard): Guard => {
    guard.client.on('end', () => {
      if (leaving.signal.aborted) return
      options.onLost?.()
      recovery = recover()
    })
    return guard
  }
  const recover = async (): Promise<void> => {
    await closeGuard(current.guard)
    while (!leaving.signal.aborted) {
      try {
        current = await enter(cluster, options.settings ?? {})
        watch(current.guard)
        return
      } catch {
        // Each try takes up to a minute and reports through onLost; giving up would leave the product without a store.
        options.onLost?.()
        await pause()
      }
    }
  }

  let current = await enter(cluster, options.settings ?? {})
  watch(current.guard)
  return {
    url: urlOf(current.socket),
    adopted: current.adopted,
    async stop () {
      leaving.abort()
      await recovery
      await leave(cluster, current.guard)
    }
  }
}

interface Entered { guard: Guard, socket: string, adopted: boolean }

/** Loops because others may start, recover or stop the same server at this very moment. */
async function enter (cluster: Cluster, settings: Record<string, string>): Promise<Entered> {
  const startedMs = performance.now()
  let said = ''
  let adopted = true
  do {
    const running = findRunning(cluster)
    if (running === undefined) {
      adopted = false
      await makeCluster(cluster)
      said = await startServer(cluster, settings)
    }
    const socket = running?.socket ?? cluster.socket
    const guard = await openGuard(socket)
    if (guard !== undefined) return { guard, socket, adopted }
    await pause()
  } while (performance.now() - startedMs < startWithinMs)
  throw new Error(`The embedded Postgres in ${cluster.folder} does not start.\n${said}\n${readLog(cluster)}`)
}

function openPlainPool (url: string): Pool {
  return openPool({
    url,
    name: guardName,
    // Its one client is never idle in the pool; what happens to it is told by its own `end`.
    onError: () => undefined,
    max: 1,
    statementTimeoutMs: 0,
    queryTimeoutMs: 0,
    lockTimeoutMs: 0
  })
}

/**
 * The guard's connection, or undefined while the server does not take any. Entering takes the lock of those who leave:
 * whoever comes in after the last one has counted waits, and finds the server gone instead of losing it later.
 */
async function openGuard (socket: string): Promise<Guard | undefined> {
  const pool = openPlainPool(urlOf(socket))
  let client: PoolClient | undefined
  try {
    client = await pool.connect()
    await client.query(takeLock, [guardName])
    await client.query('SELECT pg_advisory_unlock(hashtext($1))', [guardName])
    return { pool, client }
  } catch (error) {
    client?.release(true)
    await pool.end()
    if (sqlState(error) === '3D000') await makeDatabase(socket)
    else if (!isOutage(error)) throw error
    return undefined
  }
}

async function makeDatabase (socket: string): Promise<void> {
  const pool = openPlainPool(urlOf(socket, 'postgres'))
  try {
    await pool.query(`CREATE DATABASE ${database}`)
  } catch (error) {
    // duplicate_database, or its unique index: another process was first.
    if (!['42P04', '23505'].includes(sqlState(error) ?? '') && !isOutage(error)) throw error
  } finally {
    await pool.end()
  }
}

async function closeGuard ({ pool, client }: Guard): Promise<void> {
  client.release(true)
  await pool.end()
}

/**
 * Whether no other process uses the server. The lock stays taken until this connection is gone. Who was killed a moment
 * ago still seems to be there: the others are looked at a few times before they are believed.
 */
async function isLast (client: PoolClient): Promise<boolean> {
  await client.query(takeLock, [guardName])
  for (let look = 0; look < 6; look++) {
    if (look > 0) await pause()
    const { rowCount } = await client.query(`SELECT FROM pg_stat_activity
      WHERE application_name = $1 AND pid <> pg_backend_pid()`, [guardName])
    if (rowCount === 0) return true
  }
  return false
}

/**
 * Stops the server when no other process guards it. Those who leave at once go one by one: the lock is held until the
 * connection is gone, so each sees only those who stay.
 */
async function leave (cluster: Cluster, guard: Guard): Promise<void> {
  try {
    if (await isLast(guard.client)) await stopServer(cluster)
  } catch (error) {
    if (!isOutage(error)) throw error
    await leaveAnew(cluster)
  } finally {
    await closeGuard(guard)
  }
}

/** The guard was lost a moment ago: whether others use the server now must be asked over a new connection. */
async function leaveAnew (cluster: Cluster): Promise<void> {
  const running = findRunning(cluster)
  const guard = running === undefined ? undefined : await openGuard(running.socket)
  if (guard === undefined) return
  try {
    if (await isLast(guard.client)) await stopServer(cluster)
  } finally {
    await closeGuard(guard)
  }
}
