// Reads what a job is about: its deliveries, their events with all parts, and the visitor's touches. An event is opened
// and merged when it is decided on, and not kept: what a thousand of them hold would outlive the young collections.
import type { MergedEvent, Part } from '../schema/event.ts'
import { mergeParts } from '../schema/merge.ts'
import { prepared, type Pool, type Queryable } from '../config/postgres.ts'
import type { Candidate } from './decide.ts'
import type { Deps } from './deps.ts'
import { partColumns, readPart, type PartRow } from './parts.ts'
import { newestRevoke } from './revokes.ts'
import type { SendJob } from './schedule.ts'
import { numberList } from './sql_lists.ts'
import type { Target } from './target.ts'
import { readVisitors, type SeenTouch, type Visitors } from './visitors.ts'

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
  /** Opens and merges the event; null where it is sealed under a key that this process does not have. */
  read: () => Candidate | null
}

export interface Loaded {
  isPaused: boolean
  /** The promise that the deliveries carry now. */
  promisedMs: number
  alsoPromisedMs: readonly number[]
  deliveries: LoadedDelivery[]
  /** Deliveries whose event is gone. */
  gone: number[]
}

/** A delivery's columns. */
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

/** A delivery with the parts of its event, in the order of arrival; none where the event is gone. */
interface DueEvent { delivery: DeliveryRow, parts: PartRow[] }

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
  const events = await readJob(pool, whole)
  const tried = await readTried(pool, events, job.day)
  const visitors = await readVisitors(deps, target.site.name, visitorsOf(events.flatMap(({ parts }) => parts)))
  const isPaused = events[0]?.delivery.is_paused === true
  const { promised_ms: promisedMs, also_promised_ms: alsoPromisedMs = [] } = whole
  const loaded: Loaded = { isPaused, promisedMs, alsoPromisedMs, deliveries: [], gone: [] }
  for (const { delivery, parts } of events) {
    const before = triedOf(delivery, tried)
    if (parts[0] === undefined) {
      loaded.gone.push(delivery.event_seq)
      continue
    }
    loaded.deliveries.push({
      seq: delivery.event_seq,
      day: job.day,
      attempts: delivery.attempts,
      isTest: delivery.is_test,
      isSuspect: delivery.reason === 'isolating' && !job.is_isolation,
      receivedAtMs: parts[0].received_ms,
      partSeqs: fixedParts(delivery, before, parts).map(part => part.seq),
      resendOf: before.isNewestEnded === false ? delivery.attempt_id : null,
      afterSeq: delivery.after_delivery,
      read: () => readCandidate(delivery, before, parts, visitors, deps)
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

async function readJob (pool: Pool, job: SendJob): Promise<DueEvent[]> {
  const { rows } = await pool.query<DeliveryRow & (PartRow | { seq: null })>(prepared(pool, jobStatement),
    [job.target_id, job.day, promisesOf(job), numberList(job.event_seqs)])
  const events = new Map<number, DueEvent>()
  for (const row of rows) {
    const known = events.get(row.event_seq)
    const parts = row.seq === null ? [] : [row]
    if (known === undefined) events.set(row.event_seq, { delivery: row, parts })
    else known.parts.push(...parts)
  }
  for (const { parts } of events.values()) if (parts.length > 1) parts.sort((a, b) => a.seq - b.seq)
  return [...events.values()].sort((a, b) => a.delivery.event_seq - b.delivery.event_seq)
}

const jobStatement = {
  name: 'read_job',
  text: `
    SELECT j.attempts, j.is_test, j.reason, j.after_delivery, j.attempt_id, j.first_attempt_id, ${partColumns('j')},
      j.lead_id, EXISTS (SELECT FROM destinations WHERE id = $1 AND paused_at IS NOT NULL) AS is_paused
    FROM read_job($1, $2, $3, $4) AS j`
}

interface AttemptRow { id: number, started_ms: number, is_ended: boolean, part_seqs: Record<string, number[]> | null }

/** The attempts that deliveries name; most have none yet. */
async function readTried (pool: Queryable, events: readonly DueEvent[], day: string): Promise<Map<number, AttemptRow>> {
  const ids = new Set(events.flatMap(({ delivery }) =>
    [delivery.attempt_id ?? [], delivery.first_attempt_id ?? []].flat()))
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

/** The parts that the first attempt carried; later ones came too late for it and are not sent on a retry either. */
function fixedParts (delivery: DeliveryRow, tried: Tried, parts: readonly PartRow[]): readonly PartRow[] {
  if (tried.firstStartedMs === null) return parts
  const sent = tried.partSeqs?.[String(delivery.event_seq)] ?? [delivery.event_seq]
  return parts.filter(part => sent.includes(part.seq))
}

function readCandidate (
  delivery: DeliveryRow, tried: Tried, rows: readonly PartRow[], { touches, revokes }: Visitors,
  deps: Pick<Deps, 'keys'>
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
function joinTouches (event: MergedEvent, touches: readonly SeenTouch[]): void {
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
