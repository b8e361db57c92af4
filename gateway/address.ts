// An address of a page, parsed once for all events that name it: a page's events come one after another.
import { remember } from '../config/bounded.ts'
import { registrableDomain } from './site.ts'

export interface PageAddress {
  /** http or https. */
  isWeb: boolean
  origin: string
  host: string
  hostname: string
  /** The registrable domain; undefined for IP addresses and bare hosts. */
  domain: string | undefined
  query: URLSearchParams
}

/** Longer ones are parsed each time, so that what is remembered stays small whatever is sent. */
const longestRemembered = 1000

function parse (text: string): PageAddress | null {
  const url = URL.parse(text)
  if (url === null) return null
  return {
    isWeb: url.protocol === 'http:' || url.protocol === 'https:',
    origin: url.origin,
    host: url.host,
    hostname: url.hostname,
    domain: registrableDomain(url.host),
    query: url.searchParams
  }
}

const parseOnce = remember(4000, parse)

/** The parts of an address as the URL standard reads it; null for what is none. */
export function readPageAddress (text: string | undefined): PageAddress | null {
  if (text === undefined || text === '') return null
  return text.length > longestRemembered ? parse(text) : parseOnce(text)
}
