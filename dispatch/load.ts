// Reads what a job is about: its deliveries, their events with all parts, and the visitor's touches. An event is opened
// and merged when it is decided on, and not kept: what a thousand of them hold would outlive the young collections.
import type { MergedEvent, Part } from '../schema/event.ts'
import { mergeParts } from '../schema/merge.ts'
import { prepared, type Queryable } from '../config/postgres.ts'
import type { Claim } from './agenda.ts'
import type { Candidate } from './decide.ts'
import type { Deps } from './deps.ts'
import { partColumns, readPart, type PartRow } from './parts.ts'
import { newestRevoke } from './revokes.ts'
import { bucketMs, type SendJob } from './schedule.ts'
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
  claim: Claim
  deliveries: LoadedDelivery[]
  /** Deliveries whose event is gone. */
  gone: number[]
}

/** A delivery's columns, and under what it was taken. */
interface DeliveryRow {
  fence: number
  agenda_id: number
  event_seq: number
  attempts: number
  is_test: boolean | null
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
  /** Whether the answer of its newest attempt was never heard. */
  isNewestLost: boolean
  partSeqs: Record<string, number[]> | null
}

type LoadDeps = Pick<Deps, 'pool' | 'keys' | 'timings'>

/** Takes the entries of a job that nobody holds, and loads what still waits in them. Null: there is nothing to do. */
export async function load (job: SendJob, target: Target, deps: LoadDeps): Promise<Loaded | null> {
  const events = await takeJob(deps, job, target)
  const [first] = events
  if (first === undefined) return null
  const tried = await readTried(deps.pool, events, job.day)
  const visitors = await readVisitors(deps, target.site.name, visitorsOf(events.flatMap(({ parts }) => parts)))
  const claim: Claim = {
    target,
    day: job.day,
    agendaIds: [...new Set(events.map(({ delivery }) => delivery.agenda_id))],
    fence: first.delivery.fence,
    open: new Set(events.map(({ delivery }) => delivery.event_seq))
  }
  const loaded: Loaded = { isPaused: first.delivery.is_paused, claim, deliveries: [], gone: [] }
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
      isTest: delivery.is_test === true,
      isSuspect: delivery.reason === 'isolating' && !job.is_isolation,
      receivedAtMs: parts[0].received_ms,
      partSeqs: fixedParts(delivery, before, parts).map(part => part.seq),
      resendOf: before.isNewestLost ? delivery.attempt_id : null,
      afterSeq: delivery.after_delivery,
      read: () => readCandidate(delivery, before, parts, visitors, deps)
    })
  }
  return loaded
}

/**
 * The first job of a destination that lingers takes the others' entries with it, up to one request, so that the jobs
 * they came with find nothing left to do.
 */
async function takeJob ({ pool, timings }: LoadDeps, job: SendJob, { destination }: Target): Promise<DueEvent[]> {
  const { lingerMs, limits } = destination
  const companyMs = job.is_isolation || lingerMs === 0 ? 0 : lingerMs + bucketMs
  const { rows } = await pool.query<DeliveryRow & (PartRow | { seq: null })>(prepared(pool, jobStatement),
    [job.target_id, job.day, numberList(job.agenda_ids), timings.leaseMs, companyMs, limits.events])
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
  name: 'take_job',
  text: `
    SELECT j.fence, j.agenda_id, j.attempts, j.is_test, j.reason, j.after_delivery, j.attempt_id, j.first_attempt_id,
      ${partColumns('j')}, j.lead_id,
      EXISTS (SELECT FROM destinations WHERE id = $1 AND paused_at IS NOT NULL) AS is_paused
    FROM take_job($1, $2, $3, $4, $5, $6) AS j`
}

interface AttemptRow { id: number, started_ms: number, is_lost: boolean, part_seqs: Record<string, number[]> | null }

/** The attempts that deliveries name; most have none yet. */
async function readTried (pool: Queryable, events: readonly DueEvent[], day: string): Promise<Map<number, AttemptRow>> {
  const ids = new Set(events.flatMap(({ delivery }) =>
    [delivery.attempt_id ?? [], delivery.first_attempt_id ?? []].flat()))
  if (ids.size === 0) return new Map()
  const { rows: attempts } = await pool.query<AttemptRow>(`
    SELECT id, round(date_part('epoch', started_at) * 1000) AS started_ms, result = 'lost' AS is_lost, part_seqs
    FROM attempts WHERE id = ANY($1) AND day = $2`, [numberList([...ids]), day])
  return new Map(attempts.map(attempt => [attempt.id, attempt]))
}

function triedOf (row: DeliveryRow, attempts: Map<number, AttemptRow>): Tried {
  const first = row.first_attempt_id === null ? undefined : attempts.get(row.first_attempt_id)
  const isNewestLost = row.attempt_id !== null && attempts.get(row.attempt_id)?.is_lost === true
  return { firstStartedMs: first?.started_ms ?? null, isNewestLost, partSeqs: first?.part_seqs ?? null }
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
    isAnswerLost: tried.isNewestLost
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
