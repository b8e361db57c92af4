// Bodies through the gateway in front of a site: byte for byte, as they come, in any size; and pages with the tag.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { brotliCompressSync, crc32, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { test } from 'tap'
import { ask, asPage, frontWorld, until, type Handler } from '../../test/front_world.ts'

const html = '<!doctype html><html><head><title>ä</title></head><body>y</body></html>'
const tag = '<script async src="/_p/s.js"></script>'
const tagged = html.replace('<head>', `<head>${tag}`)

const send = (body: Buffer | string, headers: Record<string, string | string[]> = {}, status = 200): Handler =>
  (_request, response) => { response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(body) }

test('the tag goes into pages, and everything that says something of the bytes follows', async t => {
  const world = await frontWorld(t, { insertsScript: true })
  const pages: [name: string, handle: Handler][] = [
    ['with a length', send(html, { 'content-length': String(Buffer.byteLength(html)) })],
    ['chunked', (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      Readable.from([...html].map(sign => Buffer.from(sign))).pipe(response)
    }],
    ['gzip', send(gzipSync(html), { 'content-encoding': 'gzip' })],
    ['deflate', send(deflateSync(html), { 'content-encoding': 'deflate' })],
    ['br', send(brotliCompressSync(html), { 'content-encoding': 'br' })],
    ['zstd', send(zstdCompressSync(html), { 'content-encoding': 'zstd' })]
  ]
  for (const [name, handle] of pages) {
    world.owner.handle = handle
    const got = await world.page('/', { 'accept-encoding': 'gzip, br' })
    t.equal(got.body.toString(), tagged, name)
    t.equal(got.headers['content-encoding'], undefined, name)
    t.equal(world.seen.at(-1)?.headers['accept-encoding'], 'identity', name)
  }
  world.owner.handle = send(html, {
    etag: '"one"', digest: 'sha-256=x', 'accept-ranges': 'bytes', 'content-security-policy': "script-src 'nonce-n0nce'"
  })
  const got = await world.page('/')
  t.equal(got.body.toString(), tagged.replace('></script>', ' nonce="n0nce"></script>'))
  t.match(got.headers.etag, /^W\/"one-p[0-9a-f]{8}"$/)
  for (const name of ['digest', 'accept-ranges', 'content-length']) t.equal(got.headers[name], undefined, name)

  world.owner.handle = (request, response) => {
    response.writeHead(request.headers['if-none-match'] === 'W/"one"' ? 304 : 200, { etag: '"one"' }).end()
  }
  const again = await world.page('/', { 'if-none-match': got.headers.etag ?? '' })
  t.equal(again.status, 304, 'a page with the tag is confirmed')
  t.equal(again.headers.etag, got.headers.etag)
  t.equal((await world.page('/', { 'if-none-match': '"one"' })).status, 200, 'one that was stored without it is not')

  const since = { 'if-modified-since': 'Mon, 02 Nov 2026 10:00:00 GMT' }
  world.owner.handle = (request, response) => {
    response.writeHead(request.headers['if-modified-since'] === undefined ? 200 : 304).end()
  }
  t.equal((await world.page('/', { ...since, 'if-none-match': '"one"' })).status, 200, 'not by its age either')
  t.equal((await world.page('/', since)).status, 304, 'where only the age is asked for, the site knows')
})

