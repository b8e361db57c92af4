// Case 4: how long an acknowledgement takes at a steady rate, beside the least it can take.
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'
import type { InsertLoad } from './bare_insert.ts'
import type { LoadResult } from './generator.ts'
import { measure } from './load.ts'
import { networks } from './networks.ts'
import { startNode } from './processes.ts'
import { otherCore, serverCore, startRole, until, type Database, type World } from './world.ts'

const rate = 1000
const warmSeconds = 3
/** The sealed bytes of a usual row of `events`. */
const rowBytes = 900

async function insertBare (database: Database, seconds: number): Promise<LoadResult> {
  const load = JSON.stringify({ rate, seconds, warmSeconds, rowBytes } satisfies InsertLoad)
  const child = startNode('bench/bare_insert.ts', [load], { core: serverCore, env: { DATABASE_URL: database.url } })
  await child.nextLine()
  child.say('go')
  const result = await child.nextLine() as LoadResult
  await child.stop()
  return result
}

/** A gateway with what stands behind it, on a database of its own. */
async function openVariant (world: World, name: string, sinkMode: 'none' | 'answer' | 'hang') {
  const database = await world.makeDatabase(name)
  const destinations = sinkMode === 'none' ? undefined : await networks(['meta', 'tiktok'], sinkMode)
  const gateway = await startRole({ role: 'gateway', database, world, core: serverCore })
  const worker = destinations === undefined
    ? undefined
    : await startRole({ role: 'worker', database, world, core: otherCore, destinations: destinations.settings })
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => { if (worker !== undefined) process.kill(worker.pid, name) }
  return {
    /** Its worker stands still while others are measured: what it still has to do would slow their Postgres down. */
    async alone<T> (measure: () => Promise<T>): Promise<T> {
      signal('SIGCONT')
      try {
        return await measure()
      } finally {
        signal('SIGSTOP')
      }
    },
    /** As fast as it goes: a cold process at a fixed rate would only fall behind. Then the worker catches up. */
    async warm (count: number) {
      await measure({ gateway }, world, {
        port: gateway.port, path: '/v1/e', mix: 'mixed', loop: 'closed', connections: 32, count
      })
      if (worker !== undefined) await until(async () => await countBehind(database, sinkMode === 'answer') === 0)
    },
    run: async (seconds: number) => (await measure({ gateway }, world, {
      port: gateway.port,
      path: '/v1/e',
      mix: 'mixed',
      loop: 'open',
      connections: 50,
      rate,
      warmSeconds,
      count: rate * seconds
    })).load,
    async close () {
      signal('SIGCONT')
      await gateway.stop()
      await worker?.stop()
      await destinations?.sink.stop()
      await database.drop()
    }
  }
}

/** What the worker has not routed yet; and not sent, where the networks answer. */
async function countBehind ({ pool }: Database, isSending: boolean): Promise<number> {
  const { rows: [row] } = await pool.query<{ behind: number }>(`
    SELECT (SELECT count(*) FROM unrouted_batches) +
      (SELECT count(*) FROM deliveries WHERE $1 AND state = 'waiting' AND reason = 'new') AS behind`, [isSending])
  return row?.behind ?? 0
}

type Round = Record<'bare' | 'alone' | 'working' | 'hanging', LoadResult>

/** Interleaved: bare INSERT … COMMIT; the gateway without a worker, with one, and with one whose networks hang. */
export async function measureAcks ({ world, rounds, requests, seconds }: CaseOptions): Promise<Figure[]> {
  const bare = await world.makeDatabase('ack_bare')
  const alone = await openVariant(world, 'ack_alone', 'none')
  const working = await openVariant(world, 'ack_working', 'answer')
  const hanging = await openVariant(world, 'ack_hanging', 'hang')
  const done: Round[] = []
  for (const variant of [alone, working, hanging]) await variant.alone(async () => await variant.warm(requests))
  for (let round = 0; round < rounds; round++) {
    done.push({
      bare: await insertBare(bare, seconds),
      alone: await alone.alone(async () => await alone.run(seconds)),
      working: await working.alone(async () => await working.run(seconds)),
      hanging: await hanging.alone(async () => await hanging.run(seconds))
    })
  }
  // Together: a database is not dropped while the server has rows for a worker that stands still.
  await Promise.all([alone, working, hanging].map(async variant => { await variant.close() }))
  await bare.drop()
  return toFigures(done)
}

function toFigures (rounds: readonly Round[]): Figure[] {
  const row = (what: string, pick: (one: Round) => number, most?: number): Figure => (
    { case: '4 ack', what, unit: '×', values: rounds.map(pick), bar: most === undefined ? undefined : { most } })
  const times = (what: string, pick: (one: Round) => LoadResult): Figure[] => [
    { case: '4 ack', what: `p50, ${what}`, unit: 'ms', values: rounds.map(one => pick(one).p50) },
    { case: '4 ack', what: `p99, ${what}`, unit: 'ms', values: rounds.map(one => pick(one).p99) }
  ]
  return [
    row('p99 over bare INSERT … COMMIT', one => one.alone.p99 / one.bare.p99, 2),
    row('p50 over bare INSERT … COMMIT', one => one.alone.p50 / one.bare.p50),
    row('p99 with a worker over without', one => one.working.p99 / one.alone.p99),
    row('p99 with hanging networks over without a worker', one => one.hanging.p99 / one.alone.p99),
    ...times('bare INSERT … COMMIT', one => one.bare),
    ...times('gateway, no worker', one => one.alone),
    ...times('gateway, with worker', one => one.working),
    ...times('gateway, networks hang', one => one.hanging)
  ]
}
