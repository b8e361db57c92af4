// Module `onetrust`: the choice in OneTrust's banner, where its consent mode is switched off.
import type { Module } from '../index.ts'

interface OneTrustWindow {
  OnetrustActiveGroups?: string
  OneTrust?: { IsAlertBoxClosed?: () => boolean, OnConsentChanged?: (hear: () => void) => void }
}

/** OneTrust's own groups: C0004 is targeting, C0002 performance. Before an answer the banner has no opinion. */
const onetrust: Module = page => {
  const own = window as unknown as OneTrustWindow
  let isListening = false
  const read = () => {
    const { OneTrust, OnetrustActiveGroups: groups = '' } = own
    if (!isListening && OneTrust?.OnConsentChanged !== undefined) {
      isListening = true
      OneTrust.OnConsentChanged(read)
    }
    if (OneTrust?.IsAlertBoxClosed?.() !== true) return
    const ads = groups.includes(',C0004,')
    page.consent({
      ad_storage: ads, ad_user_data: ads, ad_personalization: ads, analytics_storage: groups.includes(',C0002,')
    })
  }
  addEventListener('OneTrustGroupsUpdated', read)
  addEventListener('load', read)
  read()
}
export default onetrust
