// The journey of one event as a timeline: what Postern says about it, and what the fake networks received of it.
import { html, type Html } from './html.ts'
import type { Page } from './layout.ts'

/** What the demo's command hands in for an event id; every list may be absent. Times are ISO 8601. */
export interface Journey {
  arrivals?: { at?: string, event_name?: string, trust?: string }[]
  /** In words: what may leave, and why. */
  consent?: string
  deliveries?: { destination?: string, state?: string, reason?: string, at?: string }[]
  attempts?: { destination?: string, at?: string, answer?: string }[]
}

/** What is used of a line of the fakes' `GET /_received`. */
export interface SeenCopy {
  type?: string
  at?: string
  source?: string
  event_name?: string
  verdict?: string
  reason?: string
}

export interface Step {
  state: 'done' | 'waiting' | 'stopped'
  title: string
  detail?: string
  at?: string
}

export interface Timeline {
  steps: Step[]
  summary: string
  /** Nothing more is to be expected. */
  finished: boolean
}

const doneStates = ['accepted', 'delivered']

/** The words of a reason, e.g. `no_consent` → `no consent`. */
function inWords (reason: string | undefined): string {
  return reason === undefined ? '' : reason.replaceAll('_', ' ')
}

/** The strings among an object's values: whatever was handed in, only text is shown. */
function texts (value: unknown): Record<string, string | undefined> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => typeof inner === 'string'))
}

function entries (journey: unknown, key: keyof Journey): Record<string, string | undefined>[] {
  const list: unknown = typeof journey === 'object' && journey !== null ? Reflect.get(journey, key) : undefined
  return Array.isArray(list) ? list.map(texts) : []
}

function copyStep ({ type, source, verdict, reason, event_name: name, at }: SeenCopy): Step {
  const sender = source === 'browser' ? 'the page\'s pixel' : 'Postern'
  const verdicts: Record<string, string> = {
    counted: 'counted it', deduplicated: 'knew it already and did not count it again', rejected: 'refused it'
  }
  return {
    state: verdict === 'rejected' ? 'stopped' : 'done',
    title: `${type} got a copy from ${sender} and ${verdicts[verdict ?? ''] ?? 'kept it'}`,
    detail: [name, inWords(reason)].filter(Boolean).join(' · '),
    at
  }
}

function deliveryStep ({ destination, state, reason, at }: Record<string, string | undefined>): Step {
  const detail = inWords(reason)
  if (state === 'waiting') return { state: 'waiting', title: `Waiting to be sent to ${destination}`, detail, at }
  const isDone = doneStates.includes(state ?? '')
  return { state: isDone ? 'done' : 'stopped', title: `${destination}: ${inWords(state)}`, detail, at }
}

/** Puts the steps in order of time; a step without a time comes last. `copies` is undefined when the fakes are away. */
export function timelineOf (journey: unknown, copies: readonly SeenCopy[] | undefined): Timeline {
  const arrivals = entries(journey, 'arrivals')
  const deliveries = entries(journey, 'deliveries')
  const { consent } = texts(journey)
  const choice: Step[] = consent === undefined
    ? []
    : [{ state: 'done', title: 'Consent looked at', detail: consent, at: arrivals[0]?.at }]
  // The sort keeps the order of steps of one time: stored, consent, sent, received, settled.
  const steps: Step[] = [
    ...arrivals.map(({ at, event_name: name, trust }, index): Step => ({
      state: 'done',
      title: index === 0 ? 'Stored in Postgres' : 'Stored once more, as a part of the same event',
      detail: [name, trust && `trust: ${inWords(trust)}`].filter(Boolean).join(' · '),
      at
    })),
    ...choice,
    ...entries(journey, 'attempts').map(({ destination, at, answer }): Step =>
      ({ state: 'done', title: `Sent to ${destination}`, detail: answer, at })),
    ...(copies ?? []).map(copyStep),
    ...deliveries.map(deliveryStep)
  ].sort((one, other) => (one.at ?? '9').localeCompare(other.at ?? '9'))
  if (steps.length === 0) steps.push({ state: 'waiting', title: 'Nothing has arrived under this id yet' })
  const counted = (copies ?? []).filter(copy => copy.verdict === 'counted').length
  const finished = arrivals.length > 0 && deliveries.length > 0 && deliveries.every(({ state }) => state !== 'waiting')
  return { steps, summary: summaryOf(counted, copies), finished }
}

function summaryOf (counted: number, copies: readonly SeenCopy[] | undefined): string {
  if (copies === undefined) return 'The fake networks do not answer.'
  if (counted === 0) return 'No ad network has counted it.'
  if (counted > 1) return `Counted ${counted} times.`
  return `Counted once, from ${copies.length} ${copies.length === 1 ? 'copy' : 'copies'}.`
}

function stepItem ({ state, title, detail, at }: Step): Html {
  const more = detail ? html` <span>${detail}</span>` : undefined
  const time = at === undefined ? undefined : html` <time datetime="${at}">${at.slice(11, 19)} UTC</time>`
  return html`<li class="${state}"><strong>${title}</strong>${more}${time}</li>`
}

/** `/journey`: the timeline as it is now; a script keeps it up to date, without one the page reloads itself. */
export function journeyPage (eventId: string | undefined, timeline: Timeline | undefined): Page {
  const ask = html`<form class="ask" method="get" action="/journey"><label for="event_id">Event id</label>
<input id="event_id" name="event_id" value="${eventId}" required maxlength="255">
<button class="main">Show</button></form>`
  const found = eventId === undefined || timeline === undefined
    ? html`<p>Send the form first, or paste an event id.</p>`
    : html`<p class="summary" role="status" data-journey="${eventId}">${timeline.summary}</p>
<ol class="timeline">${timeline.steps.map(stepItem)}</ol>`
  return {
    title: 'Journey',
    scripts: true,
    head: html`${timeline?.finished === false
      ? html`<noscript><meta http-equiv="refresh" content="2"></noscript>`
      : undefined}<script defer src="/journey.js"></script>`,
    body: html`<section class="narrow"><h1>The journey <small>(demo)</small></h1>
<p class="lead">From the browser into Postgres, from there to the ad networks, and what they made of it.</p>
${found}${ask}</section>`
  }
}
