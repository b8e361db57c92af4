// Which jobs share a handler, and which run side by side.
import { test } from 'tap'
import { withTransaction } from '../config/postgres.ts'
import { deliveryOf, dispatchWorld, jobFor, runDispatcher, storeEvent, until } from '../test/dispatch_world.ts'
import { routeOnce } from './route.ts'
import { queueName, type Job } from './schedule.ts'

test('jobs that cannot be joined do not wait for each other\'s answers', async t => {
  const world = await dispatchWorld(t)
  const { pool, deps, network, acceptAll } = world
  const seqs: number[] = []
  for (let count = 0; count < 3; count++) {
    seqs.push(await storeEvent(pool))
    await routeOnce(deps)
  }
  await pool.query('DELETE FROM pgboss.job')
  const answers: (() => void)[] = []
  network.answer = (receipt, response) => { answers.push(() => acceptAll(receipt, response)) }
  const jobs = await Promise.all(seqs.map(async seq => ({ ...await jobFor(pool, seq), is_isolation: true })))
  await withTransaction(pool, async tx => await deps.enqueue(tx, queueName('fictional'),
    jobs.map(job => ({ data: job, startAtMs: null, group: '1' }))))
  await runDispatcher(t, world)
  await until(() => answers.length, count => count === 3)
  for (const answer of answers) answer()
  for (const seq of seqs) await until(() => deliveryOf(pool, seq), delivery => delivery?.state === 'delivered')
  t.equal(network.receipts.length, 3)
})

test('what is no job of ours spoils nothing', async t => {
  const world = await dispatchWorld(t)
  const { pool, deps, lines } = world
  const seq = await storeEvent(pool)
  await routeOnce(deps)
  await pool.query('UPDATE pgboss.job SET created_on = created_on + interval \'1 second\'')
  const strange = { kind: 'send', target_id: 1 } as unknown as Job
  await withTransaction(pool, async tx => await deps.enqueue(tx, queueName('fictional'),
    [{ data: strange, startAtMs: null, group: '1' }]))
  await runDispatcher(t, world)
  await until(() => deliveryOf(pool, seq), delivery => delivery?.state === 'delivered')
  t.match(lines.filter(({ message }) => message === 'jobs cannot be read'), [{ level: 'warn', values: { jobs: 1 } }])
})
