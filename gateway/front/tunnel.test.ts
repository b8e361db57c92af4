// The handshake of a WebSocket through the gateway: header values beyond ASCII, byte for byte in both directions.
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'tap'
import { frontWorld } from '../../test/front_world.ts'

/** UTF-8, Latin-1, which is no UTF-8, and what looks like UTF-8 encoded twice; one character for each byte. */
const values = ['größe €', 'ä'].map(text => Buffer.from(text).toString('latin1'))
  .concat('caf\xE9', '\xC3\x83\xC2\xA9', '\xFF\x80')

/** What comes over the wire after a handshake was asked for, until the other side's last word. */
async function shake (base: string, path: string, value: string, until: string): Promise<string> {
  const { hostname, port } = new URL(base)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(Buffer.from(`GET ${path} HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\n` +
    `Upgrade: websocket\r\nX-Given: ${value}\r\nCookie: name=${value}\r\n\r\n`, 'latin1'))
  let said = ''
  for await (const chunk of socket) {
    said += (chunk as Buffer).toString('latin1')
    if (said.endsWith(until)) break
  }
  socket.destroy()
  return said
}

test('header values of a handshake keep their bytes', async t => {
  const given: (string | undefined)[] = []
  const world = await frontWorld(t)
  world.server.on('upgrade', (request, socket) => {
    const { 'x-given': value, cookie } = request.headers
    given.push(String(value), cookie)
    const head = request.url === '/refused'
      ? `403 ${String(value)}\r\nContent-Length: 3`
      : `101 ${String(value)}\r\nConnection: Upgrade\r\nUpgrade: websocket`
    socket.end(Buffer.from(`HTTP/1.1 ${head}\r\nX-Kept: ${String(value)}\r\nSet-Cookie: a=${String(value)}\r\n` +
      'Set-Cookie: b=1\r\n\r\nend', 'latin1'))
  })
  for (const value of values) {
    for (const path of ['/socket', '/refused']) {
      given.length = 0
      const said = await shake(world.base, path, value, '\r\n\r\nend')
      t.same(given, [value, `name=${value}`], `${path}: to the site`)
      const [status, ...lines] = said.split('\r\n')
      t.equal(status, `HTTP/1.1 ${path === '/refused' ? '403' : '101'} ${value}`)
      t.ok(lines.includes(`x-kept: ${value}`), `${path}: and back: ${JSON.stringify(said)}`)
      t.same(lines.filter(line => line.startsWith('set-cookie')), [`set-cookie: a=${value}`, 'set-cookie: b=1'])
    }
  }
})
