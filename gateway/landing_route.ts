// GET /v1/landing: a web server or an edge function tells of a page that is opened, and takes its cookies along.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { header } from './door.ts'
import { siteOf, type Gateway } from './gateway.ts'
import { captureLanding, keepLanding } from './landing.ts'
import { visitorOf } from './proxies.ts'
import type { Site } from './site.ts'

export const landingRoute = '/v1/landing'

/** As many cookies as deploy/nginx/path_page.conf has lines for. */
export const mostCookies = 24

/** A whole address, if it is a page of the site. */
function pageOf (given: string, site: Site): string | undefined {
  const url = URL.parse(given)
  if (url === null) return undefined
  return site.origin.has(url.origin) || (/^https?:$/.test(url.protocol) && site.hosts.includes(url.host))
    ? given
    : undefined
}

/**
 * The address that the visitor opened: X-Original-URI of a web server in front, whose host is the page's own, or
 * X-Postern-Page of a platform that proved itself, whose host is another. From anybody else neither is believed.
 */
function landedAt (request: FastifyRequest, site: Site): string | undefined {
  const { isForwarded, isProven } = visitorOf(request)
  const page = header(request, 'x-postern-page')
  if (isProven && page !== undefined) return pageOf(page, site)
  const path = header(request, 'x-original-uri')
  return isForwarded && path?.startsWith('/') === true ? `${request.protocol}://${request.host}${path}` : undefined
}

/**
 * Adds the route. Each Set-Cookie line of the page comes as X-Postern-Cookie-1, -2 …, because nginx passes on only one
 * header of a name; and with them what keeps the page out of caches. It is always 204: the page must not depend on it.
 */
export function addLandingRoute (app: FastifyInstance, gateway: Gateway): void {
  app.get(landingRoute, async (request, reply) => {
    const site = siteOf(request)
    const address = landedAt(request, site)
    const landing = address === undefined ? undefined : await captureLanding(request, address, gateway)
    if (landing !== undefined) {
      const { setCookies } = landing
      setCookies.slice(0, mostCookies).forEach((line, at) => { reply.header(`x-postern-cookie-${at + 1}`, line) })
      if (setCookies.length > 0) reply.header('x-postern-cache-control', 'private, no-store')
      if (setCookies.length > mostCookies) {
        gateway.logger.warn({ site: site.name, cookies: setCookies.length }, 'a page cannot take so many cookies')
      }
      keepLanding(landing, true, gateway)
    }
    return await reply.status(204).send()
  })
}
