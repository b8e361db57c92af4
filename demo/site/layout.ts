// The frame of every demo page: the DEMO ribbon, navigation, consent banner, and the scripts that a client's site has.
import { html, type Fill, type Html } from './html.ts'

/** What the pages know of the site they belong to. */
export interface SiteFacts {
  /** Origin of the gateway, without a slash at the end. */
  gatewayUrl: string
  /** Origin of the fake networks. */
  fakesUrl: string
  pixelId: string
  /** The other networks' tags; without them the page has Meta's pixel alone. */
  tags?: SiteTags
  consentText: string
  /** Attributes of the Postern script tag, e.g. `data-page-view`. */
  scriptAttributes: Record<string, string>
}

/** Accounts that the stand-in tags report to. */
export interface SiteTags {
  tiktokPixel: string
  googleCustomer: string
  /** The conversion action of each event. */
  googleActions: { generate_lead: string, purchase: string }
  measurementId: string
}

export interface Page {
  title: string
  body: Html
  /** Without them a page works as it does for a browser that runs no scripts. */
  scripts: boolean
  /** Put into the head, e.g. a refresh. */
  head?: Html
}

const changeChoice = html`<button type="button" class="link" data-open-consent>Change your cookie choice</button>`

/** The whole document of a page. */
export function frame (facts: SiteFacts, { title, body, scripts, head }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · Sunfold Roofs (DEMO)</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
${head}${scripts ? scriptTags(facts) : undefined}
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<p class="ribbon"><strong>DEMO</strong> Sunfold Roofs does not exist. Nothing you type leaves this computer.</p>
<header class="top">
<a class="brand" href="/"><svg viewBox="0 0 32 32" aria-hidden="true"><path d="M3 22 16 7l13 15z"/>
<circle cx="25" cy="7" r="4"/></svg>Sunfold Roofs <small>DEMO</small></a>
<nav aria-label="Pages"><a href="/">Offer</a> <a href="/shop">Shop</a> <a href="/nojs">Without scripts</a>
<a href="/journey">Journey</a></nav>
</header>
<main id="main">
${body}
</main>
<footer>
<p><strong>DEMO</strong> of Postern: a fictional client's site with a stand-in pixel and fake ad networks.
${scripts ? changeChoice : undefined}</p>
</footer>
${scripts ? banner(facts.consentText) : undefined}
</body>
</html>
`.html
}

/** First the page's own script with the queue stubs, then what an agency pastes in: tag manager, Postern, pixel. */
function scriptTags ({ gatewayUrl, fakesUrl, pixelId, tags, scriptAttributes }: SiteFacts): Html {
  const attributes = Object.entries(scriptAttributes).map(([name, value]) => html` ${name}="${value}"`)
  const others = tags === undefined
    ? undefined
    : html`<script src="/tags.js" data-endpoint="${fakesUrl}" data-tiktok-pixel="${tags.tiktokPixel}"
 data-google-customer="${tags.googleCustomer}" data-measurement-id="${tags.measurementId}"></script>
`
  const { generate_lead: lead, purchase } = tags?.googleActions ?? {}
  const actions = lead && html` data-lead-action="${lead}" data-purchase-action="${purchase}"`
  return html`${others}<script src="/site.js" data-pixel-id="${pixelId}"></script>
<script src="/tag.js"${actions}></script>
<script async src="${gatewayUrl}/s.js"${attributes}></script>
<script async src="/pixel.js" data-endpoint="${fakesUrl}/meta/tr"></script>`
}

function banner (text: string): Html {
  return html`<section class="banner" id="consent" role="region" aria-label="Cookie choice (demo)" hidden>
<p><strong>DEMO: your choice.</strong> ${text}</p>
<div class="choices"><button type="button" data-consent-choice="denied">Decline</button>
<button type="button" data-consent-choice="granted">Accept</button></div>
</section>`
}

export interface Field {
  name: string
  label: string
  type?: string
  autocomplete?: string
  required?: boolean
}

/** A labelled input. */
export function field ({ name, label, type = 'text', autocomplete = 'off', required = false }: Field): Html {
  const mark = required ? html` <span>(required)</span>` : undefined
  const flag = required ? html` required` : undefined
  return html`<div class="field"><label for="f-${name}">${label}${mark}</label>
<input id="f-${name}" name="${name}" type="${type}" autocomplete="${autocomplete}"${flag}></div>`
}

/** A hidden input. */
export function hidden (name: string, value: Fill): Html {
  return html`<input type="hidden" name="${name}" value="${value}">`
}
