import { test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { deliveryOf, fictionalNetwork, json, storeEvent, testKeys, until } from '../test/dispatch_world.ts'
import { testDatabase } from '../test/database.ts'
import { fictional, fictionalTarget } from '../test/fictional.ts'
import type { SiteTargets } from './roster.ts'
import { startDispatch } from './service.ts'

test('a restart with other settings resumes what was paused; one with the same settings does not', async t => {
  const { url, pool } = await testDatabase(t)
  const { network, acceptAll } = await fictionalNetwork(t)
  const lines: string[] = []
  const line = (_values: object, message: string) => { lines.push(message) }
  const start = async (token: string, timings = {}) => {
    const sites: SiteTargets[] = [{
      rules: fictionalTarget().site,
      destinations: [{
        name: 'fictional',
        type: 'fictional',
        mode: 'live',
        events: 'conversions',
        endpoint: network.origin,
        params: [],
        own: { account: 'acc', token }
      }]
    }]
    return await startDispatch({
      databaseUrl: url,
      keys: testKeys,
      sites,
      log: { info: line, warn: line, error: line },
      metrics: createMetrics('test'),
      timings: { sweepMs: 50, ...timings },
      destinationOf: type => type === 'fictional' ? fictional : undefined
    })
  }
  network.answer = (_receipt, response) => json(response, 401, {})
  const first = await start('old-token')
  const seq = await storeEvent(pool)
  first.wake()
  await until(() => deliveryOf(pool, seq), delivery => delivery?.reason === 'destination_paused')
  await first.stop()

  network.answer = acceptAll
  const same = await start('old-token')
  t.ok(lines.includes('the destination is paused: its settings are still those it was paused with'))
  const later = await storeEvent(pool)
  same.wake()
  await until(() => deliveryOf(pool, later), delivery => delivery?.reason === 'destination_paused')
  await same.stop()
  t.equal(network.receipts.length, 1)

  const mended = await start('new-token')
  await until(() => deliveryOf(pool, seq), delivery => delivery?.state === 'delivered')
  await until(() => deliveryOf(pool, later), delivery => delivery?.state === 'delivered')
  t.equal(network.receipts.at(-1)?.token, 'new-token')
  await mended.stop()
  const { rows } = await pool.query<{ site: string, name: string }>('SELECT site, name FROM destinations')
  t.same(rows, [{ site: 'main', name: 'fictional' }], 'one row through all restarts')
})

test('stopping hears the answer of a request under way', async t => {
  const { url, pool } = await testDatabase(t)
  const { network, acceptAll } = await fictionalNetwork(t)
  const { site, settings } = fictionalTarget()
  const silent = () => undefined
  const dispatch = await startDispatch({
    databaseUrl: url,
    keys: testKeys,
    sites: [{
      rules: site,
      destinations: [{
        name: 'fictional',
        type: 'fictional',
        mode: 'live',
        events: 'all',
        endpoint: network.origin,
        params: [],
        own: settings
      }]
    }],
    log: { info: silent, warn: silent, error: silent },
    metrics: createMetrics('test'),
    destinationOf: () => fictional
  })
  let answer = silent as () => void
  network.answer = (receipt, response) => { answer = () => acceptAll(receipt, response) }
  const seq = await storeEvent(pool)
  dispatch.wake()
  await until(() => network.receipts.length, count => count === 1)
  const stopped = dispatch.stop()
  answer()
  await stopped
  t.match(await deliveryOf(pool, seq), { state: 'delivered' })
})
