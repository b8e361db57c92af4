// Reads what a job is about: its deliveries, their events with all parts opened and merged, and the visitor's touches.
import type { MergedEvent, Part } from '../schema/event.ts'
import type { Touch } from '../schema/lead.ts'
import { mergeParts } from '../schema/merge.ts'
import { prepared, type Pool, type Queryable } from '../config/postgres.ts'
import type { Candidate } from './decide.ts'
import type { Deps } from './deps.ts'
import { openText, readPart, readParts, type PartRow } from './parts.ts'
import { newestRevoke, readRevokes, type Revokes } from './revokes.ts'
import type { SendJob } from './schedule.ts'
import { bytesList, numberList } from './sql_lists.ts'
import type { Target } from './target.ts'

/** A delivery that is this job's to act on. */
export interface LoadedDelivery {
  seq: number
  day: string
  attempts: number
  isTest: boolean
  isSuspect: boolean
  receivedAtMs: number
  /** The parts that are sent: all, or on a retry those that the first attempt carried. */
  partSeqs: number[]
  resendOf: number | null
  /** Another delivery of this destination must come first. */
  afterSeq: number | null
  candidate: Candidate
}

export interface Loaded {
  isPaused: boolean
  /** The promise that the deliveries carry now. */
  promisedMs: number
  alsoPromisedMs: readonly number[]
  deliveries: LoadedDelivery[]
  /** Deliveries whose event cannot be read: gone, or sealed under a key that this process does not have. */
  unreadable: number[]
}

interface DeliveryRow {
  event_seq: number
  attempts: number
  is_test: boolean
  reason: string | null
  after_delivery: number | null
  attempt_id: number | null
  first_attempt_id: number | null
  is_paused: boolean
}

/** What was tried with a delivery before. */
interface Tried {
  firstStartedMs: number | null
  /** Null: nothing was tried; false: the answer of its newest attempt was never heard. */
  isNewestEnded: boolean | null
  partSeqs: Record<string, number[]> | null
}

/** Loads a job. Deliveries that are not (or no longer) the job's own are left out. */
export async function load (job: SendJob, target: Target, deps: Pick<Deps, 'pool' | 'keys'>): Promise<Loaded> {
  const { pool } = deps
  const whole = target.destination.lingerMs > 0 ? await joinCompany(pool, job, target) : job
  const rows = await readDeliveries(pool, whole)
  const tried = await readTried(pool, rows, job.day)
  const parts = await readParts(pool, rows.map(({ event_seq: seq }) => seq), job.day)
  const [touches, revokes] = await Promise.all([
    readTouches(deps, target.site.name, parts), readRevokes(pool, target.site.name, visitorsOf(parts))
  ])
  const isPaused = rows[0]?.is_paused === true
  const { promised_ms: promisedMs, also_promised_ms: alsoPromisedMs = [] } = whole
  const loaded: Loaded = { isPaused, promisedMs, alsoPromisedMs, deliveries: [], unreadable: [] }
  const partsOf = Map.groupBy(parts, part => part.event_seq)
  for (const delivery of rows) {
    const own = partsOf.get(delivery.event_seq)
    const before = triedOf(delivery, tried)
    const candidate = own === undefined ? null : readCandidate(delivery, before, own, { touches, revokes }, deps)
    if (own?.[0] === undefined || candidate === null) {
      loaded.unreadable.push(delivery.event_seq)
      continue
    }
    loaded.deliveries.push({
      seq: delivery.event_seq,
      day: job.day,
      attempts: delivery.attempts,
      isTest: delivery.is_test,
      isSuspect: delivery.reason === 'isolating' && !job.is_isolation,
      receivedAtMs: own[0].received_ms,
      partSeqs: fixedParts(delivery, before, own).map(part => part.seq),
      resendOf: before.isNewestEnded === false ? delivery.attempt_id : null,
      afterSeq: delivery.after_delivery,
      candidate
    })
  }
  return loaded
}

/**
 * The first job of a destination that lingers takes the others' events with it, up to one request: the events are
 * promised anew, to this job alone, so that the jobs they came with find nothing left to do. An event with an attempt
 * is under way (its reason stays until it is settled) or lost, and not this job's to take.
 */
