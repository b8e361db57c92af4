// What the keeper remembers of a browser: since when it has seen each value that does not say so itself. Signed.
import { createHash } from 'node:crypto'
import type { Keys } from '../config/keys.ts'
import type { Jar } from './cookies.ts'

const purpose = 'kept_cookies'
const digestBytes = 6
const entryBytes = digestBytes + 2

/** Values over this many are not remembered, and so not kept: the cookie stays under 400 bytes. */
export const mostRemembered = 24

/** Days are whole days since 1970. */
export interface Ledger {
  /** The day on which it ends, with the consent. */
  endsDay: number
  /** The first day on which a value was seen, by the digest of its name and value. */
  firstDays: ReadonlyMap<string, number>
}

/**
 * The short digest of one value of one cookie. It needs no key: whoever sees it sees the cookie, too. And it must
 * stay the same when the secret is changed, or every first day would begin anew.
 */
export function digestOf (name: string, value: string): string {
  return createHash('sha256').update(`${name}=${value}`).digest().subarray(0, digestBytes).toString('latin1')
}

const form = /^v1\.(\d{5})\.([\w-]{0,256})\.([\w-]{43})$/

/**
 * The ledger that a request carries: of several the union, with the earlier of two days. The signature binds the
 * cookie's name and domain and all that it says; what does not verify, or is over, counts for nothing.
 */
export function readLedger (jar: Jar, cookieName: string, boundTo: string, nowMs: number, keys: Keys):
Ledger | undefined {
  let ledger: Ledger | undefined
  for (const value of jar.get(cookieName) ?? []) {
    const [, ends = '', entries = '', mac = ''] = form.exec(value) ?? []
    if (mac === '' || Number(ends) * 86_400_000 <= nowMs) continue
    if (!keys.macMatches(Buffer.from(mac, 'base64url'), purpose, cookieName, boundTo, ends, entries)) continue
    const firstDays = new Map(ledger?.firstDays)
    for (const [digest, day] of decodeEntries(entries)) {
      firstDays.set(digest, Math.min(day, firstDays.get(digest) ?? day))
    }
    ledger = { endsDay: Math.max(Number(ends), ledger?.endsDay ?? 0), firstDays }
  }
  return ledger
}

/** The cookie's value. */
export function writeLedger ({ endsDay, firstDays }: Ledger, cookieName: string, boundTo: string, keys: Keys): string {
  const entries = encodeEntries(firstDays)
  const ends = String(endsDay)
  return `v1.${ends}.${entries}.${keys.mac(purpose, cookieName, boundTo, ends, entries).toString('base64url')}`
}

function encodeEntries (firstDays: Ledger['firstDays']): string {
  const bytes = Buffer.alloc(firstDays.size * entryBytes)
  let at = 0
  for (const [digest, day] of firstDays) {
    bytes.write(digest, at, 'latin1')
    bytes.writeUInt16BE(day, at + digestBytes)
    at += entryBytes
  }
  return bytes.toString('base64url')
}

function decodeEntries (text: string): [digest: string, day: number][] {
  const bytes = Buffer.from(text, 'base64url')
  return Array.from({ length: Math.floor(bytes.length / entryBytes) }, (_, index) => {
    const at = index * entryBytes
    return [bytes.toString('latin1', at, at + digestBytes), bytes.readUInt16BE(at + digestBytes)]
  })
}
