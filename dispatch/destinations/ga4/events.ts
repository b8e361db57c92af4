// The events that GA4 recommends or knows from its own tag: our names are GA4's, so each goes under its own.

const names = ['page_view', 'view_item', 'view_item_list', 'select_item', 'view_promotion', 'select_promotion',
  'search', 'view_search_results', 'add_to_cart', 'remove_from_cart', 'add_to_wishlist', 'view_cart',
  'begin_checkout', 'add_shipping_info', 'add_payment_info', 'purchase', 'refund',
  'generate_lead', 'qualify_lead', 'disqualify_lead', 'working_lead', 'close_convert_lead', 'close_unconvert_lead',
  'sign_up', 'login', 'share', 'select_content', 'file_download', 'video_start', 'join_group', 'earn_virtual_currency',
  'spend_virtual_currency', 'level_start', 'level_end', 'level_up', 'post_score', 'tutorial_begin',
  'tutorial_complete', 'unlock_achievement']

/** Names that are not here go as events of the owner's own (other-networks.md §9, the column GA4). */
export const events: Readonly<Record<string, string>> = Object.fromEntries(names.map(name => [name, name]))
