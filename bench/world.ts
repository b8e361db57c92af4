// What a case runs in: one embedded Postgres as the product starts it, databases, the product's roles as processes.
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../config/embedded.ts'
import { deriveKeys } from '../config/keys.ts'
import { migrate } from '../config/migrate.ts'
import { openPool, type Pool } from '../config/postgres.ts'
import { canPin, cpuUs, pin, startNode, type Child } from './processes.ts'

/** Known to everybody; seals nothing but invented people. */
export const secret = createHash('sha256').update('postern bench').digest('base64url')
export const keys = deriveKeys([secret])
export const siteHost = 't.example.com'
export const pageOrigin = 'https://www.example.com'
/** The site's own host, where the gateway stands in front of it. */
export const frontHost = 'www.example.com'

/** The measured process has a core of its own; generator, fakes and Postgres share the other. */
export const serverCore = 0
export const otherCore = canPin ? 1 : 0

export interface World {
  /** CPU time of Postgres so far, every backend and helper included, in microseconds. */
  postgresCpuUs: () => number
  /** An empty, migrated database. */
  makeDatabase: (name: string) => Promise<Database>
  folder: string
  /** Name and version of the server. */
  postgres: string
  close: () => Promise<void>
}

export interface Database { url: string, pool: Pool, drop: () => Promise<void> }

/** Starts Postgres with the product's own settings (fsync on) in a folder of its own. */
export async function openWorld (): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  const server = await startEmbedded({ folder: join(folder, 'postgres') })
  const admin = openBenchPool(server.url, 1)
  const pid = Number(readFileSync(join(folder, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
  pin(pid, otherCore)
  const { rows: [about] } = await admin.query<{ version: string }>(
    'SELECT current_setting(\'server_version\') AS version')
  const open = new Set<Database>()
  return {
    folder,
    postgres: `PostgreSQL ${about?.version ?? ''}`,
    postgresCpuUs: () => cpuUs(pid),
    async makeDatabase (name) {
      await admin.query(`CREATE DATABASE ${name}`)
      const url = server.url.replace(/^(\w+:\/\/[^/]*)\/[^?]*/, `$1/${name}`)
      await migrate({ url })
      const pool = openBenchPool(url, 2)
      const database: Database = {
        url,
        pool,
        async drop () {
          open.delete(database)
          await pool.end()
          await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
        }
      }
      open.add(database)
      return database
    },
    async close () {
      for (const database of open) await database.drop()
      await admin.end()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export function openBenchPool (url: string, max: number): Pool {
  return openPool({
    url,
    name: 'postern bench',
    onError: () => undefined,
    max,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 0,
    queryTimeoutMs: 0,
    lockTimeoutMs: 0,
    idleInTransactionTimeoutMs: 0
  })
}

async function freePort (): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

export interface RoleProcess extends Child { port: number }

export interface RoleOptions {
  role: 'gateway' | 'worker' | 'start'
  database: Database
  world: World
  core: number
  /** Destinations of the site, as in the settings file. */
  destinations?: Record<string, object>
  /** More of the site, as in the settings file. */
  site?: Record<string, unknown>
  /** main.ts of the checkout, or of dist/. */
  main?: string
  nodeOptions?: readonly string[]
}

let roles = 0

/** Starts a role of the product; resolves when it is ready. Its log goes to a file, as in production. */
export async function startRole (options: RoleOptions): Promise<RoleProcess> {
  const name = `${options.role}_${++roles}`
  const config = join(options.world.folder, `${name}.json`)
  writeFileSync(config, JSON.stringify({
    sites: {
      main: {
        hosts: [siteHost],
        origins: [pageOrigin],
        defaults: { country: 'DE' },
        destinations: options.destinations ?? {},
        ...options.site
      }
    },
    rate_limits: { events_per_minute: 100_000, leads_per_minute: 100_000 }
  }))
  const [port, adminPort] = [await freePort(), await freePort()]
  const child = startNode(options.main ?? 'main.ts', [options.role, '--config', config], {
    core: options.core,
    nodeOptions: options.nodeOptions,
    logFile: join(options.world.folder, `${name}.log`),
    env: {
      DATABASE_URL: options.database.url,
      POSTERN_SECRET: secret,
      PORT: String(port),
      POSTERN_HOST: '127.0.0.1',
      POSTERN_ADMIN_PORT: String(adminPort),
      NODE_NO_WARNINGS: '1'
    }
  })
  await untilAnswers(`http://127.0.0.1:${adminPort}/readyz`, child)
  return { ...child, port }
}

async function untilAnswers (url: string, child: Child): Promise<void> {
  for (;;) {
    if (child.process.exitCode !== null) throw new Error('a role ended before it was ready: see its message above')
    const status = await fetch(url).then(answer => answer.status, () => 0)
    if (status === 200) return
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** Resolves when `ask` gives true. */
export async function until (ask: () => Promise<boolean>, everyMs = 50): Promise<void> {
  while (!await ask()) await new Promise(resolve => setTimeout(resolve, everyMs))
}
