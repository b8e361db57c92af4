// Module `cookiebot`: the choice in Cookiebot's banner, where its consent mode is switched off.
import type { Module } from '../index.ts'

interface Cookiebot { hasResponse?: boolean, consent?: { marketing?: boolean, statistics?: boolean } }

/** Before an answer the banner has no opinion. Marketing answers the three keys of advertising. */
const cookiebot: Module = page => {
  const read = () => {
    const { hasResponse, consent } = (window as unknown as { Cookiebot?: Cookiebot }).Cookiebot ?? {}
    if (!hasResponse) return
    const ads = consent?.marketing === true
    page.consent({
      ad_storage: ads, ad_user_data: ads, ad_personalization: ads, analytics_storage: consent?.statistics === true
    })
  }
  for (const kind of ['CookiebotOnConsentReady', 'CookiebotOnAccept', 'CookiebotOnDecline']) {
    addEventListener(kind, read)
  }
  read()
}
export default cookiebot
