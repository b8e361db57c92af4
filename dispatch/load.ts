// Reads what a job is about: its deliveries, their events with all parts opened and merged, and the visitor's touches.
import type { MergedEvent, Part } from '../schema/event.ts'
import type { Touch } from '../schema/lead.ts'
import { mergeParts } from '../schema/merge.ts'
import type { Queryable } from '../config/postgres.ts'
import type { Candidate } from './decide.ts'
import type { Deps } from './deps.ts'
import { readPart, readParts, type PartRow } from './parts.ts'
import { newestRevoke, readRevokes, type Revokes } from './revokes.ts'
import type { SendJob } from './schedule.ts'
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
  first_started_ms: number | null
  newest_ended: boolean | null
  part_seqs: Record<string, number[]> | null
}

/** Loads a job. Deliveries that are not (or no longer) the job's own are left out. */
export async function load (job: SendJob, target: Target, deps: Pick<Deps, 'pool' | 'keys'>): Promise<Loaded> {
  const { pool } = deps
  const { rows: [row] } = await pool.query<{ paused: boolean }>(
    'SELECT paused_at IS NOT NULL AS paused FROM destinations WHERE id = $1', [target.id])
  const whole = target.destination.lingerMs > 0 ? await joinCompany(pool, job, target) : job
  const rows = await readDeliveries(pool, whole)
  const parts = await readParts(pool, rows.map(({ event_seq: seq }) => seq), job.day)
  const [touches, revokes] = await Promise.all([
    readTouches(deps, target.site.name, parts), readRevokes(pool, target.site.name, visitorsOf(parts))
  ])
  const isPaused = row?.paused === true
  const loaded: Loaded = { isPaused, promisedMs: whole.promised_ms, deliveries: [], unreadable: [] }
  const partsOf = Map.groupBy(parts, part => part.event_seq)
  for (const delivery of rows) {
    const own = partsOf.get(delivery.event_seq)
    const candidate = own === undefined ? null : readCandidate(delivery, own, { touches, revokes }, deps)
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
      partSeqs: fixedParts(delivery, own).map(part => part.seq),
      resendOf: delivery.newest_ended === false ? delivery.attempt_id : null,
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
        (event_seq = ANY($4) AND (hold_until <= now() OR hold_until = to_timestamp($3::float8 / 1000)))
        OR (reason = 'lingering' AND attempt_id IS NULL
          AND due_at <= now() + make_interval(secs => $5::float8 / 1000)))
      ORDER BY event_seq = ANY($4) DESC, due_at LIMIT $6 FOR UPDATE SKIP LOCKED
    ) AS company
    WHERE d.destination_id = $1 AND d.day = $2 AND d.event_seq = company.event_seq RETURNING d.event_seq`,
  [target.id, job.day, job.promised_ms, job.event_seqs, target.destination.lingerMs, limit, promisedMs])
  return { ...job, event_seqs: rows.map(row => row.event_seq), promised_ms: promisedMs }
}

async function readDeliveries (pool: Queryable, job: SendJob): Promise<DeliveryRow[]> {
  const { rows } = await pool.query<DeliveryRow>(`
    SELECT d.event_seq, d.attempts, d.is_test, d.reason, d.after_delivery, d.attempt_id,
      (extract(epoch FROM f.started_at) * 1000)::bigint AS first_started_ms, n.ended_at IS NOT NULL AS newest_ended,
      f.part_seqs
    FROM deliveries d
    LEFT JOIN attempts f ON f.id = d.first_attempt_id AND f.day = d.day
    LEFT JOIN attempts n ON n.id = d.attempt_id AND n.day = d.day
    WHERE d.destination_id = $1 AND d.day = $2 AND d.event_seq = ANY($4) AND d.state = 'waiting'
      AND (d.hold_until <= now() OR d.hold_until = to_timestamp($3::float8 / 1000))
    ORDER BY d.event_seq`, [job.target_id, job.day, job.promised_ms, job.event_seqs])
  return rows.map(row => row.attempt_id === null ? { ...row, newest_ended: null } : row)
}

/** A landing is timed by our clock, an event by the browser's. */
const clockSlackMs = 60_000

/** The blind indexes of the parts' visitors, each once. */
function visitorsOf (parts: PartRow[]): Buffer[] {
  const visitors = new Map<string, Buffer>()
  for (const { visitor } of parts) if (visitor !== null) visitors.set(visitor.toString('hex'), visitor)
  return [...visitors.values()]
}

interface SeenTouch { visitor: string, seenAtMs: number, touch: Touch }

/** The landings of the visitors, newest first. */
async function readTouches (
  deps: Pick<Deps, 'pool' | 'keys'>, site: string, parts: PartRow[]
): Promise<SeenTouch[]> {
  const visitors = visitorsOf(parts)
  if (visitors.length === 0) return []
  const { rows } = await deps.pool.query<{ visitor: Buffer, seen_ms: number, sealed: Buffer }>(`
    SELECT visitor, (extract(epoch FROM seen_at) * 1000)::bigint AS seen_ms, sealed FROM touches
    WHERE site = $1 AND visitor = ANY($2) ORDER BY seen_at DESC`, [site, visitors])
  return rows.flatMap(row => {
    const touch = open<Touch>(deps, site, row.sealed)
    return touch === null ? [] : [{ visitor: row.visitor.toString('hex'), seenAtMs: row.seen_ms, touch }]
  })
}

/** Opens a sealed JSON; null when the key ring does not hold its key or the bytes are damaged. */
function open<T> (deps: Pick<Deps, 'keys'>, site: string, sealed: Buffer): T | null {
  try {
    return JSON.parse(deps.keys.open(site, sealed).toString('utf8')) as T
  } catch (error) {
    if (error instanceof Error && error.name === 'KeyError') return null
    throw error
  }
}

/** The parts that the first attempt carried; later ones came too late for it and are not sent on a retry either. */
function fixedParts (delivery: DeliveryRow, parts: PartRow[]): PartRow[] {
  if (delivery.first_started_ms === null) return parts
  const sent = delivery.part_seqs?.[String(delivery.event_seq)] ?? [delivery.event_seq]
  return parts.filter(part => sent.includes(part.seq))
}

function readCandidate (
  delivery: DeliveryRow, rows: PartRow[], { touches, revokes }: { touches: SeenTouch[], revokes: Revokes },
  deps: Pick<Deps, 'keys'>
): Candidate | null {
  const fixed = fixedParts(delivery, rows)
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
  const all = mergeParts([...opened.values()])
  const visitors = new Set(fixed.flatMap(row => row.visitor?.toString('hex') ?? []))
  const latestMs = event.occurred_at_ms + clockSlackMs
  joinTouches(event, touches.filter(seen => visitors.has(seen.visitor) && seen.seenAtMs <= latestMs))
  return {
    event,
    said: { consent: all.consent, gpc: all.gpc, country: event.country },
    trusts: sent.map(part => part.trust),
    isErased,
    revoked: newestRevoke(revokes, visitorsOf(rows)),
    firstSentAtMs: delivery.first_started_ms,
    isAnswerLost: delivery.newest_ended === false
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
