// Starts the dispatch half: router, promoter, partitions, and a worker on the queue of each destination type.
import { isOutage } from '../config/postgres.ts'
import type { WorkOptions } from '../config/queue.ts'
import { describeError, type Deps } from './deps.ts'
import { startLoop } from './loop.ts'
import { keepPartitions, type Retention } from './partitions.ts'
import { promoteOnce } from './promoter.ts'
import { routeOnce } from './route.ts'
import { joinJobs, queueName, type Job } from './schedule.ts'
import { targetLabel } from './target.ts'
import { verify } from './verify.ts'
import { deliver } from './worker.ts'

/** Subscribes to the jobs of a queue. config/queue.ts implements it. */
export type Work = (queue: string, options: WorkOptions, handle: (jobs: Job[]) => Promise<void>) => void

export interface Dispatcher {
  /** A batch was committed: route it now. */
  wake: () => void
  /** Stops routing and promoting, and lets the rounds under way finish. The queue is stopped by its owner. */
  stop: () => Promise<void>
}

/** Requests to one destination at once, per process: a slow account leaves room for the others. */
const perDestination = 4
/** Jobs of a destination that are joined: a network that takes half a second still gets all in time. */
const jobsAtOnce = 10
const hourMs = 3_600_000

/** One that an older build has left is none of ours: what it was about, the promoter gives to another. */
function isJob (job: Job, deps: Deps): boolean {
  const isOurs = job.kind === 'verify' || Array.isArray(job.agenda_ids)
  if (!isOurs) deps.log.warn({ keys: Object.keys(job) }, 'a job cannot be read')
  return isOurs
}

/** Starts everything; resolves when the workers are subscribed. */
export async function startDispatcher (deps: Deps, work: Work, retention?: Retention): Promise<Dispatcher> {
  const onError = (what: string) => (error: unknown) => {
    const values = { error: describeError(error) }
    if (isOutage(error)) deps.log.warn(values, `${what}: postgres does not answer`)
    else deps.log.error(values, `${what} failed`)
  }

  const byType = Map.groupBy(deps.targets.all, target => target.destination.type)
  for (const [type, targets] of byType) {
    const concurrency = Math.min(targets.length * perDestination, 16)
    work(queueName(type), { concurrency, perDestination, jobsAtOnce }, async jobs => {
      for (const job of joinJobs(jobs.filter(one => isJob(one, deps)))) {
        try {
          await (job.kind === 'verify' ? verify(job, deps) : deliver(job, deps))
        } catch (error) {
          // Nothing is lost: for what this job has left, the promoter makes another.
          onError('a job')(error)
        }
      }
    })
  }

  const { routeBusyMs, routeIdleMs, sweepMs } = deps.timings
  const router = startLoop({
    run: async () => await routeOnce(deps), busyMs: routeBusyMs, idleMs: routeIdleMs, onError: onError('routing')
  })
  const promoter = startLoop({
    run: async () => {
      const isBusy = await promoteOnce(deps)
      for (const target of deps.targets.all) {
        deps.metrics.breakerState.set({ destination: targetLabel(target) }, deps.breaker.isOpen(target.id) ? 1 : 0)
      }
      return isBusy
    },
    busyMs: routeBusyMs,
    idleMs: sweepMs,
    onError: onError('promoting')
  })
  const partitions = startLoop({
    run: async () => {
      const today = new Date(deps.now()).toISOString().slice(0, 10)
      const upkeep = await keepPartitions({ pool: deps.upkeepPool ?? deps.pool, log: deps.log }, today, retention)
      if (upkeep !== null) deps.log.info(upkeep, 'upkeep')
      return false
    },
    busyMs: hourMs,
    idleMs: hourMs,
    onError: onError('upkeep'),
    errorMs: 60_000
  })

  return {
    wake: () => router.wake(),
    async stop () {
      await Promise.all([router.stop(), promoter.stop(), partitions.stop()])
    }
  }
}
