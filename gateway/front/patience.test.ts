// A visitor who stops in the middle of a body keeps no connection: neither one who sends, nor one who reads.
import { createServer, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { test, type Test } from 'tap'
import { until } from '../../test/front_world.ts'
import { limitSiteBodies } from './patience.ts'

const longMs = 3_600_000

/** A server that answers without end, and says when a connection has ended. `letGo`: as undici leaves an upload. */
async function endless (
  t: Test, patience: { uploadMs: number, takingMs: number }, letGo: (raw: IncomingMessage) => void = () => {}
) {
  let ended = 0
  const server = createServer((raw, response) => {
    limitSiteBodies({ raw }, patience)
    raw.socket.on('close', () => { ended++ })
    raw.on('error', () => {})
    raw.resume()
    letGo(raw)
    if (raw.method === 'GET') Readable.from(pieces()).on('error', () => {}).pipe(response)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => { server.close(resolve) })
  })
  const { port } = server.address() as AddressInfo
  return {
    ask (method: string, headers: OutgoingHttpHeaders = {}) {
      const request = httpRequest({ port, host: '127.0.0.1', method, headers, agent: false })
      request.on('error', () => {})
      return request
    },
    ended: () => ended
  }
}

function * pieces () {
  while (true) yield Buffer.alloc(1 << 16)
}

test('an answer that nobody takes ends', async t => {
  const server = await endless(t, { uploadMs: longMs, takingMs: 100 })
  const request = server.ask('GET')
  // Nobody listens for pieces, so none are read.
  request.on('response', response => { response.on('error', () => {}) })
  request.end()
  await until('the connection to end', () => server.ended() === 1)
  t.pass('it ended')
})

test('an upload of which nothing comes ends', async t => {
  const server = await endless(t, { uploadMs: 100, takingMs: longMs })
  const request = server.ask('POST', { 'content-length': '1000' })
  request.write('some')
  await until('the connection to end', () => server.ended() === 1)
  t.pass('it ended')
})

test('an upload that was let go ends, too', async t => {
  const server = await endless(t, { uploadMs: 100, takingMs: longMs }, raw => { Reflect.set(raw, 'socket', null) })
  const request = server.ask('POST', { 'content-length': '1000' })
  request.write('some')
  await until('the connection to end', () => server.ended() === 1)
  t.pass('it ended')
})