test('everything else passes byte for byte', async t => {
  const world = await frontWorld(t, { insertsScript: true })
  const packed = gzipSync(html)
  const cases: [name: string, handle: Handler, headers: Record<string, string>, body: Buffer | string][] = [
    ['no page of a person\'s', send(html), { 'sec-fetch-dest': 'empty' }, html],
    ['a frame', send(html), { 'sec-fetch-dest': 'iframe' }, html],
    ['packed, for a frame', send(packed, { 'content-encoding': 'gzip' }), { 'sec-fetch-dest': 'iframe' }, packed],
    ['JSON', send(html, { 'content-type': 'application/json' }), {}, html],
    ['XHTML', send(html, { 'content-type': 'application/xhtml+xml' }), {}, html],
    ['an error page', send(html, {}, 500), {}, html],
    ['a part', send(html, { 'content-range': 'bytes 0-9/90' }, 206), { range: 'bytes=0-9' }, html],
    ['a policy that forbids it', send(html, { 'content-security-policy': "script-src 'none'" }), {}, html],
    ['a policy that allows another folder of this host',
      send(html, { 'content-security-policy': 'script-src https://www.example.com/static/' }), {}, html],
    ['an encoding that nobody knows', send(packed, { 'content-encoding': 'sdch' }), {}, packed],
    ['no-transform', send(html, { 'cache-control': 'no-transform' }), {}, html],
    ['UTF-16', send(Buffer.from(`\uFEFF${html}`, 'utf16le'), { 'content-type': 'text/html; charset=utf-16' }), {},
      Buffer.from(`\uFEFF${html}`, 'utf16le')],
    ['UTF-16 that does not say so', send(Buffer.from(html, 'utf16le')), {}, Buffer.from(html, 'utf16le')],
    ['a fragment', send('<div>x</div>'), {}, '<div>x</div>'],
    ['nothing', send(''), {}, '']
  ]
  for (const [name, handle, headers, body] of cases) {
    world.owner.handle = handle
    const got = await world.page('/', headers)
    t.same(got.body, Buffer.from(body), name)
  }
  world.owner.handle = send('', { 'content-length': '70' })
  const head = await world.get('/', { method: 'HEAD', headers: asPage })
  t.equal(head.headers['content-length'], '70', 'HEAD tells the length of the page')
  t.equal(head.body.length, 0)

  const plain = await frontWorld(t, {}, send(html, { etag: '"one"' }))
  const got = await plain.page('/', { 'accept-encoding': 'br' })
  t.equal(got.body.toString(), html, 'without the setting')
  t.equal(got.headers.etag, '"one"')
  t.equal(plain.seen[0]?.headers['accept-encoding'], 'br')
})

test('a page comes as the site writes it, not when it has ended', async t => {
  let finish = () => {}
  const world = await frontWorld(t, { insertsScript: true }, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.write('<!doctype html><html><head>')
    finish = () => { response.end('</head>') }
  })
  const { hostname, port } = new URL(world.base)
  const request = httpRequest({ hostname, port, path: '/', headers: { host: 'www.example.com', ...asPage } })
  request.end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  let text = ''
  response.on('data', chunk => { text += String(chunk) })
  await until('the beginning of the page', () => text === `<!doctype html><html><head>${tag}`)
  finish()
  await once(response, 'end')
  t.equal(text, `<!doctype html><html><head>${tag}</head>`)
})

const megabyte = Buffer.alloc(1 << 20, 'postern ')

