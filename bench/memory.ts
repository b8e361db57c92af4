// Case 9: the memory of dist/ when gateway and worker share a process that has nothing to do.
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'
import { networks } from './networks.ts'
import { memoryBytes, root } from './processes.ts'
import { otherCore, startRole } from './world.ts'

/** Builds dist/ as the package does, starts it and looks after it has been idle. */
export async function measureMemory ({ world }: CaseOptions): Promise<Figure[]> {
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: ['ignore', 2, 2] })
  const database = await world.makeDatabase('memory')
  const meta = await networks(['meta', 'tiktok', 'google_ads'], 'answer')
  const running = await startRole({
    role: 'start', database, world, core: otherCore, destinations: meta.settings, main: 'dist/main.js'
  })
  const values: number[] = []
  for (let look = 0; look < 3; look++) {
    await new Promise(resolve => setTimeout(resolve, 5000))
    values.push(memoryBytes(running.pid) / 1e6)
  }
  await running.stop()
  await meta.sink.stop()
  await database.drop()
  return [{ case: '9 memory', what: 'gateway and worker, idle (PSS)', unit: 'MB', bar: { most: 120 }, values }]
}
