// The ingest log against a real database: what a receipt promises, also when Postgres refuses, dies or is slow.
import { test, type Test } from 'tap'
import type { Pool } from '../config/postgres.ts'
import { eventKey } from '../schema/sealing.ts'
import { arrival, leadArrival } from '../test/arrivals.ts'
import { testDatabase } from '../test/database.ts'
import { testKeys } from '../test/gateway_world.ts'
import { Unavailable, type Arrival, type IngestLog } from './arrival.ts'
import type { IngestAlert } from './durable.ts'
import { openIngestLog, type IngestOptions } from './ingest.ts'

/** How many rows a statement is about. */
const sizeOf = ({ values }: { values?: unknown[] }) => String(values?.[2]).split(',').length

type Query = (statement: { name?: string, values?: unknown[] }) => Promise<unknown>

/** A log on a fresh database; `around` stands between the log and Postgres. */
async function openLog (t: Test, around: (query: Query) => Query = query => query, more: Partial<IngestOptions> = {}) {
  const { pool } = await testDatabase(t)
  const alerts: IngestAlert[] = []
  const query = around(async (...given) => await Reflect.apply(pool.query, pool, given) as unknown)
  const log = openIngestLog({
    pool: { query } as unknown as Pool,
    keys: testKeys,
    countryOf: () => undefined,
    // A busy machine is no time-out.
    quickMs: 60_000,
    onAlert: alert => { alerts.push(alert) },
    ...more
  })
  const count = async (table: string) => {
    const { rows } = await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)
    return rows[0]?.n
  }
  return { log, pool, alerts, count }
}

const isAppend = (statement: { name?: string }) => statement.name === 'append_parts'
const gone = () => new Error('Connection terminated unexpectedly')
/** Resolves when what came in this turn of the event loop is sealed. */
const endOfTurn = async () => { await new Promise(setImmediate) }

test('arrivals that come while a commit is in flight share the next one', async t => {
  const sizes: number[] = []
  const { log, pool, count } = await openLog(t, query => async statement => {
    if (isAppend(statement)) sizes.push(sizeOf(statement))
    return await query(statement)
  }, { lanes: 1 })
  const first = log.append([arrival('e0')])
  await endOfTurn()
  const others = Array.from({ length: 1199 }, (_, at) => log.append([arrival(`e${at + 1}`)]))
  const receipts = await Promise.all([first, ...others])
  t.ok(receipts.every(([receipt]) => receipt?.status === 'stored' && receipt.isNewEvent))
  t.strictSame(sizes, [1, 500, 500, 199], 'no timer; at most 500 rows')
  const { rows } = await pool.query('SELECT 1 FROM event_keys WHERE digest = $1', [eventKey('purchase', 'e7')])
  t.equal(rows.length, 1, 'under the key that every room computes')
  t.equal(await count('events'), 1200)
})

test('a batch ends at a mebibyte', async t => {
  const sizes: number[] = []
  const { log } = await openLog(t, query => async statement => {
    if (isAppend(statement)) sizes.push(sizeOf(statement))
    return await query(statement)
  }, { lanes: 1 })
  const large = (id: string) => arrival(id, { data: { params: { text: 'x'.repeat(300_000) } } })
  await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(id => log.append([large(id)])))
  t.strictSame(sizes, [3, 3, 1], 'what comes in one turn of the event loop shares a commit')
})

test('an arrival that cannot be sealed is nobody\'s fate but its own, and holds no room', async t => {
  const { log, count } = await openLog(t, query => query, { mostPending: 3 })
  const odd = () => arrival('odd', { data: { value: 1n as unknown as number } })
  const before = log.append([arrival('before')])
  const failed = log.append([odd()])
  const after = log.append([arrival('after')])
  await t.rejects(failed, TypeError)
  t.equal((await Promise.all([before, after])).length, 2)
  t.equal(await count('events'), 2)
  await t.rejects(Promise.all(['a', 'b', 'c'].map(async () => await log.append([odd()]))), TypeError)
  const last = ['d', 'e', 'f'].map(id => log.append([arrival(id)]))
  const unsealed = log.append([odd()])
  await t.rejects(unsealed, Unavailable, 'three are pending, and no more')
  t.equal((await Promise.all(last)).length, 3)
  await endOfTurn()
  const end = log.append([odd()])
  await Promise.all([t.rejects(end, TypeError), log.close()])
})

