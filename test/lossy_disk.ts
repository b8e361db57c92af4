// A disk in memory that does what disks do at the worst moment: loses power, tears writes, fails to sync, fills up.
import { dirname, join } from 'node:path'
import type { Disk, DiskFile } from '../gateway/spool/disk.ts'

/** A seeded generator (xorshift32): the same seed, the same disaster. */
export interface Chance {
  /** 0 … n-1 */
  below: (n: number) => number
  /** True once in `n` times. */
  once: (n: number) => boolean
}

export function chanceOf (seed: number): Chance {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b) | 0 || 1
  const below = (n: number) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % n
  }
  return { below, once: n => below(n) === 0 }
}

/** A stretch of a file: only what was synced is sure to be there after a loss of power. */
interface Chunk { bytes: Buffer, state: 'dirty' | 'synced' | 'thrown_away' }
interface Inode { chunks: Chunk[] }
interface NameChange { folders: string[], apply: (names: Map<string, Inode>) => void }

export interface Faults {
  /** An operation fails once in so many times; 0: never. */
  failOnceIn: number
  /** What may still be written. */
  freeBytes: number
}

const sector = 512

function ioError (code: string): Error {
  return Object.assign(new Error(code), { code, syscall: 'test' })
}

export interface LossyDisk extends Disk {
  faults: Faults
  /** Power goes at the n-th operation from now; the operation may still be done in part. */
  losePowerAt: (operations: number) => void
  /** Resolved when power has gone. What ran until then hears nothing of its disk any more. */
  powerLost: Promise<void>
  isDown: () => boolean
}

/** What the disk of a machine holds, from one power-up to the next. */
export interface Platter { names: Map<string, Inode>, folders: Set<string> }

export const emptyPlatter = (): Platter => ({ names: new Map(), folders: new Set() })

/** Keeps of a file what was synced, and of the rest whatever the disk happened to write first. */
function survive (inode: Inode, chance: Chance): Buffer {
  const kept: Buffer[] = []
  let size = 0
  let at = 0
  for (const { bytes, state } of inode.chunks) {
    const image = Buffer.alloc(bytes.length)
    for (let from = 0; from < bytes.length;) {
      // Sectors are written whole, or up to some byte, or not at all, and in any order.
      const to = Math.min(bytes.length, from + sector - (at + from) % sector)
      const end = state === 'synced' || chance.once(2) ? to : chance.once(2) ? from : from + chance.below(to - from + 1)
      bytes.copy(image, from, from, end)
      if (end > from) size = at + end
      from = to
    }
    kept.push(image)
    at += bytes.length
  }
  const whole = Buffer.concat(kept)
  // The length may have been written before the bytes: then zeros stand in their place.
  return chance.once(3) ? whole : whole.subarray(0, size)
}

