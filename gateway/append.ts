// Writes a batch of arrivals to Postgres in one statement: sealed payloads and clear columns for append_parts().
import { hash } from 'node:crypto'
import type { Keys } from '../config/keys.ts'
import { prepared, type Pool } from '../config/postgres.ts'
import { eventKey, toPlaintexts, transactionClaim } from '../schema/sealing.ts'
import { shorten } from '../schema/short_text.ts'
import { subjectsOf } from '../schema/subject.ts'
import { hasContact, type Arrival, type Receipt } from './arrival.ts'
import { remember, type Known } from '../config/bounded.ts'
import { appendStatement, toColumns } from './columns.ts'
import type { SeenKeys } from './seen_keys.ts'

/** One arrival as columns; sealed, so that nothing personal waits in memory longer than it must. */
export interface Row {
  site: string
  receiptId: string
  receivedAt: Date
  occurredAt: Date
  eventName: string
  eventId: string
  digest: Buffer
  claim: Buffer | null
  trust: string
  hasContact: boolean
  isBot: boolean
  visitor: Buffer | null
  sealed: Buffer
  sealedClient: Buffer | null
  touch: { digest: Buffer, at: Date, sealed: Buffer } | null
  lead: { id: string, sealed: Buffer, flag: string | null, otherEventId: string, otherDigest: Buffer } | null
  subjects: Buffer[]
  /** Nothing but the touch is stored. */
  isLanding: boolean
  bytes: number
}

/** The repeated landing of a visitor is one touch: what it is, without when. */
function touchDigest (touch: NonNullable<Arrival['touch']>): Buffer {
  const clicks = Object.entries(touch.click_ids ?? {}).map(([param, { value }]) => `${param}=${value}`).sort()
  const campaign = Object.entries(touch.campaign ?? {}).map(([field, value]) => `${field}=${value}`).sort()
  return Buffer.from(hash('sha256', JSON.stringify([clicks, campaign])).slice(0, 32), 'hex')
}

type TouchColumns = NonNullable<Row['touch']>

/** A touch may have been deleted since, by a revoke at another gateway or by retention: it is not known for longer. */
const knownForMs = 600_000

/** By this a touch is known again that is committed already. */
export const touchName = (
  { site, receivedAt }: Pick<Row, 'site' | 'receivedAt'>, visitor: Buffer, { digest }: Pick<TouchColumns, 'digest'>
): string =>
  `${site} ${Math.floor(+receivedAt / knownForMs)} ${visitor.toString('latin1')}${digest.toString('latin1')}`

/**
 * The landing as columns; null for one that `kept` holds: every page view of a visitor who came over an advertisement
 * tells of the same landing again.
 */
function toTouch ({ part, touch }: Arrival, visitor: Buffer | null, keys: Keys, kept: Pick<Known, 'has'>):
TouchColumns | null {
  if (touch === undefined || visitor === null) return null
  const digest = touchDigest(touch)
  if (kept.has(touchName(namesOf(part), visitor, { digest }))) return null
  const sealed = keys.seal(part.site, Buffer.from(shorten(JSON.stringify(touch))))
  return { digest, at: new Date(touch.seen_at_ms), sealed }
}

/** What is computed once per visitor, whose events come one after another. */
interface Memory {
  /** The blind index of a visitor. */
  indexOf: (site: string, visitorId: string) => Buffer
  /** A visitor's sealed address and user agent: equal ones lie in the same bytes, which tell no more than his index. */
  sealClient: (site: string, visitor: Buffer, client: string) => Buffer
}

const memories = new WeakMap<Keys, Memory>()
const rememberedVisitors = 10_000

function openMemory (keys: Keys): Memory {
  let given = { site: '', text: '' }
  const indexes = remember(rememberedVisitors, () => keys.blindIndex(given.site, 'visitor', given.text))
  const clients = remember(rememberedVisitors, () => withoutPool(keys.seal(given.site, Buffer.from(given.text))))
  return {
    indexOf (site, visitorId) {
      given = { site, text: visitorId }
      return indexes(`${site} ${visitorId}`)
    },
    sealClient (site, visitor, client) {
      given = { site, text: client }
      // Nothing personal waits in memory longer than it must.
      return clients(hash('sha256', `${site} ${visitor.toString('latin1')} ${client}`, 'base64url'))
    }
  }
}

function memoryOf (keys: Keys): Memory {
  const memory = memories.get(keys) ?? openMemory(keys)
  memories.set(keys, memory)
  return memory
}

/** Who may not be known again is not: without a visitor no bytes equal any others. */
function sealClient (site: string, visitor: Buffer | null, client: string, keys: Keys): Buffer {
  return visitor === null ? keys.seal(site, Buffer.from(client)) : memoryOf(keys).sealClient(site, visitor, client)
}

/** What is remembered for long must not keep the eight kilobytes of Node's pool that it was cut from. */
function withoutPool (bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(own)
  return own
}

/** What sealing a row needs. */
export interface RowDeps {
  keys: Keys
  /** Touches that are committed. */
  keptTouches: Pick<Known, 'has'>
}

/** What a part is called, by whom and when, in clear. */
function namesOf (part: Arrival['part']) {
  return {
    site: part.site,
    receiptId: part.receipt_id,
    receivedAt: new Date(part.received_at_ms),
    occurredAt: new Date(part.occurred_at_ms),
    eventName: part.event_name,
    eventId: part.event_id,
    trust: part.trust
  }
}

