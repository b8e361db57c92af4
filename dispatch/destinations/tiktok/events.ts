// Our event names and TikTok's (other-networks.md §1.6, §9). Names are case-sensitive and must match the pixel's.

/** The standard events of the web, by their newest names: the only ones an offline event set takes (§1.6). */
export const standardNames: ReadonlySet<string> = new Set(['AddPaymentInfo', 'AddToCart', 'AddToWishlist',
  'ApplicationApproval', 'CompleteRegistration', 'Contact', 'CustomizeProduct', 'Download', 'FindLocation',
  'InitiateCheckout', 'Lead', 'Purchase', 'Schedule', 'Search', 'StartTrial', 'SubmitApplication', 'Subscribe',
  'ViewContent',
  // Left the list or were renamed, and are still taken.
  'CompletePayment', 'SubmitForm', 'PlaceAnOrder', 'ClickButton'])

/** TikTok's standard events first; what TikTok has no standard event for goes as a custom event of this name. */
export const events: Readonly<Record<string, string>> = {
  page_view: 'Pageview',
  view_item: 'ViewContent',
  view_item_list: 'ViewContent',
  search: 'Search',
  add_to_cart: 'AddToCart',
  add_to_wishlist: 'AddToWishlist',
  begin_checkout: 'InitiateCheckout',
  add_payment_info: 'AddPaymentInfo',
  purchase: 'Purchase',
  generate_lead: 'Lead',
  sign_up: 'CompleteRegistration',
  contact: 'Contact',
  schedule: 'Schedule',
  subscribe: 'Subscribe',
  start_trial: 'StartTrial',
  submit_application: 'SubmitApplication',
  application_approval: 'ApplicationApproval',
  find_location: 'FindLocation',
  customize_product: 'CustomizeProduct',
  file_download: 'Download',

  view_cart: 'ViewCart',
  add_shipping_info: 'AddShippingInfo',
  refund: 'Refund',
  donate: 'Donate',
  login: 'Login',
  video_start: 'VideoView',
  qualify_lead: 'QualifiedLead',
  disqualify_lead: 'DisqualifiedLead',
  working_lead: 'WorkingLead',
  close_convert_lead: 'ConvertedLead',
  close_unconvert_lead: 'UnconvertedLead'
}
