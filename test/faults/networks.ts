// The ad networks of a fault run: strict fakes, how they misbehave, and what each of them must have got in the end.
import type { Behaviour } from '../../demo/networks/behaviour.ts'
import { isLeadId } from './bodies.ts'

export interface RunNetwork {
  type: string
  /** Its destination in the settings file. */
  settings: (fakesUrl: string) => object
  /** Which events it must count, by their id. */
  wants: (id: string) => boolean
  /** The state in which its deliveries end. */
  endsAs: 'delivered' | 'accepted'
}

/** Three networks that recognise a copy: whatever happens, each of their events must be counted exactly once. */
export const runNetworks: readonly RunNetwork[] = [
  {
    type: 'meta',
    settings: url => ({
      pixel_id: '1234567890', access_token: 'a-token-of-the-fault-suite', events: 'all', endpoint: `${url}/meta`
    }),
    wants: () => true,
    endsAs: 'delivered'
  },
  {
    type: 'tiktok',
    settings: url => ({
      pixel_code: 'CP0STERN0FAULTS0TIKT',
      access_token: 'faultsAccessToken000000000000000000000000000',
      events: 'all',
      endpoint: `${url}/tiktok`
    }),
    wants: () => true,
    endsAs: 'delivered'
  },
  {
    type: 'google_ads',
    settings: url => ({
      customer_id: '604-318-2257',
      role: 'import',
      conversion_actions: { generate_lead: '6512345001' },
      credentials: JSON.stringify({
        type: 'authorized_user',
        client_id: 'faults.apps.googleusercontent.com',
        client_secret: 'faults',
        refresh_token: 'faults'
      }),
      endpoint: `${url}/google_ads`,
      token_endpoint: `${url}/google_ads/token`
    }),
    wants: isLeadId,
    // The verdict comes half an hour later.
    endsAs: 'accepted'
  }
]

/** A share of the networks' answers: one in ten 5xx, one in twenty 429, one in fifty never comes. */
export const networkFaults: Omit<NonNullable<Behaviour['random']>, 'seed'> = {
  rate: 0.17,
  faults: [
    ...new Array(10).fill({ kind: 'status', status: 503 }),
    ...new Array(5).fill({ kind: 'status', status: 429, retry_after_seconds: 1 }),
    ...new Array(2).fill({ kind: 'hang', processed: true })
  ]
}

/** The settings file of a site whose senders all share one address. */
export function settingsText (networks: readonly RunNetwork[], fakesUrl: string): string {
  return JSON.stringify({
    sites: {
      main: {
        hosts: ['t.example.com'],
        origins: ['https://www.example.com'],
        consent: 'opt_in',
        defaults: { country: 'DE', currency: 'EUR', lead_value: 50 },
        destinations: Object.fromEntries(networks.map(({ type, settings }) => [type, settings(fakesUrl)]))
      }
    },
    rate_limits: { events_per_minute: 10_000_000, leads_per_minute: 10_000_000 }
  })
}
