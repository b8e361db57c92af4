// The visitor's choice on this page: read from our one cookie, changed by the banner; and what may be kept meanwhile.
import { addAnswers, findChoice, isGranted, toConsent, type Marks } from './choice.ts'
import { guarded } from './guard.ts'
import { drawSeed } from './identifiers.ts'
import type { PageEvent } from './outbox.ts'
import type { EmbeddedSite } from './public_site.ts'
import { insist } from './transport.ts'

export const metaCookies = ['_fbp', '_fbc']

// One page has one visitor, so this is the module's own state: the bundle is a third smaller than with a parameter.
/** The folder that the script was served from, ending with a slash. */
export let base: string
/** `<first run in ms>.<random digits>`: from it the gateway makes the visitor while there is no cookie. */
export let seed: string
export let marks: Marks
export let gpc: boolean
export let gpcRule: number
export let metaPrefix: string
let unsaid: EmbeddedSite[0]
let cookieAttributes: string
let cookieName: string
let cookieSeconds: number
/** The gateway does not know of the choice yet: it holds a cookie that no script sees, and what came before. */
let isUntold: unknown
let isTelling: unknown

export const may = (at: number): boolean => isGranted(at, marks, unsaid, gpc, gpcRule)

/** Whether ad cookies and click ids may be read, written and sent. */
export const mayAds = (): boolean => may(0)

/** Whether events may be sent: the networks' personalisation alone allows nothing. */
export const maySend = (): boolean => may(0) || may(1) || may(3)

/** Whether both kinds of storage were answered, and nothing is allowed: nothing waits any longer. */
export const isRefused = (): boolean => !maySend() && /^\d..\d/.test(marks)

/** Whether the choice stays in the cookie: what allows something, and a refusal where silence would be a yes. */
const isKept = () => maySend() || unsaid

/** Writes a cookie of ours; Meta's live 90 days. */
export function writeCookie (name: string, value: string, seconds = 7_776_000): void {
  document.cookie = `${name}=${value};Max-Age=${seconds}${cookieAttributes}`
}

/** Learns the site and what the visitor chose on an earlier page. No other cookie is looked at. */
export function openVisitor (site: EmbeddedSite, script: string): void {
  [unsaid, gpcRule, cookieAttributes, cookieName, cookieSeconds, metaPrefix] = site
  base = new URL('.', script).href
  seed = drawSeed()
  gpc = !!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl
  marks = findChoice(document.cookie, cookieName)
  // Where silence is a no, a denial lies here only while the gateway has not confirmed it.
  isUntold = isRefused() && !isKept()
}

/** Keeps events for a later page, and gives back what an earlier one kept; only while events are allowed. */
export const keepEvents = guarded((events: PageEvent[]): PageEvent[] => {
  const kept = localStorage[cookieName] as string | undefined
  if (events[0] && maySend()) localStorage[cookieName] = JSON.stringify(events)
  else delete localStorage[cookieName]
  return JSON.parse(kept || '[]') as PageEvent[]
})

/**
 * Takes a choice, or a part of one; an unchanged one keeps its time, and `onChange` does not hear of it. Ad storage
 * taken back takes Meta's cookies with it. The cookie holds a revoke until the gateway has confirmed it.
 */
export function choose (given: unknown, onChange: () => void): void {
  const next = addAnswers(marks, given)
  if (next === marks) return
  const couldSend = maySend()
  const hadAds = mayAds()
  marks = next
  if (isKept() || couldSend) {
    isUntold = 1
    writeCookie(cookieName, `1.${marks}.${Date.now() / 1000 | 0}`, cookieSeconds)
  }
  if (hadAds && !mayAds()) for (const name of metaCookies) writeCookie(name, '', 0)
  if (couldSend && !maySend()) keepEvents([])
  onChange()
}

/**
 * Tells the gateway of a new choice: it renews or deletes cookies that scripts do not see, and stops what waits. One at
 * a time unless the page is `leaving`, and each try tells what holds by then: else a late repeat of a grant would bring
 * back what was revoked since.
 */
export function tellChoice (leaving: unknown, onTold: () => void): void {
  if (!isUntold || (isTelling && !leaving)) return
  isUntold = 0
  isTelling = 1
  insist(base + 'v1/consent', () => JSON.stringify({ consent: toConsent(marks), page_seed: seed }), () => {
    isTelling = 0
    if (!(isUntold || isKept())) writeCookie(cookieName, '', 0)
    onTold()
  })
}
