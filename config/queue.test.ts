// The queue carries wake-ups: inside our transaction, at their time, once, never again after a failure.
import { test, type Test } from 'tap'
import { testDatabase } from '../test/database.ts'
import { ownPostgres } from '../test/own_postgres.ts'
import { withTransaction } from './postgres.ts'
import { openQueue, type JobQueue, type QueueJob } from './queue.ts'

interface Note { n: number }
const job = (n: number, startAtMs: number | null = null): QueueJob<Note> => ({ data: { n }, startAtMs, group: 'a' })
const oneAtOnce = { concurrency: 1, perDestination: 1, jobsAtOnce: 1 }

async function until (isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise(resolve => setImmediate(resolve))
}

async function open (t: Test, url: string): Promise<JobQueue> {
  let isOver = false
  // While it stops, a worker may find its connection gone: nothing is wrong with that.
  const onError = (error: Error) => { if (!isOver) t.fail(error.message) }
  const queue = await openQueue({ url, names: ['deliver_x', 'deliver_y'], onError })
  t.teardown(async () => {
    isOver = true
    await queue.stop(2000)
  })
  return queue
}

test('jobs live and die with the transaction they were put in', async t => {
  const { url, pool } = await testDatabase(t)
  const queue = await open(t, url)
  const seen: number[] = []
  queue.work<Note>('deliver_x', oneAtOnce, async jobs => { seen.push(...jobs.map(({ n }) => n)) })
  await t.rejects(withTransaction(pool, async tx => {
    await queue.enqueue(tx, 'deliver_x', [job(1), job(2)])
    throw new Error('changed my mind')
  }), /changed my mind/)
  await withTransaction(pool, async tx => {
    await queue.enqueue(tx, 'deliver_x', [job(3), job(4)])
    await queue.enqueue(tx, 'deliver_y', [job(5)])
  })
  await until(() => seen.length === 2)
  t.same(seen.sort(), [3, 4])
})

test('a job that starts later waits for its time', async t => {
  const { url, pool } = await testDatabase(t)
  const queue = await open(t, url)
  const seen: { n: number, atMs: number }[] = []
  queue.work<Note>('deliver_x', oneAtOnce, async jobs => {
    seen.push(...jobs.map(({ n }) => ({ n, atMs: Date.now() })))
  })
  const startAtMs = Date.now() + 1500
  await withTransaction(pool, async tx => await queue.enqueue(tx, 'deliver_x', [job(1, startAtMs), job(2)]))
  await until(() => seen.length === 2)
  t.same(seen.map(({ n }) => n), [2, 1])
  t.ok((seen[1]?.atMs ?? 0) >= startAtMs - 50, 'the clock of this machine is the database\'s')
})

test('a job that fails is not tried again: the ledger makes another if one is needed', async t => {
  const { url, pool } = await testDatabase(t)
  const queue = await open(t, url)
  const seen: number[] = []
  queue.work<Note>('deliver_x', oneAtOnce, async ([one]) => {
    seen.push(one?.n ?? 0)
    if (one?.n === 1) throw new Error('a bug')
  })
  await withTransaction(pool, async tx => await queue.enqueue(tx, 'deliver_x', [job(1)]))
  await until(async () => (await pool.query('SELECT FROM pgboss.job WHERE state = \'failed\'')).rowCount === 1)
  await withTransaction(pool, async tx => await queue.enqueue(tx, 'deliver_x', [job(2)]))
  await until(() => seen.includes(2))
  t.same(seen, [1, 2])
})

test('two processes share a queue; each job goes to one of them', async t => {
  const { url, pool } = await testDatabase(t)
  const queues = await Promise.all([open(t, url), open(t, url)])
  const seen: number[] = []
  for (const queue of queues) {
    const options = { concurrency: 4, perDestination: 4, jobsAtOnce: 5 }
    queue.work<Note>('deliver_x', options, async jobs => { seen.push(...jobs.map(({ n }) => n)) })
  }
  const jobs = Array.from({ length: 60 }, (_, n) => job(n))
  await withTransaction(pool, async tx => await queues[0]?.enqueue(tx, 'deliver_x', jobs))
  await until(() => seen.length >= 60)
  t.equal(new Set(seen).size, 60)
  t.equal(seen.length, 60)
})

