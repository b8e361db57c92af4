// The dispatch half as a service: opens what it needs, starts it, and stops it in order.
import type { Keys } from '../config/keys.ts'
import type { Metrics } from '../config/metrics.ts'
import { endPool, openPool, type Pool } from '../config/postgres.ts'
import { openQueue } from '../config/queue.ts'
import { within } from '../config/within.ts'
import { createBreaker } from './breaker.ts'
import { describeError, targetsOf, timings, type Log, type Targets, type Timings } from './deps.ts'
import type { Destination } from './destination.ts'
import { startDispatcher } from './dispatcher.ts'
import type { Retention } from './partitions.ts'
import { destinationOf } from './registry.ts'
import { enrol, type SiteTargets } from './roster.ts'
import { queueName } from './schedule.ts'
import { createSender } from './send.ts'
import { createTokens } from './token.ts'

export interface DispatchOptions {
  databaseUrl: string
  /** Given where databaseUrl leads to a pooler in transaction mode: for LISTEN and for locks of a session. */
  directUrl?: string
  keys: Keys
  sites: readonly SiteTargets[]
  log: Log
  metrics: Metrics
  retention?: Retention
  timings?: Partial<Timings>
  /** The networks that exist; the registry unless a test says otherwise. */
  destinationOf?: (type: string) => Destination | undefined
}

export interface Dispatch {
  pool: Pool
  targets: Targets
  /** A batch was committed in this process: route it now. */
  wake: () => void
  /** Routes and fetches no more, lets requests under way be answered and settled, closes all connections. */
  stop: () => Promise<void>
}

/** Longer than the longest request: who is asked to stop still hears the answer. */
const drainMs = 20_000

/** What routing and promoting may take of that: a round is over in no time, unless Postgres stands still. */
const roundsMs = 5000

/** Starts the dispatch half. The schema must be right; throws when Postgres does not answer. */
export async function startDispatch (options: DispatchOptions): Promise<Dispatch> {
  const { log, metrics, keys, databaseUrl, directUrl } = options
  const patience = {
    onError: (error: Error) => log.warn({ error: describeError(error) }, 'postgres closed a connection'),
    connectTimeoutMs: 5000,
    statementTimeoutMs: 15_000,
    queryTimeoutMs: 20_000,
    lockTimeoutMs: 5000
  }
  const pool = openPool({ url: databaseUrl, isPooled: directUrl !== undefined, name: 'postern worker', ...patience })
  const closers: ((leftMs: number) => Promise<void>)[] = [async () => { await endPool(pool) }]
  const upkeepPool = directUrl === undefined
    ? pool
    : openPool({ url: directUrl, name: 'postern worker upkeep', max: 1, ...patience })
  if (upkeepPool !== pool) closers.push(async () => { await endPool(upkeepPool) })
  const stop = async () => {
    const endsMs = performance.now() + drainMs
    for (const close of closers.toReversed()) await close(endsMs - performance.now())
  }
  try {
    const { sites } = options
    const targets = targetsOf(await enrol({ db: pool, keys, log }, sites, options.destinationOf ?? destinationOf))
    const types = new Set(targets.all.map(target => target.destination.type))
    const sender = createSender()
    closers.push(sender.close)
    const queue = await openQueue({
      url: directUrl ?? databaseUrl,
      names: [...types].map(queueName),
      onError: error => log.warn({ error: describeError(error) }, 'the queue has trouble'),
      onWarning: message => log.warn({ warning: message }, 'the queue warns')
    })
    closers.push(queue.stop)
    const dispatcher = await startDispatcher({
      pool,
      upkeepPool,
      keys,
      enqueue: queue.enqueue,
      targets,
      sender,
      tokens: createTokens({ sender, now: Date.now }),
      breaker: createBreaker(),
      now: Date.now,
      random: Math.random,
      log,
      metrics,
      timings: { ...timings, ...options.timings }
    }, queue.work, options.retention)
    closers.push(async () => { await within(roundsMs, dispatcher.stop()) })
    return { pool, targets, wake: dispatcher.wake, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
