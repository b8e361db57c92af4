// Keeps the day partitions ahead of time and forgets what is past its retention. Hourly; one process at a time.
import type { Pool, PoolClient } from '../config/postgres.ts'
import { isOutage } from '../config/postgres.ts'
import { describeError, type Log } from './deps.ts'

/** How long rows are kept, in days. */
export interface Retention {
  events: number
  /** Address and user agent. */
  client: number
  keys: number
  touches: number
  failedEvents: number
}

export const retention: Retention = { events: 400, client: 14, keys: 400, touches: 180, failedEvents: 400 }

const daysAhead = 14
const chunk = 5000
/** No visitor cookie lives longer (gateway/visitor.ts). */
const longestVisitorDays = 400
const parents = ['events', 'deliveries', 'attempts', 'subjects'] as const

/** What one round did, for the log and the tests. */
export interface Upkeep {
  partitionsMade: number
  daysDropped: string[]
  expired: number
  clientsForgotten: number
  keysForgotten: number
  touchesForgotten: number
}

/** One round; null when another process is at it. `today` is a UTC day, `YYYY-MM-DD`. */
export async function keepPartitions (
  deps: { pool: Pool, log: Log }, today: string, keep: Retention = retention
): Promise<Upkeep | null> {
  const client = await deps.pool.connect()
  try {
    const { rows: [lock] } = await client.query<{ got: boolean }>(
      'SELECT pg_try_advisory_lock(hashtext(\'postern.partitions\')) AS got')
    if (lock?.got !== true) return null
    try {
      return await upkeep(client, deps.log, today, keep)
    } finally {
      await client.query('SELECT pg_advisory_unlock(hashtext(\'postern.partitions\'))')
    }
  } finally {
    client.release()
  }
}

async function upkeep (client: PoolClient, log: Log, today: string, keep: Retention): Promise<Upkeep> {
  const { rows: [made] } = await client.query<{ made: number }>(
    'SELECT ensure_partitions($1::date - 1, $2) AS made', [today, daysAhead + 2])
  const removeFrom = async (table: string, when: string, days: number) =>
    await inChunks(client, removalOf(table, when), [today, days, chunk])
  const forgotten = {
    clientsForgotten: await forgetClients(client, today, keep.client),
    keysForgotten: await inChunks(client, `
      DELETE FROM event_keys WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM event_keys WHERE day < $1::date - $2::integer LIMIT $3))`, [today, keep.keys, chunk]),
    touchesForgotten: await removeFrom('touches', 'seen_at', keep.touches) +
      await removeFrom('failed_events', 'failed_at', keep.failedEvents) +
      await removeFrom('crowds', 'found_at', longestVisitorDays) +
      await removeFrom('revokes', 'revoked_at', keep.events)
  }
  // What is forgotten does not wait for what is dropped, which may be held up by a lock or by its size.
  const { daysDropped, expired } = await dropOldDays(client, log, today, keep.events)
  return { partitionsMade: made?.made ?? 0, daysDropped, expired, ...forgotten }
}

// Rows are named by their places in the table: to find them again by their keys, Postgres would read all of a large
// table for each chunk.

/** Deletes the oldest rows of a table with an index on `when`, a moment; one that was renewed meanwhile stays. */
function removalOf (table: string, when: string): string {
  const isOld = `${when} < ($1::date - $2::integer)::timestamp AT TIME ZONE 'UTC'`
  return `DELETE FROM ${table} WHERE ${isOld} AND ctid = ANY (ARRAY(
    SELECT ctid FROM ${table} WHERE ${isOld} ORDER BY ${when} LIMIT $3))`
}

/** Addresses and user agents go before their events. A part that came late to an old day has its own time. */
async function forgetClients (client: PoolClient, today: string, days: number): Promise<number> {
  let total = 0
  for (const { name } of [...await daysOf(client, 'events', today, days), { name: 'events_default' }]) {
    total += await inChunks(client, `
      UPDATE ${name} SET sealed_client = NULL WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ${name}
        WHERE sealed_client IS NOT NULL AND received_at < ($1::date - $2::integer)::timestamp AT TIME ZONE 'UTC'
        ORDER BY received_at LIMIT $3))`, [today, days, chunk])
  }
  return total
}

/** The day partitions of a table that are older than `days`, the oldest first. */
async function daysOf (
  client: PoolClient, parent: string, today: string, days: number
): Promise<{ name: string, day: string }[]> {
  const { rows } = await client.query<{ name: string, day: string }>(`
    SELECT c.relname AS name, to_date(right(c.relname, 8), 'YYYYMMDD') AS day
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = $1::regclass AND c.relname ~ '_[0-9]{8}$'
      AND to_date(right(c.relname, 8), 'YYYYMMDD') < $2::date - $3::integer
    ORDER BY 2`, [parent, today, days])
  return rows
}

/** Repeats a statement of limited size until it has nothing left to do; each is a short transaction of its own. */
async function inChunks (client: PoolClient, sql: string, values: unknown[]): Promise<number> {
  let total = 0
  for (;;) {
    const { rowCount } = await client.query(sql, values)
    total += rowCount ?? 0
    if ((rowCount ?? 0) < chunk) return total
  }
}

/** Closes the open deliveries of days past their retention, then drops the days. */
async function dropOldDays (
  client: PoolClient, log: Log, today: string, keepDays: number
): Promise<{ daysDropped: string[], expired: number }> {
  const expired = await inChunks(client, `
    UPDATE deliveries SET state = 'skipped', reason = 'expired', agenda_id = NULL, decided_at = now()
    WHERE day < $1::date - $2::integer AND (event_seq, destination_id, day) IN (
      SELECT event_seq, destination_id, day FROM deliveries
      WHERE day < $1::date - $2::integer AND state IN ('waiting', 'held') LIMIT $3)`, [today, keepDays, chunk])
  await inChunks(client, `DELETE FROM agenda WHERE id IN (
    SELECT id FROM agenda WHERE day < $1::date - $2::integer LIMIT $3)`, [today, keepDays, chunk])
  const daysDropped = new Set<string>()
  for (const parent of parents) {
    for (const { name, day } of await daysOf(client, parent, today, keepDays)) {
      if (await dropPartition(client, log, name)) daysDropped.add(day)
    }
    await inChunks(client, `
      DELETE FROM ${parent}_default WHERE ctid IN (
        SELECT ctid FROM ${parent}_default WHERE day < $1::date - $2::integer LIMIT $3)`, [today, keepDays, chunk])
  }
  return { daysDropped: [...daysDropped], expired }
}

/**
 * Drops one partition, or leaves it for the next hour when its lock is not to be had within a second. (DETACH
 * CONCURRENTLY would need no such lock, but PostgreSQL refuses it beside a DEFAULT partition.)
 */
async function dropPartition (client: PoolClient, log: Log, name: string): Promise<boolean> {
  try {
    await client.query('BEGIN')
    await client.query('SET LOCAL lock_timeout = \'1s\'')
    await client.query(`DROP TABLE ${name}`)
    await client.query('COMMIT')
    return true
  } catch (error) {
    await client.query('ROLLBACK')
    if (!isOutage(error)) throw error
    log.warn({ partition: name, error: describeError(error) }, 'a day past its retention could not be dropped yet')
    return false
  }
}
