// One seed of the fault suite: the product under load while gateway, worker and Postgres are killed at random.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startEmbedded } from '../../config/embedded.ts'
import { migrate } from '../../config/migrate.ts'
import { seededChance } from './chance.ts'
import { sendFresh } from './fresh.ts'
import { sendLoad } from './load.ts'
import { networkFaults, runNetworks } from './networks.ts'
import { audit, type Findings } from './oracle.ts'
import { postgresVictim, type Victim } from './processes.ts'
import { untilSettled } from './settled.ts'
import { openWorld, type World } from './world.ts'

export interface RunPlan {
  seed: number
  leads: number
  beacons: number
  rate: number
  /** Each victim is killed at least so often. */
  kills: number
  /** The longest that a victim serves before it is killed again, in milliseconds. */
  lifeMs: number
  /** Ends the leases of the dead at once, instead of waiting for them: the same paths in less time. */
  hurriesLeases: boolean
}

export interface RunReport extends Findings {
  seed: number
  seconds: number
  kills: Record<string, number>
  answers: Record<string, number>
  /** How long a new lead took to all networks once everything was whole again. */
  freshSeconds: number | null
  spooled: number
}

interface Killing {
  isLoadOver: boolean
  /** Unix milliseconds. */
  lastWorkerKillMs: number
}

/** Kills each victim at random while the load runs, and afterwards until each was killed often enough. */
async function killAtRandom (
  victims: readonly Victim[], plan: RunPlan, chance: () => number, killing: Killing
): Promise<void> {
  // One that comes back quickly waits for the others: a worker cannot start while its Postgres is killed over and over.
  const isAhead = (victim: Victim) => victim.kills() > Math.min(...victims.map(other => other.kills())) + 1
  await Promise.all(victims.map(async victim => {
    while (!killing.isLoadOver || victim.kills() < plan.kills) {
      if (isAhead(victim) || !await victim.isUp()) {
        await wait(50)
        continue
      }
      await wait(300 + chance() * plan.lifeMs)
      victim.kill()
      if (victim.name === 'worker') killing.lastWorkerKillMs = Date.now()
    }
  }))
}

/** So much of the load may be sent before the next kills: all of them happen under load, however slow a restart is. */
function gateOf (victims: readonly Victim[], plan: RunPlan): (share: number) => Promise<void> {
  return async share => {
    while (share > Math.min(...victims.map(victim => victim.kills() + 1)) / plan.kills) await wait(50)
  }
}

/** Runs one seed in a folder of its own, which is removed afterwards. `say` gets what there is to watch. */
export async function runSeed (plan: RunPlan, say: (line: string) => void): Promise<RunReport> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-seed-'))
  const database = await startEmbedded({ folder })
  try {
    await migrate({ url: database.url })
    const world = await openWorld({
      databaseUrl: database.url,
      networks: runNetworks,
      behaviour: { random: { seed: plan.seed, ...networkFaults } },
      say
    })
    try {
      return await runIn(world, folder, plan, say)
    } finally {
      await world.close()
    }
  } finally {
    await database.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function runIn (world: World, postgres: string, plan: RunPlan, say: (line: string) => void): Promise<RunReport> {
  const startedMs = performance.now()
  const chance = seededChance(plan.seed)
  const { pool, fakes } = world
  const gateway = await world.start('gateway')
  const victims = [gateway, await world.start('worker'), await postgresVictim(postgres, pool)]
  const killing: Killing = { isLoadOver: false, lastWorkerKillMs: 0 }
  const killed = killAtRandom(victims, plan, chance, killing)
  const load = await sendLoad({ ...plan, url: gateway.url, chance, gate: gateOf(victims, plan) })
  killing.isLoadOver = true
  await killed
  fakes.behave({})
  const deadBeforeMs = plan.hurriesLeases ? killing.lastWorkerKillMs : undefined
  const settle = async () => {
    await untilSettled(pool, { acked: load.ackedLeads.size + load.ackedBeacons.size, onWait: say, deadBeforeMs })
  }
  await settle()
  const freshSeconds = await sendFresh(world, gateway, load)
  await settle()
  const findings = await audit({ ...world, load, received: fakes.received() })
  const unheard = plan.leads + 1 - load.ackedLeads.size
  if (unheard > 0) findings.problems.push(`${unheard} leads were never acknowledged, although their senders insisted`)
  if (freshSeconds === null) findings.problems.push('a new lead did not reach the networks after everything was healed')
  const spooled = world.spooled()
  if (spooled.length > 0) findings.problems.push(`left in the spool: ${spooled.slice(0, 5).join(', ')}`)
  return {
    seed: plan.seed,
    seconds: Math.round((performance.now() - startedMs) / 1000),
    kills: Object.fromEntries(victims.map(victim => [victim.name, victim.kills()])),
    answers: Object.fromEntries(load.answers),
    freshSeconds,
    spooled: spooled.length,
    ...findings
  }
}
