// A fresh, migrated database for a test, cloned from a template, on one Postgres server that all tests share.
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { userInfo, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startEmbedded } from '../config/embedded.ts'
import { migrate } from '../config/migrate.ts'
import { openPool, type Pool } from '../config/postgres.ts'
import { queueSchema } from '../config/queue.ts'

/** One server for all checkouts' tests of this account. */
const serverFolder = join(tmpdir(), `postern-test-${userInfo().username}`)

let server: Promise<{ url: string, stop: () => Promise<void> }> | undefined
let users = 0
const lingerMs = 100

/**
 * The server that POSTERN_TEST_DATABASE_URL names (its role must be allowed to make databases), else an embedded one,
 * started by the first test and stopped by the last process that leaves. It forgets on a crash: no test here is about
 * the disk.
 */
async function openServer (): Promise<{ url: string, stop: () => Promise<void> }> {
  const given = process.env.POSTERN_TEST_DATABASE_URL
  if (given !== undefined && given !== '') return { url: given, stop: async () => { await Promise.resolve() } }
  return await startEmbedded({
    folder: serverFolder,
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' }
  })
}

function withDatabase (url: string, name: string): string {
  // A unix socket's URL has no host, which URL does not read.
  return url.replace(/^(\w+:\/\/[^/]*)\/[^?]*/, `$1/${name}`)
}

function openAdmin (url: string): Pool {
  return openPool({
    url,
    name: 'postern tests',
    onError: () => undefined,
    max: 1,
    connectTimeoutMs: 30_000,
    statementTimeoutMs: 120_000,
    queryTimeoutMs: 120_000,
    lockTimeoutMs: 0
  })
}

/** The template's name says what is in it: another schema makes another template. */
function templateName (): string {
  const folder = new URL('../schema/sql/', import.meta.url)
  const hash = createHash('sha256').update(String(queueSchema.version))
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(new URL(name, folder)))
  return `postern_template_${hash.digest('hex').slice(0, 12)}`
}

/** Makes the template once; whoever comes meanwhile waits. A half-made one is made again. */
async function makeTemplate (url: string, admin: Pool): Promise<string> {
  const name = templateName()
  const client = await admin.connect()
  try {
    await client.query('SELECT pg_advisory_lock(hashtext(\'postern.test_template\'))')
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1 AND datistemplate', [name])
    if (rowCount === 0) {
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await client.query(`CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`)
      await migrate({ url: withDatabase(url, name) })
      await client.query(`ALTER DATABASE ${name} IS_TEMPLATE true ALLOW_CONNECTIONS false`)
    }
    return name
  } finally {
    client.release(true)
  }
}

/**
 * A database of its own for one test: migrated, empty, dropped afterwards. `url` opens it elsewhere; `pool` closes with
 * the test.
 */
export async function testDatabase (t: Test): Promise<{ url: string, pool: Pool }> {
  users++
  const { url: serverUrl } = await (server ??= openServer())
  const admin = openAdmin(serverUrl)
  const name = `postern_test_${process.pid}_${randomBytes(4).toString('hex')}`
  t.teardown(async () => {
    try {
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await admin.end()
    } finally {
      leaveServer()
    }
  })
  const template = await makeTemplate(serverUrl, admin)
  await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`)
  const url = withDatabase(serverUrl, name)
  const pool = openPool({
    url,
    name: 'postern test',
    onError: () => undefined,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 20_000,
    queryTimeoutMs: 25_000,
    lockTimeoutMs: 10_000,
    idleInTransactionTimeoutMs: 60_000
  })
  // Runs before the teardown above: the last one registered is the first.
  t.teardown(async () => { await pool.end() })
  return { url, pool }
}

/**
 * The guard's connection keeps the process alive, so the server is left soon after a test ends unless another began;
 * the next one enters again.
 */
function leaveServer (): void {
  users--
  setTimeout(() => {
    if (users > 0 || server === undefined) return
    const leaving = server
    server = undefined
    leaving.then(async ({ stop }) => await stop()).catch(error => {
      process.exitCode = 1
      console.error(error)
    })
  }, lingerMs)
}
