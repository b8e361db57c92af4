// Module `tags`: what the page's own tags of ad networks did with an event; and calls them, where the site wants that.
import { listen } from '../guard.ts'
import type { Module } from '../index.ts'
import type { PageEvent } from '../outbox.ts'
import { nameForPixels } from './pixel_names.ts'

type Words = ArrayLike<unknown>
type Call = (...words: unknown[]) => unknown
interface Fbq extends Call { callMethod?: Call, queue?: Words[] }
interface Tags {
  fbq?: Fbq
  ttq?: { track: (name: string, params: object, options: object) => void }
  gtag?: Call
  google_tag_data?: unknown
}

/** The function that a page with the network's tag has, by destination type. */
const functions: Record<string, string> = {
  meta: 'fbq',
  tiktok: 'ttq',
  google_ads: 'gtag',
  ga4: 'gtag',
  snapchat: 'snaptr',
  pinterest: 'pintrk',
  linkedin: 'lintrk',
  reddit: 'rdt',
  x: 'twq',
  microsoft: 'uetq'
}

/** A call belongs to an event of the same few seconds; before that a tag that is not there yet may still come. */
const nearMs = 3000

interface Seen { tag: string, words: unknown[], atMs: number }

const own = window as unknown as Tags & Record<string, unknown>
let seen: Seen[] = []
let watched: unknown
let readFromQueue = 0
const startedAtMs = Date.now()

const note = (tag: string, words: Words) => {
  seen = seen.filter(({ atMs }) => atMs > Date.now() - nearMs)
  seen.push({ tag, words: Array.from(words), atMs: Date.now() })
}

/**
 * Before Meta's pixel has loaded, its stub keeps the calls in a list that anyone may read; afterwards it hands them
 * to a method that we stand before.
 */
const watchMeta = () => {
  const { fbq } = own
  const call = fbq?.callMethod
  if (!fbq) return
  if (!call) {
    for (const words of fbq.queue?.slice(readFromQueue) ?? []) note('fbq', words)
    readFromQueue = fbq.queue?.length ?? 0
  } else if (call !== watched) {
    watched = fbq.callMethod = function (this: unknown, ...words) {
      note('fbq', words)
      return call.apply(this, words)
    }
  }
}
/** Google's tags take their calls from the dataLayer, as the arguments of gtag(). */
let readFromLayer = 0
const watchGoogle = () => {
  const layer = (own as { dataLayer?: unknown[] }).dataLayer ?? []
  for (const entry of layer.slice(readFromLayer)) {
    if ((Object(entry) as Words)[0] === 'event') note('gtag', entry as Words)
  }
  readFromLayer = layer.length
}
const watch = () => {
  watchMeta()
  watchGoogle()
}

/** The ids that near calls of a tag carried for this event: '' for a call without one. */
const idsSeen = (type: string, event: PageEvent): unknown[] => {
  const tag = functions[type]
  const [ownName, pixelName = ownName] = nameForPixels(`${event.event_name}`)
  const name = tag !== 'gtag' ? pixelName : type === 'ga4' ? ownName : 'conversion'
  const key = tag === 'fbq' ? 'eventID' : tag === 'gtag' ? 'transaction_id' : 'event_id'
  return seen.filter(call => call.tag === tag && call.words.includes(name))
    .map(call => call.words.map(word => (Object(word) as Record<string, unknown>)[key]).find(id => id) ?? '')
}

const stateOf = (type: string, event: PageEvent): string => {
  const tag = functions[type] ?? ''
  const isGoogle = tag === 'gtag'
  const ids = idsSeen(type, event)
  if (ids.includes(isGoogle && event.transaction_id ? event.transaction_id : event.event_id)) return 'sent_with_id'
  if (ids.some(id => id)) return 'sent_other_id'
  if (ids.length > 0) return 'sent_without_id'
  const hasLoaded = tag === 'fbq' ? own.fbq?.callMethod : isGoogle ? own.google_tag_data : own[tag]
  const isSettled = document.readyState === 'complete' && Date.now() > Math.max(startedAtMs, changedAtMs) + nearMs
  return hasLoaded || !isSettled ? 'unknown' : own[tag] ? 'blocked' : 'absent'
}

/** When the choice changed: tags that wait for it come a little later. */
let changedAtMs = 0
let hadAds: boolean | undefined
const called = new Set<unknown>()
/** What `data-tags` names. */
let wanted = ''

/** Calls the tags that `data-tags` names under the event's id, once; not where the page calls the tag itself. */
const call = (event: PageEvent) => {
  const { event_id: id, value, currency, items, transaction_id: order } = event
  const [name, pixelName] = nameForPixels(`${event.event_name}`)
  if (called.has(id) || !pixelName || name === 'page_view') return
  called.add(id)
  // Nothing that could be personal goes along.
  const params = { value, currency }
  const may = (type: string) => wanted.includes(type) && idsSeen(type === 'google' ? 'ga4' : type, event).length === 0
  if (may('meta')) own.fbq?.('track', pixelName, params, { eventID: id })
  if (may('tiktok') && own.ttq) {
    own.ttq.track(pixelName, params, { event_id: id })
    note('ttq', [pixelName, { event_id: id }])
  }
  if (may('google')) own.gtag?.('event', name, { ...params, items, transaction_id: order ?? id })
}

/** Watches and never replaces: what was not seen for certain is `unknown`. */
const tags: Module = (page, options) => {
  const next = page.tags
  wanted = options.tags ?? ''
  page.tags = (event, may) => {
    if (hadAds === false && may(0)) changedAtMs = Date.now()
    hadAds = may(0)
    watch()
    if (may(0)) call(event)
    watch()
    const states: Record<string, string> = { ...next?.(event, may) }
    for (const type in functions) states[type] = stateOf(type, event)
    return states
  }
  watch()
  listen('load', watch)
  listen('postern:event', watch)
  listen('submit', watch)
}
export default tags
