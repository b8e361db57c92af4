// Google Ads through the whole dispatch half, against the strict fake: tokens, quota, one bad row, late verdicts.
import t, { test } from 'tap'
import type { Pool } from '../../../config/postgres.ts'
import { startFakeNetworks } from '../../../demo/networks/fake_networks.ts'
import { runningWorld, storeEvent, until } from '../../../test/dispatch_world.ts'
import { endWaiting } from '../../../test/hurry.ts'
import type { Destination } from '../../destination.ts'
import googleAds from './destination.ts'

t.setTimeout(400_000)

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

test('a burst goes in few requests; a bad row and late refusals are told apart', { timeout: 400_000 }, async t => {
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

  await pool.query('UPDATE attempts SET verify_at = now() WHERE verify_at IS NOT NULL')
  await until(states, found => found.delivered === 197 && found.rejected === 2 && found.waiting === 1, 60_000)
  const { rows } = await pool.query(`
    SELECT d.state::text AS state, d.reason, d.detail FROM deliveries d
    JOIN events e ON e.event_seq = d.event_seq AND e.day = d.day
    WHERE e.event_id IN ('lead-7', 'lead-9') ORDER BY e.event_id`)
  t.match(rows, [
    { state: 'rejected', reason: 'network_refused', detail: /^CLICK_NOT_FOUND: / },
    { state: 'waiting', reason: 'network_error', detail: /^TOO_RECENT_CLICK: / }
  ])
  await endWaiting(pool)
  await until(states, found => found.accepted === 1, 60_000)
  await pool.query('UPDATE attempts SET verify_at = now() WHERE verify_at IS NOT NULL')
  await until(states, found => found.delivered === 198, 60_000)
  const counted = fakes.received().filter(({ verdict }) => verdict === 'counted')
  t.equal(counted.length, 198, 'each once')
  t.equal(new Set(counted.map(({ event_id: id }) => id)).size, 198)
})

/** Stores leads as one statement, in unrouted batches of 500; all of one person. */
async function storeBurst (pool: Pool, count: number): Promise<void> {
  const first = await storeEvent(pool, { id: 'burst-1' })
  await pool.query(`
    WITH made AS (
      INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot,
        is_lead, site, event_name, event_id, visitor, sealed, sealed_client)
      SELECT n.seq, n.seq, received_at, occurred_at, gen_random_uuid(), day, trust, has_contact, is_bot, is_lead, site,
        event_name, 'burst-' || n.number, visitor, sealed, sealed_client
      FROM events, LATERAL (SELECT nextval('part_seq') AS seq, number FROM generate_series(2, $2) AS number) AS n
      WHERE event_seq = $1 RETURNING event_seq, day
    )
    INSERT INTO unrouted_batches (event_seqs, days)
    SELECT array_agg(event_seq), array_agg(day) FROM (
      SELECT event_seq, day, (row_number() OVER () - 1) / 500 AS batch FROM made
    ) AS numbered GROUP BY batch`, [first, count])
}

test('5,000 events in a burst stay within the quota, and all arrive', { timeout: 400_000 }, async t => {
  const count = 5000
  // A tenth of Google's quota: one request too many is a 429.
  const quota = { perMinute: 30, perDay: 100_000 }
  const fakes = await startFakeNetworks({ google_ads: { customers, quota } })
  t.teardown(() => fakes.close())
  const rate = { ...googleAds.rate, perMinute: quota.perMinute }
  const destination: Partial<Destination> = { ...googleAds, rate, type: 'fictional', lingerMs: 500 }
  const endpoint = `${fakes.url}/google_ads`
  const { pool } = await runningWorld(t, [{ destination, settings, endpoint, tokenEndpoint: `${endpoint}/token` }])
  await storeBurst(pool, count)
  const accepted = async () => (await pool.query('SELECT FROM deliveries WHERE state = \'accepted\'')).rowCount
  await until(accepted, found => found === count, 120_000)
  const { rows } = await pool.query('SELECT http_status, count(*)::int AS count FROM attempts GROUP BY 1')
  t.match(rows, [{ http_status: 200 }], 'never once too fast')
  t.ok(rows[0].count <= quota.perMinute, `${rows[0].count} requests`)
  const counted = fakes.received().filter(({ verdict }) => verdict === 'counted')
  t.equal(new Set(counted.map(({ event_id: id }) => id)).size, count)
  t.equal(counted.length, count)
})
