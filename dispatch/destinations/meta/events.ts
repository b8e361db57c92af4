// Our event names and Meta's (meta.md §1.3, other-networks.md §9). Names are case-sensitive and must match the pixel's.

/** Meta's standard events first; what Meta has no standard event for goes as a custom event of this name. */
export const events: Readonly<Record<string, string>> = {
  page_view: 'PageView',
  view_item: 'ViewContent',
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
  find_location: 'FindLocation',
  customize_product: 'CustomizeProduct',
  donate: 'Donate',

  view_item_list: 'ViewCategory',
  view_cart: 'ViewCart',
  add_shipping_info: 'AddShippingInfo',
  refund: 'Refund',
  application_approval: 'ApplicationApproval',
  file_download: 'Download',
  login: 'Login',
  video_start: 'VideoView',
  qualify_lead: 'QualifiedLead',
  disqualify_lead: 'DisqualifiedLead',
  working_lead: 'WorkingLead',
  close_convert_lead: 'ConvertedLead',
  close_unconvert_lead: 'UnconvertedLead'
}
