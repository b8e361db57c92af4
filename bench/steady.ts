// Case 7: the highest rate that everything together keeps up with, and where the CPU goes.
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'
import { measure } from './load.ts'
import { networks } from './networks.ts'
import { otherCore, serverCore, startRole, until, type Database } from './world.ts'

const rates = [1000, 1500, 2000, 2500, 3000]
const patienceMs = 2000

/** How long the most overdue work is overdue: deliveries past their time, batches that nobody has routed. */
async function readBacklogMs ({ pool }: Database): Promise<number> {
  const { rows } = await pool.query<{ ms: number }>(`
    SELECT (extract(epoch FROM greatest(
      (SELECT now() - min(due_at) FROM agenda WHERE due_at <= now()),
      (SELECT now() - min(received_at) FROM unrouted_batches), '0'::interval)) * 1000)::float8 AS ms`)
  return rows[0]?.ms ?? 0
}

/** Runs one rate; the largest backlog that was seen, and the CPU of every process per event. */
export async function measureSteady ({ world, seconds }: CaseOptions): Promise<Figure[]> {
  const database = await world.makeDatabase('steady')
  const sink = await networks(['meta', 'tiktok', 'google_ads'], 'answer', 'conversions')
  const gateway = await startRole({ role: 'gateway', database, world, core: serverCore })
  const worker = await startRole({ role: 'worker', database, world, core: otherCore, destinations: sink.settings })
  let best: { rate: number, us: Record<string, number> } | undefined
  let slowest: typeof best
  for (const rate of rates) {
    const running = { isOver: false, worstMs: 0 }
    const watching = until(async () => {
      running.worstMs = Math.max(running.worstMs, await readBacklogMs(database))
      return running.isOver
    }, 250)
    const measured = await measure({ gateway, worker, networks: sink.sink }, world, {
      port: gateway.port, path: '/v1/e', mix: 'mixed', loop: 'open', connections: 100, rate, count: rate * seconds
    })
    running.isOver = true
    await watching
    const isSlow = measured.load.seconds > seconds + patienceMs / 1000
    const costs = { rate, us: { ...measured.us, postgres: measured.postgresUs } }
    slowest ??= costs
    if (isSlow || running.worstMs > patienceMs) break
    best = costs
    await until(async () => await readBacklogMs(database) === 0)
  }
  for (const one of [gateway, worker, sink.sink]) await one.stop()
  await database.drop()
  const row = (what: string, unit: string, value: number): Figure => (
    { case: '7 steady state', what, unit, values: [value] })
  return [
    { ...row(`highest rate, backlog < 2 s for ${seconds} s`, 'events/s', best?.rate ?? 0), bar: { least: 1500 } },
    // A machine that kept no rate still shows where its time went.
    ...Object.entries((best ?? slowest)?.us ?? {}).map(([name, us]) =>
      row(`CPU per event at ${(best ?? slowest)?.rate ?? 0} events/s: ${name}`, 'µs', us))
  ]
}
