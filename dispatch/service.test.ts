// The dispatch half as a service, against a real queue and the strict fake of Meta.
import { test } from 'tap'
import { Value } from 'typebox/value'
import { createMetrics } from '../config/metrics.ts'
import { startFakeNetworks } from '../demo/networks/fake_networks.ts'
import {
  deliveryOf, fictionalNetwork, json, startFictional, storeEvent, testKeys, until
} from '../test/dispatch_world.ts'
import { testDatabase } from '../test/database.ts'
import { endWaiting } from '../test/hurry.ts'
import { fictional, fictionalTarget } from '../test/fictional.ts'
import meta from './destinations/meta/destination.ts'
import type { SiteTargets } from './roster.ts'
import { startDispatch } from './service.ts'

test('a start that fails half-way leaves no connection behind, and no timer', async t => {
  const { url, pool } = await testDatabase(t)
  await pool.query('ALTER SCHEMA pgboss RENAME TO elsewhere')
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
  await t.rejects(startDispatch({ databaseUrl: url, keys: testKeys, sites: [], log, metrics: createMetrics('test') }))
  const left = async () => (await pool.query(`SELECT application_name FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'postern%'`)).rows
  await until(left, rows => rows.length === 0)
})

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
  const silent = () => undefined
  const log = { info: silent, warn: silent, error: silent }
  const dispatch = await startFictional(url, network.origin, log)
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

test('a lead goes to the strict fake of Meta, through outages, and is counted once', async t => {
  const { url, pool } = await testDatabase(t)
  const fakes = await startFakeNetworks()
  t.teardown(async () => await fakes.close())
  fakes.behave({
    faults: [
      { kind: 'status', status: 500, code: 2, is_transient: true, times: 1 },
      { kind: 'drop', times: 1 }
    ]
  })
  const silent = () => undefined
  const dispatch = await startDispatch({
    databaseUrl: url,
    keys: testKeys,
    sites: [{
      rules: { ...fictionalTarget().site, defaults: { country: 'DE' } },
      destinations: [{
        name: 'meta',
        type: 'meta',
        mode: 'live',
        events: 'conversions',
        endpoint: `${fakes.url}/meta`,
        params: [],
        own: Value.Default(meta.settings, { pixel_id: '123456789012345', access_token: 'EAAtoken' })
      }]
    }],
    log: { info: silent, warn: silent, error: silent },
    metrics: createMetrics('test'),
    timings: { sweepMs: 50 }
  })
  t.teardown(async () => await dispatch.stop())
  const client = { ip: '203.0.113.7', user_agent: 'Mozilla/5.0' }
  const page = { page_location: 'https://www.example.com/offer', client }
  const seq = await storeEvent(pool, { id: 'lead-1', data: { ...page, user_data: { email: ['anna@example.com'] } } })
  dispatch.wake()
  // Three requests, whatever chance makes of the jitter: an outage, a lost answer, and the one that is heard.
  await until(async () => {
    await endWaiting(pool, 'network_error')
    return await deliveryOf(pool, seq)
  }, delivery => delivery?.state === 'delivered')
  t.same(fakes.received().map(({ event_id: id, verdict }) => [id, verdict]),
    [['lead-1', 'rejected'], ['lead-1', 'counted'], ['lead-1', 'deduplicated']])
  t.match(await deliveryOf(pool, seq), { attempts: 3 })
})
