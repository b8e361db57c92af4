// One, two and four gateways and workers on one Postgres behind PgBouncer: correct with all of them, and what it costs.
import { setTimeout as wait } from 'node:timers/promises'
import { cpuUs } from '../../../bench/processes.ts'
import { noPgbouncer, startPgbouncer } from '../../pgbouncer.ts'
import { closeBooks } from '../books.ts'
import { networkFaults, runNetworks } from '../networks.ts'
import { expect, type Scenario } from '../scenario.ts'
import { quantiles, startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

const seconds = 15

export const scale: Scenario = {
  name: 'scale',
  suite: 'load',
  rows: 'scale-out',
  about: 'one, two, four gateways and as many workers behind PgBouncer in transaction mode, misbehaving networks',
  rate: 200,
  findObstacle: () => noPgbouncer === false ? null : noPgbouncer,
  async run (say, rate) {
    const reports: Record<string, unknown> = {}
    const problems: string[] = []
    for (const count of [1, 2, 4]) {
      const behaviour = { random: { seed: count, ...networkFaults } }
      await inOwnWorld({ networks: runNetworks, behaviour, say, postgres: { max_connections: '60' } }, async world => {
        const closers: (() => unknown)[] = []
        const directUrl = world.postgres.url
        const pooledUrl = await startPgbouncer({ teardown: close => { closers.push(close) } }, directUrl, 12)
        const env = { DATABASE_URL: pooledUrl, POSTERN_DIRECT_URL: directUrl }
        const gateways = await Promise.all(Array.from({ length: count }, async () => await world.run('gateway', env)))
        const workers = await Promise.all(Array.from({ length: count }, async () => await world.run('worker', env)))
        const cpu = () => ({
          gateway: gateways.reduce((sum, one) => sum + cpuUs(one.pid()), 0),
          worker: workers.reduce((sum, one) => sum + cpuUs(one.pid()), 0)
        })
        const before = cpu()
        const traffic = startTraffic({ urls: gateways.map(({ url }) => url), rate })
        await wait(seconds * 1000)
        const result = await traffic.stop()
        const books = await closeBooks(world, result, say)
        const after = cpu()
        const { stored } = books.findings
        const perEvent = (role: 'gateway' | 'worker') => Math.round((after[role] - before[role]) / stored)
        reports[`${count} + ${count}`] = {
          ...books.figures,
          ackMs: quantiles(result.latencies),
          gatewayUsPerEvent: perEvent('gateway'),
          workerUsPerEvent: perEvent('worker')
        }
        problems.push(...[...books.problems, ...expect(result.answers.size === 1, 'not everybody got 202')]
          .map(problem => `${count} + ${count}: ${problem}`))
        for (const service of [...gateways, ...workers]) await service.stop()
        for (const close of closers) await close()
      })
    }
    return { figures: reports, problems }
  }
}
