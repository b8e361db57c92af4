// Brings a database to this version's schema, ours and pg-boss's, and says what is wrong with one that is not.
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import { howToRun } from './command_line.ts'
import { openPool, sqlState, type Pool, type PoolClient, type Queryable } from './postgres.ts'
import { migrateQueue, queueSchema } from './queue.ts'
import { version as ownVersion } from './version.ts'

export interface MigrateOptions {
  url: string
  /** Told each step, for people. */
  say?: (text: string) => void
  /** Folder of NNNN_name.sql files; the product's own unless a test says otherwise. */
  folder?: string
}

const migrationsTable = 'migrations'
/** Written by the migrations that older versions cannot live with (0006_compatibility.sql). */
const breakingTable = 'breaking_migrations'
const mend = `Run: ${howToRun('migrate')}`
const oldestServer = 150_000
const lockKey = 'postern.migrate'
const pollMs = 200
const lockWithinMs = 10 * 60_000
/** How often a migration is tried again when running processes hold a table for longer than the lock time-out. */
const lockAttempts = 10
/** lock_not_available, and deadlock_detected: a process held what the migration wanted, and wanted what it held. */
const lockFailures = ['55P03', '40P01']

/** The product's migrations: beside config/ in a checkout, one folder further up from dist/config/. */
function sqlFolder (): string {
  const near = fileURLToPath(new URL('../schema/sql', import.meta.url))
  return existsSync(near) ? near : fileURLToPath(new URL('../../schema/sql', import.meta.url))
}

function migrationNames (folder: string): string[] {
  return readdirSync(folder).filter(name => name.endsWith('.sql')).map(name => name.slice(0, -4)).sort()
}

/**
 * Runs what is missing of ours and of pg-boss's, under an advisory lock of the session: a second runner waits and then
 * finds nothing to do. Each run of ours is one transaction. Rejects with what is wrong when the server is too old.
 */
export async function migrate ({ url, say = () => undefined, folder = sqlFolder() }: MigrateOptions): Promise<void> {
  const errors: Error[] = []
  const pool = openPool({
    url,
    name: 'postern migrate',
    onError: error => errors.push(error),
    max: 1,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 0,
    queryTimeoutMs: 0,
    idleInTransactionTimeoutMs: 0,
    lockTimeoutMs: 5000
  })
  try {
    const client = await pool.connect()
    try {
      const problem = await findServerProblem(client)
      if (problem !== null) throw new Error(problem)
      await takeLock(client, say)
      await migrateOurs(client, folder, say)
      await migrateQueue(url)
    } finally {
      // Closing the session releases the lock, whatever became of it.
      client.release(true)
    }
  } finally {
    await pool.end()
  }
}

async function findServerProblem (db: Queryable): Promise<string | null> {
  const { rows: [server] } = await db.query<{ number: number, version: string, encoding: string }>(`
    SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
      current_setting('server_encoding') AS encoding`)
  if (server === undefined) return 'the server does not tell its version'
  if (server.number < oldestServer) return `PostgreSQL ${server.version} is too old: 15 or newer is needed`
  return server.encoding === 'UTF8'
    ? null
    : `the database's encoding is ${server.encoding}: make one with CREATE DATABASE … ENCODING 'UTF8'`
}

/**
 * Asks again and again instead of waiting inside a statement: a waiting statement holds a snapshot, and an index that
 * the other runner builds CONCURRENTLY would wait for it for ever.
 */
async function takeLock (client: PoolClient, say: (text: string) => void): Promise<void> {
  const startedMs = performance.now()
  let hasSaid = false
  for (;;) {
    const { rows: [row] } = await client.query<{ got: boolean }>(
      'SELECT pg_try_advisory_lock(hashtext($1)) AS got', [lockKey])
    if (row?.got === true) return
    if (performance.now() - startedMs > lockWithinMs) throw new Error('another migration runs since ten minutes')
    if (!hasSaid) say('another migration is running; waiting for it')
    hasSaid = true
    await new Promise(resolve => setTimeout(resolve, pollMs))
  }
}

