// Our event names and the category that a conversion action for them has in Google Ads (Goals → Summary).

/**
 * Google Ads knows no event names: what is sent is the action that the settings name for the event. Any other name may
 * have an action as well. `refund` is not here, because the Data Manager API takes no conversion back (google.md §2.5).
 */
export const events: Readonly<Record<string, string>> = {
  page_view: 'Page view',
  view_item: 'Page view',
  search: 'Engagement',
  add_to_cart: 'Add to cart',
  add_to_wishlist: 'Engagement',
  begin_checkout: 'Begin checkout',
  add_payment_info: 'Begin checkout',
  purchase: 'Purchase',
  generate_lead: 'Submit lead form',
  sign_up: 'Sign-up',
  contact: 'Contact',
  schedule: 'Book appointment',
  subscribe: 'Subscribe',
  start_trial: 'Subscribe',
  submit_application: 'Submit lead form',
  find_location: 'Get directions',
  qualify_lead: 'Qualified lead',
  working_lead: 'Qualified lead',
  close_convert_lead: 'Converted lead'
}

/** Events that no conversion action may be made of. */
export const notConversions: Readonly<Record<string, string>> = {
  refund: 'the Data Manager API takes no conversion back'
}
