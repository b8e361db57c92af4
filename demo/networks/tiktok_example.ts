// Events that the fake TikTok takes without complaint, for tests to break one thing at a time.
import type { Json } from './json.ts'
import { exampleNowMs, sha256 } from './meta_example.ts'

export { exampleNowMs, sha256 }

/** A website lead with everything that Postern would send; `over` replaces keys at the root. */
export function tiktokEvent (over: Json = {}): Json {
  return {
    event: 'Lead',
    event_time: exampleNowMs / 1000 - 30,
    event_id: 'lead-0192f0c1',
    user: tiktokUser(),
    properties: { value: 50, currency: 'EUR', description: 'Solar roof' },
    page: { url: 'https://www.example.com/offer?utm_source=tiktok', referrer: 'https://www.tiktok.com/' },
    ...over
  }
}

export function tiktokUser (over: Json = {}): Json {
  return {
    email: [sha256('erika@example.com')],
    phone: [sha256('+493012345678')],
    external_id: [sha256('customer-17')],
    ttclid: 'E.C.P.CvcBpSAMPLEclick_of-AN.ad',
    ttp: '01KTWH5QXGXEMB5JTKC82JZMR9_.tt.1',
    ip: '203.0.113.7',
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
    locale: 'de-DE',
    first_name: sha256('erika'),
    last_name: sha256('mustermann'),
    zip_code: sha256('10115'),
    city: 'berlin',
    state: 'berlin',
    country: 'de',
    ...over
  }
}

/** What happened in a shop. */
export function tiktokOffline (over: Json = {}): Json {
  return {
    event: 'Purchase',
    event_time: exampleNowMs / 1000 - 3600,
    event_id: 'pos-17',
    user: { email: [sha256('erika@example.com')], phone: [sha256('+493012345678')] },
    properties: { value: 12.5, currency: 'EUR', order_id: 'POS-17' },
    ...over
  }
}

/** A later stage of a lead from TikTok's own form. */
export function tiktokStage (over: Json = {}): Json {
  return {
    event: 'QualifiedLead',
    event_time: exampleNowMs / 1000 - 3600,
    event_id: 'stage-17',
    user: { email: [sha256('erika@example.com')], external_id: [sha256('customer-17')] },
    lead: { lead_id: '7301964452018376450', lead_event_source: 'HubSpot' },
    ...over
  }
}
