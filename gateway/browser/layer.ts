// The page's dataLayer and DOM events: consent commands come in, the ids of our events go out to the page's own tags.
import { readCommand, type Said } from './choice.ts'
import { guarded } from './guard.ts'

declare global {
  interface Window { dataLayer?: unknown[] }
}

/** The page's dataLayer, made if there is none yet. */
const openLayer = (): unknown[] => (window.dataLayer ??= [])

/**
 * Hands every `gtag('consent', 'update', …)` to `hear`, those already in the dataLayer included. `default` commands are
 * the site's settings and not the visitor's choice, so they are not heard.
 */
export const listenToLayer = guarded((hear: (said: Said) => void): void => {
  const layer = openLayer()
  const read = guarded((entries: unknown[]) => {
    for (const entry of entries) hear(readCommand(entry))
  })
  read(layer)
  const push = layer.push
  layer.push = function (...entries) {
    // The page's own push comes first and its result is kept, whatever becomes of us.
    const result = push.apply(this, entries)
    read(entries)
    return result
  }
})

/** Tells the page of an event, so that its own tags can report it under the same id. */
export const announce = guarded((name: string, eventId: string, params: Record<string, unknown> | undefined): void => {
  document.dispatchEvent(new CustomEvent('postern:event', { detail: { event_name: name, event_id: eventId, params } }))
  openLayer().push({ event: 'postern.' + name, event_id: eventId })
})
