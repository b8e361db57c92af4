// Waiting until a run is over: everything acknowledged is stored, routed and settled.
import { setTimeout as wait } from 'node:timers/promises'
import { isOutage, type Pool } from '../../config/postgres.ts'

export interface SettledPlan {
  /** Events that must be stored. */
  acked: number
  /** Told what is still open. */
  onWait: (open: string) => void
  /**
   * When the last worker was killed (Unix ms): jobs and leases from before then belong to the dead, and end now
   * instead of after their three quarters of a minute. Absent: they run out by themselves.
   */
  deadBeforeMs?: number
  /** Whether a worker runs, so that everything is routed and sent as well (true). */
  isRouted?: boolean
}

/** Without any progress for so long, nothing more will come: two leases, a breaker's pause and a slow restart. */
const patienceMs = 240_000

/** Answers undefined while Postgres is away. */
export async function ask<T> (question: () => Promise<T>): Promise<T | undefined> {
  try {
    return await question()
  } catch (error) {
    if (isOutage(error)) return undefined
    throw error
  }
}

/**
 * Retries wait for minutes; what they would do then, they do now. An attempt that is under
 * way is not touched: what it holds is due already.
 */
async function hurry (pool: Pool, deadBeforeMs: number | undefined): Promise<void> {
  await pool.query(`UPDATE agenda SET due_at = now(), wake_at = now()
    WHERE NOT is_held AND due_at > now() + interval '5 s'`)
  if (deadBeforeMs === undefined) return
  await pool.query(`
    UPDATE agenda g SET wake_at = now()
    WHERE wake_at > now() AND due_at <= now() AND NOT EXISTS (
      SELECT FROM attempts a WHERE a.fence = g.fence AND a.ended_at IS NULL
        AND a.started_at >= to_timestamp($1::float8 / 1000))`, [deadBeforeMs])
}

/** Resolves when nothing is open any more, or when nothing moves: then the audit says what is missing. */
export async function untilSettled (pool: Pool, plan: SettledPlan): Promise<void> {
  let seen = ''
  let movedMs = performance.now()
  while (performance.now() - movedMs < patienceMs) {
    const open = await ask(async () => {
      await hurry(pool, plan.deadBeforeMs)
      const { rows: [row] } = await pool.query<{ events: number, unrouted: number, waiting: number, tries: number }>(`
        SELECT (SELECT count(DISTINCT event_id) FROM events) AS events,
          (SELECT count(*) FROM unrouted_batches) AS unrouted,
          (SELECT count(*) FROM deliveries WHERE state = 'waiting') AS waiting,
          (SELECT last_value FROM attempt_id) AS tries`)
      return row
    })
    const isDone = plan.isRouted === false || (open?.unrouted === 0 && open.waiting === 0)
    if (open !== undefined && isDone && open.events >= plan.acked) return
    const now = JSON.stringify(open)
    if (now !== seen) {
      seen = now
      movedMs = performance.now()
      plan.onWait(now)
    }
    await wait(500)
  }
}
