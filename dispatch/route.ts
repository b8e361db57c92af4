// Routes stored events: which destinations each is meant for, and when it may be sent. Claims batches beside any number
// of other routers; one transaction writes deliveries and jobs and takes the batch off the list.
import { isDataError, isOutage, prepared, withTransaction, type PoolClient } from '../config/postgres.ts'
import { levelOf } from '../schema/event_names.ts'
import type { Trust } from '../schema/event.ts'
import { trusts } from '../schema/event.ts'
import type { WaitingReason } from '../schema/outcome.ts'
import { enterAgenda } from './agenda.ts'
import { noteCustomNames } from './custom_names.ts'
import type { Deps } from './deps.ts'
import { describeError } from './deps.ts'
import { planEntries } from './schedule.ts'
import { numberList } from './sql_lists.ts'
import { insertDeliveries, type NewDelivery } from './store.ts'
import { targetLabel, wants, type Target } from './target.ts'

/** The clear columns of an event, all its parts so far taken together. */
export interface RoutedEvent {
  seq: number
  day: string
  site: string
  eventName: string
  receivedAtMs: number
  isSigned: boolean
  hasContact: boolean
  /** By its most trusted part, as mergeParts() judges it. */
  isBot: boolean
}

/** How long a conversion from a browser waits for what completes it, in milliseconds (design.md, "Counted once"). */
export function settleForMs (event: Pick<RoutedEvent, 'eventName' | 'isSigned' | 'hasContact'>): number {
  if (event.isSigned || event.hasContact || levelOf(event.eventName) !== 'conversions') return 0
  return event.eventName === 'purchase' ? 60_000 : 20_000
}

/** Decides one event at one target: no delivery at all when the target does not want events of its level. */
export function routeEvent (
  event: RoutedEvent, target: Target, isPaused: boolean, nowMs: number
): NewDelivery & { dueAtMs: number } | null {
  if (!wants(target, event.eventName)) return null
  const delivery = { seq: event.seq, day: event.day, targetId: target.id, isTest: target.mode === 'test' }
  if (event.isBot) return { ...delivery, state: 'skipped', reason: 'bot', dueAtMs: nowMs }
  const settleMs = settleForMs(event)
  // A round may have begun before what it routes was received: that alone is no settling.
  const settledAtMs = settleMs === 0 ? nowMs : event.receivedAtMs + settleMs
  const lingerMs = target.destination.lingerMs
  const dueAtMs = Math.max(settledAtMs, nowMs + lingerMs)
  let reason: WaitingReason = 'new'
  if (isPaused) reason = 'destination_paused'
  else if (settledAtMs > nowMs) reason = 'settling'
  else if (lingerMs > 0) reason = 'lingering'
  return { ...delivery, state: 'waiting', reason, dueAtMs }
}

interface Batch {
  id: number
  attempts: number
  event_seqs: number[]
  days: string[]
  now_ms: number
  paused_ids: number[]
}

/** Batches of one round: a quiet gateway writes one per event, a busy one hundreds of events together. */
const batchesAtOnce = 500
/** With the batch that reaches so many events, a round has enough. */
const eventsAtOnce = 2000
/** From then on a batch is routed event by event. */
const patience = 3

/**
 * Routes what is there; true when there may be more at once. Throws when Postgres cannot serve. A round that a crash of
 * the server makes it forget is done again, and nothing of it has left: an attempt is durable before that, and with it
 * all that was committed earlier.
 */
export async function routeOnce (deps: Deps): Promise<boolean> {
  let claimed: Batch[] = []
  try {
    return await withTransaction(deps.pool, async tx => {
      claimed = await claimBatches(tx)
      const [first] = claimed
      if (first === undefined) return false
      const days = claimed.flatMap(batch => batch.days)
      const seqs = claimed.flatMap(batch => batch.event_seqs)
      const moment = { nowMs: first.now_ms, pausedIds: new Set(first.paused_ids) }
      const events = first.attempts >= patience
        ? await routeOneByOne(tx, deps, seqs, days, moment)
        : await routeEvents(tx, deps, seqs, days, moment)
      // Before the batches are off the list: a name that is lost then nobody would note again.
      await noteCustomNames(deps.pool, events)
      deps.metrics.routedBatches.inc({ outcome: 'routed' }, claimed.length)
      return true
    }, 'forgetful')
  } catch (error) {
    if (isOutage(error) || claimed.length === 0) throw error
    // The batches themselves are at fault: each is tried again alone, later, and in the end event by event.
    await deps.pool.query(`UPDATE unrouted_batches SET attempts = attempts + 1,
      retry_at = now() + make_interval(secs => attempts * 0.5) WHERE id = ANY($1)`, [claimed.map(batch => batch.id)])
    deps.metrics.routedBatches.inc({ outcome: 'failed' }, claimed.length)
    const batches = claimed.map(batch => batch.id)
    deps.log.warn({ batches, error: describeError(error) }, 'batches could not be routed')
    return true
  }
}

/** When a round began, and which destinations were paused then. */
interface Moment { nowMs: number, pausedIds: ReadonlySet<number> }

/**
 * Takes batches off the list: fresh ones together; one that failed before alone, and first: new ones must not outrun
 * it. A round that fails is rolled back, and they are on the list again.
 */
async function claimBatches (tx: PoolClient): Promise<Batch[]> {
  const { rows } = await tx.query<Batch>(prepared(tx, claimStatement), [batchesAtOnce, eventsAtOnce])
  return rows
}

