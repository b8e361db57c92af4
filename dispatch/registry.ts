// The networks Postern can send to. A further one is its folder under destinations/ and one line here.
import type { Destination } from './destination.ts'
import ga4 from './destinations/ga4/destination.ts'
import googleAds from './destinations/google_ads/destination.ts'
import meta from './destinations/meta/destination.ts'
import tiktok from './destinations/tiktok/destination.ts'

export const destinations: readonly Destination[] = [
  meta,
  ga4,
  googleAds,
  tiktok
]

const byType = new Map(destinations.map(destination => [destination.type, destination]))

/** The destination of a type (`meta`); undefined if there is no such type. */
export function destinationOf (type: string): Destination | undefined {
  return byType.get(type)
}
