// A new version arrives under load: it migrates, its processes join, one of the old is started again, and then the old
// ones leave. No visitor notices.
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as wait } from 'node:timers/promises'
import { migrate } from '../../../config/migrate.ts'
import { closeBooks } from '../books.ts'
import { runNetworks } from '../networks.ts'
import { findNginxObstacle, startNginx } from '../nginx.ts'
import { untilReady } from '../processes.ts'
import { expect, type Scenario } from '../scenario.ts'
import { quantiles, startTraffic } from '../traffic.ts'
import { inOwnWorld } from '../world.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** The first half of expand and contract: whatever the old version writes still fits. */
const expansion = `-- Up Migration
ALTER TABLE events ADD COLUMN seen_by_next_version text;
ALTER TABLE deliveries ADD COLUMN seen_by_next_version integer DEFAULT 7 NOT NULL;
CREATE TABLE next_version (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
`

/** This checkout with one more migration: a version that follows. */
function makeNextVersion (folder: string): string {
  mkdirSync(folder)
  for (const name of ['admin', 'commands', 'config', 'dispatch', 'gateway', 'schema', 'main.ts', 'package.json']) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(folder, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'schema', 'sql', '9000_next_version.sql'), expansion)
  return folder
}

export const migration: Scenario = {
  name: 'migration',
  suite: 'faults',
  rows: 'F24',
  about: 'a migration under load; processes of two versions work side by side, then the old ones stop',
  rate: 300,
  findObstacle: findNginxObstacle,
  run: async (say, rate) => await inOwnWorld({ networks: runNetworks, say }, async world => {
    const old = [await world.run('gateway'), await world.run('worker')]
    const next = makeNextVersion(join(world.folder, 'next'))
    const main = join(next, 'main.ts')
    const nextGateway = await world.start('gateway', { POSTERN_LOG: 'error' }, { main })
    const nginx = await startNginx(world.folder, [old[0]?.url ?? '', nextGateway.url])
    const traffic = startTraffic({ urls: [nginx.url], rate })
    await wait(3000)
    // A query that lasts holds its tables against the migration, as a report or a backup would.
    const reader = await world.pool.connect()
    await reader.query('BEGIN')
    await reader.query('SELECT count(*) FROM events')
    const startedMs = performance.now()
    const migrated = migrate({ url: world.postgres.url, folder: join(next, 'schema', 'sql'), say })
    await wait(4000)
    await reader.query('COMMIT')
    reader.release()
    await migrated
    const migrationSeconds = Math.round((performance.now() - startedMs) / 100) / 10
    await untilReady(nextGateway)
    const nextWorker = await world.run('worker', {}, { main })
    // A crash, or an orchestrator that moves a container: the version before must come back on the new schema.
    old.push(await world.run('gateway'), await world.run('worker'))
    await wait(3000)
    const exitCodes: (number | null)[] = []
    for (const service of old) exitCodes.push(await service.stop())
    await wait(3000)
    const result = await traffic.stop()
    await nginx.stop()
    const { figures, problems } = await closeBooks(world, result, say)
    return {
      figures: {
        ...figures, migrationSeconds, nextVersionRuns: await nextWorker.isUp(), ackMs: quantiles(result.latencies)
      },
      problems: [
        ...problems,
        ...expect(result.answers.size === 1 && result.answers.has('202'), 'a client\'s request failed'),
        ...expect(exitCodes.every(code => code === 0), `exit codes ${exitCodes.join()}`)
      ]
    }
  })
}
