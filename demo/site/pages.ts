// The demo site's pages: the offer with its lead form, the same without scripts, a small shop, and two thank-you pages.
import { html, type Html } from './html.ts'
import { field, hidden, type Page, type SiteFacts } from './layout.ts'

export interface Order {
  transaction_id: string
  value: number
  currency: string
  items: { item_id: string, item_name: string, price: number, quantity: number }[]
}

/** What the shop sells: one kit at one price. */
export function orderOf (transactionId: string): Order {
  const kit = { item_id: 'balcony-800', item_name: 'Balcony kit 800 W', price: 149.9, quantity: 1 }
  return { transaction_id: transactionId, value: kit.price, currency: 'EUR', items: [kit] }
}

const answers: Html = html`<div class="pair">${field({
  name: 'first_name', label: 'First name', autocomplete: 'given-name', required: true
})}${field({ name: 'last_name', label: 'Last name', autocomplete: 'family-name', required: true })}</div>
${field({ name: 'email', label: 'E-mail', type: 'email', autocomplete: 'email', required: true })}
<div class="pair">${field({ name: 'phone', label: 'Phone', type: 'tel', autocomplete: 'tel' })}${field({
  name: 'postal_code', label: 'Postcode', autocomplete: 'postal-code'
})}</div>
<div class="field"><label for="f-roof">Your roof</label><select id="f-roof" name="roof">
<option value="pitched">Pitched</option><option value="flat">Flat</option><option value="unsure">Not sure</option>
</select></div>
<div class="field"><label for="f-message">Anything we should know?</label>
<textarea id="f-message" name="message" rows="3"></textarea></div>`

function hero (card: Html): Html {
  return html`<section class="hero">
<div class="pitch">
<p class="eyebrow">Demo offer · Spring roofs 2027</p>
<h1>Your roof pays the electricity bill.</h1>
<p class="lead">A plan for your roof within two days: yield, price and subsidy on one page. Free, and yours to keep.</p>
<ul class="ticks"><li>Installed in three days by one team</li><li>25 years of guaranteed yield</li>
<li>One price, nothing to add later</li></ul>
<svg class="house" viewBox="0 0 420 200" role="img" aria-label="A house with solar panels under the sun">
<circle class="sun" cx="348" cy="48" r="30"/><path class="wall" d="M86 108h226v80H86z"/>
<path class="roof" d="M58 112 200 26l142 86z"/>
<path class="panel" d="M146 70h32v32h-32zM184 70h32v32h-32zM222 70h32v32h-32zM146 86h108"/>
<path class="door" d="M184 140h32v48h-32z"/><path class="window" d="M112 134h38v28h-38zM252 134h38v28h-38z"/>
<path class="ground" d="M10 188h400v4H10z"/></svg>
</div>
${card}
</section>`
}

/** `/`: the form goes to the gateway by itself; the Postern script only adds what it knows. `siteUrl` is this site. */
export function offerPage (facts: SiteFacts, siteUrl: string, query: string): Page {
  const card = html`<form class="card" id="roof-plan" name="roof-plan" method="post"
 action="${facts.gatewayUrl}/v1/leads" data-postern-lead>
<h2>Get your roof plan</h2>
${hidden('postern_next', `${siteUrl}/thanks`)}
${answers}
<button class="main wide">Send my request (demo)</button>
<p class="small">We call once. We never sell addresses. <noscript>Your browser runs no scripts:
<a href="/nojs${query}">use this form instead</a>.</noscript></p>
</form>`
  return { title: 'Solar roofs', body: hero(card), scripts: true }
}

/**
 * `/nojs`: the same form as a server would render it for browsers without scripts. `landing` is the address of the
 * visit with its query, `eventId` the id under which the lead is counted.
 */
export function plainPage (facts: SiteFacts, siteUrl: string, landing: string, eventId: string): Page {
  const box = (key: string, label: string): Html => html`<label class="box"><input type="checkbox"
 name="postern_consent_${key}" value="granted"> ${label}</label>`
  const card = html`<form class="card" id="roof-plan-plain" name="roof-plan-plain" method="post"
 action="${facts.gatewayUrl}/v1/leads">
<h2>Get your roof plan</h2>
<p class="small">This page (demo) has no scripts at all.</p>
${hidden('postern_event_id', eventId)}
${hidden('postern_page', landing)}
${hidden('postern_next', `${siteUrl}/thanks?event_id=${encodeURIComponent(eventId)}`)}
${answers}
<fieldset><legend>If you like (demo)</legend>
${box('ad_storage', 'You may remember which ad brought me here.')}
${box('ad_user_data', 'You may tell the ad network, in scrambled form, that I asked.')}
${box('ad_personalization', 'You may show me ads that fit.')}
</fieldset>
<button class="main wide">Send my request (demo)</button>
</form>`
  return { title: 'Solar roofs, without scripts', body: hero(card), scripts: false }
}

function journeyLink (eventId: string | undefined): Html {
  const address = eventId === undefined ? '/journey' : `/journey?event_id=${encodeURIComponent(eventId)}`
  return html`<p><a class="button main" data-journey-link href="${address}">See the journey of what you sent</a></p>`
}

/** `/thanks`: where the gateway sends a browser after the form. */
export function thanksPage (eventId: string | undefined): Page {
  return {
    title: 'Thank you',
    scripts: true,
    body: html`<section class="narrow"><h1>Thank you! <small>(demo)</small></h1>
<p class="lead">Your request is in. A real company would call you now; this one shows what became of it.</p>
${journeyLink(eventId)}<p><a href="/">Back to the offer</a></p></section>`
  }
}

/** `/shop`: a button that makes an order. */
export function shopPage (): Page {
  const { items: [kit] } = orderOf('')
  return {
    title: 'Shop',
    scripts: true,
    body: html`<section class="narrow"><h1>${kit?.item_name} <small>(demo)</small></h1>
<p class="lead">Two panels, one plug, no electrician. Ships to nowhere, because this shop is a demo.</p>
<form class="card" method="post" action="/shop/order"><p class="price">€ ${kit?.price.toFixed(2)}</p>
<button class="main wide" name="buy" value="1">Buy now (demo, costs nothing)</button></form></section>`
  }
}

/** `/shop/thanks`: reports the purchase whenever it is shown, as many shops do; it must count once all the same. */
export function orderPage (order: Order): Page {
  return {
    title: 'Order',
    scripts: true,
    body: html`<section class="narrow" data-order="${JSON.stringify(order)}"><h1>Thank you for your order! <small>(demo)
</small></h1><p class="lead">Order <strong>${order.transaction_id}</strong>, € ${order.value.toFixed(2)}.
Reload this page as often as you like: it counts once.</p>
${journeyLink(`purchase.${order.transaction_id}`)}</section>`
  }
}

export function notFoundPage (): Page {
  return {
    title: 'Not found',
    scripts: false,
    body: html`<section class="narrow"><h1>There is no such page in this demo.</h1>
<p><a href="/">To the offer</a></p></section>`
  }
}
