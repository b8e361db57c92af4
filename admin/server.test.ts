// What the admin port answers in every state of the process.
import { test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { dispatchWorld, storeEvent } from '../test/dispatch_world.ts'
import { openReader } from '../config/replica.ts'
import { routeOnce } from '../dispatch/route.ts'
import { createGaugeReader } from './gauges.ts'
import { createReadiness, type ReadinessDeps } from './readiness.ts'
import { buildAdmin } from './server.ts'

test('readiness names what is wrong, and nothing secret', async t => {
  let ping: ReadinessDeps['ping'] = async () => undefined
  let problem: string | null = null
  let asked = 0
  let isDraining = false
  let canSpool = false
  const check = createReadiness({
    role: 'gateway',
    ping: async () => await ping(),
    checkSchema: async () => {
      asked++
      return problem
    },
    isDraining: () => isDraining,
    canSpool: () => canSpool,
    timeoutMs: 50
  })
  problem = 'the schema is behind; run: postern migrate'
  t.same(await check(), { role: 'gateway', problems: ['the schema is behind; run: postern migrate'] })
  problem = null
  t.same(await check(), { role: 'gateway', problems: [] })
  await check()
  t.equal(asked, 2, 'a right schema is asked for once')
  ping = async () => { throw Object.assign(new Error('postgresql://user:canary@host'), { code: 'ECONNREFUSED' }) }
  t.same((await check()).problems, ['postgres does not answer (ECONNREFUSED)'])
  ping = async () => await new Promise(() => undefined)
  t.same((await check()).problems, ['postgres did not answer within 50 ms'], 'a frozen server is no hanging check')
  ping = async () => undefined
  t.same((await check()).problems, [], 'and it heals')
  ping = async () => { throw Object.assign(new Error('gone'), { code: 'ECONNREFUSED' }) }
  canSpool = true
  t.same(await check(), {
    role: 'gateway',
    problems: [],
    degraded: ['postgres does not answer (ECONNREFUSED): arrivals are kept in the spool']
  }, 'ready while it spools, and says so')
  canSpool = false
  t.same((await check()).problems, ['postgres does not answer (ECONNREFUSED)'])
  isDraining = true
  t.same((await check()).problems, ['stopping'])
})

test('the admin port', async t => {
  const metrics = createMetrics('1.2.3')
  let problems: string[] = []
  const app = buildAdmin({
    metrics, checkReady: async () => ({ role: 'start', problems }), readGauges: async () => undefined
  })
  t.teardown(async () => await app.close())
  const get = async (url: string) => await app.inject({ url })
  t.match(await get('/livez'), { statusCode: 200, body: '{"status":"alive"}' })
  t.match(await get('/readyz'), { statusCode: 200, body: '{"status":"ready","role":"start","problems":[]}' })
  problems = ['stopping']
  t.match(await get('/readyz'), { statusCode: 503 })
  t.match(await get('/livez'), { statusCode: 200 }, 'alive though not ready')
  const scrape = await get('/metrics')
  t.match(scrape.headers['content-type'], /^text\/plain; version=/)
  t.match(scrape.body, /^build_info\{version="1.2.3"\} 1$/m)
  t.match(await get('/'), { statusCode: 404 })
})

test('gauges of the ledger', async t => {
  const { pool, deps } = await dispatchWorld(t, [{}, {}])
  const { metrics } = deps
  await storeEvent(pool)
  await storeEvent(pool)
  await routeOnce(deps)
  await storeEvent(pool)
  await pool.query('UPDATE destinations SET paused_at = now() WHERE id = 2')
  await pool.query('UPDATE agenda SET due_at = now() - interval \'100 s\' WHERE destination_id = 1')
  let nowMs = 0
  const errors: unknown[] = []
  const read = createGaugeReader({
    metrics,
    reader: openReader(pool, undefined, () => undefined),
    pools: { worker: pool },
    now: () => nowMs,
    onError: error => errors.push(error)
  })
  await Promise.all([read(), read()])
  const text = await metrics.registry.metrics()
  t.match(text, /^delivery_backlog\{destination="main\/fictional_1",state="waiting"\} 2$/m)
  t.match(text, /^delivery_oldest_age_seconds\{destination="main\/fictional_1"\} 10\d(\.\d+)?$/m)
  t.match(text, /^destination_paused\{destination="main\/fictional_2"\} 1$/m)
  t.match(text, /^route_backlog_batches 1$/m)
  t.match(text, /^pg_pool\{pool="worker",state="total"\} [1-9]/m)

  await pool.query('DROP TABLE unrouted_batches')
  await read()
  t.equal(errors.length, 0, 'fresh values are not asked for again')
  nowMs += 6000
  await read()
  t.equal(errors.length, 1, 'a failed reading is told, and scraping goes on')
})
