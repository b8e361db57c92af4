// The gateway half as a service: opens what it needs, listens, and stops in order.
import type { Keys } from '../config/keys.ts'
import { endPool, openPool, sqlState, type Pool } from '../config/postgres.ts'
import { alertWith, crowdAlertWith, spoolAlertWith, watchSpool } from './alerts.ts'
import type { Arrival, Receipt } from './arrival.ts'
import { openCrowdLog, type CrowdLog } from './crowd_log.ts'
import { openCrowds, type Crowd, type CrowdLimits, type Crowds } from './crowds.ts'
import { rememberTouches } from './durable.ts'
import { openIngestLog } from './ingest.ts'
import { openReceiptCounter, type GatewayLog, type GatewayMetrics } from './journal.ts'
import type { PlatformProxy } from './proxies.ts'
import { openRevokeLog } from './revokes.ts'
import { readScriptParts } from './script.ts'
import { buildGateway, listen, type Limits } from './server.ts'
import type { GatewaySite } from './site.ts'
import { openSpool, type Spool } from './spool/spool.ts'

export interface GatewayOptions {
  databaseUrl: string
  /** Whether that leads to a pooler in transaction mode. */
  isPooled?: boolean
  keys: Keys
  sites: readonly GatewaySite[]
  /** Addresses and networks of the proxies whose X-Forwarded-* headers are believed. */
  trustProxy: readonly string[]
  /** The platform in front that proves itself by a secret. */
  platform?: PlatformProxy
  host: string
  /** 0: any free port. */
  port: number
  log: GatewayLog
  metrics: GatewayMetrics
  limits?: Partial<Limits>
  crowdLimits?: CrowdLimits
  /** Where arrivals wait while Postgres is away. Absent: they are turned away. */
  spool?: SpoolPlace
  /**
   * Given where Postgres is away: what must succeed before anything is written to it, tried until it does. Needs the
   * spool: without one startGateway throws what it throws.
   */
  admit?: () => Promise<void>
  /** New events were committed: a router in this process need not wait for its poll. */
  onCommitted?: () => void
  /** How far this machine's clock is ahead of Postgres's, as far as that is known: for `postern doctor`. */
  clockOffsetMs?: () => number | undefined
}

/** A folder on a disk of this machine, which gateways may share, and what may be used of it. */
export interface SpoolPlace { folder: string, mostBytes: number, leastFreeBytes: number }

export interface GatewayService {
  /** Where it listens. */
  url: string
  pool: Pool
  /** Whether arrivals are durable without Postgres: the spool has room for leads. */
  canSpool: () => boolean
  /** Takes no more requests, gives the answers that are owed, closes all connections. */
  stop: () => Promise<void>
}

/**
 * With a spool waiting for Postgres makes no sense for long, and what times out is recognised when it is repeated.
 * Postgres finds a deadlock after a second: a lock that is given up later than that was no part of one.
 */
const impatient = { statementTimeoutMs: 1400, queryTimeoutMs: 1500, lockTimeoutMs: 1200 }

/** Without a spool the gateway still works; the operator must know what it will do when Postgres is away. */
async function openSpoolAt (place: SpoolPlace | undefined, { keys, log, metrics }: GatewayOptions):
Promise<Spool | undefined> {
  if (place === undefined) return undefined
  try {
    return await openSpool({ ...place, keys, onEvent: spoolAlertWith(log, metrics) })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown'
    log.error({ code }, 'the folder of the spool cannot be written (POSTERN_DATA): while postgres is away arrivals ' +
      'will be turned away with 503')
    return undefined
  }
}

/** Reads them before the first request: what was found before a restart stays found. */
async function startCrowds (pool: Pool, { keys, log, metrics, crowdLimits }: GatewayOptions):
Promise<{ crowds: Crowds, crowdLog: CrowdLog }> {
  const crowdLog = openCrowdLog(pool, keys, error => {
    log.error({ error: error.name, code: sqlState(error) }, 'crowds cannot be read or recorded; it is tried again')
  })
  const tell = crowdAlertWith(log, metrics)
  const onFound = (crowd: Crowd) => {
    crowdLog.record(crowd)
    tell(crowd)
  }
  await crowdLog.sync()
  return { crowds: openCrowds({ isKnown: crowdLog.isKnown, onFound, limits: crowdLimits }), crowdLog }
}

/** What was spooled is counted when Postgres has it: only then it is known what it is. */
function countDrained (
  arrivals: readonly Arrival[], receipts: readonly Receipt[], count: ReturnType<typeof openReceiptCounter>
): void {
  receipts.forEach((receipt, at) => {
    const arrival = arrivals[at]
    if (arrival?.isLanding !== true) count(arrival?.part.site ?? '', receipt)
  })
}

/** Starts the gateway half. The schema must be right. Rejects when the port is taken. */
export async function startGateway (options: GatewayOptions): Promise<GatewayService> {
  const { keys, sites, log, metrics } = options
  const spool = await openSpoolAt(options.spool, options)
  if (spool === undefined) await options.admit?.()
  const stopWatching = spool === undefined ? () => {} : watchSpool(spool, metrics)
  const pool = openPool({
    url: options.databaseUrl,
    isPooled: options.isPooled,
    name: 'postern gateway',
    ...(spool === undefined ? {} : impatient),
    onError: error => log.warn({ error: error.name, code: sqlState(error) }, 'postgres closed a connection')
  })
  const countries = new Map(sites.map(site => [site.name, site.defaultCountry]))
  const keptTouches = rememberTouches()
  const countReceipt = openReceiptCounter(metrics)
  const ingest = openIngestLog({
    pool,
    keys,
    keptTouches,
    countryOf: site => countries.get(site),
    spool,
    admit: spool === undefined ? undefined : options.admit,
    onCommitted: options.onCommitted,
    onDrained: (arrivals, receipts) => { countDrained(arrivals, receipts, countReceipt) },
    onAlert: alertWith(log, metrics)
  })
  const { crowds, crowdLog } = await startCrowds(pool, options)
  const canSpool = () => spool?.hasRoom() === true
  const app = await buildGateway({
    sites,
    trustProxy: options.trustProxy,
    platform: options.platform,
    keys,
    log: ingest,
    logger: log,
    metrics,
    script: await readScriptParts(),
    revokes: openRevokeLog(pool, keys, keptTouches.clear),
    crowds,
    clockOffsetMs: options.clockOffsetMs,
    isReady: async () => canSpool() || await canAnswer(pool),
    limits: options.limits
  })
  const stop = async () => {
    // Closes the ingest log, and it the spool.
    await app.close()
    stopWatching()
    await crowdLog.close()
    await endPool(pool)
  }
  try {
    const url = await listen(app, options.host, options.port)
    return { url, pool, canSpool, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Whether Postgres answers now. */
async function canAnswer (pool: Pool): Promise<boolean> {
  return await pool.query('SELECT 1').then(() => true, () => false)
}
