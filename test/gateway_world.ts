// A small world for the tests of gateway/: a database, a gateway on a real port, and eyes for what was stored.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import type { Test } from 'tap'
import { deriveKeys } from '../config/keys.ts'
import { createMetrics } from '../config/metrics.ts'
import { openCrowds, type Crowds } from '../gateway/crowds.ts'
import { openIngestLog } from '../gateway/ingest.ts'
import type { IngestLog } from '../gateway/arrival.ts'
import { rememberTouches, type IngestAlert } from '../gateway/durable.ts'
import type { PlatformProxy } from '../gateway/proxies.ts'
import { openRevokeLog, type RevokeLog } from '../gateway/revokes.ts'
import type { Pressure } from '../gateway/pressure.ts'
import { readScriptParts } from '../gateway/script.ts'
import { buildGateway, listen, type GatewayDeps, type Limits } from '../gateway/server.ts'
import type { GatewaySite } from '../gateway/site.ts'
import { fromPlaintexts } from '../schema/sealing.ts'
import type { EventData } from '../schema/event.ts'
import type { LeadData } from '../schema/lead.ts'
import { lengthen } from '../schema/short_text.ts'
import { testDatabase } from './database.ts'

export const testKeys = deriveKeys(['a secret of the tests, thirty-two characters'])

export const site: GatewaySite = {
  name: 'main',
  hosts: ['t.example.com'],
  origins: ['https://www.example.com'],
  prefix: '/_p',
  insertsScript: false,
  consentCookies: [],
  rule: { consent: 'opt_in', gpc: 'drop', optOutCountries: [] },
  consentDays: 180,
  cookies: { visitor: '_pstn', consent: '_pstn_c', keeper: '_pstn_k' },
  keepsCookies: ['*'],
  defaultCountry: 'DE',
  thankYou: 'https://www.example.com/thanks',
  redirectHosts: ['www.example.com'],
  formEvents: { callback: 'contact' },
  scriptModules: [],
  apiKeys: ['a-key-of-the-shop'],
  countryHeader: 'cf-ipcountry'
}

export const browserAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
  'Chrome/142.0.0.0 Safari/537.36'
/** What it says of itself beside, as Chromium does over HTTPS: by that it is known to leave scripts' cookies alone. */
export const browserBrands = '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"'
export const granted = {
  ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted'
}

export interface Answer { status: number, headers: IncomingHttpHeaders, text: string, json: Record<string, unknown> }

export interface PostOptions {
  path?: string
  method?: string
  host?: string
  origin?: string | null
  type?: string | null
  headers?: Record<string, string>
}

/** A part as it lies in the database, opened. */
export interface StoredPart {
  event_seq: number
  seq: number
  event_name: string
  event_id: string
  trust: string
  is_bot: boolean
  has_contact: boolean
  is_lead: boolean
  occurred_at: Date
  data: EventData
}

interface WorldOptions {
  sites?: GatewaySite[]
  trustProxy?: string[]
  platform?: PlatformProxy
  limits?: Partial<Limits>
  pressure?: Pressure
  front?: GatewayDeps['front']
  log?: IngestLog
  revokes?: RevokeLog
  crowds?: Crowds
  now?: () => number
}

/** Sends one request as a browser of the site would, unless told otherwise. `body`: a JSON value, or bytes. */
export async function send (base: string, body: unknown, options: PostOptions = {}): Promise<Answer> {
  const { path = '/v1/e', method = 'POST', host = 't.example.com', origin = 'https://www.example.com' } = options
  const type = options.type === undefined ? 'text/plain;charset=UTF-8' : options.type
  const isRaw = typeof body === 'string' || Buffer.isBuffer(body)
  const bytes = Buffer.from(isRaw ? body : JSON.stringify(body))
  const headers: Record<string, string> = { host, 'user-agent': browserAgent }
  if (options.headers?.['user-agent'] === undefined) headers['sec-ch-ua'] = browserBrands
  if (origin !== null) headers.origin = origin
  if (type !== null && method === 'POST') headers['content-type'] = type
  if (method === 'POST') headers['content-length'] = String(bytes.length)
  Object.assign(headers, options.headers)
  return await new Promise((resolve, reject) => {
    const request = httpRequest(new URL(path, base), { method, headers }, response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = (response.headers['content-type'] ?? '').startsWith('application/json')
        const json = isJson ? JSON.parse(text) as Record<string, unknown> : {}
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json })
      })
    })
    request.on('error', reject)
    request.end(method === 'POST' ? bytes : undefined)
  })
}

