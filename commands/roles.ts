// Runs the gateway, the worker or both in this process until it is asked to stop, with the admin port beside them.
import { checkKeys } from '../config/key_check.ts'
import { startEmbedded } from '../config/embedded.ts'
import type { Keys } from '../config/keys.ts'
import { openLog, type Log } from '../config/log.ts'
import { createMetrics, type Metrics } from '../config/metrics.ts'
import { findSchemaProblem, migrate } from '../config/migrate.ts'
import { isOutage, openPool, sqlState, type Pool } from '../config/postgres.ts'
import type { ProcessSettings } from '../config/process_settings.ts'
import type { Settings } from '../config/settings.ts'
import { version } from '../config/version.ts'
import { startDispatch, type Dispatch } from '../dispatch/service.ts'
import { startGateway, type GatewayService } from '../gateway/service.ts'
import { drain, startAdmin, untilAskedToStop, type DrainStep } from './serving.ts'
import { gatewayLimits, gatewaySites, retentionOf, siteTargets } from './wiring.ts'

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
  /** Stops everything in order; false when something did not stop cleanly. */
  stop: () => Promise<boolean>
}

/** Below the usual patience of whoever stops containers (30 s). */
const drainWithinMs = 25_000

/** A reason not to start, for people. */
export class CannotStart extends Error {}

/** The database of the process: its own server with `DATABASE_URL`, else the embedded one, brought up to date. */
export async function openDatabase (
  process: ProcessSettings, log: Log
): Promise<{ url: string, stop: () => Promise<void> }> {
  if (process.databaseUrl !== undefined) return { url: process.databaseUrl, stop: async () => undefined }
  const embedded = await startEmbedded({
    folder: `${process.dataFolder}/postgres`,
    onLost: () => { log.error({}, 'the embedded database went away and is being started again') }
  })
  try {
    await migrate({ url: embedded.url })
  } catch (error) {
    await embedded.stop()
    throw error
  }
  return embedded
}

/**
 * Starts a role. Throws CannotStart when the database is not reachable, has another schema or another secret; what was
 * started until then is stopped again.
 */
export async function startRole (options: RoleOptions): Promise<Running> {
  const { role, process, settings, keys, log } = options
  const started: DrainStep[] = []
  const stop = async () => await drain(started.toReversed(), log, drainWithinMs)
  try {
    const database = await openDatabase(process, log)
    started.push(['database', database.stop])
    const pool = openPool({
      url: database.url,
      name: `postern ${role} admin`,
      onError: error => { log.warn({ error: error.name, code: sqlState(error) }, 'postgres closed a connection') }
    })
    started.push(['admin pool', async () => { await pool.end() }])
    await checkDatabase(pool, keys, log)

    const metrics = createMetrics(version)
    let isDraining = false
    const dispatch = role === 'gateway'
      ? undefined
      : await startDispatch({
        databaseUrl: database.url, keys, sites: siteTargets(settings), log, metrics, retention: retentionOf(settings)
      })
    if (dispatch !== undefined) started.push(['dispatch', dispatch.stop])
    const gateway = role === 'worker' ? undefined : await openGateway(options, database.url, metrics, dispatch?.wake)
    if (gateway !== undefined) started.push(['gateway', gateway.stop])
    const admin = await startAdmin({
      role,
      host: process.adminHost,
      port: process.adminPort,
      pool,
      pools: {
        admin: pool,
        ...(gateway === undefined ? {} : { gateway: gateway.pool }),
        ...(dispatch === undefined ? {} : { worker: dispatch.pool })
      },
      metrics,
      checkSchema: async () => await findSchemaProblem(pool),
      isDraining: () => isDraining,
      canSpool: gateway?.canSpool,
      log
    })
    // First in, last out: health is told until the database's own connections close.
    started.splice(2, 0, ['admin port', admin.close])
    return {
      gateway,
      dispatch,
      adminUrl: admin.url,
      pool,
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

async function openGateway (
  { process, settings, keys, log }: RoleOptions, databaseUrl: string, metrics: Metrics, onCommitted?: () => void
): Promise<GatewayService> {
  return await startGateway({
    databaseUrl,
    keys,
    sites: gatewaySites(settings),
    trustProxy: settings.trusted_proxies,
    host: process.host,
    port: process.port,
    log,
    metrics,
    limits: gatewayLimits(settings),
    spool: process.spool === undefined ? undefined : { folder: `${process.dataFolder}/spool`, ...process.spool },
    onCommitted
  })
}

/** Throws CannotStart when Postgres does not answer, or has another schema or another secret. */
export async function checkDatabase (pool: Pool, keys: Keys, log: Log): Promise<void> {
  const problem = await findSchemaProblem(pool).catch((error: unknown) => {
    throw new CannotStart(noAnswer(error))
  })
  if (problem !== null) throw new CannotStart(problem)
  const check = await checkKeys(pool, keys)
  if (!check.ok) throw new CannotStart(check.problem)
  if (check.lost.length > 0) log.warn({ key_ids: check.lost }, 'rows sealed under these keys can no longer be opened')
}

/** What is said of a Postgres that is not there; Node's own error has no message when two addresses fail. */
export function noAnswer (error: unknown): string {
  const code = sqlState(error) ?? (error instanceof Error && 'code' in error ? String(error.code) : 'no answer')
  return `Postgres does not answer (${code}): check DATABASE_URL and that the server runs`
}

/** Says loudly what must not be overlooked in the settings of a serving process. */
export function warnOfSettings (settings: Settings, log: Log): void {
  for (const name of settings.off) log.warn({ destination: name }, 'the destination is off: none of its secrets is set')
  for (const site of settings.sites) {
    for (const { name, endpoint } of site.destinations) {
      if (endpoint === undefined) continue
      const isLocal = /^https?:\/\/(localhost|127\.|\[::1\])/.test(endpoint)
      log.warn({ destination: `${site.name}/${name}` }, isLocal
        ? 'THE ENDPOINT IS THIS MACHINE: nothing reaches the ad network'
        : 'the endpoint setting replaces the ad network\'s own address')
    }
  }
}

/** Runs a role until SIGTERM or SIGINT. The result is the exit code. */
export async function runRole (options: Omit<RoleOptions, 'log'>): Promise<number> {
  const { role, settings } = options
  const log = openLog(options.process.logLevel, role)
  warnOfSettings(settings, log)
  try {
    const asked = untilAskedToStop(process)
    const running = await startRole({ ...options, log })
    log.info({ public: running.gateway?.url, admin: running.adminUrl, sites: settings.sites.map(({ name }) => name) },
      'postern runs')
    log.info({ signal: await asked }, 'stopping')
    if (await running.stop()) return 0
    // What did not stop would keep the process alive until somebody kills it.
    process.exit(1)
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
    return `port ${String(error.port)} is taken: stop what listens there, or choose another port (README, "Ports")`
  }
  if (isOutage(error)) return noAnswer(error)
  return error.stack ?? error.message
}
