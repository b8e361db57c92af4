// Case 8: how many bytes an event and a delivery take, indexes included.
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'
import { measure } from './load.ts'
import { networks } from './networks.ts'
import { otherCore, serverCore, startRole, until, type Database } from './world.ts'

/** Bytes of our relations by table, partitions, indexes and TOAST included; pg-boss has a schema of its own. */
async function relationBytes ({ pool }: Database): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ name: string, bytes: number }>(`
    SELECT regexp_replace(relname, '_(\\d{8}|default)$', '') AS name, sum(pg_total_relation_size(oid))::bigint AS bytes
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' GROUP BY 1`)
  return new Map(rows.map(({ name, bytes }) => [name, bytes]))
}

const ofEvents = ['events', 'event_keys', 'touches', 'subjects', 'leads']
const ofDeliveries = ['deliveries', 'attempts', 'agenda']

/** Stores events, then delivers all of them to Meta, and looks what the tables have grown by. */
export async function measureSize ({ world, requests }: CaseOptions): Promise<Figure[]> {
  const database = await world.makeDatabase('size')
  const before = await relationBytes(database)
  const gateway = await startRole({ role: 'gateway', database, world, core: serverCore })
  const { load } = await measure({ gateway }, world, {
    port: gateway.port, path: '/v1/e', mix: 'mixed', loop: 'closed', connections: 64, count: requests
  })
  await gateway.stop()
  const stored = await relationBytes(database)
  const meta = await networks(['meta'], 'answer')
  const worker = await startRole({ role: 'worker', database, world, core: otherCore, destinations: meta.settings })
  const isDone = 'state <> \'waiting\' OR reason = \'settling\''
  await until(async () => await countDeliveries(database, isDone) >= load.accepted)
  const delivered = await relationBytes(database)
  const deliveries = await countDeliveries(database, 'true')
  await worker.stop()
  await meta.sink.stop()
  await database.drop()
  const grown = (names: readonly string[], from: typeof before, to: typeof before) =>
    names.reduce((sum, name) => sum + (to.get(name) ?? 0) - (from.get(name) ?? 0), 0)
  const row = (what: string, bytes: number, count: number, most?: number): Figure => ({
    case: '8 size', what, unit: 'bytes', values: [bytes / count], bar: most === undefined ? undefined : { most }
  })
  return [
    row('per event', grown(ofEvents, before, stored), load.accepted, 1200),
    ...ofEvents.map(name => row(`… of it ${name}`, grown([name], before, stored), load.accepted)),
    row('per delivery', grown(ofDeliveries, stored, delivered), deliveries, 200),
    ...ofDeliveries.map(name => row(`… of it ${name}`, grown([name], stored, delivered), deliveries))
  ]
}

async function countDeliveries ({ pool }: Database, condition: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(`SELECT count(*) FROM deliveries WHERE ${condition}`)
  return rows[0]?.count ?? 0
}
