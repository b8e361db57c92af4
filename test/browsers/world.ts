// A site of www.example.com, the whole product behind t.example.com, a fake Meta: over HTTPS, for any browser.
import { createServer, type Server } from 'node:https'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { gatewaySites, siteTargets } from '../../commands/wiring.ts'
import { createMetrics } from '../../config/metrics.ts'
import { parseSettings, type Settings } from '../../config/settings.ts'
import type { Pool } from '../../config/postgres.ts'
import { startFakeNetworks } from '../../demo/networks/fake_networks.ts'
import { destinations } from '../../dispatch/registry.ts'
import { startDispatch } from '../../dispatch/service.ts'
import { startGateway } from '../../gateway/service.ts'
import type { EventData } from '../../schema/event.ts'
import type { LeadData, Touch } from '../../schema/lead.ts'
import { fromPlaintexts } from '../../schema/sealing.ts'
import { lengthen } from '../../schema/short_text.ts'
import { testDatabase } from '../database.ts'
import { testKeys } from '../gateway_world.ts'
import { endWaiting } from '../hurry.ts'
import { makeCertificate, siteUrl } from '../script_site.ts'
import { startHostProxy } from './proxy.ts'

/** Hosts of others that the pages ask for something: what a blocker must stop, and what arrives without one. */
export const trackerHosts = ['connect.facebook.net', 'www.google-analytics.com']

export interface StoredEvent {
  event_seq: number
  /** Of the first arrival of an event the same as `event_seq`. */
  seq: number
  event_name: string
  event_id: string
  received_at: Date
  /** The visitor's blind index; null for nobody. */
  visitor: Buffer | null
  data: EventData
}
export interface StoredLead { lead_id: string, data: LeadData, first_touch: Touch | null }

function settingsFor (fakesUrl: string): Settings {
  const read = parseSettings('the browsers\' settings', `
sites:
  main:
    hosts: [t.example.com, www.example.com]
    origins: ["${siteUrl}"]
    consent: opt_in
    defaults: { country: DE, currency: EUR, lead_value: 50 }
    thank_you: "${siteUrl}/thanks"
    redirect_hosts: [www.example.com]
    destinations:
      meta: { pixel_id: "1234567890", access_token: a-token, events: all, endpoint: "${fakesUrl}/meta" }
`, {}, destinations)
  if (!('settings' in read)) throw new Error('problems' in read ? read.problems.join('\n') : 'no settings')
  return read.settings
}

/** What lies in the database, opened. */
function readerOf (pool: Pool) {
  const open = (sealed: Buffer) => testKeys.open('main', sealed).toString()
  return {
    /** All arrivals, in order. */
    async events (): Promise<StoredEvent[]> {
      const { rows } = await pool.query<StoredEvent & { sealed: Buffer, sealed_client: Buffer | null }>(
        'SELECT * FROM events ORDER BY seq')
      return rows.map(({ sealed, sealed_client: client, ...row }) => ({
        ...row,
        data: fromPlaintexts({ data: open(sealed), client: client === null ? null : open(client) })
      }))
    },
    async leads (): Promise<StoredLead[]> {
      const { rows } = await pool.query<{ lead_id: string, sealed: Buffer, first_touch: Buffer | null }>(
        'SELECT * FROM leads ORDER BY received_at, lead_id')
      return rows.map(({ sealed, first_touch: touch, ...row }) => ({
        ...row,
        data: JSON.parse(lengthen(open(sealed))) as LeadData,
        first_touch: touch === null ? null : JSON.parse(lengthen(open(touch))) as Touch
      }))
    }
  }
}

/** Hands a request on to the gateway, as the proxy of an installation does. */
function handOn (gatewayUrl: string, path: string, request: IncomingMessage, response: ServerResponse): void {
  const onward = httpRequest(new URL(path, gatewayUrl), {
    method: request.method,
    headers: { ...request.headers, 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' }
  }, answer => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
  })
  onward.on('error', error => { response.destroy(error) })
  request.pipe(onward)
}

/** What the line to the gateway does: everything goes through, nothing comes back, or it breaks. */
export type LineState = 'works' | 'hangs' | 'breaks'
interface Line { state: LineState, hanging: IncomingMessage[] }

