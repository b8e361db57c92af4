// Time that passes at once: what is planned for later falls due now, what somebody holds is held no longer.
import type { Queryable } from '../config/postgres.ts'

/** Deliveries that wait for a later time, of one reason or of any, fall due. What is being sent is left alone. */
export async function endWaiting (db: Queryable, reason: string | null = null): Promise<void> {
  await db.query(`
    UPDATE agenda a SET due_at = now(), wake_at = now() WHERE NOT is_held AND due_at > now() AND ($1::text IS NULL
      OR EXISTS (SELECT FROM deliveries d WHERE d.agenda_id = a.id AND d.day = a.day AND d.reason = $1))`, [reason])
}

/** Jobs that were made are lost, and the leases of workers have run out. */
export async function endHolds (db: Queryable): Promise<void> {
  await db.query('UPDATE agenda SET wake_at = now()')
}
