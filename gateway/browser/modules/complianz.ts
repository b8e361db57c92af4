// Module `complianz`: the choice in Complianz' banner for WordPress, where its consent mode is switched off.
import type { Module } from '../index.ts'

/** The banner keeps its categories in cookies of its own and says so by events; `allow` is a grant. */
const complianz: Module = page => {
  const read = () => {
    const state = (category: string) => new RegExp(`(?:^|; )cmplz_${category}=(allow|deny)`).exec(document.cookie)?.[1]
    const [marketing, statistics] = [state('marketing'), state('statistics')]
    if (marketing === undefined && statistics === undefined) return
    const ads = marketing === 'allow'
    page.consent({
      ad_storage: ads, ad_user_data: ads, ad_personalization: ads, analytics_storage: statistics === 'allow'
    })
  }
  for (const kind of ['cmplz_status_change', 'cmplz_fire_categories', 'cmplz_revoke']) {
    document.addEventListener(kind, read)
  }
  read()
}
export default complianz
