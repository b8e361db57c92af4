// Runs the generator once and tells what it cost every process that took part.
import { cpuUs, startNode, type Child } from './processes.ts'
import type { Load, LoadResult } from './generator.ts'
import { otherCore, type World } from './world.ts'

export interface Measured {
  load: LoadResult
  /** CPU of the measured server and of Postgres while the generator ran, per accepted event, in microseconds. */
  serverUs: number
  postgresUs: number
  perSecond: number
}

let runs = 0

/** Four characters that no other run has. */
export function nextRun (): string {
  return `b${(runs++ + 36 ** 2).toString(36)}`
}

/** Sends a load at a server. Throws when any request failed: a figure of a broken run is none. */
export async function measure (server: Child, world: World, load: Omit<Load, 'run'>): Promise<Measured> {
  const generator = startNode('bench/generator.ts', [JSON.stringify({ ...load, run: nextRun() })], { core: otherCore })
  await generator.nextLine()
  const before = { server: cpuUs(server.pid), postgres: world.postgresCpuUs() }
  generator.say('go')
  const result = await generator.nextLine() as LoadResult
  const after = { server: cpuUs(server.pid), postgres: world.postgresCpuUs() }
  await generator.stop()
  if (result.failed > 0 || result.accepted === 0) {
    throw new Error(`${result.failed} of ${result.sent} requests failed`)
  }
  return {
    load: result,
    serverUs: (after.server - before.server) / result.accepted,
    postgresUs: (after.postgres - before.postgres) / result.accepted,
    perSecond: result.accepted / result.seconds
  }
}
