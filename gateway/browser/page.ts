// One page load: the landing, the consent, the events. Wires the parts of the script to the browser.
import { readChoice, type Said } from './choice.ts'
import { guarded } from './guard.ts'
import { drawDigits, eventIdFor, findClickIds } from './identifiers.ts'
import { announce, listenToLayer } from './layer.ts'
import { assistLeadForms } from './lead_forms.ts'
import { openOutbox, type PageEvent } from './outbox.ts'
import type { PublicSite } from './public_site.ts'
import { openTransport } from './transport.ts'
import { allowed, choose, gpc, metaCookies, openVisitor, readCookies, said, writeMetaCookies } from './visitor.ts'

export interface Page {
  track: (name: string, params?: Record<string, unknown>) => { event_id: string }
  consent: (choice: unknown) => void
  privacy: () => { gpc: boolean, honored: boolean }
}

/** What a lead post should carry, by the name of its form field; '' for what was allowed before and is not now. */
function hiddenValues (clickIds: Record<string, string>): Record<string, string> {
  const jar = readCookies('ads')
  const values: Record<string, string> = { postern_page: location.href }
  for (const [key, state] of Object.entries(said)) values['postern_consent_' + key] = state
  for (const [param, value] of Object.entries(clickIds)) values['postern_click_' + param] = allowed.ads ? value : ''
  for (const name of metaCookies) values['postern' + name] = jar[name] ?? ''
  return values
}

/** Starts the script on a page. `base` is the folder it was served from, ending with a slash. */
export function openPage (site: PublicSite, base: string): Page {
  openVisitor(site)
  const startedAtMs = Date.now()
  const random = drawDigits()
  const { referrer } = document
  const clickIds = findClickIds(location.href + (referrer.startsWith(location.origin + '/') ? ' ' + referrer : ''))
  const post = openTransport(base)

  /** Cookies, click ids and the device are read here and not earlier: only when sending is allowed. */
  const complete = (event: PageEvent): PageEvent => ({
    ...event,
    language: navigator.language,
    screen_resolution: `${screen.width}x${screen.height}`,
    click_ids: allowed.ads ? clickIds : undefined,
    cookies: { ...readCookies('ads'), ...readCookies('analytics') },
    consent: said,
    gpc,
    browser_tags: { meta: window.fbq ? 'unknown' : 'absent' },
    page_seed: `${startedAtMs}.${random}`
  })
  const outbox = openOutbox(() => allowed.events, complete, (body, done) => post('v1/e', body, done))

  const settle = () => {
    writeMetaCookies(startedAtMs, random, clickIds.fbclid)
    if (allowed.refused) outbox.empty()
    outbox.flush()
  }
  const hear = (given: Said) => choose(given, settle)

  const remember = guarded((event: PageEvent) => {
    // A copy: what the page changes afterwards is another event.
    if (!allowed.refused) outbox.add(JSON.parse(JSON.stringify(event)) as PageEvent)
  })

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

  settle()
  listenToLayer(hear)
  assistLeadForms(base, post, () => hiddenValues(clickIds), track)
  for (const moment of ['pagehide', 'visibilitychange']) addEventListener(moment, () => outbox.flush(true))

  return {
    track,
    consent: guarded(choice => hear(readChoice(choice))),
    privacy: () => ({ gpc, honored: allowed.honored })
  }
}
