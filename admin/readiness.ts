// Whether a process can do its work now: accept durably, or dispatch.

/** Which half of Postern a process runs. */
export type Role = 'gateway' | 'worker' | 'start'

export interface Readiness {
  role: Role
  /** Why not; empty when ready. Words for the operator, without data of visitors. */
  problems: string[]
  /** What is wrong although the process is ready: it accepts durably, and no load balancer should turn away from it. */
  degraded?: string[]
}

export interface ReadinessDeps {
  role: Role
  /** Throws when Postgres does not answer. */
  ping: () => Promise<unknown>
  /** What is wrong with the schema, with the command that mends it; null when it is right. */
  checkSchema: () => Promise<string | null>
  /** A process that is stopping takes no new work. */
  isDraining: () => boolean
  /** Whether arrivals are durable without Postgres, in the spool. */
  canSpool?: () => boolean
  /** How long a check may take before it counts as failed. */
  timeoutMs: number
}

/**
 * Makes the check behind `/readyz`. The schema, once found right, is not asked for again: it cannot become wrong under
 * a running process without Postgres being replaced, and then the next statement says so.
 */
export function createReadiness (deps: ReadinessDeps): () => Promise<Readiness> {
  let isSchemaRight = false

  async function findProblem (): Promise<string | null> {
    await deps.ping()
    if (isSchemaRight) return null
    const problem = await deps.checkSchema()
    isSchemaRight = problem === null
    return problem
  }

  async function findProblemInTime (): Promise<{ problem: string | null, isAway: boolean }> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<{ problem: string, isAway: boolean }>(resolve => {
      const problem = `postgres did not answer within ${deps.timeoutMs} ms`
      timer = setTimeout(() => resolve({ problem, isAway: true }), deps.timeoutMs)
    })
    try {
      return await Promise.race([findProblem().then(problem => ({ problem, isAway: false })), late])
    } catch (error) {
      // The message may quote a connection string.
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'no connection'
      return { problem: `postgres does not answer (${code})`, isAway: true }
    } finally {
      clearTimeout(timer)
    }
  }

  return async () => {
    const { role } = deps
    if (deps.isDraining()) return { role, problems: ['stopping'] }
    const { problem, isAway } = await findProblemInTime()
    if (problem === null) return { role, problems: [] }
    if (isAway && deps.canSpool?.() === true) {
      return { role, problems: [], degraded: [`${problem}: arrivals are kept in the spool`] }
    }
    return { role, problems: [problem] }
  }
}
