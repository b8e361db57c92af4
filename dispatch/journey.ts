// The whole journey of one event, read from the ledger: arrivals, consent, decisions, attempts, answers. For people:
// personal data is masked, secrets are not in it.
import type { Queryable } from '../config/postgres.ts'
import { effective, type EffectiveConsent } from '../schema/consent.ts'
import type { EventData } from '../schema/event.ts'
import { levelOf } from '../schema/event_names.ts'
import { mergeParts } from '../schema/merge.ts'
import { eventKey } from '../schema/sealing.ts'
import { cleanAddress } from './address.ts'
import { networkNames, readCustomNames } from './custom_names.ts'
import type { Deps } from './deps.ts'
import { maskPerson } from './mask.ts'
import { readOpenParts, type OpenPart } from './parts.ts'
import { newestRevoke, readRevokes } from './revokes.ts'
import { wants, type SiteRules, type Target } from './target.ts'

/** One arrival of the event. */
export interface Arrival {
  seq: number
  received_at: string
  trust: string
  lead_id: string | null
  warnings: { path: string, code: string }[]
  bot: string[]
  said_consent: EventData['consent']
  gpc: boolean
  browser_tags: EventData['browser_tags']
  page: string | null
  /** Masked. */
  person: string[]
  click_ids: string[]
  is_erased: boolean
}

/** One request that carried the event. */
export interface JourneyAttempt {
  id: number
  started_at: string
  ended_at: string | null
  http_status: number | null
  duration_ms: number | null
  result: string | null
  trace: string | null
  said: string | null
  resend_of: number | null
  events_in_request: number
  parts_sent: number[]
}

/** What became of the event at one destination. */
export interface JourneyDestination {
  name: string
  type: string
  mode: string | null
  paused_since: string | null
  paused_because: string | null
  /** Why there is no delivery; null when there is one. */
  not_meant: string | null
  state: string | null
  reason: string | null
  detail: string | null
  at: string | null
  verify_at: string | null
  attempts: JourneyAttempt[]
}

export interface Journey {
  site: string
  event_name: string
  event_id: string
  lead_id: string | null
  occurred_at: string
  is_routed: boolean
  arrivals: Arrival[]
  consent: EffectiveConsent
  destinations: JourneyDestination[]
}

export type JourneyDeps = Pick<Deps, 'pool' | 'keys' | 'targets'> & { sites: readonly SiteRules[] }

/** Finds events by their event_id (of any site and name) or a lead's lead_id. Newest first, at most ten. */
export async function readJourneys (deps: JourneyDeps, id: string): Promise<Journey[]> {
  const journeys: Journey[] = []
  for (const { event_seq: seq, day } of await findEvents(deps, id)) {
    const journey = await readJourney(deps, seq, day)
    if (journey !== null) journeys.push(journey)
  }
  return journeys
}

interface Place { event_seq: number, day: string }

/** By its key, which is made of name and id: with every name that there is. Then among what is not routed yet. */
async function findEvents ({ pool, sites }: JourneyDeps, id: string): Promise<Place[]> {
  const siteNames = sites.map(site => site.name)
  const names = new Set([...networkNames, ...await readCustomNames(pool, siteNames)])
  const { rows } = await pool.query<Place>(`
    SELECT DISTINCT event_seq, day FROM (
      SELECT event_seq, day FROM event_keys WHERE site = ANY($1) AND digest = ANY($2)
      UNION ALL
      SELECT event_seq, day FROM leads WHERE site = ANY($1) AND lead_id = $3
    ) AS found ORDER BY event_seq DESC LIMIT 10`, [siteNames, [...names].map(name => eventKey(name, id)), id])
  if (rows.length > 0) return rows
  const { rows: unrouted } = await pool.query<Place>(`
    SELECT e.event_seq, e.day FROM unrouted_batches b, unnest(b.event_seqs, b.days) AS u (event_seq, day)
    JOIN events e ON e.event_seq = u.event_seq AND e.day = u.day
    WHERE e.event_id = $1 AND e.site = ANY($2) ORDER BY 1 DESC LIMIT 10`, [id, siteNames])
  return unrouted
}

async function readJourney (deps: JourneyDeps, seq: number, day: string): Promise<Journey | null> {
  const parts = await readOpenParts(deps, [seq], day)
  const [first] = parts
  const site = deps.sites.find(one => one.name === first?.part.site)
  if (first === undefined) return null
  const event = mergeParts(parts.map(one => one.part))
  const rule = site?.consent ?? { consent: 'opt_in', gpc: 'drop', optOutCountries: [] }
  const { rows: unrouted } = await deps.pool.query(
    'SELECT FROM unrouted_batches WHERE $1 = ANY(event_seqs) LIMIT 1', [seq])
  const isRouted = unrouted.length === 0
  const visitors = parts.flatMap(one => one.visitor ?? [])
  const revoked = newestRevoke(await readRevokes(deps.pool, event.site, visitors), visitors)
  const { consent, gpc, country, occurred_at_ms: occurredAtMs } = event
  const facts = { consent, gpc, country, occurredAtMs, revoked }
  return {
    site: event.site,
    event_name: event.event_name,
    event_id: event.event_id,
    lead_id: event.lead_id ?? null,
    occurred_at: new Date(event.occurred_at_ms).toISOString(),
    is_routed: isRouted,
    arrivals: parts.map(arrivalOf),
    consent: effective(facts, rule),
    destinations: await readDestinations(deps, event.site, event.event_name, { event_seq: seq, day }, isRouted)
  }
}

