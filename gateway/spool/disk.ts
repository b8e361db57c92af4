// The few things the spool asks of a disk, so that a test can stand in for one that loses power, fills up or breaks.
import { mkdir, open, readFile, readdir, rename, rm, rmdir, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A file that is written at its end. After a rejection nobody knows what of the bytes is on the disk. */
export interface DiskFile {
  append: (bytes: Buffer) => Promise<void>
  /** Resolved: what was appended survives a loss of power. */
  sync: () => Promise<void>
  /** Whether `path` still leads to this file: not when another process has taken it away. */
  isAt: (path: string) => Promise<boolean>
  close: () => Promise<void>
}

/** Rejects as node:fs does, with a `code`. */
export interface Disk {
  /** With the folders above it; durable. */
  makeFolder: (path: string) => Promise<void>
  /** Names; none when there is no such folder. */
  list: (path: string) => Promise<string[]>
  /** A new file; EEXIST when there is one, ENOENT when the folder is gone. */
  create: (path: string) => Promise<DiskFile>
  read: (path: string) => Promise<Buffer>
  /** Writes a small file that need not survive a loss of power. */
  note: (path: string, text: string) => Promise<void>
  rename: (from: string, to: string) => Promise<void>
  remove: (path: string) => Promise<void>
  /** False when it is not empty. */
  removeFolder: (path: string) => Promise<boolean>
  /** Resolved: the names in the folder survive a loss of power. */
  syncFolder: (path: string) => Promise<void>
  /** Bytes that this process may still write. */
  freeBytes: (path: string) => Promise<number>
}

export function codeOf (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

async function syncFolder (path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function makeFolder (path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  // Each new folder is a name in the one above it.
  for (let made = path; made !== dirname(first); made = dirname(made)) await syncFolder(dirname(made))
}

async function create (path: string): Promise<DiskFile> {
  const file = await open(path, 'wx', 0o600)
  return {
    append: async bytes => {
      for (let from = 0; from < bytes.length;) from += (await file.write(bytes, from)).bytesWritten
    },
    sync: async () => { await file.datasync() },
    isAt: async name => {
      const [own, named] = await Promise.all([file.stat(), stat(name).catch(ignoreAbsent)])
      return named !== undefined && named.ino === own.ino && named.dev === own.dev
    },
    close: async () => { await file.close() }
  }
}

function ignoreAbsent (error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error
}

/** The real one. */
export const realDisk: Disk = {
  makeFolder,
  list: async path => await readdir(path).catch(ignoreAbsent) ?? [],
  create,
  read: async path => await readFile(path),
  note: async (path, text) => { await writeFile(path, text, { mode: 0o600 }) },
  rename,
  remove: async path => { await rm(path, { force: true }) },
  removeFolder: async path => {
    try {
      await rmdir(path)
      return true
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return true
      if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false
      throw error
    }
  },
  syncFolder,
  freeBytes: async path => {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  }
}
