// Routing: from stored batches to deliveries and jobs.
import { test } from 'tap'
import { deliveryOf, dispatchWorld, storeEvent, until } from '../test/dispatch_world.ts'
import { fictionalTarget } from '../test/fictional.ts'
import { keepPartitions, retention } from './partitions.ts'
import { routeEvent, routeOnce, settleForMs, type RoutedEvent } from './route.ts'

const now = Date.UTC(2026, 10, 23, 12)
const event = (more: Partial<RoutedEvent> = {}): RoutedEvent => ({
  seq: 1,
  day: '2026-11-23',
  site: 'main',
  eventName: 'generate_lead',
  receivedAtMs: now,
  isSigned: false,
  hasContact: true,
  isBot: false,
  ...more
})

test('how long an event settles', t => {
  const cases: [number, Partial<RoutedEvent>][] = [
    [20_000, { hasContact: false }],
    [60_000, { hasContact: false, eventName: 'purchase' }],
    [0, {}],
    [0, { hasContact: false, isSigned: true }],
    [0, { hasContact: false, eventName: 'page_view' }],
    [0, { hasContact: false, eventName: 'add_to_cart' }]
  ]
  for (const [expected, more] of cases) t.equal(settleForMs(event(more)), expected, JSON.stringify(more))
  t.end()
})

test('what a target is given', t => {
  const route = (more: Partial<RoutedEvent>, target = {}, isPaused = false) =>
    routeEvent(event(more), fictionalTarget(target), isPaused, now)
  t.match(route({}), { state: 'waiting', reason: 'new', dueAtMs: now, isTest: false })
  t.match(route({ hasContact: false }), { state: 'waiting', reason: 'settling', dueAtMs: now + 20_000 })
  t.match(route({ hasContact: false, receivedAtMs: now - 60_000 }), { reason: 'new', dueAtMs: now }, 'settled already')
  t.match(route({ receivedAtMs: now + 5 }), { reason: 'new', dueAtMs: now }, 'received while the round was under way')
  t.match(route({ isBot: true }), { state: 'skipped', reason: 'bot' })
  t.equal(route({ eventName: 'page_view' }), null)
  t.match(route({ eventName: 'page_view' }, { events: 'all' }), { reason: 'new' })
  t.equal(route({ eventName: 'page_view' }, { events: 'funnel' }), null)
  t.match(route({ eventName: 'add_to_cart' }, { events: 'funnel' }), { reason: 'new' })
  const named = { destination: { names: (_settings: unknown, name: string) => name === 'page_view' } }
  t.match(route({ eventName: 'page_view' }, named), { reason: 'new' }, 'its settings name it')
  t.equal(route({ eventName: 'add_to_cart' }, named), null)
  t.match(route({}, {}, true), { state: 'waiting', reason: 'destination_paused' })
  t.match(route({}, { mode: 'test' }), { isTest: true })
  t.match(route({}, { destination: { lingerMs: 5000 } }), { reason: 'lingering', dueAtMs: now + 5000 })
  t.end()
})

test('routers side by side route each event once, and a later part ends the settling', async t => {
  const { pool, deps } = await dispatchWorld(t)
  const seqs: number[] = []
  for (let count = 0; count < 60; count++) seqs.push(await storeEvent(pool))
  const bare = await storeEvent(pool, { hasContact: false, data: { user_data: {} }, id: 'bare' })
  const completed = await storeEvent(pool, { hasContact: false, data: { user_data: {} }, id: 'completed' })
  await storeEvent(pool, { id: 'completed', partOf: completed })
  const forgedBot = await storeEvent(pool, { id: 'forged', trust: 'signed' })
  await storeEvent(pool, { id: 'forged', trust: 'anonymous', partOf: forgedBot, isBot: true })
  const drain = async () => { while (await routeOnce(deps)) { /* until nothing is left */ } }
  await Promise.all([drain(), drain(), drain(), drain()])
  t.equal((await pool.query('SELECT FROM unrouted_batches')).rowCount, 0)
  t.equal((await pool.query('SELECT FROM deliveries')).rowCount, 63)
  t.match(await deliveryOf(pool, bare), { reason: 'settling' })
  t.match(await deliveryOf(pool, completed), { reason: 'new' })
  t.match(await deliveryOf(pool, forgedBot), { state: 'waiting' }, 'nobody suppresses a signed event as a bot')
  const { rows: [jobs] } = await pool.query('SELECT count(*) AS count FROM pgboss.job')
  t.ok(jobs.count < 12, `${jobs.count} jobs for 63 deliveries`)
})

