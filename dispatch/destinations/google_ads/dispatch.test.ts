// Google Ads through the whole dispatch half, against the strict fake: tokens, quota, one bad row, late verdicts.
import { test } from 'tap'
import { startFakeNetworks } from '../../../demo/networks/fake_networks.ts'
import { runningWorld, storeEvent, until } from '../../../test/dispatch_world.ts'
import type { Destination } from '../../destination.ts'
import googleAds from './destination.ts'

const credentials = JSON.stringify({ client_id: '731-a', client_secret: 'shh', refresh_token: '1//known' })
const settings = {
  customer_id: '604-318-2257',
  conversion_actions: { generate_lead: '6512345001', purchase: '6512345002' },
  role: 'import',
  credentials,
  custom_variables: {}
}
const kind = 'UPLOAD_CLICKS'
const customers = { 6043182257: { 6512345001: { kind }, 6512345002: { kind } } } as const

test('a burst goes in few requests; a bad row and late refusals are told apart', { timeout: 150_000 }, async t => {
  const verdicts = { 'lead-7': ['CLICK_NOT_FOUND'], 'lead-9': ['TOO_RECENT_CLICK', null] }
  const fakes = await startFakeNetworks({ google_ads: { customers, verdicts, processingMs: 0 } })
  t.teardown(() => fakes.close())
  // The world has one queue, by the name of its fictional network.
  const destination: Partial<Destination> = { ...googleAds, type: 'fictional', lingerMs: 300 }
  const endpoint = `${fakes.url}/google_ads`
  const { pool } = await runningWorld(t, [{ destination, settings, endpoint, tokenEndpoint: `${endpoint}/token` }])

  const bad = { client: { user_agent: 'Mozilla/5.0 (write to the@example.com)' } }
  const stored: Promise<number>[] = []
  for (let index = 0; index < 200; index++) {
    const order = index % 4 === 0 ? { name: 'purchase', id: `order-${index}` } : { id: `lead-${index}` }
    stored.push(storeEvent(pool, { ...order, data: index === 17 ? bad : {} }))
  }
  await Promise.all(stored)

  const states = async (): Promise<Record<string, number>> => {
    const { rows } = await pool.query<{ state: string, count: number }>(
      'SELECT state::text AS state, count(*)::int AS count FROM deliveries GROUP BY state')
    return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
  }
  await until(states, found => found.accepted === 199 && found.rejected === 1, 60_000)
  const { rows: [refused] } = await pool.query('SELECT reason, detail FROM deliveries WHERE state = \'rejected\'')
  const detail = /^INVALID_EVENT \(events\[\d+\]\.event_device_info\.user_agent\)/
  t.match(refused, { reason: 'network_refused', detail })
  const { rows: [sent] } = await pool.query(
    'SELECT count(*)::int AS requests, max(cardinality(event_seqs)) AS most FROM attempts')
  t.ok(sent.requests < 40, `${sent.requests} requests, the largest of ${sent.most} events`)

  await pool.query('UPDATE deliveries SET verify_at = now() WHERE state = \'accepted\'')
  await until(states, found => found.delivered === 197 && found.rejected === 2 && found.waiting === 1, 60_000)
  const { rows } = await pool.query(`
    SELECT d.state::text AS state, d.reason, d.detail FROM deliveries d
    JOIN events e ON e.event_seq = d.event_seq AND e.day = d.day
    WHERE e.event_id IN ('lead-7', 'lead-9') ORDER BY e.event_id`)
  t.match(rows, [
    { state: 'rejected', reason: 'network_refused', detail: /^CLICK_NOT_FOUND: / },
    { state: 'waiting', reason: 'network_error', detail: /^TOO_RECENT_CLICK: / }
  ])
  await pool.query('UPDATE deliveries SET due_at = now(), hold_until = now() WHERE state = \'waiting\'')
  await until(states, found => found.accepted === 1, 60_000)
  await pool.query('UPDATE deliveries SET verify_at = now() WHERE state = \'accepted\'')
  await until(states, found => found.delivered === 198, 60_000)
  const counted = fakes.received().filter(({ verdict }) => verdict === 'counted')
  t.equal(counted.length, 198, 'each once')
  t.equal(new Set(counted.map(({ event_id: id }) => id)).size, 198)
})
