// Google's reasons, at once (ErrorReason) and half an hour later (ProcessingErrorReason): what each means.

/**
 * How a refusal of a request is to be taken (google.md §2.6). `row`: one event is at fault; `request`: what we put
 * around the events is; `size`: fewer events may pass; `configuration`: the account or the credentials must be mended;
 * `throttled` and `passing` mend themselves.
 */
export type ErrorClass = 'row' | 'request' | 'size' | 'configuration' | 'throttled' | 'passing'

/** What became of an event that was only accepted at first. */
export type VerdictClass = 'refused' | 'counted_before' | 'too_recent' | 'configuration' | 'passing'

interface Meaning<C> { is: C, words?: string }
type Table<C> = Readonly<Record<string, Meaning<C>>>

const each = <C>(is: C, ...reasons: string[]): Table<C> =>
  Object.fromEntries(reasons.map(reason => [reason, { is }]))

const errorReasons: Table<ErrorClass> = {
  ...each<ErrorClass>('row', 'INVALID_FORMAT', 'INVALID_SHA256_FORMAT', 'INVALID_HEX_ENCODING',
    'INVALID_BASE64_ENCODING', 'INVALID_POSTAL_CODE', 'INVALID_CURRENCY_CODE', 'INVALID_ENUM_VALUE',
    'INVALID_NUMBER_FORMAT', 'TOO_MANY_USER_IDENTIFIERS', 'INVALID_EVENT', 'RESERVED_NAME_USED', 'INVALID_EVENT_NAME',
    'BOTH_CLIENT_ID_AND_APP_INSTANCE_ID_NOT_ALLOWED', 'FIELD_VALUE_TOO_LONG', 'FIELD_VALUE_TOO_SHORT',
    'INVALID_CUSTOM_VARIABLE_VALUE', 'INVALID_REGION_CODE', 'INVALID_SUBDIVISION_CODE', 'INVALID_CONTINENT_CODE',
    'INVALID_SUBCONTINENT_CODE', 'INVALID_DEVICE_CATEGORY', 'INVALID_COUPON_CODE', 'INVALID_MERCHANT_ID',
    'THIRD_PARTY_USER_DATA_NOT_ALLOWED', 'INVALID_COUNTRY_CODE', 'TOO_MANY_ELEMENTS', 'TOO_FEW_ELEMENTS'),
  EVENT_TIME_INVALID: { is: 'row', words: 'the event\'s time is not one that Google accepts' },
  NO_IDENTIFIERS_PROVIDED: { is: 'row', words: 'nothing to match it by' },
  REQUIRED_FIELD_MISSING: { is: 'row', words: 'a required field is missing' },
  CUSTOM_VARIABLE_VALUE_CONTAINS_PII: { is: 'row', words: 'a custom variable holds personal data' },
  EVENT_SOURCE_AND_DESTINATION_MISMATCH: { is: 'row', words: 'the action does not take events from there' },

  ...each<ErrorClass>('request', 'TOO_MANY_DESTINATIONS', 'DUPLICATE_DESTINATION_REFERENCE',
    'MULTIPLE_DESTINATIONS_FOR_GOOGLE_ANALYTICS_EVENT', 'MULTIPLE_DATA_TYPES_NOT_ALLOWED'),
  INVALID_DESTINATION: { is: 'request', words: 'customer_id, login_customer_id or an action is wrong' },
  TOO_MANY_EVENTS: { is: 'size', words: 'too many events in a request' },

  PERMISSION_DENIED: { is: 'configuration', words: 'the credentials have no access to the account' },
  NOT_FOUND: { is: 'configuration', words: 'the account or the action does not exist' },
  NOT_ALLOWLISTED: { is: 'configuration', words: 'the account is not allowlisted for this' },
  TERMS_AND_CONDITIONS_NOT_SIGNED: { is: 'configuration', words: 'the account has not accepted Google\'s terms' },
  INVALID_CONVERSION_ACTION_ID: { is: 'configuration', words: 'conversion_actions names one that does not exist' },
  INVALID_CONVERSION_ACTION_TYPE: { is: 'configuration', words: 'the action is of another type than the role needs' },
  DESTINATION_ACCOUNT_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS: {
    is: 'configuration', words: 'enhanced conversions for leads are not switched on'
  },
  DESTINATION_ACCOUNT_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS: {
    is: 'configuration', words: 'Google\'s policies keep the account from enhanced conversions'
  },
  DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED: {
    is: 'configuration', words: 'the terms of enhanced conversions are not accepted'
  },
  OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH: { is: 'configuration', words: 'login_customer_id is not customer_id\'s' },
  DESTINATION_ACCOUNT_TYPE_MISMATCH: { is: 'configuration', words: 'customer_id is no Google Ads account' },
  MISMATCHED_ACCOUNT_TYPE: { is: 'configuration', words: 'customer_id is no Google Ads account' },
  EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED: {
    is: 'configuration', words: 'the account must declare whether it runs political advertising'
  },
  ...each<ErrorClass>('configuration', 'INVALID_PROPERTY_TYPE', 'INVALID_STREAM_TYPE',
    'GOOGLE_ANALYTICS_SUBPROPERTY_OR_ROLLUP_PROPERTY_NOT_ALLOWED', 'ACCOUNT_INELIGIBLE_FOR_STORE_SALES',
    'INVALID_MERCHANT_FEED_LANGUAGE_CODE'),
  CUSTOM_VARIABLE_NOT_FOUND: { is: 'configuration', words: 'custom_variables names one that does not exist' },
  CUSTOM_VARIABLE_NOT_ENABLED: { is: 'configuration', words: 'custom_variables names one that is not enabled' },
  // Of Google's API front end, before the service itself (AIP-193, google.api.ErrorReason).
  ...each<ErrorClass>('configuration', 'SERVICE_DISABLED', 'BILLING_DISABLED', 'CONSUMER_INVALID',
    'USER_PROJECT_DENIED', 'ACCESS_TOKEN_EXPIRED', 'ACCESS_TOKEN_SCOPE_INSUFFICIENT', 'ACCESS_TOKEN_TYPE_UNSUPPORTED',
    'ACCOUNT_STATE_INVALID', 'CREDENTIALS_MISSING', 'IAM_PERMISSION_DENIED'),

  RESOURCE_EXHAUSTED: { is: 'throttled', words: 'the quota is used up' },
  RATE_LIMIT_EXCEEDED: { is: 'throttled', words: 'the quota is used up' },
  ...each<ErrorClass>('passing', 'INTERNAL_ERROR', 'DEADLINE_EXCEEDED')
}

