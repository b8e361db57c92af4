// What goes wrong between us and a network: credentials, culprits in batches, lost answers, zombies, killed workers.
import { test } from 'tap'
import {
  deliveryOf, dispatchWorld, jobFor, json, runDispatcher, runningWorld, storeEvent, until
} from '../test/dispatch_world.ts'
import { endHolds } from '../test/hurry.ts'
import { load } from './load.ts'
import { promoteOnce } from './promoter.ts'
import { routeOnce } from './route.ts'
import { intend, settleAttempt, settleUnsent } from './store.ts'
import { deliver } from './worker.ts'

type Delivery = Awaited<ReturnType<typeof deliveryOf>>
const is = (state: string, reason?: string) => (delivery: Delivery) =>
  delivery?.state === state && (reason === undefined || delivery.reason === reason)

test('a bad credential pauses the destination, burns no attempt, and the deliveries wait', async t => {
  const { pool, network, acceptAll, deps } = await runningWorld(t)
  network.answer = (_receipt, response) => json(response, 401, {})
  const first = await storeEvent(pool)
  t.match(await until(() => deliveryOf(pool, first), is('waiting', 'destination_paused')), { attempts: 0 })
  const { rows: [paused] } = await pool.query('SELECT paused_at, paused_detail FROM destinations')
  t.match(paused, { paused_at: Date, paused_detail: 'the token is not valid' })
  const second = await storeEvent(pool)
  await until(() => deliveryOf(pool, second), is('waiting', 'destination_paused'))
  await promoteOnce(deps)
  t.equal(network.receipts.length, 1, 'nobody tries in vain')

  network.answer = acceptAll
  await pool.query('UPDATE destinations SET paused_at = NULL, paused_detail = NULL')
  await until(() => deliveryOf(pool, first), is('delivered'))
  await until(() => deliveryOf(pool, second), is('delivered'))
})

test('a named culprit is rejected and its neighbours are sent again', async t => {
  const world = await dispatchWorld(t)
  const { pool, network, acceptAll } = world
  network.answer = (receipt, response) => {
    const culprit = receipt.ids.indexOf('culprit')
    if (culprit >= 0) return json(response, 400, { culprit })
    acceptAll(receipt, response)
  }
  const good = [await storeEvent(pool, { id: 'a' }), await storeEvent(pool, { id: 'b' })]
  const bad = await storeEvent(pool, { id: 'culprit' })
  await runDispatcher(t, world)
  for (const seq of good) t.match(await until(() => deliveryOf(pool, seq), is('delivered')), { attempts: 1 })
  t.match(await deliveryOf(pool, bad), { state: 'rejected', detail: 'bad event of ‹email›', attempts: 1 })
  t.same(network.receipts.map(receipt => receipt.ids), [['a', 'b', 'culprit'], ['a', 'b']])
})

test('an unknown culprit is found by halves, and alone it is rejected', async t => {
  const world = await dispatchWorld(t)
  const { pool, network, acceptAll } = world
  network.answer = (receipt, response) => {
    if (receipt.ids.includes('culprit')) return json(response, 400, {})
    acceptAll(receipt, response)
  }
  const seqs: number[] = []
  for (const id of ['a', 'b', 'culprit', 'd', 'e']) seqs.push(await storeEvent(pool, { id }))
  await runDispatcher(t, world)
  const isSettled = (delivery: Awaited<ReturnType<typeof deliveryOf>>) =>
    delivery !== undefined && delivery.state !== 'waiting'
  for (const seq of seqs) await until(() => deliveryOf(pool, seq), isSettled)
  t.same([...network.counted].sort(), [['a', 1], ['b', 1], ['d', 1], ['e', 1]])
  t.match(await deliveryOf(pool, seqs[2] ?? 0), { state: 'rejected', reason: 'network_refused', attempts: 1 })
})

