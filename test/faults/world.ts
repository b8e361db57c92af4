// What a fault run happens in: a folder, a Postgres, fake networks, a settings file, and the product's processes.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deriveKeys, type Keys } from '../../config/keys.ts'
import { openPool, type Pool } from '../../config/postgres.ts'
import type { Behaviour } from '../../demo/networks/behaviour.ts'
import { startFakeNetworks, type FakeNetworks } from '../../demo/networks/fake_networks.ts'
import { ownPostgres, type OwnPostgres } from '../own_postgres.ts'
import { settingsText, type RunNetwork } from './networks.ts'
import { startService, untilReady, type Service, type ServiceOptions } from './processes.ts'

export interface WorldOptions {
  databaseUrl: string
  networks: readonly RunNetwork[]
  behaviour?: Behaviour
  say: (line: string) => void
}

export interface World {
  folder: string
  fakes: FakeNetworks
  /** For questions to the database; it waits a while for one that is away. */
  pool: Pool
  keys: Keys
  networks: readonly RunNetwork[]
  /** What the processes wrote. */
  lines: string[]
  /** Starts a role without waiting for it. */
  start: (role: ServiceOptions['role'], more?: NodeJS.ProcessEnv, options?: Partial<ServiceOptions>) => Promise<Service>
  /** Files that the spool holds: segments, and what was put aside. */
  spooled: () => string[]
  /** Stops every process, and removes the folder. */
  close: () => Promise<void>
}

/** Makes the world around a migrated database. */
export async function openWorld (options: WorldOptions): Promise<World> {
  const { databaseUrl, networks, say } = options
  const folder = mkdtempSync(join(tmpdir(), 'postern-faults-'))
  const fakes = await startFakeNetworks({ behaviour: options.behaviour })
  const pool = openPool({
    url: databaseUrl,
    name: 'oracle',
    onError: () => undefined,
    connectTimeoutMs: 5000,
    statementTimeoutMs: 60_000,
    queryTimeoutMs: 65_000,
    lockTimeoutMs: 30_000
  })
  const settings = join(folder, 'postern.yaml')
  writeFileSync(settings, settingsText(networks, fakes.url))
  const secret = randomBytes(32).toString('base64url')
  const data = join(folder, 'data')
  const lines: string[] = []
  const services: Service[] = []
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    POSTERN_SECRET: secret,
    POSTERN_CONFIG: settings,
    POSTERN_DATA: data,
    POSTERN_LOG: 'warn',
    POSTERN_HOST: '127.0.0.1'
  }
  return {
    folder,
    fakes,
    pool,
    keys: deriveKeys([secret]),
    networks,
    lines,
    async start (role, more = {}, given = {}) {
      const service = await startService({
        role,
        env: { ...env, ...more },
        onLine: line => {
          lines.push(line)
          say(line)
        },
        ...given
      })
      services.push(service)
      return service
    },
    spooled: () => readdirSync(join(data, 'spool'), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.segment')),
    async close () {
      for (const service of services) await service.stop()
      await pool.end()
      await fakes.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export interface OwnWorld extends World {
  postgres: OwnPostgres
  /** Starts a role and waits until it is ready. */
  run: World['start']
}

/**
 * Runs a scenario in a world whose Postgres it may stop, freeze and fill; syncs are real. Everything is gone
 * afterwards, also when the scenario throws.
 */
export async function inOwnWorld<T> (
  options: Omit<WorldOptions, 'databaseUrl'> & { postgres?: Record<string, string>, postgresParent?: string },
  scenario: (world: OwnWorld) => Promise<T>
): Promise<T> {
  const closers: (() => unknown)[] = []
  try {
    const postgres = await ownPostgres({ teardown: close => { closers.push(close) } },
      { fsync: 'on', ...options.postgres }, options.postgresParent)
    const world = await openWorld({ ...options, databaseUrl: postgres.url })
    closers.push(world.close)
    return await scenario({
      ...world,
      postgres,
      async run (role, more, given) {
        const service = await world.start(role, more, given)
        await untilReady(service)
        return service
      }
    })
  } finally {
    for (const close of closers.toReversed()) await close()
  }
}
