// The only home of `pg-boss`: the queues that wake the workers. Jobs carry ids only; the ledger is ours.
import { PgBoss } from 'pg-boss'
import packaged from 'pg-boss/package.json' with { type: 'json' }
import type { Queryable } from './postgres.ts'

/** One job: what it carries, when it may start (Unix ms; null = at once), and whose it is. */
export interface QueueJob<T extends object> {
  data: T
  startAtMs: number | null
  /** Jobs of one group share a part of the concurrency: an ad account. */
  group: string
}

export interface WorkOptions {
  /** Jobs of the queue at once in this process. */
  concurrency: number
  /** Of these, jobs of one group. */
  perDestination: number
  /** How many jobs a worker takes at once. More than one is for queues of a single group: it fills their share. */
  jobsAtOnce: number
}

export interface JobQueue {
  /** Puts jobs into a queue inside the caller's transaction; workers hear of those that may start at once. */
  enqueue: <T extends object>(tx: Queryable, name: string, jobs: QueueJob<T>[]) => Promise<void>
  /** Calls `handle` with the jobs that are there. What it throws fails them for good: there are no retries here. */
  work: <T extends object>(name: string, options: WorkOptions, handle: (jobs: T[]) => Promise<void>) => Promise<void>
  /** Takes no more jobs and waits for those under way, for at most so long. */
  stop: (timeoutMs: number) => Promise<void>
}

export interface QueueOptions {
  url: string
  /** Queues that must exist; made when they do not. */
  names: string[]
  /** pg-boss goes on by itself after any of these. */
  onError: (error: Error) => void
  onWarning?: (message: string) => void
  max?: number
}

/** Where pg-boss keeps its tables, and the version of them that this build needs. */
export const queueSchema = { name: 'pgboss', version: packaged.pgboss.schema }

/** How late a job with a later start may be noticed. Those that start at once are announced by NOTIFY. */
const pollSeconds = 1

/** Connection and maintenance of every PgBoss we make. `schedule`: we use no cron. */
const base = { schema: queueSchema.name, schedule: false, maintenanceIntervalSeconds: 300, persistWarnings: false }

/**
 * No retries and a short life: a job is a wake-up, and what it was about is found again in our own ledger. A queue has
 * a table of its own, so that one network's backlog does not slow another's fetch.
 */
const queueOptions = {
  retryLimit: 0,
  expireInSeconds: 120,
  retentionSeconds: 3600,
  deleteAfterSeconds: 60,
  partition: true,
  notify: true
}

/**
 * Brings pg-boss's own schema to this version, its index builds included (they run after the migration, one by one).
 * For `postern migrate`, and for the embedded database.
 */
export async function migrateQueue (url: string): Promise<void> {
  const boss = new PgBoss({ ...base, connectionString: url, supervise: false, max: 2, bamIntervalSeconds: 10 })
  const errors: Error[] = []
  boss.on('error', error => errors.push(error))
  await boss.start()
  try {
    for (;;) {
      const builds = await boss.getBamStatus()
      if (errors[0] !== undefined) throw errors[0]
      if (!builds.some(({ status }) => status === 'pending' || status === 'in_progress')) return
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  } finally {
    await boss.stop({ graceful: false })
  }
}

/**
 * Lets the workers that have jobs look for others as soon as they are done. By itself pg-boss lets a worker wait for
 * its next poll, so that a backlog would drain at one job per worker and second.
 */
function goOn (boss: PgBoss, name: string): void {
  for (const worker of boss.getWipData()) {
    if (worker.name === name && worker.count > 0) boss.notifyWorker(worker.id)
  }
}

/**
 * For the pool inside pg-boss, which hands them to `pg`: on a line that swallows everything its fetches would wait for
 * the kernel to give up, a quarter of an hour, and the worker with them.
 */
const patience = { query_timeout: 20_000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 }

/** Opens the queues of a worker. The schema must have been migrated. */
export async function openQueue (options: QueueOptions): Promise<JobQueue> {
  const boss = new PgBoss({
    ...base,
    ...patience,
    connectionString: options.url,
    application_name: 'postern queue',
    max: options.max ?? 5,
    migrate: false,
    useListenNotify: true
  })
  boss.on('error', options.onError)
  boss.on('warning', warning => options.onWarning?.(warning.message))
  try {
    await boss.start()
    for (const name of options.names) await boss.createQueue(name, queueOptions)
  } catch (error) {
    // Its timers would keep a process alive that has nothing to do.
    await boss.stop({ graceful: false })
    throw error
  }

  return {
    async enqueue (tx, name, jobs) {
      const db = { executeSql: async (text: string, values?: unknown[]) => await tx.query(text, values) }
      const rows = jobs.map(({ data, startAtMs, group }) => ({
        data, group: { id: group }, ...(startAtMs === null ? {} : { startAfter: new Date(startAtMs) })
      }))
      await boss.insert(name, rows, { db })
    },

    async work (name, { concurrency, perDestination, jobsAtOnce }, handle) {
      const workOptions = {
        localConcurrency: concurrency,
        // Counted in this process: a dead worker's jobs take no room from the living.
        ...(jobsAtOnce === 1 ? { localGroupConcurrency: perDestination } : {}),
        batchSize: jobsAtOnce,
        pollingIntervalSeconds: pollSeconds,
        notifyPollingIntervalSeconds: pollSeconds
      }
      await boss.work(name, workOptions, async (jobs: { data: object }[]) => {
        try {
          await handle(jobs.map(job => job.data) as Parameters<typeof handle>[0])
        } finally {
          goOn(boss, name)
        }
      })
    },

    stop: async timeoutMs => await boss.stop({ graceful: true, timeout: timeoutMs })
  }
}
