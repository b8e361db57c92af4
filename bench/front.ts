// Case 10: what the gateway costs a page that passes through it, over what @fastify/http-proxy alone costs.
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'
import type { Load } from './generator.ts'
import { measure, type Measured } from './load.ts'
import type { PageMix } from './pages.ts'
import { startNode, type Child } from './processes.ts'
import { frontHost, otherCore, serverCore, startRole } from './world.ts'

type Server = Child & { port: number }

async function startServer (file: string, args: string[], core: number): Promise<Server> {
  const child = startNode(file, args, { core })
  return { ...child, ...await child.nextLine() as { port: number } }
}

const load = (port: number, mix: PageMix, count: number): Omit<Load, 'run'> =>
  ({ port, path: '/', mix, loop: 'closed', connections: 64, count })

type Round = Record<`${'bare' | 'plain' | 'tagged'}_${PageMix}`, Measured>

/** Interleaved rounds: the bare proxy, the gateway, and the gateway that puts the tag into each page. */
export async function measureFront ({ world, rounds, requests, nodeOptions }: CaseOptions): Promise<Figure[]> {
  const database = await world.makeDatabase('front')
  const owner = await startServer('bench/site_server.ts', [], otherCore)
  const upstream = `http://127.0.0.1:${owner.port}`
  const bare = await startServer('bench/bare_proxy.ts', [upstream], serverCore)
  const site = { hosts: [frontHost], consent: 'opt_out', upstream }
  const common = { role: 'gateway' as const, database, world, core: serverCore, nodeOptions }
  const plain = await startRole({ ...common, site })
  const tagged = await startRole({ ...common, site: { ...site, insert_script: true } })
  const done: Round[] = []
  // The first round warms up, and takes four times as long: the gateway has more code to be compiled than the proxy.
  for (let round = -1; round < rounds; round++) {
    const count = round < 0 ? 4 * requests : requests
    const run = async (server: Server, mix: PageMix) => await measure({ server }, world, load(server.port, mix, count))
    const measured: Round = {
      bare_site: await run(bare, 'site'),
      plain_site: await run(plain, 'site'),
      tagged_site: await run(tagged, 'site'),
      bare_pages: await run(bare, 'pages'),
      plain_pages: await run(plain, 'pages'),
      tagged_pages: await run(tagged, 'pages')
    }
    if (round >= 0) done.push(measured)
  }
  for (const server of [bare, plain, tagged, owner]) await server.stop()
  await database.drop()
  return toFigures(done)
}

function toFigures (rounds: readonly Round[]): Figure[] {
  const name = '10 in front'
  const rate = (what: string, one: keyof Round, bare: keyof Round, bar?: Figure['bar']): Figure => ({
    case: name, what, unit: '×', bar, values: rounds.map(round => round[one].perSecond / round[bare].perSecond)
  })
  const cost = (what: string, one: keyof Round): Figure =>
    ({ case: name, what, unit: 'µs', values: rounds.map(round => round[one].us.server ?? 0) })
  return [
    rate('throughput of a site over bare @fastify/http-proxy', 'plain_site', 'bare_site', { least: 0.8 }),
    rate('throughput of a site, tag inserted', 'tagged_site', 'bare_site', { least: 0.8 }),
    rate('throughput of pages alone', 'plain_pages', 'bare_pages'),
    rate('throughput of pages alone, tag inserted', 'tagged_pages', 'bare_pages'),
    cost('bare proxy, per request of a site', 'bare_site'),
    cost('gateway, per request of a site', 'plain_site'),
    cost('bare proxy, per page', 'bare_pages'),
    cost('gateway, per page', 'plain_pages'),
    cost('gateway, per page, tag inserted', 'tagged_pages')
  ]
}
