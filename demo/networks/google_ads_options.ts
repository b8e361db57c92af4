// What a test can arrange at the fake Data Manager API: accounts, credentials, quotas, and what becomes of which event.
import type { ActionKind } from './google_ads_rule.ts'

/** A conversion action, and the name that receipts give its events. */
export interface FakeAction { kind: ActionKind, name?: string }

export interface FakeGoogleAdsOptions {
  /** Customer id → its actions by id. Without it every plausible account and action is known, as imports. */
  customers?: Record<string, Record<string, FakeAction>>
  /** E-mail of a service account → its public key (PEM). Without it every well-formed assertion is believed. */
  serviceAccounts?: Record<string, string>
  /** Refresh token → its client. Without it every plausible one is known. */
  refreshTokens?: Record<string, { clientId: string, clientSecret: string }>
  /** Access tokens that need not be fetched first. */
  accessTokens?: readonly string[]
  /** How long an access token lives, in seconds. */
  tokenSeconds?: number
  /** Requests a minute and a day, reads and writes apart (google.md §2.2). */
  quota?: { perMinute?: number, perDay?: number }
  /** How long after a request its status is PROCESSING; half an hour when absent (google.md §2.6). */
  processingMs?: number
  /**
   * By transactionId: the processing reasons (without prefix) of its next arrivals, used up from the front; null is a
   * success. `TOO_RECENT_CLICK, null` refuses the first and counts the second.
   */
  verdicts?: Record<string, (string | null)[]>
  /** Clicks that the account knows; an event with another gclid and no user data is CLICK_NOT_FOUND. */
  clicks?: readonly string[]
  /** An all-digit transactionId is refused half an hour later, as one report says (google.md §0 decision 6). */
  refusesDigits?: boolean
  /** Whether a status names the events by `recordIndices` (v1.9) or only counts them. */
  namesRecords?: boolean
}
