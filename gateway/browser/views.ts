// Page views inside one document: what routers do with the History and Navigation APIs.
import { guarded } from './guard.ts'

/**
 * Calls `view` after each move to another path. A moment later, so that the page has its new title, and what a redirect
 * passes through is no view.
 */
export function watchViews (view: () => void): void {
  const settleMs = 99
  let path = location.pathname
  let timer: unknown
  const look = guarded(() => {
    timer = 0
    if (path !== location.pathname) {
      path = location.pathname
      view()
    }
  })
  const move = () => (timer ||= setTimeout(look, settleMs))
  const push = history.pushState
  addEventListener('popstate', move)
  const navigation = (window as { navigation?: EventTarget }).navigation
  if (navigation) {
    navigation.addEventListener('currententrychange', move)
  } else {
    history.pushState = function (...given) {
      move()
      push.apply(this, given)
    }
  }
}
