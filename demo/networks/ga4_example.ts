// A request that the fake GA4 takes without complaint, for tests to break one thing at a time.
import { exampleNowMs, sha256 } from './meta_example.ts'
import type { Json } from './json.ts'

/** A purchase with everything that Postern would send; `over` replaces keys of the body. */
export function ga4Request (over: Json = {}): Json {
  return {
    client_id: '1187364950.1795135999',
    user_id: 'customer-17',
    timestamp_micros: (exampleNowMs - 30_000) * 1000,
    user_data: ga4User(),
    consent: { ad_user_data: 'GRANTED', ad_personalization: 'DENIED' },
    user_location: { country_id: 'DE' },
    device: { category: 'desktop', language: 'de-DE', screen_resolution: '1512x982', browser: 'Chrome' },
    events: [ga4Event()],
    ...over
  }
}

export function ga4User (over: Json = {}): Json {
  return {
    sha256_email_address: [sha256('erika@example.com')],
    sha256_phone_number: [sha256('+493012345678')],
    address: [ga4Address()],
    ...over
  }
}

export function ga4Address (over: Json = {}): Json {
  return {
    sha256_first_name: sha256('erika'),
    sha256_street: sha256('hauptstraße 1'),
    city: 'münchen',
    postal_code: '80331',
    country: 'DE',
    ...over
  }
}

/** An event; `over` replaces keys of its parameters. */
export function ga4Event (over: Json = {}, name: unknown = 'purchase'): Json {
  return {
    name,
    params: {
      session_id: '1795167001',
      engagement_time_msec: 1,
      page_location: 'https://shop.example.com/thanks?utm_source=newsletter',
      page_title: 'Thank you',
      currency: 'EUR',
      value: 129.98,
      transaction_id: '1042',
      items: [{ item_id: 'SKU-1', item_name: 'Wool jumper', price: 64.99, quantity: 2 }],
      ...over
    }
  }
}
