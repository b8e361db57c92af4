// The gateway half as a service: opens what it needs, listens, and stops in order.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Keys } from '../config/keys.ts'
import { openPool, sqlState, type Pool } from '../config/postgres.ts'
import { openIngestLog, type IngestOptions } from './ingest.ts'
import type { GatewayLog, GatewayMetrics } from './journal.ts'
import { buildGateway, listen, type Limits } from './server.ts'
import type { GatewaySite } from './site.ts'

export interface GatewayOptions {
  databaseUrl: string
  keys: Keys
  sites: readonly GatewaySite[]
  /** Addresses and networks of the proxies whose X-Forwarded-* headers are believed. */
  trustProxy: readonly string[]
  host: string
  /** 0: any free port. */
  port: number
  log: GatewayLog
  metrics: GatewayMetrics
  limits?: Partial<Limits>
  /** New events were committed: a router in this process need not wait for its poll. */
  onCommitted?: () => void
}

export interface GatewayService {
  /** Where it listens. */
  url: string
  pool: Pool
  /** Takes no more requests, gives the answers that are owed, closes all connections. */
  stop: () => Promise<void>
}

/** The bundle: beside this file in a checkout, in the sources' folder from dist/gateway/. */
function scriptFile (): URL {
  const near = new URL('browser/dist/s.js', import.meta.url)
  return existsSync(near) ? near : new URL('../../gateway/browser/dist/s.js', import.meta.url)
}

/** What is told of trouble in storing. Only codes: a database's message may quote a row. */
function alertWith (log: GatewayLog, metrics: GatewayMetrics): IngestOptions['onAlert'] {
  return ({ what, reason, rows, receiptId }) => {
    const fields = { reason, rows, receipt_id: receiptId }
    switch (what) {
      case 'outage':
        log.warn(fields, 'postgres does not answer: arrivals are turned away with 503')
        break
      case 'set_aside':
        metrics.ingestFailed.inc({ reason })
        log.error(fields, 'postgres refused a row: it was set aside in failed_events')
        break
      case 'bug':
        log.error(fields, 'storing failed in a way that nobody foresaw')
    }
  }
}

/** Starts the gateway half. The schema must be right. Rejects when the port is taken. */
export async function startGateway (options: GatewayOptions): Promise<GatewayService> {
  const { keys, sites, log, metrics } = options
  const pool = openPool({
    url: options.databaseUrl,
    name: 'postern gateway',
    onError: error => log.warn({ error: error.name, code: sqlState(error) }, 'postgres closed a connection')
  })
  const countries = new Map(sites.map(site => [site.name, site.defaultCountry]))
  const ingest = openIngestLog({
    pool,
    keys,
    countryOf: site => countries.get(site),
    onCommitted: options.onCommitted,
    onAlert: alertWith(log, metrics)
  })
  const app = await buildGateway({
    sites,
    trustProxy: options.trustProxy,
    keys,
    log: ingest,
    logger: log,
    metrics,
    script: await readFile(scriptFile(), 'utf8'),
    isReady: async () => await canAnswer(pool),
    limits: options.limits
  })
  try {
    const url = await listen(app, options.host, options.port)
    return {
      url,
      pool,
      async stop () {
        await app.close()
        await pool.end()
      }
    }
  } catch (error) {
    await app.close()
    await pool.end()
    throw error
  }
}

/** Whether Postgres answers now. */
async function canAnswer (pool: Pool): Promise<boolean> {
  return await pool.query('SELECT 1').then(() => true, () => false)
}
