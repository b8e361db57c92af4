// The knobs of the fakes: how a network is to misbehave, set by a test in code or by POST /_behaviour.
import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }

/**
 * One way to fail.
 * `status`: answers with the status and the network's own error body (`code`, `subcode`), and Retry-After if asked.
 * `html`: answers with a page, as a proxy at the network's edge does. `hang`: never answers. `drop`: cuts the line.
 * `processed` says whether the events count all the same; only `drop` processes them unless told otherwise.
 * `times`: how many requests it hits before the next one of the list; absent = for good.
 */
export const Fault = Type.Object({
  kind: Type.Enum(['status', 'html', 'hang', 'drop']),
  status: Type.Optional(Type.Integer({ minimum: 400, maximum: 599 })),
  code: Type.Optional(Type.Integer()),
  subcode: Type.Optional(Type.Integer()),
  is_transient: Type.Optional(Type.Boolean()),
  retry_after_seconds: Type.Optional(Type.Integer({ minimum: 0 })),
  processed: Type.Optional(Type.Boolean()),
  times: Type.Optional(Type.Integer({ minimum: 1 }))
}, closed)
export type Fault = Static<typeof Fault>

/** How a network behaves until it is told otherwise; `{}` is a healthy network. */
export const Behaviour = Type.Object({
  /** Which network, and which of its sides; absent = all networks, their servers' side. */
  type: Type.Optional(Type.String()),
  source: Type.Optional(Type.Enum(['server', 'browser'])),
  /** Which of its addresses, where a network has several: `token`, `status`; absent = the one that takes events. */
  part: Type.Optional(Type.String()),
  /** The answer is held back this long, after the events were processed. */
  delay_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: 600_000 })),
  /** Used up from the front. */
  faults: Type.Optional(Type.Array(Fault)),
  /** When no fault of the list applies: this share of requests fails, chosen by a seeded generator. */
  random: Type.Optional(Type.Object({
    seed: Type.Integer(),
    rate: Type.Number({ minimum: 0, maximum: 1 }),
    faults: Type.Array(Fault, { minItems: 1 })
  }, closed))
}, closed)
export type Behaviour = Static<typeof Behaviour>

/** Whether the network has taken in the events of a request that fails in this way. */
export function isProcessed (fault: Fault): boolean {
  return fault.processed ?? fault.kind === 'drop'
}

/** The reason written beside a copy that a fault kept from being processed. */
export function faultReason (fault: Fault): string {
  const isAnswered = fault.kind === 'status' || fault.kind === 'html'
  return `fault_${fault.kind}${isAnswered ? `_${statusOf(fault)}` : ''}`
}

/** The HTTP status of a `status` or `html` fault. */
export function statusOf (fault: Fault): number {
  return fault.status ?? (fault.kind === 'html' ? 502 : 500)
}

/** A generator of numbers in [0, 1) that is the same for the same seed (mulberry32). */
function seeded (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Running {
  behaviour: Behaviour
  queue: Fault[]
  random: () => number
}

export interface Behaviours {
  /** Replaces what was set before, for all networks. */
  set (behaviour: Behaviour): void
  /** What is in force, the list of faults as far as it is not used up. */
  current (): Behaviour
  /** What happens to the next request of this network and side; uses up a fault. */
  next (type: string, source: 'server' | 'browser', part?: string): { delayMs: number, fault?: Fault }
}

export function openBehaviours (): Behaviours {
  let running: Running = start({})

  function start (behaviour: Behaviour): Running {
    return {
      behaviour,
      queue: (behaviour.faults ?? []).map(fault => ({ ...fault })),
      random: seeded(behaviour.random?.seed ?? 0)
    }
  }

  function takeFault ({ behaviour, queue, random }: Running): Fault | undefined {
    const [first] = queue
    if (first !== undefined) {
      if (first.times !== undefined && --first.times === 0) queue.shift()
      return first
    }
    if (behaviour.random === undefined || random() >= behaviour.random.rate) return undefined
    return behaviour.random.faults[Math.floor(random() * behaviour.random.faults.length)]
  }

  return {
    set (behaviour) { running = start(behaviour) },
    current: () => ({ ...running.behaviour, faults: running.queue }),
    next (type, source, part = 'events') {
      const { behaviour } = running
      const meant = (behaviour.type ?? type) === type && (behaviour.source ?? 'server') === source &&
        (behaviour.part ?? 'events') === part
      if (!meant) return { delayMs: 0 }
      return { delayMs: behaviour.delay_ms ?? 0, fault: takeFault(running) }
    }
  }
}
