// The embedded Postgres keeps its data and its promises through crashes, strangers and two processes at once.
import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type Test } from 'tap'
import { startEmbedded, type Embedded } from './embedded.ts'
import { openPool } from './postgres.ts'

/** Under the temporary folder, because an account that is not ours may have to enter it. */
function newFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-embedded-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  return join(folder, 'postgres')
}

async function ask (url: string, sql: string): Promise<unknown[]> {
  const pool = openPool({ url, name: 'test', onError: () => undefined, connectTimeoutMs: 5000 })
  try {
    return (await pool.query<Record<string, unknown>>(sql)).rows
  } finally {
    await pool.end()
  }
}

function serverPid (folder: string): number {
  return Number(readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
}

async function until (isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!await isSo()) await new Promise(resolve => setImmediate(resolve))
}

/** A zombie is none: it only waits for whoever is process 1 here to take note. */
function isAlive (pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    // There is no such process, or no /proc, as on macOS.
    return process.platform !== 'linux' && process.kill(pid, 0)
  }
}

/** Another process that uses the server until it is killed; resolves when it has said that it does. */
async function startOther (t: Test, folder: string): Promise<ChildProcess> {
  const script = `import { startEmbedded } from ${JSON.stringify(new URL('embedded.ts', import.meta.url).href)}
    const embedded = await startEmbedded({ folder: process.argv[1] })
    console.log(embedded.adopted ? 'joined' : 'started')
    process.on('SIGTERM', async () => { await embedded.stop(); process.exit(0) })`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script, folder],
    { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stdout).once('line', () => { resolve() })
    child.once('exit', () => { reject(new Error('the other process ended')) })
  })
  return child
}

async function kill (child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const gone = new Promise(resolve => child.once('exit', resolve))
  child.kill(signal)
  await gone
}

async function start (t: Test, folder: string, onLost?: () => void): Promise<Embedded> {
  const embedded = await startEmbedded({ folder, onLost })
  t.teardown(async () => { if (existsSync(join(folder, 'data', 'postmaster.pid'))) await embedded.stop() })
  return embedded
}

test('what was written is there after a stop and a start; nothing runs in between', async t => {
  const folder = newFolder(t)
  const first = await start(t, folder)
  t.equal(first.adopted, false)
  await ask(first.url, 'CREATE TABLE kept AS SELECT 1 AS n')
  const pid = serverPid(folder)
  await first.stop()
  t.notOk(isAlive(pid))
  const second = await start(t, folder)
  t.same(await ask(second.url, 'SELECT n FROM kept'), [{ n: 1 }])
  const settings = await ask(second.url, `SELECT current_setting('fsync') AS fsync,
    current_setting('listen_addresses') AS tcp, current_setting('server_encoding') AS encoding`)
  t.same(settings, [{ fsync: 'on', tcp: '', encoding: 'UTF8' }], 'durable, no open port, every character')
  await second.stop()
})

test('two processes share the server, and the last one that leaves stops it', async t => {
  const folder = newFolder(t)
  const [other, here] = await Promise.all([startOther(t, folder), start(t, folder)])
  const pid = serverPid(folder)
  await here.stop()
  t.ok(isAlive(pid), 'the other one still uses it')
  await kill(other, 'SIGTERM')
  t.notOk(isAlive(pid))
})

test('after kill -9 of the process the next start finds the server and the data', async t => {
  const folder = newFolder(t)
  const other = await startOther(t, folder)
  const pid = serverPid(folder)
  await kill(other, 'SIGKILL')
  t.ok(isAlive(pid), 'an orphan')
  const next = await start(t, folder)
  t.equal(next.adopted, true)
  await next.stop()
  t.notOk(isAlive(pid))
})

test('after kill -9 of the server it is started again, and nothing committed is lost', async t => {
  const folder = newFolder(t)
  let lost = 0
  const embedded = await start(t, folder, () => { lost++ })
  await ask(embedded.url, 'CREATE TABLE kept AS SELECT 1 AS n')
  for (let round = 1; round <= 2; round++) {
    const pid = serverPid(folder)
    process.kill(pid, 'SIGKILL')
    await until(async () => await ask(embedded.url, 'SELECT n FROM kept').then(rows => rows.length === 1, () => false))
    t.not(serverPid(folder), pid)
  }
  t.ok(lost >= 1, 'said so')
  await embedded.stop()
})

test('what a crash or a copied folder leaves behind does not block the start', async t => {
  const folder = newFolder(t)
  await (await start(t, folder)).stop()
  const lockFile = join(folder, 'data', 'postmaster.pid')
  const lock = (pid: number) =>
    [pid, join(folder, 'data'), 1, 5432, join(folder, 'socket'), '', '', 'ready', ''].join('\n')
  // A number that nobody has, and one that belongs to a stranger: this very process.
  for (const pid of [4_194_303, process.pid]) {
    writeFileSync(lockFile, lock(pid))
    const embedded = await start(t, folder)
    t.equal(embedded.adopted, false)
    await embedded.stop()
  }
  const copy = newFolder(t)
  mkdirSync(join(copy, 'draft-4194303', 'half'), { recursive: true })
  await (await start(t, copy)).stop()
  t.notOk(existsSync(join(copy, 'draft-4194303')), 'half a first start was cleared away')
})

test('a folder with a long name works: its socket lies elsewhere', async t => {
  const folder = join(newFolder(t), 'a'.repeat(100))
  const embedded = await start(t, folder)
  t.same(await ask(embedded.url, 'SELECT 1 AS one'), [{ one: 1 }])
  t.notMatch(decodeURIComponent(embedded.url), /aaaa/)
  await embedded.stop()
})

test('data of another PostgreSQL is named, not touched', async t => {
  const folder = newFolder(t)
  await (await start(t, folder)).stop()
  const versionFile = join(folder, 'data', 'PG_VERSION')
  const before = readFileSync(versionFile, 'utf8')
  cpSync(versionFile, `${versionFile}.kept`)
  writeFileSync(versionFile, '15\n')
  await t.rejects(startEmbedded({ folder }), /was made by PostgreSQL 15; this one brings 18/)
  writeFileSync(versionFile, before)
  await (await start(t, folder)).stop()
})

test('who comes in while the last one leaves is not left without a server', async t => {
  const folder = newFolder(t)
  let current = await start(t, folder)
  const { url } = current
  for (let round = 0; round < 8; round++) {
    const [next] = await Promise.all([startEmbedded({ folder }), current.stop()])
    t.equal(next.url, url)
    t.same(await ask(next.url, 'SELECT 1 AS one'), [{ one: 1 }])
    current = next
  }
  await current.stop()
})
