// The page's dataLayer, consent mode and DOM events: choices come in, the ids of our events go out to the page's tags.
import { consentCookieKeys } from '../../schema/consent_cookie.ts'
import { guarded } from './guard.ts'

declare global {
  interface Window { fbq?: unknown, dataLayer?: unknown[], google_tag_data?: { ics?: ConsentModeState } }
}

/** Google consent mode's own state, which tag managers' templates change without a dataLayer command. */
interface ConsentModeState {
  entries?: Record<string, { update?: boolean } | undefined>
  addListener?: (keys: readonly string[], listener: () => void) => void
}

/** The page's dataLayer, made if there is none yet. */
const openLayer = (): unknown[] => (window.dataLayer ??= [])

/**
 * Hands every `gtag('consent', 'update', …)` to `hear`, those already in the dataLayer included, and what templates of
 * a tag manager tell consent mode directly. `default` commands are the site's settings and not the visitor's choice.
 */
export const listenToLayer = guarded((hear: (answers: unknown) => void): void => {
  const layer = openLayer()
  let isListening: unknown

  const readMode = () => {
    const mode = window.google_tag_data?.ics
    hear(mode?.entries)
    if (mode && !isListening) {
      isListening = 1
      mode.addListener?.(consentCookieKeys, readMode)
    }
  }
  const read = guarded((entries: unknown[]) => {
    for (const words of entries as Array<ArrayLike<unknown> | undefined>) {
      if (words?.[0] === 'consent' && words[1] === 'update') hear(words[2])
    }
    readMode()
  })
  read(layer)
  const push = layer.push
  layer.push = (...entries) => {
    // The page's own push comes first and its result is kept, whatever becomes of us.
    const result = push.apply(layer, entries)
    read(entries)
    return result
  }
})

/** Tells the page of an event, so that its own tags can report it under the same id. */
export const announce = guarded((name: string, eventId: string, params: Record<string, unknown> | undefined): void => {
  document.dispatchEvent(new CustomEvent('postern:event', { detail: { event_name: name, event_id: eventId, params } }))
  openLayer().push({ event: 'postern.' + name, event_id: eventId })
})