async function migrateOurs (client: PoolClient, folder: string, say: (text: string) => void): Promise<void> {
  const { rows: [row] } = await client.query<{ schema: string | null }>('SELECT current_schema() AS schema')
  if (row === undefined || row.schema === null) throw new Error('the search_path of this role names no existing schema')
  const warnings: string[] = []
  for (let attempt = 1; ; attempt++) {
    try {
      const done = await runner({
        dbClient: client,
        dir: folder,
        direction: 'up',
        migrationsTable,
        migrationsSchema: row.schema,
        singleTransaction: true,
        noLock: true,
        logger: { info: () => undefined, warn: text => warnings.push(text), error: text => warnings.push(text) }
      })
      for (const { name } of done) say(`applied ${name}`)
      return
    } catch (error) {
      if (!lockFailures.includes(sqlState(error) ?? '') || attempt === lockAttempts) throw error
      say('a table is in use; trying again')
    }
  }
}

export interface SchemaNeeds {
  /** Whether jobs are worked on: a gateway has nothing to do with the queue, and its tables may be of any version. */
  usesQueue?: boolean
  /** The version that asks, and its migrations; those of this build unless a test says otherwise. */
  version?: string
  folder?: string
}

/**
 * What is wrong with the database's schema, with the command that mends it; null when it is right. For processes that
 * never migrate by themselves. A schema that a newer version has migrated is right as long as none of its migrations
 * says that this version can no longer run on it: in a rolling upgrade both do. Rejects on an outage.
 */
export async function findSchemaProblem (db: Queryable, needs: SchemaNeeds = {}): Promise<string | null> {
  const { usesQueue = true, version = ownVersion, folder = sqlFolder() } = needs
  const { rows: [there] } = await db.query<{ ours: boolean, queue: boolean, breaking: boolean }>(`
    SELECT to_regclass($1) IS NOT NULL AS ours, to_regclass($2) IS NOT NULL AS queue,
      to_regclass($3) IS NOT NULL AS breaking`,
  [migrationsTable, `${queueSchema.name}.version`, breakingTable])
  if (there?.ours !== true) return `The database has no Postern tables yet. ${mend}`
  const { rows } = await db.query<{ name: string }>(`SELECT name FROM ${migrationsTable}`)
  const applied = new Set(rows.map(row => row.name))
  const wanted = migrationNames(folder)
  const missing = wanted.filter(name => !applied.has(name))
  if (missing.length > 0) return `The database lacks ${missing.join(', ')}. ${mend}`
  const broken = there.breaking && applied.size > wanted.length ? await findBreak(db, wanted, version) : null
  if (broken !== null || !usesQueue) return broken
  return there.queue ? await findQueueProblem(db) : `The database lacks the tables of the job queue. ${mend}`
}

async function findBreak (db: Queryable, wanted: string[], version: string): Promise<string | null> {
  const { rows } = await db.query<{ name: string, oldest: string }>(`
    SELECT b.name, b.oldest_version AS oldest
    FROM ${breakingTable} b JOIN ${migrationsTable} m USING (name)
    WHERE b.name <> ALL ($1) ORDER BY b.name`, [wanted])
  const broken = rows.filter(({ oldest }) => isOlder(version, oldest))
  return broken.length === 0
    ? null
    : 'The database was migrated by a newer Postern, and this version can no longer run on it: this is ' +
      `${version}; ${broken.map(({ name, oldest }) => `since ${name}, ${oldest} or newer is needed`).join('; ')}`
}

async function findQueueProblem (db: Queryable): Promise<string | null> {
  const { rows: [queue] } = await db.query<{ version: number }>(`SELECT version FROM ${queueSchema.name}.version`)
  if (queue === undefined || queue.version < queueSchema.version) return `The job queue's tables are older. ${mend}`
  return queue.version === queueSchema.version
    ? null
    : 'The job queue\'s tables were made by a newer Postern, and a worker needs its own version of them (a gateway ' +
      'does not). Start that version, or a newer one'
}

/** Compares major, minor and patch; what follows a hyphen (a pre-release) counts as that version. */
function isOlder (version: string, than: string): boolean {
  const [ours, theirs] = [version, than].map(text => (text.split('-', 1)[0] ?? '').split('.').map(Number))
  const at = [0, 1, 2].find(index => ours?.[index] !== theirs?.[index])
  return at !== undefined && (ours?.[at] ?? 0) < (theirs?.[at] ?? 0)
}

/** Throws what findSchemaProblem() says. */
export async function requireSchema (pool: Pool): Promise<void> {
  const problem = await findSchemaProblem(pool)
  if (problem !== null) throw new Error(problem)
}
