// Who may take which entries of the agenda, also after crashes of Postgres and of workers.
import { test } from 'tap'
import { withTransaction, type Queryable } from '../config/postgres.ts'
import { testDatabase } from '../test/database.ts'
import { deliveryOf, dispatchWorld, jobFor, storeEvent } from '../test/dispatch_world.ts'
import { endHolds } from '../test/hurry.ts'
import { load } from './load.ts'
import { routeOnce } from './route.ts'
import { intend, settleUnsent } from './store.ts'
import { deliver } from './worker.ts'

/** A world with an event in each of some entries, and a job for all of these. */
async function plannedWorld (t: Parameters<typeof dispatchWorld>[0], ids: string[], lingerMs = 0) {
  const world = await dispatchWorld(t, [{ destination: { lingerMs } }])
  const { pool, deps } = world
  const [target] = deps.targets.all
  if (target === undefined) throw new Error('no target')
  const seqs: number[] = []
  for (const id of ids) {
    seqs.push(await storeEvent(pool, { id }))
    await routeOnce(deps)
  }
  const jobs = await Promise.all(seqs.map(async seq => await jobFor(pool, seq)))
  const entries = jobs.flatMap(job => job.agenda_ids)
  const [first] = jobs
  if (first === undefined) throw new Error('no job')
  const job = { ...first, agenda_ids: entries, events: ids.length }
  const take = async () => {
    const loaded = await load(job, target, deps)
    if (loaded === null) throw new Error('nothing to do')
    return loaded.claim
  }
  const onAgenda = async () => (await pool.query<{ id: number }>('SELECT id FROM agenda ORDER BY id')).rows.map(
    ({ id }) => id)
  return { ...world, seqs, job, entries, take, onAgenda }
}

test('a job whose entry a crash gave to another destination or day leaves that alone', async t => {
  const { pool, deps, seqs, job, entries, onAgenda } = await plannedWorld(t, ['a'])
  const other = { ...deps, targets: { ...deps.targets, byId: () => deps.targets.all[0] } }
  await deliver({ ...job, target_id: 2 }, other)
  await deliver({ ...job, day: '2020-02-02' }, deps)
  t.same(await onAgenda(), entries)
  await deliver(job, deps)
  t.match(await deliveryOf(pool, seqs[0] ?? 0), { state: 'delivered' })
})

test('who took an entry before a crash that forgot it does not hold it by whatever number comes again', async t => {
  const { pool, deps, seqs: [seq = 0], take } = await plannedWorld(t, ['a'])
  const { rows: [last] } = await pool.query<{ last_value: number }>('SELECT last_value FROM agenda_id')
  const slow = await take()
  // The take was not on the disk, nor what the sequence gave since.
  await pool.query('UPDATE agenda SET is_held = false, fence = NULL')
  await pool.query('SELECT setval(\'agenda_id\', $1)', [last?.last_value])
  const next = await take()
  const batch = [{ seq, partSeqs: [seq], resendOf: null }]
  t.equal(await intend(deps, slow, batch), null)
  t.ok(await intend(deps, next, batch))
})

test('an entry that a dead worker had settled among others is taken off when these are taken', async t => {
  const { pool, deps, seqs, entries, take, onAgenda } = await plannedWorld(t, ['settled', 'open'])
  t.ok(await settleUnsent(deps, await take(), [{ seq: seqs[0] ?? 0, state: 'skipped', reason: 'bot' }]))
  t.same(await onAgenda(), entries, 'they are closed together')
  await endHolds(pool)
  const claim = await take()
  t.same([...claim.open], seqs.slice(1))
  t.same(await onAgenda(), entries.slice(1), 'it would be woken alone, and end what is begun for the other')
})

test('company that is not taken along is not locked: its own job finds it', async t => {
  const { pool, entries: [own, near, far], job } = await plannedWorld(t, ['own', 'near', 'far'], 60_000)
  const takeEntry = async (db: Queryable, entry: number | undefined) =>
    (await db.query<{ own: number[] }>(
      'SELECT own FROM take_entries(1::smallint, $1, ARRAY[$2::bigint], 45000, 120000, 2)', [job.day, entry])).rows
  await withTransaction(pool, async tx => {
    t.same(await takeEntry(tx, own), [{ own: [own, near] }], 'up to one request')
    t.same(await takeEntry(pool, far), [{ own: [far] }])
  })
})

/** Entries of one event each; their ids. */
async function fill (session: Queryable, count: number, lingers: boolean) {
  return await session.query<{ id: number }>(`
    INSERT INTO agenda (due_at, wake_at, destination_id, events, day, is_isolation, lingers, event_seqs)
    SELECT now(), now(), 1, 1, '2026-11-24', false, $2, ARRAY[n::bigint] FROM generate_series(1, $1::int) AS n
    RETURNING id`, [count, lingers])
}

/** Rows and index entries of the agenda that this transaction has read. */
async function countReads (session: Queryable): Promise<number> {
  const { rows: [row] } = await session.query<{ reads: number }>(`
    SELECT (sum(pg_stat_get_xact_tuples_returned(indexrelid)) + pg_stat_get_xact_tuples_returned(indrelid))::bigint
      AS reads
    FROM pg_index WHERE indrelid = 'agenda'::regclass GROUP BY indrelid`)
  return row?.reads ?? 0
}

test('company is found without a look at all that waits, also by a plan from before there was any', async t => {
  const { pool } = await testDatabase(t)
  await withTransaction(pool, async session => {
    const takeOne = async () => {
      const { rows: [own] } = await fill(session, 1, true)
      const { rows } = await session.query<{ own: number[] }>(
        'SELECT own FROM take_entries(1::smallint, \'2026-11-24\', ARRAY[$1::bigint], 45000, 6000, 10)', [own?.id])
      return rows[0]?.own.length
    }
    t.equal(await takeOne(), 1)
    await fill(session, 3000, false)
    await fill(session, 3, true)
    const before = await countReads(session)
    t.equal(await takeOne(), 4)
    const reads = await countReads(session) - before
    t.ok(reads < 100, `${reads} rows and index entries read`)
  })
})

test('who holds an entry proves it without reading the agenda, also by a plan from when that was empty', async t => {
  const { pool } = await testDatabase(t)
  await withTransaction(pool, async session => {
    await session.query('ANALYZE agenda')
    const hold = async (name: string) => {
      const before = await countReads(session)
      await session.query(`SELECT FROM ${name}`)
      return await countReads(session) - before
    }
    const calls = ['hold_entries(ARRAY[1::bigint], 7)',
      'begin_attempt(1::smallint, \'2026-11-24\', ARRAY[1::bigint], 7, 45000, ARRAY[1::bigint], NULL, NULL)']
    // So often that a session keeps its plan.
    for (let n = 0; n < 10; n++) for (const call of calls) await hold(call)
    await fill(session, 3000, false)
    await session.query('UPDATE agenda SET fence = 7, is_held = true WHERE id = 1')
    for (const call of calls) {
      const reads = await hold(call)
      t.ok(reads > 0 && reads < 100, `${reads} rows and index entries read by ${call}`)
    }
  })
})
