// A request that the fake Data Manager API takes without complaint, for tests to break one thing at a time.
import { createHash } from 'node:crypto'
import type { Json } from './json.ts'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The clock of the tests: 2026-11-23T10:00:00Z. */
export const exampleNowMs = Date.UTC(2026, 10, 23, 10)

export const importAction = '6512345001'
export const websiteAction = '6512345002'
export const callAction = '6512345009'
export const customer = '6043182257'

/** A lead with everything that Postern would send; `over` replaces keys at the root. */
export function exampleEvent (over: Json = {}): Json {
  return {
    destinationReferences: [importAction],
    transactionId: 'lead-0192f0c1',
    eventTimestamp: '2026-11-23T09:59:30.500Z',
    eventSource: 'WEB',
    adIdentifiers: { gclid: 'Cj0KCQiA88X_BRDUARIsACVMYD8q', sessionAttributes: exampleSession() },
    userData: {
      userIdentifiers: [
        { emailAddress: sha256('erika@example.com') }, { phoneNumber: sha256('+493012345678') },
        { address: exampleAddress() }
      ]
    },
    consent: { adUserData: 'CONSENT_GRANTED', adPersonalization: 'CONSENT_DENIED' },
    conversionValue: 50,
    currency: 'EUR',
    eventDeviceInfo: { userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36' },
    ...over
  }
}

export function exampleAddress (over: Json = {}): Json {
  return {
    givenName: sha256('erika'), familyName: sha256('muster'), regionCode: 'DE', postalCode: '10115', ...over
  }
}

export function exampleSession (over: Json = {}): string {
  return Buffer.from(JSON.stringify({
    gad_source: '1',
    gad_campaignid: '21540033215',
    session_start_time_usec: `${exampleNowMs - 60_000}000`,
    landing_page_url: 'https://www.example.com/offer',
    landing_page_user_agent: 'Mozilla/5.0',
    ...over
  })).toString('base64url')
}

/** A request with these events for one action. */
export function exampleRequest (events: unknown[], over: Json = {}, action = importAction): Json {
  return { destinations: [exampleDestination({}, action)], events, encoding: 'HEX', ...over }
}

export function exampleDestination (over: Json = {}, action = importAction): Json {
  return {
    reference: action,
    operatingAccount: { accountType: 'GOOGLE_ADS', accountId: customer },
    productDestinationId: action,
    ...over
  }
}
