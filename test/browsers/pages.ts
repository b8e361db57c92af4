// The pages of the browsers' site: an offer, a form of each kind, and a page where much happens.
import { allDenied, allGranted, collectorUrl, siteUrl, stub } from '../script_site.ts'

const tagOf = (base: string) => `<script async src="${base}/s.js"></script>`
const banner = `<button id="yes" onclick='postern("consent", ${JSON.stringify(allGranted)})'>yes</button>
  <button id="no" onclick='postern("consent", ${JSON.stringify(allDenied)})'>no</button>`
const head = (title: string, base: string) =>
  `<!doctype html><html lang="de"><head><title>${title}</title>${stub}${tagOf(base)}</head><body>${banner}`
const page = (body: string, base = collectorUrl) => `${head('Offer', base)}${body}</body></html>`

const answers = `<input name="email" type="email" required value="anna@example.com">
  <input name="roof" value="pitched"><button class="send">s</button>`

/** The landing's click ids, as an ad's link has them. */
export const clicks = { fbclid: 'IwAR0a_B-c', gclid: 'Cj0K.CQ-x', ttclid: 'E.C.P.abc' }
export const landing = '/offer?utm_source=ad&' + new URLSearchParams(clicks).toString()

/** Pages of www.example.com by path. */
export const pages: ReadonlyMap<string, string> = new Map([
  ['/offer', page(`<a id="next" href="/next">next</a>
    <button id="count" onclick="postern('track', 'add_to_cart', { value: 5, currency: 'EUR' })">c</button>
    <button id="route" onclick="history.pushState(null, '', '/offer/step2')">r</button>`)],
  ['/next', page('<a id="home" href="/offer">home</a>')],
  ['/own_form', page(`<form id="lead" method="post" action="/thanks" data-postern-lead>${answers}</form>`)],
  ['/gateway_form', page(`<form method="post" action="${collectorUrl}/v1/leads" data-postern-lead>
    <input type="hidden" name="postern_next" value="${siteUrl}/thanks">${answers}</form>`)],
  // Without the script, so that nothing of it counts what the form leads to.
  ['/thanks', '<!doctype html><title>Thanks</title>Thanks'],
  ['/busy', page(`<button id="count" onclick="postern('track', 'click', { round, n: ++clicks })">c</button>
    <a id="next" href="/thanks">next</a>
    <form id="lead" method="post" action="/thanks" data-postern-lead>${answers}</form>
    <script>let clicks = 0, round = location.search
      document.querySelector('a').onclick = () => { postern('track', 'navigated', { round }) }
      // The cookie is a witness: by then the page has been told the id.
      addEventListener('pagehide', () => {
        const { event_id: id } = postern.track('left', { round })
        document.cookie = 'left-' + id + '=1; Path=/; Secure'
      })</script>`)],
  ['/inside', page('', `${siteUrl}/_p`)]
])