test('an event that is listed again keeps the delivery that it has, and its neighbours get theirs', async t => {
  const { pool, deps } = await dispatchWorld(t)
  const known = await storeEvent(pool)
  await routeOnce(deps)
  await pool.query('UPDATE deliveries SET state = \'delivered\', reason = NULL')
  const fresh = await storeEvent(pool)
  await pool.query('DELETE FROM unrouted_batches')
  await pool.query(`INSERT INTO unrouted_batches (event_seqs, days)
    SELECT array_agg(event_seq ORDER BY event_seq), array_agg(day) FROM events`)
  await routeOnce(deps)
  t.match(await deliveryOf(pool, known), { state: 'delivered' })
  t.match(await deliveryOf(pool, fresh), { state: 'waiting', reason: 'new' })
  t.equal((await pool.query('SELECT FROM deliveries')).rowCount, 2)
})

test('a batch that cannot be routed is taken apart, and the culprit set aside', async t => {
  const { pool, deps, lines } = await dispatchWorld(t)
  const good = await storeEvent(pool)
  const culprit = await storeEvent(pool)
  await pool.query('DELETE FROM unrouted_batches')
  await pool.query(`INSERT INTO unrouted_batches (event_seqs, days)
    SELECT array_agg(event_seq ORDER BY event_seq), array_agg(day) FROM events`)
  await pool.query(`
    CREATE FUNCTION refuse () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.event_seq = ${culprit} THEN RAISE EXCEPTION 'poison' USING ERRCODE = '22003'; END IF;
      RETURN NEW;
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION refuse()`)
  const after = await storeEvent(pool)
  await until(async () => {
    await routeOnce(deps)
    return (await pool.query('SELECT FROM unrouted_batches')).rowCount
  }, left => left === 0)
  t.match(await deliveryOf(pool, good), { state: 'waiting' })
  t.match(await deliveryOf(pool, after), { state: 'waiting' }, 'the queue was never blocked')
  t.equal(await deliveryOf(pool, culprit), undefined)
  const { rows } = await pool.query('SELECT * FROM failed_events')
  t.match(rows, [{ stage: 'route', site: 'main', event_seq: culprit, reason: 'data error 22003', sealed: Buffer }])
  t.equal(lines.filter(line => line.level === 'warn').length, 3, 'after three attempts of the whole')
})

