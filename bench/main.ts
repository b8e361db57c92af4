// `npm run bench [-- case …]`: runs the cases, prints one table and writes docs/benchmarks.md.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureAcks } from './ack.ts'
import type { CaseOptions } from './cases.ts'
import { measureDispatch, measureLatency } from './dispatch.ts'
import { toTable, type Figure } from './figures.ts'
import { measureFront } from './front.ts'
import { measureFull } from './full.ts'
import { measureIngest } from './ingest.ts'
import { measureMemory } from './memory.ts'
import { measurePages } from './page.ts'
import { canPin, root, stopAll } from './processes.ts'
import { measureSize } from './size.ts'
import { measureSteady } from './steady.ts'
import { openWorld } from './world.ts'

const cases: Record<string, (options: CaseOptions) => Promise<Figure[]>> = {
  ingest: measureIngest,
  ack: measureAcks,
  dispatch: measureDispatch,
  latency: measureLatency,
  steady: measureSteady,
  size: measureSize,
  memory: measureMemory,
  front: measureFront,
  page: measurePages,
  full: measureFull
}

const usage = `usage: npm run bench [-- [case …] [options]]
  cases       ${Object.keys(cases).join(' ')} (default: all)
  --rounds    interleaved rounds of each case (5)
  --requests  requests of one closed-loop run (20000)
  --seconds   length of one open-loop run (20)
  --profile   a folder for CPU profiles of the product's processes
`

const git = (...words: string[]) => execFileSync('git', words, { cwd: root, encoding: 'utf8' }).trim()

/** Where and of what the figures are. */
function describe (options: CaseOptions, postgres: string, loads: readonly string[]): string[] {
  const [cpu] = cpus()
  const isChanged = git('status', '--porcelain', '--untracked-files=no') !== ''
  return [
    `- ${cpus().length} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ` +
      `Linux ${release()} ${arch()}`,
    `- Node ${process.version}, ${postgres} (embedded, the product's own settings, fsync on)`,
    `- Commit ${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with uncommitted changes' : ''}, ` +
      new Date().toISOString().slice(0, 10),
    `- ${options.rounds} interleaved rounds after one to warm up; ${options.requests} requests a closed-loop run, ` +
      `${options.seconds} s an open-loop run`,
    `- Processes ${canPin ? 'pinned: the measured one to core 0, all others to core 1' : 'not pinned'}`,
    `- Load average of the machine (1 min) before each case, this benchmark's own included: ${loads.join(', ')}`
  ]
}

function writeDocs (figures: readonly Figure[], facts: readonly string[]): void {
  const text = `# Benchmarks

Written by \`npm run bench\`; how each figure is made: [bench/README.md](../bench/README.md). On a shared machine only
counts, CPU time per unit and ratios of interleaved runs count. **met**: every round is on the right side of the bar;
**missed**: none is; **unclear**: the rounds disagree.

${facts.join('\n')}

${toTable(figures)}
`
  writeFileSync(join(root, 'docs/benchmarks.md'), text)
}

/** A case that fails is in the table with the reason; its processes end, and the others are measured all the same. */
async function measureCase (name: string, options: CaseOptions): Promise<Figure[]> {
  try {
    return await cases[name]?.(options) ?? []
  } catch (error) {
    await stopAll()
    const note = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return [{ case: name, what: 'could not be measured', unit: '', values: [], note }]
  }
}

async function run (argv: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      requests: { type: 'string', default: '20000' },
      seconds: { type: 'string', default: '20' },
      profile: { type: 'string' }
    }
  })
  const names = positionals.length > 0 ? positionals : Object.keys(cases)
  const [rounds, requests, seconds] = [values.rounds, values.requests, values.seconds].map(Number)
  const isKnown = names.every(name => Object.hasOwn(cases, name))
  if (!isKnown || !rounds || !requests || !seconds || !existsSync('/proc/self/stat')) {
    process.stderr.write(`${usage}  Linux only: CPU time is read from /proc.\n`)
    return 2
  }
  const world = await openWorld()
  const nodeOptions = values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`]
  const options: CaseOptions = { world, rounds, requests, seconds, nodeOptions }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stopAll().then(async () => { await world.close() }).then(() => process.exit(1), () => process.exit(1))
    })
  }
  const figures: Figure[] = []
  const loads: string[] = []
  try {
    for (const name of names) {
      process.stderr.write(`${name} …\n`)
      loads.push(`${name} ${readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? ''}`)
      const own = await measureCase(name, options)
      figures.push(...own)
      process.stderr.write(`${toTable(own)}\n`)
    }
    process.stdout.write(`${toTable(figures)}\n`)
    // A part of the cases, or a profiled run, is for looking; the document holds whole runs only.
    if (positionals.length === 0 && values.profile === undefined) {
      writeDocs(figures, describe(options, world.postgres, loads))
    }
    return 0
  } finally {
    await stopAll()
    await world.close()
  }
}

process.exitCode = await run(process.argv.slice(2))
