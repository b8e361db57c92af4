// A worker that is stopped in mid-send for longer than its lease, and goes on: what it learns then is not written.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { deliveryOf, dispatchWorld, json, runDispatcher, storeEvent, until } from '../test/dispatch_world.ts'
import { endHolds } from '../test/hurry.ts'

const script = fileURLToPath(new URL('../test/dispatch_child.ts', import.meta.url))

test('SIGSTOP beyond the lease, then SIGCONT', { timeout: 200_000 }, async t => {
  const world = await dispatchWorld(t)
  const { url, pool, network, acceptAll } = world
  let isFirst = true
  let answerFirst = () => undefined as unknown
  network.answer = (receipt, response) => {
    if (!isFirst) return acceptAll(receipt, response)
    isFirst = false
    // The network counts it, and says so to somebody who does not listen: a refusal, to tell it from the other answer.
    network.counted.set('lead', 1)
    answerFirst = () => json(response, 500, {})
  }
  const seq = await storeEvent(pool, { id: 'lead' })
  const child = spawn(process.execPath, [...process.execArgv, script, url, network.origin], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  await until(() => network.receipts.length, count => count === 1, 60_000)
  child.kill('SIGSTOP')
  // Its lease ends while it cannot see that.
  await endHolds(pool)
  await runDispatcher(t, world)
  await until(() => deliveryOf(pool, seq), delivery => delivery?.state === 'delivered', 60_000)
  t.same(network.receipts.map(({ ids }) => ids), [['lead'], ['lead']], 'one more send, under the same id')

  answerFirst()
  child.kill('SIGCONT')
  // It works again: the next event may go through either of the two.
  const next = await storeEvent(pool, { id: 'next' })
  await until(() => deliveryOf(pool, next), delivery => delivery?.state === 'delivered', 60_000)
  const { rows } = await pool.query<{ result: string, http_status: number | null }>(
    'SELECT result, http_status FROM attempts WHERE event_seqs = ARRAY[$1::bigint] ORDER BY id', [seq])
  t.same(rows, [{ result: 'lost', http_status: null }, { result: 'delivered', http_status: 200 }],
    'the answer that the sleeper heard changed nothing')
  t.match(await deliveryOf(pool, seq), { state: 'delivered', attempts: 2 })
})
