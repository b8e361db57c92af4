// Cases 1, 2 and 3: what an accepted event costs the gateway and Postgres, and how many a core accepts.
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'
import type { Load } from './generator.ts'
import { measure, type Measured } from './load.ts'
import { startNode, type Child } from './processes.ts'
import type { Mix } from './traffic.ts'
import { serverCore, startRole, type Database } from './world.ts'

type Server = Child & { port: number }

async function startBare (kind: 'bare' | 'insert', database: Database): Promise<Server> {
  const child = startNode('bench/bare_server.ts', [kind], { core: serverCore, env: { DATABASE_URL: database.url } })
  return { ...child, ...await child.nextLine() as { port: number } }
}

const load = (port: number, mix: Mix, count: number): Omit<Load, 'run'> =>
  ({ port, path: mix === 'leads' ? '/v1/leads' : '/v1/e', mix, loop: 'closed', connections: 64, count })

/** What Postgres would clean up after the one server, it would do while the other is measured. */
async function leaveUncleaned ({ pool }: Database): Promise<void> {
  await pool.query(`
    DO $$ DECLARE name regclass; BEGIN
      FOR name IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', name);
      END LOOP;
    END $$`)
}

type Round = Record<'bare' | 'gateway' | 'insert' | 'leads', Measured>

/** Interleaved rounds of the three servers on the same requests: bare, gateway, one INSERT per request. */
export async function measureIngest ({ world, rounds, requests, nodeOptions }: CaseOptions): Promise<Figure[]> {
  const database = await world.makeDatabase('ingest')
  const other = await world.makeDatabase('ingest_insert')
  await leaveUncleaned(other)
  const gateway = await startRole({ role: 'gateway', database, world, core: serverCore, nodeOptions })
  const bare = await startBare('bare', other)
  const insert = await startBare('insert', other)
  const run = async (server: Server, mix: Mix, count: number) =>
    await measure({ server }, world, load(server.port, mix, count))
  const done: Round[] = []
  // The first round warms up: compilers, caches, connections.
  for (let round = -1; round < rounds; round++) {
    const measured: Round = {
      bare: await run(bare, 'mixed', requests),
      gateway: await run(gateway, 'mixed', requests),
      insert: await run(insert, 'mixed', requests),
      leads: await run(gateway, 'leads', Math.ceil(requests / 5))
    }
    if (round >= 0) done.push(measured)
  }
  for (const server of [gateway, bare, insert]) await server.stop()
  await database.drop()
  await other.drop()
  return toFigures(done)
}

function toFigures (rounds: readonly Round[]): Figure[] {
  const of = (pick: (one: Round) => number) => rounds.map(pick)
  const server = (one: Measured) => one.us.server ?? 0
  const events = rounds.reduce((sum, one) => sum + one.gateway.load.accepted, 0)
  return [
    {
      case: '1 gateway CPU',
      what: 'gateway over bare Fastify, per event',
      unit: '×',
      bar: { most: 2 },
      values: of(one => server(one.gateway) / server(one.bare)),
      note: `${events} events`
    },
    { case: '1 gateway CPU', what: 'gateway, per event', unit: 'µs', values: of(one => server(one.gateway)) },
    { case: '1 gateway CPU', what: 'bare Fastify, per event', unit: 'µs', values: of(one => server(one.bare)) },
    { case: '1 gateway CPU', what: 'gateway, per lead (form post)', unit: 'µs', values: of(one => server(one.leads)) },
    {
      case: '2 Postgres CPU',
      what: 'gateway, per event',
      unit: 'µs',
      bar: { most: 45 },
      values: of(one => one.gateway.postgresUs)
    },
    { case: '2 Postgres CPU', what: 'gateway, per lead', unit: 'µs', values: of(one => one.leads.postgresUs) },
    { case: '2 Postgres CPU', what: 'one INSERT per request', unit: 'µs', values: of(one => one.insert.postgresUs) },
    {
      case: '2 Postgres CPU',
      what: 'gateway over one INSERT per request',
      unit: '×',
      values: of(one => one.gateway.postgresUs / one.insert.postgresUs)
    },
    {
      case: '3 rate',
      what: 'gateway over Fastify with one INSERT per request',
      unit: '×',
      bar: { least: 1.3 },
      values: of(one => one.gateway.perSecond / one.insert.perSecond)
    }
  ]
}