test('leads go first', async t => {
  const sizes: number[] = []
  const { log, pool } = await openLog(t, query => async statement => {
    if (isAppend(statement)) sizes.push(sizeOf(statement))
    return await query(statement)
  }, { lanes: 1 })
  const first = log.append([arrival('a')])
  await endOfTurn()
  await Promise.all([first, log.append([arrival('b')]), log.append([leadArrival('lead')])])
  t.strictSame(sizes, [1, 2])
  const { rows } = await pool.query<{ id: string }>('SELECT event_id AS id FROM events ORDER BY seq')
  t.strictSame(rows.map(({ id }) => id), ['a', 'lead', 'b'])
})

test('rows that Postgres refuses are found and kept; their neighbours are stored', async t => {
  const { log, pool, alerts, count } = await openLog(t, query => query, { lanes: 1 })
  const first = log.append([arrival('first')])
  const poisoned = Array.from({ length: 40 }, (_, at) =>
    log.append([arrival(at % 13 === 5 ? `poison\0${at}` : `good-${at}`, { event_name: 'x' })]))
  const receipts = (await Promise.all([first, ...poisoned])).flat()
  t.equal(receipts.filter(receipt => receipt.isSetAside === true).length, 3)
  t.equal(receipts.filter(receipt => receipt.isNewEvent).length, 38)
  t.equal(await count('events'), 38)
  const { rows } = await pool.query<{
    stage: string,
    reason: string,
    sealed: Buffer
  }>('SELECT stage, reason, sealed FROM failed_events')
  t.equal(rows.length, 3)
  t.match(rows[0], { stage: 'append', reason: '22021' })
  const kept = JSON.parse(testKeys.open('main', rows[0]?.sealed ?? Buffer.alloc(0)).toString()) as Arrival
  t.match(kept.part, { event_name: 'x', event_id: 'poison\0' + '5', data: { value: 1 } }, 'whole, as it came')
  t.strictSame(alerts.map(alert => alert.what), ['set_aside', 'set_aside', 'set_aside'])
})

test('an answer that was lost after the commit is asked for again, and is the same', async t => {
  const cases: [name: string, make: () => Arrival, table: string][] = [
    ['event', () => arrival('ambiguous'), 'events'], ['lead', () => leadArrival('ambiguous'), 'leads']]
  for (const [name, make, table] of cases) {
    let losses = 1
    const { log, count, alerts } = await openLog(t, query => async statement => {
      const result = await query(statement)
      if (isAppend(statement) && losses-- > 0) throw gone()
      return result
    })
    const [receipt] = await log.append([make()])
    t.match(receipt, { status: 'stored', eventId: 'ambiguous' }, name)
    t.equal(await count(table), 1)
    t.equal(await count('events'), 1)
    t.strictSame(alerts, [])
    const [second] = await log.append([make()])
    t.match(second, { status: 'duplicate' }, 'another arrival of the same id is a part')
  }
})

test('an outage that lasts promises nothing, and the log works again afterwards', async t => {
  let isDown = true
  let tries = 0
  const { log, alerts, count } = await openLog(t, query => async statement => {
    tries++
    if (isDown) throw gone()
    return await query(statement)
  })
  await t.rejects(log.append([arrival('x')]), { name: 'Unavailable' })
  t.equal(tries, 2, 'tried once more')
  t.match(alerts, [{ what: 'outage', rows: 1 }])
  isDown = false
  t.match(await log.append([arrival('x')]), [{ status: 'stored' }])
  t.equal(await count('events'), 1)
})

