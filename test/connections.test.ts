// A Postgres with ten connections, for gateway and worker together and with none to spare: nothing hangs or is lost.
import { t, test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { openPool, type Pool, type PoolClient } from '../config/postgres.ts'
import { startGateway } from '../gateway/service.ts'
import { fictionalNetwork, startFictional, until } from './dispatch_world.ts'
import { granted, send, site, testKeys } from './gateway_world.ts'
import { ownPostgres } from './own_postgres.ts'
import { spoolFolder } from './spool_world.ts'

// A server is made here, on a machine that may be busy.
t.setTimeout(300_000)

/** Takes connections until there are none left. */
async function takeAll (pool: Pool): Promise<PoolClient[]> {
  const taken: PoolClient[] = []
  for (;;) {
    try {
      taken.push(await pool.connect())
    } catch {
      return taken
    }
  }
}

/** Ends what another program has of connections and takes their places, until it has none. */
async function takeOver (pool: Pool, taken: PoolClient[], program: string): Promise<void> {
  for (;;) {
    const ended = await taken[0]?.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [program])
    if (ended?.rowCount === 0) return
    taken.push(...await takeAll(pool))
  }
}

test('ten connections', async t => {
  const { url, pool } = await ownPostgres(t, { max_connections: '10', superuser_reserved_connections: '0' })
  const { network } = await fictionalNetwork(t)
  const lines: string[] = []
  const line = (_values: object, message: string) => { lines.push(message) }
  const log = { info: () => undefined, warn: line, error: line }
  const metrics = createMetrics('test')
  const gateway = await startGateway({
    databaseUrl: url,
    keys: testKeys,
    sites: [site],
    trustProxy: [],
    host: '127.0.0.1',
    port: 0,
    log,
    metrics,
    limits: { eventsPerMinute: 1e6, leadsPerMinute: 1e6 },
    spool: { folder: await spoolFolder(t), mostBytes: 1 << 28, leastFreeBytes: 0 }
  })
  t.teardown(gateway.stop)
  let serial = 0
  const postMany = async (count: number) => await Promise.all(Array.from({ length: count }, async () => await send(
    gateway.url, { event_name: 'page_view', event_id: `e-${serial++}`, consent: granted })))

  const greedy = openPool({ url, name: 'greedy', onError: () => undefined, max: 20, connectTimeoutMs: 20_000 })
  t.teardown(async () => { await greedy.end() })
  const taken = await takeAll(greedy)
  await takeOver(greedy, taken, 'postern gateway')
  const refused = await postMany(50)
  t.same(refused.filter(({ status }) => status !== 202), [], 'all are answered, from the spool')
  t.ok(lines.some(message => /postgres is away/.test(message)))
  for (const client of taken) client.release(true)
  await until(() => lines, said => said.some(message => /the spool is empty/.test(message)), 120_000)

  const dispatch = await startFictional(url, network.origin, log)
  t.teardown(dispatch.stop)
  const answers: { status: number }[] = []
  for (let round = 0; round < 5; round++) answers.push(...await postMany(10))
  t.same(answers.filter(({ status }) => status !== 202), [])
  // Who asks needs a connection, too, and may have to wait for it.
  const settled = async () => await pool.query<{ count: number }>(`
    SELECT count(*) AS count FROM deliveries WHERE state <> 'waiting'`).then(({ rows }) => rows[0]?.count, () => -1)
  await until(settled, count => count === 100, 200_000)
  t.equal((await pool.query('SELECT FROM events')).rowCount, 100, 'nothing lost, nothing twice')
})
