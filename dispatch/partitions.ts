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
  const forget = async (sql: string, days: number) => await inChunks(client, sql, [today, days, chunk])
  const forgotten = {
    clientsForgotten: await forget(`
      UPDATE events SET sealed_client = NULL WHERE (event_seq, receipt_id, day) IN (
        SELECT event_seq, receipt_id, day FROM events
        WHERE sealed_client IS NOT NULL AND received_at < ($1::date - $2::integer)::timestamp AT TIME ZONE 'UTC'
        LIMIT $3)`, keep.client),
    keysForgotten: await forget(`
      DELETE FROM event_keys WHERE (site, digest) IN (
        SELECT site, digest FROM event_keys WHERE day < $1::date - $2::integer LIMIT $3)`, keep.keys),
    touchesForgotten: await forget(`
      DELETE FROM touches WHERE (site, visitor, digest) IN (
        SELECT site, visitor, digest FROM touches
        WHERE seen_at < ($1::date - $2::integer)::timestamp AT TIME ZONE 'UTC' LIMIT $3)`, keep.touches) +
      await forget(`
      DELETE FROM failed_events WHERE id IN (
        SELECT id FROM failed_events
        WHERE failed_at < ($1::date - $2::integer)::timestamp AT TIME ZONE 'UTC' LIMIT $3)`, keep.failedEvents) +
      await forget(`
      DELETE FROM crowds WHERE digest IN (
        SELECT digest FROM crowds
        WHERE found_at < ($1::date - $2::integer)::timestamp AT TIME ZONE 'UTC' LIMIT $3)`, longestVisitorDays) +
      await forget(`
      DELETE FROM revokes WHERE (site, visitor) IN (
        SELECT site, visitor FROM revokes
        WHERE revoked_at < ($1::date - $2::integer)::timestamp AT TIME ZONE 'UTC' LIMIT $3)`, keep.events)
  }
  // What is forgotten does not wait for what is dropped, which may be held up by a lock or by its size.
  const { daysDropped, expired } = await dropOldDays(client, log, today, keep.events)
  return { partitionsMade: made?.made ?? 0, daysDropped, expired, ...forgotten }
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
    WHERE (event_seq, destination_id, day) IN (
      SELECT event_seq, destination_id, day FROM deliveries
      WHERE day < $1::date - $2::integer AND state IN ('waiting', 'held') LIMIT $3)`, [today, keepDays, chunk])
  await inChunks(client, `DELETE FROM agenda WHERE id IN (
    SELECT id FROM agenda WHERE day < $1::date - $2::integer LIMIT $3)`, [today, keepDays, chunk])
  const daysDropped = new Set<string>()
  for (const parent of parents) {
    const { rows } = await client.query<{ name: string, day: string }>(`
      SELECT c.relname AS name, to_date(right(c.relname, 8), 'YYYYMMDD') AS day
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = $1::regclass AND c.relname ~ '_[0-9]{8}$'
        AND to_date(right(c.relname, 8), 'YYYYMMDD') < $2::date - $3::integer
      ORDER BY 2`, [parent, today, keepDays])
    for (const { name, day } of rows) {
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