/** Switches on: a disk over what the platter holds. */
export function switchOn (platter: Platter, chance: Chance): LossyDisk {
  const live = { names: new Map(platter.names), folders: new Set(platter.folders) }
  let pending: NameChange[] = []
  let operationsLeft = Number.POSITIVE_INFINITY
  let isDown = false
  let tellLost: () => void = () => {}
  const powerLost = new Promise<void>(resolve => { tellLost = resolve })
  const faults: Faults = { failOnceIn: 0, freeBytes: Number.POSITIVE_INFINITY }

  function losePower (): void {
    isDown = true
    // Names that were not synced may be there or not, each for itself; a rename is there or not as a whole.
    const inOrder = chance.once(2)
    const upTo = chance.below(pending.length + 1)
    pending.forEach(({ apply }, at) => { if (inOrder ? at < upTo : chance.once(2)) apply(platter.names) })
    for (const [path, inode] of platter.names) {
      platter.names.set(path, { chunks: [{ bytes: survive(inode, chance), state: 'synced' }] })
    }
    tellLost()
  }

  /** An operation: after the loss of power it never ends. */
  async function operate<T> (work: () => T, partial: () => void = () => {}): Promise<T> {
    await Promise.resolve()
    if (isDown) return await new Promise<T>(() => undefined)
    if (--operationsLeft <= 0) {
      try {
        if (chance.once(2)) work()
        else partial()
      } finally {
        losePower()
      }
      return await new Promise<T>(() => undefined)
    }
    return work()
  }

  function changeNames (folders: string[], apply: NameChange['apply']): void {
    apply(live.names)
    pending.push({ folders, apply })
  }

  const fails = () => faults.failOnceIn > 0 && chance.once(faults.failOnceIn)

  function openFile (inode: Inode): DiskFile {
    const write = (bytes: Buffer) => {
      faults.freeBytes -= bytes.length
      inode.chunks.push({ bytes: Buffer.from(bytes), state: 'dirty' })
    }
    return {
      append: async bytes => {
        await operate(() => {
          const part = Math.min(fails() ? chance.below(bytes.length) : bytes.length, Math.max(0, faults.freeBytes))
          write(bytes.subarray(0, part))
          if (part < bytes.length) throw ioError('ENOSPC')
        }, () => { write(bytes.subarray(0, chance.below(bytes.length))) })
      },
      sync: async () => {
        await operate(() => {
          const isFailure = fails()
          for (const chunk of inode.chunks) {
            // A failed sync throws pages away and calls them clean: the next one has nothing to do, and succeeds.
            if (chunk.state === 'dirty') chunk.state = isFailure ? 'thrown_away' : 'synced'
          }
          if (isFailure) throw ioError('EIO')
        })
      },
      isAt: async path => await operate(() => live.names.get(path) === inode),
      close: async () => { await operate(() => undefined) }
    }
  }

  const inFolder = (path: string) => {
    if (!live.folders.has(dirname(path))) throw ioError('ENOENT')
  }

  return {
    faults,
    powerLost,
    isDown: () => isDown,
    losePowerAt: operations => { operationsLeft = operations },
    makeFolder: async path => {
      await operate(() => {
        for (let each = path; each !== dirname(each); each = dirname(each)) {
          live.folders.add(each)
          platter.folders.add(each)
        }
      })
    },
    list: async path => await operate(() => [...new Set([...live.names.keys(), ...live.folders])]
      .filter(each => dirname(each) === path).map(each => each.slice(path.length + 1))),
    create: async path => await operate(() => {
      inFolder(path)
      if (live.names.has(path)) throw ioError('EEXIST')
      if (fails()) throw ioError('EMFILE')
      const inode: Inode = { chunks: [] }
      changeNames([dirname(path)], names => { names.set(path, inode) })
      return openFile(inode)
    }),
    read: async path => await operate(() => {
      const inode = live.names.get(path)
      if (inode === undefined) throw ioError('ENOENT')
      if (fails()) throw ioError('EMFILE')
      return Buffer.concat(inode.chunks.map(({ bytes }) => bytes))
    }),
    note: async (path, text) => {
      await operate(() => {
        const inode: Inode = { chunks: [{ bytes: Buffer.from(text), state: 'dirty' }] }
        changeNames([dirname(path)], names => { names.set(path, inode) })
      })
    },
    rename: async (from, to) => {
      await operate(() => {
        inFolder(to)
        if (!live.names.has(from)) throw ioError('ENOENT')
        changeNames([dirname(from), dirname(to)], names => {
          const inode = names.get(from)
          if (inode === undefined) return
          names.delete(from)
          names.set(to, inode)
        })
      })
    },
    remove: async path => {
      await operate(() => { changeNames([dirname(path)], names => { names.delete(path) }) })
    },
    removeFolder: async path => await operate(() => {
      const isEmpty = ![...live.names.keys()].some(each => dirname(each) === path)
      if (isEmpty) live.folders.delete(path)
      return isEmpty
    }),
    syncFolder: async path => {
      await operate(() => {
        if (fails()) throw ioError('EIO')
        // A journal keeps the order: what came before goes to the disk with it.
        const last = pending.findLastIndex(({ folders }) => folders.includes(path))
        for (const { apply } of pending.slice(0, last + 1)) apply(platter.names)
        pending = pending.slice(last + 1)
      })
    },
    freeBytes: async () => await operate(() => faults.freeBytes)
  }
}

/** The path of a folder on the disk. */
export const spoolRoot = join('/', 'data', 'spool')
