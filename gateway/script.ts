// GET /s.js: the browser script, with the site's public settings in it.
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { effective } from '../schema/consent.ts'
import { remember } from './bounded.ts'
import { embedSite, type PublicSite } from './browser/public_site.ts'
import { header } from './door.ts'
import { readCountry } from './enrich.ts'
import { siteOf } from './gateway.ts'
import { hostName, registrableDomain, type Site } from './site.ts'

/** What the script may know. `by_country` is answered for the visitor's country. */
export function publicSite (site: Site, host: string, country: string | undefined): PublicSite {
  const unsaid = effective({ country }, site.rule)
  return {
    consent: unsaid.ad_storage === 'granted' ? 'opt_out' : 'opt_in',
    gpc: site.rule.gpc,
    cookie_domain: registrableDomain(host) ?? hostName(host),
    consent_cookie: site.cookies.consent,
    consent_days: site.consentDays
  }
}

/** Adds the route. `script` is the bundle with its placeholder. */
export function addScriptRoute (app: FastifyInstance, script: string): void {
  const serve = remember(200, settings => {
    const body = embedSite(script, JSON.parse(settings) as PublicSite)
    return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"` }
  })
  app.get('/s.js', async (request, reply) => {
    const site = siteOf(request)
    const isTrusted = site.countryHeader !== undefined && (request.ips ?? []).length > 1
    const country = isTrusted ? readCountry(header(request, site.countryHeader ?? '')) : undefined
    const { body, etag } = serve(JSON.stringify(publicSite(site, request.host, country)))
    reply.headers({
      etag,
      vary: 'Host',
      // By country the file differs between visitors, so only their own browsers may keep it.
      'cache-control': `${site.rule.consent === 'by_country' ? 'private' : 'public'}, max-age=300`,
      'access-control-allow-origin': '*',
      'cross-origin-resource-policy': 'cross-origin'
    })
    if (header(request, 'if-none-match')?.split(',').some(one => one.trim().replace(/^W\//, '') === etag) === true) {
      return reply.status(304).send()
    }
    return reply.type('text/javascript; charset=utf-8').send(body)
  })
}
