// One page load: the landing, the consent, the events. Wires the parts of the script to the browser.
import { toConsent } from './choice.ts'
import { guarded, listen } from './guard.ts'
import { eventIdFor, findClickIds, findCookie, makeMetaCookies } from './identifiers.ts'
import { announce, listenToLayer } from './layer.ts'
import { assistLeadForms } from './lead_forms.ts'
import { openOutbox, type PageEvent } from './outbox.ts'
import { watchViews } from './views.ts'
import {
  choose, gpc, gpcRule, isRefused, keepEvents, marks, may, mayAds, maySend, metaCookies, metaPrefix, seed, writeCookie
} from './visitor.ts'

export interface Page {
  /** Set by the copy of the script that starts. */
  v: number
  track: (name: string, params?: Record<string, unknown>) => { event_id: string }
  consent: (choice: unknown) => void
  privacy: () => { gpc: boolean, honored: boolean }
  /**
   * Set by a module that knows the page's own tags: what they did with an event that is about to be sent, by
   * destination type. It may add to the event, as far as `may` allows (choice.ts: by the place of the key).
   */
  tags?: (event: PageEvent, may: (at: number) => boolean) => Record<string, string> | undefined
}

/**
 * What consent allows a lead post to carry, by what follows `postern_` in its field's name; '' for what was allowed
 * before and is not now.
 */
function allowedValues (clickIds: Record<string, string>): Record<string, string> {
  const values: Record<string, string> = {}
  const consent: Record<string, string | undefined> = toConsent(marks)
  for (const key in consent) values['consent_' + key] = consent[key] ?? ''
  for (const param in clickIds) values['click_' + param] = mayAds() ? clickIds[param] as string : ''
  for (const name of metaCookies) values[name.slice(1)] = mayAds() ? findCookie(document.cookie, name) : ''
  return values
}

/** Starts the script on a page. `options` are the tag's attributes. */
export function openPage (options: DOMStringMap): Page {
  let { referrer } = document
  const clickIds = findClickIds(location.href + (referrer.startsWith(location.origin + '/') ? ' ' + referrer : ''))

  /** Click ids are added here and not earlier: only when sending is allowed. */
  const complete = (event: PageEvent): PageEvent => ({
    browser_tags: page.tags?.(event, may) ?? { meta: window.fbq ? 'unknown' : 'absent' },
    page_seed: seed,
    ...event,
    click_ids: mayAds() ? event.click_ids ?? clickIds : null,
    consent: toConsent(marks),
    gpc
  })
  const [add, flush] = openOutbox(complete)
  // A copy: what the page changes afterwards is another event.
  const remember = guarded((event: PageEvent) => isRefused() || add(JSON.parse(JSON.stringify(event)) as PageEvent))

  const settle = () => {
    // Before the pixel runs; where it is on the page already, the cookies are its own.
    if (mayAds() && !window.fbq) makeMetaCookies(document.cookie, metaPrefix, seed, clickIds.fbclid, writeCookie)
    flush()
  }
  const hear = guarded((given: unknown) => choose(given, settle))
  const track = (name: string, params?: Record<string, unknown>) => {
    const id = eventIdFor(name, params)
    remember({
      event_time: Date.now(),
      page_location: location.href,
      page_referrer: referrer,
      page_title: document.title,
      ...params,
      event_name: name,
      event_id: id
    })
    announce(name, id, params)
    return { event_id: id }
  }

  const page: Page = {
    v: 1,
    track,
    consent: hear,
    // Honoured is a signal that is followed: by the rule `limit` too, where events go with a restriction.
    privacy: () => ({ gpc, honored: gpc && !(gpcRule && mayAds()) })
  }

  if (maySend()) keepEvents([])?.forEach(add)
  settle()
  listenToLayer(hear)
  assistLeadForms(() => allowedValues(clickIds), track)
  listen('pagehide', flush)
  listen('visibilitychange', flush)
  if (options.pageView !== 'off') {
    watchViews(previous => {
      referrer = previous ?? referrer
      track('page_view')
    })
  }
  return page
}
