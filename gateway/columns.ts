// A batch of rows as the parameters of append_parts(): one array per column. Those of bytes, texts and numbers go in
// Postgres's binary form, which costs it a fraction of what it takes to read them as text.
import type { Row } from './append.ts'

/** https://www.postgresql.org/docs/current/catalog-pg-type.html: these numbers never change. */
const oids = { bytea: 17, integer: 23, text: 25, float8: 701, date: 1082 }

const types = ['text', 'uuid', 'date', 'float8', 'float8', 'text', 'text', 'trust', 'boolean', 'boolean', 'bytea',
  'bytea', 'integer', 'bytea', 'bytea', 'bytea', 'float8', 'bytea', 'bytea', 'text', 'text', 'bytea', 'text', 'bytea',
  'integer', 'bytea']

/** Gives back a row for each arrival whose event was known already, and none for the others. */
export const appendStatement = {
  name: 'append_parts',
  text: 'SELECT ord, status, kept_event_id, is_new_event FROM append_parts($1::boolean, ' +
    types.map((type, index) => `$${index + 2}::${type}[]`).join(', ') + ')'
}

/** For what Postgres itself must check. Needs no quotes, which pg would look for in every element. */
const asText = (values: readonly (string | boolean)[]) => `{${values.join(',')}}`

const headerBytes = 20

/** The header of an array in binary form; elements follow, each after its length. Nothing has no dimensions. */
function openArray (oid: number, count: number, elementBytes: number): Buffer {
  const array = Buffer.allocUnsafe(count === 0 ? 12 : headerBytes + 4 * count + elementBytes)
  array.writeInt32BE(count === 0 ? 0 : 1, 0)
  array.writeInt32BE(1, 4)
  array.writeInt32BE(oid, 8)
  if (count === 0) return array
  array.writeInt32BE(count, 12)
  array.writeInt32BE(1, 16)
  return array
}

/** NULL where there are no bytes. */
function asBytes (values: readonly (Buffer | null | undefined)[]): Buffer {
  let bytes = 0
  for (const value of values) bytes += value?.length ?? 0
  const array = openArray(oids.bytea, values.length, bytes)
  let at = headerBytes
  for (const value of values) {
    at = array.writeInt32BE(value?.length ?? -1, at)
    if (value !== null && value !== undefined) at += value.copy(array, at)
  }
  return array
}

function asTexts (values: readonly (string | null | undefined)[]): Buffer {
  let bytes = 0
  for (const value of values) bytes += value === null || value === undefined ? 0 : Buffer.byteLength(value)
  const array = openArray(oids.text, values.length, bytes)
  let at = headerBytes
  for (const value of values) {
    const length = value === null || value === undefined ? -1 : array.write(value, at + 4)
    array.writeInt32BE(length, at)
    at += 4 + Math.max(0, length)
  }
  return array
}

function asIntegers (values: readonly number[], oid = oids.integer): Buffer {
  const array = openArray(oid, values.length, 4 * values.length)
  let at = headerBytes
  for (const value of values) at = array.writeInt32BE(value, array.writeInt32BE(4, at))
  return array
}

/** Unix seconds, which Postgres refuses when they are no time; NULL where there are none. */
function asTimes (values: readonly (Date | undefined)[]): Buffer {
  const array = openArray(oids.float8, values.length, 8 * values.filter(value => value !== undefined).length)
  let at = headerBytes
  for (const value of values) {
    at = array.writeInt32BE(value === undefined ? -1 : 8, at)
    if (value !== undefined) at = array.writeDoubleBE(value.getTime() / 1000, at)
  }
  return array
}

/** UTC days, which Postgres counts from 2000 on. */
const asDays = (values: readonly Date[]) =>
  asIntegers(values.map(value => Math.floor(value.getTime() / 86_400_000) - 10_957), oids.date)

/**
 * In which order the keys go in, as places (from 1) in the digests of all rows followed by the claims of all: the same
 * for every batch of every process, so that two never wait for each other in a circle. It is the order of their index.
 */
function keyOrder (rows: readonly Row[]): number[] {
  const keys: { key: Buffer, site: string, place: number }[] = []
  rows.forEach(({ site, digest, claim }, index) => {
    keys.push({ key: digest, site, place: index + 1 })
    if (claim !== null) keys.push({ key: claim, site, place: rows.length + index + 1 })
  })
  keys.sort((a, b) => a.key.compare(b.key) || (a.site < b.site ? -1 : Number(a.site > b.site)) || a.place - b.place)
  return keys.map(({ place }) => place)
}

/** The values of appendStatement. `mayKnow`: some of the keys may be there already. */
export function toColumns (rows: readonly Row[], mayKnow: boolean): unknown[] {
  const bySubject = rows.flatMap((row, index) => row.subjects.map(blind => ({ ord: index + 1, blind })))
  return [
    mayKnow,
    asTexts(rows.map(row => row.site)),
    asText(rows.map(row => row.receiptId)),
    asDays(rows.map(row => row.receivedAt)),
    asTimes(rows.map(row => row.receivedAt)),
    asTimes(rows.map(row => row.occurredAt)),
    asTexts(rows.map(row => row.eventName)),
    asTexts(rows.map(row => row.eventId)),
    asText(rows.map(row => row.trust)),
    asText(rows.map(row => row.hasContact)),
    asText(rows.map(row => row.isBot)),
    asBytes(rows.map(row => row.digest)),
    asBytes(rows.map(row => row.claim)),
    asIntegers(keyOrder(rows)),
    asBytes(rows.map(row => row.visitor)),
    asBytes(rows.map(row => row.sealed)),
    asBytes(rows.map(row => row.sealedClient)),
    asTimes(rows.map(row => row.touch?.at)),
    asBytes(rows.map(row => row.touch?.digest)),
    asBytes(rows.map(row => row.touch?.sealed)),
    asTexts(rows.map(row => row.lead?.id)),
    asTexts(rows.map(row => row.lead?.flag)),
    asBytes(rows.map(row => row.lead?.sealed)),
    asTexts(rows.map(row => row.lead?.otherEventId)),
    asBytes(rows.map(row => row.lead?.otherDigest)),
    asIntegers(bySubject.map(({ ord }) => ord)),
    asBytes(bySubject.map(({ blind }) => blind))
  ]
}
