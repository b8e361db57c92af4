// Where an event came from, as TikTok tells it apart: the web, a shop or the phone, a CRM (other-networks.md §1.2).
import type { MapWarning, OutgoingEvent } from '../../destination.ts'
import { stageEvents } from '../../../schema/event_names.ts'
import { standardNames } from './events.ts'
import type { TikTokPayload } from './payload.ts'
import type { TikTokSettings } from './settings.ts'

/** TikTok's `event_source`, as far as we send it: `app` needs an app's own id, which no web gateway has. */
export type EventSource = 'web' | 'offline' | 'crm'

const stages: readonly string[] = stageEvents
const crmLeadId = /^[\w-]{1,64}$/

/** Why an event has no place at TikTok, in words for the operator. */
interface NoSource { unsupported: string }
type Place = { source: Exclude<EventSource, 'crm'> } | { source: 'crm', lead: NonNullable<TikTokPayload['lead']> }

/** What happened off the page: a lead's later stages, and what a signed sender reports without one. */
export function isOffPage (event: OutgoingEvent): boolean {
  if (event.action_source !== undefined) return event.action_source !== 'website'
  return stages.includes(event.event_name) || (event.trust === 'signed' && event.page_location === undefined)
}

/**
 * The source of an event that goes under `name`. A shop and the phone are `offline`, which needs an event set and takes
 * standard names only. What a CRM reports of a lead from TikTok's own form (parameter `tiktok_lead_id`) is `crm`, where
 * an event set is given and the name is none of the standard ones: sources disagree whether those are taken there
 * (§1.6). All else is `web`.
 */
export function sourceOf (
  event: OutgoingEvent, name: string, settings: TikTokSettings, warnings: MapWarning[]
): Place | NoSource {
  const { action_source: said } = event
  if (said === 'app') return { unsupported: 'an event of an app needs an app\'s own id at TikTok' }
  const leadId = tiktokLeadIdOf(event, warnings)
  const isCrm = said === 'system_generated' || (isOffPage(event) && said === undefined)
  if (leadId !== undefined && (isCrm || stages.includes(event.event_name))) {
    if (settings.crm_event_set_id !== undefined && !standardNames.has(name)) {
      return { source: 'crm', lead: { lead_id: leadId, lead_event_source: settings.crm_name } }
    }
    const code = settings.crm_event_set_id === undefined ? 'without_crm_event_set_id' : 'standard_event_name'
    warnings.push({ path: 'params.tiktok_lead_id', code })
  }
  if (said !== 'physical_store' && said !== 'phone_call') return { source: 'web' }
  if (settings.offline_event_set_id === undefined) {
    return { unsupported: `an event of action_source ${said} needs offline_event_set_id` }
  }
  if (standardNames.has(name)) return { source: 'offline' }
  return { unsupported: `an offline event set takes TikTok's standard events only, and ${name} is none` }
}

/**
 * The id of a lead that was given on TikTok's own form, from the parameter `tiktok_lead_id` (not our `lead_id`). It has
 * more digits than a JSON number can hold, so that a number is none.
 */
function tiktokLeadIdOf (event: OutgoingEvent, warnings: MapWarning[]): string | undefined {
  const given = event.params?.tiktok_lead_id
  if (given === undefined) return undefined
  const id = typeof given === 'number' && Number.isSafeInteger(given) ? String(given) : given
  if (typeof id === 'string' && crmLeadId.test(id.trim())) return id.trim()
  warnings.push({ path: 'params.tiktok_lead_id', code: 'not_a_tiktok_lead_id' })
  return undefined
}

/** Which source a payload was made for. Payloads of different ones never share a request (§1.1). */
export function sourceOfPayload (payload: Pick<TikTokPayload, 'page' | 'lead'>): EventSource {
  if (payload.lead !== undefined) return 'crm'
  return payload.page === undefined ? 'offline' : 'web'
}

/** The `event_source_id` of a source; undefined where the settings have none. */
export function sourceIdOf (source: EventSource, settings: TikTokSettings): string | undefined {
  switch (source) {
    case 'web': return settings.pixel_code
    case 'offline': return settings.offline_event_set_id
    case 'crm': return settings.crm_event_set_id
  }
}
