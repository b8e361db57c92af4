// Postgres is away for a minute while visitors keep coming: nobody notices, and afterwards all of it is stored.
import { setTimeout as wait } from 'node:timers/promises'
import { closeBooks, linesWith, until } from '../books.ts'
import { runNetworks } from '../networks.ts'
import { expect, type Scenario } from '../scenario.ts'
import { quantiles, startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

const awaySeconds = 60

export const outage: Scenario = {
  name: 'outage',
  suite: 'faults',
  rows: 'F6',
  about: `Postgres stopped for ${awaySeconds} s, visitors keep coming`,
  rate: 500,
  run: async (say, rate) => await inOwnWorld({ networks: runNetworks.slice(0, 1), say }, async world => {
    const gateway = await world.run('gateway')
    await world.run('worker')
    const traffic = startTraffic({ urls: [gateway.url], rate })
    await wait(5000)
    await world.postgres.stop()
    await wait(awaySeconds * 1000)
    const away = await gateway.metrics()
    const ready = await fetch(`${gateway.adminUrl}/readyz`)
    const { degraded = [] } = await ready.json() as { degraded?: string[] }
    await world.postgres.start()
    await until('the spool is empty', () => linesWith(world, 'the spool is empty').length > 0)
    await wait(5000)
    const result = await traffic.stop()
    await until('the gauge is back to 0', async () => (await gateway.metrics()).get('spool_bytes') === 0)
    const { rows = 0, seconds = 1 } = linesWith(world, 'the spool is empty')[0] as { rows?: number, seconds?: number }
    const drainedPerSecond = Math.round(rows / seconds)
    const { figures, problems } = await closeBooks(world, result, say)
    const refused = [...result.answers].filter(([word]) => word !== '202')
    return {
      figures: {
        ...figures,
        spooledAtEnd: away.get('spool_records'),
        readyz: `${ready.status} ${degraded.join()}`,
        drained: rows,
        drainSeconds: seconds,
        drainedPerSecond,
        ackMs: quantiles(result.latencies),
        ackMsWhileAway: quantiles(result.latencies.filter(({ second }) => second > 7 && second < 5 + awaySeconds))
      },
      problems: [
        ...problems,
        ...expect(refused.length === 0, `not everybody got 202: ${JSON.stringify(refused)}`),
        ...expect(drainedPerSecond >= 5 * rate, `drained at ${drainedPerSecond}/s, less than five times ${rate}/s`),
        ...expect(ready.status === 200 && degraded.length > 0, `readiness is ${ready.status}, and nothing is degraded`)
      ]
    }
  })
}
