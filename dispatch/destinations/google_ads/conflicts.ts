// Mistakes in the actions of a site's Google Ads destinations: what would count a conversion twice, or never.
import type { Configured, Conflict } from '../../destination.ts'
import { whyNeverMet } from '../../naming.ts'
import { notConversions } from './events.ts'
import { accountId, actionOf, type GoogleAdsSettings } from './settings.ts'

type One = Configured<GoogleAdsSettings>

/**
 * In one account an event has one role (else the tag's conversion and the imported one are two), and an action is of
 * one type, so it has one role too (google.md §2.4).
 */
export function findConflicts (configured: readonly One[]): Conflict[] {
  return configured.flatMap((one, index) => {
    const others = configured.slice(0, index).filter(other =>
      accountId(other.settings.customer_id) === accountId(one.settings.customer_id) &&
      other.settings.role !== one.settings.role)
    return Object.keys(one.settings.conversion_actions).flatMap(event => {
      const found = refused(event) ?? others.map(other => between(one, other, event)).find(text => text !== null)
      return found === undefined || found === null
        ? []
        : [{ name: one.name, keys: ['conversion_actions', event], text: found }]
    })
  })
}

function refused (event: string): string | undefined {
  const why = Object.hasOwn(notConversions, event) ? notConversions[event] : undefined
  return why === undefined ? whyNeverMet(event) : `${event} cannot have an action: ${why}`
}

function between ({ settings }: One, other: One, event: string): string | null {
  if (Object.hasOwn(other.settings.conversion_actions, event)) {
    return `${event} has the role ${settings.role} here and ${other.settings.role} in ${other.name}, for the same ` +
      'customer_id: it would be counted twice'
  }
  const action = actionOf(event, settings)
  const shared = Object.keys(other.settings.conversion_actions).find(name => actionOf(name, other.settings) === action)
  return shared === undefined
    ? null
    : `the action ${action} has the role ${settings.role} here and ${other.settings.role} in ${other.name}: ` +
      'an action is either an import or the page\'s own'
}
