// The clocks of gateway, worker and Postgres differ by days: leases and retries go by the database's, nothing is lost.
// What a gateway dates three days off, a network refuses or no window takes: told with the reason, and never stuck.
import { existsSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { closeBooks } from '../books.ts'
import { networkFaults, runNetworks } from '../networks.ts'
import { expect, type Scenario } from '../scenario.ts'
import { startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

const library = ['x86_64', 'aarch64'].map(machine => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find(existsSync)

/** Timers stay as they are: it is the date that is wrong. */
const wrongClock = (offset: string) => ({
  LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_NO_CACHE: '1'
})

const cases: { gateway?: string, worker?: string }[] = [
  { gateway: '+3d' }, { gateway: '-3d' }, { worker: '+1d' }, { worker: '-1d' }, { gateway: '-3d', worker: '+1d' }
]

export const clocks: Scenario = {
  name: 'clocks',
  suite: 'faults',
  rows: 'F15',
  about: 'gateway and worker one and three days ahead of Postgres or behind it, each by itself',
  rate: 50,
  findObstacle: () => library === undefined ? 'needs libfaketime: apt-get install faketime' : null,
  async run (say, rate) {
    const reports: Record<string, unknown> = {}
    const problems: string[] = []
    for (const { gateway = '', worker = '' } of cases) {
      const name = `gateway ${gateway || 'right'}, worker ${worker || 'right'}`
      const behaviour = { random: { seed: 1, ...networkFaults } }
      const outcome = await inOwnWorld({ networks: runNetworks.slice(0, 1), behaviour, say }, async world => {
        const service = await world.run('gateway', gateway === '' ? {} : wrongClock(gateway))
        await world.run('worker', worker === '' ? {} : wrongClock(worker))
        const traffic = startTraffic({ urls: [service.url], rate })
        await wait(10_000)
        const result = await traffic.stop()
        const books = await closeBooks(world, result, say)
        const { rows: [negative] } = await world.pool.query<{ count: number }>(`
          SELECT count(*) AS count FROM attempts
          WHERE duration_ms < 0 OR ended_at < started_at`)
        return { ...books, negative: negative?.count ?? 0 }
      })
      const { deliveries } = outcome.findings
      reports[name] = { ...outcome.figures, deliveries }
      const isStuck = Object.keys(deliveries).some(word => word.includes('waiting'))
      problems.push(...outcome.problems
        .filter(problem => gateway === '' || /^(lost|phantom|altered|an answer|personal)/.test(problem))
        .map(problem => `${name}: ${problem}`),
      ...expect(!isStuck, `${name}: a delivery waits for a time that is days away`),
      ...expect(outcome.negative === 0, `${name}: ${outcome.negative} attempts with an impossible time`))
    }
    return { figures: reports, problems }
  }
}
