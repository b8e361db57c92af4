// Cases 5 and 6: what a delivery costs the worker and Postgres, and how soon an accepted event is at the network.
import type { CaseOptions } from './cases.ts'
import type { Figure } from './figures.ts'
import { percentile, type LoadResult } from './generator.ts'
import { measure, openMeter } from './load.ts'
import { networks, type Networks } from './networks.ts'
import { otherCore, serverCore, startRole, until, type Database } from './world.ts'

interface Cost { worker: number, postgres: number, perRequest: number }

/** A stored event, as unrouted_batches names it. */
interface Stored { event_seq: number, day: string }

/** Rounds of events that are made of those that the gateway stored: its part of the work is not measured here. */
async function copyEvents ({ pool }: Database, times: number): Promise<void> {
  await pool.query(`
    WITH stored AS MATERIALIZED (SELECT * FROM events), last AS (SELECT max(seq) AS seq FROM stored)
    INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
      site, event_name, event_id, visitor, sealed, sealed_client)
    SELECT s.event_seq + n * last.seq, s.seq + n * last.seq, received_at, occurred_at, receipt_id, day, trust,
      has_contact, is_bot, is_lead, site, event_name, event_id, visitor, sealed, sealed_client
    FROM stored s, last, generate_series(1, $1) AS n ORDER BY n, s.seq`, [times])
}

/** Events with full persons, stored and taken off the list of what is to be routed, in the order of arrival. */
async function storePersons ({ world, requests }: CaseOptions, database: Database, runs: number): Promise<Stored[]> {
  const gateway = await startRole({ role: 'gateway', database, world, core: serverCore })
  await measure({ gateway }, world, {
    port: gateway.port, path: '/v1/e', mix: 'persons', loop: 'closed', connections: 64, count: requests
  })
  await gateway.stop()
  const { pool } = database
  await pool.query('TRUNCATE unrouted_batches')
  await copyEvents(database, runs - 1)
  // What the server does afterwards by itself would be counted as dispatch.
  await pool.query('ANALYZE events')
  await pool.query('CHECKPOINT')
  const { rows } = await pool.query<Stored>('SELECT event_seq, day FROM events ORDER BY event_seq')
  return rows
}

/** Lists events for routing, as the gateway does, in batches of `size`: all at once, or one after another. */
async function listEvents (
  { pool }: Database, events: readonly Stored[], size: number, everyMs: number
): Promise<void> {
  for (let at = 0; at < events.length; at += size) {
    const batch = events.slice(at, at + size)
    await pool.query('INSERT INTO unrouted_batches (event_seqs, days) VALUES ($1, $2)',
      [batch.map(one => one.event_seq), batch.map(one => one.day)])
    if (everyMs > 0) await new Promise(resolve => setTimeout(resolve, everyMs))
  }
}

/** Waits until the network has had so many events, and each its outcome. Asking Postgres all the time would count. */
async function untilDelivered ({ pool }: Database, { report }: Networks, count: number): Promise<number> {
  let events = 0
  let requests = 0
  await until(async () => {
    const since = await report()
    events += since.events
    requests += since.requests
    return events >= count
  }, 50)
  await until(async () => {
    const { rows } = await pool.query('SELECT FROM agenda LIMIT 1')
    return rows.length === 0
  })
  return events / requests
}

/** Case 5: one worker with Meta, a backlog of batches of 1,000, and batches of 100 as they come in. */
export async function measureDispatch (options: CaseOptions): Promise<Figure[]> {
  const { world, rounds, requests } = options
  const database = await world.makeDatabase('dispatch')
  const stored = await storePersons(options, database, (rounds + 1) * 2)
  const meta = await networks(['meta'], 'answer')
  const worker = await startRole({
    role: 'worker', database, world, core: serverCore, destinations: meta.settings, nodeOptions: options.nodeOptions
  })
  const run = async (size: number, everyMs: number): Promise<Cost> => {
    const meter = openMeter({ worker }, world)
    await listEvents(database, stored.splice(0, requests), size, everyMs)
    const perRequest = await untilDelivered(database, meta, requests)
    const { worker: workerUs = 0, postgres = 0 } = meter()
    return { worker: workerUs / requests, postgres: postgres / requests, perRequest }
  }
  const done: { large: Cost, small: Cost }[] = []
  for (let round = -1; round < rounds; round++) {
    const measured = { large: await run(1000, 0), small: await run(100, 60) }
    if (round >= 0) done.push(measured)
  }
  await worker.stop()
  await meta.sink.stop()
  const { rows: [ledger] } = await database.pool.query<{ count: number }>(
    'SELECT count(*) FROM deliveries WHERE state = \'delivered\'')
  if (ledger?.count !== requests * (rounds + 1) * 2) throw new Error(`${ledger?.count ?? 0} deliveries were delivered`)
  await database.drop()
  return (['large', 'small'] as const).flatMap(kind => costFigures(
    kind === 'large' ? 'batches of 1,000' : 'batches of 100', done.map(one => one[kind])))
}

function costFigures (what: string, costs: readonly Cost[]): Figure[] {
  const row = (name: string, unit: string, pick: (one: Cost) => number, most?: number): Figure => ({
    case: '5 dispatch',
    what: `${what}: ${name}`,
    unit,
    values: costs.map(pick),
    bar: most === undefined ? undefined : { most }
  })
  return [
    row('worker CPU per event', 'µs', one => one.worker, 60),
    row('Postgres CPU per delivery', 'µs', one => one.postgres, 15),
    row('events per request', 'events', one => one.perRequest)
  ]
}

const rate = 500

/** Case 6: from the acknowledgement to the first byte at the network, with nothing to settle. */
export async function measureLatency ({ world, rounds, seconds }: CaseOptions): Promise<Figure[]> {
  const database = await world.makeDatabase('latency')
  const sink = await networks(['meta', 'tiktok'], 'answer')
  const gateway = await startRole({ role: 'gateway', database, world, core: serverCore })
  const worker = await startRole({ role: 'worker', database, world, core: otherCore, destinations: sink.settings })
  const done: { p50: number, p99: number }[] = []
  for (let round = -1; round < rounds; round++) {
    const count = rate * seconds
    const { load } = await measure({ gateway }, world, {
      port: gateway.port, path: '/v1/e', mix: 'persons', loop: 'open', connections: 50, rate, count, withAcks: true
    })
    const firstBytes = await collectFirstBytes(sink.report, load)
    const waits = (load.acks ?? []).map(([id, atMs]) => (firstBytes.get(id) ?? Infinity) - atMs).sort((a, b) => a - b)
    if (round >= 0) done.push({ p50: percentile(waits, 0.5), p99: percentile(waits, 0.99) })
  }
  await gateway.stop()
  await worker.stop()
  await sink.sink.stop()
  await database.drop()
  const row = (what: string, most: number, values: number[]): Figure => (
    { case: '6 latency', what: `accepted → first byte, ${what}`, unit: 'ms', bar: { most }, values })
  return [
    row('p50', 150, done.map(one => one.p50)),
    row('p99', 1000, done.map(one => one.p99))
  ]
}

/** Waits until every acknowledged event has arrived. */
async function collectFirstBytes (
  report: () => Promise<{ firstBytes: [string, number][] }>, load: LoadResult
): Promise<Map<string, number>> {
  const firstBytes = new Map<string, number>()
  await until(async () => {
    for (const [id, atMs] of (await report()).firstBytes) {
      if (!firstBytes.has(id)) firstBytes.set(id, atMs)
    }
    return (load.acks ?? []).every(([id]) => firstBytes.has(id))
  }, 200)
  return firstBytes
}
