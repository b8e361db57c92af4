// Which keys Postgres looks for: it costs less to expect none, and whatever was expected, the answers are the same.
import { test, type Test } from 'tap'
import type { Pool } from '../config/postgres.ts'
import { arrival } from '../test/arrivals.ts'
import { testDatabase } from '../test/database.ts'
import { testKeys } from '../test/gateway_world.ts'
import { spooled, spooledLead } from '../test/spool_world.ts'
import type { Arrival } from './arrival.ts'
import { openIngestLog } from './ingest.ts'
import { rememberKeys } from './seen_keys.ts'

/** One that also claims its transaction. */
const claiming = (eventId: string, transactionId: string): Arrival =>
  arrival(eventId, { data: { value: 1, transaction_id: transactionId } })

/** A gateway of its own on a database; `expected` is what it said of each batch's keys. */
function openGateway (t: Test, pool: Pool, lanes: number) {
  const expected: unknown[] = []
  const alerts: unknown[] = []
  const query = async (statement: { name?: string, values?: unknown[] }) => {
    if (statement.name === 'append_parts') expected.push(statement.values?.[0])
    return await Reflect.apply(pool.query, pool, [statement]) as unknown
  }
  const log = openIngestLog({
    pool: { query } as unknown as Pool,
    keys: testKeys,
    countryOf: () => undefined,
    // A busy machine is no time-out.
    quickMs: 60_000,
    lanes,
    onAlert: alert => { alerts.push(alert) }
  })
  t.teardown(async () => { await log.close() })
  return { log, expected, alerts }
}

test('keys are expected when they came before, in this batch or an earlier one, of the same site', t => {
  const { expect } = rememberKeys()
  const row = (site: string, digest: string, claim?: string) =>
    ({ site, digest: Buffer.from(digest), claim: claim === undefined ? null : Buffer.from(claim) })
  t.equal(expect([row('a', '1'), row('a', '2', 'claim')]), false)
  t.equal(expect([row('b', '1'), row('b', '2', 'claim')]), false, 'another site')
  t.equal(expect([row('a', '3'), row('a', '1')]), true)
  t.equal(expect([row('a', '3')]), true, 'all of a batch are remembered')
  t.equal(expect([row('a', '4', 'claim')]), true, 'a claim')
  t.equal(expect([row('a', '5'), row('a', '5')]), true, 'twice in one batch')
  t.equal(expect([row('a', '6')]), false)
  t.end()
})

test('what is remembered is bounded', t => {
  const { expect } = rememberKeys(10)
  const row = (digest: number) => ({ site: 'a', digest: Buffer.from(String(digest)), claim: null })
  for (let at = 0; at < 20; at++) t.equal(expect([row(at)]), false)
  t.equal(expect([row(0)]), false, 'forgotten')
  t.end()
})

test('a key that nobody expected is found: its row is a part, and the others of its batch are new', async t => {
  const { pool } = await testDatabase(t)
  const one = openGateway(t, pool, 1)
  await one.log.append([claiming('a', 'T-1'), arrival('b')])

  const other = openGateway(t, pool, 1)
  const receipts = await other.log.append([arrival('c'), arrival('b'), claiming('d', 'T-1'), claiming('e', 'T-2')])
  t.strictSame(receipts.map(({ status, eventId, isNewEvent }) => [status, eventId, isNewEvent]),
    [['stored', 'c', true], ['duplicate', 'b', false], ['duplicate', 'd', false], ['stored', 'e', true]])
  const { rows } = await pool.query<{ ids: string[] }>(`
    SELECT array_agg(e.event_id ORDER BY e.seq) AS ids
    FROM unrouted_batches b JOIN events e ON e.seq = ANY (b.event_seqs)
    GROUP BY b.id ORDER BY b.id`)
  t.strictSame(rows, [{ ids: ['a', 'b'] }, { ids: ['c', 'e'] }], 'only new events are routed')
  const { rows: parts } = await pool.query(`
    SELECT k.event_seq FROM events e JOIN event_keys k USING (event_seq) WHERE e.event_id IN ('a', 'd')`)
  t.equal(parts.length, 6, 'two parts of one event, which three keys lead to')

  for (let at = 0; at < 17; at++) await other.log.append([arrival(`new-${at}`)])
  t.strictSame(other.expected, [false, ...Array.from({ length: 16 }, () => true), false],
    'after a surprise it is careful for a while')
  await other.log.append([arrival('new-16')])
  t.equal(other.expected.at(-1), true)
  t.strictSame([...one.alerts, ...other.alerts], [])
})

test('gateways that know nothing of each other neither deadlock nor count twice', async t => {
  const { pool } = await testDatabase(t)
  const ids = Array.from({ length: 30 }, (_, at) => `k${at}`)
  const turned = (by: number) => [...ids.slice(by), ...ids.slice(0, by)]
  const gateways = ids.map(() => openGateway(t, pool, 2))
  const receipts = (await Promise.all(gateways.map(async ({ log }, at) =>
    await log.append(turned(at).map(id => claiming(id, `t-${id}`)))))).flat()
  t.equal(receipts.filter(receipt => receipt.isNewEvent).length, 30)
  t.equal(receipts.filter(receipt => receipt.status === 'stored').length, 30)
  const { rows: [stored] } = await pool.query(`SELECT (SELECT count(*)::int FROM events) AS parts,
    (SELECT count(*)::int FROM event_keys) AS keys`)
  t.strictSame(stored, { parts: 900, keys: 60 })
  t.strictSame(gateways.flatMap(({ expected }) => expected), ids.map(() => false), 'nobody expected any')
  t.strictSame(gateways.flatMap(({ alerts }) => alerts), [])
})

test('leads of known events are written in the order of their keys, however they came', async t => {
  const { pool } = await testDatabase(t)
  const { log } = openGateway(t, pool, 1)
  const ids = Array.from({ length: 20 }, (_, at) => `k${at}`)
  await log.append(ids.map(id => spooled(id)))
  const orders: unknown[] = []
  for (const came of [ids, ids.toReversed()]) {
    await pool.query('TRUNCATE leads')
    await log.append(came.map(id => spooledLead(id)))
    orders.push((await pool.query('SELECT lead_id FROM leads ORDER BY ctid')).rows.map(row => Object.values(row)[0]))
  }
  t.same(orders[0], orders[1], 'two lanes wait for each other in one direction only')
})
