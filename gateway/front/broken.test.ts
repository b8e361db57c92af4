// A site that breaks off, answers oddly, or still answers when the gateway ends: what its visitors get, to the byte.
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test, type Test } from 'tap'
import { asPage, frontWorld, until } from '../../test/front_world.ts'

/** A server that says, for each request's head, whatever `answer` writes: what node:http would not. */
async function bareSite (t: Test, answer: (socket: Socket, path: string) => void): Promise<string> {
  const open = new Set<Socket>()
  const server = createServer(socket => {
    open.add(socket)
    socket.on('error', () => {}).on('close', () => { open.delete(socket) })
    socket.on('data', bytes => {
      const [, path] = /^[A-Z]+ (\S+) HTTP/.exec(bytes.toString('latin1')) ?? []
      if (path !== undefined) answer(socket, path)
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const socket of open) socket.destroy()
    await new Promise(resolve => { server.close(resolve) })
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** All that comes for a request, from its first byte until the gateway closes the connection. */
async function allOf (base: string, head: string, body = ''): Promise<string> {
  const { hostname, port } = new URL(base)
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.on('data', bytes => { text += bytes.toString('latin1') }).on('error', () => {})
  socket.write(`${head}\r\nHost: www.example.com\r\n${body}`)
  await new Promise(resolve => { socket.on('close', resolve) })
  return text
}

const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4)

test('an upload whose site goes is answered, and its connection ends', async t => {
  const upstream = await bareSite(t, (socket, path) => {
    if (path === '/resets') socket.resetAndDestroy()
    else socket.destroy()
  })
  const world = await frontWorld(t, { upstream })
  for (const path of ['/ends', '/resets']) {
    const answer = await allOf(world.base, `POST ${path} HTTP/1.1`, 'Content-Length: 1000\r\n\r\nthe beginning')
    t.match(answer, /^HTTP\/1\.1 502 /, path)
    t.match(answer, /connection: close/i)
    t.equal(bodyOf(answer), 'Bad Gateway')
  }
  const gone = await frontWorld(t, { upstream: 'http://127.0.0.1:1' })
  t.match(await allOf(gone.base, 'POST /gone HTTP/1.1', 'Content-Length: 1000\r\n\r\nsome'), /^HTTP\/1\.1 502 /,
    'where nobody listens, too')
})

test('an answer that ends before its first byte is none, and is not asked for again', async t => {
  let asked = 0
  const upstream = await bareSite(t, socket => {
    asked++
    socket.end('HTTP/1.1 200 OK\r\nX-Of: the site\r\nContent-Length: 20\r\n\r\n')
  })
  const world = await frontWorld(t, { upstream })
  const page = await world.page('/')
  t.equal(page.status, 502)
  t.match(page.body.toString(), /cannot be reached/)
  t.equal(page.headers['x-of'], undefined, 'nothing of the answer is in it')
  t.equal(asked, 1)
  t.match(world.lines, [{ status: 502, error: 'BrokenOff' }])
})

test('204 tells no length, and header values pass byte for byte', async t => {
  const upstream = await bareSite(t, (socket, path) => {
    socket.write(path === '/empty'
      ? 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n'
      : Buffer.concat([
        Buffer.from('HTTP/1.1 302 Found\r\nLocation: /größe\r\nX-Name: '), Buffer.from('größe', 'latin1'),
        Buffer.from('\r\nContent-Length: 0\r\n\r\n')]))
  })
  const world = await frontWorld(t, { upstream })
  const empty = await world.get('/empty')
  t.equal(empty.status, 204)
  t.equal(empty.headers['content-length'], undefined)
  const { headers } = await world.get('/moved')
  t.same(Buffer.from(headers.location ?? '', 'latin1'), Buffer.from('/größe'), 'UTF-8')
  t.equal(headers['x-name'], 'größe', 'and Latin-1, of which Node reads a character per byte')
})

test('what comes before the answer does not pass, and an answer before the upload has ended does', async t => {
  const upstream = await bareSite(t, socket => {
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 413 Large\r\nContent-Length: 3\r\n\r\nbig')
  })
  const world = await frontWorld(t, { upstream })
  const head = 'Expect: 100-continue\r\nContent-Length: 1000\r\n\r\nthe beginning'
  const answer = await allOf(world.base, 'POST / HTTP/1.1', head)
  t.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 413 /)
  t.ok(answer.endsWith('\r\n\r\nbig'), 'whole')
  const page = await allOf(world.base, 'GET / HTTP/1.0', '\r\n')
  t.match(page, /^HTTP\/1\.1 413 /)
})

test('a status that is none, and a body shorter than it says', async t => {
  const upstream = await bareSite(t, (socket, path) => {
    socket.end(`HTTP/1.1 ${path === '/short' ? 200 : 999} X\r\nContent-Length: 20\r\n\r\nshort`)
  })
  const world = await frontWorld(t, { upstream })
  t.equal((await world.page('/odd')).status, 502)
  await t.rejects(world.page('/short'), { code: 'ECONNRESET' })
})

test('the visitors of a gateway that ends get all of what they were given, and then nobody holds it open', async t => {
  let finish = () => {}
  const world = await frontWorld(t, {}, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/zip' })
    response.write('the beginning, ')
    finish = () => { response.end('and the end') }
  })
  const { hostname, port } = new URL(world.base)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => { agent.destroy() })
  const request = httpRequest({ hostname, port, path: '/', agent, headers: { host: 'www.example.com', ...asPage } })
  request.end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  let isClosed = false
  response.socket.on('close', () => { isClosed = true })
  let text = ''
  response.on('data', chunk => { text += String(chunk) })
  await until('the beginning', () => text !== '')
  const closing = world.app.close()
  await until('the gateway to take nobody any more', () => !world.app.server.listening)
  finish()
  await once(response, 'end')
  t.equal(text, 'the beginning, and the end')
  await until('the connection to end', () => isClosed)
  await closing
})
