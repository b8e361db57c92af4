// The demo's settings and the accounts they name: one site on this machine, four networks at the fakes. No variable of
// yours is read.
import { generateKeyPairSync } from 'node:crypto'
import type { ProcessSettings } from '../config/process_settings.ts'
import { parseSettings, type Settings } from '../config/settings.ts'
import { destinations } from '../dispatch/registry.ts'

export const metaPixelId = '1234567890'

/** The accounts of the page's own tags, which report to the same places as Postern. */
export const tags = {
  tiktokPixel: 'CDEMO0PIXEL0TIKTOK00',
  googleCustomer: '6043182257',
  googleActions: { generate_lead: '6512345001', purchase: '6512345002' },
  measurementId: 'G-DEM0STREAM'
}

const serviceAccount = 'postern@demo.iam.gserviceaccount.com'

/** A service account for Google, new at each start: the fake knows its public key and believes nobody else. */
export interface DemoGoogle { publicKey: string, credentials: string }

export function makeDemoGoogle (): DemoGoogle {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  const credentials = JSON.stringify({
    type: 'service_account',
    project_id: 'demo',
    private_key_id: 'demo',
    private_key: privateKey,
    client_email: serviceAccount,
    token_uri: 'https://oauth2.googleapis.com/token'
  })
  return { publicKey, credentials }
}

/** What the fake Google Ads is told of the demo's account. */
export function fakeGoogleAds ({ publicKey }: DemoGoogle) {
  const actions = Object.entries(tags.googleActions).map(([name, id]) => [id, { kind: 'WEBPAGE' as const, name }])
  return {
    serviceAccounts: { [serviceAccount]: publicKey },
    customers: { [tags.googleCustomer]: Object.fromEntries(actions) },
    // The real one needs half an hour; Postern asks it only then.
    processingMs: 5000
  }
}

/** The destinations at the fakes: the accounts to which the page's own tags report, too. */
export function demoDestinations (fakesUrl: string, google: DemoGoogle): Record<string, Record<string, unknown>> {
  return {
    meta: {
      pixel_id: metaPixelId, access_token: 'a-token-of-the-demo', events: 'all', endpoint: `${fakesUrl}/meta`
    },
    google_ads: {
      customer_id: tags.googleCustomer,
      conversion_actions: tags.googleActions,
      role: 'supplement',
      credentials: google.credentials,
      endpoint: `${fakesUrl}/google_ads`,
      token_endpoint: `${fakesUrl}/google_ads/token`
    },
    tiktok: {
      pixel_code: tags.tiktokPixel, access_token: 'a-token-of-the-demo-for-tiktok', endpoint: `${fakesUrl}/tiktok`
    },
    ga4: { measurement_id: tags.measurementId, api_secret: 'a-secret-of-the-demo', endpoint: `${fakesUrl}/ga4` }
  }
}

/** The settings, checked like any other. */
export function demoSettings (process: ProcessSettings, fakesUrl: string, google: DemoGoogle): Settings {
  const siteUrl = `http://localhost:${process.demoPort}`
  const demo = {
    hosts: ['localhost'],
    origins: [siteUrl],
    consent: 'opt_in',
    defaults: { country: 'DE', currency: 'EUR', lead_value: 50 },
    thank_you: `${siteUrl}/thanks`,
    redirect_hosts: [`localhost:${process.demoPort}`],
    destinations: demoDestinations(fakesUrl, google)
  }
  const read = parseSettings('the demo\'s settings', JSON.stringify({ sites: { demo } }), {}, destinations)
  if (!('settings' in read)) throw new Error('problems' in read ? read.problems.join('\n') : 'the demo has no settings')
  return read.settings
}
