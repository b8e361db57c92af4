// Which deliveries a job takes: its own, and of a destination that lingers those that wait for company.
import { test } from 'tap'
import { deliveryOf, dispatchWorld, jobFor, storeEvent, until } from '../test/dispatch_world.ts'
import { routeOnce } from './route.ts'
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
