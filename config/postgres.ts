// The only home of `pg`: pools that neither hang nor crash the process, transactions, and what a database error means.
import { Socket } from 'node:net'
import pg, { type Pool, type PoolClient, type QueryResult, type QueryResultRow } from 'pg'

export type { Pool, PoolClient, QueryResult, QueryResultRow }
export { escapeIdentifier } from 'pg'

/** What can run a statement: a pool, or a client inside a transaction. */
export type Queryable = Pick<PoolClient, 'query'>

export interface PoolOptions {
  /** `postgresql://…`; a unix socket is `postgresql:///name?host=/folder`. */
  url: string
  /** Shown in pg_stat_activity. */
  name: string
  /** Called for each idle connection that the server closed; the pool itself goes on. */
  onError: (error: Error) => void
  /** `url` leads to a pooler in transaction mode, such as PgBouncer: nothing may depend on a session. */
  isPooled?: boolean
  max?: number
  connectTimeoutMs?: number
  /** The server cancels a statement after this; 0 = never. A pooler takes it from nobody: set it for the role. */
  statementTimeoutMs?: number
  /** The client gives up after this, also when the server is frozen, and the connection is destroyed; 0 = never. */
  queryTimeoutMs?: number
  idleInTransactionTimeoutMs?: number
  lockTimeoutMs?: number
  /** Its commits do not wait for the disk: a crash of the server may forget the newest, never one without all later. */
  isForgetful?: boolean
}

const int8Array = 1016
const dateArray = 1182

/** Numbers and days need no quotes inside an array literal, and our arrays hold no nulls. */
function readArray (text: string): string[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',')
}

const parsers = new Map<number, (text: string) => unknown>([
  // Sequences and counts stay far below 2^53.
  [pg.types.builtins.INT8, Number],
  [int8Array, (text: string) => readArray(text).map(Number)],
  // A day is a word like 2026-11-23. As a Date it would depend on the time zone of this machine.
  [pg.types.builtins.DATE, (text: string) => text],
  [dateArray, readArray]
])

function getTypeParser (oid: number, format?: 'text' | 'binary'): unknown {
  return (format === 'binary' ? undefined : parsers.get(oid)) ?? pg.types.getTypeParser(oid, format)
}

/**
 * Opens a pool; connections are made when first needed. bigint comes as number, date as `YYYY-MM-DD`, timestamptz as
 * Date. The defaults are those of the ingest path (reliability-and-security.md §3.2.9): a dead or frozen server is an
 * error within three seconds, never a hang.
 */
export function openPool (options: PoolOptions): Pool {
  // PgBouncer refuses a connection that brings settings of its own; it knows application_name.
  const ofSession = options.isPooled === true
    ? {}
    : {
        statement_timeout: options.statementTimeoutMs ?? 2500,
        idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 5000,
        lock_timeout: options.lockTimeoutMs ?? 1000,
        ...(options.isForgetful === true ? { options: '-c synchronous_commit=off' } : {})
      }
  const sockets = trackSockets()
  const pool = new pg.Pool({
    ...ofSession,
    stream: sockets.open,
    connectionString: options.url,
    application_name: options.name,
    max: options.max ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 1000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser } as pg.CustomTypesConfig
  })
  socketsOf.set(pool, sockets)
  if (options.isPooled === true) pooled.add(pool)
  // Without a listener the first connection that the server closes would end the process.
  pool.on('error', options.onError)
  const { queryTimeoutMs = 3000 } = options
  pool.on('connect', (client) => {
    if (options.isPooled === true) pooled.add(client)
    if (queryTimeoutMs > 0) limitWaits(client, queryTimeoutMs)
    // A client that is lent out says so by failing its next query as well; here it must only not crash the process.
    client.on('error', (error) => { lastErrors.set(client, error) })
  })
  return pool
}

/** The connections that pg makes: it does not say which of those that it ends have ended. */
export interface Sockets {
  /** For pg's setting `stream`. */
  open: () => Socket
  /**
   * Resolves when `ended` has and no connection is left. After `withinMs` it destroys what is left: to say goodbye to
   * a server that stands still would take for ever, and keep the process alive.
   */
  close: (ended: Promise<unknown>, withinMs: number) => Promise<void>
}

export function trackSockets (): Sockets {
  const left = new Set<Socket>()
  let isOver = false
  return {
    open () {
      const socket = new Socket()
      left.add(socket)
      socket.once('close', () => { left.delete(socket) })
      // Not before pg has begun to connect it, which would bring it back to life.
      if (isOver) setImmediate(() => { socket.destroy() })
      return socket
    },
    async close (ended, withinMs) {
      const timer = setTimeout(() => {
        isOver = true
        for (const socket of left) socket.destroy()
      }, withinMs)
      try {
        await ended
        const closing = [...left].filter(socket => !socket.destroyed)
        await Promise.all(closing.map(async socket => await new Promise(resolve => socket.once('close', resolve))))
      } finally {
        clearTimeout(timer)
      }
    }
  }
}

