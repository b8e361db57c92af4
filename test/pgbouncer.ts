// A real PgBouncer in transaction mode in front of a test's own Postgres.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './faults/processes.ts'

const command = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer'].find(existsSync) ?? 'pgbouncer'

/** Why there is no PgBouncer to test with; false when there is. */
export const noPgbouncer = spawnSync(command, ['--version']).status === 0
  ? false
  : 'needs PgBouncer: apt-get install pgbouncer'

async function isListening (port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true) })
    socket.on('error', () => { resolve(false) })
  })
}

/**
 * Starts it; `directUrl` is the server's own address, on a unix socket. The result leads to the same database by
 * `connections` shared sessions, and a new one for each transaction.
 */
export async function startPgbouncer (
  t: { teardown: (close: () => unknown) => void }, directUrl: string, connections = 4
): Promise<string> {
  const { searchParams: server, pathname } = new URL(directUrl.replace('postgresql:///', 'http://server/'))
  const folder = mkdtempSync(join(tmpdir(), 'postern-pgbouncer-'))
  const port = await freePort()
  writeFileSync(join(folder, 'pgbouncer.ini'), `[databases]
* = host=${server.get('host')} user=${server.get('user')}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${connections}
max_client_conn = 500
${process.getuid?.() === 0 ? 'user = nobody' : ''}
`, { mode: 0o644 })
  const child = spawn(command, [join(folder, 'pgbouncer.ini')], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    // SIGINT would wait for the clients.
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  while (!await isListening(port)) {
    if (child.exitCode !== null) throw new Error('PgBouncer does not start')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return `postgresql://${server.get('user')}@127.0.0.1:${port}${pathname}`
}
