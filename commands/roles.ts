// Runs the gateway, the worker or both in this process until it is asked to stop, with the admin port beside them.
import type { Keys } from '../config/keys.ts'
import { openLog, type Log } from '../config/log.ts'
import { createMetrics, type Metrics } from '../config/metrics.ts'
import { findSchemaProblem } from '../config/migrate.ts'
import { endPool, isOutage, openPool, sqlState, type Pool } from '../config/postgres.ts'
import type { ProcessSettings } from '../config/process_settings.ts'
import type { Settings } from '../config/settings.ts'
import { openReader } from '../config/replica.ts'
import { version } from '../config/version.ts'
import { describeError } from '../dispatch/deps.ts'
import { startDispatch, type Dispatch } from '../dispatch/service.ts'
import { startGateway, type GatewayOptions, type GatewayService } from '../gateway/service.ts'
import { CannotStart, checkDatabase, noAnswer } from './admission.ts'
import { watchClock } from './clock_watch.ts'
import { openDatabase, type Database } from './database.ts'
import { drain, startAdmin, untilAskedToStop, type DrainStep } from './serving.ts'
import { warnOfSettings } from './warnings.ts'
import { gatewayLimits, gatewaySites, platformProxy, retentionOf, siteTargets } from './wiring.ts'

export type RoleName = 'start' | 'gateway' | 'worker'

export interface RoleOptions {
  role: RoleName
  process: ProcessSettings
  settings: Settings
  keys: Keys
  log: Log
}

/** What runs. `gateway` and `dispatch` are there as the role has them. */
export interface Running {
  gateway?: GatewayService
  dispatch?: Dispatch
  adminUrl: string
  pool: Pool
  /** Resolves when Postgres, which was away at the start, turns out to have another schema or another secret. */
  unfit: Promise<Error>
  /** Stops everything in order; false when something did not stop cleanly. */
  stop: () => Promise<boolean>
}

/** Below the usual patience of whoever stops containers (30 s). */
const drainWithinMs = 25_000

/**
 * Starts a role. Throws CannotStart when the database has a schema that does not fit or another secret, or is not
 * reachable and nothing can be done without it; what was started until then is stopped again. A gateway with a spool
 * starts without Postgres: it is looked at as soon as it answers, and only then written to.
 */
