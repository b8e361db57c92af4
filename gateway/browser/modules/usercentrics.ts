// Module `usercentrics`: the choice in Usercentrics' banner (`__ucCmp` of its second generation, `UC_UI` of the first).
import type { Module } from '../index.ts'

interface Category { state?: string }
interface Details { consent?: { status?: string }, categories?: Record<string, Category> }
interface Service { categorySlug: string, consent: { status: boolean } }
interface UsercentricsWindow {
  __ucCmp?: { getConsentDetails: () => Promise<Details> }
  UC_UI?: { isInitialized: () => boolean, getServicesBaseInfo: () => Service[] }
}

/** Marketing answers the three keys of advertising; a category counts when all of it was consented to. */
const usercentrics: Module = page => {
  const own = window as unknown as UsercentricsWindow
  const tell = (ads: boolean, analytics: boolean) => page.consent({
    ad_storage: ads, ad_user_data: ads, ad_personalization: ads, analytics_storage: analytics
  })
  const read = () => {
    own.__ucCmp?.getConsentDetails().then(({ categories }) => {
      tell(categories?.marketing?.state === 'ALL_ACCEPTED', categories?.functional?.state === 'ALL_ACCEPTED')
    }).catch((error: unknown) => console.debug(error))
    if (own.__ucCmp !== undefined || own.UC_UI?.isInitialized() !== true) return
    const services = own.UC_UI.getServicesBaseInfo()
    const isGiven = (slug: string) => {
      const ofSlug = services.filter(({ categorySlug }) => categorySlug === slug)
      return ofSlug.length > 0 && ofSlug.every(({ consent }) => consent.status)
    }
    tell(isGiven('marketing'), isGiven('functional'))
  }
  /** Only what the visitor did, now or on an earlier visit, is an answer. */
  const hear = (event: Event) => {
    const { type, event: kind } = Object((event as CustomEvent<unknown>).detail) as { type?: string, event?: string }
    if (kind === 'consent_status' || /^(ACCEPT_ALL|DENY_ALL|SAVE)$/.test(type ?? '')) read()
  }
  addEventListener('UC_UI_CMP_EVENT', hear)
  addEventListener('UC_CONSENT', hear)
  addEventListener('ucEvent', hear)
}
export default usercentrics
