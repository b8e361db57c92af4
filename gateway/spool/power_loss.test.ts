// The spool on a disk that loses power at any moment: what was acknowledged is there afterwards, and nothing else is.
import { t, test } from 'tap'
import { chanceOf, emptyPlatter, spoolRoot, switchOn, type Chance, type LossyDisk } from '../../test/lossy_disk.ts'
import { processOf, spoolIn, spooled } from '../../test/spool_world.ts'
import type { Arrival } from '../arrival.ts'
import type { Spool } from './spool.ts'

// Each seed is one machine: it runs, loses power somewhere, runs again, and so on, while Postgres (a map here, which
// knows receipts as append_known_part() does) comes and goes. `npm run faults` asks for 100,000.
const seeds = Number(process.env.POSTERN_FAULT_SEEDS ?? '1000')
t.setTimeout(400_000 + seeds * 100)
const firstSeed = Number(process.env.POSTERN_FAULT_FIRST_SEED ?? '1')

interface World {
  chance: Chance
  attempted: Map<string, string>
  acknowledged: Set<string>
  /** What Postgres has, by receipt. */
  stored: Map<string, string>
  stores: number
  wrong: string[]
  refused: number
  serial: number
}

const opened = (seed: number): World => ({
  chance: chanceOf(seed),
  attempted: new Map(),
  acknowledged: new Set(),
  stored: new Map(),
  stores: 0,
  wrong: [],
  refused: 0,
  serial: 0
})

function storeIn (world: World, arrivals: readonly Arrival[]): void {
  for (const arrival of arrivals) {
    const { receipt_id: id } = arrival.part
    const text = JSON.stringify(arrival)
    world.stores++
    if (world.attempted.get(id) !== text) world.wrong.push(`not what was sent: ${id}`)
    if ((world.stored.get(id) ?? text) !== text) world.wrong.push(`two versions of ${id}`)
    world.stored.set(id, text)
  }
}

async function post (world: World, disk: LossyDisk, spool: Spool): Promise<void> {
  const { chance } = world
  const arrivals = Array.from({ length: 1 + chance.below(4) }, () =>
    spooled(`e${world.serial++}`, chance.below(1200)))
  for (const arrival of arrivals) world.attempted.set(arrival.part.receipt_id, JSON.stringify(arrival))
  try {
    await spool.append(arrivals.map(spool.seal), chance.once(3))
    // After the loss of power nobody hears an answer.
    if (disk.isDown()) return
    for (const { part } of arrivals) world.acknowledged.add(part.receipt_id)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    world.refused++
  }
}

/** Postgres answers, or is away, or commits and the answer is lost. */
async function drainOnce (world: World, disk: LossyDisk, spool: Spool): Promise<void> {
  const { chance } = world
  try {
    await spool.drain(1 + chance.below(8), async arrivals => {
      if (disk.isDown()) return await new Promise(() => undefined)
      const fate = chance.below(4)
      if (fate > 0) storeIn(world, arrivals)
      if (fate < 2) throw new Error('postgres is away')
    })
  } catch (error) {
    if (!(error instanceof Error)) throw error
  }
}

async function live (world: World, disk: LossyDisk): Promise<void> {
  const { chance } = world
  const { spool } = await spoolIn(spoolRoot, {
    disk,
    identity: processOf('no'),
    rollBytes: 1500 + chance.below(4000),
    writeWithinMs: 0,
    now: () => 1_764_000_000_000 + chance.below(100_000)
  })
  for (let turn = 0; turn < 12; turn++) {
    const posts = Array.from({ length: chance.below(4) }, async () => { await post(world, disk, spool) })
    if (chance.once(2)) await drainOnce(world, disk, spool)
    await Promise.all(posts)
    if (chance.once(10)) await spool.tick()
  }
  if (chance.once(3)) await spool.close()
}

/** One machine's life. The result is what is wrong with it: nothing. */
async function runSeed (seed: number): Promise<{ wrong: string[], world: World }> {
  const world = opened(seed)
  const { chance } = world
  const platter = emptyPlatter()
  for (let start = 0; start < 1 + chance.below(4); start++) {
    const disk = switchOn(platter, chance)
    disk.losePowerAt(1 + chance.below(120))
    if (chance.once(3)) disk.faults.failOnceIn = 2 + chance.below(40)
    if (chance.once(5)) disk.faults.freeBytes = chance.below(40_000)
    await Promise.race([live(world, disk).catch((error: unknown) => {
      // Opening on a failing disk is refused; anything else is a bug.
      if (!(error instanceof Error && 'syscall' in error)) world.wrong.push(String(error))
    }), disk.powerLost])
    if (!disk.isDown()) {
      disk.losePowerAt(1)
      disk.freeBytes('/').catch(() => undefined)
      await disk.powerLost
    }
  }
  let clockMs = 0
  const { spool, events } = await spoolIn(spoolRoot, {
    disk: switchOn(platter, chance), identity: processOf('no'), clock: () => clockMs
  })
  // An owner's note may be lost with the power: then only time tells that he is gone.
  await spool.tick()
  clockMs += 30_000
  await spool.tick()
  while (!spool.isEmpty()) await spool.drain(7, async arrivals => { storeIn(world, arrivals) })
  await spool.close()
  for (const id of world.acknowledged) if (!world.stored.has(id)) world.wrong.push(`lost: ${id}`)
  if (events.some(({ what }) => what === 'trouble')) world.wrong.push('trouble on a healthy disk')
  return { wrong: world.wrong, world }
}

test(`acknowledged is durable: ${seeds} machines from seed ${firstSeed} on lose power again and again`, async t => {
  const total = { acknowledged: 0, refused: 0, attempted: 0, stored: 0, stores: 0 }
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const { wrong, world } = await runSeed(seed)
    if (wrong.length > 0) t.fail(`seed ${seed}: ${wrong.slice(0, 3).join(', ')}`)
    total.acknowledged += world.acknowledged.size
    total.refused += world.refused
    total.attempted += world.attempted.size
    total.stored += world.stored.size
    total.stores += world.stores
  }
  t.comment(JSON.stringify(total))
  t.ok(total.acknowledged > seeds * 5, 'much was acknowledged')
  t.ok(total.stores > total.stored, 'some came again, and were known')
  t.ok(total.stored > total.acknowledged, 'some were stored whose answer was lost')
})
