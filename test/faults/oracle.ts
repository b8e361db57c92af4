// What must hold after a fault run (reliability-and-security.md §2.1), asked of the database, of the fake networks'
// own log, and of what the processes wrote.
import type { Keys } from '../../config/keys.ts'
import type { Pool } from '../../config/postgres.ts'
import type { Receipt } from '../../demo/networks/network.ts'
import type { LeadData } from '../../schema/lead.ts'
import { fromPlaintexts } from '../../schema/sealing.ts'
import { lengthen } from '../../schema/short_text.ts'
import { emailOf, isLeadId, messageOf, numberOf, pageOf, personal } from './bodies.ts'
import type { LoadResult } from './load.ts'
import type { RunNetwork } from './networks.ts'

export interface Evidence {
  pool: Pool
  keys: Keys
  load: LoadResult
  /** Empty where nothing was sent. */
  networks: readonly RunNetwork[]
  received: readonly Receipt[]
  /** What the processes wrote. */
  lines: readonly string[]
}

export interface Findings {
  attempted: number
  acked: number
  stored: number
  /** Deliveries by state and reason. */
  deliveries: Record<string, number>
  lost: number
  phantoms: number
  altered: number
  countedTwice: number
  notCounted: number
  receipts: number
  /** How many receipts there may be: one per event and network, and those whose request was lost or hung. */
  receiptsAllowed: number
  /** Lines, jobs and rows in clear in which a person was found. */
  leaks: number
  problems: string[]
}

const some = <T>(found: readonly T[], say: (one: T) => string) => found.slice(0, 5).map(say)

/** Compares the books of the senders, of Postern and of the networks. */
export async function audit (evidence: Evidence): Promise<Findings> {
  const { pool, load } = evidence
  const { stored, altered } = await readStored(evidence)
  const acked = [...load.ackedLeads, ...load.ackedBeacons]
  const lost = acked.filter(id => !stored.has(id))
  const phantoms = [...stored].filter(id => !load.attempted.has(id))
  const leadless = [...load.ackedLeads].filter(id => stored.has(id)).length - await countLeads(pool, load.ackedLeads)
  const byNetwork = await auditNetworks(evidence, stored)
  const leaks = await findLeaks(evidence)
  const { rows: [failed] } = await pool.query<{ count: number }>('SELECT count(*) AS count FROM failed_events')
  const problems = [
    ...some(lost, id => `lost: ${id} was acknowledged and is not stored`),
    ...some(phantoms, id => `phantom: ${id} is stored and was never sent`),
    ...some(altered, id => `altered: ${id} is not what was sent`),
    ...(leadless === 0 ? [] : [`${leadless} acknowledged leads have an event and no lead`]),
    ...((failed?.count ?? 0) === 0 ? [] : [`${failed?.count} rows in failed_events`]),
    ...some(leaks, where => `personal data in ${where}`),
    ...load.wrong.map(answer => `an answer that the contract does not know: ${answer}`),
    ...byNetwork.problems
  ]
  return {
    attempted: load.attempted.size,
    acked: acked.length,
    stored: stored.size,
    lost: lost.length,
    altered: altered.length,
    leaks: leaks.length,
    ...byNetwork,
    phantoms: phantoms.length + byNetwork.phantoms,
    problems
  }
}

async function countLeads (pool: Pool, acked: ReadonlySet<string>): Promise<number> {
  const { rows: [row] } = await pool.query<{ count: number }>(`
    SELECT count(DISTINCT e.event_id) AS count FROM leads l JOIN events e USING (event_seq)
    WHERE e.event_id = ANY($1)`, [[...acked]])
  return row?.count ?? 0
}

interface StoredRow { seq: number, event_id: string, sealed: Buffer, lead: Buffer | null }

const pageSize = 5000

/** Opens every stored arrival and compares it with what its sender posted. */
async function readStored ({ pool, keys }: Evidence): Promise<{ stored: Set<string>, altered: string[] }> {
  const stored = new Set<string>()
  const altered: string[] = []
  for (let after = -1; ;) {
    const { rows } = await pool.query<StoredRow>(`
      SELECT e.seq, e.event_id, e.sealed, l.sealed AS lead
      FROM events e LEFT JOIN leads l ON l.site = e.site AND l.event_seq = e.event_seq
      WHERE e.seq > $1 ORDER BY e.seq LIMIT ${pageSize}`, [after])
    for (const row of rows) {
      stored.add(row.event_id)
      if (!isAsSent(row, keys)) altered.push(row.event_id)
    }
    after = rows.at(-1)?.seq ?? after
    if (rows.length < pageSize) return { stored, altered }
  }
}