function arrivalOf ({ seq, part, isErased }: OpenPart): Arrival {
  const { data } = part
  return {
    seq,
    received_at: new Date(part.received_at_ms).toISOString(),
    trust: part.trust,
    lead_id: part.lead_id ?? null,
    warnings: (data.warnings ?? []).map(({ path, code }) => ({ path, code })),
    bot: data.bot ?? [],
    said_consent: data.consent ?? {},
    gpc: data.gpc === true,
    browser_tags: data.browser_tags ?? {},
    page: cleanAddress(data.page_location, { queryKeys: [], sensitivePaths: [] }) ?? null,
    person: maskPerson(data),
    click_ids: Object.keys(data.click_ids ?? {}),
    is_erased: isErased
  }
}

interface DestinationRow {
  id: number
  name: string
  type: string
  paused_at: Date | null
  paused_detail: string | null
  state: string | null
  reason: string | null
  detail: string | null
  at: Date | null
  verify_at: Date | null
}

async function readDestinations (
  deps: JourneyDeps, site: string, eventName: string, place: Place, isRouted: boolean
): Promise<JourneyDestination[]> {
  const { rows } = await deps.pool.query<DestinationRow>(`
    SELECT p.id, p.name, p.type, p.paused_at, p.paused_detail, d.state::text AS state, d.reason, d.detail,
      coalesce(a.due_at, d.decided_at, t.ended_at) AS at,
      CASE WHEN d.state = 'accepted' THEN t.verify_at END AS verify_at
    FROM destinations p
    LEFT JOIN deliveries d ON d.destination_id = p.id AND d.event_seq = $2 AND d.day = $3
    LEFT JOIN agenda a ON a.id = d.agenda_id
    LEFT JOIN attempts t ON t.id = d.attempt_id AND t.day = $3
    WHERE p.site = $1 ORDER BY p.id`, [site, place.event_seq, place.day])
  const attempts = Map.groupBy(await readAttempts(deps.pool, place), attempt => attempt.destination_id)
  return rows.flatMap(row => {
    const target = deps.targets.byId(row.id)
    // A destination that left the settings is told of only if the event has a delivery there.
    if (row.state === null && target === undefined) return []
    return [{
      name: row.name,
      type: row.type,
      mode: target?.mode ?? null,
      paused_since: row.paused_at?.toISOString() ?? null,
      paused_because: row.paused_detail,
      not_meant: row.state === null ? whyNotMeant(target, eventName, isRouted) : null,
      state: row.state,
      reason: row.reason,
      detail: row.detail,
      at: row.at?.toISOString() ?? null,
      verify_at: row.verify_at?.toISOString() ?? null,
      attempts: attempts.get(row.id)?.map(({ destination_id: _id, ...rest }) => rest) ?? []
    }]
  })
}

function whyNotMeant (target: Target | undefined, eventName: string, isRouted: boolean): string {
  if (!isRouted) return 'not routed yet'
  if (target !== undefined && !wants(target, eventName)) {
    return `takes events of the level \`${target.events}\`; ${eventName} is of the level \`${levelOf(eventName)}\``
  }
  return 'the destination was not in the settings when the event was routed'
}

async function readAttempts (
  pool: Queryable, place: Place
): Promise<(JourneyAttempt & { destination_id: number })[]> {
  const { rows } = await pool.query<{
    id: number,
    destination_id: number,
    started_at: Date,
    ended_at: Date | null,
    http_status: number | null
    duration_ms: number | null,
    result: string | null,
    network_trace: string | null,
    network_said: string | null
    resend_of: number | null,
    events: number,
    part_seqs: Record<string, number[]> | null
  }>(`
    SELECT id, destination_id, started_at, ended_at, http_status, duration_ms, result, network_trace, network_said,
      resend_of, cardinality(event_seqs) AS events, part_seqs
    FROM attempts WHERE day = $2 AND $1 = ANY(event_seqs) ORDER BY id`, [place.event_seq, place.day])
  return rows.map(row => ({
    destination_id: row.destination_id,
    id: row.id,
    started_at: row.started_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
    http_status: row.http_status,
    duration_ms: row.duration_ms,
    result: row.result,
    trace: row.network_trace,
    said: row.network_said,
    resend_of: row.resend_of,
    events_in_request: row.events,
    parts_sent: row.part_seqs?.[String(place.event_seq)] ?? [place.event_seq]
  }))
}
