// Module `engagement`: how long a page was really looked at, and how far down, told when the page is left.
import { listen } from '../guard.ts'
import type { Module } from '../index.ts'

/** One `user_engagement` per stay: `engagement_time_msec` while the page was visible, `percent_scrolled` at most. */
const engagement: Module = page => {
  const shortestMs = 1000
  let visibleSinceMs = document.hidden ? 0 : performance.now()
  let lookedAtMs = 0
  let scrolled = 0

  const measure = () => {
    const { scrollHeight } = document.documentElement
    scrolled = Math.max(scrolled, Math.min(100, Math.round((scrollY + innerHeight) / scrollHeight * 100)))
  }
  const pause = () => {
    if (visibleSinceMs) lookedAtMs += performance.now() - visibleSinceMs
    visibleSinceMs = 0
  }
  const tell = () => {
    pause()
    if (lookedAtMs < shortestMs) return
    page.track('user_engagement', { engagement_time_msec: Math.round(lookedAtMs), percent_scrolled: scrolled })
    lookedAtMs = 0
  }
  listen('scroll', measure)
  listen('load', measure)
  listen('pagehide', tell)
  listen('visibilitychange', () => {
    if (document.hidden) tell()
    else visibleSinceMs = performance.now()
  })
  measure()
}
export default engagement
