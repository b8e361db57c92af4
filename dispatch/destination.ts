// The contract of a destination: one value that says everything about one ad network. Pure; dispatch/ does the I/O.
import type { Static, TObject, TSchema } from 'typebox'
import type { EventData, MergedEvent } from '../schema/event.ts'
import type { EffectiveConsent } from '../schema/consent.ts'
import type { Outcome, RejectedReason, SkippedReason } from '../schema/outcome.ts'

/** The consent an event needs: `advertising` ad_user_data, `analytics` analytics_storage, `first_party` none. */
export type Purpose = 'advertising' | 'analytics' | 'first_party'

/**
 * An event as a destination may see it: merged, its address cleaned, dead click ids removed, only what the effective
 * consent and the destination's settings let out (dispatch/outgoing.ts makes it).
 */
export interface OutgoingEvent extends Omit<MergedEvent, 'consent' | 'fields'> {
  consent: EffectiveConsent
  /** A lead's answers: present for `first_party` destinations only. */
  fields?: EventData['fields']
  /** Where the visitor came in: the newest landing known, or the event's own page if it is one. Needs `ad_storage`. */
  landing?: OutgoingLanding
  /** It named a currency, and one that is none: its amounts are in no currency that anybody knows. */
  has_unknown_currency?: boolean
  /** The site's defaults for what the event does not say. */
  defaults: { country?: string, currency?: string, lead_value?: number }
}

/** A landing as it may leave: its addresses cleaned like any other. */
export interface OutgoingLanding {
  seen_at_ms: number
  page_location?: string
  page_referrer?: string
  /** The `gad_*` keys of the landing's address, in its order (google.md §2.7). */
  gad: Record<string, string>
}

/** What became of one event in `map`: its payload, or why there is none. */
export type Mapped<P> =
  | { payload: P, warnings: MapWarning[] }
  | { skipped: SkippedReason, detail?: string }
  | { rejected: RejectedReason, detail: string }

/** Something the event said that this network cannot use: it was left out, the event goes all the same. */
export interface MapWarning { path: string, code: string }

/** One HTTP request, ready but for its authentication. `url` carries no secret. */
export interface OutgoingRequest {
  method: 'POST' | 'GET'
  url: string
  headers: Record<string, string>
  /** A JSON value; absent for GET. */
  body?: unknown
}

/** What came back. `body` is parsed JSON, or the text when it is none; `headers` have lower-case names. */
export interface NetworkResponse {
  status: number
  headers: Record<string, string>
  body: unknown
}

/**
 * What an answer means for every payload of the request, in order; and the network's own id of the request.
 * An outcome of the request as a whole may be given once as `all`.
 * `isolate: true` asks to send each event of a refused batch again on its own, because one of them was at fault and the
 * answer does not say which.
 */
export type Judgement =
  | { all: Outcome, trace?: string, said?: string }
  | { each: Outcome[], trace?: string, said?: string }
  | { isolate: true, trace?: string, said?: string }

/** Where the credential goes. `google_oauth` tokens are fetched and cached by dispatch/token.ts. */
export type Auth<S> =
  | { kind: 'header', name: string, value: (settings: S) => string }
  | { kind: 'query', name: string, value: (settings: S) => string }
  | { kind: 'google_oauth', scope: string, credentials: (settings: S) => string }
  | { kind: 'none' }

/** How one value is normalised for this network: the result of `postern hash` (design.md, "Commands"). */
export interface Normalized {
  /** What is hashed, or what is sent where the network wants it in clear; null when unusable. */
  normalized: string | null
  /** Lower-case hex; null when the network wants the value in clear, or it is unusable. */
  sha256: string | null
  /** Further spellings, where the network takes a list. */
  also?: { normalized: string, sha256: string | null }[]
  why?: WhyNot
}

export const whyNots = ['empty', 'not_an_email', 'not_a_phone', 'unknown_country', 'impossible_date', 'not_a_gender',
  'not_a_postal_code', 'not_accepted_by_network', 'already_hashed', 'unusable_characters'] as const
export type WhyNot = typeof whyNots[number]

