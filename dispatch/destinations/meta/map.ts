// One of our events as one server event of the Conversions API.
import type { Mapped, MapWarning, OutgoingEvent } from '../../destination.ts'
import { stageEvents } from '../../../schema/event_names.ts'
import { renamed } from '../../naming.ts'
import { customDataOf } from './custom_data.ts'
import type { MetaPayload } from './payload.ts'
import { lduStateCodes, type MetaSettings } from './settings.ts'
import { isIdentifying, userDataOf } from './user_data.ts'

const stages: readonly string[] = stageEvents
/** How far ahead of our clock an event may be (meta.md §1.3). */
const futureSlackMs = 60_000

/**
 * Maps an event. It is `skipped(no_identifier)` where Meta would answer "insufficient customer information", and
 * `rejected(invalid_event)` where a purchase has no amount: either would cost its whole batch (meta.md §1.2).
 */
export function map (event: OutgoingEvent, settings: MetaSettings, theirName: string): Mapped<MetaPayload> {
  const warnings: MapWarning[] = []
  const actionSource = actionSourceOf(event, warnings)
  const userData = userDataOf(event, actionSource, settings, warnings)
  if (!isIdentifying(userData)) return { skipped: 'no_identifier' }

  const name = renamed(settings.event_names, event.event_name, theirName)
  const isStage = actionSource === 'system_generated' &&
    (stages.includes(event.event_name) || userData.lead_id !== undefined)
  const customData = customDataOf(event, isStage ? settings.crm_name : undefined, warnings)
  if (name === 'Purchase' && customData?.value === undefined) {
    const lacks = warnings.some(({ path }) => path === 'currency') ? 'currency' : 'value'
    return { rejected: 'invalid_event', detail: `a purchase needs a value and its currency; it has no usable ${lacks}` }
  }
  const payload: MetaPayload = {
    event_name: name,
    event_time: eventTimeOf(event, warnings),
    event_id: event.event_id,
    action_source: actionSource,
    event_source_url: webAddress(event.page_location, 'page_location', actionSource === 'website', warnings),
    referrer_url: webAddress(event.page_referrer, 'page_referrer', false, warnings),
    ...restrictionsOf(event, settings, warnings),
    user_data: userData,
    custom_data: customData
  }
  return { payload, warnings }
}

/**
 * Where the conversion happened. Unsaid, it is the website, except for a lead's later stages and for what a signed
 * sender reports without a page. `app` needs device details that no web gateway has (100/2804043): it goes as `other`.
 */
function actionSourceOf (event: OutgoingEvent, warnings: MapWarning[]): MetaPayload['action_source'] {
  if (event.action_source === 'app') {
    warnings.push({ path: 'action_source', code: 'sent_as_other' })
    return 'other'
  }
  if (event.action_source !== undefined) return event.action_source
  const isOffPage = event.trust === 'signed' && event.page_location === undefined
  return isOffPage || stages.includes(event.event_name) ? 'system_generated' : 'website'
}

/** Whole seconds. An event from the future would be refused with its batch; it happened when it came in. */
function eventTimeOf (event: OutgoingEvent, warnings: MapWarning[]): number {
  if (event.occurred_at_ms <= event.received_at_ms + futureSlackMs) return Math.floor(event.occurred_at_ms / 1000)
  warnings.push({ path: 'event_time', code: 'in_the_future' })
  return Math.floor(event.received_at_ms / 1000)
}

function webAddress (
  address: string | undefined, path: string, isNeeded: boolean, warnings: MapWarning[]
): string | undefined {
  if (address !== undefined && /^https?:\/\//i.test(address) && URL.canParse(address)) return address
  if (address !== undefined) warnings.push({ path, code: 'not_a_web_address' })
  else if (isNeeded) warnings.push({ path, code: 'missing' })
  return undefined
}

type Restrictions = Pick<MetaPayload, 'opt_out' | 'data_processing_options' | 'data_processing_options_country' |
  'data_processing_options_state'>

/**
 * What Meta may not do with the event. Without consent to personalisation it is for attribution only (`opt_out`).
 * Limited Data Use is the owner's setting, or the visitor's by GPC (`limited`): then at least where Meta locates the
 * visitor, written as country 0 and state 0. A state's code needs country 1 (meta.md §1.3).
 */
function restrictionsOf (event: OutgoingEvent, settings: MetaSettings, warnings: MapWarning[]): Restrictions {
  const optOut = event.consent.ad_personalization === 'denied' ? true : undefined
  const ldu = settings.ldu === 'off' && event.consent.limited ? 'geolocate' : settings.ldu
  if (ldu === 'off') return { opt_out: optOut }
  const isLocated = ldu === 'geolocate'
  if (isLocated && event.client?.ip === undefined) warnings.push({ path: 'client.ip', code: 'ldu_without_address' })
  return {
    opt_out: optOut,
    data_processing_options: ['LDU'],
    data_processing_options_country: isLocated ? 0 : 1,
    data_processing_options_state: isLocated ? 0 : lduStateCodes[ldu]
  }
}
