// Cases 1, 2 and 3: what an accepted event costs the gateway and Postgres, and how many a core accepts.
import type { Figure } from './figures.ts'
import type { Load } from './generator.ts'
import { measure, type Measured } from './load.ts'
import { startNode, type Child } from './processes.ts'
import type { Mix } from './traffic.ts'
import { otherCore, serverCore, startRole, type Database, type World } from './world.ts'

export interface IngestOptions { rounds: number, requests: number, nodeOptions?: readonly string[] }

const connections = 64

async function startBare (kind: 'bare' | 'insert', database: Database): Promise<Child & { port: number }> {
  const child = startNode('bench/bare_server.ts', [kind], { core: serverCore, env: { DATABASE_URL: database.url } })
  return { ...child, ...await child.nextLine() as { port: number } }
}

/** Interleaved rounds of the three servers on the same requests: bare, gateway, one INSERT per request. */
export async function measureIngest (world: World, options: IngestOptions): Promise<Figure[]> {
  const database = await world.makeDatabase('ingest')
  const other = await world.makeDatabase('ingest_insert')
  const gateway = await startRole({ role: 'gateway', database, world, core: serverCore, nodeOptions: options.nodeOptions })
  const bare = await startBare('bare', other)
  const insert = await startBare('insert', other)
  const load = (port: number, mix: Mix, count: number): Omit<Load, 'run'> =>
    ({ port, path: mix === 'leads' ? '/v1/leads' : '/v1/e', mix, loop: 'closed', connections, count })

  const rounds: { bare: Measured, gateway: Measured, insert: Measured, leads: Measured }[] = []
  let events = 0
  for (let round = -1; round < options.rounds; round++) {
    // The first round warms up: compilers, caches, connections, the first checkpoint.
    const count = options.requests
    const measured = {
      bare: await measure(bare, world, load(bare.port, 'mixed', count)),
      gateway: await measure(gateway, world, load(gateway.port, 'mixed', count)),
      insert: await measure(insert, world, load(insert.port, 'mixed', count)),
      leads: await measure(gateway, world, load(gateway.port, 'leads', Math.ceil(count / 5)))
    }
    events += measured.gateway.load.accepted
    if (round >= 0) rounds.push(measured)
  }
  await gateway.stop()
  await bare.stop()
  await insert.stop()
  await database.drop()
  await other.drop()
  const of = (pick: (one: typeof rounds[number]) => number) => rounds.map(pick)
  return [
    { case: '1 ingest', what: 'gateway CPU over bare Fastify', unit: '×', bar: { most: 2 }, values: of(one => one.gateway.serverUs / one.bare.serverUs) },
    { case: '1 ingest', what: 'gateway CPU per event', unit: 'µs', values: of(one => one.gateway.serverUs) },
    { case: '1 ingest', what: 'bare Fastify CPU per event', unit: 'µs', values: of(one => one.bare.serverUs) },
    { case: '1 ingest', what: 'gateway CPU per lead (form post)', unit: 'µs', values: of(one => one.leads.serverUs) },
    { case: '2 ingest', what: 'Postgres CPU per event', unit: 'µs', bar: { most: 45 }, values: of(one => one.gateway.postgresUs) },
    { case: '2 ingest', what: 'Postgres CPU per lead', unit: 'µs', values: of(one => one.leads.postgresUs) },
    { case: '3 rate', what: 'gateway over one INSERT per request', unit: '×', bar: { least: 1.3 }, values: of(one => one.gateway.perSecond / one.insert.perSecond) },
    { case: '3 rate', what: 'gateway, one core', unit: 'events/s', values: of(one => one.gateway.perSecond), note: `${events} events` },
    { case: '3 rate', what: 'Fastify, one INSERT per request', unit: 'events/s', values: of(one => one.insert.perSecond) },
    { case: '3 rate', what: '… its CPU per event', unit: 'µs', values: of(one => one.insert.serverUs) },
    { case: '3 rate', what: '… Postgres CPU per event', unit: 'µs', values: of(one => one.insert.postgresUs) }
  ]
}
