// One seed of the fault suite: the product under load while gateway, worker and Postgres are killed at random.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startEmbedded } from '../../config/embedded.ts'
import { migrate } from '../../config/migrate.ts'
import { isOutage, openPool, type Pool } from '../../config/postgres.ts'
import { startFakeNetworks } from '../../demo/networks/fake_networks.ts'
import { seededChance } from './chance.ts'
import { sendLoad, type LoadResult } from './load.ts'
import { audit, type Findings } from './oracle.ts'
import { freePort, postgresVictim, startService, type Victim } from './processes.ts'

export interface RunPlan {
  seed: number
  leads: number
  beacons: number
  rate: number
  /** Each victim is killed at least so often. */
  kills: number
  /** The longest that a victim serves before it is killed again, in milliseconds. */
  lifeMs: number
}

export interface RunReport extends Findings {
  seed: number
  seconds: number
  kills: Record<string, number>
  answers: Record<string, number>
}

/** A share of the network's answers: one in ten 5xx, one in twenty 429, one in fifty never comes. */
const faults = {
  rate: 0.17,
  faults: [
    ...new Array(10).fill({ kind: 'status', status: 503 }),
    ...new Array(5).fill({ kind: 'status', status: 429, code: 4, retry_after_seconds: 1 }),
    ...new Array(2).fill({ kind: 'hang', processed: true })
  ]
}

function settingsText (fakesUrl: string): string {
  return JSON.stringify({
    sites: {
      main: {
        hosts: ['t.example.com'],
        origins: ['https://www.example.com'],
        consent: 'opt_in',
        defaults: { country: 'DE', currency: 'EUR', lead_value: 50 },
        destinations: {
          meta: { pixel_id: '1234567890', access_token: 'a-token', events: 'all', endpoint: `${fakesUrl}/meta` }
        }
      }
    },
    // All senders share one address here.
    rate_limits: { events_per_minute: 10_000_000, leads_per_minute: 10_000_000 }
  })
}

/** Kills each victim at random while the load runs, and afterwards until each was killed often enough. */
async function killAtRandom (
  victims: readonly Victim[], plan: RunPlan, chance: () => number, isLoadOver: () => boolean
): Promise<void> {
  await Promise.all(victims.map(async victim => {
    while (!isLoadOver() || victim.kills() < plan.kills) {
      if (!await victim.isUp()) {
        await wait(50)
        continue
      }
      await wait(300 + chance() * plan.lifeMs)
      victim.kill()
    }
  }))
}

async function ask<T> (question: () => Promise<T>): Promise<T | undefined> {
  try {
    return await question()
  } catch (error) {
    if (isOutage(error)) return undefined
    throw error
  }
}

/** Waits until nothing is open any more: all that was acknowledged is stored, routed and settled. */
async function untilSettled (pool: Pool, load: LoadResult, onWait: (open: string) => void): Promise<void> {
  const endMs = performance.now() + 240_000
  while (performance.now() < endMs) {
    const open = await ask(async () => {
      // Retries wait for minutes, promised to a job of then; what they would do then, they do now. An attempt that is
      // under way is not touched: what it holds is due already.
      await pool.query(`UPDATE deliveries SET due_at = now(), hold_until = now()
        WHERE state = 'waiting' AND due_at > now() + interval '5 s'`)
      const { rows: [row] } = await pool.query<{ events: number, unrouted: number, waiting: number }>(`
        SELECT (SELECT count(DISTINCT event_id) FROM events) AS events,
          (SELECT count(*) FROM unrouted_batches) AS unrouted,
          (SELECT count(*) FROM deliveries WHERE state = 'waiting') AS waiting`)
      return row
    })
    const acked = load.ackedLeads.size + load.ackedBeacons.size
    if (open !== undefined && open.unrouted === 0 && open.waiting === 0 && open.events >= acked) return
    onWait(JSON.stringify(open))
    await wait(500)
  }
}

/** Runs one seed in a folder of its own, which is removed afterwards. `say` gets what there is to watch. */
export async function runSeed (plan: RunPlan, say: (line: string) => void): Promise<RunReport> {
  const startedMs = performance.now()
  const chance = seededChance(plan.seed)
  const folder = mkdtempSync(join(tmpdir(), 'postern-faults-'))
  const fakes = await startFakeNetworks({ behaviour: { type: 'meta', random: { seed: plan.seed, ...faults } } })
  const postgresFolder = join(folder, 'postgres')
  const database = await startEmbedded({ folder: postgresFolder })
  await migrate({ url: database.url })
  const pool = openPool({ url: database.url, name: 'oracle', onError: () => undefined, connectTimeoutMs: 5000 })
  const settings = join(folder, 'postern.yaml')
  writeFileSync(settings, settingsText(fakes.url))
  const port = await freePort()
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: database.url,
    POSTERN_SECRET: randomBytes(32).toString('base64url'),
    POSTERN_CONFIG: settings,
    POSTERN_DATA: join(folder, 'data'),
    POSTERN_LOG: 'warn',
    POSTERN_HOST: '127.0.0.1',
    PORT: String(port)
  }
  const services = [await startService('gateway', env, say), await startService('worker', env, say)]
  const victims = [...services, await postgresVictim(postgresFolder, pool)]
  try {
    let isLoadOver = false
    const killing = killAtRandom(victims, plan, chance, () => isLoadOver)
    const load = await sendLoad({ ...plan, port, chance })
    isLoadOver = true
    await killing
    fakes.behave({})
    await untilSettled(pool, load, say)
    const findings = await audit(pool, load, plan.leads, fakes.received())
    return {
      seed: plan.seed,
      seconds: Math.round((performance.now() - startedMs) / 1000),
      kills: Object.fromEntries(victims.map(victim => [victim.name, victim.kills()])),
      answers: Object.fromEntries(load.answers),
      ...findings
    }
  } finally {
    for (const service of services) await service.stop()
    await pool.end()
    await fakes.close()
    await database.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
