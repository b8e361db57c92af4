// Which part of an arrival lies in which sealed column, and the keys by which an arrival finds its event.
import { hash } from 'node:crypto'
import type { Client, EventData } from './event.ts'
import { lengthen, shorten } from './short_text.ts'

/** The two plaintexts of a row in `events`: `sealed` and `sealed_client` (forgotten first). */
export interface Plaintexts { data: string, client: string | null }

export function toPlaintexts (data: EventData): Plaintexts {
  const { client } = data
  if (client === undefined) return { data: shorten(JSON.stringify(data)), client: null }
  return { data: shorten(JSON.stringify({ ...data, client: undefined })), client: shorten(JSON.stringify(client)) }
}

/** The inverse of toPlaintexts(). Rows are written by us alone, so a malformed one is a bug and throws. */
export function fromPlaintexts (plaintexts: Plaintexts): EventData {
  const data = JSON.parse(lengthen(plaintexts.data)) as EventData
  if (plaintexts.client !== null) data.client = JSON.parse(lengthen(plaintexts.client)) as Client
  return data
}

const digest = (kind: string, eventName: string, id: string) =>
  Buffer.from(hash('sha256', `${kind}\0${eventName}\0${id}`).slice(0, 32), 'hex')

/** The key of an event: 16 bytes over its name and id. */
export function eventKey (eventName: string, eventId: string): Buffer {
  return digest('id', eventName, eventId)
}

/** The events that are also recognised by their transaction. */
const claimingEvents = new Set(['purchase', 'refund'])

/** The claim of a purchase or refund on its transaction_id; null for other events. */
export function transactionClaim (eventName: string, transactionId: string | undefined): Buffer | null {
  if (transactionId === undefined || !claimingEvents.has(eventName)) return null
  return digest('transaction', eventName, transactionId.trim())
}

/** The id that browser, webhook and back end all derive when nobody gave one: `<event_name>.<transaction_id>`. */
export function derivedEventId (eventName: string, transactionId: string): string {
  return `${eventName}.${transactionId.trim()}`
}