test('partitions ahead, and what is past its retention is forgotten', async t => {
  const { pool, deps } = await dispatchWorld(t)
  const { rows: [{ today }] } = await pool.query('SELECT (now() AT TIME ZONE \'UTC\')::date AS today')
  const old = '2025-01-05'
  await pool.query('SELECT ensure_partitions($1::date, 1)', [old])
  const seq = await storeEvent(pool, { data: { client: { ip: '203.0.113.7' } } })
  const oldSeq = await storeEvent(pool, { data: { client: { ip: '203.0.113.7' } } })
  await routeOnce(deps)
  await pool.query('UPDATE events SET day = $1::date, received_at = $1::date WHERE event_seq = $2', [old, oldSeq])
  await pool.query('UPDATE deliveries SET day = $1::date WHERE event_seq = $2', [old, oldSeq])
  await pool.query('UPDATE agenda SET day = $1::date', [old])
  await pool.query(`UPDATE events SET received_at = now() - interval '16 days', day = $2::date - 16
    WHERE event_seq = $1`, [seq, today])
  await pool.query(`INSERT INTO event_keys (site, digest, event_seq, day)
    VALUES ('main', 'old', 1, $1::date), ('main', 'new', 2, $2::date)`, [old, today])
  await pool.query(`INSERT INTO touches (site, visitor, digest, seen_at, sealed)
    VALUES ('main', 'v', 'd', $1::date, '')`, [old])

  const kept = await keepPartitions(deps, today, { ...retention, events: 100_000 })
  t.match(kept, { daysDropped: [], expired: 0, clientsForgotten: 2, keysForgotten: 1, touchesForgotten: 1 })
  const { rows: [row] } = await pool.query('SELECT sealed, sealed_client FROM events WHERE event_seq = $1', [seq])
  t.match(row, { sealed: Buffer, sealed_client: null }, 'the address goes first, the event stays')

  const dropped = await keepPartitions(deps, today)
  t.match(dropped, { daysDropped: [old], expired: 1 })
  t.equal((await pool.query('SELECT FROM agenda')).rowCount, 0)
  t.equal((await pool.query('SELECT FROM events')).rowCount, 1)
  const { rows: [ahead] } = await pool.query(
    'SELECT to_regclass(\'events_\' || to_char($1::date + 14, \'YYYYMMDD\')) IS NOT NULL AS made', [today])
  t.ok(ahead.made)

  const [one, two] = await Promise.all([keepPartitions(deps, today), keepPartitions(deps, today)])
  t.ok(one !== null || two !== null, 'at least one works, and both come to an end')
})

test('to forget addresses of an old day, nothing is read of the others', async t => {
  const { pool, deps } = await dispatchWorld(t)
  const { rows: [{ today, old }] } = await pool.query(
    'SELECT (now() AT TIME ZONE \'UTC\')::date AS today, (now() AT TIME ZONE \'UTC\')::date - 16 AS old')
  await pool.query('SELECT ensure_partitions($1::date, 1)', [old])
  await pool.query(`
    INSERT INTO events (event_seq, seq, received_at, occurred_at, receipt_id, day, trust, has_contact, is_bot, is_lead,
      site, event_name, event_id, sealed_client)
    SELECT n, n, day, day, gen_random_uuid(), day, 'anonymous', false, false, false, 'main', 'page_view', n, ''
    FROM generate_series(1, 6000) n, unnest(ARRAY[$1, $2]::date[]) day`, [today, old])
  t.match(await keepPartitions(deps, today), { clientsForgotten: 6000 })
  const readOf = async (day: string) => {
    await pool.query('SELECT pg_stat_force_next_flush()')
    const { rows: [row] } = await pool.query(
      'SELECT n_tup_upd AS updated, seq_tup_read AS read FROM pg_stat_user_tables WHERE relname = $1',
      [`events_${day.replaceAll('-', '')}`])
    return row
  }
  await until(async () => await readOf(old), stats => stats.updated === 6000)
  t.match(await readOf(today), { updated: 0, read: 0 })
})

test('a day whose rows lie in the DEFAULT partition does not stop the others', async t => {
  const { pool } = await dispatchWorld(t)
  const { rows: [{ day }] } = await pool.query('SELECT (now() AT TIME ZONE \'UTC\')::date + 100 AS day')
  await pool.query('INSERT INTO attempts (day, destination_id, fence, event_seqs) VALUES ($1, 1, 1, \'{}\')', [day])
  const { rows: [{ made }] } = await pool.query('SELECT ensure_partitions($1::date, 2) AS made', [day])
  t.equal(made, 7, 'four tables, two days, less the one that is occupied')
  t.equal((await pool.query('SELECT FROM attempts WHERE day = $1', [day])).rowCount, 1)
})
