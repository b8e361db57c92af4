// The only home of `pg-boss`: the queues that wake the workers. Jobs carry ids only; the ledger is ours.
import { createHash } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { PgBoss, type Job } from 'pg-boss'
import packaged from 'pg-boss/package.json' with { type: 'json' }
import { openEar, type Subscription } from './ear.ts'
import { endPool, goodbyeMs, openPool, prepared, trackSockets, type Queryable } from './postgres.ts'
import { startPump, type Pump } from './pump.ts'
import { within } from './within.ts'

/** One job: what it carries, when it may start (Unix ms; null = at once), and whose it is. */
export interface QueueJob<T extends object> {
  data: T
  startAtMs: number | null
  /** Jobs of one group share a part of the concurrency: an ad account. */
  group: string
}

export interface WorkOptions<T extends object> {
  /** Jobs of the queue at once in this process. */
  concurrency: number
  /** Of these, jobs of one group. */
  perDestination: number
  /** How many jobs are taken at once. */
  jobsAtOnce: number
  /** Divides those of one destination; each part is handled by itself, beside the others. Absent: all together. */
  divide?: (jobs: T[]) => T[][]
}

export interface JobQueue {
  /** Puts jobs into a queue inside the caller's transaction; workers hear of those that may start at once. */
  enqueue: <T extends object>(tx: Queryable, name: string, jobs: QueueJob<T>[]) => Promise<void>
  /** Calls `handle` with the jobs that are there. What it throws fails them for good: there are no retries here. */
  work: <T extends object>(name: string, options: WorkOptions<T>, handle: (jobs: T[]) => Promise<void>) => void
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
  /** How soon LISTEN is tried again where it was refused. */
  listenAgainMs?: number
}

/** Where pg-boss keeps its tables, and the version of them that this build needs. */
export const queueSchema = { name: 'pgboss', version: packaged.pgboss.schema }

/** How late a job with a later start may be noticed. Those that start at once are announced by NOTIFY. */
const pollMs = 1000

/** Where pg-boss announces new jobs of all queues: the hash keeps its schemas apart. */
const channel = `pgboss_${createHash('sha224').update(queueSchema.name).digest('hex').slice(0, 24)}`

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
      await setTimeout(200)
    }
  } finally {
    await boss.stop({ graceful: false })
  }
}

/**
 * On a line that swallows everything a statement would wait for the kernel to give up, a quarter of an hour, and the
 * worker with it.
 */
const patience = { statementTimeoutMs: 15_000, queryTimeoutMs: 20_000, connectTimeoutMs: 10_000, lockTimeoutMs: 5000 }

/** The same for the pool inside pg-boss, which hands it to `pg`. */
const patienceOfBoss = { query_timeout: 20_000, keepAlive: true, keepAliveInitialDelayMillis: 10_000 }

const nameOf = (text: string) => `boss_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`

interface Statements { executeSql: (text: string, values?: unknown[]) => Promise<{ rows: unknown[] }> }

/** For pg-boss, which sends the same few long statements again and again: where they run, and prepared. */
function statementsOf (db: Queryable): Statements {
  return { executeSql: async (text, values) => await db.query(prepared(db, { name: nameOf(text), text }), values) }
}

/** Takes jobs of a queue, has them handled, and tells pg-boss what became of them. */
function pumpOf<T extends object> (
  { boss, db, onError }: { boss: PgBoss, db: Statements, onError: (error: Error) => void },
  name: string, { concurrency, perDestination, jobsAtOnce, divide = jobs => [jobs] }: WorkOptions<T>,
  handle: (jobs: T[]) => Promise<void>
): Pump {
  return startPump<Job<T>>({
    concurrency,
    // Counted in this process: a dead worker's jobs take no room from the living.
    perGroup: perDestination,
    jobsAtOnce,
    pollMs,
    take: async busyGroups => await boss.fetch(name, { batchSize: jobsAtOnce, ignoreGroups: busyGroups, db }),
    divide (jobs) {
      const jobOf = new Map(jobs.map(job => [job.data, job]))
      return divide([...jobOf.keys()]).map(part => part.flatMap(data => jobOf.get(data) ?? []))
    },
    async handle (jobs) {
      try {
        await handle(jobs.map(job => job.data))
      } catch (error) {
        await boss.fail(name, jobs, error instanceof Error ? error : {}, { db })
        return
      }
      await boss.complete(name, jobs, null, { db })
    },
    onError: error => { onError(toError(error)) }
  })
}

