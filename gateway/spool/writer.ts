// Appends records to segments: what comes while a write is under way shares the next one, and one sync.
import { join } from 'node:path'
import { codeOf, type Disk, type DiskFile } from './disk.ts'
import { closedPath, nameSegment, type Segment } from './segment.ts'

export interface WriterOptions {
  disk: Disk
  /** Where new segments go. */
  folder: () => string
  /** Makes that folder again when it was taken away. */
  claim: () => Promise<void>
  now: () => number
  /** Different at each call and in each process. */
  newSerial: () => string
  /** A segment of this size is closed. */
  rollBytes: number
  /** A disk that does not answer for this long has failed; 0: it is waited for. */
  withinMs: number
  /** A segment holds acknowledged records from now on. */
  onBegun: (segment: Segment) => void
  /** A segment was taken by another process, which stores what is in it. */
  onTaken: (segment: Segment) => void
  /** A write or sync failed; the segment is not written any more. */
  onFailure: (code: string) => void
}

export interface SegmentWriter {
  /** Resolved: the records survive a loss of power. Rejected: nothing may be promised of them. */
  append: (bytes: Buffer, records: number) => Promise<void>
  /** Closes the segment that is being written, after what was appended before. */
  roll: () => Promise<void>
}

class TakenAway extends Error {
  override name = 'TakenAway'
}

class TooSlow extends Error {
  override name = 'TooSlow'
  readonly code = 'ETIMEDOUT'
}

async function within<T> (ms: number, work: Promise<T>): Promise<T> {
  if (ms === 0) return await work
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new TooSlow('the disk does not answer')) }, ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

interface Waiting { bytes: Buffer, records: number, resolve: () => void, reject: (error: unknown) => void }
interface Open { file: DiskFile, segment: Segment, isTold: boolean }

interface Writer {
  options: WriterOptions
  waiting: Waiting[]
  rolls: (() => void)[]
  open: Open | undefined
  isBusy: boolean
  /** Counts the tries that were given up: what a slow disk does for one of them later, must touch nothing. */
  givenUp: number
}

/** Opens a writer; the first append begins the first segment. */
export function openWriter (options: WriterOptions): SegmentWriter {
  const writer: Writer = { options, waiting: [], rolls: [], open: undefined, isBusy: false, givenUp: 0 }
  const start = () => { work(writer).catch((error: unknown) => { options.onFailure(codeOf(error)) }) }
  return {
    append: async (bytes, records) => {
      await new Promise<void>((resolve, reject) => {
        writer.waiting.push({ bytes, records, resolve, reject })
        start()
      })
    },
    roll: async () => {
      await new Promise<void>(resolve => {
        writer.rolls.push(resolve)
        start()
      })
    }
  }
}

async function work (writer: Writer): Promise<void> {
  if (writer.isBusy) return
  writer.isBusy = true
  while (writer.waiting.length > 0 || writer.rolls.length > 0) {
    const group = writer.waiting.splice(0)
    const asked = writer.rolls.splice(0)
    if (group.length > 0) await writeGroup(writer, group)
    if (asked.length > 0) await closeInTime(writer)
    for (const done of asked) done()
  }
  writer.isBusy = false
}

/** Those who wait to write wait for a disk that does not answer no longer than their own write would. */
async function closeInTime (writer: Writer): Promise<void> {
  const { withinMs, onFailure } = writer.options
  await within(withinMs, close(writer)).catch((error: unknown) => { onFailure(codeOf(error)) })
}

/** Writes a group, and once more to a new segment when the first try failed. */
async function writeGroup (writer: Writer, group: readonly Waiting[]): Promise<void> {
  const { withinMs } = writer.options
  const bytes = Buffer.concat(group.map(one => one.bytes))
  const records = group.reduce((sum, one) => sum + one.records, 0)
  for (const isLast of [false, true]) {
    try {
      await within(withinMs, write(writer, bytes, records))
      for (const one of group) one.resolve()
      return
    } catch (error) {
      await quietly(within(withinMs, abandon(writer, error)))
      if (isLast || error instanceof TooSlow) {
        for (const one of group) one.reject(error)
        return
      }
    }
  }
}

async function write (writer: Writer, bytes: Buffer, records: number): Promise<void> {
  const { givenUp } = writer
  const open = writer.open ?? await begin(writer)
  const { file, segment } = open
  await file.append(bytes)
  await file.sync()
  if (!await file.isAt(segment.path)) throw new TakenAway('the segment has another name')
  if (writer.givenUp !== givenUp) return
  segment.bytes += bytes.length
  segment.records += records
  if (!open.isTold) {
    open.isTold = true
    writer.options.onBegun(segment)
  }
  if (segment.bytes >= writer.options.rollBytes) await close(writer)
}

async function begin (writer: Writer): Promise<Open> {
  const { disk, folder, claim, now, newSerial } = writer.options
  const { givenUp } = writer
  const begunMs = now()
  const name = nameSegment(begunMs, newSerial())
  const make = async () => {
    const path = join(folder(), name)
    return { file: await disk.create(path), path }
  }
  const { file, path } = await make().catch(async error => {
    if (codeOf(error) !== 'ENOENT') throw error
    await claim()
    return await make()
  })
  const segment: Segment = { path, begunMs, bytes: 0, records: 0, stored: 0, isOpen: true, damaged: 0, saved: 0 }
  const open = { file, segment, isTold: false }
  if (writer.givenUp !== givenUp) {
    await quietly(file.close())
    throw new TooSlow('the file was made too late')
  }
  writer.open = open
  // A file whose name is not on the disk is not found after a loss of power.
  await disk.syncFolder(folder())
  return open
}

/**
 * A failed write or sync is never tried again on the same file: the kernel may have thrown the bytes away, and calls
 * the next sync a success (https://wiki.postgresql.org/wiki/Fsync_Errors). What was acknowledged before stays good.
 */
async function abandon (writer: Writer, error: unknown): Promise<void> {
  const { disk, onTaken, onFailure } = writer.options
  const left = writer.open
  writer.open = undefined
  writer.givenUp++
  const isTaken = error instanceof TakenAway
  if (!isTaken) onFailure(codeOf(error))
  if (left === undefined) return
  if (isTaken) onTaken(left.segment)
  left.segment.isOpen = false
  await quietly(left.file.close())
  // Nobody was told of anything in it.
  if (!left.isTold && !isTaken) await quietly(disk.remove(left.segment.path))
}

async function close (writer: Writer): Promise<void> {
  const left = writer.open
  writer.open = undefined
  if (left === undefined) return
  await quietly(left.file.close())
  const path = closedPath(left.segment.path, left.segment.bytes)
  try {
    await writer.options.disk.rename(left.segment.path, path)
    left.segment.path = path
  } catch (error) {
    // Otherwise the old name does as well: it only says less.
    if (codeOf(error) === 'ENOENT') writer.options.onTaken(left.segment)
  }
  left.segment.isOpen = false
}

/** For what may fail without consequence: closing and clearing away what is not used any more. */
async function quietly (task: Promise<void>): Promise<void> {
  await task.catch(() => undefined)
}
