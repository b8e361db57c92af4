// What a fake ad network is: one value with its routes, its error format and its own idea of "the same event".

/** Who sent a copy of an event: Postern (or any server), or a pixel in the browser. */
export type Source = 'server' | 'browser'
export type Verdict = 'counted' | 'deduplicated' | 'rejected'

/** A line of `GET /_received` (design.md, "Commands"); `at` is ISO 8601 in UTC, `body` the event as it arrived. */
export interface Receipt {
  type: string
  at: string
  source: Source
  event_name: string | null
  event_id: string | null
  verdict: Verdict
  reason?: string
  body: unknown
}

/** A request as every network reads it: nothing of the HTTP framework in it. */
export interface FakeRequest {
  params: Record<string, string>
  query: URLSearchParams
  headers: Record<string, string | undefined>
  body: Buffer
  nowMs: number
  /** Counts the requests of this server from 1: for trace ids and for the language of an error. */
  serial: number
}

/** An object is answered as JSON, a Buffer as it is. */
export interface FakeAnswer {
  status: number
  headers?: Record<string, string>
  body: object | Buffer
}

/** One event in a request, before anything is counted. */
export interface Copy {
  source: Source
  eventName: string | null
  eventId: string | null
  body: unknown
  /** Why the network does not take it; absent when it does. */
  refused?: string
  /** Keys that, when an earlier accepted copy left them within the window, make this copy a duplicate. */
  finds: string[]
  /** Keys that this copy leaves for later ones. */
  leaves: string[]
  /** For networks that merge a second copy from the other source into the first, this long after it. */
  mergesWithinMs?: number
}

export interface Received {
  answer: FakeAnswer
  copies: Copy[]
}

/** A failure that a test asks for, in the network's own words: an HTTP status and the codes of its error body. */
export interface StatusFault {
  status: number
  code?: number
  subcode?: number
  is_transient?: boolean
  retry_after_seconds?: number
}

export interface FakeRoute {
  methods: ('GET' | 'POST')[]
  /** Below `/<type>`; `:name` segments arrive in `params`. */
  path: string
  source: Source
  /** What of the network it is, where a test may order a failure of that alone: `token`, `status`. Absent: `events`. */
  part?: string
  receive (request: FakeRequest): Promise<Received>
}

export interface FakeNetwork {
  /** The destination type (design.md, "Settings"), also the path prefix. */
  type: string
  /** How long after the first copy a later one is the same event, in milliseconds. */
  windowMs: number
  routes: FakeRoute[]
  /** The body of an error that a test ordered. */
  fail (fault: StatusFault, request: FakeRequest): FakeAnswer
}
