// Which deliveries a job takes: its own, and of a destination that lingers those that wait for company.
import { test } from 'tap'
import { withTransaction } from '../config/postgres.ts'
import { testDatabase } from '../test/database.ts'
import { deliveryOf, dispatchWorld, jobFor, storeEvent, testKeys, until } from '../test/dispatch_world.ts'
import { routeOnce } from './route.ts'
import { joinJobs } from './schedule.ts'
import { deliver } from './worker.ts'

test('what is under way joins no other request', async t => {
  const { pool, network, deps, acceptAll } = await dispatchWorld(t, [{ destination: { lingerMs: 1000 } }])
  const seqs: number[] = []
  for (const id of ['first', 'second', 'third']) {
    seqs.push(await storeEvent(pool, { id }))
    if (id !== 'third') await routeOnce(deps)
  }
  const [first = 0, second = 0, third = 0] = seqs
  let answer: () => void = () => undefined
  network.answer = (receipt, response) => { answer = () => acceptAll(receipt, response) }
  const sent = deliver(await jobFor(pool, first), deps)
  await until(() => network.receipts.length, count => count === 1)
  t.same(network.receipts[0]?.ids.toSorted(), ['first', 'second'], 'those who waited go together')

  await routeOnce(deps)
  const answerFirst = answer
  network.answer = acceptAll
  await deliver(await jobFor(pool, third), deps)
  answerFirst()
  await sent
  t.same(network.receipts.map(({ ids }) => ids.toSorted()), [['first', 'second'], ['third']])
  for (const seq of [first, second, third]) t.match(await deliveryOf(pool, seq), { state: 'delivered', attempts: 1 })
  const { rows } = await pool.query('SELECT result FROM attempts ORDER BY id')
  t.same(rows, [{ result: 'delivered' }, { result: 'delivered' }], 'no answer was thrown away')
})

test('jobs of a backlog share a request, and take only what nobody else has', async t => {
  const { pool, network, deps } = await dispatchWorld(t)
  const seqs: number[] = []
  for (const id of ['first', 'second', 'other']) {
    seqs.push(await storeEvent(pool, { id }))
    await routeOnce(deps)
  }
  const jobs = await Promise.all(seqs.map(seq => jobFor(pool, seq)))
  const [first = 0, second = 0, other = 0] = seqs
  await pool.query('UPDATE agenda SET is_held = true WHERE id = ANY($1)', [jobs[2]?.agenda_ids])
  for (const job of joinJobs(jobs)) if (job.kind === 'send') await deliver(job, deps)
  t.same(network.receipts.map(({ ids }) => ids), [['first', 'second']])
  for (const seq of [first, second]) t.match(await deliveryOf(pool, seq), { state: 'delivered', attempts: 1 })
  t.match(await deliveryOf(pool, other), { state: 'waiting', attempts: 0 }, 'somebody else holds it')
  t.equal((await pool.query('SELECT FROM agenda')).rowCount, 1, 'what is done is off the agenda')
})

test('an event that is gone is an outcome, and holds up none of its neighbours', async t => {
  const { pool, network, deps } = await dispatchWorld(t)
  const seqs = [await storeEvent(pool, { id: 'gone' }), await storeEvent(pool, { id: 'here' })]
  await routeOnce(deps)
  const job = await jobFor(pool, seqs[0] ?? 0)
  await pool.query('DELETE FROM events WHERE event_seq = $1', [seqs[0]])
  await deliver(job, deps)
  t.match(await deliveryOf(pool, seqs[0] ?? 0), { state: 'rejected', reason: 'invalid_event', attempts: 0 })
  t.match(await deliveryOf(pool, seqs[1] ?? 0), { state: 'delivered' })
  t.same(network.receipts.map(({ ids }) => ids), [['here']])
})

test('an event that this version cannot read is an outcome, and holds up none of its neighbours', async t => {
  const { pool, network, deps } = await dispatchWorld(t)
  const seqs = [await storeEvent(pool, { id: 'odd' }), await storeEvent(pool, { id: 'here' })]
  await pool.query('UPDATE events SET sealed = $1 WHERE event_seq = $2',
    [testKeys.seal('main', Buffer.from('no JSON')), seqs[0]])
  await routeOnce(deps)
  await deliver(await jobFor(pool, seqs[0] ?? 0), deps)
  t.match(await deliveryOf(pool, seqs[0] ?? 0), { state: 'rejected', reason: 'invalid_event', attempts: 0 })
  t.match(await deliveryOf(pool, seqs[1] ?? 0), { state: 'delivered' })
  t.same(network.receipts.map(({ ids }) => ids), [['here']])
})

