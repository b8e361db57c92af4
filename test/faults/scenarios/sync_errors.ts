// The spool's disk says EIO when it is asked to sync: nothing is acknowledged that was not synced.
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { closeBooks, linesWith } from '../books.ts'
import { expect, type Scenario } from '../scenario.ts'
import { startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

const libraries = ['/usr/lib/fiu/fiu_run_preload.so', '/usr/lib/fiu/fiu_posix_preload.so']

/** One sync in three fails from now on: what `fiu-ctrl -c … PID` does. */
async function failSyncs (pipe: string, pid: number): Promise<void> {
  await writeFile(`${pipe}-${pid}.in`, 'enable_random name=posix/io/sync/*,probability=0.3\n')
  const answer = await readFile(`${pipe}-${pid}.out`, 'utf8')
  if (answer.trim() !== '0') throw new Error(`libfiu says ${answer}`)
}

export const syncErrors: Scenario = {
  name: 'sync_errors',
  suite: 'faults',
  rows: 'F13',
  about: 'one fdatasync in three fails with EIO while Postgres is away; the gateway is killed as well',
  rate: 100,
  findObstacle: () => libraries.every(existsSync) ? null : 'needs libfiu: apt-get install libfiu0',
  run: async (say, rate) => await inOwnWorld({ networks: [], say }, async world => {
    const pipe = join(world.folder, 'fiu')
    const gateway = await world.run('gateway', { LD_PRELOAD: libraries.join(':'), FIU_CTRL_FIFO: pipe })
    await failSyncs(pipe, gateway.pid())
    const traffic = startTraffic({ urls: [gateway.url], rate })
    await wait(2000)
    await world.postgres.stop()
    await wait(8000)
    const meanwhile = await gateway.metrics()
    const result = await traffic.stop()
    // What the page cache holds dies with nobody here: see power_loss.test.ts. What was never written does.
    gateway.kill()
    await world.postgres.start()
    const { figures, problems } = await closeBooks(world, result, say)
    const failures = linesWith(world, 'failed to write').length
    return {
      figures: {
        ...figures,
        failedSyncs: [...meanwhile].filter(([name]) => name.startsWith('spool_errors_total')).map(([, count]) => count),
        turnedAway: result.answers.get('503') ?? 0
      },
      problems: [...problems, ...expect(failures > 0, 'no sync failed: nothing was tried')]
    }
  })
}
