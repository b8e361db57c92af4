// Whether the product lives after a fault: a new lead must go all the way without anybody's help.
import { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { leadBody, leadPath, post } from './bodies.ts'
import type { LoadResult } from './load.ts'
import type { Service } from './processes.ts'
import type { World } from './world.ts'

/** Far more than the half minute that it may take on a machine that is not busy. */
const withinMs = 180_000

/** Sends one more lead and waits until every network has counted it. Seconds; null when it did not come. */
export async function sendFresh (
  world: World, gateway: Service, load: LoadResult, number = 9_999_999
): Promise<number | null> {
  const id = `lead-${number}`
  const agent = new Agent()
  const startedMs = performance.now()
  const wanted = world.networks.filter(({ wants }) => wants(id)).map(({ type }) => type)
  load.attempted.add(id)
  while (performance.now() - startedMs < withinMs) {
    if (!load.ackedLeads.has(id)) {
      const answer = await post(agent, gateway.url, leadPath, leadBody(id)).catch((error: unknown) => {
        if (error instanceof Error) return undefined
        throw error
      })
      if (answer?.status === 202) load.ackedLeads.add(id)
    }
    const counted = new Set(world.fakes.received().filter(({ event_id: of, verdict }) =>
      of === id && verdict === 'counted').map(({ type }) => type))
    if (wanted.every(type => counted.has(type))) return Math.round((performance.now() - startedMs) / 100) / 10
    await wait(100)
  }
  return null
}
