// The spool: arrivals on this machine's disk while Postgres is away, acknowledged once synced, stored when it is back.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Keys } from '../../config/keys.ts'
import type { Arrival } from '../arrival.ts'
import { codeOf, realDisk, type Disk } from './disk.ts'
import { own, realIdentity, type Identity } from './owner.ts'
import { openQuota } from './quota.ts'
import { toRecord } from './record.ts'
import { openShelf, type ShelfEvent } from './shelf.ts'
import { openWriter } from './writer.ts'

// There is no position on the disk: a segment is small, it is deleted when Postgres has committed all of it, and a
// crash in between only makes it come again. The receipt ids tell Postgres what it has (append_known_part()). Order
// needs no care either: an arrival is a part of its event whenever it comes, and carries the time at which it came. So
// new ones may go to Postgres while old ones are still here.

/** What the operator should hear. */
export type SpoolEvent = ShelfEvent | { what: 'write_failed', code: string }

export interface SpoolOptions {
  /** Made if absent; several processes may share it. It must be on a disk of this machine. */
  folder: string
  keys: Keys
  mostBytes: number
  leastFreeBytes: number
  onEvent: (event: SpoolEvent) => void
  rollBytes?: number
  /** 0: the caller calls tick() itself. */
  tickMs?: number
  staleMs?: number
  /** A disk that does not answer a write for this long has failed; 0: it is waited for. */
  writeWithinMs?: number
  disk?: Disk
  identity?: Identity
  now?: () => number
  clock?: () => number
}

export interface SpoolState {
  bytes: number
  records: number
  oldestSeconds: number
  /** Files that a person must look at. */
  quarantined: number
}

/** Nothing was spooled, for want of room: nothing is wrong with the disk. */
export class SpoolFull extends Error {
  override name = 'SpoolFull'
  readonly reason: 'spool_full' | 'disk_full'

  constructor (reason: 'spool_full' | 'disk_full') {
    super('the spool takes no more')
    this.reason = reason
  }
}

/** Stores arrivals in Postgres. Rejects when it could not; then they are asked for again. */
export type StoreArrivals = (arrivals: Arrival[]) => Promise<void>

export interface Spool {
  /** An arrival as append() takes it: nothing personal can be read in it. */
  seal: (arrival: Arrival) => Buffer
  /** Resolved: the arrivals survive a loss of power. Rejects with SpoolFull, or as the disk does. */
  append: (sealed: readonly Buffer[], isLead: boolean) => Promise<void>
  /** Whether leads are taken now, and will be for a while. */
  hasRoom: () => boolean
  isEmpty: () => boolean
  /**
   * Gives the oldest arrivals, at most `limit`, to `store`, and forgets them when that resolves. The result is how
   * many; rejects as `store` does. One call at a time.
   */
  drain: (limit: number, store: StoreArrivals) => Promise<number>
  state: () => SpoolState
  /** Shows that this process lives, looks for segments of dead ones, asks for free space. Never rejects. */
  tick: () => Promise<void>
  /** Closes what is being written; what is left is for the next start. Call it once, when nothing is under way. */
  close: () => Promise<void>
}

/** Opens the spool and takes over what dead processes left. Rejects when the folder cannot be written. */
export async function openSpool (options: SpoolOptions): Promise<Spool> {
  const { keys, onEvent, mostBytes, tickMs = 5000, now = Date.now } = options
  const { owner, quota, shelf, writer, serial } = openParts(options)
  let pendingBytes = 0

  function refuseOver (bytes: number, isLead: boolean): void {
    const reason = quota.refuse(bytes, shelf.bytes() + pendingBytes, isLead)
    if (reason !== undefined) throw new SpoolFull(reason)
  }

  async function tick (): Promise<void> {
    try {
      await owner.beat()
      await quota.refresh()
      await owner.adopt()
      await shelf.admit(owner.folder(), serial)
    } catch (error) {
      onEvent({ what: 'trouble', code: codeOf(error) })
    }
  }

  await owner.claim()
  await quota.refresh()
  await owner.adopt()
  await shelf.admit(owner.folder(), serial)
  const stopTicking = tickMs === 0 ? async () => undefined : repeat(tick, tickMs)

  return {
    seal: arrival => toRecord(arrival, keys),
    append: async (sealed, isLead) => {
      const bytes = Buffer.concat(sealed)
      refuseOver(bytes.length, isLead)
      pendingBytes += bytes.length
      try {
        await writer.append(bytes, sealed.length)
        quota.spend(bytes.length)
      } finally {
        pendingBytes -= bytes.length
      }
    },
    hasRoom: () => quota.refuse(mostBytes * 0.05, shelf.bytes() + pendingBytes, true) === undefined,
    isEmpty: shelf.isEmpty,
    drain: async (limit, store) => {
      if (shelf.closedRecords() < limit) await writer.roll()
      return await shelf.drain(limit, store)
    },
    state: () => shelf.state(now()),
    tick,
    close: async () => {
      await stopTicking()
      await writer.roll()
      await owner.leave(shelf.isEmpty()).catch((error: unknown) => {
        onEvent({ what: 'trouble', code: codeOf(error) })
      })
    }
  }
}

function openParts (options: SpoolOptions) {
  const { folder, keys, mostBytes, leastFreeBytes, onEvent, rollBytes = 4 << 20 } = options
  const { staleMs = 30_000, writeWithinMs = 5000 } = options
  const { disk = realDisk, identity = realIdentity(), now = Date.now, clock = () => performance.now() } = options
  const owner = own({ root: folder, disk, identity, clock, staleMs })
  const quota = openQuota({ disk, folder, mostBytes, leastFreeBytes })
  const shelf = openShelf({ disk, keys, quarantine: join(folder, 'quarantine'), onEvent })
  const serial = randomBytes(4).toString('hex')
  let serials = 0
  const writer = openWriter({
    disk,
    folder: owner.folder,
    claim: owner.claim,
    now,
    newSerial: () => `${serial}${(serials++).toString(36).padStart(4, '0')}`,
    rollBytes,
    withinMs: writeWithinMs,
    onBegun: shelf.put,
    onTaken: shelf.drop,
    onFailure: code => { onEvent({ what: 'write_failed', code }) }
  })
  return { owner, quota, shelf, writer, serial }
}

/** Runs `task`, which never rejects, at intervals and never twice at once; the result stops it, after the last run. */
function repeat (task: () => Promise<void>, ms: number): () => Promise<void> {
  let last = Promise.resolve()
  let isRunning = false
  const timer = setInterval(() => {
    if (isRunning) return
    isRunning = true
    last = task().finally(() => { isRunning = false })
  }, ms)
  timer.unref()
  return async () => {
    clearInterval(timer)
    await last
  }
}
