// What the serving commands share: the admin port, waiting for a signal, and draining in order.
import type { AddressInfo } from 'node:net'
import { createGaugeReader } from '../admin/gauges.ts'
import { createReadiness, type Role } from '../admin/readiness.ts'
import { buildAdmin } from '../admin/server.ts'
import type { Metrics } from '../config/metrics.ts'
import type { Pool } from '../config/postgres.ts'
import type { Reader } from '../config/replica.ts'
import { describeError, type Log } from '../dispatch/deps.ts'

export interface AdminOptions {
  role: Role
  host: string
  /** 0: any free port. */
  port: number
  /** The pool that health is asked through. */
  pool: Pool
  /** What the gauges are read from. */
  reader: Reader
  pools: Record<string, Pool>
  metrics: Metrics
  checkSchema: () => Promise<string | null>
  isDraining: () => boolean
  /** Whether arrivals are durable without Postgres. */
  canSpool?: () => boolean
  log: Log
}

/** Longer than this, and a load balancer has given the check up. */
const readyWithinMs = 2000

/** Starts the admin port of a process. Rejects when the port is taken. */
export async function startAdmin (options: AdminOptions): Promise<{ url: string, close: () => Promise<void> }> {
  const { role, pool, reader, pools, metrics, checkSchema, isDraining, canSpool, log } = options
  const app = buildAdmin({
    metrics,
    checkReady: createReadiness({
      role, ping: async () => await pool.query('SELECT 1'), checkSchema, isDraining, canSpool, timeoutMs: readyWithinMs
    }),
    readGauges: createGaugeReader({
      metrics,
      reader,
      pools,
      now: Date.now,
      onError: error => log.warn({ error: describeError(error) }, 'the gauges could not be read')
    })
  })
  await app.listen({ host: options.host, port: options.port })
  const { address, family, port } = app.server.address() as AddressInfo
  return { url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`, close: async () => await app.close() }
}

/** The signals that ask a process to stop. */
const stopSignals = ['SIGTERM', 'SIGINT'] as const

/** Ctrl-C under npm arrives three times at once: from the terminal, from npm and from scripts/run.mjs. */
const echoMs = 1000

/** Resolves with the first SIGTERM or SIGINT. A later one ends the process at once: somebody is in a hurry. */
export async function untilAskedToStop (
  process: NodeJS.Process, now: () => number = () => performance.now()
): Promise<string> {
  return await new Promise(resolve => {
    let firstMs: number | undefined
    for (const signal of stopSignals) {
      process.on(signal, () => {
        if (firstMs !== undefined && now() - firstMs > echoMs) process.exit(1)
        firstMs ??= now()
        resolve(signal)
      })
    }
  })
}

/** One step of stopping, with its name for the log. */
export type DrainStep = [name: string, stop: () => Promise<void>]

/**
 * Stops in order: each step begins when the one before has ended. A step that fails does not keep the others from being
 * taken. The result is false when one failed, or when not all were done within `withinMs`.
 */
export async function drain (steps: readonly DrainStep[], log: Log, withinMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(() => {
      log.error({ after_ms: withinMs }, 'stopping took too long')
      resolve(false)
    }, withinMs)
  })
  try {
    return await Promise.race([takeSteps(steps, log), late])
  } finally {
    clearTimeout(timer)
  }
}

async function takeSteps (steps: readonly DrainStep[], log: Log): Promise<boolean> {
  let isClean = true
  for (const [name, stop] of steps) {
    try {
      await stop()
    } catch (error) {
      isClean = false
      log.error({ step: name, error: describeError(error) }, 'a step of stopping failed')
    }
  }
  return isClean
}
