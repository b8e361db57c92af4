// The names under which Meta's and TikTok's pixels report what GA4 calls otherwise; the two agree on all of these.

/** GA4's name, the pixels' where it is not the same in camel case, and further names that the gateway takes for it. */
const known = 'page_view view_item=ViewContent=ProductViewed search add_to_cart add_to_wishlist ' +
  'begin_checkout=InitiateCheckout=CheckoutStarted add_payment_info purchase=Purchase=CompletePayment=OrderCompleted ' +
  'generate_lead=Lead=SubmitForm sign_up=CompleteRegistration contact schedule subscribe start_trial submit_application'

const plain = (name: string) => name.toLowerCase().replace(/[\s_-]/g, '')
const toCamelCase = (name: string) => name.replace(/(?:^|_)./g, found => found.slice(-1).toUpperCase())

/** GA4's name of an event and the pixels'; for a name of the site's own, that name alone. */
export function nameForPixels (given: string): [name: string, pixelName?: string] {
  for (const entry of known.split(' ')) {
    const names = entry.split('=')
    const [name = '', pixelName = toCamelCase(name)] = names
    if (names.some(one => plain(one) === plain(given))) return [name, pixelName]
  }
  return [given.trim()]
}
