// The embedded Postgres as files and programs: its folder, its first start, starting and stopping the server.
import { createHash } from 'node:crypto'
import {
  chownSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, realpathSync, renameSync,
  rmSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { chooseAccount, runAs, type Account } from './embedded_account.ts'
import { findPrograms, type Programs } from './embedded_programs.ts'

/** Where a cluster lies and how its programs are run. */
export interface Cluster {
  folder: string
  data: string
  /** Folder of the unix socket; nobody but the server's account and root may enter it. */
  socket: string
  log: string
  programs: Programs
  account: Account
}

export const superuser = 'postern'

/** A unix socket's whole path may have 107 bytes, and PostgreSQL appends this. */
const longestSocketFolder = 107 - '/.s.PGSQL.5432'.length

const stopWithinMs = 15_000

function codeOf (error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}

/** Makes the folder, and settles the account and the socket's place. Rejects with what to do. */
export async function prepareCluster (given: string): Promise<Cluster> {
  const programs = await findPrograms()
  mkdirSync(resolve(given), { recursive: true, mode: 0o700 })
  const folder = realpathSync(given)
  const account = await chooseAccount(programs.initdb, folder)
  const near = join(folder, 'socket')
  const socket = Buffer.byteLength(near) <= longestSocketFolder
    ? near
    : join(tmpdir(), `postern-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`)
  mkdirSync(socket, { recursive: true, mode: 0o700 })
  const { uid, mode } = lstatSync(socket)
  const server = account.kind === 'other' ? account.uid : process.getuid?.() ?? uid
  // In a shared temporary folder somebody else could have put it there first, to listen in.
  if (![server, process.getuid?.()].includes(uid) || (mode & 0o77) !== 0) {
    throw new Error(`${socket} belongs to somebody else or is open to others. Remove it, or choose another ` +
      'POSTERN_DATA')
  }
  if (account.kind === 'other') chownSync(socket, account.uid, account.gid)
  return { folder, data: join(folder, 'data'), socket, log: join(folder, 'log'), programs, account }
}

/** Whether the process of a lock file is this cluster's server: its number may long belong to somebody else. */
function isServer (pid: number, data: string): boolean {
  try {
    if (process.platform !== 'linux') return process.kill(pid, 0)
    return readlinkSync(`/proc/${pid}/cwd`) === data
  } catch (error) {
    // Another account's process. In a container even root may not look at its folder, but everybody at its name.
    if (codeOf(error) !== 'EACCES' && codeOf(error) !== 'EPERM') return false
    return process.platform !== 'linux' || readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'postgres'
  }
}

function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

interface Running { pid: number, socket: string }

/** The server that runs in this cluster, or is starting or stopping; undefined when none does. */
export function findRunning (cluster: Cluster): Running | undefined {
  const lockFile = join(cluster.data, 'postmaster.pid')
  let lines: string[]
  try {
    lines = readFileSync(lockFile, 'utf8').split('\n')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new Error(`${cluster.data} belongs to another account. Start Postern as that account, or choose another ` +
      'POSTERN_DATA', { cause: error })
  }
  const pid = Number(lines[0])
  if (pid > 0 && isServer(pid, cluster.data)) return { pid, socket: lines[4] || cluster.socket }
  // PostgreSQL removes the file of a dead process itself, but takes any living one of that number for a server.
  if (pid > 0 && isAlive(pid)) rmSync(lockFile, { force: true })
  return undefined
}

/** Makes the cluster on the first start. A crash in the middle leaves only a draft, which the next start removes. */
export async function makeCluster (cluster: Cluster): Promise<void> {
  const { data, folder, programs, account } = cluster
  if (existsSync(data)) return await requireVersion(cluster)
  for (const name of readdirSync(folder)) {
    const pid = /^draft-(\d+)$/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(folder, name), { recursive: true, force: true })
  }
  const draft = join(folder, `draft-${process.pid}`)
  rmSync(draft, { recursive: true, force: true })
  const { code, output } = await runAs(account, programs.initdb, ['--pgdata', draft, '--username', superuser,
    '--auth=trust', '--encoding=UTF8', '--locale-provider=builtin', '--locale=C', '--builtin-locale=C.UTF-8',
    '--no-instructions'], folder)
  if (code !== 0) throw new Error(`initdb failed:\n${output}`)
  try {
    renameSync(draft, data)
  } catch (error) {
    // Another process that started at the same time was first.
    if (!existsSync(data)) throw error
    rmSync(draft, { recursive: true, force: true })
  }
}

async function requireVersion ({ data, programs, account, folder }: Cluster): Promise<void> {
  const made = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
  const { output } = await runAs(account, programs.initdb, ['--version'], folder)
  const now = / (\d+)/.exec(output)?.[1]
  if (made !== now) {
    throw new Error(`${data} was made by PostgreSQL ${made}; this one brings ${now}. Start the version of Postern ` +
      'that made it and copy the data over, or choose another POSTERN_DATA')
  }
}

function quoteForShell (word: string): string {
  return `'${word.replaceAll('\'', '\'\\\'\'')}'`
}

/** Starts the server and waits until it accepts connections. The result is what pg_ctl said; it may have failed. */
export async function startServer (
  { data, socket, log, folder, programs, account }: Cluster, settings: Record<string, string>
): Promise<string> {
  if (existsSync(log)) renameSync(log, `${log}.old`)
  const all = { listen_addresses: '', unix_socket_directories: socket, unix_socket_permissions: '0700', ...settings }
  const words = Object.entries(all).flatMap(([name, value]) => ['-c', quoteForShell(`${name}=${value}`)])
  const { output } = await runAs(account, programs.pgCtl,
    ['start', '--wait', '--timeout=50', '--pgdata', data, '--log', log, '--options', words.join(' ')], folder)
  return output
}

/**
 * Stops the server that runs now: connections are closed, everything is written. Not by pg_ctl, which waits for the
 * lock file to go and then takes the next server, started meanwhile by another process, for one that does not stop.
 */
export async function stopServer (cluster: Cluster): Promise<void> {
  const running = findRunning(cluster)
  if (running === undefined) return
  // https://www.postgresql.org/docs/current/server-shutdown.html: fast, then immediate.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    const startedMs = performance.now()
    if (isServer(running.pid, cluster.data)) process.kill(running.pid, signal)
    while (performance.now() - startedMs < stopWithinMs) {
      if (!isServer(running.pid, cluster.data)) return
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }
  throw new Error(`The embedded Postgres (process ${running.pid}) does not stop`)
}

/** The end of the server's own log, for the message that it did not start. */
export function readLog ({ log }: Cluster): string {
  return existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(-12).join('\n').trim() : ''
}
