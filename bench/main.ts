// `npm run bench [-- case …]`: runs the cases, prints one table, writes docs/benchmarks.md.
import { measureIngest } from './ingest.ts'
import { toTable, type Figure } from './figures.ts'
import { stopAll } from './processes.ts'
import { openWorld } from './world.ts'
const figures: Figure[] = []
const world = await openWorld()
try {
  figures.push(...await measureIngest(world, { rounds: Number(process.env.ROUNDS ?? 3), requests: Number(process.env.REQ ?? 15000), nodeOptions: process.env.PROF ? ['--cpu-prof', '--cpu-prof-dir=/tmp/prof', '--cpu-prof-interval=200'] : [] }))
  console.log(toTable(figures))
} finally {
  await stopAll()
  await world.close()
}
