// Migrations: once, in order, whole or not at all, one runner at a time; and what a process says of a wrong schema.
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { testDatabase } from '../test/database.ts'
import { findSchemaProblem, migrate, requireSchema } from './migrate.ts'
import { openPool, type Pool } from './postgres.ts'

/** A database that nobody has migrated yet. */
async function emptyDatabase (t: Test): Promise<{ url: string, pool: Pool }> {
  const { url: near, pool: admin } = await testDatabase(t)
  const name = `postern_empty_${process.pid}_${Math.random().toString(36).slice(2)}`
  await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`)
  const url = near.replace(/\/postern_test_\w+/, `/${name}`)
  const pool = openPool({ url, name: 'test', onError: () => undefined, connectTimeoutMs: 10_000 })
  t.teardown(async () => {
    await pool.end()
    await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
  })
  return { url, pool }
}

test('an empty database is brought up to date once, however many come at the same time', async t => {
  const { url, pool } = await emptyDatabase(t)
  t.match(await findSchemaProblem(pool), /has no Postern tables yet\. Run: npm run -s postern -- migrate/)
  await t.rejects(requireSchema(pool), /no Postern tables/)
  const said: string[] = []
  const say = (text: string) => { said.push(text) }
  await Promise.all([1, 2, 3].map(async () => await migrate({ url, say })))
  t.equal(said.filter(text => text === 'applied 0001_tables').length, 1)
  t.ok(said.includes('another migration is running; waiting for it'))
  t.equal(await findSchemaProblem(pool), null)
  await requireSchema(pool)
  said.length = 0
  await migrate({ url, say })
  // The server may need a moment to notice that the first session is gone, and with it the lock.
  t.same(said.filter(text => text.startsWith('applied')), [], 'a second run finds nothing to do')
})

test('a migration that fails leaves nothing behind and can be run again', async t => {
  const { url, pool } = await emptyDatabase(t)
  const folder = t.testdir({
    '0001_one.sql': 'CREATE TABLE one (n integer);\n',
    '0002_two.sql': 'CREATE TABLE two (n integer); SELECT 1 / 0;\n'
  })
  await t.rejects(migrate({ url, folder }), /division by zero/)
  const { rows } = await pool.query('SELECT to_regclass(\'one\') AS one, to_regclass(\'two\') AS two')
  t.same(rows, [{ one: null, two: null }])
  writeFileSync(join(folder, '0002_two.sql'), 'CREATE TABLE two (n integer);\n')
  await migrate({ url, folder })
  t.equal(await findSchemaProblem(pool, folder), null)
})

test('a schema that is older or newer than the program is named, with what mends it', async t => {
  const { pool } = await testDatabase(t)
  const folder = t.testdir({})
  cpSync(new URL('../schema/sql', import.meta.url), folder, { recursive: true })
  writeFileSync(join(folder, '9998_later.sql'), 'SELECT 1;\n')
  t.match(await findSchemaProblem(pool, folder), /lacks 9998_later\. Run: .*migrate/)
  await pool.query('INSERT INTO migrations (name, run_on) VALUES (\'9999_newer\', now())')
  t.match(await findSchemaProblem(pool), /made by a newer Postern \(9999_newer\)/)
  await pool.query('DELETE FROM migrations WHERE name = \'9999_newer\'')
  await pool.query('UPDATE pgboss.version SET version = version - 1')
  t.match(await findSchemaProblem(pool), /queue's tables are older\. Run: .*migrate/)
  await pool.query('UPDATE pgboss.version SET version = version + 2')
  t.match(await findSchemaProblem(pool), /queue's tables were made by a newer/)
  await pool.query('DROP SCHEMA pgboss CASCADE')
  t.match(await findSchemaProblem(pool), /lacks the tables of the job queue/)
})

test('a database whose encoding cannot hold every text is refused', async t => {
  const { url: near, pool: admin } = await testDatabase(t)
  const name = `postern_latin_${process.pid}`
  await admin.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'` +
    ((await admin.query('SELECT 1 WHERE current_setting(\'server_version_num\')::int >= 170000')).rowCount === 1
      ? ' LOCALE_PROVIDER libc'
      : ''))
  t.teardown(async () => { await admin.query(`DROP DATABASE ${name} WITH (FORCE)`) })
  await t.rejects(migrate({ url: near.replace(/\/postern_test_\w+/, `/${name}`) }), /encoding is LATIN1.*UTF8/)
})
