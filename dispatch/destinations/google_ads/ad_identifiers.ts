// `adIdentifiers`: the click that the event goes back to, and what is known of the landing after it.
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { isClickIdAlive } from '../../../schema/identity.ts'
import type { AdIdentifiers } from './payload.ts'

const kinds = ['gclid', 'gbraid', 'wbraid'] as const

/** One click id that is known of the visitor, and when the click was. */
interface Click { kind: typeof kinds[number], value: string, clickedAtMs: number }

/** Ids whose clicks are this close together came from one landing: a cookie's time is in seconds, by another clock. */
const sameLandingMs = 30_000
/** Beyond this a referrer or user agent is left out of the session attributes (google.md §2.7). */
const longestText = 4000

/** How Google's cookies hold a click id and the seconds of its click (google.md §5); milliseconds are malformed. */
const cookieForms: readonly { names: readonly string[], kind: Click['kind'], form: RegExp }[] = [
  { names: ['_gcl_aw'], kind: 'gclid', form: /^(?:GCL|1)\.(?<at>\d{9,10})\.(?<id>[\w-]+)(?:\.|$)/ },
  { names: ['_gcl_gb'], kind: 'wbraid', form: /^(?:GCL|1)\.(?<at>\d{9,10})\.(?<id>[\w-]+)(?:\.|$)/ },
  { names: ['FPGCLAW'], kind: 'gclid', form: /^2\.1\.k(?<id>[\w-]+)\$i(?<at>\d{9,10})(?:\$|$)/ },
  { names: ['FPGCLGB'], kind: 'wbraid', form: /^2\.1\.k(?<id>[\w-]+)\$i(?<at>\d{9,10})(?:\$|$)/ },
  { names: ['_gcl_ag', 'FPGCLAG'], kind: 'gbraid', form: /^2\.1\.k(?<id>[\w-]+)\$i(?<at>\d{9,10})(?:\$|$)/ }
]

type Facts = Pick<OutgoingEvent, 'click_ids' | 'cookies' | 'landing' | 'client' | 'received_at_ms'>

/**
 * The identifiers of the newest landing: its gclid, with its gbraid if it has one, else the newer of gbraid and wbraid.
 * gbraid and wbraid never go together, nor gclid and wbraid, and ids of different landings are never mixed
 * (google.md §10). Undefined where nothing is known.
 */
export function adIdentifiersOf (event: Facts, warnings: MapWarning[]): AdIdentifiers | undefined {
  const clicks = clicksOf(event, warnings)
  const identifiers: AdIdentifiers = { ...choose(clicks), sessionAttributes: sessionAttributesOf(event, clicks) }
  return Object.values(identifiers).every(value => value === undefined) ? undefined : identifiers
}

function choose (clicks: readonly Click[]): Pick<AdIdentifiers, Click['kind']> {
  const newestMs = Math.max(...clicks.map(click => click.clickedAtMs))
  const landing = clicks.filter(click => newestMs - click.clickedAtMs <= sameLandingMs)
  const newestOf = (kind: Click['kind']) => landing.filter(click => click.kind === kind)
    .toSorted((one, other) => other.clickedAtMs - one.clickedAtMs)[0]
  const [gclid, gbraid, wbraid] = kinds.map(newestOf)
  if (gclid !== undefined) return { gclid: gclid.value, gbraid: gbraid?.value }
  // At the same moment: a wbraid is made for clicks that lead to a website, a gbraid for those that lead to an app.
  const isGbraid = gbraid !== undefined && (wbraid === undefined || gbraid.clickedAtMs > wbraid.clickedAtMs)
  return isGbraid ? { gbraid: gbraid.value } : { wbraid: wbraid?.value }
}

/** Every click id that is known and alive, each with its click's time: the cookie's, where it holds the same id. */
function clicksOf (event: Facts, warnings: MapWarning[]): Click[] {
  const found = new Map<string, Click>()
  const add = (kind: Click['kind'], value: string, atMs: number, path: string) => {
    const clickedAtMs = Math.min(atMs, event.received_at_ms, found.get(`${kind} ${value}`)?.clickedAtMs ?? Infinity)
    if (isClickIdAlive(kind, clickedAtMs, event.received_at_ms)) {
      found.set(`${kind} ${value}`, { kind, value, clickedAtMs })
    } else {
      found.delete(`${kind} ${value}`)
      warnings.push({ path, code: 'past_its_life' })
    }
  }
  for (const kind of kinds) {
    const given = event.click_ids?.[kind]
    if (given !== undefined) add(kind, given.value, given.seen_at_ms, `click_ids.${kind}`)
  }
  for (const { names, kind, form } of cookieForms) {
    for (const name of names) {
      const cookie = event.cookies?.[name]
      if (cookie === undefined) continue
      const { id, at } = form.exec(cookie)?.groups ?? {}
      if (id === undefined || at === undefined) warnings.push({ path: `cookies.${name}`, code: 'malformed' })
      else add(kind, id, Number(at) * 1000, `cookies.${name}`)
    }
  }
  return [...found.values()]
}

/**
 * What is known of the landing, as base64url of a JSON object (google.md §2.7): only of one that an ad click led to,
 * which its `gad_*` keys say, or a click id of the same moment. No longer than a click id lives.
 */
function sessionAttributesOf (
  { landing, client, received_at_ms: receivedAtMs }: Facts, clicks: readonly Click[]
): string | undefined {
  if (landing === undefined || !isClickIdAlive('gclid', landing.seen_at_ms, receivedAtMs)) return undefined
  const { gad, seen_at_ms: seenAtMs, page_location: url, page_referrer: referrer } = landing
  const isOfAClick = clicks.some(click => Math.abs(click.clickedAtMs - seenAtMs) <= sameLandingMs)
  if (Object.keys(gad).length === 0 && !isOfAClick) return undefined
  const attributes = {
    ...gad,
    // Microseconds are beyond what a number holds exactly, and Google wants a text.
    session_start_time_usec: `${seenAtMs}000`,
    landing_page_url: url,
    landing_page_referrer: shortOf(referrer),
    landing_page_user_agent: shortOf(client?.user_agent)
  }
  return Buffer.from(JSON.stringify(attributes)).toString('base64url')
}

const shortOf = (text: string | undefined) => text !== undefined && text.length <= longestText ? text : undefined
