// Gateways and workers behind a real PgBouncer in transaction mode: a session is another one for each transaction.
import { t, test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { openPool } from '../config/postgres.ts'
import { keepPartitions } from '../dispatch/partitions.ts'
import { startDispatch } from '../dispatch/service.ts'
import { startGateway } from '../gateway/service.ts'
import { fictionalNetwork, until } from './dispatch_world.ts'
import { fictional, fictionalTarget } from './fictional.ts'
import { granted, send, site, testKeys } from './gateway_world.ts'
import { ownPostgres } from './own_postgres.ts'
import { noPgbouncer, startPgbouncer } from './pgbouncer.ts'
import { spoolFolder } from './spool_world.ts'

// A server is made, and everything waits for everything, on a machine that may be busy.
t.setTimeout(200_000)

test('two gateways and two workers share four connections', { skip: noPgbouncer }, async t => {
  const { url: directUrl, pool } = await ownPostgres(t)
  const databaseUrl = await startPgbouncer(t, directUrl)
  const { network } = await fictionalNetwork(t)
  const lines: string[] = []
  const line = (values: object, message: string) => { lines.push(`${message} ${JSON.stringify(values)}`) }
  const log = { info: () => undefined, warn: line, error: line }
  const { site: rules, settings } = fictionalTarget()
  const destinations = [{
    name: 'fictional',
    type: 'fictional',
    mode: 'live' as const,
    events: 'all' as const,
    endpoint: network.origin,
    params: [],
    own: settings
  }]
  const base = { databaseUrl, keys: testKeys, log, metrics: createMetrics('test') }
  const gateways = await Promise.all([0, 1].map(async () => await startGateway({
    ...base,
    isPooled: true,
    sites: [site],
    trustProxy: [],
    host: '127.0.0.1',
    port: 0,
    limits: { eventsPerMinute: 1e6, leadsPerMinute: 1e6 },
    spool: { folder: await spoolFolder(t), mostBytes: 1 << 28, leastFreeBytes: 0 }
  })))
  for (const { stop } of gateways) t.teardown(stop)
  for (let count = 0; count < 2; count++) {
    const dispatch = await startDispatch({
      ...base,
      directUrl,
      sites: [{ rules, destinations }],
      metrics: createMetrics('test'),
      destinationOf: type => type === 'fictional' ? fictional : undefined
    })
    t.teardown(dispatch.stop)
  }
  const ids = Array.from({ length: 200 }, (_, number) => `e-${number}`)
  const answers = await Promise.all(ids.map(async (id, at) => await (at % 2 === 0
    ? send(gateways[at % 4 === 0 ? 0 : 1]?.url ?? '', { event_name: 'page_view', event_id: id, consent: granted })
    : send(gateways[at % 4 === 1 ? 0 : 1]?.url ?? '', { event_id: id, email: `${id}@example.com`, consent: granted },
      { path: '/v1/leads', type: 'application/json' }))))
  t.same(answers.filter(({ status, json }) => status !== 202 || json.status !== 'stored'), [])
  const counts = async () => (await pool.query<{ state: string, count: number }>(
    'SELECT state::text AS state, count(*)::int AS count FROM deliveries GROUP BY 1')).rows
  await until(counts, rows => rows.length === 1 && rows[0]?.count === 200 && rows[0].state !== 'waiting', 120_000)
  const leads = ids.filter((_, at) => at % 2 === 1)
  t.equal(leads.every(id => network.counted.get(id) === 1), true, 'each lead went once')
  t.notOk([...network.counted.values()].some(count => count > 1), 'nothing went twice')
  t.equal((await pool.query('SELECT FROM failed_events')).rowCount, 0)
  t.same(lines, [], 'nobody complains')
})

test('what belongs to a session goes past the pooler', { skip: noPgbouncer }, async t => {
  const { url: directUrl } = await ownPostgres(t)
  const databaseUrl = await startPgbouncer(t, directUrl)
  const plain = openPool({ url: databaseUrl, name: 'plain', onError: () => undefined })
  t.teardown(async () => { await plain.end() })
  await t.rejects(plain.query('SELECT 1'), /startup parameter/, 'a pool that sets time-outs is not let in')
  const direct = openPool({ url: directUrl, name: 'direct', onError: () => undefined, max: 2 })
  t.teardown(async () => { await direct.end() })
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const rounds = await Promise.all([1, 2].map(async () => await keepPartitions({ pool: direct, log: silent },
    '2026-11-23')))
  t.ok(rounds.some(round => round !== null))
})
