// The names of events: GA4's own, the aliases accepted at the door, and which of them count as conversions.

/** What a destination asks for with `events:`; each level contains the one before it. */
export const eventLevels = ['conversions', 'funnel', 'all'] as const
export type EventLevel = typeof eventLevels[number]

/** Later stages of a lead. They come from signed sources, never from a browser. */
export const stageEvents = ['qualify_lead', 'disqualify_lead', 'working_lead', 'close_convert_lead',
  'close_unconvert_lead'] as const

const conversions = new Set<string>(['purchase', 'refund', 'generate_lead', 'sign_up', 'contact', 'schedule',
  'subscribe',
  'start_trial', 'submit_application', ...stageEvents])

const funnel = new Set<string>(['view_item', 'view_item_list', 'select_item', 'search', 'add_to_cart',
  'add_to_wishlist',
  'view_cart', 'begin_checkout', 'add_shipping_info', 'add_payment_info'])

/** The lowest level that contains an event name. */
export function levelOf (eventName: string): EventLevel {
  if (conversions.has(eventName)) return 'conversions'
  return funnel.has(eventName) ? 'funnel' : 'all'
}

/** Whether a destination that takes `level` wants this event. */
export function isWanted (eventName: string, level: EventLevel): boolean {
  return eventLevels.indexOf(levelOf(eventName)) <= eventLevels.indexOf(level)
}

/** Well-known spellings of other vendors, by lower-case name without separators; GA4's own names pass unchanged. */
const aliases = new Map<string, string>(Object.entries({
  pageview: 'page_view',
  viewcontent: 'view_item',
  productviewed: 'view_item',
  viewcategory: 'view_item_list',
  viewitem: 'view_item',
  search: 'search',
  addtocart: 'add_to_cart',
  addtowishlist: 'add_to_wishlist',
  initiatecheckout: 'begin_checkout',
  checkoutstarted: 'begin_checkout',
  begincheckout: 'begin_checkout',
  addpaymentinfo: 'add_payment_info',
  purchase: 'purchase',
  completepayment: 'purchase',
  ordercompleted: 'purchase',
  refund: 'refund',
  lead: 'generate_lead',
  generatelead: 'generate_lead',
  submitform: 'generate_lead',
  completeregistration: 'sign_up',
  signup: 'sign_up',
  contact: 'contact',
  schedule: 'schedule',
  subscribe: 'subscribe',
  starttrial: 'start_trial',
  submitapplication: 'submit_application'
}))

/**
 * The canonical name of an event: GA4's, or the sender's own.
 * `Lead`, `lead`, `PageView`, `Order Completed` become GA4 names; anything else is kept as it is, trimmed.
 */
export function canonicalEventName (given: string): string {
  const trimmed = given.trim()
  return aliases.get(trimmed.toLowerCase().replace(/[\s_-]/g, '')) ?? trimmed
}