/** By the canonical status (google.rpc.Code), where no reason is known. */
const statuses: Readonly<Record<string, ErrorClass>> = {
  UNAUTHENTICATED: 'configuration',
  PERMISSION_DENIED: 'configuration',
  NOT_FOUND: 'configuration',
  UNIMPLEMENTED: 'configuration',
  RESOURCE_EXHAUSTED: 'throttled',
  INVALID_ARGUMENT: 'row',
  FAILED_PRECONDITION: 'row',
  OUT_OF_RANGE: 'row'
}

const verdictReasons: Table<VerdictClass> = {
  EVENT_TOO_OLD: { is: 'refused', words: 'older than the action takes' },
  DENIED_CONSENT: { is: 'refused', words: 'ad_user_data is denied, by the visitor or by the account\'s own default' },
  NO_CONSENT: { is: 'refused', words: 'the account has not consented to share data with Google\'s services' },
  UNKNOWN_CONSENT: { is: 'refused', words: 'Google knows of no consent' },
  DUPLICATE_GCLID: { is: 'counted_before', words: 'this click was counted at this time' },
  DUPLICATE_TRANSACTION_ID: { is: 'counted_before', words: 'this transaction_id was counted' },
  INVALID_GCLID: { is: 'refused', words: 'the gclid cannot be read' },
  INVALID_GBRAID: { is: 'refused', words: 'the gbraid cannot be read' },
  INVALID_WBRAID: { is: 'refused', words: 'the wbraid cannot be read' },
  INVALID_CLICK: { is: 'refused', words: 'the click is not valid' },
  CLICK_NOT_FOUND: { is: 'refused', words: 'no click was found for it' },
  TOO_RECENT_CLICK: { is: 'too_recent', words: 'the click is too recent' },
  CONVERSION_PRECEDES_CLICK: { is: 'refused', words: 'the event is older than its click' },
  // A visitor may well bring the click id of another account's ad: that is no mistake in the settings.
  INVALID_OPERATING_ACCOUNT_FOR_CLICK: { is: 'refused', words: 'the click belongs to another account' },
  OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER: { is: 'refused', words: 'the click belongs to another account' },
  INVALID_FORMAT: { is: 'refused', words: 'a value is malformed' },
  INVALID_EVENT: { is: 'refused', words: 'the event is not valid' },
  ...each<VerdictClass>('refused', 'INSUFFICIENT_MATCHED_TRANSACTIONS', 'INSUFFICIENT_TRANSACTIONS'),
  INTERNAL_ERROR: { is: 'passing', words: 'an error at Google' },
  EXTERNAL_ATTRIBUTION_DATA_MISSING: {
    is: 'configuration', words: 'the action wants external attribution, which Postern does not send'
  },
  INVALID_CUSTOM_VARIABLE: { is: 'configuration', words: 'custom_variables names one that is not valid' },
  CUSTOM_VARIABLE_NOT_ENABLED: { is: 'configuration', words: 'custom_variables names one that is not enabled' },
  INVALID_MERCHANT_ID: { is: 'configuration', words: 'merchant_id is not one of Merchant Center' },
  DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED: {
    is: 'configuration', words: 'the terms of enhanced conversions are not accepted'
  },
  // Of encrypted uploads, which ours are not.
  ...each<VerdictClass>('configuration', 'DECRYPTION_ERROR', 'DEK_DECRYPTION_ERROR', 'INVALID_WIP', 'INVALID_KEK',
    'WIP_AUTH_FAILED', 'KEK_PERMISSION_DENIED', 'AWS_AUTH_FAILED', 'USER_IDENTIFIER_DECRYPTION_ERROR')
}

