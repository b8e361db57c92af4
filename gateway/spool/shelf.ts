// The segments that wait to be stored: what is in them, which is next, and what becomes of a damaged one.
import { basename, join } from 'node:path'
import { setImmediate as yieldToOthers } from 'node:timers/promises'
import { KeyError, type Keys } from '../../config/keys.ts'
import type { Arrival } from '../arrival.ts'
import { codeOf, type Disk } from './disk.ts'
import { fromPayload, NotAnArrival, scan, type Span } from './record.ts'
import { readName, type Segment } from './segment.ts'
import type { SpoolState, StoreArrivals } from './spool.ts'

export type ShelfEvent =
  | { what: 'adopted', segments: number, records: number }
  /** A write that nobody was told of was cut off. */
  | { what: 'torn_tail', segment: string, bytes: number }
  /** A file was put aside: `damaged` stretches of it could not be read; the `saved` records around them are stored. */
  | { what: 'quarantined', segment: string, damaged: number, saved: number, reason: string }
  /** Something on the disk failed that loses nothing by itself. */
  | { what: 'trouble', code: string }

export interface ShelfOptions {
  disk: Disk
  keys: Keys
  /** The folder for files that a person must look at. */
  quarantine: string
  onEvent: (event: ShelfEvent) => void
}

export interface Shelf {
  /** A segment with acknowledged records of this process. */
  put: (segment: Segment) => void
  /** Another process has it. */
  drop: (segment: Segment) => void
  /** Reads the segments in a folder that it does not know yet; those whose names hold `serial` are this process's. */
  admit: (folder: string, serial: string) => Promise<void>
  bytes: () => number
  isEmpty: () => boolean
  /** How many records wait in segments that nobody writes any more. */
  closedRecords: () => number
  drain: (limit: number, store: StoreArrivals) => Promise<number>
  state: (nowMs: number) => SpoolState
}

/** A segment as it lies in memory while it is drained. */
interface Loaded { segment: Segment, bytes: Buffer, payloads: Span[] }

interface Boards extends ShelfOptions {
  /** By age. */
  segments: Segment[]
  /** Those that the last batches came from. */
  loaded: Map<Segment, Loaded>
  quarantined: number
  /** Looked at once: what can be neither read nor moved is left to the next start. */
  given: Set<string>
}

/** Sealed with another secret, or by another version. */
const unreadable = [KeyError, NotAnArrival, SyntaxError]

const openAtOnce = 50
const mostBytesAtOnce = 1 << 20

export function openShelf (options: ShelfOptions): Shelf {
  const shelf: Boards = { ...options, segments: [], loaded: new Map(), quarantined: 0, given: new Set() }
  const { segments } = shelf
  const bytes = () => segments.reduce((sum, segment) => sum + segment.bytes, 0)
  return {
    put: segment => { put(shelf, segment) },
    drop: segment => { drop(shelf, segment) },
    admit: async (folder, serial) => { await admit(shelf, folder, serial) },
    bytes,
    isEmpty: () => segments.length === 0,
    closedRecords: () => closedOf(shelf).reduce((sum, { records, stored }) => sum + records - stored, 0),
    drain: async (limit, store) => await drain(shelf, limit, store),
    state: nowMs => ({
      bytes: bytes(),
      records: segments.reduce((sum, { records, stored }) => sum + records - stored, 0),
      oldestSeconds: segments[0] === undefined ? 0 : Math.max(0, (nowMs - segments[0].begunMs) / 1000),
      quarantined: shelf.quarantined
    })
  }
}

const closedOf = ({ segments }: Boards) => segments.filter(({ isOpen }) => !isOpen)

function put ({ segments }: Boards, segment: Segment): void {
  segments.push(segment)
  segments.sort((a, b) => a.begunMs - b.begunMs || (a.path < b.path ? -1 : 1))
}

function drop (shelf: Boards, segment: Segment): void {
  const at = shelf.segments.indexOf(segment)
  if (at !== -1) shelf.segments.splice(at, 1)
  shelf.loaded.delete(segment)
}

/** For what may fail without a loss: the file stays where it is, and the next start finds it. */
async function tell ({ onEvent }: Boards, work: () => Promise<void>): Promise<void> {
  await work().catch((error: unknown) => { onEvent({ what: 'trouble', code: codeOf(error) }) })
}

async function admit (shelf: Boards, folder: string, serial: string): Promise<void> {
  const { disk, quarantine, given, onEvent } = shelf
  shelf.quarantined = (await disk.list(quarantine)).length
  const names = (await disk.list(folder)).filter(name => !name.includes(`-${serial}`))
  const paths = names.map(name => join(folder, name)).filter(path => !given.has(path))
  let records = 0
  for (const path of paths) await tell(shelf, async () => { records += await admitOne(shelf, path) })
  if (paths.length > 0) onEvent({ what: 'adopted', segments: paths.length, records })
}

