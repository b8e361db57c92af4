// How bytes leave the page: a kept-alive fetch that needs no preflight, and a beacon when nothing else is left.

/** Posts to one endpoint. `settle` hears true when the gateway answered for good, false when it may be tried again. */
export type Post = (path: string, body: string | URLSearchParams, settle: (done: boolean) => unknown) => void

/** The keepalive quota is 64 KiB for all requests in flight, in bytes; a character takes three at most. */
const keepaliveCharacters = 20_000

/**
 * Posts to the collector at `base` (ends with a slash). The browser itself labels a string `text/plain` and parameters
 * as a form: simple requests, one round trip across origins. `keepalive` lets them outlive the page, so that nothing
 * ever waits for them.
 */
export function openTransport (base: string): Post {
  return (path, body, settle) => {
    fetch(base + path, {
      method: 'POST',
      body,
      credentials: 'include',
      keepalive: `${body}`.length < keepaliveCharacters
    }).then(
      answer => !/^5|408|429/.test(`${answer.status}`),
      () => {
        // Refused, blocked or offline. A beacon says `true` even when it is blocked, so the caller keeps what it had:
        // should both arrive, the gateway knows the event by its id.
        if (document.hidden) navigator.sendBeacon(base + path, body)
        return false
      }
    ).then(settle).catch(console.debug)
  }
}
