// A pool that neither hangs nor crashes the process, and what each kind of database error means.
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { testDatabase } from '../test/database.ts'
import { isDataError, isOutage, openPool, prepared, sqlState, withTransaction, type Pool } from './postgres.ts'

const caught = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(() => { throw new Error('it worked') }, (error: unknown) => error)

async function until (isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise(resolve => setImmediate(resolve))
}

test('numbers, days and their lists come as what they are', async t => {
  const { pool } = await testDatabase(t)
  const { rows } = await pool.query(`SELECT 9007199254740991::bigint AS big, count(*), '2026-03-29'::date AS day,
    ARRAY['2026-03-29', '2026-10-25']::date[] AS days, ARRAY[1, 2]::bigint[] AS bigs, ARRAY[]::date[] AS none`)
  t.same(rows, [{
    big: 9007199254740991, count: 1, day: '2026-03-29', days: ['2026-03-29', '2026-10-25'], bigs: [1, 2], none: []
  }])
})

test('errors of the server are outages, data errors, or bugs', async t => {
  const { pool } = await testDatabase(t)
  await pool.query('CREATE TABLE once (n integer PRIMARY KEY); CREATE TABLE parts (n integer) PARTITION BY RANGE (n)')
  const cases: [string, 'outage' | 'data' | 'bug'][] = [
    ['SELECT pg_terminate_backend(pg_backend_pid())', 'outage'],
    ['SET statement_timeout = 5; SELECT pg_sleep(60)', 'outage'],
    ['BEGIN READ ONLY; INSERT INTO once VALUES (1); COMMIT', 'outage'],
    ['INSERT INTO parts VALUES (1)', 'outage'],
    ['INSERT INTO once VALUES (1), (1)', 'data'],
    ['SELECT \'x\'::integer', 'data'],
    ['SELECT 1 / 0', 'data'],
    ['SELECT no_such_column', 'bug'],
    ['SELEKT', 'bug']
  ]
  for (const [sql, expected] of cases) {
    const error = await caught(pool.query(sql))
    const kind = isOutage(error) ? 'outage' : isDataError(error) ? 'data' : 'bug'
    t.equal(kind, expected, `${sql}: ${String(sqlState(error))}`)
  }
  t.notOk(isOutage(new TypeError('x is undefined')))
  t.notOk(isOutage('Connection terminated'))
})

test('a server that is not there, or takes the connection and says nothing, is an outage in bounded time', async t => {
  const silent = createServer(() => { /* says nothing */ })
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => silent.close())
  const { port } = silent.address() as AddressInfo
  const urls = [`postgresql://u@127.0.0.1:${port}/x`, 'postgresql://u@127.0.0.1:1/x', 'postgresql:///x?host=/none']
  for (const url of urls) {
    const pool = openPool({ url, name: 'test', onError: () => undefined, connectTimeoutMs: 100 })
    t.ok(isOutage(await caught(pool.query('SELECT 1'))), url)
    await pool.end()
  }
})

test('a statement that does not come back is given up, and its connection with it', async t => {
  const { url } = await testDatabase(t)
  const limits = { statementTimeoutMs: 0, queryTimeoutMs: 50, max: 1 }
  const pool = openPool({ url, name: 'test', onError: () => undefined, ...limits })
  t.teardown(async () => { await pool.end() })
  t.ok(isOutage(await caught(pool.query('SELECT pg_sleep(600)'))))
  t.equal(pool.totalCount, 0, 'destroyed')
  t.ok(isOutage(await caught(withTransaction(pool, async tx => await tx.query('SELECT pg_sleep(600)')))))
  t.equal(pool.totalCount, 0, 'destroyed')
  t.same((await pool.query('SELECT 1 AS one')).rows, [{ one: 1 }])
})

test('a connection that waits for nothing is left alone, however long', async t => {
  const { url } = await testDatabase(t)
  const limits = { statementTimeoutMs: 0, queryTimeoutMs: 1000, max: 1 }
  const open = (name: string) => openPool({ url, name, onError: () => undefined, ...limits })
  const idle = open('idle')
  const hanging = open('hanging')
  t.teardown(async () => { await Promise.all([idle.end(), hanging.end()]) })
  const session = async () => (await idle.query('SELECT pg_backend_pid() AS pid')).rows
  const before = await session()
  t.ok(isOutage(await caught(hanging.query('SELECT pg_sleep(600)'))), 'its time began later, and is over')
  t.same(await session(), before)
})

test('connections that the server closes are told and replaced; the process goes on', async t => {
  const { url, pool: admin } = await testDatabase(t)
  const errors: Error[] = []
  const pool = openPool({ url, name: 'victim', onError: error => errors.push(error), max: 2 })
  t.teardown(async () => { await pool.end() })
  await pool.query('SELECT 1')
  const kill = async () => await admin.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = \'victim\'')
  await kill()
  await until(() => errors.length === 1)
  await t.rejects(withTransaction(pool, async tx => {
    await kill()
    // Lent out and idle at this moment: nobody listens but the pool's own guard.
    await until(async () => (await admin.query(
      'SELECT FROM pg_stat_activity WHERE application_name = \'victim\'')).rowCount === 0)
    await tx.query('SELECT 1')
  }))
  t.same((await pool.query('SELECT 1 AS one')).rows, [{ one: 1 }])
})

test('a transaction is whole or nothing, and its client goes back clean', async t => {
  const { pool } = await testDatabase(t)
  await pool.query('CREATE TABLE n (n integer)')
  const count = async (db: Pool) => (await db.query<{ count: number }>('SELECT count(*) FROM n')).rows[0]?.count
  t.equal(await withTransaction(pool, async tx => {
    await tx.query('INSERT INTO n VALUES (1)')
    return 'done'
  }), 'done')
  t.equal(await count(pool), 1)
  const failing = async (fail: () => Promise<unknown>) => await caught(withTransaction(pool, async tx => {
    await tx.query('INSERT INTO n VALUES (2)')
    await fail()
  }))
  t.match(await failing(async () => { throw new Error('ours') }), { message: 'ours' })
  t.equal(sqlState(await failing(async () => await pool.query('SELECT 1 / 0'))), '22012')
  t.equal(await count(pool), 1)
  t.equal(pool.idleCount, pool.totalCount, 'every client was given back')
})

for (const [what, sql] of [
  ['whose table was altered', 'ALTER TABLE things ADD COLUMN more integer'], ['that was discarded', 'DEALLOCATE ALL']
] as const) {
  test(`a prepared statement ${what} fails once, and not as long as its connection lives`, async t => {
    const { url } = await testDatabase(t)
    const pool = openPool({ url, name: 'postern test', onError: () => undefined, max: 1 })
    t.teardown(async () => { await pool.end() })
    await pool.query('CREATE TABLE things (n integer)')
    const read = async () => await withTransaction(pool, async tx =>
      await tx.query(prepared(tx, { name: 'things', text: 'SELECT * FROM things' })))
    await read()
    await pool.query(sql)
    await t.rejects(read())
    t.equal((await read()).rowCount, 0)
  })
}
