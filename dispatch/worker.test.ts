// The worker: load, decide, map, batch, send, judge, settle, through faults and lost answers.
import { test } from 'tap'
import { deriveKeys } from '../config/keys.ts'
import {
  deliveryOf, dispatchWorld, json, runDispatcher, runningWorld, storeEvent, storeTouch, until
} from '../test/dispatch_world.ts'
import { granted } from '../test/fictional.ts'

const is = (state: string, reason?: string) => (delivery: Awaited<ReturnType<typeof deliveryOf>>) =>
  delivery?.state === state && (reason === undefined || delivery.reason === reason)

test('a stored event is routed, sent and delivered, and the attempt says so', async t => {
  const { pool, network, lines, deps } = await runningWorld(t)
  const seq = await storeEvent(pool, { id: 'lead-1', data: { value: 5, page_title: 'x' } })
  const delivery = await until(() => deliveryOf(pool, seq), is('delivered'))
  t.equal(delivery?.attempts, 1)
  t.match(network.receipts, [{ url: '/acc/events', token: 'secret-token-0123456789abcdef', ids: ['lead-1'] }])
  t.match(network.receipts[0]?.events, [{ id: 'lead-1', name: 'Lead', email: 'anna@example.com', value: 5 }])
  const { rows: attempts } = await pool.query('SELECT * FROM attempts')
  t.match(attempts, [
    { result: 'delivered', http_status: 200, event_seqs: [seq], network_trace: 'b1', network_said: null }])
  t.ok(attempts[0]?.ended_at)
  t.match(lines.filter(line => line.message === 'attempt'), [
    { level: 'info', values: { destination: 'main/fictional_1', events: 1, code: '200', states: { delivered: 1 } } }])
  t.notMatch(JSON.stringify(lines), /anna|secret-token/, 'no personal data and no secret in the log')
  t.match(await deps.metrics.registry.metrics(),
    /delivery_attempts_total\{destination="main\/fictional_1",outcome="delivered",code="200"\} 1/)
  t.equal((await pool.query('SELECT FROM unrouted_batches')).rowCount, 0)
})

test('what is decided against is never sent', async t => {
  const { pool, network } = await runningWorld(t, [{}, { mode: 'shadow' }, { events: 'all' }])
  const denied = await storeEvent(pool, { data: { consent: { ...granted, ad_user_data: 'denied' } } })
  const bot = await storeEvent(pool, { isBot: true })
  const exploding = await storeEvent(pool, { data: { form_id: 'explode' } })
  const view = await storeEvent(pool, { name: 'page_view' })
  const fine = await storeEvent(pool)
  t.match(await until(() => deliveryOf(pool, denied), is('skipped')), { reason: 'no_consent', attempts: 0 })
  t.match(await until(() => deliveryOf(pool, bot), is('skipped')), { reason: 'bot' })
  t.match(await until(() => deliveryOf(pool, exploding), is('rejected')),
    { reason: 'invalid_event', detail: 'mapping failed: TypeError' }, 'a bug in a mapping blocks nobody else')
  await until(() => deliveryOf(pool, fine), is('delivered'))
  t.match(await until(() => deliveryOf(pool, fine, 2), is('skipped')), { reason: 'shadow', attempts: 0 })
  await until(() => deliveryOf(pool, view, 3), is('delivered'))
  t.equal(await deliveryOf(pool, view), undefined, 'an event of another level has no delivery')
  await until(() => deliveryOf(pool, fine, 3), is('delivered'))
  t.equal(network.receipts.flatMap(receipt => receipt.ids).length, 3, 'the lead twice, the view once')
})

test('an event that cannot be opened is rejected; its neighbour goes', async t => {
  const world = await dispatchWorld(t)
  const { pool, network } = world
  const foreign = await storeEvent(pool)
  const fine = await storeEvent(pool, { id: 'fine' })
  const sealed = deriveKeys(['a secret that nobody has any more, thirty-two']).seal('main', Buffer.from('{}'))
  await pool.query('UPDATE events SET sealed = $2 WHERE event_seq = $1', [foreign, sealed])
  await runDispatcher(t, world)
  t.match(await until(() => deliveryOf(pool, foreign), is('rejected')),
    { reason: 'invalid_event', detail: 'the stored event cannot be opened', attempts: 0 })
  await until(() => deliveryOf(pool, fine), is('delivered'))
  t.same(network.receipts.map(({ ids }) => ids), [['fine']])
})

