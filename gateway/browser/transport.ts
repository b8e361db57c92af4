// How bytes leave the page: a kept-alive fetch that needs no preflight, and a beacon when nothing else is left.

/** Posts to an address. `settle` hears true when the gateway answered for good, false when it may be tried again. */
export type Post = (address: string, body: string | URLSearchParams, settle: (done: boolean) => unknown) => void

/**
 * The browser itself labels a string `text/plain` and parameters as a form: simple requests, one round trip across
 * origins. `keepalive` lets them outlive the page, so that nothing ever waits for them.
 */
export const post: Post = (address, body, settle) => {
  /** The keepalive quota is 64 KiB for all requests in flight, in bytes; a character takes three at most. */
  const keepaliveCharacters = 20_000
  // Asynchronous, so that a fetch that the page has broken fails as one that the network has.
  const send = async () => fetch(address, {
    method: 'POST',
    body,
    credentials: 'include',
    keepalive: !`${body}`[keepaliveCharacters]
  })
  send().then(
    answer => settle(!/^5|408|429/.test(answer.status + '')),
    // Refused, blocked or offline; or the page is being taken down and only says so, while the browser goes on with
    // the request. In a task of its own: then there is no page left that could send it twice.
    () => setTimeout(() => {
      // A beacon says `true` even when it is blocked, so the caller keeps what it had.
      if (document.hidden) navigator.sendBeacon(address, body)
      settle(false)
    })
  )
}

/** Posts until the gateway has answered for good, with growing pauses, what `body` then gives; then calls `onDone`. */
export function insist (
  address: string, body: () => string | URLSearchParams, onDone?: () => unknown, retryAfterMs = 3000
): void {
  post(address, body(), done =>
    done ? onDone?.() : setTimeout(insist, retryAfterMs, address, body, onDone, retryAfterMs * 2))
}