/** A stream of megabytes that counts how far it was read. */
function megabytes (count: number, onPiece: (sent: number) => void): Readable {
  let sent = 0
  return new Readable({
    read () {
      onPiece(sent)
      this.push(sent++ < count ? megabyte : null)
    }
  })
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** What is held on to: garbage is no leak, and when it is collected is the machine's own affair. */
function heldBytes (): number {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

test('sixty megabytes pass in both directions without staying', async t => {
  const count = 60
  let whole = 0
  for (let at = 0; at < count; at++) whole = crc32(megabyte, whole)

  let received = 0
  let before = 0
  let most = 0
  const look = (sent: number) => { if (sent % 20 === 19) most = Math.max(most, heldBytes()) }
  const world = await frontWorld(t, {}, (request, response) => {
    if (request.method === 'POST') {
      request.on('data', (chunk: Buffer) => { received = crc32(chunk, received) })
      request.on('end', () => { response.end('taken') })
      return
    }
    response.writeHead(200, { 'content-type': 'application/zip' })
    megabytes(count, look).pipe(response)
  })
  const { hostname, port } = new URL(world.base)
  // Once through, so that what a process takes for its first request is not counted.
  await world.get('/')
  before = heldBytes()

  const down = httpRequest({ hostname, port, path: '/big.zip', headers: { host: 'www.example.com' } })
  down.end()
  const [response] = await once(down, 'response') as [IncomingMessage]
  let got = 0
  for await (const chunk of response) got = crc32(chunk as Buffer, got)
  t.equal(got, whole, 'down')

  const up = httpRequest({
    hostname, port, path: '/upload', method: 'POST', headers: { host: 'www.example.com', expect: '100-continue' }
  })
  megabytes(count, look).pipe(up)
  const [answer] = await once(up, 'response') as [IncomingMessage]
  t.equal(String((await answer.toArray()).join('')), 'taken')
  t.equal(received, whole, 'up')
  t.ok(most > 0 && most - before < 24 << 20, `${(most - before) / (1 << 20)} MiB were held on to`)
})

test('a visitor who is slow slows the site down, and one who leaves ends its work', async t => {
  let sent = 0
  let isClosed = false
  const world = await frontWorld(t, {}, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/zip' })
    response.on('close', () => { isClosed = true })
    megabytes(2000, at => { sent = at }).pipe(response)
  })
  const { hostname, port } = new URL(world.base)
  const request = httpRequest({ hostname, port, path: '/big.zip', headers: { host: 'www.example.com' } })
  request.on('error', () => {})
  request.end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  response.pause()
  let last = -1
  await until('the site to wait', async () => {
    const isStill = sent === last
    last = sent
    await new Promise(resolve => { setTimeout(resolve, 200) })
    return isStill
  })
  t.ok(sent < 100, `${sent} MB were taken for a visitor who reads nothing`)
  request.destroy()
  await until('the site to hear that the visitor has gone', () => isClosed)
  t.pass('it heard')

  isClosed = false
  let isAsked = false
  world.owner.handle = (_request, response) => {
    isAsked = true
    response.on('close', () => { isClosed = true })
  }
  const second = httpRequest({ hostname, port, path: '/slow', headers: { host: 'www.example.com' } })
  second.on('error', () => {})
  second.end()
  await until('the site to be asked', () => isAsked)
  second.destroy()
  await until('the site to hear it before it has answered', () => isClosed)

  world.owner.handle = request => { request.socket.destroy() }
  t.equal((await world.page('/cuts')).status, 502)
  const blamed = world.lines.filter(line => line.status === 502)
  t.equal(blamed.length, 1, 'the log blames the site for its own failure, and not for those who left')
})

test('a site that fails is told of in few words, and a page that breaks off breaks off', async t => {
  // Impatient for the page that never comes, and for no other: those may take as long as the machine needs.
  const hanging = await frontWorld(t, {}, () => {}, { front: { limits: { headersMs: 500 } } })
  const hangs = await hanging.page('/hangs', { 'accept-language': 'de' })
  t.equal(hangs.status, 504)
  t.match(hangs.headers, { 'cache-control': 'no-store', 'content-type': 'text/html; charset=utf-8' })
  t.match(hangs.body.toString(), /nicht erreichbar/)

  const world = await frontWorld(t, { insertsScript: true }, (request, response) => {
    if (request.url === '/cuts') request.socket.destroy()
    if (request.url === '/breaks') {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.write(html)
      setImmediate(() => { request.socket.destroy() })
    }
    if (request.url === '/busy') response.writeHead(503, { 'retry-after': '120' }).end('busy')
  })
  const busy = await world.page('/busy')
  t.equal(busy.status, 503, 'its own error is its own')
  t.equal(busy.body.toString(), 'busy')
  t.equal(world.seen.length, 1, 'and it is not asked again')

  const cuts = await world.page('/cuts')
  t.equal(cuts.status, 502)
  t.match(cuts.body.toString(), /cannot be reached/)
  const script = await world.get('/cuts', { headers: { accept: '*/*' } })
  t.equal(script.body.toString(), 'Bad Gateway')
  await t.rejects(world.page('/breaks'), { code: 'ECONNRESET' })

  world.server.closeAllConnections()
  await new Promise(resolve => { world.server.close(resolve) })
  t.equal((await world.page('/gone')).status, 502)
  t.notOk(world.lines.some(line => JSON.stringify(line).includes('/gone')), 'no address is logged')
  t.ok(world.lines.some(line => line.error === 'ECONNREFUSED'), 'the reason is')
})

test('a page that is packed otherwise than it says, or not to its end', async t => {
  const packings: [encoding: string, pack: (text: string) => Buffer][] = [['gzip', gzipSync], ['deflate', deflateSync],
    ['br', brotliCompressSync], ['zstd', zstdCompressSync]]
  for (const [encoding, pack] of packings) {
    const world = await frontWorld(t, { insertsScript: true }, send('no such bytes', { 'content-encoding': encoding }))
    const wrong = await world.page('/')
    t.equal(wrong.status, 502, encoding)
    t.match(wrong.headers['content-type'], /html/)
    t.equal(wrong.headers['content-encoding'], undefined)

    // Several blocks of it: the last is what is cut.
    const long = `${html}${randomBytes(300_000).toString('hex')}`
    const packed = pack(long)
    world.owner.handle = send(packed.subarray(0, packed.length - 2), { 'content-encoding': encoding })
    const cut = await world.page('/')
    t.equal(cut.status, 200)
    t.ok(cut.body.toString().startsWith(tagged.slice(0, 60)), 'what came is shown')
  }
})

test('a connection that the site closed while it was idle costs no page', async t => {
  const world = await frontWorld(t, {}, (request, response) => {
    response.end('here')
    // After the answer, and without a word: as a server does that is restarted.
    response.on('finish', () => { setImmediate(() => { request.socket.destroy() }) })
  })
  for (let at = 0; at < 30; at++) t.equal((await world.page('/')).body.toString(), 'here')
})

test('an upgraded connection is the site\'s own', async t => {
  const world = await frontWorld(t, {}, (request, response) => { response.end(`no upgrade: ${request.url}`) })
  let breakOff = () => {}
  world.server.on('upgrade', (request, socket) => {
    if (request.url === '/breaks') {
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 1000\r\n\r\npart')
      breakOff = () => { (socket as Socket).resetAndDestroy() }
      return
    }
    if (request.url === '/refused') {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: because\r\n\r\nno')
      return
    }
    const { 'sec-websocket-key': key, cookie } = request.headers
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      `Sec-WebSocket-Accept: ${key}\r\nX-Cookie: ${cookie}\r\n\r\n`)
    socket.pipe(socket)
  })
  const { hostname, port } = new URL(world.base)
  const upgrade = (path: string) => httpRequest({
    hostname,
    port,
    path,
    headers: {
      host: 'www.example.com',
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'key',
      cookie: 'a=1; _pstn=x'
    }
  })
  const request = upgrade('/socket?x=%')
  request.end()
  const [response, socket] = await once(request, 'upgrade') as [IncomingMessage, Socket]
  t.match(response.headers, { 'sec-websocket-accept': 'key', 'x-cookie': 'a=1', upgrade: 'websocket' })
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 256))
  let got = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => { got = Buffer.concat([got, chunk]) })
  socket.write(bytes)
  await until('the echo', () => got.length === bytes.length)
  t.same(got, bytes, 'byte for byte')
  socket.end()
  await once(socket, 'close')

  const refused = upgrade('/refused')
  refused.end()
  const [no] = await once(refused, 'response') as [IncomingMessage]
  t.equal(no.statusCode, 403, 'a refusal is the site\'s own')
  t.equal(no.headers['x-why'], 'because')
  t.equal((await no.toArray()).join(''), 'no')

  const breaks = upgrade('/breaks')
  breaks.end()
  const [broken] = await once(breaks, 'response') as [IncomingMessage]
  let part = ''
  broken.on('data', chunk => { part += String(chunk) })
  const failed = once(broken, 'error')
  await until('the part that came', () => part === 'part')
  breakOff()
  await failed
  t.equal(part, 'part', 'and one that breaks off has no second answer in it')

  const ordinary = await ask(world.base, '/h2c', { headers: { connection: 'Upgrade', upgrade: 'h2c' } })
  t.equal(ordinary.body.toString(), 'no upgrade: /h2c', 'other upgrades are not offered')
  const ours = await ask(world.base, '/_p/s.js', { headers: { connection: 'Upgrade', upgrade: 'websocket' } })
  t.match(ours.headers['content-type'], /javascript/, 'and on our own paths none')

  const open = upgrade('/socket')
  open.end()
  const [, left] = await once(open, 'upgrade') as [IncomingMessage, Socket]
  const closed = once(left, 'close')
  left.resume()
  await world.app.close()
  await closed
  t.pass('the gateway\'s end is the end of them all')
})
