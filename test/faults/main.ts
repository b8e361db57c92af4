// `npm run faults`: kills everything under load, seed after seed, and says what was lost. Exit code 1 if anything was.
import { parseArgs } from 'node:util'
import { runSeed, type RunPlan } from './run.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    small: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false }
  }
})
const size = values.small
  ? { leads: 1000, beacons: 5000, rate: 250, kills: 6, lifeMs: 3000 }
  : { leads: 10_000, beacons: 50_000, rate: 600, kills: 30, lifeMs: 4000 }
const say = (line: string) => { if (values.verbose) process.stderr.write(`${line}\n`) }

let passed = 0
let failed = 0
for (let index = 0; index < Number(values.seeds); index++) {
  const plan: RunPlan = { seed: Number(values.seed) + index, ...size }
  process.stdout.write(`seed ${plan.seed}: ${plan.leads} leads, ${plan.beacons} beacons, at least ` +
    `${plan.kills} kills each of gateway, worker and Postgres …\n`)
  const { problems, ...report } = await runSeed(plan, say)
  process.stdout.write(`${JSON.stringify(report)}\n`)
  for (const problem of problems) process.stdout.write(`  PROBLEM ${problem}\n`)
  if (problems.length === 0) passed++
  else failed++
}
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