/** The cookies that an answer sets, by name: value and attributes. */
export function setCookiesOf (answer: Answer): Map<string, { value: string, attributes: string }> {
  return new Map((answer.headers['set-cookie'] ?? []).map(line => {
    const [pair = '', ...attributes] = line.split('; ')
    const at = pair.indexOf('=')
    return [pair.slice(0, at), { value: pair.slice(at + 1), attributes: attributes.join('; ') }]
  }))
}

/** A gateway over real HTTP on a database of its own. */
export async function gatewayWorld (t: Test, options: WorldOptions = {}) {
  const { pool } = await testDatabase(t)
  const lines: Record<string, unknown>[] = []
  const alerts: IngestAlert[] = []
  const write = (fields: object, message: string) => { lines.push({ ...fields, message }) }
  const keptTouches = rememberTouches()
  const log = options.log ??
    openIngestLog({
      pool, keys: testKeys, countryOf: () => 'DE', keptTouches, onAlert: alert => { alerts.push(alert) }
    })
  const metrics = createMetrics('test')
  const app = await buildGateway({
    sites: options.sites ?? [site],
    trustProxy: options.trustProxy ?? [],
    platform: options.platform,
    keys: testKeys,
    log,
    logger: { info: write, warn: write, error: write },
    metrics,
    script: await readScriptParts(),
    crowds: options.crowds ?? openCrowds({ isKnown: () => false, onFound: () => undefined }),
    revokes: options.revokes ?? openRevokeLog(pool, testKeys, keptTouches.clear),
    isReady: async () => true,
    now: options.now,
    front: options.front,
    limits: { eventsPerMinute: 1e6, leadsPerMinute: 1e6, ...options.limits },
    // A test's own work may keep the event loop busy.
    pressure: options.pressure ?? { eventDelayMs: 60_000, leadDelayMs: 60_000, eventMemory: 2, leadMemory: 2 }
  })
  const base = await listen(app, '127.0.0.1', 0)
  t.teardown(async () => { await app.close() })

  const open = (sealed: Buffer) => testKeys.open('main', sealed).toString()
  async function parts (): Promise<StoredPart[]> {
    const { rows } = await pool.query<StoredPart & { sealed: Buffer, sealed_client: Buffer | null }>(
      'SELECT * FROM events ORDER BY seq')
    return rows.map(({ sealed, sealed_client: client, ...row }) => ({
      ...row,
      data: fromPlaintexts({ data: open(sealed), client: client === null ? null : open(client) })
    }))
  }
  async function leads (): Promise<{
    lead_id: string,
    event_seq: number,
    flags: string[],
    data: LeadData,
    first_touch: unknown
  }[]> {
    const { rows } = await pool.query<{
      lead_id: string,
      event_seq: number,
      flags: string[],
      sealed: Buffer,
      first_touch: Buffer | null
    }>(
      'SELECT * FROM leads ORDER BY received_at, lead_id')
    return rows.map(({ sealed, first_touch: touch, ...row }) => ({
      ...row,
      data: JSON.parse(lengthen(open(sealed))) as LeadData,
      first_touch: touch === null ? null : JSON.parse(lengthen(open(touch))) as unknown
    }))
  }
  const post = async (body: unknown, given: PostOptions = {}) => await send(base, body, given)
  const lead = async (body: unknown, given: PostOptions = {}) => await send(base, body, { path: '/v1/leads', ...given })
  const signed = async (body: unknown, given: PostOptions = {}) => await send(base, body, {
    path: '/v1/events',
    origin: null,
    type: 'application/json',
    ...given,
    headers: { authorization: 'Bearer a-key-of-the-shop', ...given.headers }
  })
  return { app, base, pool, log, metrics, lines, alerts, parts, leads, post, lead, signed }
}
