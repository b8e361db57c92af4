// Consent: what was said, what may be stored at the door, what may be sent. Pure; used at store, send and explain.
import { Type, type Static } from 'typebox'

export const consentStates = ['granted', 'denied'] as const
export type ConsentState = typeof consentStates[number]
const state = Type.Enum(consentStates)

/** Google consent mode's four keys. */
export const Consent = Type.Object({
  ad_storage: state,
  ad_user_data: state,
  ad_personalization: state,
  analytics_storage: state
}, { additionalProperties: false })
export type Consent = Static<typeof Consent>
export const consentKeys = ['ad_storage', 'ad_user_data', 'ad_personalization', 'analytics_storage'] as const
export type ConsentKey = typeof consentKeys[number]
const adKeys = ['ad_storage', 'ad_user_data', 'ad_personalization'] as const

export const consentRules = ['opt_in', 'opt_out', 'by_country'] as const
export const gpcRules = ['drop', 'limit', 'respect_later_opt_in'] as const

/** A site's rule for what nobody said, and for Global Privacy Control. */
export interface ConsentRule {
  consent: typeof consentRules[number]
  gpc: typeof gpcRules[number]
  /** With `by_country`: ISO 3166-1 alpha-2 codes in which a missing answer means granted. */
  optOutCountries: readonly string[]
}

/** When the visitor last took back what they had granted, by what it was for. */
export interface Revoked { adsAtMs?: number, analyticsAtMs?: number }

/** What is known of the visitor's will when the question is asked. */
export interface ConsentFacts {
  /** The event's own keys; absent keys were not answered. */
  consent?: Partial<Consent>
  gpc?: boolean
  /** ISO 3166-1 alpha-2; unknown counts as opt-in. */
  country?: string
  /** When the visitor last revoked, and when the event happened: a newer revoke denies what it was for. */
  revoked?: Revoked
  occurredAtMs?: number
}

/** The four keys after the rules, and what decided the ads keys and the one of analytics. */
export interface EffectiveConsent extends Consent {
  because: 'said' | 'site_rule' | 'gpc' | 'revoked'
  analytics_because?: 'said' | 'site_rule' | 'revoked'
  /** GPC with the `limit` rule: the event may go, restricted (Meta LDU and its like). */
  limited: boolean
}

/** The answer of the site's rule to a key that nobody answered. */
function ruleFor (rule: ConsentRule, country: string | undefined): ConsentState {
  switch (rule.consent) {
    case 'opt_out': return 'granted'
    case 'opt_in': return 'denied'
    case 'by_country': return country !== undefined && rule.optOutCountries.includes(country) ? 'granted' : 'denied'
  }
}

/**
 * Decides the four keys for one event: (1) GPC, or a revoke newer than the event, denies the ads keys, and a revoke of
 * analytics its key; (2) the event's own keys; (3) the site's rule for missing keys (design.md, "What leaves").
 * With gpc `limit`, GPC turns personalisation off and marks the event `limited` instead of denying it; with
 * `respect_later_opt_in`, an ads key that the event explicitly grants beats GPC.
 */
export function effective (facts: ConsentFacts, rule: ConsentRule): EffectiveConsent {
  const said = facts.consent ?? {}
  const fallback = ruleFor(rule, facts.country)
  const { revoked = {}, occurredAtMs = Infinity } = facts
  const isRevoked = (atMs = -Infinity) => atMs > occurredAtMs
  const whose = (answer: ConsentState | undefined) => answer === undefined ? 'site_rule' : 'said'
  const result: EffectiveConsent = {
    ad_storage: said.ad_storage ?? fallback,
    ad_user_data: said.ad_user_data ?? fallback,
    ad_personalization: said.ad_personalization ?? fallback,
    analytics_storage: isRevoked(revoked.analyticsAtMs) ? 'denied' : said.analytics_storage ?? fallback,
    because: whose(said.ad_user_data),
    analytics_because: isRevoked(revoked.analyticsAtMs) ? 'revoked' : whose(said.analytics_storage),
    limited: false
  }
  if (isRevoked(revoked.adsAtMs)) return { ...result, ...denied(adKeys), because: 'revoked' }
  if (facts.gpc !== true) return result
  switch (rule.gpc) {
    case 'drop': return { ...result, ...denied(adKeys), because: 'gpc' }
    case 'limit': return { ...result, ad_personalization: 'denied', limited: true }
    case 'respect_later_opt_in': {
      const unsaid = adKeys.filter(key => said[key] !== 'granted')
      return unsaid.length === 0 ? result : { ...result, ...denied(unsaid), because: 'gpc' }
    }
  }
}

function denied (keys: readonly ConsentKey[]): Partial<Consent> {
  return Object.fromEntries(keys.map(key => [key, 'denied']))
}

/** What may be stored of one arrival, decided at the door from the effective consent. */
export interface Storable {
  /** Click ids, the networks' cookies, and the parameters of the page address that carry them. */
  adIds: boolean
  /** Analytics cookies such as `_ga`. */
  analyticsIds: boolean
  /** The visitor id, its cookie and the first touch. */
  visitor: boolean
}

/** What the door may keep: `ad_storage` for ad ids, `analytics_storage` for analytics ids, either for the visitor. */
export function storable (consent: Consent): Storable {
  const adIds = consent.ad_storage === 'granted'
  const analyticsIds = consent.analytics_storage === 'granted'
  return { adIds, analyticsIds, visitor: adIds || analyticsIds }
}
