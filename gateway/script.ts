// GET /s.js, /s.<hash>.js and /s.json: the browser script with the site's public settings and modules in it.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { effective } from '../schema/consent.ts'
import { remember } from '../config/bounded.ts'
import { embedSite, type PublicSite } from './browser/public_site.ts'
import { header } from './door.ts'
import { readCountry } from './enrich.ts'
import { siteOf } from './gateway.ts'
import { visitorOf } from './proxies.ts'
import { hostName, registrableDomain, type GatewaySite } from './site.ts'

/** The committed parts of the script: the bundle with its placeholders, and the modules by name. */
export interface ScriptParts { core: string, modules: ReadonlyMap<string, string> }

/** The parts: beside this file in a checkout, in the sources' folder from dist/gateway/. */
export async function readScriptParts (): Promise<ScriptParts> {
  const near = new URL('browser/dist/', import.meta.url)
  const folder = existsSync(new URL('s.js', near)) ? near : new URL('../../gateway/browser/dist/', import.meta.url)
  const core = await readFile(new URL('s.js', folder), 'utf8')
  const names = (await readdir(new URL('modules/', folder))).filter(name => name.endsWith('.js')).sort()
  const modules = await Promise.all(names.map(async name =>
    [name.slice(0, -3), (await readFile(new URL(`modules/${name}`, folder), 'utf8')).trim()] as const))
  return { core, modules: new Map(modules) }
}

/** What the script may know. `by_country` is answered for the visitor's country. */
export function publicSite (site: GatewaySite, host: string, country: string | undefined): PublicSite {
  const unsaid = effective({ country }, site.rule)
  const domain = registrableDomain(host)
  const isWithin = (origin: string) => registrableDomain(new URL(origin).host) === domain
  return {
    consent: unsaid.ad_storage === 'granted' ? 'opt_out' : 'opt_in',
    gpc: site.rule.gpc,
    // A page of another domain could not set a cookie for this one, so there its own host has to do.
    cookie_domain: domain !== undefined && site.origins.every(isWithin) ? domain : '',
    secure: site.origins.every(origin => origin.startsWith('https:')),
    consent_cookie: site.cookies.consent,
    consent_days: site.consentDays
  }
}

/** The modules of a site's script: those it names, and `cookies` where its pages are of another domain. */
export function modulesOf (site: GatewaySite, host: string): string[] {
  const domain = registrableDomain(host) ?? hostName(host)
  const isWithin = (origin: string) => {
    const { host: ofPage } = new URL(origin)
    return (registrableDomain(ofPage) ?? hostName(ofPage)) === domain
  }
  return [...new Set([...site.scriptModules, ...site.origins.every(isWithin) ? [] : ['cookies']])].sort()
}

/** One version of the script, as it is sent. */
interface ServedScript {
  bytes: Record<'identity' | 'gzip' | 'br', Buffer>
  /** 16 hexadecimal digits: part of an address that always has the same content. */
  hash: string
  integrity: string
}

function prepareScript (body: string): ServedScript {
  const identity = Buffer.from(body)
  return {
    bytes: { identity, gzip: gzipSync(identity, { level: 9 }), br: brotliCompressSync(identity) },
    hash: createHash('sha256').update(identity).digest('hex').slice(0, 16),
    integrity: `sha384-${createHash('sha384').update(identity).digest('base64')}`
  }
}

type Encoding = keyof ServedScript['bytes']

/** The smallest encoding that the client takes. */
function chooseEncoding (accepted: string): Encoding {
  const takes = (name: string) =>
    accepted.split(',').some(one => new RegExp(`^\\s*${name}\\s*(;\\s*q=(?!0(\\.0*)?\\s*$).*)?$`, 'i').test(one))
  return takes('br') ? 'br' : takes('gzip') ? 'gzip' : 'identity'
}

function sendScript (request: FastifyRequest, reply: FastifyReply, script: ServedScript, cacheControl: string):
FastifyReply {
  const encoding = chooseEncoding(header(request, 'accept-encoding') ?? '')
  const etag = `"${script.hash}${encoding === 'identity' ? '' : `-${encoding}`}"`
  reply.headers({
    etag,
    vary: 'Host, Accept-Encoding',
    'cache-control': cacheControl,
    // Any page may check the bytes (SRI) and take them: there is nothing secret in them.
    'access-control-allow-origin': '*',
    'cross-origin-resource-policy': 'cross-origin'
  })
  if (encoding !== 'identity') reply.header('content-encoding', encoding)
  if (header(request, 'if-none-match')?.split(',').some(one => one.trim().replace(/^W\//, '') === etag) === true) {
    return reply.status(304).send()
  }
  return reply.type('text/javascript; charset=utf-8').send(script.bytes[encoding])
}

function assembleScript ({ core, modules }: ScriptParts, site: PublicSite, names: readonly string[]): string {
  return embedSite(core, site, names.map(name => {
    const module = modules.get(name)
    if (module === undefined) throw new Error(`the script has no module ${name}`)
    return module
  }))
}

/** What `/s.json` says on a host of the site: the script's address that always has these bytes, and their digest. */
export function pinScript (parts: ScriptParts, site: GatewaySite, host: string): { src: string, integrity: string } {
  const { hash, integrity } = prepareScript(assembleScript(parts, publicSite(site, host, undefined),
    modulesOf(site, host)))
  return { src: `s.${hash}.js`, integrity }
}

/**
 * Adds the routes. `/s.js` is the newest script, kept for five minutes. `/s.<hash>.js` is exactly these bytes for ever,
 * for pages with `integrity`; under a hash of other bytes it leads to `/s.js`, so that a page without `integrity` goes
 * on. `/s.json` names the address and the integrity of now. With `by_country` the pinned script is that of opt-in.
 */
export function addScriptRoutes (app: FastifyInstance, { core, modules }: ScriptParts): void {
  const assemble = remember(200, key => {
    const { site, names } = JSON.parse(key) as { site: PublicSite, names: string[] }
    return prepareScript(assembleScript({ core, modules }, site, names))
  })
  const scriptFor = (request: FastifyRequest, country?: string) => {
    const site = siteOf(request)
    const { host } = request
    return assemble(JSON.stringify({ site: publicSite(site, host, country), names: modulesOf(site, host) }))
  }

  app.get('/s.js', async (request, reply) => {
    const site = siteOf(request)
    const isTrusted = site.countryHeader !== undefined && visitorOf(request).isForwarded
    const country = isTrusted ? readCountry(header(request, site.countryHeader ?? '')) : undefined
    // By country the file differs between visitors, so only their own browsers may keep it.
    const scope = site.rule.consent === 'by_country' ? 'private' : 'public'
    return sendScript(request, reply, scriptFor(request, country), `${scope}, max-age=300`)
  })

  app.get<{ Params: { hash: string } }>('/s.:hash([0-9a-f]{16}).js', async (request, reply) => {
    const script = scriptFor(request)
    if (request.params.hash === script.hash) {
      return sendScript(request, reply, script, 'public, max-age=31536000, immutable')
    }
    // Relative: behind a reverse proxy the script may lie in a folder.
    return reply.headers({ location: 's.js', 'access-control-allow-origin': '*' }).status(302).send()
  })

  app.get('/s.json', async (request, reply) => {
    const { hash, integrity } = scriptFor(request)
    reply.headers({ 'cache-control': 'no-cache', vary: 'Host', 'access-control-allow-origin': '*' })
    return { src: `s.${hash}.js`, integrity }
  })
}