function isAsSent ({ event_id: id, sealed, lead }: StoredRow, keys: Keys): boolean {
  const number = numberOf(id)
  const open = (bytes: Buffer) => lengthen(keys.open('main', bytes).toString())
  const data = fromPlaintexts({ data: open(sealed), client: null })
  if (!isLeadId(id)) return data.page_location === pageOf(number)
  if (lead === null) return false
  const { fields } = JSON.parse(open(lead)) as LeadData
  return data.user_data?.email?.[0] === emailOf(number) && fields.message === messageOf(number)
}

type NetworkFindings = Pick<Findings, 'phantoms' | 'countedTwice' | 'notCounted' | 'receipts' | 'receiptsAllowed' |
  'deliveries' | 'problems'>

async function auditNetworks ({ pool, load, networks, received }: Evidence, stored: ReadonlySet<string>):
Promise<NetworkFindings> {
  // What a network failed on purpose (a 5xx, a 429) was not taken in, and asked for another try.
  const taken = received.filter(({ verdict }) => verdict !== 'rejected')
  const refused = received.filter(({ reason }) => reason !== undefined && !/^(fault_|same_)/.test(reason))
  const strangers = taken.filter(({ event_id: id }) => !load.attempted.has(id ?? ''))
  const twice: string[] = []
  const never: string[] = []
  let wanted = 0
  for (const { type, wants } of networks) {
    const counted = new Map<string, number>()
    for (const { type: of, event_id: id, verdict } of taken) {
      if (of === type && verdict === 'counted') counted.set(id ?? '', (counted.get(id ?? '') ?? 0) + 1)
    }
    const ids = [...stored].filter(wants)
    wanted += ids.length
    twice.push(...[...counted].filter(([, count]) => count > 1).map(([id, count]) => `${count} × ${id} by ${type}`))
    never.push(...ids.filter(id => !counted.has(id)).map(id => `${id} by ${type}`))
  }
  const states = await readStates(pool)
  const receiptsAllowed = wanted + await inFlight(pool)
  const unsettled = states.filter(({ type, word }) => networks.find(one => one.type === type)?.endsAs !== word)
  return {
    phantoms: new Set(strangers.map(({ event_id: id }) => id)).size,
    countedTwice: twice.length,
    notCounted: never.length,
    receipts: taken.length,
    receiptsAllowed,
    deliveries: Object.fromEntries(states.map(({ type, word, count }) => [`${type} ${word}`, count])),
    problems: [
      ...some(strangers, ({ type, event_id: id }) => `phantom: ${id} reached ${type} and was never sent`),
      ...some(twice, what => `counted twice: ${what}`),
      ...some(never, what => `never counted: ${what}`),
      ...unsettled.map(({ type, word, count }) => `${count} deliveries to ${type} are ${word}`),
      ...some(refused, ({ type, event_id: id, reason }) => `${type} refused ${id}: ${reason}`),
      ...(taken.length > receiptsAllowed ? [`${taken.length} receipts, ${receiptsAllowed} allowed`] : [])
    ]
  }
}

async function readStates (pool: Pool): Promise<{ type: string, word: string, count: number }[]> {
  const { rows } = await pool.query<{ type: string, word: string, count: number }>(`
    SELECT d.type, v.state || coalesce('(' || v.reason || ')', '') AS word, count(*) AS count
    FROM deliveries v JOIN destinations d ON d.id = v.destination_id GROUP BY 1, 2 ORDER BY 1, 2`)
  return rows
}

/** Events in requests whose answer was never heard: killed workers, and networks that hung or cut the line. */
async function inFlight (pool: Pool): Promise<number> {
  const { rows: [row] } = await pool.query<{ events: number }>(`
    SELECT coalesce(sum(cardinality(event_seqs)), 0)::int AS events FROM attempts
    WHERE result = 'lost' OR http_status IS NULL`)
  return row?.events ?? 0
}

/** A person's data belongs in sealed columns and in requests, and nowhere else. */
async function findLeaks ({ pool, lines }: Evidence): Promise<string[]> {
  const { rows: jobs } = await pool.query<{ text: string }>(
    'SELECT data::text || coalesce(output::text, \'\') AS text FROM pgboss.job')
  const { rows: said } = await pool.query<{ text: string }>(`
    SELECT coalesce(network_said, '') || coalesce(network_trace, '') AS text FROM attempts
    UNION ALL SELECT coalesce(detail, '') FROM deliveries WHERE detail IS NOT NULL`)
  return [
    ...lines.filter(line => personal.test(line)).map(() => 'the log'),
    ...jobs.filter(({ text }) => personal.test(text)).map(() => 'a job'),
    ...said.filter(({ text }) => personal.test(text)).map(() => 'what a network said')
  ]
}
