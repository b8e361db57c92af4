// A network, or whoever answers in its place, that does its worst: bounded time, bounded memory, and a retry.
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { test, type Test } from 'tap'
import { deliveryOf, runningWorld, storeEvent, until } from '../test/dispatch_world.ts'
import { createSender, sendLimits } from './send.ts'

type Write = (socket: Socket, url: string) => void

/** Nothing here asks for compression, so nothing is unpacked. */
const bomb = gzipSync(Buffer.alloc(50 << 20))
const chunk = Buffer.alloc(64 * 1024, 'x')

/** Writes as fast as the other side reads, `count` times or until it hangs up. */
function pour (socket: Socket, bytes: Buffer, count: number): void {
  let left = count
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      left--
      if (!socket.write(bytes)) {
        socket.once('drain', more)
        return
      }
    }
  }
  more()
}

/** Answers each request with whatever bytes it likes, without HTTP's own manners. */
async function rawServer (t: Test, write: Write) {
  const seen = { requests: [] as string[], bytesWritten: 0 }
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    let head = ''
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      seen.bytesWritten += socket.bytesWritten
    })
    socket.on('data', data => {
      if (head.includes('\r\n\r\n')) return
      head += data.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      const url = head.split(' ')[1] ?? ''
      seen.requests.push(url)
      write(socket, url)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { seen, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const limits = { ...sendLimits, connectMs: 5000, headersMs: 1500, bodyMs: 1500, totalMs: 4000, responseBytes: 1 << 20 }
const head = (lines: string) => `HTTP/1.1 200 OK\r\n${lines}\r\n\r\n`

/** What it does, and whether the answer can be heard at all. */
const deeds: Record<string, { write: Write, isHeard?: { status: number, body?: unknown } }> = {
  'resets the connection': { write: socket => { socket.resetAndDestroy() } },
  'closes it without a word': { write: socket => { socket.end() } },
  'stops in the middle of the head': { write: socket => { socket.end('HTTP/1.1 200 OK\r\nContent-') } },
  'stops in the middle of the body': { write: socket => { socket.end(`${head('Content-Length: 100')}{"results"`) } },
  'is no HTTP': { write: socket => { socket.end('SSH-2.0-OpenSSH_9.2\r\n') } },
  'has a body without an end': { write: socket => { socket.write(head('')); pour(socket, chunk, 1e9) } },
  'has chunks without an end': {
    write: socket => {
      socket.write(head('Transfer-Encoding: chunked'))
      pour(socket, Buffer.concat([Buffer.from('10000\r\n'), chunk, Buffer.from('\r\n')]), 1e9)
    }
  },
  'promises a gigabyte and sends it': {
    write: socket => { socket.write(head('Content-Length: 1073741824')); pour(socket, chunk, 16_384) }
  },
  'has headers without an end': {
    write: socket => {
      socket.write('HTTP/1.1 200 OK\r\n')
      pour(socket, Buffer.from(`X-A: ${'y'.repeat(8000)}\r\n`), 1e6)
    }
  },
  'drips a byte now and then': {
    write: socket => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const timer = setInterval(() => { socket.write('X') }, 200)
      socket.on('close', () => { clearInterval(timer) })
    }
  },
  'says two lengths': {
    write: socket => { socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 7\r\n\r\n{}12345') }
  },
  'says a length and sends less': { write: socket => { socket.end(`${head('Content-Length: 5')}{}`) } },
  'sends more than its length': {
    write: socket => { socket.end(`${head('Content-Length: 2')}{}HTTP/1.1 500 Smuggled\r\n\r\n`) },
    isHeard: { status: 200 }
  },
  'packs a bomb': {
    write: socket => {
      socket.write(head(`Content-Encoding: gzip\r\nContent-Length: ${bomb.length}`))
      socket.end(bomb)
    },
    isHeard: { status: 200 }
  },
  'sends elsewhere': {
    write: (socket, url) => {
      const { port } = socket.address() as AddressInfo
      socket.end(url.includes('secret')
        ? head('Content-Length: 0')
        : `HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:${port}/secret\r\nContent-Length: 0\r\n\r\n`)
    },
    isHeard: { status: 307 }
  },
  'sends to the metadata of the cloud': {
    write: socket => {
      socket.end('HTTP/1.1 302 Go\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n')
    },
    isHeard: { status: 302 }
  },
  'answers with a page': {
    write: socket => { socket.end(`${head('Content-Type: text/html\r\nContent-Length: 12')}<html></html`) },
    isHeard: { status: 200, body: '<html></html' }
  }
}

for (const [what, { write, isHeard }] of Object.entries(deeds)) {
  test(`it ${what}`, { timeout: 120_000 }, async t => {
    const { origin, seen } = await rawServer(t, write)
    const sender = createSender(limits)
    t.teardown(async () => { await sender.close() })
    const before = process.memoryUsage()
    const request = { method: 'POST' as const, url: `${origin}/x`, headers: {}, body: { a: 1 } }
    const answer = await sender.send(request, { kind: 'none' })
    const after = process.memoryUsage()
    if (isHeard === undefined) t.match(answer, { kind: 'failure', failure: { sent: 'maybe' } })
    else t.match(answer, { kind: 'response', response: isHeard })
    t.ok(after.arrayBuffers - before.arrayBuffers < 32 << 20, 'what it sends is not kept')
    t.same(seen.requests, ['/x'], 'asked once, and nowhere else')
  })
}

test('a destination like that keeps its own deliveries waiting, and nobody else\'s', { timeout: 120_000 }, async t => {
  const hostile = await rawServer(t, deeds['has a body without an end']?.write ?? (() => undefined))
  const { pool, network } = await runningWorld(t, [{}, { endpoint: hostile.origin }])
  const seqs: number[] = []
  for (const id of ['a', 'b', 'c']) seqs.push(await storeEvent(pool, { id }))
  for (const seq of seqs) await until(() => deliveryOf(pool, seq), delivery => delivery?.state === 'delivered', 60_000)
  t.same([...network.counted.keys()].sort(), ['a', 'b', 'c'])
  for (const seq of seqs) {
    await until(() => deliveryOf(pool, seq, 2), delivery => delivery?.reason === 'network_error', 60_000)
  }
})
