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
// Contract with the gateway: the bundle (dist/s.js) holds the literals "__POSTERN_SITE__" and "__POSTERN_MODULES__",
// quotes included, exactly once each. Serving the script, the gateway replaces them by an EmbeddedSite and by the
// site's modules: embedSite() in public_site.ts. The script posts to `v1/e`, `v1/leads` and `v1/consent` in the folder
// that it was served from. Beside design.md's keys its events carry `page_seed` (`<first run in ms>.<18 digits>`, one
// per page load) and `gpc: true` where the browser says so. What it does for a page is told in docs/script.md.
import { guarded, listen } from './guard.ts'
import { openPage, type Page } from './page.ts'
import type { EmbeddedSite } from './public_site.ts'
import { openVisitor } from './visitor.ts'

type Command = (...command: unknown[]) => unknown
/** First the page's stub, which keeps its calls in `q`; then the script. `v` is set by the copy that starts. */
type Api = Command & Partial<Page> & { q?: unknown[][] }

/** What a site can have on top: modules/*.ts. `options` are the script tag's `data-*` attributes. */
export type Module = (page: Page, options: DOMStringMap) => void

declare global {
  interface Window { postern?: Api }
}

guarded((site: EmbeddedSite, modules: Module[]) => {
  const tag = document.currentScript as HTMLScriptElement
  // A second copy stands down.
  if (window.postern?.v) return
  const stub: Api = (window.postern ??= (...command: unknown[]) => (stub.q ??= []).push(command))
  stub.v = 1

  const start = () => {
    openVisitor(site, tag.src)
    const page = openPage(tag.dataset)
    const run = guarded((name: unknown, ...given: unknown[]) => (page[name as keyof Page] as Command)(...given))
    window.postern = Object.assign(run, page)
    modules.forEach(module => guarded(module)(page, tag.dataset))
    stub.q?.forEach(command => run(...command as [unknown]))
  }

  // A prerendered page may never be seen, so nothing happens before it is.
  if ((document as { prerendering?: boolean }).prerendering) listen('prerenderingchange', start)
  else start()
})('__POSTERN_SITE__' as unknown as EmbeddedSite, ['__POSTERN_MODULES__'] as unknown as [])
