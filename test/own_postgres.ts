// A Postgres server of one test's own, which it may stop, kill and freeze.
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import {
  findRunning, makeCluster, prepareCluster, startServer, stopServer, superuser, type Cluster
} from '../config/embedded_cluster.ts'
import { migrate } from '../config/migrate.ts'
import { openPool, type Pool } from '../config/postgres.ts'

export interface OwnPostgres {
  url: string
  start: () => Promise<void>
  /** As `pg_ctl stop -m fast` does. */
  stop: () => Promise<void>
  /** As `pg_ctl stop -m immediate` does: no checkpoint, and the next start recovers. */
  stopImmediately: () => Promise<void>
  /** SIGKILL for the server and all that belongs to it. */
  kill: () => Promise<void>
  freeze: () => Promise<void>
  thaw: () => Promise<void>
  /** A standby that follows it, made while it stands still for a moment; gone when the test ends. */
  makeStandby: () => Promise<{ url: string, stop: () => Promise<void> }>
  /** A pool that waits for the server to be back. */
  pool: Pool
}

/** The server's process and its children. */
async function familyOf (pid: number): Promise<number[]> {
  const family = [pid]
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '')
    if (Number(stat.replace(/^.*\) /s, '').split(' ')[1]) === pid) family.push(Number(entry))
  }
  return family
}

function signal (pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch (error) {
      // It ended by itself meanwhile.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 10))
}

const urlOf = ({ socket }: Cluster) =>
  `postgresql:///postgres?${new URLSearchParams({ host: socket, user: superuser }).toString()}`

/** Makes and starts a migrated server in a folder of its own below `parent`; it is gone when the test ends. */
export async function ownPostgres (
  t: Pick<Test, 'teardown'>, settings: Record<string, string> = {}, parent = tmpdir()
): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(parent, 'postern-pg-'))
  const cluster = await prepareCluster(folder)
  let frozen: number[] = []
  const running = () => {
    const found = findRunning(cluster)
    if (found === undefined) throw new Error('the server does not run')
    return found.pid
  }
  const start = async () => {
    const said = await startServer(cluster, { fsync: 'off', ...settings })
    if (!said.includes('server started')) throw new Error(said)
  }
  const thaw = async () => { signal(frozen.splice(0), 'SIGCONT') }
  const kill = async () => {
    const family = await familyOf(running())
    signal(family, 'SIGKILL')
    await until(() => !family.some(isAlive))
  }
  t.teardown(async () => {
    await thaw()
    await stopServer(cluster)
    await rm(folder, { recursive: true, force: true })
  })
  await makeCluster(cluster)
  await start()
  const url = urlOf(cluster)
  await migrate({ url })
  const pool = openPool({
    url, name: 'postern test', onError: () => undefined, connectTimeoutMs: 10_000, queryTimeoutMs: 20_000
  })
  t.teardown(async () => { await pool.end() })
  return {
    url,
    pool,
    start,
    stop: async () => { await stopServer(cluster) },
    async makeStandby () {
      const standby = await prepareCluster(await mkdtemp(join(parent, 'postern-pg-')))
      await stopServer(cluster)
      // With the owner of each file: a server that root starts runs under another account.
      await promisify(execFile)('cp', ['-a', cluster.data, standby.data])
      await start()
      await promisify(execFile)('cp', ['-a', join(standby.data, 'PG_VERSION'), join(standby.data, 'standby.signal')])
      const said = await startServer(standby, {
        fsync: 'off', primary_conninfo: `host=${cluster.socket} user=${superuser}`
      })
      if (!said.includes('server started')) throw new Error(said)
      t.teardown(async () => {
        await stopServer(standby)
        await rm(standby.folder, { recursive: true, force: true })
      })
      return { url: urlOf(standby), stop: async () => { await stopServer(standby) } }
    },
    kill,
    stopImmediately: async () => {
      const family = await familyOf(running())
      signal(family.slice(0, 1), 'SIGQUIT')
      await until(() => !family.some(isAlive))
    },
    freeze: async () => {
      frozen = await familyOf(running())
      signal(frozen, 'SIGSTOP')
    },
    thaw
  }
}
