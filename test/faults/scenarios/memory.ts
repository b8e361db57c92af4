// A gateway with a heap of 64 MB and a thousand leads of 200 kB at once: it sheds, and what it took is stored.
import { Agent } from 'node:http'
import { leadBody, leadPath, isContract, post, wordOf } from '../bodies.ts'
import { closeBooks, until } from '../books.ts'
import type { LoadResult } from '../load.ts'
import type { Scenario } from '../scenario.ts'
import { inOwnWorld } from '../world.ts'

const leads = 1000
const notes = 'x'.repeat(200_000)

export const memory: Scenario = {
  name: 'memory',
  suite: 'load',
  rows: 'F29',
  about: `${leads} leads of 200 kB at once against --max-old-space-size=64`,
  rate: 0,
  run: async say => await inOwnWorld({ networks: [], say }, async world => {
    const gateway = await world.run('gateway', {}, { nodeOptions: ['--max-old-space-size=64'] })
    const pid = gateway.pid()
    const agent = new Agent({ keepAlive: true, maxSockets: 200 })
    const result: LoadResult = {
      attempted: new Set(), ackedLeads: new Set(), ackedBeacons: new Set(), answers: new Map(), wrong: []
    }
    await Promise.all(Array.from({ length: leads }, async (_, number) => {
      const id = `lead-${number}`
      result.attempted.add(id)
      const answer = await post(agent, gateway.url, leadPath, { ...leadBody(id), notes })
        .catch((error: unknown) => error as Error)
      const word = wordOf(answer)
      result.answers.set(word, (result.answers.get(word) ?? 0) + 1)
      if (answer instanceof Error) return
      if (answer.status === 202) result.ackedLeads.add(id)
      if (!isContract(answer)) result.wrong.push(`${answer.status} ${answer.text.slice(0, 200)}`)
    }))
    agent.destroy()
    await until('it serves again', async () => await gateway.isUp())
    const { figures, problems } = await closeBooks(world, result, say)
    return { figures: { ...figures, wasKilled: pid !== gateway.pid() }, problems }
  })
}