const claimStatement = {
  name: 'claim_batches',
  text: `
    WITH claimed AS (
      SELECT id, attempts, cardinality(event_seqs) AS events FROM unrouted_batches WHERE retry_at <= now()
      ORDER BY attempts DESC, id LIMIT $1 FOR UPDATE SKIP LOCKED
    ), counted AS (
      SELECT id, sum(events) OVER sequence - events AS before, row_number() OVER sequence AS place,
        max(attempts) OVER () AS failures
      FROM claimed WINDOW sequence AS (ORDER BY attempts DESC, id)
    ), taken AS (
      DELETE FROM unrouted_batches b USING counted c
      WHERE b.id = c.id AND c.before < $2 AND (c.failures = 0 OR c.place = 1)
      RETURNING b.id, b.attempts, b.event_seqs, b.days
    )
    SELECT id, attempts, event_seqs, days, (extract(epoch FROM now()) * 1000)::bigint AS now_ms,
      ARRAY(SELECT d.id FROM destinations d WHERE d.paused_at IS NOT NULL) AS paused_ids
    FROM taken ORDER BY attempts DESC, id`
}

interface EventRow {
  event_seq: number
  seq: number
  day: string
  site: string
  event_name: string
  received_ms: number
  trust: Trust
  has_contact: boolean
  is_bot: boolean
}

/** All parts of the events, in the order of their arrival. */
async function readRows (tx: PoolClient, seqs: number[], days: string[]): Promise<EventRow[]> {
  const byDay = Map.groupBy(seqs.keys(), index => days[index] ?? '')
  const all: EventRow[] = []
  for (const [day, indexes] of byDay) {
    const { rows } = await tx.query<Omit<EventRow, 'day'>>(prepared(tx, arrivalsStatement),
      [day, numberList(indexes.map(index => seqs[index] ?? 0))])
    for (const row of rows) all.push({ ...row, day })
  }
  return all.sort((a, b) => a.event_seq - b.event_seq || a.seq - b.seq)
}

const arrivalsStatement = {
  name: 'read_arrivals',
  text: `SELECT event_seq, seq, site, event_name, date_part('epoch', received_at) * 1000 AS received_ms, trust,
    has_contact, is_bot FROM read_arrivals($1, $2)`
}

async function routeEvents (
  tx: PoolClient, deps: Deps, seqs: number[], days: string[], { nowMs, pausedIds }: Moment
): Promise<RoutedEvent[]> {
  const events = [...Map.groupBy(await readRows(tx, seqs, days), row => row.event_seq).values()].map(readEvent)
  const deliveries = events.flatMap(event => deps.targets.ofSite(event.site).flatMap(target =>
    routeEvent(event, target, pausedIds.has(target.id), nowMs) ?? []))
  const waiting = deliveries.filter(({ state }) => state === 'waiting')
  const { entries, places } = planEntries(waiting.map(({ reason, ...delivery }) => (
    { ...delivery, lingers: reason === 'lingering', isPaused: reason === 'destination_paused' }
  )), nowMs, deps.timings.jobWithinMs)
  const ids = await enterAgenda(tx, deps.enqueue, entries, id => deps.targets.byId(id)?.destination.type ?? '')
  const entryOf = new Map(waiting.map((delivery, index) => [delivery, ids[places[index] ?? -1] ?? null]))
  await insertDeliveries(tx, deliveries.map(one => ({ ...one, agendaId: entryOf.get(one) ?? null })))
  for (const { state, reason, targetId } of deliveries) {
    if (state === 'skipped') deps.metrics.deliveryOutcomes.inc({ destination: labelOf(deps, targetId), state, reason })
  }
  return events
}

function labelOf (deps: Deps, targetId: number): string {
  const target = deps.targets.byId(targetId)
  return target === undefined ? 'removed' : targetLabel(target)
}

function readEvent (parts: EventRow[]): RoutedEvent {
  const [first] = parts
  if (first === undefined) throw new Error('an event has at least one part')
  const top = parts.length === 1
    ? first
    : parts.toSorted((a, b) => trusts.indexOf(a.trust) - trusts.indexOf(b.trust))[0] ?? first
  return {
    seq: first.event_seq,
    day: first.day,
    site: first.site,
    eventName: first.event_name,
    receivedAtMs: first.received_ms,
    isSigned: top.trust === 'signed',
    hasContact: parts.some(part => part.has_contact),
    isBot: top.is_bot
  }
}

/** Each event under its own savepoint; the culprit goes to failed_events, where a person finds it. */
async function routeOneByOne (
  tx: PoolClient, deps: Deps, seqs: number[], days: string[], moment: Moment
): Promise<RoutedEvent[]> {
  const routed: RoutedEvent[] = []
  for (const [index, seq] of seqs.entries()) {
    const day = days[index] ?? ''
    await tx.query('SAVEPOINT one_event')
    try {
      routed.push(...await routeEvents(tx, deps, [seq], [day], moment))
      await tx.query('RELEASE SAVEPOINT one_event')
    } catch (error) {
      if (isOutage(error)) throw error
      await tx.query('ROLLBACK TO SAVEPOINT one_event')
      const reason = isDataError(error) ? `data error ${describeError(error).code ?? ''}` : describeError(error).name
      await tx.query(`
        INSERT INTO failed_events (site, stage, reason, event_seq, receipt_id, sealed)
        SELECT site, 'route', $3, event_seq, receipt_id, sealed FROM events
        WHERE event_seq = $1 AND day = $2 AND seq = event_seq`, [seq, day, reason])
      deps.metrics.ingestFailed.inc({ reason: 'route' })
      deps.log.error({ event_seq: seq, error: describeError(error) }, 'an event could not be routed')
    }
  }
  return routed
}
