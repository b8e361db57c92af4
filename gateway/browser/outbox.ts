// The events that wait in memory: for a grant, for the one request in flight, or for another try. Nothing is stored.
import { guarded } from './guard.ts'

/** An event body of `POST /v1/e` (design.md), as far as it is known when it happens. */
export type PageEvent = Record<string, unknown>

export interface Outbox {
  add: (event: PageEvent) => void
  /** Sends what waits. When the page is about to go, without waiting for the request in flight. */
  flush: (leaving?: boolean) => void
  /** Forgets everything, also what is in flight and would have been tried again. */
  empty: () => void
}

/**
 * Keeps events in order: one request at a time, tried again after 2, 4, 8 … seconds or with the next event. Over fifty
 * waiting events the oldest go, except the first, which is the landing.
 * `isOpen` says whether events may be sent now; `complete` adds what may be read only then; `post` settles with false
 * when the batch is to be tried again; `later` is setTimeout.
 */
export function openOutbox (
  isOpen: () => boolean,
  complete: (event: PageEvent) => PageEvent,
  post: (body: string, settle: (done: boolean) => void) => void,
  later: (run: () => void, delayMs: number) => unknown = setTimeout
): Outbox {
  // Numbers stand in functions: there the minifier puts them where they are used.
  const maxWaiting = 50
  /** A body stays so small that several fit into the browser's 64 KiB for keepalive requests. */
  const maxBodyCharacters = 16_000
  let waiting: PageEvent[] = []
  let inFlight = 0
  let failures = 0

  const flush = guarded((leaving?: boolean) => {
    while (waiting[0] && isOpen()) {
      if (inFlight && !leaving) return
      let count = waiting.length
      let body
      do body = JSON.stringify({ sent_at: Date.now(), events: waiting.slice(0, count).map(complete) })
      while (body.length > maxBodyCharacters && count > 1 && (count >>= 1))
      post(body, done => {
        inFlight--
        if (done) {
          failures = 0
          flush()
        } else {
          list.unshift(...batch)
          later(flush, 2000 * 2 ** failures++)
        }
      })
      // Only now: a fetch that the page has broken may have thrown.
      const list = waiting
      const batch = list.splice(0, count)
      inFlight++
    }
  })

  return {
    add (event) {
      waiting.push(event)
      if (waiting.length > maxWaiting) waiting.splice(1, 1)
      // After the task at hand, so that what happens together travels together.
      queueMicrotask(flush)
    },
    flush,
    empty () {
      // A new list: what is in flight would return to the old one.
      waiting = []
    }
  }
}