const socketsOf = new WeakMap<Pool, Sockets>()

/** How long a connection may take to end. Nothing is under way on it by then that anybody waits for. */
export const goodbyeMs = 1000

/** Ends a pool and its connections, also when the server stands still. */
export async function endPool (pool: Pool): Promise<void> {
  await socketsOf.get(pool)?.close(pool.end(), goodbyeMs)
}

/**
 * Destroys the connection whose server has not answered within `limitMs` of the newest query, which fails with what pg
 * says of its own `query_timeout`. That one is not used because of what it does to memory (pg 8.23, Node 24): a closure
 * and a timer for each query let all that the query held, 8 kB of buffers and 3.5 kB of objects for each stored event,
 * outlive two young collections. At a thousand events a second the gateway then collected everything every five
 * seconds, and stood still for a tenth of a second each time. Here one timer serves all queries of a connection.
 */
function limitWaits (client: PoolClient, limitMs: number): void {
  let isWaiting = false
  const timer = setTimeout(() => {
    if (isWaiting) client.connection.stream.destroy(new Error('Query read timeout'))
  }, limitMs).unref()
  const query = client.query.bind(client) as (...given: unknown[]) => unknown
  client.query = ((...given: unknown[]) => {
    isWaiting = true
    timer.refresh()
    return query(...given)
  }) as typeof client.query
  client.on('drain', () => { isWaiting = false })
  client.once('end', () => { clearTimeout(timer) })
}

const pooled = new WeakSet<object>()

/**
 * A prepared statement for a pool or a client of it. Behind a pooler the next transaction is another session's, which
 * has none.
 */
export function prepared (db: Queryable, statement: { name: string, text: string }): { name?: string, text: string } {
  return pooled.has(db) ? { text: statement.text } : statement
}

const lastErrors = new WeakMap<pg.ClientBase, Error>()

/**
 * Runs `work` between BEGIN and COMMIT. Rolls back and rethrows when it throws. After an outage or a client-side
 * time-out nobody knows what the connection is doing, so it is destroyed. An outage thrown by COMMIT is ambiguous: the
 * work may or may not be durable. Of what is `forgetful`, COMMIT does not wait for the disk: the next commit that does
 * makes it durable as well, and a crash before that forgets both.
 */
export async function withTransaction<T> (
  pool: Pool, work: (tx: PoolClient) => Promise<T>, kind: 'durable' | 'forgetful' = 'durable'
): Promise<T> {
  const client = await pool.connect()
  let broken = false
  try {
    await client.query(kind === 'durable' ? 'BEGIN' : 'BEGIN; SET LOCAL synchronous_commit = off')
    const result = await work(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    broken = !await rollBack(client, error)
    throw error
  } finally {
    client.release(broken)
  }
}

/**
 * The session has lost a prepared statement (DEALLOCATE, DISCARD), or may not plan it again (a table was altered): on
 * this connection it would fail for ever.
 */
const staleStates = ['26000', '0A000']

async function rollBack (client: PoolClient, cause: unknown): Promise<boolean> {
  if (staleStates.includes(sqlState(cause) ?? '')) return false
  if (lastErrors.has(client) || (isOutage(cause) && !(cause instanceof pg.DatabaseError))) return false
  try {
    await client.query('ROLLBACK')
    return true
  } catch (error) {
    lastErrors.set(client, error instanceof Error ? error : new Error(String(error)))
    return false
  }
}

/** The SQLSTATE of an error that came from the server, else undefined. */
export function sqlState (error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
const outageClasses = ['08', '28', '40', '53', '57', '58']
// read_only_sql_transaction (a standby after a failover), lock_not_available, invalid_catalog_name (not restored yet),
// and check_violation: our tables have no checks, so it says that somebody took the partition away where the row goes.
const outageStates = ['25006', '55P03', '3D000', '23514']
const dataClasses = ['21', '22', '23', '54']

// What pg and pg-pool throw without a code.
const connectionMessages = new RegExp('^(' + [
  'Query read timeout', 'Connection terminated', 'timeout exceeded when trying to connect', 'timeout expired',
  'Client has encountered a connection error', 'Client was closed'
].join('|') + ')')

/**
 * Whether the error says that Postgres cannot serve right now (gone, frozen, full, overloaded, failing over) and the
 * same statement may succeed later. Neither an outage nor a data error means a bug, such as a missing column.
 */
export function isOutage (error: unknown): boolean {
  const state = sqlState(error)
  if (state !== undefined) return outageClasses.includes(state.slice(0, 2)) || outageStates.includes(state)
  if (!(error instanceof Error)) return false
  return 'syscall' in error || error instanceof AggregateError || connectionMessages.test(error.message)
}

/** Whether the rows themselves were refused (SQLSTATE 21, 22, 23, 54): only another batch can help. */
export function isDataError (error: unknown): boolean {
  return dataClasses.includes(sqlState(error)?.slice(0, 2) ?? '') && !isOutage(error)
}
