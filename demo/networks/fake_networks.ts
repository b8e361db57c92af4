// The strict fake ad networks: one HTTP server, one path prefix per destination type, and a list of all it received.
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { Behaviour, faultReason, isProcessed, openBehaviours, statusOf } from './behaviour.ts'
import type { Behaviours, Fault } from './behaviour.ts'
import { openLedger, type Ledger } from './ledger.ts'
import type { FakeAnswer, FakeNetwork, FakeRequest, FakeRoute, Receipt } from './network.ts'
import { makeNetworks, type NetworkOptions } from './registry.ts'

export interface FakeNetworksOptions extends NetworkOptions {
  /** 0 (the default) takes a free port. */
  port?: number
  /** `localhost` (the default) listens on every loopback address. */
  host?: string
  tls?: { key: string, cert: string }
  /** The clock, in Unix milliseconds. */
  now?: () => number
  behaviour?: Behaviour
}

export interface FakeNetworks {
  /** `http://localhost:PORT`; a destination's `endpoint` is this plus `/<type>`. */
  url: string
  /** Every receipt so far, in order, before the fake's own dedupe: what `GET /_received` prints. */
  received (): Receipt[]
  /** Sets how the networks misbehave, replacing what was set; `{}` makes them healthy. */
  behave (behaviour: Behaviour): void
  close (): Promise<void>
}

interface Deps {
  ledger: Ledger
  behaviours: Behaviours
  now: () => number
  closing: AbortSignal
  nextSerial: () => number
}

/** Starts the fakes. Rejects when the port is taken. */
export async function startFakeNetworks (options: FakeNetworksOptions = {}): Promise<FakeNetworks> {
  const ledger = openLedger()
  const behaviours = openBehaviours()
  if (options.behaviour !== undefined) behaviours.set(options.behaviour)
  const closing = new AbortController()
  let serial = 0
  const deps: Deps = {
    ledger, behaviours, now: options.now ?? Date.now, closing: closing.signal, nextSerial: () => ++serial
  }
  const app = buildApp(makeNetworks(options), deps, options.tls)
  const host = options.host ?? 'localhost'
  await app.listen({ port: options.port ?? 0, host })
  const { port } = app.server.address() as AddressInfo
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${host}:${port}`,
    received: () => ledger.receipts(),
    behave: behaviour => behaviours.set(behaviour),
    async close () {
      closing.abort()
      await app.close()
    }
  }
}

function buildApp (networks: readonly FakeNetwork[], deps: Deps, tls: FakeNetworksOptions['tls']): FastifyInstance {
  const app = fastify({
    bodyLimit: 32 * 1024 * 1024,
    forceCloseConnections: true,
    https: tls ?? null,
    // Fastify's defaults would mend a wrong behaviour silently instead of refusing it.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } }
  }) as unknown as FastifyInstance
  app.get<{ Querystring: { event_id?: string } }>('/_received', (request, reply) => {
    const { event_id: eventId } = request.query
    const lines = deps.ledger.receipts().filter(({ event_id: id }) => eventId === undefined || id === eventId)
    return reply.header('access-control-allow-origin', '*').type('application/x-ndjson')
      .send(lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  })
  app.get('/_behaviour', () => deps.behaviours.current())
  app.post<{ Body: Behaviour }>('/_behaviour', { schema: { body: Behaviour } }, ({ body }) => {
    deps.behaviours.set(body)
    return deps.behaviours.current()
  })
  app.register(async scope => {
    // A network reads its bodies itself: what it does with a wrong content type is part of what is faked.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    for (const network of networks) for (const route of network.routes) addRoute(scope, network, route, deps)
  })
  return app
}

function addRoute (app: FastifyInstance, network: FakeNetwork, route: FakeRoute, deps: Deps): void {
  app.route({
    method: route.methods,
    url: `/${network.type}${route.path}`,
    async handler (request, reply) {
      const nowMs = deps.now()
      const { delayMs, fault } = deps.behaviours.next(network.type, route.source, route.part)
      const plain = toPlain(request, nowMs, deps.nextSerial())
      const { answer, copies } = await route.receive(plain)
      const lost = fault !== undefined && !isProcessed(fault)
      deps.ledger.record(network, copies, nowMs, lost ? faultReason(fault) : undefined)
      if (delayMs > 0 && !await waitUnlessClosing(delayMs, deps.closing)) return reply.hijack()
      if (fault === undefined) return sendAnswer(reply, answer)
      return sendFault(reply, fault, () => network.fail({ ...fault, status: statusOf(fault) }, plain))
    }
  })
}

/** False when the server closes meanwhile. */
async function waitUnlessClosing (ms: number, closing: AbortSignal): Promise<boolean> {
  try {
    await wait(ms, undefined, { signal: closing })
    return true
  } catch (error) {
    if (closing.aborted) return false
    throw error
  }
}

function toPlain (request: FastifyRequest, nowMs: number, serial: number): FakeRequest {
  const [, query = ''] = request.raw.url?.split(/\?(.*)/s) ?? []
  const headers = Object.fromEntries(Object.entries(request.headers)
    .map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]))
  return {
    params: request.params as Record<string, string>,
    query: new URLSearchParams(query),
    headers,
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    nowMs,
    serial
  }
}

function sendAnswer (reply: FastifyReply, { status, headers, body }: FakeAnswer): FastifyReply {
  return reply.code(status).headers(headers ?? {}).send(body)
}

function sendFault (reply: FastifyReply, fault: Fault, fail: () => FakeAnswer): FastifyReply {
  switch (fault.kind) {
    case 'hang': return reply.hijack()
    case 'drop': {
      reply.hijack()
      reply.raw.socket?.destroy()
      return reply
    }
    case 'html': return reply.code(statusOf(fault)).type('text/html')
      .send('<!doctype html><title>Sorry</title><p>This page is not available at the moment.')
    case 'status': {
      const { headers, ...answer } = fail()
      const retryAfter = fault.retry_after_seconds
      return sendAnswer(reply, {
        ...answer, headers: { ...headers, ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }) }
      })
    }
  }
}
