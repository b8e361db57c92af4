// Two gateways behind nginx are restarted one after the other, again and again: no visitor notices.
import { setTimeout as wait } from 'node:timers/promises'
import { closeBooks } from '../books.ts'
import { runNetworks } from '../networks.ts'
import { findNginxObstacle, startNginx } from '../nginx.ts'
import { untilReady } from '../processes.ts'
import { expect, type Scenario } from '../scenario.ts'
import { quantiles, startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

const rounds = 3

export const rolling: Scenario = {
  name: 'rolling',
  suite: 'faults',
  rows: 'F1, F23',
  about: `two gateways behind nginx and two workers, each restarted by SIGTERM ${rounds} times`,
  rate: 300,
  findObstacle: findNginxObstacle,
  run: async (say, rate) => await inOwnWorld({ networks: runNetworks, say }, async world => {
    const services = [
      await world.run('gateway'), await world.run('gateway'), await world.run('worker'), await world.run('worker')
    ]
    const nginx = await startNginx(world.folder, services.slice(0, 2).map(({ url }) => url))
    const traffic = startTraffic({ urls: [nginx.url], rate })
    const exits: { name: string, exitCode: number | null, exitSeconds: number }[] = []
    for (let round = 0; round < rounds; round++) {
      for (const service of services) {
        await wait(500)
        exits.push({ name: service.name, ...await service.restart() })
        await untilReady(service)
      }
    }
    await wait(1000)
    const result = await traffic.stop()
    await nginx.stop()
    const { figures, problems } = await closeBooks(world, result, say)
    const slowest = Math.max(...exits.map(({ exitSeconds }) => exitSeconds))
    const unclean = exits.filter(({ exitCode }) => exitCode !== 0)
    return {
      figures: { ...figures, restarts: exits.length, slowestExitSeconds: slowest, ackMs: quantiles(result.latencies) },
      problems: [
        ...problems,
        ...expect(result.answers.size === 1 && result.answers.has('202'), 'a client\'s request failed'),
        ...expect(unclean.length === 0, `exit codes: ${unclean.map(one => `${one.name} ${one.exitCode}`).join()}`),
        ...expect(slowest <= 10, `an exit took ${slowest} s`)
      ]
    }
  })
}