test('a bug in the statement is an alert and no promise', async t => {
  const { log, pool, alerts } = await openLog(t)
  await pool.query('ALTER FUNCTION append_known_part RENAME TO gone')
  await log.append([arrival('a')])
  await t.rejects(log.append([arrival('a')]), { name: 'Unavailable' })
  t.match(alerts, [{ what: 'bug', reason: '42883' }])
})

test('what waits is bounded; leads may still come when others may not', async t => {
  let open: () => void = () => {}
  const gate = new Promise<void>(resolve => { open = resolve })
  const { log, count } = await openLog(t, query => async statement => {
    await gate
    return await query(statement)
  }, { mostPending: 10 })
  const accepted = Array.from({ length: 10 }, (_, at) => log.append([arrival(`e${at}`)]))
  await t.rejects(log.append([arrival('late')]), Unavailable)
  const lead = log.append([leadArrival('lead')])
  open()
  await Promise.all([...accepted, lead])
  // The room is made right behind the answers.
  await new Promise(setImmediate)
  t.match(await log.append([arrival('late')]), [{ status: 'stored' }], 'room again')
  t.equal(await count('events'), 12)
})

test('what waits is bounded by bytes as well', async t => {
  const gate = new AbortController()
  const { log, alerts } = await openLog(t, query => async statement => {
    if (!gate.signal.aborted) await new Promise(resolve => { gate.signal.addEventListener('abort', resolve) })
    return await query(statement)
  }, { mostPendingBytes: 10_000 })
  const large = log.append([arrival('large', { data: { params: { text: 'x'.repeat(15_000) } } })])
  await endOfTurn()
  await t.rejects(log.append([arrival('small')]), Unavailable)
  t.match(alerts, [{ what: 'shed', reason: 'queue_full', rows: 1 }])
  const lead = log.append([leadArrival('lead')])
  gate.abort()
  t.equal((await Promise.all([large, lead])).length, 2)
})

test('many lanes with the same keys in every order neither deadlock nor count twice', async t => {
  const { log, count, alerts } = await openLog(t, query => query, { lanes: 8 })
  const ids = Array.from({ length: 30 }, (_, at) => `k${at}`)
  const shuffled = (seed: number) => ids.toSorted((a,
    b) => ((seed * 7919 + Number(a.slice(1)) * 31) % 97) - ((seed * 7919 + Number(b.slice(1)) * 31) % 97))
  const batches = await Promise.all(Array.from({ length: 60 }, (_, at) => log.append(shuffled(at).map(id =>
    arrival(id, { data: { transaction_id: `t-${id}` } })))))
  t.equal(batches.flat().filter(receipt => receipt.isNewEvent).length, 30)
  t.equal(batches.flat().filter(receipt => receipt.status === 'stored').length, 30)
  t.equal(await count('events'), 1800)
  t.strictSame(alerts, [])
})

test('the router in this process is told of new events, and close() waits for what is pending', async t => {
  let told = 0
  const { log, count } = await openLog(t, query => query, { onCommitted: newEvents => { told += newEvents } })
  const pending = Array.from({ length: 50 }, (_, at) => log.append([arrival(`e${at % 25}`)]))
  await log.close()
  t.equal(await count('events'), 50, 'stored before close() ends')
  await Promise.all(pending)
  t.equal(told, 25)
  await closesTwice(log)
})

async function closesTwice (log: IngestLog): Promise<void> {
  await log.close()
  await log.close()
}

test('a visitor\'s landing is stored once, however often its pages tell of it; another one beside it', async t => {
  const { log, pool, count } = await openLog(t)
  const landing = (eventId: string, source: string): Arrival => ({
    ...arrival(eventId, { data: { visitor_id: 'vAAAAAAAAAAAAAAAAAAAAAA' } }),
    touch: { seen_at_ms: Date.now(), campaign: { source } }
  })
  for (const id of ['one', 'two']) await log.append([landing(id, 'search')])
  t.equal(await count('touches'), 1)
  await pool.query('DELETE FROM touches')
  await log.append([landing('three', 'search'), landing('four', 'letter')])
  t.equal(await count('touches'), 1, 'what is committed is not written again')
  t.equal(await count('events'), 4)
})
