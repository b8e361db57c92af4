// How bytes leave the page: a kept-alive fetch that needs no preflight, and a beacon when nothing else is left.
import { guarded } from './guard.ts'

/** Posts to one endpoint. `settle` hears true when the gateway answered for good, false when it may be tried again. */
export type Post = (path: string, body: string | URLSearchParams, settle: (done: boolean) => unknown) => void

/**
 * Posts to the collector at `base` (ends with a slash). The browser itself labels a string `text/plain` and parameters
 * as a form: simple requests, one round trip across origins. `keepalive` lets them outlive the page, so that nothing
 * ever waits for them.
 */
export function openTransport (base: string): Post {
  /** The keepalive quota is 64 KiB for all requests in flight, in bytes; a character takes three at most. */
  const keepaliveCharacters = 20_000
  return (path, body, settle) => {
    fetch(base + path, {
      method: 'POST',
      body,
      credentials: 'include',
      keepalive: `${body}`.length < keepaliveCharacters
    }).then(
      guarded(answer => settle(!/^5|408|429/.test(`${answer.status}`))),
      // Refused, blocked or offline; or the page is being taken down and only says so, while the browser goes on with
      // the request. In a task of its own: then there is no page left that could send it twice.
      () => setTimeout(guarded(() => {
        // A beacon says `true` even when it is blocked, so the caller keeps what it had.
        if (document.hidden) navigator.sendBeacon(base + path, body)
        settle(false)
      }))
    )
  }
}