/**
 * One HTTPS server for all hosts: the gateway on `t.` and under `/_p/` of the site, the site's pages by their path, and
 * for trackers an empty answer. `asked` hears of every request.
 */
async function startFront (
  gatewayUrl: string, pages: ReadonlyMap<string, string>, line: Line, asked: (line: string) => void
): Promise<Server> {
  const server = createServer(makeCertificate(), (request, response) => {
    const { host = '' } = request.headers
    const url = request.url ?? '/'
    asked(`${request.method} ${host}${url}`)
    if (host === 't.example.com') {
      if (line.state === 'works') return handOn(gatewayUrl, url, request, response)
      if (line.state === 'breaks') return request.socket.destroy()
      return line.hanging.push(request)
    }
    if (host === 'www.example.com' && url.startsWith('/_p/')) return handOn(gatewayUrl, url.slice(3), request, response)
    const page = host === 'www.example.com' ? pages.get(url.split('?', 1)[0] ?? '') : undefined
    request.resume()
    response.writeHead(page === undefined ? 404 : 200, {
      'content-type': 'text/html; charset=utf-8', 'access-control-allow-origin': '*'
    }).end(page ?? '')
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return server
}

/** Starts everything on free ports; `proxy` is where a browser finds it. */
export async function browserWorld (t: Test, pages: ReadonlyMap<string, string>) {
  const database = await testDatabase(t)
  const closers: (() => Promise<unknown>)[] = []
  t.teardown(async () => { for (const close of closers.toReversed()) await close() })
  const fakes = await startFakeNetworks({ host: '127.0.0.1' })
  closers.push(fakes.close)
  const settings = settingsFor(fakes.url)
  const lines: object[] = []
  const note = (fields: object, message: string) => { lines.push({ ...fields, message }) }
  const shared = {
    databaseUrl: database.url,
    keys: testKeys,
    log: { debug: () => undefined, info: () => undefined, warn: note, error: note },
    metrics: createMetrics('test')
  }
  // What falls due is looked for more often than in an installation, where seconds do not matter.
  const dispatch = await startDispatch({ ...shared, sites: siteTargets(settings), timings: { sweepMs: 200 } })
  closers.push(dispatch.stop)
  const gateway = await startGateway({
    ...shared,
    sites: gatewaySites(settings),
    trustProxy: ['127.0.0.1'],
    host: '127.0.0.1',
    port: 0,
    onCommitted: dispatch.wake
  })
  closers.push(gateway.stop)
  const asked: string[] = []
  const line: Line = { state: 'works', hanging: [] }
  const front = await startFront(gateway.url, pages, line, request => { asked.push(request) })
  closers.push(async () => {
    front.closeAllConnections()
    await new Promise(resolve => { front.close(resolve) })
  })
  const proxy = await startHostProxy((front.address() as AddressInfo).port, host =>
    host.endsWith('.example.com') || trackerHosts.includes(host))
  closers.push(proxy.close)
  return {
    ...readerOf(database.pool),
    pool: database.pool,
    proxy: proxy.address,
    /** Every request that reached a host, in order: `POST t.example.com/v1/e`. */
    asked,
    /** From now on; what hangs is cut off. */
    setLine (state: LineState) {
      line.state = state
      for (const request of line.hanging.splice(0)) request.socket.destroy()
    },
    /** What the product warned of. */
    lines,
    /** Where each event stands at the network: `generate_lead skipped no_consent`. */
    async deliveries (): Promise<string[]> {
      const { rows } = await database.pool.query<{ line: string }>(
        `SELECT DISTINCT e.event_name || ' ' || d.state || coalesce(' ' || d.reason, '') AS line
           FROM deliveries d JOIN events e USING (event_seq) ORDER BY 1`)
      return rows.map(({ line }) => line)
    },
    fakes,
    /** As if the time were over in which a browser's conversion waits for what completes it. */
    async endSettling (): Promise<void> {
      await endWaiting(database.pool, 'settling')
    }
  }
}

export type BrowserWorld = Awaited<ReturnType<typeof browserWorld>>
