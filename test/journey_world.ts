// The whole product between a demo site and a fake Meta, over HTTPS on two host names, as a visitor's browser sees it.
import { createServer, type Server } from 'node:https'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium, type BrowserContext } from 'playwright-core'
import type { Test } from 'tap'
import {
  demoDestinations, fakeGoogleAds, makeDemoGoogle, metaPixelId, tags, type DemoGoogle
} from '../commands/demo_accounts.ts'
import { startRole, type RoleName } from '../commands/roles.ts'
import { explainText } from '../commands/explain_text.ts'
import { siteRules, siteTargets } from '../commands/wiring.ts'
import { parseSettings, type Settings } from '../config/settings.ts'
import type { Pool } from '../config/postgres.ts'
import { startFakeNetworks } from '../demo/networks/fake_networks.ts'
import { startDemoSite } from '../demo/site/demo_site.ts'
import { targetsOf } from '../dispatch/deps.ts'
import { readJourneys, type Journey } from '../dispatch/journey.ts'
import { destinationOf, destinations } from '../dispatch/registry.ts'
import { knownTargets } from '../dispatch/roster.ts'
import type { EventData } from '../schema/event.ts'
import type { LeadData, Touch } from '../schema/lead.ts'
import { fromPlaintexts } from '../schema/sealing.ts'
import { lengthen } from '../schema/short_text.ts'
import { testDatabase } from './database.ts'
import { browserAgent, testKeys } from './gateway_world.ts'
import { endWaiting } from './hurry.ts'
import { chromiumArgs, chromiumPath, collectorUrl, makeCertificate, siteUrl } from './script_site.ts'

export const apiKey = 'a-key-of-the-shop-for-its-journeys'
/** What the front says the visitor's address is; of a range for documentation. */
const visitorAddress = '203.0.113.7'
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

export interface StoredEvent {
  event_seq: number
  event_name: string
  event_id: string
  occurred_at: Date
  trust: string
  data: EventData
}
export interface StoredLead { lead_id: string, data: LeadData, first_touch: Touch | null }

function settingsFor (fakesUrl: string, google: DemoGoogle): Settings {
  const main = {
    hosts: ['t.example.com'],
    origins: [siteUrl],
    consent: 'opt_in',
    defaults: { country: 'DE', currency: 'EUR', lead_value: 50 },
    thank_you: `${siteUrl}/thanks`,
    redirect_hosts: ['www.example.com'],
    api_keys: [{ name: 'shop', key: apiKey }],
    destinations: demoDestinations(fakesUrl, google)
  }
  const read = parseSettings('the journeys\' settings', JSON.stringify({ sites: { main } }), {}, destinations)
  if (!('settings' in read)) throw new Error('problems' in read ? read.problems.join('\n') : 'no settings')
  return read.settings
}

/** Ends TLS in front of the gateway, as the proxy of an installation does. */
async function startFront (certificate: { key: Buffer, cert: Buffer }, gatewayUrl: string): Promise<Server> {
  const server = createServer(certificate, (request, response) => {
    const onward = httpRequest(new URL(request.url ?? '/', gatewayUrl), {
      method: request.method,
      headers: { ...request.headers, 'x-forwarded-proto': 'https', 'x-forwarded-for': visitorAddress }
    }, answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', error => { response.destroy(error) })
    request.pipe(onward)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return server
}

/** Chromium finds the site and the gateway under their names, and nothing else of the world. */
function argsFor (sitePort: number, frontPort: number): string[] {
  const rules = [`MAP www.example.com:443 127.0.0.1:${sitePort}`, `MAP t.example.com:443 127.0.0.1:${frontPort}`,
    'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1']
  return [...chromiumArgs, `--host-resolver-rules=${rules.join(', ')}`]
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

/** Starts everything on free ports. `role` gateway: nobody sends. Each `open()` is a browser with an empty jar. */
export async function journeyWorld (t: Test, role: RoleName = 'start') {
  const database = await testDatabase(t)
  const closers: (() => Promise<unknown>)[] = []
  t.teardown(async () => { for (const close of closers.toReversed()) await close() })
  const google = makeDemoGoogle()
  const fakes = await startFakeNetworks({ host: '127.0.0.1', google_ads: fakeGoogleAds(google) })
  const settings = settingsFor(fakes.url, google)
  const running = await startRole({
    role,
    settings,
    keys: testKeys,
    log: quiet,
    process: {
      host: '127.0.0.1',
      port: 0,
      adminHost: '127.0.0.1',
      adminPort: 0,
      demoPort: 0,
      fakesPort: 0,
      trustedProxies: [],
      dataFolder: '/nowhere',
      databaseUrl: database.url,
      logLevel: 'silent'
    }
  })
  closers.push(running.stop)
  // Closed before the worker, so that no request that hangs there holds it up.
  closers.push(fakes.close)
  const gatewayUrl = running.gateway?.url ?? ''
  const certificate = makeCertificate()
  const front = await startFront(certificate, gatewayUrl)
  closers.push(async () => {
    front.closeAllConnections()
    await new Promise(resolve => { front.close(resolve) })
  })
  const site = await startDemoSite({
    port: 0,
    host: '127.0.0.1',
    gatewayUrl: collectorUrl,
    fakesUrl: fakes.url,
    pixelId: metaPixelId,
    tags,
    tls: { key: certificate.key.toString(), cert: certificate.cert.toString() }
  })
  closers.push(site.close)
  const args = argsFor(Number(new URL(site.url).port), (front.address() as AddressInfo).port)

  return {
    ...readerOf(database.pool),
    pool: database.pool,
    fakes,
    gatewayUrl,
    async open (options: { javaScriptEnabled?: boolean } = {}): Promise<BrowserContext> {
      const browser = await chromium.launch({ executablePath: chromiumPath, args })
      closers.push(async () => await browser.close())
      return await browser.newContext({ ignoreHTTPSErrors: true, userAgent: browserAgent, ...options })
    },
    /** The copies that a fake network has of a conversion, by the name it has there. */
    copies: (name: string, type = 'meta') =>
      fakes.received().filter(copy => copy.type === type && copy.event_name === name),
    /** What `postern explain` knows and says of an event; null while nothing is stored. */
    async explain (eventId: string): Promise<{ journey: Journey, text: string } | null> {
      const targets = targetsOf(await knownTargets(database.pool, siteTargets(settings), destinationOf))
      const deps = { pool: database.pool, keys: testKeys, targets, sites: settings.sites.map(siteRules) }
      const [journey] = await readJourneys(deps, eventId)
      return journey === undefined ? null : { journey, text: explainText(journey, Date.now()) }
    },
    /** As if the time were over in which a browser's conversion waits for what completes it. */
    async endSettling (): Promise<void> {
      await endWaiting(database.pool)
    }
  }
}

export type JourneyWorld = Awaited<ReturnType<typeof journeyWorld>>
