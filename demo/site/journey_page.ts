// `/journey`: the event's way into Postgres, and what each network made of it, with its switch between shadow and live.
import { html, type Html } from './html.ts'
import type { NetworkView, Step, Timeline } from './journey.ts'
import type { Page } from './layout.ts'

function stepItem ({ state, title, detail, at }: Step): Html {
  const more = detail ? html` <span>${detail}</span>` : undefined
  const time = at === undefined ? undefined : html` <time datetime="${at}">${at.slice(11, 23)} UTC</time>`
  return html`<li class="${state}"><strong>${title}</strong>${more}${time}</li>`
}

/** The form works without scripts: it comes back to this page. */
function modeSwitch ({ name, title, mode }: NetworkView, eventId: string | undefined): Html {
  const other = mode === 'live' ? 'shadow' : 'live'
  return html`<form method="post" action="/mode" class="mode">
<input type="hidden" name="network" value="${name}"><input type="hidden" name="mode" value="${other}">
<input type="hidden" name="event_id" value="${eventId}">
<span class="badge ${mode}">${mode}</span>
<button class="link" aria-label="Switch ${title} to ${other}">switch to ${other}</button></form>`
}

function networkCard (view: NetworkView, eventId: string | undefined): Html {
  const why = view.because === undefined ? undefined : html`<p class="small">${view.because}</p>`
  const steps = view.steps.length === 0 ? undefined : html`<ol class="timeline">${view.steps.map(stepItem)}</ol>`
  const outcome = eventId === undefined ? undefined : html`<p class="outcome ${view.state}">${view.outcome}</p>`
  return html`<article class="card network" data-network="${view.name}"><h2>${view.title}</h2>
${modeSwitch(view, eventId)}${outcome}${why}${steps}</article>`
}

/** The page as it is now; a script keeps it up to date, without one it reloads itself. */
export function journeyPage (eventId: string | undefined, timeline: Timeline): Page {
  const ask = html`<form class="ask" method="get" action="/journey"><label for="event_id">Event id</label>
<input id="event_id" name="event_id" value="${eventId}" required maxlength="255">
<button class="main">Show</button></form>`
  const found = eventId === undefined
    ? html`<p>Send the form first, or paste an event id.</p>`
    : html`<p class="summary" role="status">${timeline.summary}</p>
<ol class="timeline">${timeline.steps.map(stepItem)}</ol>`
  const finished = timeline.finished ? 'true' : 'false'
  return {
    title: 'Journey',
    scripts: true,
    head: html`${eventId !== undefined && !timeline.finished
      ? html`<noscript><meta http-equiv="refresh" content="2"></noscript>`
      : undefined}<script defer src="/journey.js"></script>`,
    body: html`<section class="journey"><h1>The journey <small>(demo)</small></h1>
<p class="lead">From the browser into Postgres, from there to the ad networks, and what they made of it.
In <em>shadow</em> everything is decided and mapped, and nothing is sent: so you begin on your own site.</p>
<div id="journey" data-journey="${eventId}" data-finished="${finished}">
${found}
<div class="networks">${timeline.networks.map(view => networkCard(view, eventId))}</div>
</div>
${ask}</section>`
  }
}
