// WebSockets of the site behind us: once both sides agree, two sockets whose bytes go from one to the other.
import { request as httpRequest, type IncomingMessage, ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { toSite, toVisitor, type Headers } from './headers.ts'
import type { Paths } from './paths.ts'

/** The socket of a request that asked for an upgrade, and what came after its head. */
export interface Upgrade { socket: Socket, head: Buffer }

const upgrades = new WeakMap<IncomingMessage, Upgrade>()

export interface Tunnels {
  /** The upgrade that a request asks for. */
  upgradeOf: (request: FastifyRequest) => Upgrade | undefined
  /** Asks the site, and connects the two: the request is taken out of Fastify's hands. */
  open: (request: FastifyRequest, reply: FastifyReply, upgrade: Upgrade, upstream: string) => void
}

/**
 * The head of the site's answer as it goes over the wire. node:http reads one character for each byte, and so they are
 * written. Every value was parsed as a header before, so none ends its line.
 */
function toHead (status: number, answer: IncomingMessage, more: Headers): Buffer {
  const lines = Object.entries({ ...toVisitor(answer.headers), ...more })
    .flatMap(([name, value]) => [value ?? []].flat().map(one => `${name}: ${one}\r\n`))
  return Buffer.from(`HTTP/1.1 ${status} ${answer.statusMessage ?? ''}\r\n${lines.join('')}\r\n`, 'latin1')
}

function refuse (socket: Duplex, status: string): void {
  if (!socket.writable) return
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}

/** After this long in silence the other end is asked whether it is still there. */
const aliveAfterMs = 60_000

/**
 * Each ends when the other does, and an error of one is the end of both. A socket may say nothing for hours, so silence
 * is no reason to end it; but a visitor who went without a word would keep both open for ever.
 */
function join (one: Socket, other: Socket): void {
  for (const [from, to] of [[one, other], [other, one]] as const) {
    from.setTimeout(0)
    from.setKeepAlive(true, aliveAfterMs)
    from.pipe(to)
    from.on('error', () => { to.destroy() })
    from.on('close', () => { to.destroy() })
  }
}

function askSite (
  request: FastifyRequest, { socket, head }: Upgrade, upstream: string, connectMs: number
): void {
  const url = new URL(upstream)
  const isHttps = url.protocol === 'https:'
  const onward = (isHttps ? httpsRequest : httpRequest)({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? undefined : url.port,
    path: request.originalUrl,
    method: request.method,
    headers: { ...toSite(request, { ...request.headers }), connection: 'Upgrade', upgrade: request.headers.upgrade },
    // The certificate is that of the name which the visitor asked for.
    servername: isHttps ? request.hostname : undefined,
    agent: false,
    timeout: connectMs
  })
  let isAnswered = false
  socket.on('close', () => { onward.destroy() })
  onward.on('timeout', () => { onward.destroy(new Error('no answer in time')) })
  onward.on('error', () => {
    // In the middle of an answer another one would be taken for a part of it.
    if (isAnswered) socket.destroy()
    else refuse(socket, '502 Bad Gateway')
  })
  onward.on('upgrade', (answer, site, first) => {
    isAnswered = true
    onward.setTimeout(0)
    socket.write(toHead(101, answer, { connection: 'Upgrade', upgrade: answer.headers.upgrade }))
    if (first.length > 0) socket.write(first)
    if (head.length > 0) site.write(head)
    join(socket, site)
  })
  onward.on('response', answer => {
    isAnswered = true
    // No upgrade: an ordinary answer, after which the connection ends.
    socket.write(toHead(answer.statusCode ?? 502, answer, { connection: 'close' }))
    answer.pipe(socket)
    answer.on('error', () => { socket.destroy() })
  })
  onward.end()
}

/**
 * Lets upgrades come through Fastify as requests, so that the same hooks find their site and their visitor. Not by
 * `websocket: true` of the proxy plugin: it agrees before the site has, speaks the protocol itself on both sides, and
 * keeps in memory what one of them is too slow to take.
 */
export function openTunnels (app: FastifyInstance, connectMs: number): Tunnels {
  const open = new Set<Socket>()
  app.server.on('upgrade', (raw: IncomingMessage, duplex: Duplex, head: Buffer) => {
    // Ours is a server on sockets.
    const socket = duplex as Socket
    open.add(socket)
    socket.on('close', () => { open.delete(socket) })
    socket.on('error', () => { socket.destroy() })
    upgrades.set(raw, { socket, head })
    const response = new ServerResponse(raw)
    response.assignSocket(socket)
    // What is answered without an upgrade is a refusal.
    response.on('finish', () => { socket.end() })
    app.routing(raw, response)
  })
  app.addHook('preClose', async () => { for (const socket of open) socket.destroy() })
  return {
    upgradeOf: request => upgrades.get(request.raw),
    open: (request, reply, upgrade, upstream) => {
      reply.hijack()
      reply.raw.detachSocket(upgrade.socket)
      askSite(request, upgrade, upstream, connectMs)
    }
  }
}

/** Whether a request for an upgrade is one for the site's WebSockets; any other is an ordinary request. */
export function isForTunnel (raw: IncomingMessage, paths: Paths): boolean {
  return raw.headers.upgrade?.toLowerCase() === 'websocket' && 'site' in paths.destinationOf(raw)
}