async function admitOne (shelf: Boards, path: string): Promise<number> {
  shelf.given.add(path)
  const { begunMs = 0, bytes: closedBytes } = readName(path) ?? {}
  const bytes = await shelf.disk.read(path)
  const { payloads, goodBytes, tornBytes } = scan(bytes.subarray(0, closedBytes), closedBytes !== undefined)
  if (tornBytes > 0) shelf.onEvent({ what: 'torn_tail', segment: basename(path), bytes: tornBytes })
  const segment: Segment = {
    path,
    begunMs,
    bytes: closedBytes ?? (tornBytes > 0 ? goodBytes : bytes.length),
    records: payloads.length,
    stored: 0,
    isOpen: false,
    damaged: 0,
    saved: 0
  }
  if (segment.bytes > 0) put(shelf, segment)
  else await shelf.disk.remove(path)
  return segment.records
}

/**
 * A batch goes across segments, so that a record that Postgres cannot store has neighbours that prove it (store.ts).
 */
async function drain (shelf: Boards, limit: number, store: StoreArrivals): Promise<number> {
  const batch: Opened[] = []
  let records = 0
  let size = 0
  for (const segment of closedOf(shelf)) {
    if (records >= limit || size >= mostBytesAtOnce) break
    const loaded = await loadOrGiveUp(shelf, segment)
    if (loaded === undefined) continue
    const opened = await open(loaded, limit - records, mostBytesAtOnce - size, shelf.keys)
    batch.push(opened)
    records += opened.records
    size += opened.size
  }
  const arrivals = batch.flatMap(opened => opened.arrivals)
  if (arrivals.length > 0) await store(arrivals)
  for (const opened of batch) {
    const { segment, payloads } = opened.loaded
    segment.damaged += opened.unreadable
    segment.stored += opened.records
    segment.saved += opened.arrivals.length
    if (segment.stored >= payloads.length) await finish(shelf, segment)
  }
  return arrivals.length
}

/** Undefined when another process has it, or the disk has lost it. Rejects when it may be readable later. */
async function loadOrGiveUp (shelf: Boards, segment: Segment): Promise<Loaded | undefined> {
  try {
    return await load(shelf, segment)
  } catch (error) {
    // Only a damaged disk is a reason to go on without these records; too many open files, say, is none.
    const code = codeOf(error)
    if (code !== 'ENOENT' && code !== 'EIO') throw error
    if (code === 'ENOENT') drop(shelf, segment)
    else await setAside(shelf, segment, code)
    return undefined
  }
}

async function load (shelf: Boards, segment: Segment): Promise<Loaded> {
  const known = shelf.loaded.get(segment)
  if (known !== undefined) return known
  const all = await shelf.disk.read(segment.path)
  const bytes = all.subarray(0, segment.bytes)
  const { payloads, damaged } = scan(bytes, true)
  segment.damaged = damaged.length + (all.length < segment.bytes ? 1 : 0)
  const loaded = { segment, bytes, payloads }
  shelf.loaded.set(segment, loaded)
  return loaded
}

interface Opened { loaded: Loaded, arrivals: Arrival[], records: number, size: number, unreadable: number }

/** The next arrivals of a segment, and how many records they are; some may be sealed with another secret. */
async function open (loaded: Loaded, limit: number, mostBytes: number, keys: Keys): Promise<Opened> {
  const { segment, bytes, payloads } = loaded
  const opened: Opened = { loaded, arrivals: [], records: 0, size: 0, unreadable: 0 }
  for (const { from, to } of payloads.slice(segment.stored, segment.stored + limit)) {
    if (opened.records > 0 && opened.size + to - from > mostBytes) break
    opened.size += to - from
    opened.records++
    try {
      opened.arrivals.push(fromPayload(bytes.subarray(from, to), keys))
    } catch (error) {
      if (!unreadable.some(kind => error instanceof kind)) throw error
      opened.unreadable++
    }
    // Requests are answered meanwhile.
    if (opened.records % openAtOnce === 0) await yieldToOthers()
  }
  return opened
}

/** Everything of the segment is stored. A file with damage is kept for a person; the others go. */
async function finish (shelf: Boards, segment: Segment): Promise<void> {
  if (segment.damaged > 0) return await setAside(shelf, segment, 'damaged')
  drop(shelf, segment)
  // Should the deletion fail or be undone by a loss of power, the segment comes again; Postgres knows its receipts.
  await tell(shelf, async () => { await shelf.disk.remove(segment.path) })
}

async function setAside (shelf: Boards, segment: Segment, reason: string): Promise<void> {
  const { disk, quarantine, onEvent, given } = shelf
  const { path, damaged, saved } = segment
  drop(shelf, segment)
  onEvent({ what: 'quarantined', segment: basename(path), damaged, saved, reason })
  await tell(shelf, async () => {
    await disk.makeFolder(quarantine)
    await disk.rename(path, join(quarantine, basename(path)))
    shelf.quarantined++
    given.delete(path)
  })
}
