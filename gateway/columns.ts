// A batch of rows as the parameters of append_parts(): clear values as arrays, all bytes as one.
import type { Row } from './append.ts'

/** A row's parts of the bytes, in the order in which they are laid down; digests come before them, 16 bytes a row. */
const byteParts: ((row: Row) => Buffer | null | undefined)[] = [
  row => row.claim,
  row => row.visitor,
  row => row.sealed,
  row => row.sealedClient,
  row => row.touch?.digest,
  row => row.touch?.sealed,
  row => row.lead?.sealed,
  row => row.lead?.otherDigest
]
/** Those of the parts whose length is not always 16. */
const varied = [2, 3, 5, 6]
const digestBytes = 16

const clearTypes = ['text', 'uuid', 'bigint', 'bigint', 'text', 'text', 'trust', 'boolean', 'boolean', 'bigint', 'text',
  'text', 'text']
const placeTypes = [...byteParts, ...varied, 'subject_ords', 'subject_ats'].map(() => 'integer')

/** Gives back a row for each arrival whose event was known already, and none for the others. */
export const appendStatement = {
  name: 'append_parts',
  text: 'SELECT ord, status, kept_event_id, is_new_event FROM append_parts(' +
    [...clearTypes, ...placeTypes].map((type, index) => `$${index + 1}::${type}[], `).join('') +
    `$${clearTypes.length + placeTypes.length + 1}::bytea)`
}

/** Needs no quotes, which pg would look for in every element. */
const toArray = (values: readonly (number | string | boolean | null)[]) =>
  `{${values.map(value => value ?? 'NULL').join(',')}}`

/**
 * Lays out all bytes of the rows as one parameter: a Buffer goes to Postgres as it is, while an array of them is
 * written and read as hexadecimal text, which costs Postgres more than storing it.
 */
function layOut (rows: readonly Row[]): { bytes: Buffer, places: (number | null)[][], subjectAts: number[] } {
  const places: (number | null)[][] = [...byteParts, ...varied].map(() => [])
  const chunks: Buffer[] = rows.map(row => row.digest)
  let at = 1 + rows.length * digestBytes
  const add = (chunk: Buffer) => {
    chunks.push(chunk)
    at += chunk.length
    return at - chunk.length
  }
  for (const row of rows) {
    byteParts.forEach((pick, index) => {
      const chunk = pick(row) ?? null
      places[index]?.push(chunk === null ? null : add(chunk))
      const length = varied.indexOf(index)
      if (length >= 0) places[byteParts.length + length]?.push(chunk?.length ?? null)
    })
  }
  const subjectAts = rows.flatMap(row => row.subjects.map(add))
  return { bytes: Buffer.concat(chunks, at - 1), places, subjectAts }
}

/** The values of appendStatement. */
export function toColumns (rows: readonly Row[]): unknown[] {
  const { bytes, places, subjectAts } = layOut(rows)
  return [
    rows.map(row => row.site),
    toArray(rows.map(row => row.receiptId)),
    toArray(rows.map(row => row.receivedAt.getTime())),
    toArray(rows.map(row => row.occurredAt.getTime())),
    rows.map(row => row.eventName),
    rows.map(row => row.eventId),
    toArray(rows.map(row => row.trust)),
    toArray(rows.map(row => row.hasContact)),
    toArray(rows.map(row => row.isBot)),
    toArray(rows.map(row => row.touch?.at.getTime() ?? null)),
    rows.map(row => row.lead?.id ?? null),
    rows.map(row => row.lead?.flag ?? null),
    rows.map(row => row.lead?.otherEventId ?? null),
    ...places.map(toArray),
    toArray(rows.flatMap((row, index) => row.subjects.map(() => index + 1))),
    toArray(subjectAts),
    bytes
  ]
}
