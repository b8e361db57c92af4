// What a delivery's row costs: it is written twice, and the second time beside the first and without an index entry.
import { test } from 'tap'
import { withTransaction, type Queryable } from '../config/postgres.ts'
import { testDatabase } from '../test/database.ts'
import { enterAgenda } from './agenda.ts'
import { planEntries } from './schedule.ts'
import { insertDeliveries } from './store.ts'

const count = 3000

/** Routes deliveries of one destination and day, as dispatch/route.ts does. */
async function routeMany (session: Queryable, day: string): Promise<{ agendaId: number, seqs: number[] }[]> {
  const dues = Array.from({ length: count }, (_, index) => ({ seq: index + 1, day, targetId: 1, dueAtMs: 0 }))
  const { entries, places } = planEntries(dues, Date.now(), 1000)
  const ids = await enterAgenda(session, async () => await Promise.resolve(), entries, () => 'fictional')
  await insertDeliveries(session, dues.map(({ seq }, index) => ({
    seq, day, targetId: 1, isTest: false, state: 'waiting', reason: 'new', agendaId: ids[places[index] ?? -1] ?? null
  })))
  return entries.map(({ seqs }, index) => ({ agendaId: ids[index] ?? 0, seqs }))
}

interface Sizes { written: number, heap_only: number, pages: number, index_pages: number }

/** Updates of this transaction, and what the day's deliveries take. */
async function measure (session: Queryable, day: string): Promise<Sizes> {
  const { rows: [sizes] } = await session.query<Sizes>(`
    SELECT n_tup_upd::int AS written, n_tup_hot_upd::int AS heap_only, pg_relation_size(relid)::int / 8192 AS pages,
      pg_indexes_size(relid)::int / 8192 AS index_pages
    FROM pg_stat_xact_user_tables WHERE relname = 'deliveries_' || to_char($1::date, 'YYYYMMDD')`, [day])
  if (sizes === undefined) throw new Error('no partition of that day')
  return sizes
}

test('what settles a delivery is a heap-only tuple on the page of what routed it', async t => {
  const { pool } = await testDatabase(t)
  const day = new Date().toISOString().slice(0, 10)
  await withTransaction(pool, async session => {
    const routed = await routeMany(session, day)
    const before = await measure(session, day)
    t.equal(before.written, 0)
    for (const { agendaId, seqs } of routed) {
      await session.query(`SELECT settle_deliveries(1::smallint, $1, 7, ARRAY[$2::bigint], ARRAY[$2::bigint], $3,
        ARRAY[cardinality($3::bigint[])], '{delivered}', '{null}', '{null}', '{1}', '{null}')`, [day, agendaId, seqs])
    }
    const after = await measure(session, day)
    t.same(after, { ...before, written: count, heap_only: count }, 'no page, and no page of an index, more than before')
    t.ok(after.pages * 8192 / count < 145, `${after.pages * 8192 / count} bytes of heap for each`)
    t.ok(after.index_pages * 8192 / count < 40, `${after.index_pages * 8192 / count} bytes of index for each`)
    const { rows } = await session.query('SELECT count(*)::int AS left_over FROM agenda')
    t.same(rows, [{ left_over: 0 }])
  })
})
