// What every route of the gateway works with.
import type { FastifyRequest } from 'fastify'
import type { GatewayLog, GatewayMetrics, Journal } from './journal.ts'
import type { Deps } from './receive.ts'
import type { Site } from './site.ts'

export interface Gateway extends Deps {
  logger: GatewayLog
  metrics: GatewayMetrics
  journal: Journal
  /** 18 random digits. */
  newRandom: () => string
  /** Throws Refusal(too_many) when the sender is over its limit. */
  refuseOverLimit: (request: FastifyRequest) => Promise<void>
  /** Counts a lead; true when its sender is over the limit. */
  isLeadOverLimit: (request: FastifyRequest) => Promise<boolean>
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The site of the request's host; null for hosts that are none. Set before anything else. */
    site: Site | null
  }
}

/** The site of a request on a route that only sites have. */
export function siteOf (request: FastifyRequest): Site {
  if (request.site === null) throw new Error('this route runs for sites only')
  return request.site
}
