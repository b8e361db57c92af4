// Postgres stands still without closing a connection: posts are answered before it thaws, and no connections pile up.
import { setTimeout as wait } from 'node:timers/promises'
import { closeBooks, until } from '../books.ts'
import { runNetworks } from '../networks.ts'
import { expect, type Scenario } from '../scenario.ts'
import { quantiles, startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

const frozenSeconds = 30
/** The gateway gives a statement 1.5 s (gateway/service.ts), the rest is what a busy machine may add. */
const patienceMs = 4000

export const frozen: Scenario = {
  name: 'frozen',
  suite: 'faults',
  rows: 'F7',
  about: `server and backends stopped by SIGSTOP for ${frozenSeconds} s`,
  rate: 300,
  run: async (say, rate) => await inOwnWorld({ networks: runNetworks.slice(0, 1), say }, async world => {
    const gateway = await world.run('gateway')
    await world.run('worker')
    const count = async () => {
      const { rows: [row] } = await world.pool.query<{ count: number }>(
        'SELECT count(*) AS count FROM pg_stat_activity WHERE application_name LIKE \'postern%\'')
      return row?.count ?? 0
    }
    const before = await count()
    const traffic = startTraffic({ urls: [gateway.url], rate })
    await wait(5000)
    await world.postgres.freeze()
    await wait(frozenSeconds * 1000)
    await world.postgres.thaw()
    await until('the spool is drained', async () => (await gateway.metrics()).get('spool_records') === 0)
    const result = await traffic.stop()
    const after = await count()
    const { figures, problems } = await closeBooks(world, result, say)
    const meanwhile = quantiles(result.latencies.filter(({ second }) => second >= 5 && second < 5 + frozenSeconds))
    return {
      figures: { ...figures, ackMsWhileFrozen: meanwhile, connections: `${before} before, ${after} after` },
      problems: [
        ...problems,
        ...expect(result.failed === 0 && !result.answers.has('503'), 'somebody was turned away'),
        ...expect(meanwhile.max <= patienceMs, `an answer took ${meanwhile.max} ms`),
        ...expect(after <= before + 20, `${after} connections after the thaw`)
      ]
    }
  })
}
