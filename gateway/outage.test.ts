// Postgres stops, dies, freezes, fills up and refuses, under a gateway with a spool: clients never notice.
import { writeFile } from 'node:fs/promises'
import { t, test, type Test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import { escapeIdentifier } from '../config/postgres.ts'
import { ownPostgres, type OwnPostgres } from '../test/own_postgres.ts'
import { send, site, testKeys, type Answer } from '../test/gateway_world.ts'
import { spoolFolder } from '../test/spool_world.ts'
import { startGateway, type GatewayOptions, type GatewayService } from './service.ts'

// Servers are made, killed and recovered here, on a machine that may be busy.
t.setTimeout(400_000)

interface Line { level: string, message: string, [field: string]: unknown }

/** A gateway with a spool in front of a Postgres of its own. */
async function world (t: Test, postgres: OwnPostgres, more: Partial<GatewayOptions> = {}) {
  const folder = await spoolFolder(t)
  const lines: Line[] = []
  const note = (level: string) => (fields: object, message: string) => { lines.push({ level, message, ...fields }) }
  const metrics = createMetrics('test')
  const gateway = await startGateway({
    databaseUrl: postgres.url,
    keys: testKeys,
    sites: [site],
    trustProxy: [],
    host: '127.0.0.1',
    port: 0,
    log: { info: note('info'), warn: note('warn'), error: note('error') },
    metrics,
    limits: { eventsPerMinute: 1e6, leadsPerMinute: 1e6 },
    spool: { folder, mostBytes: 1 << 28, leastFreeBytes: 0 },
    ...more
  })
  let stopped: Promise<void> | undefined
  const stop = async () => { await (stopped ??= gateway.stop()) }
  t.teardown(stop)
  return { gateway, folder, lines, metrics, stop, ...poster(gateway) }
}

/** Posts events and leads, and remembers every answer. */
function poster ({ url }: GatewayService) {
  const answers = new Map<string, Answer>()
  let serial = 0
  const post = async (name = 'e') => {
    const id = `${name}-${serial++}`
    const answer = serial % 5 === 0
      ? await send(url, { event_id: id, email: `${id}@example.com` }, { path: '/v1/leads', type: 'application/json' })
      : await send(url, { event_name: 'purchase', event_id: id })
    answers.set(id, answer)
    return answer
  }
  const postMany = async (count: number, name?: string) => {
    await Promise.all(Array.from({ length: count }, async () => await post(name)))
  }
  return { answers, post, postMany }
}

/** Waits until a line says so. */
async function told (lines: readonly Line[], message: RegExp, from = 0): Promise<Line> {
  for (;;) {
    const found = lines.slice(from).find(line => message.test(line.message))
    if (found !== undefined) return found
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

const began = /postgres is away/
const ended = /postgres is back/
const drained = /the spool is empty/

/** Every answer was 202 "stored" with its ids, and every event and lead is in the database exactly once. */
async function checkBooks (t: Test, { pool }: OwnPostgres, answers: ReadonlyMap<string, Answer>): Promise<void> {
  const wrong = [...answers].filter(([id, { status, json }]) =>
    status !== 202 || json.status !== 'stored' || json.event_id !== id)
  t.same(wrong, [], `${answers.size} answers`)
  const { rows } = await pool.query<{ event_id: string, parts: number }>(
    'SELECT event_id, count(*)::int AS parts FROM events GROUP BY event_id')
  t.equal(rows.length, answers.size, 'nothing lost, nothing invented')
  t.same(rows.filter(({ parts }) => parts !== 1), [], 'nothing twice')
  const leads = await pool.query<{ lead_id: string }>('SELECT lead_id FROM leads')
  t.same(new Set(leads.rows.map(row => row.lead_id)),
    new Set([...answers.values()].flatMap(({ json }) => json.lead_id ?? [])), 'under the ids that were answered')
}

test('an outage', async t => {
  const postgres = await ownPostgres(t)

  t.test('Postgres is stopped and started: every post is answered as stored, and is', async t => {
    await postgres.pool.query('TRUNCATE events, leads, event_keys')
    const { gateway, lines, answers, postMany, metrics } = await world(t, postgres)
    await postMany(20)
    await postgres.stop()
    await postMany(60)
    await told(lines, began)
    const ready = await send(gateway.url, '', { method: 'GET', path: '/readyz', host: 'health.internal' })
    t.equal(ready.status, 200, 'ready while it spools')
    t.ok(gateway.canSpool())
    await postMany(100)
    const meanwhile = await metrics.registry.metrics()
    t.match(meanwhile, /^pg_circuit_open 1$/m)
    t.match(meanwhile, /^ingest_spooled_total\{site="main"\} 160$/m)
    await postgres.start()
    await told(lines, ended)
    await postMany(20)
    await told(lines, drained)
    await checkBooks(t, postgres, answers)
    const after = await metrics.registry.metrics()
    t.match(after, /^pg_circuit_open 0$/m)
    t.match(after, /^ingest_stored_total\{site="main"\} 200$/m, 'each is counted once')
    t.same(lines.filter(({ level }) => level === 'error'), [])
    t.equal(lines.filter(({ message }) => began.test(message)).length, 1, 'said once')
  })

  t.test('Postgres is killed again and again under load', async t => {
    await postgres.pool.query('TRUNCATE events, leads, event_keys')
    const { lines, answers, post } = await world(t, postgres)
    const over = new AbortController()
    const load = Array.from({ length: 8 }, async () => { while (!over.signal.aborted) await post('k') })
    for (let round = 0; round < 2; round++) {
      const from = lines.length
      const before = answers.size
      await postgres.kill()
      await told(lines, began, from)
      while (answers.size < before + 100) await new Promise(resolve => setTimeout(resolve, 5))
      await postgres.start()
      await told(lines, ended, from)
      await told(lines, drained, from)
    }
    over.abort()
    await Promise.all(load)
    await checkBooks(t, postgres, answers)
  })

  t.test('Postgres is frozen: posts are answered before it thaws', async t => {
    await postgres.pool.query('TRUNCATE events, leads, event_keys')
    const { lines, answers, postMany } = await world(t, postgres)
    await postMany(10)
    await postgres.freeze()
    await postMany(50)
    await postMany(50)
    t.equal(answers.size, 110, 'all answered, and it is still frozen')
    await postgres.thaw()
    await told(lines, drained)
    await checkBooks(t, postgres, answers)
  })

  t.test('the gateway is stopped while Postgres is away: the next one stores what was acknowledged', async t => {
    await postgres.pool.query('TRUNCATE events, leads, event_keys')
    const first = await world(t, postgres)
    await postgres.stop()
    await first.postMany(40)
    await first.stop()
    const second = await world(t, postgres, { spool: { folder: first.folder, mostBytes: 1 << 28, leastFreeBytes: 0 } })
    await second.postMany(40, 'second')
    await postgres.start()
    await told(second.lines, drained)
    await second.postMany(10, 'late')
    await checkBooks(t, postgres, new Map([...first.answers, ...second.answers]))
    t.ok(second.lines.some(({ message, records }) => /a process that is gone/.test(message) && records === 40))
  })
})

const today = 'to_char(now() AT TIME ZONE \'UTC\', \'YYYYMMDD\')'
const takePartitions = `ALTER TABLE events DETACH PARTITION events_default;
  DO $$ BEGIN EXECUTE 'ALTER TABLE events DETACH PARTITION events_' || ${today}; END $$`
const givePartitions = `DO $$ BEGIN EXECUTE format('ALTER TABLE events ATTACH PARTITION events_%1$s
  FOR VALUES FROM (%1$L) TO (%2$L)', ${today}, ${today}::date + 1); END $$;
  ALTER TABLE events ATTACH PARTITION events_default DEFAULT`

test('refusals that mean "not now"', async t => {
  const postgres = await ownPostgres(t)
  const { pool } = postgres
  const name = escapeIdentifier('limited')
  await pool.query(`CREATE ROLE ${name} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${name};
    GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${name}`)
  const cases: [what: string, breaks: string, mends: string][] = [
    ['read-only, as a standby is', 'ALTER ROLE limited SET default_transaction_read_only = on',
      'ALTER ROLE limited RESET default_transaction_read_only'],
    ['too many connections', 'ALTER ROLE limited CONNECTION LIMIT 0', 'ALTER ROLE limited CONNECTION LIMIT -1'],
    ['may not log in', 'ALTER ROLE limited NOLOGIN', 'ALTER ROLE limited LOGIN'],
    ['a right was taken away, which nobody foresaw', 'REVOKE INSERT ON events FROM limited',
      'GRANT INSERT ON events TO limited'],
    ['nowhere to put a row of today', takePartitions, givePartitions],
    ['disk full', `CREATE FUNCTION refuse () RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON leads FOR EACH ROW EXECUTE FUNCTION refuse()`,
    'DROP FUNCTION refuse CASCADE']
  ]
  for (const [what, breaks, mends] of cases) {
    t.test(what, async t => {
      await pool.query('TRUNCATE events, leads, event_keys')
      const limited = { ...postgres, url: postgres.url.replace(/user=\w+/, 'user=limited') }
      const { lines, answers, postMany, stop } = await world(t, limited)
      await postMany(10)
      await pool.query(breaks)
      await pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = \'limited\'')
      await postMany(30)
      await told(lines, began)
      await postMany(10)
      await pool.query(mends)
      await told(lines, drained)
      await checkBooks(t, postgres, answers)
      await stop()
    })
  }
})

test('a spooled arrival that cannot be stored is set aside; its neighbours are stored', async t => {
  const postgres = await ownPostgres(t)
  const { pool } = postgres
  const { lines, answers, post, postMany, metrics } = await world(t, postgres)
  // Damage in Postgres that hits one row only, as a broken index page would: no data error, and no outage either.
  await pool.query(`CREATE FUNCTION refuse () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.event_id LIKE 'cursed%' THEN RAISE EXCEPTION 'damaged' USING ERRCODE = 'XX001'; END IF;
      IF NEW.event_id LIKE 'poison%' THEN RAISE EXCEPTION 'refused' USING ERRCODE = '22P02'; END IF;
      RETURN NEW; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()`)
  t.match(await post('cursed'), { status: 202, json: { status: 'stored' } })
  await told(lines, began)
  await postMany(3)
  t.match(await post('poison'), { status: 202, json: { status: 'stored' } })
  await postMany(30)
  await told(lines, drained)
  t.equal((await pool.query('SELECT FROM events')).rowCount, answers.size - 2)
  const { rows } = await pool.query<{ reason: string, sealed: Buffer }>('SELECT reason, sealed FROM failed_events')
  t.same(new Set(rows.map(({ reason }) => reason)), new Set(['XX001', '22P02']))
  t.match(rows.map(({ sealed }) => testKeys.open('main', sealed).toString()).join(), /cursed.*poison|poison.*cursed/)
  t.match(await metrics.registry.metrics(), /^ingest_failed_events_total\{reason="XX001"\} 1$/m)
  t.match(await post(), { status: 202 }, 'and nothing is blocked')
})

test('a full spool turns arrivals away with 503 and Retry-After, and says so once', async t => {
  const postgres = await ownPostgres(t)
  const folder = await spoolFolder(t)
  const { gateway, lines, post, postMany, metrics } = await world(t, postgres, {
    spool: { folder, mostBytes: 60_000, leastFreeBytes: 0 }
  })
  await postgres.stop()
  while (gateway.canSpool()) await postMany(20)
  const answer = await post()
  t.match(answer, { status: 503, json: { error: { code: 'unavailable' } } })
  t.match(answer.headers['retry-after'], /^\d+$/)
  t.notOk(gateway.canSpool())
  t.equal(lines.filter(({ message }) => /turned away/.test(message)).length, 1)
  t.match(await metrics.registry.metrics(), /^ingest_shed_total\{reason="spool_full"\} \d+$/m)
  const ready = await send(gateway.url, '', { method: 'GET', path: '/readyz', host: 'health.internal' })
  t.equal(ready.status, 503, 'not ready: nothing durable takes arrivals')
  await postgres.start()
  await told(lines, drained)
  t.equal((await post()).status, 202)
})

test('a folder that cannot be written costs the spool, not the gateway', async t => {
  const postgres = await ownPostgres(t)
  const folder = await spoolFolder(t)
  await writeFile(folder, 'a file in the way')
  const { gateway, lines, post } = await world(t, postgres, {
    spool: { folder, mostBytes: 10_000, leastFreeBytes: 0 }
  })
  t.match(lines, [{ level: 'error', message: /POSTERN_DATA/ }])
  t.notOk(gateway.canSpool())
  t.equal((await post()).status, 202)
})
