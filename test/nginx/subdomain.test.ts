// Postern on a subdomain behind the shipped nginx: TLS, HTTP/2, whose address it is, limits, compression, and its logs.
import { connect as connectHttp2 } from 'node:http2'
import { request } from 'node:http'
import { connect } from 'node:tls'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { test, type Test } from 'tap'
import { gatewayWorld, granted } from '../gateway_world.ts'
import { configuration, noNginx, startNginx, visit } from './nginx.ts'

const host = 't.example.com'

async function subdomainWorld (t: Test) {
  const gateway = await gatewayWorld(t, { trustProxy: ['127.0.0.1'] })
  // As slow as the test's machine may be: what counts is that there is a limit, and whose it is.
  const http = configuration('subdomain.conf').replace('rate=50r/s', 'rate=1r/m').replace('burst=200', 'burst=20')
  const nginx = await startNginx(t, http, {
    posternPort: Number(new URL(gateway.base).port)
  })
  const post = async (body: object, given: Parameters<typeof visit>[2] = {}) => await visit(nginx.tlsPort, '/v1/e', {
    host,
    method: 'POST',
    body: JSON.stringify(body),
    ...given,
    headers: { origin: 'https://www.example.com', 'content-type': 'text/plain', ...given.headers }
  })
  return { ...gateway, nginx, post }
}

type World = Awaited<ReturnType<typeof subdomainWorld>>

/** Bytes of a path in an encoding. */
async function fetchEncoded (port: number, path: string, encoding: string): Promise<{ name: unknown, bytes: Buffer }> {
  return await new Promise((resolve, reject) => {
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: host })
    session.on('error', reject)
    const stream = session.request({ ':path': path, ':authority': host, 'accept-encoding': encoding })
    const chunks: Buffer[] = []
    let name: unknown
    stream.on('response', headers => { name = headers['content-encoding'] })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('end', () => {
      session.close()
      resolve({ name, bytes: Buffer.concat(chunks) })
    })
    stream.end()
  })
}

async function protocols (port: number, version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'): Promise<string> {
  return await new Promise(resolve => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: host,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
      minVersion: version,
      maxVersion: version,
      ciphers: 'DEFAULT@SECLEVEL=0'
    }, () => {
      resolve(`${socket.getProtocol() ?? ''} ${String(socket.alpnProtocol)}`)
      socket.destroy()
    })
    socket.on('error', () => { resolve('refused') })
  })
}

async function speaksTls (t: Test, { nginx }: World): Promise<void> {
  t.equal(await protocols(nginx.tlsPort, 'TLSv1.1'), 'refused')
  t.equal(await protocols(nginx.tlsPort, 'TLSv1.2'), 'TLSv1.2 h2')
  t.equal(await protocols(nginx.tlsPort, 'TLSv1.3'), 'TLSv1.3 h2')
  const plain = await new Promise<{ status?: number, location?: string }>((resolve, reject) => {
    request({ host: '127.0.0.1', port: nginx.httpPort, path: '/s.js?a=b', headers: { host } }, response => {
      response.resume()
      resolve({ status: response.statusCode, location: response.headers.location })
    }).on('error', reject).end()
  })
  t.same(plain, { status: 308, location: 'https://t.example.com/s.js?a=b' })
}

async function compresses (t: Test, { nginx }: World): Promise<void> {
  const plain = await fetchEncoded(nginx.tlsPort, '/s.js', 'identity')
  const gzip = await fetchEncoded(nginx.tlsPort, '/s.js', 'gzip')
  const brotli = await fetchEncoded(nginx.tlsPort, '/s.js', 'gzip, deflate, br')
  t.same([plain.name, gzip.name, brotli.name], [undefined, 'gzip', 'br'])
  t.ok(plain.bytes.equals(gunzipSync(gzip.bytes)) && plain.bytes.equals(brotliDecompressSync(brotli.bytes)))
  const again = await fetchEncoded(nginx.tlsPort, '/s.js', 'gzip')
  t.ok(again.bytes.equals(gzip.bytes), 'nginx keeps the encodings apart')
}

async function believesItself (t: Test, world: World): Promise<void> {
  const spoofed = {
    'x-forwarded-for': '203.0.113.99',
    'x-real-ip': '203.0.113.99',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'http',
    'x-postern-client': '203.0.113.99',
    'cf-ipcountry': 'US'
  }
  const answer = await world.post({ event_name: 'sign_up', consent: granted }, { from: '127.0.0.9', headers: spoofed })
  t.equal(answer.status, 202)
  t.match(answer.setCookies.join('\n'), /^_pstn=.*Domain=example\.com; HttpOnly; Secure/m)
  const [part] = await world.parts()
  t.strictSame([part?.data.client?.ip, part?.data.country], ['127.0.0.9', undefined])
}

async function hasLimits (t: Test, world: World): Promise<void> {
  const big = await world.post({ event_name: 'x', text: 'a'.repeat(600_000) })
  t.equal(big.status, 413)
  const own = await world.post({ event_name: 'x', text: 'a'.repeat(100_000) })
  t.match(own.body, /too_large/, 'Postern says so itself below that')
  const ask = async (from: string) => (await visit(world.nginx.tlsPort, '/s.json', { host, from })).status
  const many: number[] = []
  for (let at = 0; at < 30; at++) many.push(await ask('127.0.0.10'))
  t.ok(many.includes(429), 'a flood from one address')
  t.equal(await ask('127.0.0.11'), 200, 'is its own matter')
}

test('a subdomain behind nginx', { skip: noNginx }, async t => {
  const world = await subdomainWorld(t)
  await t.test('TLS 1.2 and 1.3, HTTP/2, and nothing over plain http', async t => await speaksTls(t, world))
  await t.test('the script is compressed', async t => await compresses(t, world))
  await t.test('a visitor\'s address is his own, whatever he says', async t => await believesItself(t, world))
  await t.test('limits', async t => await hasLimits(t, world))
  await visit(world.nginx.tlsPort, '/v1/landing?gclid=abcdef&email=a@example.com', { host })
  await visit(world.nginx.tlsPort, '/missing?gclid=abcdef', { host, headers: { cookie: '_pstn=secret' } })
  const logs = world.nginx.logs()
  t.match(logs, /postern_access\.log: .* 404 GET t\.example\.com\/missing /)
  t.notMatch(logs, /gclid|\?|example\.com\/missing\?|secret|127\.0\.0\.9/, 'no query, no cookie, no address')
})
