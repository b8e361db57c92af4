// Page views: the first, each move of a router (History and Navigation API), each return from the back/forward cache.
import { guarded, listen } from './guard.ts'

/**
 * Calls `view` for each view of this document; after a move to another path with the address before it. That is a
 * moment later, so that the page has its new title, and what a redirect passes through is no view.
 */
export function watchViews (view: (previous?: string) => void): void {
  const settleMs = 99
  let here = location.href
  const look = guarded(() => {
    if (new URL(here).pathname !== location.pathname) {
      view(here)
      here = location.href
    }
  })
  const move = () => setTimeout(look, settleMs)
  view()
  listen('popstate', move)
  listen('pageshow', (event: PageTransitionEvent) => event.persisted && view())
  const navigation = (window as { navigation?: EventTarget }).navigation
  if (navigation) {
    navigation.addEventListener('currententrychange', move)
  } else {
    for (const name of ['pushState', 'replaceState'] as const) {
      const real = history[name]
      history[name] = (...given) => {
        move()
        real.apply(history, given)
      }
    }
  }
}
