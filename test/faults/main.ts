// `npm run faults | hostile | load`: breaks things on purpose and says what was lost. Exit code 1 if anything was.
import { parseArgs } from 'node:util'
import { runSeed, type RunPlan } from './run.ts'
import type { Scenario } from './scenario.ts'
import { scenarios } from './scenarios/all.ts'

const usage = `usage: npm run faults -- [options]     also: npm run hostile, npm run load
  --only NAME     this scenario alone; may be given again (seeds: only the random kills)
  --seeds N       how many seeds of random kills (20)
  --seed S        the first of them (1)
  --small         one tenth of a seed each, and no scenario
  --rate N        posts a second in a scenario, instead of its own
  --verbose       what the processes write, on standard error
`

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'faults' },
    only: { type: 'string', multiple: true },
    seeds: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    small: { type: 'boolean', default: false },
    rate: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
const size = values.small
  ? { leads: 1000, beacons: 5000, rate: 250, kills: 5, lifeMs: 2500, hurriesLeases: true }
  : { leads: 10_000, beacons: 50_000, rate: 600, kills: 30, lifeMs: 4000, hurriesLeases: false }
const say = (line: string) => { if (values.verbose) process.stderr.write(`${line}\n`) }
const print = (line: string) => { process.stdout.write(`${line}\n`) }
const totals = { passed: 0, failed: 0, skipped: 0 }

function conclude (report: object, problems: readonly string[]): void {
  print(JSON.stringify(report))
  for (const problem of problems) print(`  PROBLEM ${problem}`)
  if (problems.length === 0) totals.passed++
  else totals.failed++
}

async function runScenario (scenario: Scenario): Promise<void> {
  print(`${scenario.name} (${scenario.rows}): ${scenario.about} …`)
  const obstacle = scenario.findObstacle?.() ?? null
  if (obstacle !== null) {
    print(`  SKIPPED ${obstacle}`)
    totals.skipped++
    return
  }
  const startedMs = performance.now()
  const rate = Number(values.rate ?? scenario.rate)
  const { figures, problems } = await scenario.run(say, rate)
  const seconds = Math.round((performance.now() - startedMs) / 1000)
  conclude({ scenario: scenario.name, seconds, rate, ...figures }, problems)
}

async function runSeeds (first: number, count: number): Promise<void> {
  for (let seed = first; seed < first + count; seed++) {
    const plan: RunPlan = { seed, ...size }
    print(`seed ${seed}: ${plan.leads} leads, ${plan.beacons} beacons, at least ` +
      `${plan.kills} kills each of gateway, worker and Postgres …`)
    const { problems, ...report } = await runSeed(plan, say)
    conclude(report, problems)
  }
}

/** What was asked for: all of the suite, or some by name. */
function choose (): { chosen: Scenario[], hasSeeds: boolean } {
  const { only, suite } = values
  if (values.small) return { chosen: [], hasSeeds: true }
  if (only === undefined) return { chosen: scenarios.filter(one => one.suite === suite), hasSeeds: suite === 'faults' }
  const unknown = only.filter(name => name !== 'seeds' && !scenarios.some(one => one.name === name))
  if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(', ')}; see --help`)
  return { chosen: scenarios.filter(one => only.includes(one.name)), hasSeeds: only.includes('seeds') }
}

if (values.help) {
  print(usage)
  for (const { name, suite, rows, about } of scenarios) print(`  ${name.padEnd(14)} ${suite} ${rows}: ${about}`)
} else {
  const { chosen, hasSeeds } = choose()
  for (const scenario of chosen) await runScenario(scenario)
  if (hasSeeds) await runSeeds(Number(values.seed), Number(values.seeds))
  const skipped = totals.skipped === 0 ? '' : `, ${totals.skipped} skipped`
  print(`${totals.passed} passed, ${totals.failed} failed${skipped}`)
  process.exitCode = totals.failed === 0 ? 0 : 1
}