test('test mode asks for a test', async t => {
  const { pool, network } = await runningWorld(t, [{ mode: 'test' }])
  const seq = await storeEvent(pool)
  t.match(await until(() => deliveryOf(pool, seq), is('delivered')), { is_test: true })
  t.equal(network.receipts[0]?.url, '/acc/events?test=1')
})

test('parts are merged, the visitor\'s click is joined, and a retry sends the same', async t => {
  const { pool, network, acceptAll } = await runningWorld(t)
  const clickedAt = Date.now() - 3_600_000
  const land = async (visitor: string, value: string, atMs: number) => await storeTouch(pool, visitor,
    { seen_at_ms: atMs, click_ids: { fbclid: { value, seen_at_ms: atMs } } })
  await land('v1', 'first', clickedAt)
  await land('v1', 'last', clickedAt + 1000)
  await land('v2', 'another_visitor', clickedAt + 2000)
  let refusals = 0
  network.answer = (receipt, response) => {
    if (refusals++ === 0) return json(response, 503, {})
    acceptAll(receipt, response)
  }
  const seq = await storeEvent(pool, { id: 'e', visitor: 'v1', data: { user_data: {} }, agoMs: 1000 })
  await until(() => deliveryOf(pool, seq), is('waiting', 'network_error'))
  const late = { user_data: { email: ['late@example.com'] } }
  await storeEvent(pool, { id: 'e', partOf: seq, trust: 'signed', data: late })
  await until(() => deliveryOf(pool, seq), is('delivered'))
  t.match(network.receipts.map(receipt => receipt.events), [
    [{ id: 'e', click: 'last', email: undefined }], [{ id: 'e', click: 'last', email: undefined }]
  ], 'what came after the first request is not in the second')
  t.same(network.receipts[0]?.events, network.receipts[1]?.events)
})

test('a denial that comes after the first request stops the retry', async t => {
  const { pool, network } = await runningWorld(t)
  network.answer = (_receipt, response) => json(response, 503, {})
  const seq = await storeEvent(pool, { id: 'e' })
  await until(() => deliveryOf(pool, seq), is('waiting', 'network_error'))
  await storeEvent(pool, { id: 'e', partOf: seq, trust: 'signed', data: { consent: { ad_user_data: 'denied' } } })
  t.match(await until(() => deliveryOf(pool, seq), is('skipped')), { reason: 'no_consent' })
})

test('429 with Retry-After: the whole destination waits', async t => {
  const { pool, network } = await runningWorld(t)
  network.answer = (_receipt, response) => json(response, 429, {}, { 'retry-after': '40' })
  const first = await storeEvent(pool)
  const waiting = await until(() => deliveryOf(pool, first), is('waiting', 'throttled'))
  t.ok((waiting?.due_in_ms ?? 0) > 38_000 && (waiting?.due_in_ms ?? 0) < 46_000, String(waiting?.due_in_ms))
  const second = await storeEvent(pool)
  t.match(await until(() => deliveryOf(pool, second), is('waiting', 'throttled')), { attempts: 0 })
  t.equal(network.receipts.length, 1, 'the second was not even tried')
})

test('an outcome per event of a batch', async t => {
  const world = await dispatchWorld(t)
  const { pool, network } = world
  network.answer = (receipt, response) => json(response, 200, {
    batch: 'b', results: receipt.ids.map(id => id.split('-')[0])
  })
  const seqs: Record<string, number> = {}
  for (const word of ['ok', 'bad', 'later', 'busy']) seqs[word] = await storeEvent(pool, { id: `${word}-1` })
  await runDispatcher(t, world)
  await until(() => deliveryOf(pool, seqs.ok ?? 0), is('delivered'))
  t.match(await deliveryOf(pool, seqs.bad ?? 0), { state: 'rejected', reason: 'network_refused', detail: 'bad' })
  t.match(await deliveryOf(pool, seqs.later ?? 0), { state: 'accepted' })
  t.match(await deliveryOf(pool, seqs.busy ?? 0),
    { state: 'waiting', reason: 'network_error', detail: 'busy', attempts: 1 })
  t.equal(network.receipts[0]?.ids.length, 4, 'they shared one request')
})
