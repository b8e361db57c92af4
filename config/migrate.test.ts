// Migrations: once, in order, whole or not at all, one runner at a time; and what a process says of a wrong schema.
import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { testDatabase } from '../test/database.ts'
import { findSchemaProblem, migrate, requireSchema } from './migrate.ts'
import { openPool, withTransaction, type Pool } from './postgres.ts'

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
  t.equal(await findSchemaProblem(pool, { folder }), null)
})

test('a migration that blocks a process and is blocked by it gives way, and is tried again', async t => {
  const { url, pool } = await emptyDatabase(t)
  await pool.query('CREATE TABLE one (n integer); CREATE TABLE two (n integer)')
  const folder = t.testdir({
    '0001_both.sql': 'ALTER TABLE one ADD COLUMN m integer; ALTER TABLE two ADD COLUMN m integer;\n'
  })
  const patient = openPool({
    url, name: 'patient', onError: () => undefined, queryTimeoutMs: 0, statementTimeoutMs: 0, lockTimeoutMs: 0
  })
  t.teardown(async () => { await patient.end() })
  const said: string[] = []
  let migrated: Promise<void> | undefined
  await withTransaction(patient, async tx => {
    await tx.query('SELECT FROM two')
    migrated = migrate({ url, folder, say: text => said.push(text) })
    const waits = 'SELECT FROM pg_locks WHERE relation = \'two\'::regclass AND NOT granted'
    while ((await pool.query(waits)).rowCount === 0) await new Promise(resolve => setTimeout(resolve, 10))
    await tx.query('SELECT FROM one')
  })
  await migrated
  t.ok(said.includes('a table is in use; trying again'))
  t.equal((await pool.query('SELECT one.m, two.m FROM one, two')).rowCount, 0)
})

test('a version before the database\'s runs on it until a migration says that it can no longer', async t => {
  const { url, pool } = await testDatabase(t)
  const folder = t.testdir({})
  cpSync(new URL('../schema/sql', import.meta.url), folder, { recursive: true })
  const next = async (name: string, sql: string) => {
    writeFileSync(join(folder, `${name}.sql`), `-- Up Migration\n${sql}`)
    await migrate({ url, folder })
  }
  await next('9001_wider', 'ALTER TABLE events ADD COLUMN more text;\n')
  t.equal(await findSchemaProblem(pool, { version: '0.1.0' }), null, 'an expansion')
  await next('9002_narrower', 'ALTER TABLE events DROP COLUMN more;\n' +
    'INSERT INTO breaking_migrations VALUES (\'9002_narrower\', \'1.10.0\');\n')
  const cases: [version: string, runs: boolean][] = [
    ['0.1.0', false], ['1.9.9', false], ['1.9.10', false], ['1.10.0', true], ['1.10.0-rc.1', true], ['1.10.1', true],
    ['2.0.0', true]
  ]
  for (const [version, runs] of cases) {
    const problem = await findSchemaProblem(pool, { version })
    if (runs) t.equal(problem, null, version)
    else {
      t.equal(problem, 'The database was migrated by a newer Postern, and this version can no longer run on it: ' +
        `this is ${version}; since 9002_narrower, 1.10.0 or newer is needed`)
    }
  }
  t.equal(await findSchemaProblem(pool, { version: '0.1.0', folder }), null, 'whoever has the migration knows it')
  await migrate({ url })
  const { rows } = await pool.query('SELECT name FROM migrations WHERE name LIKE \'900%\' ORDER BY name')
  t.same(rows, [{ name: '9001_wider' }, { name: '9002_narrower' }], 'the migrations of an older version change nothing')
})

/** What takes something away from a version that is still running. */
const contraction =
  /\b(DROP (TABLE|COLUMN|FUNCTION|TYPE)|RENAME|SET NOT NULL|ALTER (COLUMN )?\w+ (SET DATA )?TYPE)\b/i

test('a migration that takes something away says which versions that ends', async t => {
  const folder = new URL('../schema/sql/', import.meta.url)
  const silent = (sql: string) => {
    const up = sql.split('-- Down Migration', 1)[0] ?? ''
    return contraction.test(up.replace(/--.*/g, '')) && !up.includes('INTO breaking_migrations')
  }
  for (const [sql, isSilent] of [
    ['ALTER TABLE events DROP COLUMN site;', true],
    ['ALTER TABLE events RENAME site TO place;', true],
    ['ALTER TABLE events ALTER COLUMN site TYPE varchar;', true],
    ['ALTER TABLE events ALTER site SET NOT NULL;', true],
    ['DROP TABLE leads; INSERT INTO breaking_migrations VALUES (\'0042_no_leads\', \'2.0.0\');', false],
    ['-- DROP nothing\nALTER TABLE events ADD COLUMN more text;', false]
  ] as const) t.equal(silent(sql), isSilent, sql)
  for (const name of readdirSync(folder)) t.notOk(silent(readFileSync(new URL(name, folder), 'utf8')), name)
})

test('a schema that is older than the program is named, with what mends it', async t => {
  const { pool } = await testDatabase(t)
  const folder = t.testdir({})
  cpSync(new URL('../schema/sql', import.meta.url), folder, { recursive: true })
  writeFileSync(join(folder, '9998_later.sql'), 'SELECT 1;\n')
  t.match(await findSchemaProblem(pool, { folder }), /lacks 9998_later\. Run: .*migrate/)
  await pool.query('UPDATE pgboss.version SET version = version - 1')
  t.match(await findSchemaProblem(pool), /queue's tables are older\. Run: .*migrate/)
  await pool.query('UPDATE pgboss.version SET version = version + 2')
  t.match(await findSchemaProblem(pool), /queue's tables were made by a newer/)
  t.equal(await findSchemaProblem(pool, { usesQueue: false }), null, 'a gateway works on no jobs')
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
