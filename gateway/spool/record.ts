// A spooled arrival as bytes: framed so that damage is found and stepped over, sealed so that it is never misread.
import { crc32 } from 'node:zlib'
import type { Keys } from '../../config/keys.ts'
import type { Arrival } from '../arrival.ts'

// A record is: mark (4) · length of the payload (4) · CRC-32 of the payload (4) · CRC-32 of these twelve bytes (4) ·
// payload. The head has a checksum of its own, so that a damaged payload can be stepped over by its length, and a
// damaged head by looking for the next mark with a right checksum. That the payload is what was written, is proved by
// its seal (AES-256-GCM), which no accident passes. Numbers are big-endian.
const mark = Buffer.from('psr1')
export const headBytes = 16

/** Binds the seal to its purpose: nothing sealed for a row can pass for a record. No site has a slash in its name. */
const purpose = 'postern/spool/1'

/** An arrival as it lies in a segment. */
export function toRecord (arrival: Arrival, keys: Keys): Buffer {
  return frame(keys.seal(purpose, Buffer.from(JSON.stringify(arrival))))
}

/** Sealed with our secret, but nothing that this version knows as an arrival. */
export class NotAnArrival extends Error {
  override name = 'NotAnArrival'
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Whether a record has what every version needs to store an arrival, or else to set it aside. */
function isArrival (given: unknown): given is Arrival {
  const part: Partial<Record<keyof Arrival['part'], unknown>> = (given as Arrival | null)?.part ?? {}
  return typeof part.site === 'string' && typeof part.event_id === 'string' && typeof part.data === 'object' &&
    typeof part.receipt_id === 'string' && uuid.test(part.receipt_id)
}

/** The arrival of a payload that scan() found. Throws KeyError or NotAnArrival when it cannot be read. */
export function fromPayload (payload: Buffer, keys: Keys): Arrival {
  const given: unknown = JSON.parse(keys.open(purpose, payload).toString())
  if (!isArrival(given)) throw new NotAnArrival('a record of another version')
  return given
}

export function frame (payload: Buffer): Buffer {
  const record = Buffer.allocUnsafe(headBytes + payload.length)
  mark.copy(record)
  record.writeUInt32BE(payload.length, 4)
  record.writeUInt32BE(crc32(payload), 8)
  record.writeUInt32BE(crc32(record.subarray(0, 12)), 12)
  payload.copy(record, headBytes)
  return record
}

export interface Span { from: number, to: number }

/** What lies in the bytes of a segment. */
export interface Scan {
  /** The payloads that are whole, in order. */
  payloads: Span[]
  /** Where the last whole record ends. */
  goodBytes: number
  /** Stretches that are no whole record: something that was written is not there any more. */
  damaged: Span[]
  /** Bytes at the end that a loss of power leaves of a write that nobody was told of. */
  tornBytes: number
}

/** The length of the payload whose head begins at `at`; undefined when no intact head does. */
function lengthAt (bytes: Buffer, at: number): number | undefined {
  if (at + headBytes > bytes.length || bytes.compare(mark, 0, 4, at, at + 4) !== 0) return undefined
  if (crc32(bytes.subarray(at, at + 12)) !== bytes.readUInt32BE(at + 12)) return undefined
  return bytes.readUInt32BE(at + 4)
}

/** The next intact head at or after `from`; the end when there is none. */
function findHead (bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(mark, from); at !== -1; at = bytes.indexOf(mark, at + 1)) {
    if (lengthAt(bytes, at) !== undefined) return at
  }
  return bytes.length
}

/**
 * Whether the end of a segment looks like a write that power did not let finish: the beginning of one record, cut off
 * or continued with zeros, which is what a file system shows for bytes that never came.
 */
function isTorn (bytes: Buffer, from: number): boolean {
  let end = bytes.length
  while (end > from && bytes[end - 1] === 0) end--
  if (end - from < headBytes) return true
  const length = lengthAt(bytes, from)
  if (length === undefined) return false
  const to = from + headBytes + length
  return bytes.length < to || (end <= to && bytes.length - end >= 8)
}

/**
 * Finds the records of a segment. `isComplete`: all of the bytes were acknowledged, so that a torn end is damage.
 * Never throws, whatever the bytes are.
 */
export function scan (bytes: Buffer, isComplete: boolean): Scan {
  const found: Scan = { payloads: [], goodBytes: 0, damaged: [], tornBytes: 0 }
  let at = 0
  while (at < bytes.length) {
    const length = lengthAt(bytes, at)
    const to = at + headBytes + (length ?? 0)
    const isWhole = length !== undefined && to <= bytes.length &&
      crc32(bytes.subarray(at + headBytes, to)) === bytes.readUInt32BE(at + 8)
    if (isWhole) {
      found.payloads.push({ from: at + headBytes, to })
      found.goodBytes = to
      at = to
      continue
    }
    const next = length !== undefined && to <= bytes.length ? to : findHead(bytes, at + 1)
    found.damaged.push({ from: at, to: next })
    at = next
  }
  const { goodBytes } = found
  if (!isComplete && goodBytes < bytes.length && isTorn(bytes, goodBytes)) {
    found.tornBytes = bytes.length - goodBytes
    found.damaged = found.damaged.filter(({ from }) => from < goodBytes)
  }
  return found
}