test('what a crash has left on the agenda without a delivery that waits is taken off it', async t => {
  const { pool, network, deps } = await dispatchWorld(t)
  const seq = await storeEvent(pool)
  await routeOnce(deps)
  const job = await jobFor(pool, seq)
  await pool.query('UPDATE deliveries SET state = \'delivered\'')
  await deliver(job, deps)
  t.equal((await pool.query('SELECT FROM agenda')).rowCount, 0)
  t.equal(network.receipts.length, 0)
})

test('parts are folded in the order of their arrival, not in that of their receipts', async t => {
  const { pool, network, deps } = await dispatchWorld(t)
  // Receipts are random: among so many events both orders occur.
  const seqs: number[] = []
  for (let n = 0; n < 12; n++) {
    const seq = await storeEvent(pool, { id: `e${n}`, data: { value: 1, currency: 'EUR' } })
    await storeEvent(pool, { id: `e${n}`, partOf: seq, data: { value: 2, currency: 'EUR' } })
    seqs.push(seq)
  }
  await routeOnce(deps)
  await deliver(await jobFor(pool, seqs[0] ?? 0), deps)
  const sent = JSON.stringify(network.receipts)
  t.equal(network.receipts.flatMap(({ ids }) => ids).length, seqs.length)
  t.notMatch(sent, /"value":2/)
})

test('the parts of a job are found by their keys, on a day of which the planner knows nothing', async t => {
  const { pool } = await testDatabase(t)
  await withTransaction(pool, async session => {
    const { rows: [today] } = await session.query<{ day: string }>('SELECT (now() AT TIME ZONE \'UTC\')::date AS day')
    const store = async (from: number, to: number) => {
      await session.query(`INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust,
          has_contact, is_bot, is_lead, site, event_name, event_id, sealed)
        SELECT n, n, now(), now(), gen_random_uuid(), $1, 'signed', false, false, false, 'main', 'purchase', n::text, $4
        FROM generate_series($2::integer, $3::integer) AS n`, [today?.day, from, to, Buffer.alloc(900)])
      await session.query(`INSERT INTO deliveries (event_seq, agenda_id, destination_id, day, state)
        SELECT n, 0, 1, $1, 'waiting' FROM generate_series($2::integer, $3::integer) AS n`, [today?.day, from, to])
    }
    const readJob = async (from: number, to: number) => {
      const { rows: [entry] } = await session.query<{ id: number }>(`
        SELECT id FROM enter_agenda(ARRAY[1::smallint], ARRAY[$1::date], '{0}', '{0}', '{f}', '{f}',
          ARRAY[cardinality($2::bigint[])], $2) AS id`,
      [today?.day, Array.from({ length: to - from + 1 }, (_, index) => from + index)])
      await session.query('UPDATE deliveries SET agenda_id = $1 WHERE event_seq BETWEEN $2 AND $3',
        [entry?.id, from, to])
      return (await session.query<{ parts: number }>(
        'SELECT count(seq) AS parts FROM take_job(1::smallint, $1, ARRAY[$2::bigint], 1000, 0, 1)',
        [today?.day, entry?.id])).rows[0]?.parts
    }
    const countReads = async () => (await session.query<{ reads: number }>(`
      SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::bigint AS reads
      FROM pg_index JOIN pg_class ON oid = indrelid WHERE relname ~ '^events_\\d+$'`)).rows[0]?.reads ?? 0
    // The session keeps the plan of its first job: whatever the day held by then, it must not read all of it.
    for (const [stored, next] of [[0, 40], [40, 400], [400, 2000]] as const) {
      await session.query('DISCARD PLANS')
      await readJob(stored + 1, stored + 1)
      await store(stored + 1, next)
      const before = await countReads()
      t.equal(await readJob(next - 39, next), 40)
      t.ok(await countReads() - before <= 80, `${await countReads() - before} entries read for 40 events of ${next}`)
    }
  })
})
