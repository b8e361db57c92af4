// The journey of one event as the demo shows it: what Postern says about it, and what the fake networks received of it.

/** What the demo's command hands in for an event id; every list may be absent. Times are ISO 8601. */
export interface Journey {
  arrivals?: { at?: string, event_name?: string, trust?: string }[]
  /** In words: what may leave, and why. */
  consent?: string
  /** `because` says the reason in words. */
  deliveries?: { destination?: string, state?: string, reason?: string, because?: string, at?: string }[]
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

/** A network that the demo's settings name, and what its destination does at the moment. */
export interface DemoNetwork {
  name: string
  type: string
  title: string
  mode: string
}

export interface Step {
  state: 'done' | 'waiting' | 'stopped'
  title: string
  detail?: string
  at?: string
}

/** One network's side of the journey. `idle`: it has nothing to do with the event (yet). */
export interface NetworkView extends DemoNetwork {
  state: Step['state'] | 'idle'
  outcome: string
  because?: string
  steps: Step[]
}

export interface Timeline {
  steps: Step[]
  networks: NetworkView[]
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

function copyStep ({ source, verdict, reason, event_name: name, at }: SeenCopy): Step {
  const sender = source === 'browser' ? 'the page\'s own tag' : 'Postern'
  const verdicts: Record<string, string> = {
    counted: 'counted', deduplicated: 'known already, not counted again', rejected: 'refused'
  }
  return {
    state: verdict === 'rejected' ? 'stopped' : 'done',
    title: `A copy from ${sender}: ${verdicts[verdict ?? ''] ?? 'kept'}`,
    detail: [name, inWords(reason)].filter(Boolean).join(' · '),
    at
  }
}

const inTime = (steps: Step[]) => steps.sort((one, other) => (one.at ?? '9').localeCompare(other.at ?? '9'))

function networkView (network: DemoNetwork, journey: unknown, copies: readonly SeenCopy[]): NetworkView {
  const isIts = ({ destination }: Record<string, string | undefined>) => destination === network.name
  const delivery = entries(journey, 'deliveries').find(isIts)
  const steps = inTime([
    ...entries(journey, 'attempts').filter(isIts).map(({ at, answer }): Step =>
      ({ state: 'done', title: 'Sent by Postern', detail: answer, at })),
    ...copies.filter(({ type }) => type === network.type).map(copyStep)
  ])
  if (delivery === undefined) return { ...network, state: 'idle', outcome: 'not routed yet', steps }
  const { state = '', reason, because } = delivery
  const outcome = reason === undefined ? state : `${state}: ${inWords(reason)}`
  const kind = state === 'waiting' ? 'waiting' : doneStates.includes(state) ? 'done' : 'stopped'
  return { ...network, state: kind, outcome, because, steps }
}

/** Puts the steps in order of time; a step without a time comes last. `copies` is undefined when the fakes are away. */
export function timelineOf (
  journey: unknown, networks: readonly DemoNetwork[], copies: readonly SeenCopy[] | undefined
): Timeline {
  const arrivals = entries(journey, 'arrivals')
  const { consent } = texts(journey)
  const choice: Step[] = consent === undefined
    ? []
    : [{ state: 'done', title: 'Consent looked at', detail: consent, at: arrivals[0]?.at }]
  const steps = inTime([
    ...arrivals.map(({ at, event_name: name, trust }, index): Step => ({
      state: 'done',
      title: index === 0 ? 'Stored in Postgres' : 'Stored once more, as a part of the same event',
      detail: [name, trust && `trust: ${inWords(trust)}`].filter(Boolean).join(' · '),
      at
    })),
    ...choice
  ])
  if (steps.length === 0) steps.push({ state: 'waiting', title: 'Nothing has arrived under this id yet' })
  const views = networks.map(network => networkView(network, journey, copies ?? []))
  const finished = arrivals.length > 0 && views.every(({ state }) => state !== 'waiting' && state !== 'idle')
  return { steps, networks: views, summary: summaryOf(networks, copies), finished }
}

const listed = (names: readonly string[]) => new Intl.ListFormat('en').format(names)

function summaryOf (networks: readonly DemoNetwork[], copies: readonly SeenCopy[] | undefined): string {
  if (copies === undefined) return 'The fake networks do not answer.'
  const counts = networks.map(({ title, type }) =>
    ({ title, count: copies.filter(copy => copy.type === type && copy.verdict === 'counted').length }))
  const once = counts.filter(({ count }) => count === 1).map(({ title }) => title)
  const more = counts.filter(({ count }) => count > 1)
  const often = listed(more.map(({ title, count }) => `${title} ${count} times`))
  if (more.length > 0) return `Counted more than once: ${often}.`
  return once.length === 0 ? 'No ad network has counted it.' : `Counted once at ${listed(once)}.`
}
