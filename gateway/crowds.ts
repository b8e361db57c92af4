// Visitor ids that many people carry: a cache kept an answer with somebody's Set-Cookie and gave it to everybody.
import { createHash } from 'node:crypto'
import { keptCookie } from '../schema/kept_cookies.ts'
import { remember } from '../config/bounded.ts'
import { plainIp } from './enrich.ts'
import type { Incoming } from './receive.ts'

/** From how many places one id may come within a day. Who is wrongly taken for a crowd gets a new id, no more. */
export interface CrowdLimits { networks: number, addresses: number }

/** Somebody on the move changes address often, and network rarely; a crowd is everywhere at once. */
export const defaultCrowdLimits: CrowdLimits = { networks: 12, addresses: 48 }

const dayMs = 86_400_000
const watchedVisitors = 20_000

export interface Crowd { site: string, visitorId: string, networks: number, addresses: number }

export interface Crowds {
  /** Notes that a visitor's cookie came from an address; whether the id is a crowd's, from now on and for good. */
  isCrowd: (seen: { site: string, visitorId: string, address: string | undefined, nowMs: number }) => boolean
}

export interface CrowdOptions {
  /** Whether an id was found before, by any process. */
  isKnown: (visitorId: string) => boolean
  /** Hears of each new one once. */
  onFound: (crowd: Crowd) => void
  limits?: CrowdLimits
}

/** What crowds are remembered by; the id itself is 128 random bits, so nobody can guess it back. */
export function crowdDigest (visitorId: string): Buffer {
  return createHash('sha256').update(`crowd ${visitorId}`).digest().subarray(0, 16)
}

/** The eight groups of an IPv6 address. */
function groupsOf (address: string): string[] {
  const [head = '', tail] = address.split('::')
  const first = head === '' ? [] : head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length)
  return [...first, ...Array.from({ length: missing }, () => '0'), ...last].map(group => group.replace(/^0+(?=.)/, ''))
}

/** One person's place and the network around it: an address and its /24, or a /64 and its /48. */
export function placeOf (given: string | undefined): { place: string, network: string } | undefined {
  const address = plainIp(given)
  if (address === undefined) return undefined
  if (!address.includes(':')) return { place: address, network: address.slice(0, address.lastIndexOf('.')) }
  const groups = groupsOf(address)
  return { place: groups.slice(0, 4).join(':'), network: groups.slice(0, 3).join(':') }
}

interface Watched { sinceMs: number, places: Set<string>, networks: Set<string> }

/** Watches the last 20,000 visitors for a day each; memory is bounded by them and by the limits. */
export function openCrowds ({ isKnown, onFound, limits = defaultCrowdLimits }: CrowdOptions): Crowds {
  const watch = remember(watchedVisitors, (): Watched =>
    ({ sinceMs: Number.NEGATIVE_INFINITY, places: new Set(), networks: new Set() }))
  return {
    isCrowd ({ site, visitorId, address, nowMs }) {
      if (isKnown(visitorId)) return true
      const at = placeOf(address)
      if (at === undefined) return false
      const watched = watch(visitorId)
      if (nowMs - watched.sinceMs > dayMs) {
        watched.sinceMs = nowMs
        watched.places.clear()
        watched.networks.clear()
      }
      watched.places.add(at.place)
      watched.networks.add(at.network)
      const { places: { size: addresses }, networks: { size: networks } } = watched
      if (networks < limits.networks && addresses < limits.addresses) return false
      watched.places.clear()
      watched.networks.clear()
      onFound({ site, visitorId, networks, addresses })
      return true
    }
  }
}

/**
 * A request without what a crowd's cookies would say of it: the visitor, the keeper's memory and what it keeps, and
 * Meta's ids, all of which came with the answer that a cache kept. Everything else of the request stays.
 */
export function disownCrowd<T extends Omit<Incoming, 'posts' | 'sentAt' | 'isOverLimit'>> (
  incoming: T, nowMs: number, { crowds }: { crowds: Crowds }
): T {
  const { site, jar, visitorId, trust, browser } = incoming
  if (trust === 'signed' || visitorId === undefined) return incoming
  // A platform's rewrite comes from as many addresses as it has machines: those are no places of its visitor's.
  const address = incoming.isOfUnknownProxy === true ? undefined : browser.ip
  if (!crowds.isCrowd({ site: site.name, visitorId, address, nowMs })) return incoming
  const isKept = (name: string) => jar.has(site.cookies.keeper) && keptCookie(name) !== undefined
  const disowned = [...jar.keys()].filter(name =>
    [site.cookies.visitor, site.cookies.keeper, '_fbp', '_fbc'].includes(name) || isKept(name))
  const left = new Map([...jar].filter(([name]) => !disowned.includes(name)))
  return { ...incoming, jar: left, visitorId: undefined, disowned }
}