async function joinCompany (pool: Queryable, job: SendJob, target: Target): Promise<SendJob> {
  if (job.is_isolation) return job
  const limit = Math.max(target.destination.limits.events, job.event_seqs.length)
  // Jobs of one second share one promise; the number of its first event tells this job from the others.
  const promisedMs = job.promised_ms + 1 + (job.event_seqs[0] ?? 0) % 997
  const { rows } = await pool.query<{ event_seq: number }>(`
    UPDATE deliveries d SET hold_until = to_timestamp($7::float8 / 1000) FROM (
      SELECT event_seq FROM deliveries
      WHERE destination_id = $1 AND day = $2 AND state = 'waiting' AND (
        (event_seq = ANY($4) AND (hold_until <= now() OR hold_until = ANY (promises_of($3))))
        OR (reason = 'lingering' AND attempt_id IS NULL
          AND due_at <= now() + make_interval(secs => $5::float8 / 1000)))
      ORDER BY event_seq = ANY($4) DESC, due_at LIMIT $6 FOR UPDATE SKIP LOCKED
    ) AS company
    WHERE d.destination_id = $1 AND d.day = $2 AND d.event_seq = company.event_seq RETURNING d.event_seq`,
  [target.id, job.day, promisesOf(job), numberList(job.event_seqs), target.destination.lingerMs, limit, promisedMs])
  return { ...job, event_seqs: rows.map(row => row.event_seq), promised_ms: promisedMs, also_promised_ms: [] }
}

const promisesOf = (job: SendJob) => [job.promised_ms, ...job.also_promised_ms ?? []]

async function readDeliveries (pool: Pool, job: SendJob): Promise<DeliveryRow[]> {
  const { rows } = await pool.query<DeliveryRow>(prepared(pool, deliveriesStatement),
    [job.target_id, job.day, promisesOf(job), numberList(job.event_seqs)])
  return rows
}

const deliveriesStatement = {
  name: 'read_deliveries',
  text: `
    SELECT d.event_seq, d.attempts, d.is_test, d.reason, d.after_delivery, d.attempt_id, d.first_attempt_id,
      EXISTS (SELECT FROM destinations WHERE id = $1 AND paused_at IS NOT NULL) AS is_paused
    FROM unnest($4::bigint[]) AS wanted (seq)
    CROSS JOIN LATERAL (
      SELECT * FROM deliveries WHERE destination_id = $1 AND day = $2 AND event_seq = wanted.seq OFFSET 0
    ) AS d
    WHERE d.state = 'waiting' AND (d.hold_until <= now() OR d.hold_until = ANY (promises_of($3)))
    ORDER BY d.event_seq`
}

interface AttemptRow { id: number, started_ms: number, is_ended: boolean, part_seqs: Record<string, number[]> | null }

/** The attempts that deliveries name; most have none yet. */
async function readTried (pool: Queryable, rows: DeliveryRow[], day: string): Promise<Map<number, AttemptRow>> {
  const ids = new Set(rows.flatMap(row => [row.attempt_id ?? [], row.first_attempt_id ?? []].flat()))
  if (ids.size === 0) return new Map()
  const { rows: attempts } = await pool.query<AttemptRow>(`
    SELECT id, round(date_part('epoch', started_at) * 1000) AS started_ms, ended_at IS NOT NULL AS is_ended, part_seqs
    FROM attempts WHERE id = ANY($1) AND day = $2`, [numberList([...ids]), day])
  return new Map(attempts.map(attempt => [attempt.id, attempt]))
}

function triedOf (row: DeliveryRow, attempts: Map<number, AttemptRow>): Tried {
  const first = row.first_attempt_id === null ? undefined : attempts.get(row.first_attempt_id)
  const isNewestEnded = row.attempt_id === null ? null : attempts.get(row.attempt_id)?.is_ended === true
  return { firstStartedMs: first?.started_ms ?? null, isNewestEnded, partSeqs: first?.part_seqs ?? null }
}

/** A landing is timed by our clock, an event by the browser's. */
const clockSlackMs = 60_000

/** The blind indexes of the parts' visitors, each once. */
function visitorsOf (parts: readonly PartRow[]): string[] {
  return [...new Set(parts.flatMap(({ visitor }) => visitor ?? []))]
}

