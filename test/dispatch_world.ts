// A small world for the tests of dispatch/: a database, a queue, the fictional network as a strict HTTP server.
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { Value } from 'typebox/value'
import { deriveKeys } from '../config/keys.ts'
import { createMetrics } from '../config/metrics.ts'
import type { Pool } from '../config/postgres.ts'
import { openQueue } from '../config/queue.ts'
import type { EventData, Trust } from '../schema/event.ts'
import type { Touch } from '../schema/lead.ts'
import { eventKey, toPlaintexts } from '../schema/sealing.ts'
import { createBreaker } from '../dispatch/breaker.ts'
import { targetsOf, timings, type Deps, type Timings } from '../dispatch/deps.ts'
import { startDispatcher } from '../dispatch/dispatcher.ts'
import { queueName, type SendJob } from '../dispatch/schedule.ts'
import { createSender, sendLimits } from '../dispatch/send.ts'
import { startDispatch } from '../dispatch/service.ts'
import type { Target } from '../dispatch/target.ts'
import { createTokens } from '../dispatch/token.ts'
import { fictional, fictionalTarget, granted } from './fictional.ts'
import { testDatabase } from './database.ts'

export const testKeys = deriveKeys(['a secret of the tests, thirty-two characters'])

/** A request that the network received, in order. */
export interface Receipt { url: string, token: string | undefined, ids: string[], events: Record<string, unknown>[] }

type Answer = (receipt: Receipt, response: ServerResponse, request: IncomingMessage) => void