/** pg-boss tells of some errors as plain objects with their fields, and the kind of the error is lost. */
function toError (given: unknown): Error {
  if (given instanceof Error) return given
  const fields = typeof given === 'object' && given !== null ? given : { message: String(given) }
  return Object.assign(new Error('unknown'), fields)
}

/** Hears which queues have new jobs, and that some may have been missed. */
async function listen (boss: PgBoss, onJobs: (queue: string) => void, onGap: () => void): Promise<Subscription> {
  const subscription = await boss.getDb().listen?.(channel, onJobs, onGap)
  if (subscription === undefined) throw new Error('this pg-boss cannot listen')
  return subscription
}

/** Stops pumps; waits for at most so long. What has not begun by then never does: the promoter wakes others for it. */
async function stopPumps (pumps: readonly Pump[], timeoutMs: number): Promise<void> {
  await within(timeoutMs, Promise.all(pumps.map(async pump => await pump.stop())))
  for (const pump of pumps) pump.giveUp()
}

/** Why jobs are found by polling alone, in words: it is no reason not to start. */
const unheard = 'Postgres refuses to listen (LISTEN), so that jobs wait up to a second: leave a connection free for ' +
  'it and, where DATABASE_URL leads to a pooler, set POSTERN_DIRECT_URL'

/** Opens the queues of a worker. The schema must have been migrated. */
export async function openQueue (options: QueueOptions): Promise<JobQueue> {
  const { url, onError, onWarning } = options
  const sockets = trackSockets()
  const boss = new PgBoss({
    ...base,
    ...patienceOfBoss,
    ...{ stream: sockets.open },
    connectionString: url,
    application_name: 'postern queue upkeep',
    max: 2,
    migrate: false
  })
  boss.on('error', error => { onError(toError(error)) })
  boss.on('warning', warning => onWarning?.(warning.message))
  // What a crash of the server makes it forget is done again: a job that was taken or ended is there once more, and its
  // worker finds in the ledger that nothing is left to do.
  const pool = openPool({ ...patience, url, name: 'postern queue', onError, max: 3, isForgetful: true })
  const db = statementsOf(pool)
  const pumps = new Map<string, Pump>()
  const wakeAll = () => { for (const pump of pumps.values()) pump.wake() }
  let ear: Subscription | undefined
  const close = async () => {
    const ended = Promise.all([ear?.close(), boss.stop({ graceful: false })])
    await Promise.all([sockets.close(ended, goodbyeMs), endPool(pool)])
  }
  try {
    await boss.start()
    for (const name of options.names) await boss.createQueue(name, queueOptions)
    ear = await openEar({
      subscribe: async () => await listen(boss, name => pumps.get(name)?.wake(), wakeAll),
      onRefused (error) {
        onWarning?.(unheard)
        onError(toError(error))
      },
      againMs: options.listenAgainMs ?? 30_000
    })
  } catch (error) {
    // Its timers would keep a process alive that has nothing to do.
    await close()
    throw error
  }

  return {
    async enqueue (tx, name, jobs) {
      const rows = jobs.map(({ data, startAtMs, group }) => ({
        data, group: { id: group }, ...(startAtMs === null ? {} : { startAfter: new Date(startAtMs) })
      }))
      await boss.insert(name, rows, { db: statementsOf(tx) })
    },

    work (name, workOptions, handle) {
      pumps.set(name, pumpOf({ boss, db, onError }, name, workOptions, handle))
    },

    async stop (timeoutMs) {
      await stopPumps([...pumps.values()], Math.max(0, timeoutMs - goodbyeMs))
      await close()
    }
  }
}