test('an attempt whose answer was never heard is sent again with the same ids and parts', async t => {
  const world = await dispatchWorld(t)
  const { pool, network, deps } = world
  const seq = await storeEvent(pool, { id: 'e' })
  await routeOnce(deps)
  // A worker that intends, and dies.
  const job = await jobFor(pool, seq)
  const target = deps.targets.byId(1)
  if (target === undefined) throw new Error('no target')
  const { claim } = await load(job, target, deps) ?? {}
  if (claim === undefined) throw new Error('nothing to do')
  const lost = await intend(deps, claim, [{ seq, partSeqs: [seq], resendOf: null }]) ?? 0
  await storeEvent(pool, { id: 'e', partOf: seq, trust: 'signed', data: { value: 99 } })
  await deliver(job, deps)
  t.equal(network.receipts.length, 0, 'while the lease runs, nobody else sends')

  await endHolds(pool)
  await deliver(job, deps)
  t.match(await deliveryOf(pool, seq), { state: 'delivered', attempts: 2 })
  t.match(network.receipts.map(receipt => receipt.events), [[{ id: 'e', value: undefined }]], 'the parts of the first')
  const { rows } = await pool.query(
    'SELECT id, result, resend_of, ended_at IS NOT NULL AS ended FROM attempts ORDER BY id')
  t.match(rows, [{ result: 'lost', ended: true }, { result: 'delivered', resend_of: lost, ended: true }])

  // The first worker was only asleep: what it learns now is not written.
  const end = { httpStatus: 500, durationMs: 1, result: 'retry', trace: null, said: null }
  t.equal(await settleAttempt(deps, claim, lost, end, [{ seq, state: 'rejected', reason: 'gave_up' }]), false)
  t.match(await deliveryOf(pool, seq), { state: 'delivered' })
  t.equal((await pool.query('SELECT FROM agenda')).rowCount, 0, 'nothing is left to do')
})

test('a lost answer of a network that cannot recognise a copy', async t => {
  const world = await dispatchWorld(t, [{ destination: { dedupes: false } }])
  const { pool, network, deps } = world
  const seq = await storeEvent(pool)
  network.answer = (_receipt, _response, request) => request.socket.destroy()
  await routeOnce(deps)
  await deliver(await jobFor(pool, seq), deps)
  t.match(await deliveryOf(pool, seq), { state: 'rejected', reason: 'unknown_whether_sent' })
})

test('an attempt names its events in the order of the request, and is begun only by who holds them', async t => {
  const { pool, deps } = await dispatchWorld(t)
  const seqs: number[] = []
  for (const id of ['a', 'b', 'c', 'd']) seqs.push(await storeEvent(pool, { id }))
  await routeOnce(deps)
  const job = await jobFor(pool, seqs[0] ?? 0)
  const target = deps.targets.byId(1)
  if (target === undefined) throw new Error('no target')
  const take = async () => {
    const loaded = await load(job, target, deps)
    if (loaded === null) throw new Error('nothing to do')
    return loaded.claim
  }
  const batchOf = (wanted: number[]) => wanted.map(seq => ({ seq, partSeqs: [seq], resendOf: null }))
  const orders = [seqs.slice(0, 2).toReversed(), seqs.slice(2).toReversed()]
  const slow = await take()
  for (const order of orders) await intend(deps, slow, batchOf(order))
  const { rows } = await pool.query('SELECT event_seqs FROM attempts ORDER BY id')
  t.same(rows.map(row => row.event_seqs), orders)

  await endHolds(pool)
  const next = await take()
  t.equal(await intend(deps, slow, batchOf(seqs)), null, 'somebody else has taken them')
  t.equal(await settleUnsent(deps, slow, [{ seq: seqs[0] ?? 0, state: 'skipped', reason: 'bot' }]), false)
  t.match(await deliveryOf(pool, seqs[0] ?? 0), { state: 'waiting', attempts: 1 })
  t.ok(await intend(deps, next, batchOf(seqs)))

  await endHolds(pool)
  await promoteOnce(deps)
  t.equal(await intend(deps, next, batchOf(seqs)), null, 'they were promoted: anybody may take them now')
  await take()
  t.match(await deliveryOf(pool, seqs[0] ?? 0), { state: 'waiting', attempts: 2 })
  const { rows: [left] } = await pool.query('SELECT count(*)::int AS open FROM attempts WHERE ended_at IS NULL')
  t.equal(left.open, 0, 'what the others had begun is lost')
})