export async function startRole (options: RoleOptions): Promise<Running> {
  const { role, process, log } = options
  const started: DrainStep[] = []
  const stop = async () => await drain(started.toReversed(), log, drainWithinMs)
  try {
    const database = await openDatabase(process, log, { serves: role === 'start' })
    started.push(['database', database.stop])
    const { pool, pools, reader, close } = openAdminPools(role, database, log)
    started.push(['admin pools', close])
    const metrics = createMetrics(version)
    const clock = watchClock({ pool, metrics, log })
    started.push(['clock', clock.stop])
    const halves: Halves = {}
    const unfit = Promise.withResolvers<Error>()
    const admit = admission(options, { pool, pools, halves, started, metrics, database })
    const isAway = await admitNow(admit, role !== 'worker' && process.spool !== undefined)
    const gateway = role === 'worker'
      ? undefined
      : await openGateway(options, database, metrics, {
        onCommitted: () => halves.dispatch?.wake(),
        clockOffsetMs: clock.offsetMs,
        admit: isAway ? tellUnfit(admit, unfit.resolve) : undefined
      })
    if (gateway !== undefined) {
      started.push(['gateway', gateway.stop])
      pools.gateway = gateway.pool
    }
    let isDraining = false
    const admin = await startAdmin({
      role,
      host: process.adminHost,
      port: process.adminPort,
      pool,
      reader,
      pools,
      metrics,
      checkSchema: async () => await findSchemaProblem(pool, { usesQueue: role !== 'gateway' }),
      isDraining: () => isDraining,
      canSpool: gateway?.canSpool,
      log
    })
    // First in, last out: health is told until the database's own connections close.
    started.splice(2, 0, ['admin port', admin.close])
    return {
      gateway,
      dispatch: halves.dispatch,
      adminUrl: admin.url,
      pool,
      unfit: unfit.promise,
      async stop () {
        isDraining = true
        return await stop()
      }
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What the admin port asks: the database itself, and the standby where there is one. */
function openAdminPools (role: RoleName, { url, directUrl, replicaUrl }: Database, log: Log) {
  const options = { name: `postern ${role} admin`, onError: tellClosed(log) }
  const pool = openPool({ url, isPooled: directUrl !== undefined, ...options })
  const replica = replicaUrl === undefined ? undefined : openPool({ url: replicaUrl, max: 2, ...options })
  const pools: Record<string, Pool> = replica === undefined ? { admin: pool } : { admin: pool, replica }
  const reader = openReader(pool, replica, error => {
    log.warn({ error: describeError(error) },
      'the standby of POSTERN_REPLICA_URL does not answer: the database itself is read')
  })
  return { pool, pools, reader, close: async () => { await Promise.all([pool, replica ?? []].flat().map(endPool)) } }
}

function tellClosed (log: Log): (error: Error) => void {
  return error => { log.warn({ error: error.name, code: sqlState(error) }, 'postgres closed a connection') }
}

/** The half that may come up late. */
interface Halves { dispatch?: Dispatch }

interface Place {
  pool: Pool
  pools: Record<string, Pool>
  halves: Halves
  started: DrainStep[]
  metrics: Metrics
  database: Database
}

/** What must have succeeded before anything is written to Postgres: the check, and then the worker's start. */
function admission (options: RoleOptions, place: Place): () => Promise<void> {
  const { settings, keys, log } = options
  return async () => {
    await checkDatabase(place.pool, keys, log, { usesQueue: options.role !== 'gateway' })
    if (options.role === 'gateway' || place.halves.dispatch !== undefined) return
    const dispatch = await startDispatch({
      databaseUrl: place.database.url,
      directUrl: place.database.directUrl,
      keys,
      sites: siteTargets(settings),
      log,
      metrics: place.metrics,
      retention: retentionOf(settings)
    })
    place.halves.dispatch = dispatch
    place.pools.worker = dispatch.pool
    // Before the gateway, which stops first.
    place.started.splice(2, 0, ['dispatch', dispatch.stop])
  }
}

/** True when Postgres is away and the role can do without it for now. */
async function admitNow (admit: () => Promise<void>, canWait: boolean): Promise<boolean> {
  try {
    await admit()
    return false
  } catch (error) {
    if (canWait && error instanceof CannotStart && error.isAway) return true
    throw error
  }
}

/** Tells when the database that came back is not ours to write to. */
function tellUnfit (admit: () => Promise<void>, tell: (error: Error) => void): () => Promise<void> {
  return async () => {
    try {
      await admit()
    } catch (error) {
      if (error instanceof CannotStart && !error.isAway) tell(error)
      throw error
    }
  }
}

async function openGateway (
  { process, settings, keys, log }: RoleOptions, { url, directUrl }: Database, metrics: Metrics,
  hooks: Pick<GatewayOptions, 'onCommitted' | 'admit' | 'clockOffsetMs'>
): Promise<GatewayService> {
  return await startGateway({
    databaseUrl: url,
    isPooled: directUrl !== undefined,
    keys,
    sites: gatewaySites(settings),
    trustProxy: [...settings.trusted_proxies, ...process.trustedProxies],
    platform: platformProxy(settings),
    host: process.host,
    port: process.port,
    log,
    metrics,
    limits: gatewayLimits(settings),
    spool: process.spool === undefined ? undefined : { folder: `${process.dataFolder}/spool`, ...process.spool },
    ...hooks
  })
}

/** Runs a role until SIGTERM or SIGINT, and ends the process: with 0 when all went as it should. */
export async function runRole (options: Omit<RoleOptions, 'log'>): Promise<never> {
  const { role, settings } = options
  const log = openLog(options.process.logLevel, role)
  warnOfSettings(settings, log)
  try {
    const asked = untilAskedToStop(process)
    const running = await startRole({ ...options, log })
    log.info({ public: running.gateway?.url, admin: running.adminUrl, sites: settings.sites.map(({ name }) => name) },
      'postern runs')
    const reason = await Promise.race([asked, running.unfit])
    if (reason instanceof Error) process.stderr.write(`postern ${role}: ${reason.message}\n`)
    else log.info({ signal: reason }, 'stopping')
    const isClean = await running.stop() && !(reason instanceof Error)
    // What did not stop would keep the process alive until somebody kills it; so would a line to a Postgres that is
    // frozen, which is closed from this end only.
    process.exit(isClean ? 0 : 1)
  } catch (error) {
    process.stderr.write(`postern ${role}: ${explainFailure(error)}\n`)
    // Nothing half started may keep a process alive that does not serve: whoever watches over it would not restart it.
    process.exit(1)
  }
}

/** Why it did not start, for people; a bug keeps its stack. */
export function explainFailure (error: unknown): string {
  if (error instanceof CannotStart) return error.message
  if (!(error instanceof Error)) return String(error)
  if ('code' in error && error.code === 'EADDRINUSE' && 'port' in error) {
    return `port ${String(error.port)} is taken: stop what listens there, or choose another port (README, "Settings")`
  }
  if (isOutage(error)) return noAnswer(error)
  return error.stack ?? error.message
}
