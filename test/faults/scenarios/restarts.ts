// The three ways in which an operator stops Postgres: visitors notice none of them.
import { setTimeout as wait } from 'node:timers/promises'
import { closeBooks, until } from '../books.ts'
import { runNetworks } from '../networks.ts'
import { expect, type Scenario } from '../scenario.ts'
import { quantiles, startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

const rounds = 2

export const restarts: Scenario = {
  name: 'restarts',
  suite: 'faults',
  rows: 'F3, F5',
  about: `Postgres restarted fast, immediate and by SIGKILL, ${rounds} times each`,
  rate: 300,
  run: async (say, rate) => await inOwnWorld({ networks: runNetworks, say }, async world => {
    const gateway = await world.run('gateway')
    const worker = await world.run('worker')
    const pids = [gateway.pid(), worker.pid()]
    const traffic = startTraffic({ urls: [gateway.url], rate })
    const isBack = async () => (await gateway.metrics()).get('pg_circuit_open') === 0
    for (let round = 0; round < rounds; round++) {
      for (const how of ['stop', 'stopImmediately', 'kill'] as const) {
        await wait(2000)
        await world.postgres[how]()
        await wait(1000)
        await world.postgres.start()
        await until('the gateway is back at Postgres', isBack)
      }
    }
    await wait(2000)
    const result = await traffic.stop()
    const { figures, problems } = await closeBooks(world, result, say)
    return {
      figures: { ...figures, ackMs: quantiles(result.latencies) },
      problems: [
        ...problems,
        ...expect(result.answers.size === 1 && result.answers.has('202'), 'not everybody got 202'),
        ...expect(String(pids) === String([gateway.pid(), worker.pid()]), 'a process of ours ended')
      ]
    }
  })
}
