// The product as processes of their own, which are killed, frozen and stopped: gateway, worker, and Postgres.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { findRunning, prepareCluster } from '../../config/embedded_cluster.ts'
import { isOutage, type Pool } from '../../config/postgres.ts'

const ownMain = fileURLToPath(new URL('../../main.ts', import.meta.url))

/** Something that can be killed with SIGKILL and comes back by itself. */
export interface Victim {
  name: string
  kills: () => number
  /** Whether it serves at the moment. */
  isUp: () => Promise<boolean>
  kill: () => void
}

export interface Service extends Victim {
  pid: () => number
  /** Where it takes requests of the public; a worker has none. */
  url: string
  adminUrl: string
  signal: (name: NodeJS.Signals) => void
  /** SIGTERM, and starts it anew once it has ended; how long that took and with which exit code. */
  restart: () => Promise<{ exitCode: number | null, exitSeconds: number }>
  /** Its metrics by name and labels, as they are written. */
  metrics: () => Promise<Map<string, number>>
  /** Ends it for good, politely. The exit code; null when it had to be killed. */
  stop: () => Promise<number | null>
}

export interface ServiceOptions {
  role: 'gateway' | 'worker' | 'start'
  env: NodeJS.ProcessEnv
  /** Hears what it writes, line by line. */
  onLine: (line: string) => void
  /** main.ts of another checkout: another version. */
  main?: string
  nodeOptions?: readonly string[]
  /** A command that runs the process in its own way, such as `nice`. */
  under?: readonly string[]
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

async function readMetrics (url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(60_000) })).text()
  return new Map(text.split('\n').filter(line => line !== '' && !line.startsWith('#')).map(line => {
    const at = line.lastIndexOf(' ')
    return [line.slice(0, at), Number(line.slice(at + 1))]
  }))
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

/** SIGTERM, and SIGKILL for who does not hear. */
async function end (child: ChildProcess): Promise<number | null> {
  if (hasEnded(child)) return child.exitCode
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const force = setTimeout(() => child.kill('SIGKILL'), 40_000)
  await exited
  clearTimeout(force)
  return child.exitCode
}

/** Runs a role of the product and starts it again whenever it ends by itself. */
export async function startService (options: ServiceOptions): Promise<Service> {
  const { role, onLine, main = ownMain, nodeOptions = [], under = [] } = options
  const adminPort = await freePort()
  const port = options.env.PORT ?? String(await freePort())
  const env = { ...options.env, POSTERN_ADMIN_PORT: String(adminPort), PORT: port }
  const adminUrl = `http://127.0.0.1:${adminPort}`
  let kills = 0
  let isStopping = false
  let child = start()

  function start (): ChildProcess {
    const [command = '', ...words] = [...under, process.execPath, ...nodeOptions, main, role]
    const begun = spawn(command, words, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [begun.stdout, begun.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        for (const line of text.split('\n')) if (line !== '') onLine(`${role}: ${line}`)
      })
    }
    begun.on('exit', () => {
      // A process that cannot start (its database is down) is started again, as by any supervisor.
      if (!isStopping) setTimeout(() => { if (!isStopping) child = start() }, 500)
    })
    return begun
  }

  return {
    name: role,
    url: `http://127.0.0.1:${port}`,
    adminUrl,
    pid: () => child.pid ?? 0,
    kills: () => kills,
    isUp: async () => await answers(`${adminUrl}/livez`),
    metrics: async () => await readMetrics(adminUrl),
    signal (name) { child.kill(name) },
    kill () {
      if (!hasEnded(child) && child.kill('SIGKILL')) kills++
    },
    async restart () {
      isStopping = true
      const startedMs = performance.now()
      const exitCode = await end(child)
      const exitSeconds = Math.round((performance.now() - startedMs) / 10) / 100
      isStopping = false
      child = start()
      return { exitCode, exitSeconds }
    },
    async stop () {
      isStopping = true
      return await end(child)
    }
  }
}

/** Resolves when the service is ready (`/readyz` on its admin port). Rejects after two minutes. */
export async function untilReady (service: Service): Promise<void> {
  const endMs = performance.now() + 120_000
  while (!await answers(`${service.adminUrl}/readyz`)) {
    if (performance.now() > endMs) throw new Error(`the ${service.name} does not become ready`)
    await wait(50)
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