test('stopping waits for the job under way', async t => {
  const { url, pool } = await testDatabase(t)
  const queue = await openQueue({ url, names: ['deliver_x'], onError: error => t.fail(error.message) })
  let release = () => {}
  const gate = new Promise<void>(resolve => { release = resolve })
  let state = 'waiting'
  queue.work<Note>('deliver_x', oneAtOnce, async () => {
    state = 'under way'
    await gate
    state = 'done'
  })
  await withTransaction(pool, async tx => await queue.enqueue(tx, 'deliver_x', [job(1)]))
  await until(() => state === 'under way')
  const stopped = queue.stop(10_000)
  release()
  await stopped
  t.equal(state, 'done')
})

test('a worker with a backlog goes from job to job without waiting for its next poll', async t => {
  const { url, pool } = await testDatabase(t)
  const queue = await open(t, url)
  const jobs = Array.from({ length: 40 }, (_, n) => job(n))
  await withTransaction(pool, async tx => await queue.enqueue(tx, 'deliver_x', jobs))
  let done = 0
  const startedMs = performance.now()
  queue.work<Note>('deliver_x', oneAtOnce, async () => { done++ })
  await until(() => done === 40)
  // Forty polls would take forty seconds.
  t.ok(performance.now() - startedMs < 20_000)
})

test('where listening is refused, jobs are found by polling, and it is tried again', async t => {
  const { url, pool } = await testDatabase(t)
  const name = `limited_${process.pid}`
  await pool.query(`CREATE ROLE ${name} LOGIN CONNECTION LIMIT 1; GRANT CREATE, USAGE ON SCHEMA pgboss TO ${name};
    GRANT ALL ON ALL TABLES IN SCHEMA pgboss TO ${name}; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgboss TO ${name}`)
  t.teardown(async () => { await pool.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`) })
  const limited = new URL(url.replace('///', '//unix/'))
  limited.searchParams.set('user', name)
  const said: string[] = []
  const queue = await openQueue({
    url: limited.href.replace('//unix/', '///'),
    names: [],
    onError: () => undefined,
    onWarning: message => { said.push(message) },
    listenAgainMs: 10
  })
  t.teardown(async () => { await queue.stop(2000) })
  t.match(said, [/LISTEN.*POSTERN_DIRECT_URL/])
  const ears = async () => (await pool.query(
    'SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE \'LISTEN %\'')).rowCount
  t.equal(await ears(), 0)
  await pool.query(`ALTER ROLE ${name} CONNECTION LIMIT 10`)
  await until(async () => await ears() === 1)
  t.equal(said.length, 1, 'told once')
})

test('stopping ends when Postgres stands still, and leaves no connection', async t => {
  const { url, pool, freeze } = await ownPostgres(t)
  await pool.query('SELECT 1')
  const connections = () => process.getActiveResourcesInfo().filter(kind => kind === 'PipeWrap').length
  const before = connections()
  const queue = await openQueue({ url, names: ['deliver_x'], onError: () => undefined })
  let isDone = false
  queue.work<Note>('deliver_x', oneAtOnce, async () => { isDone = true })
  await withTransaction(pool, async tx => await queue.enqueue(tx, 'deliver_x', [job(1)]))
  await until(() => isDone)
  t.ok(connections() > before)
  await freeze()
  await queue.stop(1500)
  // Fewer, where those of the tests before this one have ended meanwhile.
  t.ok(connections() <= before)
})

test('new jobs are announced where the queue listens', async t => {
  const { url, pool } = await testDatabase(t)
  const queue = await open(t, url)
  const { rows: [ear] } = await pool.query<{ query: string }>(
    'SELECT query FROM pg_stat_activity WHERE datname = current_database() AND query LIKE \'LISTEN %\'')
  const client = await pool.connect()
  t.teardown(() => { client.release(true) })
  const heard = new Promise(resolve => { client.on('notification', ({ payload }) => { resolve(payload) }) })
  await client.query(ear?.query ?? '')
  await withTransaction(pool, async tx => await queue.enqueue(tx, 'deliver_y', [job(1)]))
  t.equal(await heard, 'deliver_y')
})
