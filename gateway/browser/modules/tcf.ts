// Module `tcf`: the choice out of a consent platform that speaks IAB TCF v2 (`__tcfapi`), where it has no consent mode.
import type { Module } from '../index.ts'

interface TcData {
  eventStatus?: string
  gdprApplies?: boolean
  purpose?: { consents?: Record<string, boolean> }
}
type TcfApi = (command: string, version: number, hear: (data: TcData, success: boolean) => void) => void

/**
 * Purpose 1 is storage on the device, 3 and 4 are personalised advertising, 7 and 8 its measurement: what is not all
 * consented to is denied. Where GDPR does not apply, the platform asks nobody, and the site's own rule stands.
 */
const tcf: Module = page => {
  const api = (window as unknown as { __tcfapi?: TcfApi }).__tcfapi
  api?.('addEventListener', 2, ({ eventStatus, gdprApplies, purpose }, success) => {
    if (!success || gdprApplies === false || !/^(tcloaded|useractioncomplete)$/.test(eventStatus ?? '')) return
    const has = (...purposes: number[]) => purposes.every(one => purpose?.consents?.[one] === true)
    page.consent({
      ad_storage: has(1),
      ad_user_data: has(1, 7),
      ad_personalization: has(1, 3, 4),
      analytics_storage: has(1, 8)
    })
  })
}
export default tcf
