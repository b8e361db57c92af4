// Postern as a process of its own behind a test's nginx, to be killed and frozen; and stand-ins that are ill otherwise.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { testDatabase } from '../database.ts'
import { freePort } from './nginx.ts'

const main = fileURLToPath(new URL('../../main.ts', import.meta.url))

export interface PosternProcess {
  port: number
  signal: (name: NodeJS.Signals) => void
  kill: () => Promise<void>
}

async function isAlive (port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(5000) })).ok
  } catch (error) {
    if (error instanceof TypeError || error instanceof DOMException) return false
    throw error
  }
}

/** Starts `postern gateway` on a database of its own, with a site that needs no consent; waits until it answers. */
export async function startPostern (t: Test, upstream?: string): Promise<PosternProcess> {
  const { url } = await testDatabase(t)
  const folder = mkdtempSync(join(tmpdir(), 'postern-process-'))
  const port = await freePort()
  writeFileSync(join(folder, 'postern.yaml'), `sites:
  main:
    hosts: [www.example.com, t.example.com]
    origins: ["https://www.example.com"]
    consent: opt_out
    ${upstream === undefined ? '' : `upstream: "${upstream}"`}
trusted_proxies: [127.0.0.1]
`)
  const child: ChildProcess = spawn(process.execPath, [main, 'gateway'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      DATABASE_URL: url,
      POSTERN_SECRET: randomBytes(32).toString('hex'),
      POSTERN_CONFIG: join(folder, 'postern.yaml'),
      POSTERN_DATA: folder,
      POSTERN_HOST: '127.0.0.1',
      PORT: String(port),
      POSTERN_ADMIN_PORT: String(await freePort()),
      POSTERN_LOG: 'error'
    }
  })
  let said = ''
  child.stderr?.on('data', chunk => { said += String(chunk) })
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  const kill = async () => {
    if (hasEnded()) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(async () => {
    await kill()
    rmSync(folder, { recursive: true })
  })
  while (!await isAlive(port)) {
    if (hasEnded()) throw new Error(`postern does not start: ${said}`)
    await new Promise<void>(resolve => { setTimeout(resolve, 50) })
  }
  return { port, kill, signal: name => { child.kill(name) } }
}

/** What a service that is ill may do with a request: bytes to say after some time, or nothing at all. */
export const illnesses: Readonly<Record<string, { afterMs: number, says: string | null }>> = {
  'answers 500': { afterMs: 0, says: 'HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nsorry' },
  'answers 503': { afterMs: 0, says: 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n' },
  'answers 401': { afterMs: 0, says: 'HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n' },
  'answers 302': { afterMs: 0, says: 'HTTP/1.1 302 Found\r\nLocation: https://example.net/\r\nContent-Length: 0\r\n\r\n' },
  'is slow': { afterMs: 5000, says: 'HTTP/1.1 204 No Content\r\n\r\n' },
  'says nothing and hangs up': { afterMs: 0, says: null },
  'stops in the middle of a header': { afterMs: 0, says: 'HTTP/1.1 204 No Content\r\nX-Postern-Cookie-1: a=' }
}

/** Stands on Postern's port and treats every request alike. The result closes it. */
export async function standIn (port: number, { afterMs, says }: { afterMs: number, says: string | null }):
Promise<() => Promise<void>> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => { sockets.delete(socket) })
    socket.on('error', () => { socket.destroy() })
    socket.on('data', () => {
      if (says === null) socket.destroy()
      else setTimeout(() => { socket.write(says) }, afterMs).unref()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => { server.close(resolve) })
  }
}
