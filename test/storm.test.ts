// One lead and one purchase, a thousand times at once over two gateways, with differing contents: counted once.
import { t, test } from 'tap'
import { runDispatcher, dispatchWorld, until } from './dispatch_world.ts'
import { createMetrics } from '../config/metrics.ts'
import { startGateway } from '../gateway/service.ts'
import { granted, send, site, testKeys } from './gateway_world.ts'

t.setTimeout(200_000)

test('a storm of duplicates', async t => {
  const world = await dispatchWorld(t)
  const { url: databaseUrl, pool, network } = world
  const gateways = await Promise.all([0, 1].map(async () => {
    const silent = () => undefined
    const gateway = await startGateway({
      databaseUrl,
      keys: testKeys,
      sites: [site],
      trustProxy: [],
      host: '127.0.0.1',
      port: 0,
      log: { info: silent, warn: silent, error: silent },
      metrics: createMetrics('test'),
      limits: { eventsPerMinute: 1e6, leadsPerMinute: 1e6 }
    })
    t.teardown(gateway.stop)
    return gateway.url
  }))
  const statuses: unknown[] = []
  const one = async (number: number) => {
    const url = gateways[number % 2] ?? ''
    // The value differs: whoever comes first is believed, the others are parts of the same event.
    const answer = number % 4 < 2
      ? await send(url, { event_id: 'lead', email: 'anna@example.com', value: number, consent: granted },
        { path: '/v1/leads', type: 'application/json' })
      : await send(url, {
        event_name: 'purchase',
        event_id: 'order',
        transaction_id: 'T1',
        value: number,
        currency: 'EUR',
        user_data: { email: 'anna@example.com' },
        consent: granted
      })
    statuses.push(answer.status === 503 ? 'turned away' : answer.json.status)
    if (answer.status === 503) await one(number)
  }
  await runDispatcher(t, world)
  await Promise.all(Array.from({ length: 1000 }, async (_, number) => { await one(number) }))
  const count = (status: string) => statuses.filter(one => one === status).length
  // An answer that got lost between Postgres and gateway is a 503, and who repeats it hears that it is known.
  t.ok(count('stored') <= 2, 'one lead and one purchase were new')
  t.equal(count('stored') + count('duplicate'), 1000, 'and everybody else heard that it is known')
  const { rows: [stored] } = await pool.query<{ parts: number, events: number }>(
    'SELECT count(*) AS parts, count(DISTINCT event_seq) AS events FROM events')
  t.equal(stored?.events, 2)
  t.ok((stored?.parts ?? 0) >= 1000)
  t.equal((await pool.query('SELECT FROM leads')).rowCount, 1)
  const delivered = async () => (await pool.query('SELECT FROM deliveries WHERE state <> \'waiting\'')).rowCount
  await until(delivered, rows => rows === 2, 120_000)
  t.same([...network.counted].sort(), [['lead', 1], ['order', 1]], 'the network got each of them once')
})
