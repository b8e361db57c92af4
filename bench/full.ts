// Case 12: whether full tables are slower than empty ones, at ten million keys and three deliveries of each event.
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'
import { measure } from './load.ts'
import { networks } from './networks.ts'
import { nowMs } from './generator.ts'
import { otherCore, serverCore, startRole, until, type Database, type World } from './world.ts'

const keys = 10_000_000
const destinations = 3
/** Rows of one statement: a transaction of all would be nothing that happens in life. */
const chunk = 500_000

/** Keys that no event of the benchmark has, and delivered deliveries in today's partition. */
async function fill ({ pool }: Database): Promise<void> {
  for (let from = 1; from <= keys; from += chunk) {
    const range = [from, Math.min(keys, from + chunk - 1)]
    await pool.query(`INSERT INTO event_keys (site, digest, event_seq, day)
      SELECT 'main', decode(md5(n::text), 'hex'), n, (now() AT TIME ZONE 'UTC')::date
      FROM generate_series($1::bigint, $2::bigint) AS n`, range)
    await pool.query(`INSERT INTO deliveries (event_seq, attempt_id, destination_id, attempts, day, state)
      SELECT n, 1, 1000 + d, 1, (now() AT TIME ZONE 'UTC')::date, 'delivered'
      FROM generate_series($1::bigint, $2::bigint) AS n, generate_series(1, $3) AS d`, [...range, destinations])
  }
  await pool.query('SELECT setval(\'part_seq\', $1)', [keys + 1])
}

/** A gateway and a worker with one network, on a database of their own. */
async function openPipeline (world: World, name: string, isFull: boolean) {
  const database = await world.makeDatabase(name)
  if (isFull) await fill(database)
  // Both after the same: statistics, nothing left to be written or cleaned up.
  await database.pool.query('VACUUM (ANALYZE)')
  await database.pool.query('CHECKPOINT')
  const meta = await networks(['meta'], 'answer')
  const gateway = await startRole({ role: 'gateway', database, world, core: serverCore })
  const worker = await startRole({ role: 'worker', database, world, core: otherCore, destinations: meta.settings })
  return {
    /** Events accepted per second, and events accepted and delivered. */
    async run (count: number) {
      const startedAtMs = nowMs()
      const measured = await measure({ gateway, worker }, world, {
        port: gateway.port, path: '/v1/e', mix: 'persons', loop: 'closed', connections: 64, count
      })
      let delivered = 0
      await until(async () => {
        delivered += (await meta.report()).events
        return delivered >= measured.load.accepted
      })
      return {
        accepted: measured.perSecond,
        delivered: measured.load.accepted * 1000 / (nowMs() - startedAtMs),
        postgresUs: measured.postgresUs
      }
    },
    async close () {
      for (const one of [gateway, worker, meta.sink]) await one.stop()
      await database.drop()
    }
  }
}

type Run = { accepted: number, delivered: number, postgresUs: number }

/** Interleaved rounds on an empty database and on a full one. */
export async function measureFull ({ world, rounds, requests }: CaseOptions): Promise<Figure[]> {
  const empty = await openPipeline(world, 'empty_tables', false)
  const full = await openPipeline(world, 'full_tables', true)
  const done: { empty: Run, full: Run }[] = []
  for (let round = -1; round < rounds; round++) {
    const measured = { empty: await empty.run(requests), full: await full.run(requests) }
    if (round >= 0) done.push(measured)
  }
  for (const one of [empty, full]) await one.close()
  const ratio = (what: string, pick: (run: Run) => number, bar?: Figure['bar']): Figure =>
    ({ case: '12 full tables', what, unit: '×', bar, values: done.map(one => pick(one.full) / pick(one.empty)) })
  return [
    ratio('rate of accepting over that on empty tables', run => run.accepted, { least: 0.9 }),
    ratio('rate of accepting and delivering over that on empty tables', run => run.delivered, { least: 0.9 }),
    ratio('Postgres CPU per event over that on empty tables', run => run.postgresUs)
  ]
}