/** The fictional network: refuses what its payload schema does not allow; otherwise `answer` decides. */
export async function fictionalNetwork (t: Test) {
  const network = {
    origin: '',
    receipts: [] as Receipt[],
    verdict: 'counted',
    largest: 5,
    /** Accepted ids, as the network counts them: a second copy changes nothing. */
    counted: new Map<string, number>(),
    answer: acceptAll as Answer
  }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => { body += String(chunk) })
    request.on('end', () => {
      if (request.method === 'GET') return response.end(JSON.stringify({ verdict: network.verdict }))
      const events = (JSON.parse(body) as { events: Record<string, unknown>[] }).events
      const strange = events.some(event => !Value.Check(fictional.payload, event)) || events.length > network.largest
      const token = request.headers['x-token']
      const receipt: Receipt = {
        url: request.url ?? '', token: String(token), ids: events.map(event => String(event.id)), events
      }
      network.receipts.push(receipt)
      if (strange) return json(response, 400, { error: 'not what the schema says' })
      network.answer(receipt, response, request)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  network.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  function acceptAll (receipt: Receipt, response: ServerResponse): void {
    for (const id of receipt.ids) network.counted.set(id, (network.counted.get(id) ?? 0) + 1)
    json(response, 200, { batch: `b${network.receipts.length}`, results: receipt.ids.map(() => 'ok') })
  }
  return { network, acceptAll }
}

export function json (
  response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

let lastSeq = 0

export interface StoredEvent {
  name?: string
  id?: string
  trust?: Trust
  data?: EventData
  hasContact?: boolean
  isBot?: boolean
  visitor?: string
  agoMs?: number
  /** Of another event: this is a later part of it. */
  partOf?: number
  isLead?: boolean
}

/** Stores one arrival as the gateway would; returns its event_seq. A part of a known event is not routed again. */
export async function storeEvent (pool: Pool, event: StoredEvent = {}): Promise<number> {
  const { rows: [seq] } = await pool.query<{ seq: number }>('SELECT nextval(\'part_seq\') AS seq')
  const own = seq?.seq ?? 0
  const data: EventData = { consent: granted, user_data: { email: ['anna@example.com'] }, ...event.data }
  const plain = toPlaintexts(data)
  const at = new Date(Date.now() - (event.agoMs ?? 0))
  const eventSeq = event.partOf ?? own
  const [name, id] = [event.name ?? 'generate_lead', event.id ?? `e-${process.pid}-${++lastSeq}`]
  await pool.query(`
    INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
      site, event_name, event_id, visitor, sealed, sealed_client)
    VALUES ($1, $2, now(), $3, $4, (now() AT TIME ZONE 'UTC')::date, $5, $6, $7, $8, 'main', $9, $10, $11, $12, $13)`,
  [eventSeq, own, at, randomUUID(), event.trust ?? 'same_site', event.hasContact ?? true, event.isBot ?? false,
    event.isLead ?? false, name, id,
    event.visitor === undefined ? null : testKeys.blindIndex('main', 'visitor', event.visitor),
    testKeys.seal('main', Buffer.from(plain.data)),
    plain.client === null ? null : testKeys.seal('main', Buffer.from(plain.client))])
  if (event.partOf === undefined) {
    await pool.query(`INSERT INTO event_keys (site, digest, event_seq, day)
      VALUES ('main', $1, $2, (now() AT TIME ZONE 'UTC')::date) ON CONFLICT DO NOTHING`, [eventKey(name, id), own])
    await pool.query(`INSERT INTO unrouted_batches (event_seqs, days)
      VALUES (ARRAY[$1::bigint], ARRAY[(now() AT TIME ZONE 'UTC')::date])`, [own])
  }
  return own
}

export async function storeTouch (pool: Pool, visitor: string, touch: Touch): Promise<void> {
  await pool.query('INSERT INTO touches (site, visitor, digest, seen_at, sealed) VALUES (\'main\', $1, $2, $3, $4)',
    [testKeys.blindIndex('main', 'visitor', visitor), Buffer.from(randomUUID()), new Date(touch.seen_at_ms),
      testKeys.seal('main', Buffer.from(JSON.stringify(touch)))])
}

export interface Delivery {
  state: string
  reason: string | null
  detail: string | null
  attempts: number
  due_in_ms: number | null
  attempt_id: number | null
  is_test: boolean
}

export async function deliveryOf (pool: Pool, seq: number, targetId = 1): Promise<Delivery | undefined> {
  const { rows: [row] } = await pool.query<Delivery>(`
    SELECT d.state::text AS state, d.reason, d.detail, d.attempts, d.attempt_id, d.is_test IS TRUE AS is_test,
      (extract(epoch FROM a.due_at - now()) * 1000)::float8 AS due_in_ms
    FROM deliveries d LEFT JOIN agenda a ON a.id = d.agenda_id
    WHERE d.event_seq = $1 AND d.destination_id = $2`, [seq, targetId])
  return row
}

/** A job for the entry that holds an event. */
export async function jobFor (pool: Pool, seq: number): Promise<SendJob> {
  const { rows: [row] } = await pool.query<Pick<SendJob, 'day' | 'agenda_ids' | 'events' | 'is_isolation'>>(`
    SELECT a.day, ARRAY[a.id] AS agenda_ids, a.events, a.is_isolation
    FROM deliveries d JOIN agenda a ON a.id = d.agenda_id WHERE d.event_seq = $1`, [seq])
  if (row === undefined) throw new Error('it does not wait')
  return { kind: 'send', target_id: 1, ...row }
}

/** Waits until a question has an answer that is true; fails the test with what it last was. */
export async function until<T> (
  ask: () => Promise<T> | T, isIt: (answer: T) => boolean, withinMs = 60_000
): Promise<T> {
  const startedMs = performance.now()
  for (;;) {
    const answer = await ask()
    if (isIt(answer)) return answer
    if (performance.now() - startedMs > withinMs) throw new Error(`still ${JSON.stringify(answer)}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export interface Line { level: string, message: string, values: object }

/**
 * What one worker process is given: the network at `origin`, a queue, and timings that make nobody wait; none of them
 * is so short that a busy machine runs into it. Who needs a lease to end ends it by SQL, or gives its own.
 */
export async function openDeps (url: string, pool: Pool, targets: Target[], short: Partial<Timings> = {}) {
  const queue = await openQueue({ url, names: [queueName('fictional')], onError: () => undefined })
  const sender = createSender({ ...sendLimits, responseBytes: 100_000 })
  const lines: Line[] = []
  const line = (level: string) => (values: object, message: string) => { lines.push({ level, message, values }) }
  const deps: Deps = {
    pool,
    keys: testKeys,
    enqueue: queue.enqueue,
    targets: targetsOf(targets),
    sender,
    tokens: createTokens({ sender, now: Date.now }),
    breaker: createBreaker(),
    now: Date.now,
    random: () => 0.5,
    log: { info: line('info'), warn: line('warn'), error: line('error') },
    metrics: createMetrics('test'),
    timings: { ...timings, sweepMs: 50, routeIdleMs: 20, routeBusyMs: 5, ...short }
  }
  return { deps, queue, lines, sender }
}

/** Everything but the dispatcher: a database with the targets' rows, deps, the network, the queue. */
export async function dispatchWorld (t: Test, given: Parameters<typeof fictionalTarget>[0][] = [{}]) {
  const { url, pool } = await testDatabase(t)
  const { network, acceptAll } = await fictionalNetwork(t)
  const targets = given.map((overrides, index) =>
    fictionalTarget({ id: index + 1, name: `fictional_${index + 1}`, endpoint: network.origin, ...overrides }))
  for (const target of targets) {
    await pool.query('INSERT INTO destinations (site, name, type) VALUES ($1, $2, $3)',
      ['main', target.name, target.destination.type])
  }
  const { deps, queue, lines, sender } = await openDeps(url, pool, targets)
  t.teardown(async () => {
    await queue.stop(5000)
    await sender.close()
  })
  return { url, pool, network, acceptAll, queue, deps, lines }
}

/** Starts the dispatcher of a world; it stops with the test. */
export async function runDispatcher (t: Test, world: Awaited<ReturnType<typeof dispatchWorld>>): Promise<void> {
  const dispatcher = await startDispatcher(world.deps, world.queue.work)
  t.teardown(async () => await dispatcher.stop())
}

/** A world whose dispatcher runs. */
export async function runningWorld (t: Test, given?: Parameters<typeof dispatchWorld>[1]) {
  const world = await dispatchWorld(t, given)
  await runDispatcher(t, world)
  return world
}

/** The dispatch half as a service with one destination: the fictional one, at `endpoint`. The caller stops it. */
export async function startFictional (
  databaseUrl: string, endpoint: string, log: Parameters<typeof startDispatch>[0]['log']
) {
  const { site: rules, settings: own } = fictionalTarget()
  const destination = {
    name: 'fictional', type: 'fictional', mode: 'live' as const, events: 'all' as const, endpoint, params: [], own
  }
  return await startDispatch({
    databaseUrl,
    keys: testKeys,
    sites: [{ rules, destinations: [destination] }],
    log,
    metrics: createMetrics('test'),
    destinationOf: () => fictional
  })
}