test('two workers with the same job send once', async t => {
  const world = await dispatchWorld(t)
  const { pool, network, deps } = world
  const seq = await storeEvent(pool)
  await routeOnce(deps)
  const job = await jobFor(pool, seq)
  await Promise.all([deliver(job, deps), deliver(job, deps), deliver(job, deps)])
  t.match(await deliveryOf(pool, seq), { state: 'delivered', attempts: 1 })
  t.equal(network.receipts.length, 1)
  const { rowCount } = await pool.query('SELECT FROM attempts')
  t.equal(rowCount, 1)
})

test('a lost job is only lateness', async t => {
  const world = await dispatchWorld(t)
  const { pool, deps } = world
  const seq = await storeEvent(pool)
  await routeOnce(deps)
  await pool.query('DELETE FROM pgboss.job')
  await endHolds(pool)
  await runDispatcher(t, world)
  await until(() => deliveryOf(pool, seq), is('delivered'))
})

test('lone events that linger share a request', async t => {
  const { pool, network } = await runningWorld(t, [{ destination: { lingerMs: 600_000 } }])
  const seqs: number[] = []
  for (const id of ['a', 'b', 'c']) {
    seqs.push(await storeEvent(pool, { id }))
    await until(() => deliveryOf(pool, seqs.at(-1) ?? 0), is('waiting', 'lingering'))
  }
  await pool.query(`UPDATE agenda SET due_at = now(), wake_at = now()
    WHERE id = (SELECT agenda_id FROM deliveries WHERE event_seq = $1)`, [seqs[0]])
  for (const seq of seqs) await until(() => deliveryOf(pool, seq), is('delivered'))
  t.same(network.receipts.map(receipt => receipt.ids.sort()), [['a', 'b', 'c']])
})

test('an adjustment waits for its original, and shares its fate', async t => {
  const world = await dispatchWorld(t)
  const { pool, network, deps } = world
  const original = await storeEvent(pool, { name: 'purchase', id: 'order', isBot: false })
  const refund = await storeEvent(pool, { name: 'refund', id: 'refund' })
  const orphan = await storeEvent(pool, { name: 'refund', id: 'orphan' })
  const refused = await storeEvent(pool, { name: 'purchase', id: 'bot', isBot: true })
  await routeOnce(deps)
  await pool.query('UPDATE deliveries SET after_delivery = $1 WHERE event_seq = $2', [original, refund])
  await pool.query('UPDATE deliveries SET after_delivery = $1 WHERE event_seq = $2', [refused, orphan])
  await deliver(await jobFor(pool, refund), deps)
  t.match(await deliveryOf(pool, refund), { state: 'waiting', reason: 'original_pending', attempts: 0 })
  t.match(await deliveryOf(pool, orphan), { state: 'skipped', reason: 'bot', detail: 'like the event it adjusts' })
  await deliver(await jobFor(pool, refund), deps)
  t.match(await deliveryOf(pool, refund), { state: 'delivered' })
  t.same(network.receipts.map(receipt => receipt.ids), [['order'], ['refund']])
})

test('deliveries of a destination that left the settings are closed after a grace', async t => {
  const { pool, deps } = await dispatchWorld(t)
  const seq = await storeEvent(pool)
  await routeOnce(deps)
  await pool.query('UPDATE agenda SET due_at = now() - interval \'50 min\', wake_at = now()')
  const without = { ...deps, targets: { all: [], byId: () => undefined, ofSite: () => [] } }
  await promoteOnce(without)
  t.match(await deliveryOf(pool, seq), { state: 'waiting' })
  await pool.query('UPDATE agenda SET due_at = now() - interval \'70 min\'')
  await promoteOnce(without)
  t.match(await deliveryOf(pool, seq), { state: 'waiting' }, 'somebody who knows the destination woke it just now')
  await pool.query('UPDATE agenda SET wake_at = now() - interval \'70 min\'')
  await promoteOnce(without)
  t.match(await deliveryOf(pool, seq), { state: 'skipped', reason: 'destination_removed' })
  t.equal((await pool.query('SELECT FROM agenda')).rowCount, 0)
})
