// Which names GA4 takes for events and parameters (google.md §3 "Names" and "Limits"; reference, "Reserved names").

const longestName = 40
/** GA4 keeps everything that begins so for itself. */
const reservedPrefixes = ['ga_', 'google_', 'firebase_', '_', 'gtag.']

/** Events that GA4 makes itself, or takes from apps only: sent from outside they are dropped without a word. */
const reservedEvents = new Set(['ad_activeview', 'ad_click', 'ad_exposure', 'ad_query', 'ad_reward',
  'adunit_exposure', 'app_clear_data', 'app_exception', 'app_install', 'app_remove', 'app_store_refund',
  'app_store_subscription_cancel', 'app_store_subscription_convert', 'app_store_subscription_renew', 'app_update',
  'app_upgrade', 'dynamic_link_app_open', 'dynamic_link_app_update', 'dynamic_link_first_open', 'error',
  'first_open', 'first_visit', 'notification_dismiss', 'notification_foreground', 'notification_open',
  'notification_receive', 'notification_send', 'os_update', 'session_start', 'user_engagement',
  'ad_impression', 'in_app_purchase', 'screen_view'])

/** Why GA4 would drop an event of this name; undefined when it takes it. */
export function eventNameFault (name: string): string | undefined {
  const fault = nameFault(name)
  if (fault !== undefined) return `GA4 takes no event of this name: ${fault}`
  return reservedEvents.has(name) ? `GA4 takes no event of this name: ${name} is reserved` : undefined
}

/** Why GA4 takes no parameter of this name, as a code of a warning; undefined when it does. */
export function parameterNameFault (name: string): 'reserved_name' | 'bad_name' | undefined {
  if (reservedPrefixes.some(prefix => name.startsWith(prefix)) || name === 'firebase_conversion') return 'reserved_name'
  return nameFault(name) === undefined ? undefined : 'bad_name'
}

function nameFault (name: string): string | undefined {
  const prefix = reservedPrefixes.find(prefix => name.toLowerCase().startsWith(prefix))
  if (prefix !== undefined) return `names that begin with ${prefix} are reserved`
  if (name.length > longestName) return `it has ${name.length} characters, ${longestName} are allowed`
  if (!/^[A-Za-z]\w*$/.test(name)) return 'a name has letters, digits and underscores and begins with a letter'
  return undefined
}
