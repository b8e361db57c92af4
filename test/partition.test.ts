// The network between Postern and Postgres breaks, loudly and silently: posts are answered, and all heals by itself.
import { t, test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { startGateway } from '../gateway/service.ts'
import { fictionalNetwork, startFictional, until } from './dispatch_world.ts'
import { granted, send, site, testKeys } from './gateway_world.ts'
import { ownPostgres } from './own_postgres.ts'
import { spoolFolder } from './spool_world.ts'
import { startTcpProxy } from './tcp_proxy.ts'

// A server is made here, and the silence lasts until time-outs end it.
t.setTimeout(300_000)

test('a line to Postgres that is cut, and one that swallows everything', async t => {
  const { url: directUrl, pool } = await ownPostgres(t)
  const { searchParams: server, pathname } = new URL(directUrl.replace('postgresql:///', 'http://server/'))
  const line = await startTcpProxy(t, { path: `${server.get('host')}/.s.PGSQL.5432` })
  const databaseUrl = `postgresql://${server.get('user')}@127.0.0.1:${line.port}${pathname}`
  const { network } = await fictionalNetwork(t)
  const said: string[] = []
  const note = (_values: object, message: string) => { said.push(message) }
  const log = { info: () => undefined, warn: note, error: note }
  const gateway = await startGateway({
    databaseUrl,
    keys: testKeys,
    sites: [site],
    trustProxy: [],
    host: '127.0.0.1',
    port: 0,
    log,
    metrics: createMetrics('test'),
    limits: { eventsPerMinute: 1e6, leadsPerMinute: 1e6 },
    spool: { folder: await spoolFolder(t), mostBytes: 1 << 28, leastFreeBytes: 0 }
  })
  t.teardown(gateway.stop)
  const dispatch = await startFictional(databaseUrl, network.origin, log)
  t.teardown(dispatch.stop)
  let serial = 0
  const post = async () => {
    const { status } = await send(gateway.url, { event_name: 'page_view', event_id: `e-${serial++}`, consent: granted })
    if (status !== 202) throw new Error(`answered ${status}`)
  }
  const postMany = async (count: number) => { await Promise.all(Array.from({ length: count }, post)) }
  const allDelivered = async () => await until(async () => (await pool.query<{ count: number }>(
    'SELECT count(*) AS count FROM deliveries WHERE state = \'delivered\'')).rows[0]?.count, count => count === serial,
  120_000)

  await postMany(10)
  await allDelivered()
  for (let round = 0; round < 3; round++) {
    line.cut()
    await postMany(10)
  }
  await allDelivered()
  t.pass('cut three times')

  line.set('silent')
  await postMany(20)
  t.ok(said.some(message => /postgres is away/.test(message)), 'answered while nothing comes back from Postgres')
  await postMany(20)
  line.set('pass')
  await until(() => said, lines => lines.some(message => /the spool is empty/.test(message)), 120_000)
  await postMany(10)
  await allDelivered()
  t.equal((await pool.query('SELECT FROM events')).rowCount, serial, 'nothing lost, nothing twice')
  t.equal([...network.counted.values()].reduce((sum, count) => sum + count, 0), serial, 'and each was sent once')
  const { rows: [connections] } = await pool.query<{ count: number }>(`
    SELECT count(*) AS count FROM pg_stat_activity WHERE application_name IN ('postern gateway', 'postern worker')`)
  t.ok((connections?.count ?? 0) <= 40, `${connections?.count} connections, old ones that nobody told of included`)
})
