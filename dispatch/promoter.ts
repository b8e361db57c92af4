// Makes jobs for entries of the agenda whose time to wake has come: far-off retries, resumed destinations, lost jobs,
// dead workers. Also asks for verdicts that are due and closes what belongs to removed destinations.
import { withTransaction } from '../config/postgres.ts'
import { enqueueEntries } from './agenda.ts'
import type { Deps } from './deps.ts'
import { queueName, type VerifyJob } from './schedule.ts'
import type { Target } from './target.ts'

/** Entries per destination and round; more follow in the next round, which comes at once. */
const roundSize = 1000
/** So long after they fell due and nobody woke them, deliveries of a destination that left the settings are closed. */
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

interface Woken { id: number, day: string, events: number, isIsolation: boolean, due_ms: number, now_ms: number }

/**
 * Promotes one target's entries, unless it is paused. Nobody holds them from then on: a worker that did is too late,
 * and what it has begun is ended by whoever takes the entry next. The number of entries that got a job.
 */
async function promote (deps: Deps, target: Target): Promise<number> {
  return await withTransaction(deps.pool, async tx => {
    const { rows } = await tx.query<Woken>(`
      WITH woken AS (
        SELECT id FROM agenda
        WHERE destination_id = $1 AND wake_at <= now()
          AND NOT EXISTS (SELECT FROM destinations WHERE id = $1 AND paused_at IS NOT NULL)
        ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED
      )
      UPDATE agenda a SET is_held = false, wake_at = greatest(due_at, now()) + make_interval(secs => $3::float8 / 1000)
      FROM woken WHERE a.id = woken.id
      RETURNING a.id, day, events, is_isolation AS "isIsolation", extract(epoch FROM due_at)::float8 * 1000 AS due_ms,
        extract(epoch FROM now())::float8 * 1000 AS now_ms`, [target.id, roundSize, deps.timings.jobWithinMs])
    await enqueueEntries(tx, deps.enqueue, rows.map(({ due_ms: dueMs, now_ms: nowMs, ...entry }) => (
      { ...entry, targetId: target.id, job: { startAtMs: dueMs <= nowMs ? null : dueMs } }
    )), () => target.destination.type)
    return rows.length
  })
}

/** Makes a verify job per attempt whose verdict is due. */
async function askVerdicts (deps: Deps, target: Target): Promise<number> {
  return await withTransaction(deps.pool, async tx => {
    const { rows } = await tx.query<{ id: number, day: string, is_open: boolean }>(`
      WITH due AS (
        SELECT id, day FROM attempts
        WHERE destination_id = $1 AND verify_at <= now()
          AND NOT EXISTS (SELECT FROM destinations WHERE id = $1 AND paused_at IS NOT NULL)
        ORDER BY verify_at LIMIT $2 FOR UPDATE SKIP LOCKED
      )
      UPDATE attempts a SET verify_at = CASE WHEN a.ended_at > now() - $3::interval THEN now() + $4::interval END
      FROM due WHERE a.id = due.id AND a.day = due.day
      RETURNING a.id, a.day, verify_at IS NOT NULL AS is_open`, [target.id, roundSize, verdictsWithin, verifyAgain])
    const jobs = rows.filter(row => row.is_open).map(({ id, day }) => {
      const data: VerifyJob = { kind: 'verify', target_id: target.id, day, attempt_id: id }
      return { data, startAtMs: null, group: String(target.id) }
    })
    if (jobs.length > 0) await deps.enqueue(tx, queueName(target.destination.type), jobs)
    return rows.length
  })
}

/** Closes what has waited too long for destinations that left the settings. */
async function closeRemoved (deps: Deps): Promise<void> {
  const known = deps.targets.all.map(target => target.id)
  await deps.pool.query('SELECT close_removed(id, $2, $3) FROM destinations WHERE id <> ALL($1)',
    [known, removedGrace, roundSize])
}
