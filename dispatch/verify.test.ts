// Verdicts that come later: asked for, believed, and what follows from them.
import { test } from 'tap'
import { deliveryOf, dispatchWorld, jobFor, json, runningWorld, storeEvent, until } from '../test/dispatch_world.ts'
import { fictional } from '../test/fictional.ts'
import { routeOnce } from './route.ts'
import { verify } from './verify.ts'
import { deliver } from './worker.ts'

type Delivery = Awaited<ReturnType<typeof deliveryOf>>
const is = (state: string) => (delivery: Delivery) => delivery?.state === state

test('an accepted event gets its verdict later', async t => {
  const { pool, network, deps } = await runningWorld(t)
  network.answer = (receipt, response) =>
    json(response, 200, { batch: 'b7', results: receipt.ids.map(() => 'later') })
  const seq = await storeEvent(pool)
  await until(() => deliveryOf(pool, seq), is('accepted'))
  const askNow = async () => await pool.query('UPDATE attempts SET verify_at = now() WHERE verify_at IS NOT NULL')
  const { rows: [{ later }] } = await pool.query(
    'SELECT extract(epoch FROM verify_at - now())::float8 AS later FROM attempts')
  t.ok(later > 50 && later <= 60, 'a minute, as the contract says')
  network.verdict = 'pending'
  await askNow()
  // The promoter's own hold is five minutes; a minute says that the answer was written.
  const asked = async () => await pool.query(`SELECT FROM attempts
    WHERE verify_at BETWEEN now() + interval '30 s' AND now() + interval '90 s'`)
  await until(asked, ({ rowCount }) => rowCount === 1)
  t.match(await deliveryOf(pool, seq), { state: 'accepted' }, 'asked, and still open')
  network.verdict = 'counted'
  await askNow()
  await until(() => deliveryOf(pool, seq), is('delivered'))
  t.equal(network.receipts.length, 1, 'asking sends nothing again')

  const other = await storeEvent(pool)
  const accepted = await until(() => deliveryOf(pool, other), is('accepted'))
  network.verdict = 'the e-mail of anna@example.com is unknown'
  const day = new Date().toISOString().slice(0, 10)
  await verify({ kind: 'verify', target_id: 1, day, attempt_id: accepted?.attempt_id ?? 0 }, deps)
  t.match(await deliveryOf(pool, other),
    { state: 'rejected', reason: 'network_refused', detail: 'the e-mail of ‹email› is unknown' })
})

test('what a network refuses in its verdict for now is sent again; what nobody will know stays accepted', async t => {
  const later = { kind: 'retry', reason: 'network_error', afterSeconds: 6 * 3600, detail: 'TOO_RECENT' } as const
  const lastWord = { kind: 'accepted', isLastWord: true, detail: '1 of 2 was refused' } as const
  if (fictional.verify === undefined) throw new Error('the fictional network has verdicts')
  const verdict = { ...fictional.verify, judge: () => ({ each: [later, lastWord] }) }
  const { pool, network, deps } = await dispatchWorld(t, [{ destination: { verify: verdict } }])
  network.answer = (receipt, response) =>
    json(response, 200, { batch: 'b7', results: receipt.ids.map(() => 'later') })
  const seqs = [await storeEvent(pool), await storeEvent(pool)]
  await routeOnce(deps)
  const job = await jobFor(pool, seqs[0] ?? 0)
  await deliver(job, deps)
  const { attempt_id: attemptId } = await deliveryOf(pool, seqs[0] ?? 0) ?? {}
  t.match(await deliveryOf(pool, seqs[1] ?? 0), { state: 'accepted', attempt_id: attemptId })
  await verify({ kind: 'verify', target_id: 1, day: job.day, attempt_id: attemptId ?? 0 }, deps)
  const again = await deliveryOf(pool, seqs[0] ?? 0)
  t.match(again, { state: 'waiting', reason: 'network_error', detail: 'TOO_RECENT' })
  t.ok((again?.due_in_ms ?? 0) > 5.9 * 3_600_000, 'not before the network said')
  t.match(await deliveryOf(pool, seqs[1] ?? 0), { state: 'accepted', detail: '1 of 2 was refused' })
  t.match((await pool.query('SELECT verify_at FROM attempts')).rows, [{ verify_at: null }], 'nobody is asked again')
  network.answer = (receipt, response) => json(response, 200, { batch: 'b8', results: receipt.ids.map(() => 'ok') })
  await deliver(await jobFor(pool, seqs[0] ?? 0), deps)
  t.match(await deliveryOf(pool, seqs[0] ?? 0), { state: 'delivered', attempts: 2 })
  t.equal(network.receipts.length, 2, 'the other one was not sent again')
})

test('what did not count for a mistake in the settings is sent again when that is mended', async t => {
  const mistake = { kind: 'pause', detail: 'the terms are not accepted' } as const
  if (fictional.verify === undefined) throw new Error('the fictional network has verdicts')
  const verdict = { ...fictional.verify, judge: () => ({ all: mistake }) }
  const { pool, network, deps } = await dispatchWorld(t, [{ destination: { verify: verdict } }])
  network.answer = (receipt, response) =>
    json(response, 200, { batch: 'b7', results: receipt.ids.map(() => 'later') })
  const seq = await storeEvent(pool)
  await routeOnce(deps)
  const job = await jobFor(pool, seq)
  await deliver(job, deps)
  const { attempt_id: attemptId } = await deliveryOf(pool, seq) ?? {}
  await verify({ kind: 'verify', target_id: 1, day: job.day, attempt_id: attemptId ?? 0 }, deps)
  t.match(await deliveryOf(pool, seq), { state: 'waiting', reason: 'destination_paused', detail: mistake.detail })
  const { rows: [paused] } = await pool.query('SELECT paused_at, paused_detail FROM destinations')
  t.match(paused, { paused_at: Date, paused_detail: mistake.detail })
})
