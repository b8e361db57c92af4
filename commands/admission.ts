// Whether a process may use the database: its schema and its secret must fit. Asked before anything is written.
import { checkKeys, compareKeys } from '../config/key_check.ts'
import type { Keys } from '../config/keys.ts'
import type { Log } from '../config/log.ts'
import { findSchemaProblem, type SchemaNeeds } from '../config/migrate.ts'
import { isOutage, sqlState, type Pool } from '../config/postgres.ts'

/** A reason not to start, for people. */
export class CannotStart extends Error {
  /** Postgres does not answer: nothing is known of it yet, and it may come back. */
  isAway = false
}

/**
 * Throws CannotStart when Postgres does not answer, or has a schema that does not fit or another secret. `onlyReads`:
 * nothing is written, so that it may be a standby.
 */
export async function checkDatabase (
  pool: Pool, keys: Keys, log: Log, needs: Pick<SchemaNeeds, 'usesQueue'> & { onlyReads?: boolean }
): Promise<void> {
  try {
    const problem = await findSchemaProblem(pool, needs)
    if (problem !== null) throw new CannotStart(problem)
    const check = needs.onlyReads === true ? await compareKeys(pool, keys) : await checkKeys(pool, keys)
    if (!check.ok) throw new CannotStart(check.problem)
    if (check.lost.length > 0) log.warn({ key_ids: check.lost }, 'rows sealed under these keys can no longer be opened')
  } catch (error) {
    if (!isOutage(error)) throw error
    const away = new CannotStart(noAnswer(error), { cause: error })
    // A wrong password or database name does not mend itself.
    away.isAway = !/^(28|3D)/.test(sqlState(error) ?? '')
    throw away
  }
}

/** What is said of a Postgres that is not there; Node's own error has no message when two addresses fail. */
export function noAnswer (error: unknown): string {
  const code = sqlState(error) ?? (error instanceof Error && 'code' in error ? String(error.code) : 'no answer')
  return `Postgres does not answer (${code}): check DATABASE_URL and that the server runs`
}
