// The product as processes of their own, which are killed and come back: gateway, worker, and the Postgres server.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { findRunning, prepareCluster } from '../../config/embedded_cluster.ts'
import { isOutage, type Pool } from '../../config/postgres.ts'

const main = fileURLToPath(new URL('../../main.ts', import.meta.url))

/** Something that can be killed with SIGKILL and comes back by itself. */
export interface Victim {
  name: string
  kills: () => number
  /** Whether it serves at the moment. */
  isUp: () => Promise<boolean>
  kill: () => void
}

export interface Service extends Victim {
  /** Ends it for good, politely. The exit code; null when it had to be killed. */
  stop: () => Promise<number | null>
}

/** A free port of this machine. Somebody else may take it before it is used; nobody here does. */
export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

async function answers (url: string): Promise<boolean> {
  try {
    const { ok } = await fetch(url, { signal: AbortSignal.timeout(2000) })
    return ok
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return false
    throw error
  }
}

/** Runs a role of the product and starts it again whenever it ends. Its warnings go to `onLine`. */
export async function startService (
  role: 'gateway' | 'worker', given: NodeJS.ProcessEnv, onLine: (line: string) => void
): Promise<Service> {
  const adminPort = await freePort()
  const env = { ...given, POSTERN_ADMIN_PORT: String(adminPort) }
  let kills = 0
  let isStopping = false
  let child = start()

  function start (): ChildProcess {
    const begun = spawn(process.execPath, [main, role], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [begun.stdout, begun.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        for (const line of text.split('\n')) if (line !== '') onLine(`${role}: ${line}`)
      })
    }
    begun.on('exit', () => {
      // A process that cannot start (its database is down) is started again, as by any supervisor.
      if (!isStopping) setTimeout(() => { if (!isStopping) child = start() }, 200)
    })
    return begun
  }

  return {
    name: role,
    kills: () => kills,
    isUp: async () => await answers(`http://127.0.0.1:${adminPort}/livez`),
    kill () {
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) kills++
    },
    async stop () {
      isStopping = true
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      const force = setTimeout(() => child.kill('SIGKILL'), 40_000)
      await exited
      clearTimeout(force)
      return child.exitCode
    }
  }
}

/** The server of an embedded cluster; whoever started it with startEmbedded() starts it again. */
export async function postgresVictim (folder: string, pool: Pool): Promise<Victim> {
  const cluster = await prepareCluster(folder)
  let kills = 0
  return {
    name: 'postgres',
    kills: () => kills,
    async isUp () {
      try {
        await pool.query('SELECT 1')
        return true
      } catch (error) {
        if (isOutage(error)) return false
        throw error
      }
    },
    kill () {
      const running = findRunning(cluster)
      if (running === undefined) return
      process.kill(running.pid, 'SIGKILL')
      kills++
    }
  }
}
