// Brings the spool to Postgres: asks now and then whether Postgres is back, and then stores what waits, oldest first.
import { within } from '../config/within.ts'
import type { Arrival, Receipt } from './arrival.ts'
import type { Circuit } from './circuit.ts'
import type { Spool } from './spool/spool.ts'
import { reasonOf } from './store.ts'

export interface DrainOptions {
  spool: Pick<Spool, 'isEmpty' | 'drain'>
  circuit: Circuit
  /** Stores spooled arrivals; rejects when Postgres could not. */
  store: (arrivals: readonly Arrival[]) => Promise<Receipt[]>
  /** Asks Postgres, where there is nothing to store. */
  ping: () => Promise<unknown>
  onStored: (arrivals: readonly Arrival[], receipts: readonly Receipt[]) => void
  /** Nothing waits any more. */
  onEmpty: (records: number, seconds: number) => void
  /** The spool could not be read; `hangs`: its disk does not answer. */
  onTrouble: (code: string) => void
}

export interface Drain {
  /** Something was spooled. */
  wake: () => void
  /** Waits for the batch that is under way. What is left stays in the spool. */
  stop: () => Promise<void>
}

/**
 * The first batch is a question, and need not be large; each that succeeds makes the next one larger. So a Postgres
 * that is back but slow is not thrown off by batches that time out.
 */
const fewestRecords = 20
const mostRecords = 500
/** Others' segments are found by the spool's own clock, which wakes nobody. */
const idleMs = 5000
const troubleMs = 1000
/** A disk that has not answered for so long hangs. */
const hangMs = 2000

/** Waits that can be cut short. */
interface Pause {
  isStopping: boolean
  isWakeable: boolean
  end: () => void
}

/** Starts draining; it goes on until stop(). */
export function startDrain (options: DrainOptions): Drain {
  const pause: Pause = { isStopping: false, isWakeable: false, end: () => {} }
  const running = run(options, pause)
  return {
    wake: () => { if (pause.isWakeable) pause.end() },
    stop: async () => {
      pause.isStopping = true
      pause.end()
      await running
    }
  }
}

async function wait (pause: Pause, ms: number, isWakeable: boolean): Promise<void> {
  if (pause.isStopping) return
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, ms)
    timer.unref()
    pause.isWakeable = isWakeable
    pause.end = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

async function run (options: DrainOptions, pause: Pause): Promise<void> {
  const { spool, circuit } = options
  const progress = { records: 0, sinceMs: 0 }
  let limit = fewestRecords
  while (!pause.isStopping) {
    if (circuit.isOpen()) await wait(pause, circuit.waitMs(), false)
    else if (spool.isEmpty()) await wait(pause, idleMs, true)
    if (pause.isStopping) return
    if (spool.isEmpty()) {
      if (circuit.isOpen()) await ask(options)
      continue
    }
    if (progress.records === 0) progress.sinceMs = performance.now()
    const { records, isTrouble, hasFailed } = await step(options, limit)
    limit = hasFailed ? fewestRecords : Math.min(2 * limit, mostRecords)
    progress.records += records
    if (spool.isEmpty() && progress.records > 0) {
      options.onEmpty(progress.records, (performance.now() - progress.sinceMs) / 1000)
      progress.records = 0
    }
    if (isTrouble) await wait(pause, troubleMs, false)
  }
}

async function ask ({ ping, circuit }: DrainOptions): Promise<void> {
  await ping().then(circuit.heal, circuit.stayOpen)
}

/** What is spooled must wait for its disk; what comes now need not wait with it, so Postgres is asked all the same. */
async function putOff (options: DrainOptions, reason: string): Promise<void> {
  options.onTrouble(reason)
  if (options.circuit.isOpen()) await ask(options)
}

/** Stores one batch. `isTrouble`: the spool itself could not be read. */
async function step (options: DrainOptions, limit: number):
Promise<{ records: number, isTrouble: boolean, hasFailed: boolean }> {
  const { spool, circuit, store, onStored } = options
  const startedMs = performance.now()
  let isPostgres = false
  try {
    const drained = spool.drain(limit, async arrivals => {
      isPostgres = true
      const receipts = await store(arrivals)
      isPostgres = false
      circuit.heal()
      onStored(arrivals, receipts)
    })
    // What hangs is waited for and not asked again: each further question could hold another thread of the process.
    const records = await attend(drained, async () => { if (!isPostgres) await putOff(options, 'hangs') })
    return { records, isTrouble: false, hasFailed: false }
  } catch (error) {
    if (!isPostgres) await putOff(options, reasonOf(error))
    else if (circuit.isOpen()) circuit.stayOpen()
    else circuit.trip(reasonOf(error), startedMs)
    return { records: 0, isTrouble: !isPostgres, hasFailed: true }
  }
}

/** Waits for `work`, and calls `meanwhile` whenever that has taken as long as nothing should. */
async function attend<T> (work: Promise<T>, meanwhile: () => Promise<void>): Promise<T> {
  const state = { isOver: false }
  const end = () => { state.isOver = true }
  work.then(end, end)
  while (!state.isOver) {
    await within(hangMs, work)
    if (!state.isOver) await meanwhile()
  }
  return await work
}
