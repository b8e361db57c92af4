// The end of a scenario: wait until everything is settled, and compare the books.
import type { LoadResult } from './load.ts'
import { audit, type Findings } from './oracle.ts'
import { untilSettled } from './settled.ts'
import type { World } from './world.ts'

/** Heals the networks, waits, audits. `figures` are the counts that a report shows. */
export async function closeBooks (world: World, load: LoadResult, say: (line: string) => void): Promise<{
  findings: Findings, figures: Record<string, unknown>, problems: string[]
}> {
  world.fakes.behave({})
  const acked = load.ackedLeads.size + load.ackedBeacons.size
  await untilSettled(world.pool, { acked, onWait: say, isRouted: world.networks.length > 0 })
  const findings = await audit({ ...world, load, received: world.fakes.received() })
  const { attempted, stored, lost, phantoms, altered, countedTwice, receipts, receiptsAllowed } = findings
  return {
    findings,
    figures: {
      attempted,
      acked,
      stored,
      lost,
      phantoms,
      altered,
      ...(world.networks.length === 0 ? {} : { countedTwice, receipts, receiptsAllowed }),
      answers: Object.fromEntries(load.answers)
    },
    problems: findings.problems
  }
}

/** The values of the process's log lines with this message. */
export function linesWith (world: World, message: string): Record<string, unknown>[] {
  return world.lines.flatMap(line => {
    const at = line.indexOf('{')
    if (at < 0 || !line.includes(message)) return []
    try {
      return [JSON.parse(line.slice(at)) as Record<string, unknown>]
    } catch (error) {
      // A line that was cut off when its process was killed.
      if (error instanceof SyntaxError) return []
      throw error
    }
  })
}

/** Polls until it is so. Rejects after `withinMs` with what was waited for. */
export async function until (what: string, isSo: () => Promise<boolean> | boolean, withinMs = 180_000): Promise<void> {
  const endMs = performance.now() + withinMs
  while (!await isSo()) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs / 1000} s: ${what}`)
    await new Promise(resolve => { setTimeout(resolve, 100) })
  }
}
