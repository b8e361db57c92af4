// Who may take which entries of the agenda, also after crashes of Postgres and of workers.
import { test } from 'tap'
import { withTransaction } from '../config/postgres.ts'
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
  const takeEntry = async (db: Pick<typeof pool, 'query'>, entry: number | undefined) =>
    (await db.query<{ own: number[] }>(
      'SELECT own FROM take_entries(1::smallint, $1, ARRAY[$2::bigint], 45000, 120000, 2)', [job.day, entry])).rows
  await withTransaction(pool, async tx => {
    t.same(await takeEntry(tx, own), [{ own: [own, near] }], 'up to one request')
    t.same(await takeEntry(pool, far), [{ own: [far] }])
  })
})
