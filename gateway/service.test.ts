// The gateway half from its start to its stop.
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { testDatabase } from '../test/database.ts'
import { send, site, testKeys } from '../test/gateway_world.ts'
import { startGateway, type GatewayOptions } from './service.ts'

function optionsFor (databaseUrl: string, lines: string[]): GatewayOptions {
  const write = (_fields: object, message: string) => { lines.push(message) }
  return {
    databaseUrl,
    keys: testKeys,
    sites: [site],
    trustProxy: [],
    host: '127.0.0.1',
    port: 0,
    log: { info: write, warn: write, error: write },
    metrics: createMetrics('test')
  }
}

test('it listens, stores, tells the router, and stops', async t => {
  const { url, pool } = await testDatabase(t)
  const lines: string[] = []
  let told = 0
  const gateway = await startGateway({ ...optionsFor(url, lines), onCommitted: () => { told++ } })
  t.equal((await send(gateway.url, { event_name: 'x' })).status, 202)
  t.equal((await send(gateway.url, '', { method: 'GET', path: '/readyz', host: 'health.internal' })).status, 200)
  t.match((await send(gateway.url, '', { method: 'GET', path: '/s.js' })).text, /example\.com/)
  await gateway.stop()
  await t.rejects(send(gateway.url, {}), { code: /^ECONN/ })
  t.equal(told, 1)
  t.equal((await pool.query('SELECT 1 FROM events')).rowCount, 1)
  t.strictSame(lines, ['accepted'])
})

test('without Postgres it is not ready, and promises nothing', async t => {
  const lines: string[] = []
  const gateway = await startGateway(optionsFor('postgresql://nobody@127.0.0.1:1/none', lines))
  t.teardown(async () => { await gateway.stop() })
  t.equal((await send(gateway.url, '', { method: 'GET', path: '/readyz', host: 'health.internal' })).status, 503)
  t.equal((await send(gateway.url, '', { method: 'GET', path: '/livez', host: 'health.internal' })).status, 200)
  t.match(await send(gateway.url, { event_name: 'x' }), { status: 503, json: { error: { code: 'unavailable' } } })
  t.match(lines, ['postgres does not answer: arrivals are turned away with 503'])
})

test('a port that is taken is an error, and leaves nothing behind', async t => {
  const taken = createServer()
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { taken.close() })
  const { port } = taken.address() as AddressInfo
  const again = startGateway({ ...optionsFor('postgresql://nobody@127.0.0.1:1/none', []), port })
  await t.rejects(again, { code: 'EADDRINUSE' })
})