/** A reason without the prefix that its enumeration gives it; one value of Google's lacks half of it. */
export function bareReason (reason: string): string {
  return reason.replace(/^(?:PROCESSING_(?:ERROR|WARNING)_(?:REASON_)?|WARNING_REASON_|ERROR_REASON_)/, '')
}

const meaningIn = <C>(table: Table<C>, reason: string): Meaning<C> | undefined =>
  Object.hasOwn(table, reason) ? table[reason] : undefined

/** The class of a reason of a refused request; undefined for one that is not known (Google adds some). */
export function classOfReason (reason: string | undefined): ErrorClass | undefined {
  return reason === undefined ? undefined : meaningIn(errorReasons, bareReason(reason))?.is
}

/** The class of a canonical status. Unknown ones pass: giving up is the age limit's. */
export function classOfStatus (status: string | undefined): ErrorClass {
  return (status !== undefined && Object.hasOwn(statuses, status) ? statuses[status] : undefined) ?? 'passing'
}

/** The class of a processing reason. One that is not known refuses: it is why the event did not count. */
export function classOfVerdict (reason: string): VerdictClass {
  return meaningIn(verdictReasons, bareReason(reason))?.is ?? 'refused'
}

/** `REASON: in our words`. */
export function explainReason (reason: string): string {
  const bare = bareReason(reason)
  const words = meaningIn(errorReasons, bare)?.words
  return words === undefined ? bare : `${bare}: ${words}`
}

/** The same for a processing reason. */
export function explainVerdict (reason: string): string {
  const bare = bareReason(reason)
  const words = meaningIn(verdictReasons, bare)?.words
  return words === undefined ? bare : `${bare}: ${words}`
}

/** Every known reason and its class, for tests and the README. */
export const knownReasons = { errorReasons, statuses, verdictReasons } as const