export const personFields = ['email', 'phone', 'first_name', 'last_name', 'street', 'city', 'region', 'postal_code',
  'country', 'birth_date', 'gender', 'external_id'] as const
export type PersonField = typeof personFields[number]

/** A destination of a site's settings, by the name the settings give it. */
export interface Configured<S> { name: string, settings: S }

/** A mistake that only shows between two destinations: at whose key it is reported, and in words. */
export interface Conflict { name: string, keys: string[], text: string }

/** A destination: everything Postern knows about one ad network. `S` are its settings, `P` its payload per event. */
export interface Destination<S = unknown, P = unknown> {
  type: string
  /** Its name for people. */
  title: string
  /** Its own settings; those of every destination (mode, events, endpoint) are added by config/. */
  settings: TObject
  /** What the network accepts for one event. Every object closed. */
  payload: TSchema
  purpose: Purpose
  /** The network's origin, replaced by the `endpoint` setting. */
  endpoint: string
  limits: {
    events: number
    bytes: number
    /** The oldest event this network takes, by its kind. */
    maxAgeDays: (event: Pick<MergedEvent, 'action_source'>) => number
  }
  /** Requests; `sharedBy` names what the quota belongs to where several destinations may share it. */
  rate: { perMinute?: number, perDay?: number, sharedBy?: (settings: S) => string }
  /** How long a lone event may wait for company, in milliseconds. */
  lingerMs: number
  /** Within how many hours the network recognises a second copy by our id; false if it never does. */
  dedupes: { windowHours: number } | false
  /**
   * What the page's own tag of this network is to this destination. `shares_id` (when absent): both report under one
   * id and the network drops the second copy. `reports_first`: the network cannot tell copies apart, so that only what
   * the tag cannot have sent goes. `apart`: there is no such tag, or it counts elsewhere.
   */
  browserTag?: (settings: S) => 'shares_id' | 'reports_first' | 'apart'
  /** Whether the settings name this event, so that it is wanted whatever the level of `events:`. */
  names?: (settings: S, eventName: string) => boolean
  /** Our event name → theirs. An absent name is a custom event where `customEvents`, else skipped. */
  events: Readonly<Record<string, string>>
  customEvents: boolean
  auth: Auth<S>
  /** The setting without which test events would count as real ones: `mode: test` is refused while it is unset. */
  testNeeds?: string
  /**
   * `country` (code or name) is the region of a phone number without a country code; `nowMs` (Unix milliseconds), where
   * given, makes a birth date after it impossible.
   */
  normalize: (field: PersonField, value: string, country?: string, nowMs?: number) => Normalized
  map: (event: OutgoingEvent, settings: S, theirName: string) => Mapped<P>
  /** Payloads with different keys never share a request. */
  batchKey?: (payload: P) => string
  request: (payloads: P[], settings: S, endpoint: string, isTest: boolean) => OutgoingRequest
  /** Absent: the status alone tells (dispatch/judge.ts). */
  judge?: (response: NetworkResponse, payloads: P[]) => Judgement
  /**
   * For networks that tell the truth later; tests (`isTest`) are not asked about. `trace` is what `judge` gave.
   * Outcomes: `accepted` asks again later (unless it is the last word), `retry` sends the event again, not before its
   * `afterSeconds`, and `pause` when the settings are mended. The first question is put after `afterSeconds`, the
   * further ones at growing distances.
   */
  verify?: {
    afterSeconds: number
    request: (trace: string, settings: S, endpoint: string) => OutgoingRequest
    judge: (response: NetworkResponse, payloadCount: number) => Judgement
  }
  /** What a site's destinations of this type must not be at the same time; for `check`. */
  findConflicts?: (configured: readonly Configured<S>[]) => Conflict[]
}

/** A destination whose types are checked where it is written and forgotten where all are treated alike. */
export function defineDestination<S extends TObject, P extends TSchema> (
  destination: Omit<Destination<Static<S>, Static<P>>, 'settings' | 'payload'> & { settings: S, payload: P }
): Destination {
  return destination as unknown as Destination
}