interface SeenTouch { seenAtMs: number, touch: Touch }

type Touches = ReadonlyMap<string, readonly SeenTouch[]>

/** The landings of each of the visitors, newest first. */
async function readTouches (
  deps: Pick<Deps, 'pool' | 'keys'>, site: string, parts: PartRow[]
): Promise<Touches> {
  const visitors = visitorsOf(parts)
  if (visitors.length === 0) return new Map()
  const { rows } = await deps.pool.query<{ visitor: string, seen_ms: number, sealed: string }>(`
    SELECT encode(visitor, 'hex') AS visitor, round(date_part('epoch', seen_at) * 1000) AS seen_ms,
      encode(sealed, 'base64') AS sealed
    FROM touches WHERE site = $1 AND visitor = ANY($2::bytea[]) ORDER BY seen_at DESC`, [site, bytesList(visitors)])
  const seen = new Map<string, SeenTouch[]>()
  for (const row of rows) {
    const touch = open<Touch>(deps, site, row.sealed)
    if (touch === null) continue
    const known = seen.get(row.visitor)
    if (known === undefined) seen.set(row.visitor, [{ seenAtMs: row.seen_ms, touch }])
    else known.push({ seenAtMs: row.seen_ms, touch })
  }
  return seen
}

/** Opens a sealed JSON; null when the key ring does not hold its key or the bytes are damaged. */
function open<T> (deps: Pick<Deps, 'keys'>, site: string, sealed: string): T | null {
  try {
    return JSON.parse(openText(deps, site, sealed)) as T
  } catch (error) {
    if (error instanceof Error && error.name === 'KeyError') return null
    throw error
  }
}

/** The parts that the first attempt carried; later ones came too late for it and are not sent on a retry either. */
function fixedParts (delivery: DeliveryRow, tried: Tried, parts: PartRow[]): PartRow[] {
  if (tried.firstStartedMs === null) return parts
  const sent = tried.partSeqs?.[String(delivery.event_seq)] ?? [delivery.event_seq]
  return parts.filter(part => sent.includes(part.seq))
}

function readCandidate (
  delivery: DeliveryRow, tried: Tried, rows: PartRow[],
  { touches, revokes }: { touches: Touches, revokes: Revokes }, deps: Pick<Deps, 'keys'>
): Candidate | null {
  const fixed = fixedParts(delivery, tried, rows)
  const isErased = rows.some(row => row.sealed === null)
  const opened = new Map<number, Part>()
  for (const row of rows) {
    const part = readPart(row, deps)
    if (part === null) return null
    opened.set(row.seq, part)
  }
  const sent = fixed.flatMap(row => opened.get(row.seq) ?? [])
  if (sent.length === 0) return null
  const event = mergeParts(sent)
  const all = sent.length === opened.size ? event : mergeParts([...opened.values()])
  const latestMs = event.occurred_at_ms + clockSlackMs
  const seen = visitorsOf(fixed).flatMap(visitor => touches.get(visitor) ?? [])
    .filter(({ seenAtMs }) => seenAtMs <= latestMs)
  joinTouches(event, seen.length < 2 ? seen : seen.toSorted((a, b) => b.seenAtMs - a.seenAtMs))
  return {
    event,
    said: { consent: all.consent, gpc: all.gpc, country: event.country },
    trusts: sent.map(part => part.trust),
    isErased,
    revoked: newestRevoke(revokes, visitorsOf(rows)),
    firstSentAtMs: tried.firstStartedMs,
    isAnswerLost: tried.isNewestEnded === false
  }
}

/** The newest landing; and click ids and cookies that the event lacks, from the newest that has them, with its time. */
function joinTouches (event: MergedEvent, touches: SeenTouch[]): void {
  const [newest] = touches
  if (newest !== undefined) {
    const { page_location: location, page_referrer: referrer } = newest.touch
    event.landing = { seen_at_ms: newest.seenAtMs, page_location: location, page_referrer: referrer }
  }
  for (const { touch } of touches) {
    event.click_ids = { ...touch.click_ids, ...event.click_ids }
    event.cookies = { ...touch.cookies, ...event.cookies }
  }
}
