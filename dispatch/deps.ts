// What the dispatch half is given: the database, the targets, the network, clock and chance, log and metrics.
import type { Keys } from '../config/keys.ts'
import type { Metrics } from '../config/metrics.ts'
import type { Pool } from '../config/postgres.ts'
import type { Enqueue } from './agenda.ts'
import type { Breaker } from './breaker.ts'
import type { Sender } from './send.ts'
import type { Target } from './target.ts'
import type { Tokens } from './token.ts'

/** Durations of the machinery, in milliseconds. */
export interface Timings {
  /**
   * How long what a worker has taken is its own, from when it last began to send: three times the longest request
   * (reliability-and-security.md §3.2.11).
   */
  leaseMs: number
  /** How long after it falls due an entry of the agenda waits for its job, before the promoter makes another. */
  jobWithinMs: number
  /** How long one job may go on starting requests; the rest gets a job of its own. */
  jobBudgetMs: number
  /** Pause between two rounds of the promoter. */
  sweepMs: number
  /** Pause of the router after a round that found something: what comes meanwhile shares the next round's jobs. */
  routeBusyMs: number
  routeIdleMs: number
}

export const timings: Timings = {
  leaseMs: 45_000, jobWithinMs: 45_000, jobBudgetMs: 20_000, sweepMs: 5000, routeBusyMs: 50, routeIdleMs: 250
}

/** The configured destinations of all sites. */
export interface Targets {
  all: readonly Target[]
  byId: (id: number) => Target | undefined
  ofSite: (site: string) => readonly Target[]
}

/** A structured logger: an object of values, then the message. */
export interface Log {
  info: (values: object, message: string) => void
  warn: (values: object, message: string) => void
  error: (values: object, message: string) => void
}

export interface Deps {
  pool: Pool
  /** Sessions of its own, where `pool` has none; the same pool where absent. */
  upkeepPool?: Pool
  keys: Pick<Keys, 'open'>
  enqueue: Enqueue
  targets: Targets
  sender: Pick<Sender, 'send'>
  tokens: Tokens
  breaker: Breaker
  /** Unix milliseconds: for ages and windows of events. Leases and due times go by the database's clock. */
  now: () => number
  random: () => number
  log: Log
  metrics: Metrics
  timings: Timings
}

/** Indexes targets by their row and their site. */
export function targetsOf (all: readonly Target[]): Targets {
  const byId = new Map(all.map(target => [target.id, target]))
  const bySite = Map.groupBy(all, target => target.site.name)
  return { all, byId: id => byId.get(id), ofSite: site => bySite.get(site) ?? [] }
}

/** An error in the log: its name and code, never its message or detail, which may quote a row. */
export function describeError (error: unknown): { name: string, code?: string, at?: string } {
  if (!(error instanceof Error)) return { name: typeof error }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const at = /\n {4}at (.*)/.exec(error.stack ?? '')?.[1]?.replace(/\(?(file:\/\/)?\/.*\/(?=[\w-]+\.[jt]s)/, '(')
  return { name: error.name, code, at }
}
