// Runs the generator once and tells what it cost every process that took part.
import type { Load, LoadResult } from './generator.ts'
import { cpuUs, startNode, type Child } from './processes.ts'
import { otherCore, type World } from './world.ts'

export interface Measured {
  load: LoadResult
  /** CPU per accepted event while the generator ran, in microseconds: of each given process and of Postgres. */
  us: Record<string, number>
  postgresUs: number
  perSecond: number
}

let runs = 0

/** Four characters that no other run has. */
export function nextRun (): string {
  return `b${(runs++ + 36 ** 2).toString(36)}`
}

/** CPU time of processes since the call, in microseconds, by name. */
export function openMeter (processes: Record<string, Child>, world: World): () => Record<string, number> {
  const read = () => ({
    ...Object.fromEntries(Object.entries(processes).map(([name, { pid }]) => [name, cpuUs(pid)])),
    postgres: world.postgresCpuUs()
  }) as Record<string, number>
  const before = read()
  return () => Object.fromEntries(Object.entries(read()).map(([name, us]) => [name, us - (before[name] ?? 0)]))
}

/** Sends a load. Throws when any request failed: a figure of a broken run is none. */
export async function measure (
  processes: Record<string, Child>, world: World, load: Omit<Load, 'run'>
): Promise<Measured> {
  const generator = startNode('bench/generator.ts', [JSON.stringify({ ...load, run: nextRun() })], { core: otherCore })
  await generator.nextLine()
  const meter = openMeter({ ...processes, generator }, world)
  generator.say('go')
  const result = await generator.nextLine() as LoadResult
  const { postgres = 0, ...own } = meter()
  await generator.stop()
  if (result.failed > 0 || result.accepted === 0) {
    throw new Error(`${result.failed} of ${result.sent} requests failed: ${JSON.stringify(result.refusals)}`)
  }
  return {
    load: result,
    us: Object.fromEntries(Object.entries(own).map(([name, us]) => [name, us / result.accepted])),
    postgresUs: postgres / result.accepted,
    perSecond: result.accepted / result.seconds
  }
}
