// A segment: one file of the spool. Its name tells when it was begun and, once it is closed, how much of it counts.
import { basename, dirname, join } from 'node:path'

export interface Segment {
  path: string
  /** Unix milliseconds. */
  begunMs: number
  /** Bytes that count: acknowledged ones, or whole records of a segment whose process died. */
  bytes: number
  records: number
  /** Records that Postgres has. */
  stored: number
  isOpen: boolean
  /** Something in it could not be read: a person must see the file. */
  damaged: number
  /** Of the records stored from it, for the report. */
  saved: number
}

const pattern = /^(\d{13})-[0-9a-z]+(?:\.(\d+))?\.segment$/

/** The name of a new segment. `serial`: any lower-case word that no other segment has. */
export function nameSegment (begunMs: number, serial: string): string {
  return `${String(Math.max(0, Math.trunc(begunMs))).padStart(13, '0').slice(0, 13)}-${serial}.segment`
}

/** The path of a segment when it is closed: a file that later has fewer bytes than its name says was damaged. */
export function closedPath (path: string, bytes: number): string {
  return join(dirname(path), basename(path).replace(/\.segment$/, `.${bytes}.segment`))
}

/** What a name tells; undefined for a file that is no segment. `bytes` is absent when nobody closed it. */
export function readName (path: string): { begunMs: number, bytes?: number } | undefined {
  const [, begun, bytes] = pattern.exec(basename(path)) ?? []
  if (begun === undefined) return undefined
  return { begunMs: Number(begun), bytes: bytes === undefined ? undefined : Number(bytes) }
}
