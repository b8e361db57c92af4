// The rate of a destination, which all workers share.
import { test } from 'tap'
import { deliveryOf, dispatchWorld, jobFor, runningWorld, storeEvent, until } from '../test/dispatch_world.ts'
import { routeOnce } from './route.ts'
import { takeRate } from './store.ts'
import { deliver } from './worker.ts'

test('destinations that share a quota share its rate, others do not', async t => {
  const rate = { perMinute: 2, sharedBy: ({ account }: { account: string }) => account } as never
  const { pool, deps } = await dispatchWorld(t, [{ destination: { rate } }, { destination: { rate } },
    { destination: { rate }, settings: { account: 'other', token: 'secret-token-0123456789abcdef' } }])
  const [first, second, other] = deps.targets.all
  if (first === undefined || second === undefined || other === undefined) throw new Error('three targets')
  t.equal(await takeRate(pool, first), null)
  t.ok((await takeRate(pool, second) ?? 0) > 0, 'used up by the other destination of the account')
  t.equal(await takeRate(pool, other), null)
})

test('a rate is kept by all workers together', async t => {
  const limits = { events: 1, bytes: 4000, maxAgeDays: () => 7 }
  const { pool, network } = await runningWorld(t, [{ destination: { rate: { perMinute: 2 }, limits } }])
  const seqs: number[] = []
  for (let count = 0; count < 4; count++) seqs.push(await storeEvent(pool))
  const words = async () => {
    const deliveries = await Promise.all(seqs.map(async seq => await deliveryOf(pool, seq)))
    return deliveries.map(one => one?.reason ?? one?.state)
  }
  await until(words, states => states.toSorted().join() === 'delivered,rate_limited,rate_limited,rate_limited')
  t.equal(network.receipts.length, 1)
})

test('a worker whose deliveries were taken over takes no more of the rate that others need', async t => {
  const limits = { events: 1, bytes: 4000, maxAgeDays: () => 7 }
  const rate = { perDay: 100 }
  const { pool, network, acceptAll, deps } = await dispatchWorld(t, [{ destination: { rate, limits } }])
  const seqs: number[] = []
  for (const id of ['a', 'b', 'c', 'd']) seqs.push(await storeEvent(pool, { id }))
  await routeOnce(deps)
  network.answer = (receipt, response) => {
    pool.query('UPDATE agenda SET fence = 1').then(() => { acceptAll(receipt, response) }, t.threw)
  }
  await deliver(await jobFor(pool, seqs[0] ?? 0), deps)
  t.equal(network.receipts.length, 1)
  const { rows: [left] } = await pool.query('SELECT round(tokens)::int AS tokens FROM rate_budgets')
  t.equal(left.tokens, 8, 'one for what was sent, and one to find out')
})
