// Ten times what the gateway can do: it does nearly as much as ever, says 503 to the rest, and recovers. It has a tenth
// of a core, so that this machine has the strength to overload it.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Load, LoadResult } from '../../../bench/generator.ts'
import { startNode } from '../../../bench/processes.ts'
import type { Service } from '../processes.ts'
import { expect, type Scenario } from '../scenario.ts'
import { inOwnWorld } from '../world.ts'

let runs = 0

type Plan = Pick<Load, 'loop' | 'connections' | 'rate' | 'count'>

async function load (gateway: Service, plan: Plan): Promise<LoadResult> {
  const port = Number(new URL(gateway.url).port)
  const given: Load = { port, path: '/v1/e', mix: 'mixed', run: `o${String(runs++).padStart(3, '0')}`, ...plan }
  const generator = startNode('bench/generator.ts', [JSON.stringify(given)], { core: 1 })
  await generator.nextLine()
  generator.say('go')
  const result = await generator.nextLine() as LoadResult
  await generator.stop()
  return result
}

/** As nice(1) has it, beside one busy neighbour on the core: 110 of 1,134 shares of its time (sched(7)). */
const tenthOfCore = ['taskset', '-c', '0', 'nice', '-n', '10']

/** A neighbour that is always busy. */
function occupyCore (): () => void {
  const neighbour = spawn('taskset', ['-c', '0', process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' })
  return () => { neighbour.kill('SIGKILL') }
}

const rssBytes = (pid: number) =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
const perSecond = ({ accepted, seconds }: LoadResult) => Math.round(accepted / seconds)

export const overload: Scenario = {
  name: 'overload',
  suite: 'load',
  rows: 'F22',
  about: 'open loop at ten times the highest rate, over up to 4,000 connections',
  rate: 0,
  run: async say => await inOwnWorld({ networks: [], say }, async world => {
    const gateway = await world.run('gateway', {}, { under: tenthOfCore })
    const release = occupyCore()
    const pid = gateway.pid()
    await load(gateway, { loop: 'closed', connections: 32, count: 2000 })
    const full = await load(gateway, { loop: 'closed', connections: 64, count: 6000 })
    const most = perSecond(full)
    let peakBytes = 0
    const watch = setInterval(() => { peakBytes = Math.max(peakBytes, rssBytes(gateway.pid())) }, 100)
    const over = await load(gateway, { loop: 'open', connections: 4000, rate: 10 * most, count: 10 * most * 5 })
    clearInterval(watch)
    const startedMs = performance.now()
    const after = await load(gateway, { loop: 'closed', connections: 8, count: 200 })
    release()
    const recoverySeconds = Math.round((performance.now() - startedMs) / 100) / 10
    const goodput = perSecond(over)
    const peakMegabytes = Math.round(peakBytes / 1e6)
    return {
      figures: {
        mostPerSecond: most,
        offeredPerSecond: Math.round(over.sent / over.seconds),
        goodputPerSecond: goodput,
        goodputShare: Math.round(goodput / most * 100) / 100,
        refusals: over.refusals,
        peakMegabytes,
        recoverySeconds,
        p50AfterMs: after.p50
      },
      problems: [
        ...expect(goodput >= 0.8 * most, `goodput fell to ${goodput}/s of ${most}/s`),
        ...expect(Object.keys(over.refusals).every(status => status === '503'), JSON.stringify(over.refusals)),
        ...expect(peakMegabytes < 1000, `${peakMegabytes} MB`),
        ...expect(after.accepted === 200 && recoverySeconds < 30, 'it did not recover'),
        ...expect(pid === gateway.pid(), 'the gateway ended')
      ]
    }
  })
}
