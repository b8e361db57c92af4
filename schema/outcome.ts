// The closed words for what became of an event at a destination. Rows, metrics, logs and tests use only these.

export const deliveryStates = ['waiting', 'held', 'accepted', 'delivered', 'skipped', 'rejected'] as const
export type DeliveryState = typeof deliveryStates[number]

/** Why a delivery waits. A retry is a waiting delivery that already had an attempt. */
export const waitingReasons = {
  new: 'routed, to be sent as soon as possible',
  settling: 'waits for the form post or webhook that completes a browser conversion',
  lingering: 'waits a moment so that more events share one request',
  rate_limited: 'the destination has used up its rate',
  throttled: 'the network asked us to slow down',
  network_error: 'the network could not be reached or answered with a passing error',
  destination_paused: 'the destination is paused until its credentials or settings are mended',
  original_pending: 'waits for the event that it adjusts',
  isolating: 'its request was refused because of another event, or may have been: it is sent again on its own'
} as const

/** Why a delivery is held for a person, or for later knowledge. */
export const heldReasons = {
  browser_tag_without_event_id: 'the page\'s own tag reported it without the shared event_id: sending would count twice'
} as const

/** Why a delivery was not sent, on purpose and for good. */
export const skippedReasons = {
  no_consent: 'consent for this purpose was denied or never given',
  bot: 'the visitor is a bot',
  shadow: 'the destination is in shadow mode: everything but the sending was done',
  erased: 'the personal data was erased on request',
  dedupe_window_passed: 'the network could no longer recognise a second copy, and the browser may have sent one',
  too_old: 'older than the network accepts',
  event_not_supported: 'the network has no event of this name',
  role_not_meant: 'the destination\'s role leaves this event to the browser tag',
  no_identifier: 'nothing in the event could be matched to a person by this network',
  destination_removed: 'the destination is no longer in the settings',
  expired: 'its day is about to leave the database by retention'
} as const

/** Why a delivery failed for good. */
export const rejectedReasons = {
  network_refused: 'the network refused this event; `detail` says what it said',
  invalid_event: 'the event lacks what the network requires; `detail` names it',
  too_large: 'a single event is larger than the network accepts',
  gave_up: 'every retry that the network\'s age limit allows was used',
  unknown_whether_sent: 'the answer was lost and the network cannot recognise a second copy'
} as const

export type WaitingReason = keyof typeof waitingReasons
export type HeldReason = keyof typeof heldReasons
export type SkippedReason = keyof typeof skippedReasons
export type RejectedReason = keyof typeof rejectedReasons

/** What a network's answer (or our own decision) means for one delivery. Times are durations from now. */
export type Outcome =
  | { kind: 'delivered' }
  | { kind: 'accepted', verifyAfterSeconds?: number, isLastWord?: boolean, detail?: string }
  | { kind: 'skipped', reason: SkippedReason, detail?: string }
  | { kind: 'held', reason: HeldReason, detail?: string }
  | { kind: 'rejected', reason: RejectedReason, detail?: string }
  | { kind: 'retry', reason: 'network_error' | 'throttled' | 'isolating', afterSeconds?: number, detail?: string }
  | { kind: 'pause', detail: string }