/** Seals a landing: nothing of it is stored but the touch. */
function toLandingRow (arrival: Arrival, { keys, keptTouches }: RowDeps): Row {
  const { part } = arrival
  const none = Buffer.alloc(0)
  const visitorId = part.data.visitor_id
  const visitor = visitorId === undefined ? null : memoryOf(keys).indexOf(part.site, visitorId)
  const touch = toTouch(arrival, visitor, keys, keptTouches)
  return {
    ...namesOf(part),
    digest: none,
    claim: null,
    hasContact: false,
    isBot: false,
    visitor,
    sealed: none,
    sealedClient: null,
    touch,
    lead: null,
    subjects: [],
    isLanding: true,
    bytes: (touch?.sealed.length ?? 0) + 300
  }
}

/** Seals an arrival. `country` is the site's, for phone numbers without a prefix. */
export function toRow (arrival: Arrival, { keys, keptTouches }: RowDeps, country?: string): Row {
  if (arrival.isLanding === true) return toLandingRow(arrival, { keys, keptTouches })
  const { part, lead } = arrival
  const seal = (text: string) => keys.seal(part.site, Buffer.from(text))
  const { data, client } = toPlaintexts(part.data)
  const sealed = seal(data)
  const visitorId = part.data.visitor_id
  const visitor = visitorId === undefined ? null : memoryOf(keys).indexOf(part.site, visitorId)
  return {
    ...namesOf(part),
    digest: eventKey(part.event_name, part.event_id),
    claim: transactionClaim(part.event_name, part.data.transaction_id),
    hasContact: hasContact(part.data),
    isBot: part.data.bot !== undefined,
    visitor,
    sealed,
    sealedClient: client === null ? null : sealClient(part.site, visitor, client, keys),
    touch: toTouch(arrival, visitor, keys, keptTouches),
    lead: lead === undefined || part.lead_id === undefined
      ? null
      : {
          id: part.lead_id,
          sealed: seal(shorten(JSON.stringify(lead.data))),
          flag: lead.flag ?? null,
          otherEventId: lead.otherEventId,
          otherDigest: eventKey(part.event_name, lead.otherEventId)
        },
    isLanding: false,
    subjects: subjectsOf(part.data.user_data, country).map(({ kind, value }) => keys.blindIndex(part.site, kind,
      value)),
    bytes: sealed.length + 300
  }
}

/** Of an arrival whose event was known. */
interface Appended { ord: number, status: Receipt['status'], kept_event_id: string, is_new_event: boolean }

/** In the order of append_parts(), so that two lanes never wait for each other in a circle. */
const touchesStatement = {
  name: 'append_touches',
  text: `INSERT INTO touches (site, visitor, digest, seen_at, sealed)
    SELECT DISTINCT ON (site, visitor, digest) site, visitor, digest, to_timestamp(ms::float8 / 1000), sealed
    FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[])
      AS u (site, visitor, digest, ms, sealed)
    ORDER BY site, visitor, digest, ms
    ON CONFLICT DO NOTHING`
}

/** Stores landings, which have no event. A repetition changes nothing. */
async function appendLandings (pool: Pool, rows: readonly Row[]): Promise<void> {
  const touches = rows.flatMap(({ site, visitor, touch }) =>
    touch === null || visitor === null ? [] : [{ site, visitor, ...touch }])
  if (touches.length === 0) return
  await pool.query({
    ...prepared(pool, touchesStatement),
    values: [touches.map(({ site }) => site), touches.map(({ visitor }) => visitor),
      touches.map(({ digest }) => digest), touches.map(({ at }) => at.getTime()), touches.map(({ sealed }) => sealed)]
  })
}

/**
 * Stores rows; receipts in the same order. All events in one transaction of one statement; landings before them in one
 * of their own. Rejects as `pg` does: then some landings may be stored, which their repetition does not change.
 */
export async function appendRows (pool: Pool, rows: readonly Row[], seenKeys: SeenKeys): Promise<Receipt[]> {
  const events = rows.filter(row => !row.isLanding)
  if (events.length < rows.length) await appendLandings(pool, rows.filter(row => row.isLanding))
  const mayKnow = seenKeys.expect(events)
  const { rows: appended } = events.length === 0
    ? { rows: [] }
    : await pool.query<Appended>({ ...prepared(pool, appendStatement), values: toColumns(events, mayKnow) })
  if (!mayKnow && appended.length > 0) seenKeys.onSurprise()
  const byOrd = new Map(appended.map(one => [one.ord, one]))
  let ord = 0
  return rows.map(row => {
    if (row.isLanding) return { status: 'stored', eventId: row.eventId, isNewEvent: false }
    const one = byOrd.get(++ord)
    return one === undefined
      ? { status: 'stored', eventId: row.eventId, isNewEvent: true }
      : { status: one.status, eventId: one.kept_event_id, isNewEvent: one.is_new_event }
  })
}

/** Keeps an arrival that Postgres refused, as it came and sealed, for a person to look at. `reason`: the SQLSTATE. */
export async function setAside (pool: Pool, arrival: Arrival, keys: Keys, reason: string): Promise<void> {
  const { site, receipt_id: receiptId } = arrival.part
  const sealed = keys.seal(site, Buffer.from(JSON.stringify(arrival)))
  await pool.query(
    'INSERT INTO failed_events (site, stage, reason, receipt_id, sealed) VALUES ($1, $2, $3, $4, $5)',
    [site, 'append', reason, receiptId, sealed])
}
