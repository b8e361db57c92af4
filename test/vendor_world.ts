// A gateway whose sites have a tag gateway, a stand-in for Google that keeps what it was sent, and canaries.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { createMetrics } from '../config/metrics.ts'
import type { IngestLog } from '../gateway/arrival.ts'
import { readScriptParts } from '../gateway/script.ts'
import { buildGateway, listen } from '../gateway/server.ts'
import type { GatewaySite } from '../gateway/site.ts'
import type { VendorProxyOptions } from '../gateway/vendors/proxy.ts'
import { site, testKeys } from './gateway_world.ts'

/** Why there can be no certificates to test with; false when there can. */
export const noOpenssl = spawnSync('openssl', ['version']).status === 0 ? false : 'needs openssl'

/** A request as the vendor saw it. */
export interface VendorRequest { method: string, url: string, headers: IncomingHttpHeaders, body: string }

/** What the vendor does with a request that was read. */
export type Reaction = (request: VendorRequest, response: ServerResponse) => void

async function readBody (request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('latin1')
}

/** Stands for `<tag id>.fps.goog`: keeps each request, and answers `ok` unless told otherwise. */
export async function startVendor (t: Test) {
  const received: VendorRequest[] = []
  const vendor = { react: ((_request, response) => { response.end('ok') }) as Reaction }
  const server = createServer((request, response) => {
    readBody(request).then(body => {
      const seen = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body }
      received.push(seen)
      vendor.react(seen, response)
    }, () => { response.destroy() })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, port, received, vendor }
}

/** A server that nobody is ever to reach: counts connections, whatever they say. */
export async function startCanary (t: Test, host = '127.0.0.1') {
  const canary = { touched: 0, port: 0 }
  const server = createTcpServer(socket => {
    canary.touched++
    socket.on('error', () => socket.destroy())
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nCANARY')
  })
  server.listen(0, host)
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  canary.port = (server.address() as AddressInfo).port
  return canary
}

const notAsked: IngestLog = {
  append: async () => { throw new Error('no arrival is stored here') },
  close: async () => undefined
}

/** A gateway on a real port that stores nothing. `log`: for the tests that post leads. */
export async function vendorWorld (t: Test, options: {
  sites?: GatewaySite[]
  vendorProxy?: VendorProxyOptions
  trustProxy?: string[]
  log?: IngestLog
  clockOffsetMs?: () => number | undefined
}) {
  const lines: Record<string, unknown>[] = []
  const write = (fields: object, message: string) => { lines.push({ ...fields, message }) }
  const app = await buildGateway({
    sites: options.sites ?? [site],
    trustProxy: options.trustProxy ?? [],
    keys: testKeys,
    clockOffsetMs: options.clockOffsetMs,
    log: options.log ?? notAsked,
    logger: { info: write, warn: write, error: write },
    metrics: createMetrics('test'),
    script: await readScriptParts(),
    crowds: { isCrowd: () => false },
    revokes: { record: async () => undefined },
    isReady: async () => true,
    vendorProxy: options.vendorProxy,
    limits: { eventsPerMinute: 1e6, leadsPerMinute: 1e6 }
  })
  const base = await listen(app, '127.0.0.1', 0)
  t.teardown(async () => { await app.close() })
  return { app, base, port: Number(new URL(base).port), lines }
}

/** Sends bytes as they are and reads all that comes back: request targets that no client would write. */
export async function sendRaw (port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  socket.write(bytes)
  await new Promise<void>(resolve => {
    socket.once('close', () => { resolve() })
    // A connection that is reset has been answered as well.
    socket.once('error', () => { resolve() })
  })
  return Buffer.concat(chunks).toString('latin1')
}
