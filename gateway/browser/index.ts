// The entry of the browser script that the gateway serves as `/s.js`: the tag, the queue stub, the first page_view.
//
// Install:  <script async src="https://t.example.com/s.js"></script>
// and, to call it before it has loaded:
//           window.postern = window.postern || function () { (postern.q = postern.q || []).push(arguments) }
//
// Calls:    postern('track', 'generate_lead', { value: 50, currency: 'EUR' })    or postern.track(…) → { event_id }
//           postern('consent', { ad_storage: 'granted', … the four keys … })     or postern.consent(…)
//           postern('privacy')                                                   or postern.privacy() → {gpc, honored}
// Tag:      data-page-view="off"     no page_view of its own
//
// Contract with the gateway: the bundle (dist/s.js) holds the literal "__POSTERN_SITE__", quotes included, exactly
// once. Serving the script, the gateway replaces it by the JSON of a PublicSite: embedSite() in public_site.ts. The
// script posts to `v1/e` and `v1/leads` in the folder that it was served from. Beside design.md's keys its events
// carry `page_seed` (`<first run in ms>.<18 digits>`, one per page load) and `gpc: true` where the browser says so.
import { guarded } from './guard.ts'
import { openPage, type Page } from './page.ts'
import type { PublicSite } from './public_site.ts'

type Command = (...command: unknown[]) => unknown
/** First the page's stub, which keeps its calls in `q`; then the script. `v` is set by the copy that starts. */
type Api = Command & Partial<Page> & { q?: unknown[][], v?: number }

declare global {
  interface Window { postern?: Api }
}

guarded((site: PublicSite) => {
  const tag = document.currentScript as HTMLScriptElement
  // A second copy stands down; so does a file that no gateway has put its site into.
  if (window.postern?.v || !site.consent_cookie) return
  const stub: Api = (window.postern ??= (...command: unknown[]) => (stub.q ??= []).push(command))
  stub.v = 1
  const base = new URL('.', tag.src).href

  const start = guarded(() => {
    const page = openPage(site, base)
    const run = guarded((name: unknown, ...given: unknown[]) => (page[name as keyof Page] as Command)(...given))
    const viewPage = () => tag.dataset.pageView === 'off' || page.track('page_view')
    window.postern = Object.assign(run, page, { v: 1 })
    viewPage()
    for (const command of stub.q ?? []) run.apply(null, command as [unknown])
    // Back from the back/forward cache: the same page load, seen again.
    addEventListener('pageshow', event => event.persisted && viewPage())
  })

  // A prerendered page may never be seen, so nothing happens before it is.
  if ((document as { prerendering?: boolean }).prerendering) document.addEventListener('prerenderingchange', start)
  else start()
})('__POSTERN_SITE__' as unknown as PublicSite)
