// A site of its owner's on a real port, and the gateway in front of it: for the tests of gateway/front/.
import { createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { GatewaySite } from '../gateway/site.ts'
import type { Touch } from '../schema/lead.ts'
import { lengthen } from '../schema/short_text.ts'
import { browserAgent, gatewayWorld, site, testKeys } from './gateway_world.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** What a browser sends with the request for a page. */
export const asPage: OutgoingHttpHeaders = {
  'user-agent': browserAgent,
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'sec-fetch-dest': 'document',
  'sec-fetch-mode': 'navigate'
}

export const frontSite: GatewaySite = {
  ...site,
  hosts: ['www.example.com'],
  rule: { consent: 'opt_out', gpc: 'drop', optOutCountries: [] }
}

export interface Got {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
  /** Values of Set-Cookie by cookie name. */
  cookies: Map<string, string>
}

export interface AskOptions {
  method?: string
  host?: string
  headers?: OutgoingHttpHeaders
  body?: string | Buffer
}

/** Waits for a state that will come, however busy the machine is. */
export async function until (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 60_000
  while (!await isSo()) {
    if (Date.now() > endMs) throw new Error(`waited a minute for: ${what}`)
    await new Promise<void>(resolve => { setTimeout(resolve, 5) })
  }
}

/** One request, its path as it is. */
export async function ask (base: string, path: string, options: AskOptions = {}): Promise<Got> {
  const { method = 'GET', host = 'www.example.com', headers = {}, body } = options
  const { hostname, port } = new URL(base)
  return await new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path, method, agent: false, headers: { host, ...headers } })
    request.on('error', reject)
    request.on('response', response => {
      buffer(response).then(bytes => {
        const lines = response.headers['set-cookie'] ?? []
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: bytes,
          cookies: new Map(lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
        })
      }, reject)
    })
    request.end(body)
  })
}

type WorldOptions = Parameters<typeof gatewayWorld>[1]

/** Starts both. `handle` is what the owner's server does; it may be replaced while it runs. */
export async function frontWorld (
  t: Test, given: Partial<GatewaySite> = {}, handle: Handler = (_request, response) => { response.end() },
  options: WorldOptions = {}
) {
  const seen: { method: string, url: string, headers: IncomingMessage['headers'] }[] = []
  const owner = { handle }
  const server = createServer((request, response) => {
    seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers })
    owner.handle(request, response)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const world = await gatewayWorld(t, { sites: [{ ...frontSite, upstream, ...given }], ...options })
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => { server.close(resolve) })
  })
  return {
    ...world,
    owner,
    server,
    upstream,
    /** What the owner's server was asked, in order. */
    seen,
    get: async (path: string, more: AskOptions = {}) => await ask(world.base, path, more),
    /** As a browser asks for a page. */
    page: async (path: string, headers: OutgoingHttpHeaders = {}) =>
      await ask(world.base, path, { headers: { ...asPage, ...headers } }),
    async touches (): Promise<(Touch & { visitor: string })[]> {
      const { rows } = await world.pool.query<{ sealed: Buffer, visitor: Buffer }>(
        'SELECT sealed, visitor FROM touches ORDER BY seen_at')
      return rows.map(row => ({
        ...JSON.parse(lengthen(testKeys.open('main', row.sealed).toString())) as Touch,
        visitor: row.visitor.toString('hex')
      }))
    }
  }
}
