// A site and a collector on two host names over HTTPS, and a Chromium that finds them: the script's tests run here.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kill } from 'node:process'
import { chromium, type BrowserContext } from 'playwright-core'
import { embedSite, type PublicSite } from '../gateway/browser/public_site.ts'

export const chromiumPath = process.env.POSTERN_CHROMIUM ?? '/usr/bin/chromium'
/** Why the tests in a browser can't run here; false when they can. */
export const noBrowser = existsSync(chromiumPath) ? false : `no ${chromiumPath}: install Debian's chromium to run this`

export const siteUrl = 'https://www.example.com'
export const collectorUrl = 'https://t.example.com'
export const stub =
  '<script>window.postern = window.postern || function () { (postern.q = postern.q || []).push(arguments) }</script>'
export const tag = `<script async src="${collectorUrl}/s.js"></script>`
export const allGranted =
  { ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted' }
export const allDenied =
  { ad_storage: 'denied', ad_user_data: 'denied', ad_personalization: 'denied', analytics_storage: 'denied' }

export interface Event {
  event_name: string
  event_id: string
  page_location: string
  click_ids?: Record<string, string>
  cookies?: Record<string, string>
  consent: Record<string, string>
  browser_tags: Record<string, string>
  page_seed: string
  [key: string]: unknown
}

export interface Receipt { host: string, path: string, type: string, body: string, cookie: string }

export interface ScriptSite {
  /** Pages of www.example.com by path: HTML, or HTML with headers. */
  pages: Map<string, string | { html: string, headers: Record<string, string> }>
  /** What was fetched, in order: the path, and what `Sec-Purpose` said. */
  gets: string[]
  /** Everything posted, in order of arrival. */
  posts: Receipt[]
  /** The events of all posts to `/v1/e`. */
  events: () => Event[]
  /** The bodies of all posts to `/v1/consent`. */
  told: () => Array<{ consent: Record<string, string>, page_seed: string }>
  /** What the collector does with a post once it has it: answer, refuse for now, hang, or cut the line. */
  collector: 'answers' | 'is unavailable' | 'hangs' | 'cuts'
  settings: PublicSite
  /** Names of the script's modules. */
  modules: string[]
  open: () => Promise<BrowserContext>
  /** Opens a page in a browser of its own that no test can reach. */
  openAlone: (path: string) => void
  close: () => Promise<void>
}

/** A certificate of the day for both host names, in PEM. */
export function makeCertificate (): { key: Buffer, cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-cert-'))
  const file = (name: string) => join(folder, name)
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
      '-days', '30', '-keyout', file('key'), '-out', file('cert'), '-subj', '/CN=www.example.com',
      '-addext', 'subjectAltName=DNS:www.example.com,DNS:t.example.com'], { stdio: 'pipe' })
    return { key: readFileSync(file('key')), cert: readFileSync(file('cert')) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const script = readFileSync(new URL('../gateway/browser/dist/s.js', import.meta.url), 'utf8')
const moduleText = (name: string) =>
  readFileSync(new URL(`../gateway/browser/dist/modules/${name}.js`, import.meta.url), 'utf8').trim()
const defaultSettings: PublicSite = {
  consent: 'opt_in',
  gpc: 'drop',
  cookie_domain: 'example.com',
  secure: true,
  consent_cookie: '_pstn_c',
  consent_days: 180
}
export const chromiumArgs = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update', '--ignore-certificate-errors']

/** Waits for a state; throws with `what` after a minute. */
export async function until (what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 60_000
  while (!await isSo()) {
    if (Date.now() > endMs) throw new Error(`waited a minute for: ${what}`)
    await new Promise<void>(resolve => { setTimeout(resolve, 10) })
  }
}

async function readBody (request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

/** Answers one request: the collector's three paths on `t.`, the pages and the owner's own form target on `www.`. */
async function answer (site: ScriptSite, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { host = '', origin, cookie = '' } = request.headers
  const path = new URL(request.url ?? '/', siteUrl).pathname
  const isCollector = host.startsWith('t.')
  if (request.method === 'GET') site.gets.push(`${path} ${String(request.headers['sec-purpose'] ?? '')}`)
  if (request.method === 'POST') {
    const body = await readBody(request)
    site.posts.push({ host, path, type: String(request.headers['content-type']), body, cookie })
    if (isCollector && site.collector === 'hangs') return
    if (isCollector && site.collector === 'cuts') {
      request.socket.destroy()
      return
    }
    const status = isCollector && site.collector === 'is unavailable' ? 503 : isCollector ? 202 : 200
    const cors = { 'access-control-allow-origin': origin ?? '*', 'access-control-allow-credentials': 'true' }
    response.writeHead(status, { 'content-type': 'text/html', ...cors }).end('<title>Thanks</title>Thanks')
  } else if (isCollector && path === '/hang.js') {
    // Never answered.
  } else if (isCollector && path === '/s.js') {
    response.writeHead(200, { 'content-type': 'text/javascript', 'access-control-allow-origin': '*' })
      .end(embedSite(script, site.settings, site.modules.map(moduleText)))
  } else {
    const page = site.pages.get(path)
    const { html, headers } = typeof page === 'string' ? { html: page, headers: {} } : page ?? { html: '', headers: {} }
    response.writeHead(page === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8', ...headers })
      .end('<!doctype html>' + html)
  }
}

const argsFor = (server: Server) => [...chromiumArgs, '--host-resolver-rules=' +
  `MAP *.example.com:443 127.0.0.1:${(server.address() as AddressInfo).port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`]

/** A browser that nobody drives: with a debugger attached, Chromium prerenders nothing. */
function launchAlone (server: Server, url: string): { close: () => Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), 'postern-chromium-'))
  const process = spawn(chromiumPath, [...argsFor(server), '--headless=new', `--user-data-dir=${folder}`, url],
    { stdio: 'ignore', detached: true })
  const ended = once(process, 'exit')
  return {
    async close () {
      if (process.pid !== undefined) kill(-process.pid, 'SIGKILL')
      await ended
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    }
  }
}

/** Starts the site on a free port. Each `open()` is a new browser with an empty jar; `close()` ends them all. */
export async function openScriptSite (settings: Partial<PublicSite> = {}, modules: string[] = []): Promise<ScriptSite> {
  const browsers: Array<{ close: () => Promise<void> }> = []
  const server = createServer(makeCertificate(), (request, response) => {
    answer(site, request, response).catch(error => { response.destroy(error as Error) })
  })
  const site: ScriptSite = {
    pages: new Map(),
    posts: [],
    gets: [],
    collector: 'answers',
    settings: { ...defaultSettings, ...settings },
    modules,
    events: () => site.posts.filter(post => post.path === '/v1/e')
      .flatMap(post => (JSON.parse(post.body) as { events: Event[] }).events),
    told: () => site.posts.filter(post => post.path === '/v1/consent').map(post => JSON.parse(post.body) as
      { consent: Record<string, string>, page_seed: string }),
    open: async () => {
      const browser = await chromium.launch({ executablePath: chromiumPath, args: argsFor(server) })
      browsers.push(browser)
      return await browser.newContext({ ignoreHTTPSErrors: true })
    },
    openAlone: path => { browsers.push(launchAlone(server, siteUrl + path)) },
    close: async () => {
      for (const browser of browsers) await browser.close()
      server.closeAllConnections()
      await new Promise<unknown>(resolve => { server.close(resolve) })
    }
  }
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return site
}
