// A process that spools as fast as it can and says what was acknowledged, until it is killed.
import { spoolIn, spooled } from './spool_world.ts'

const [, , folder = '', prefix = ''] = process.argv
const { append } = await spoolIn(folder, { rollBytes: 20_000 })

async function run (lane: number): Promise<void> {
  for (let at = 0; ; at++) {
    const id = `${prefix}-${lane}-${at}`
    await append(spooled(id, at % 700))
    process.stdout.write(`${id}\n`)
  }
}

await Promise.all([0, 1, 2, 3].map(run))
