// Whose a spool folder is: each process writes into a folder of its own, and takes over those of dead ones.
import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, type Disk } from './disk.ts'
import { readName } from './segment.ts'

// A process keeps a note beside its folder: who it is, and a beat that it renews. Another process takes the folder's
// segments when it can see that the owner is dead, or, where it cannot see it (another container or machine), when the
// beat has stood still for long enough by the observer's own clock. That judgement may be wrong: an owner may have been
// frozen. Nothing is lost by it, because a segment is taken by renaming it, and the owner acknowledges a write only
// when its segment still has its name after the write (writer.ts): what was acknowledged is in the file that was taken.

/** What tells one process from another on one machine. */
export interface ProcessMark {
  /** The machine's start and the container: only within them a process id means something. */
  place: string
  pid: number
  /** When the process started, in the machine's own units; ids are used again. */
  started: string
}

export interface Identity {
  own: ProcessMark
  isAlive: (mark: ProcessMark) => 'yes' | 'no' | 'unknown'
}

function readOr (absent: string, read: () => string): string {
  try {
    return read().trim()
  } catch (error) {
    // No /proc, or not allowed to look: then only the beat tells.
    if (codeOf(error) === 'unknown') throw error
    return absent
  }
}

/** The 22nd field of /proc/<pid>/stat; the second, the program's name, may hold spaces and brackets. */
function startedAt (pid: number): string {
  return readOr('', () => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')[19] ?? '')
}

/** The identity of this process, by what /proc says. */
export function realIdentity (): Identity {
  const boot = readOr('', () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))
  const container = readOr('', () => readlinkSync('/proc/self/ns/pid'))
  const own = { place: `${boot} ${container}`, pid: process.pid, started: startedAt(process.pid) }
  return {
    own,
    isAlive: mark => {
      if (boot === '' || container === '' || mark.place !== own.place) return 'unknown'
      return startedAt(mark.pid) === mark.started ? 'yes' : 'no'
    }
  }
}

export interface Ownership {
  /** The folder that this process writes into. */
  folder: () => string
  /** Makes the folder, at the start and when it was taken away. */
  claim: () => Promise<void>
  /** Shows that this process lives. */
  beat: () => Promise<void>
  /** Moves the segments of dead processes into the own folder. */
  adopt: () => Promise<void>
  /** Nothing will be written any more; what lies in the folder is free for others. */
  leave: (isEmpty: boolean) => Promise<void>
}

export interface OwnershipOptions {
  root: string
  disk: Disk
  identity: Identity
  /** Monotonic milliseconds. */
  clock: () => number
  /** How long a beat must stand still. */
  staleMs: number
}

const noteEnd = '.owner'

interface Note extends Partial<ProcessMark> { beat?: number, hasLeft?: boolean }

function readNote (text: string): Note {
  try {
    return JSON.parse(text) as Note
  } catch (error) {
    // Read while it was written, or left behind by a loss of power.
    if (!(error instanceof SyntaxError)) throw error
    return {}
  }
}

interface Owner extends OwnershipOptions {
  name: string
  folder: string
  /** What other owners' notes said, and since when they have said it. */
  seen: Map<string, { text: string, sinceMs: number }>
}

/** Names a folder of this process; claim() makes it. */
export function own (options: OwnershipOptions): Ownership {
  const { root, disk, identity } = options
  const name = randomBytes(6).toString('hex')
  const owner: Owner = { ...options, name, folder: join(root, name), seen: new Map() }
  const { folder } = owner
  let beats = 0
  const writeNote = async (more: Note = {}) => {
    await disk.note(folder + noteEnd, JSON.stringify({ ...identity.own, beat: beats++, ...more }))
  }
  return {
    folder: () => folder,
    claim: async () => {
      await disk.makeFolder(folder)
      await writeNote()
    },
    beat: async () => { await writeNote() },
    adopt: async () => await adopt(owner),
    leave: async isEmpty => {
      const isGone = isEmpty && await disk.removeFolder(folder)
      if (isGone) await disk.remove(folder + noteEnd)
      else await writeNote({ hasLeft: true })
    }
  }
}

async function adopt (owner: Owner): Promise<void> {
  const { root, disk, folder, name } = owner
  let isTaken = false
  for (const entry of await disk.list(root)) {
    // Put here by a person, from the quarantine or a backup. Under a new name, so that it is taken for no file of ours.
    const as = entry.replace('-', `-${randomBytes(4).toString('hex')}`)
    if (readName(entry) !== undefined && await move(owner, join(root, entry), as)) isTaken = true
    if (!/^[0-9a-f]{12}$/.test(entry) || entry === name) continue
    if (await isDead(owner, entry) && await take(owner, entry)) isTaken = true
  }
  if (isTaken) await disk.syncFolder(folder)
}

async function isDead ({ root, disk, identity, seen, clock, staleMs }: Owner, other: string): Promise<boolean> {
  const text = await disk.read(join(root, other + noteEnd)).then(String, error => {
    if (codeOf(error) !== 'ENOENT') throw error
    return ''
  })
  const { place, pid, started, hasLeft } = readNote(text)
  if (hasLeft === true) return true
  if (place !== undefined && pid !== undefined && started !== undefined) {
    const alive = identity.isAlive({ place, pid, started })
    if (alive !== 'unknown') return alive === 'no'
  }
  const last = seen.get(other)
  if (last === undefined || last.text !== text) seen.set(other, { text, sinceMs: clock() })
  return last !== undefined && last.text === text && clock() - last.sinceMs >= staleMs
}

/** Moves a dead owner's files; false when there were none. */
async function take (owner: Owner, other: string): Promise<boolean> {
  const { root, disk, seen } = owner
  let isTaken = false
  for (const file of await disk.list(join(root, other))) {
    if (await move(owner, join(root, other, file), file)) isTaken = true
  }
  // Not empty: its owner lives after all, and has begun a new segment.
  if (await disk.removeFolder(join(root, other))) await disk.remove(join(root, other + noteEnd))
  seen.delete(other)
  return isTaken
}

/** Moves a file into the own folder; false when a third process was faster. */
async function move ({ disk, folder }: Owner, from: string, as: string): Promise<boolean> {
  try {
    await disk.rename(from, join(folder, as))
    return true
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return false
  }
}
