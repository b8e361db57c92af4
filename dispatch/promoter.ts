// Makes jobs of waiting deliveries that fall due and are promised to nobody: far-off retries, resumed destinations,
// lost jobs, dead workers. Also asks for verdicts that are due and closes what belongs to removed destinations.
import { withTransaction } from '../config/postgres.ts'
import type { Deps } from './deps.ts'
import { enqueuePlan, horizonMs, planJobs, queueName, type VerifyJob } from './schedule.ts'
import { promise } from './store.ts'
import type { Target } from './target.ts'

/** Deliveries promoted per destination and round; more follow in the next round, which comes at once. */
const roundSize = 5000
/** So long after they fell due, deliveries of a destination that left the settings are closed. */
const removedGrace = '1 hour'
/** A verify job that got lost is made again after this. */
const verifyAgain = '5 minutes'
/** Verdicts that have not come by then never will. */
const verdictsWithin = '14 days'

/** One round over all targets; true when there is more to do at once. */
export async function promoteOnce (deps: Deps): Promise<boolean> {
  let isBusy = false
  for (const target of deps.targets.all) {
    const promoted = await promote(deps, target)
    const asked = target.destination.verify === undefined ? 0 : await askVerdicts(deps, target)
    isBusy ||= promoted >= roundSize || asked >= roundSize
  }
  await closeRemoved(deps)
  return isBusy
}

/** Promotes one target's deliveries, unless it is paused. The number of deliveries that got a job. */
async function promote (deps: Deps, target: Target): Promise<number> {
  return await withTransaction(deps.pool, async tx => {
    const { rows } = await tx.query<{ seq: number, day: string, due_ms: number, now_ms: number }>(`
      SELECT event_seq AS seq, day, (extract(epoch FROM due_at) * 1000)::float8 AS due_ms,
        (extract(epoch FROM now()) * 1000)::bigint AS now_ms
      FROM deliveries d
      WHERE destination_id = $1 AND state = 'waiting' AND hold_until <= now()
        AND due_at <= now() + make_interval(secs => $2::float8 / 1000)
        AND NOT EXISTS (SELECT FROM destinations WHERE id = $1 AND paused_at IS NOT NULL)
      ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED`, [target.id, horizonMs, roundSize])
    const [first] = rows
    if (first === undefined) return 0
    const dues = rows.map(row => ({ seq: row.seq, day: row.day, targetId: target.id, dueAtMs: row.due_ms }))
    const plan = planJobs(dues, first.now_ms, deps.timings.promiseMs)
    await promise(tx, plan.jobs)
    await enqueuePlan(tx, deps.enqueue, plan.jobs, () => target.destination.type)
    return rows.length
  })
}

/** Makes a verify job per attempt whose verdict is due. */
async function askVerdicts (deps: Deps, target: Target): Promise<number> {
  return await withTransaction(deps.pool, async tx => {
    const { rows } = await tx.query<{ attempt_id: number, day: string }>(`
      WITH due AS (
        SELECT event_seq, day FROM deliveries
        WHERE destination_id = $1 AND state = 'accepted' AND verify_at <= now()
          AND NOT EXISTS (SELECT FROM destinations WHERE id = $1 AND paused_at IS NOT NULL)
        ORDER BY verify_at LIMIT $2 FOR UPDATE SKIP LOCKED
      ), asked AS (
        UPDATE deliveries d SET verify_at = CASE WHEN d.due_at > now() - $3::interval THEN now() + $4::interval END
        FROM due WHERE d.destination_id = $1 AND d.event_seq = due.event_seq AND d.day = due.day
        RETURNING d.attempt_id, d.day, d.verify_at
      )
      SELECT DISTINCT attempt_id, day FROM asked
      WHERE verify_at IS NOT NULL AND attempt_id IS NOT NULL`, [target.id, roundSize, verdictsWithin, verifyAgain])
    const jobs = rows.map(row => {
      const data: VerifyJob = { kind: 'verify', target_id: target.id, day: row.day, attempt_id: row.attempt_id }
      return { data, startAtMs: null, group: String(target.id) }
    })
    if (jobs.length > 0) await deps.enqueue(tx, queueName(target.destination.type), jobs)
    return rows.length
  })
}

async function closeRemoved (deps: Deps): Promise<void> {
  const known = deps.targets.all.map(target => target.id)
  const { rows } = await deps.pool.query<{ id: number }>('SELECT id FROM destinations WHERE id <> ALL($1)', [known])
  for (const { id } of rows) {
    await deps.pool.query(`
      UPDATE deliveries d SET state = 'skipped', reason = 'destination_removed', due_at = now() FROM (
        SELECT event_seq, day FROM deliveries
        WHERE destination_id = $1 AND state = 'waiting' AND due_at < now() - $2::interval AND hold_until <= now()
        ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
      ) AS left_over
      WHERE d.destination_id = $1 AND d.event_seq = left_over.event_seq AND d.day = left_over.day`,
    [id, removedGrace, roundSize])
  }
}
