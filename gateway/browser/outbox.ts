// The events that wait: for a grant, for the one request in flight, or for another try.
import { guarded } from './guard.ts'
import { post } from './transport.ts'
import { base, isRefused, keepEvents, maySend, tellChoice } from './visitor.ts'

/** An event body of `POST /v1/e` (design.md), as far as it is known when it happens. */
export type PageEvent = Record<string, unknown>

export type Outbox = [
  add: (event: PageEvent) => void,
  /**
   * Sends what waits. When the page is about to go, without waiting for the request in flight. After a refusal it
   * forgets everything instead, also what is in flight and would have been tried again.
   */
  flush: (leaving?: unknown) => void
]

/**
 * Keeps events in order: one request at a time, tried again after 2, 4, 8 … seconds or with the next event, or by a
 * later page. Over fifty waiting events the oldest go, except the first, which is the landing. A new choice is told to
 * the gateway when nothing is left to send or in flight, and when the page is about to go.
 * `complete` adds to an event what may be read only when it is sent.
 */
export function openOutbox (complete: (event: PageEvent) => PageEvent): Outbox {
  // Numbers stand in functions: there the minifier puts them where they are used.
  const maxWaiting = 50
  const maxBodyCharacters = 16_000
  /** The browser's quota for all requests that may outlive their page is 64 KiB; a character takes three at most. */
  const maxLeavingCharacters = 20_000
  let waiting: PageEvent[] = []
  let inFlight = 0
  let failures = 0
  /** The page was hidden or told to go: a task of its own may not come any more. One that comes back sends sooner. */
  let isLeaving: unknown

  const flush = guarded((leaving?: unknown): void => {
    isLeaving = leaving
    // A new list: what is in flight would return to the old one.
    if (isRefused()) waiting = []
    while (waiting[0] && maySend()) {
      let count = waiting.length
      let body: string
      do body = JSON.stringify({ sent_at: Date.now(), events: waiting.slice(0, count).map(complete) })
      while (body[maxBodyCharacters] && (count >>= 1))
      if (inFlight && (!leaving || inFlight + body.length > maxLeavingCharacters)) {
        if (leaving) keepEvents(waiting)
        return
      }
      // Before it is sent: while Firefox sends, it may tell the page that it is hidden, and that sends what waits.
      const list = waiting
      list.splice(0, count || 1)
      inFlight += body.length
      post(base + 'v1/e', body, done => {
        inFlight -= body.length
        if (!done) list.unshift(...(JSON.parse(body) as { events: PageEvent[] }).events)
        // After a success what waits is sent at once; kept as well, the next page would send it again.
        keepEvents(done ? [] : waiting)
        failures = done ? 0 : failures + 1
        setTimeout(flush, failures && 1000 << failures)
      })
    }
    if (!inFlight || leaving) tellChoice(leaving, flush)
  })

  return [event => {
    waiting.push(event)
    if (waiting[maxWaiting]) waiting.splice(1, 1)
    // After the task at hand: what happens together travels together, and the page's own tags have been called. WebKit
    // (its vendor is the one with the long name) ends after a week what tags write into cookies, unless the gateway's
    // answer comes after them (gateway/keeper.ts): there their libraries get the time to load. Asked after a grant.
    if (isLeaving) flush(1)
    else setTimeout(flush, maySend() && navigator.vendor?.[11] ? 2000 : 0)
  }, flush]
}
