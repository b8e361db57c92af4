// A server event that the fake Meta takes without complaint, for tests to break one thing at a time.
import { createHash } from 'node:crypto'
import type { Json } from './json.ts'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The clock of the tests: 2026-11-23T10:00:00Z. */
export const exampleNowMs = Date.UTC(2026, 10, 23, 10)

/** A website lead with everything that Postern would send; `over` replaces keys at the root. */
export function exampleEvent (over: Json = {}): Json {
  return {
    event_name: 'Lead',
    event_time: exampleNowMs / 1000 - 30,
    event_id: 'lead-0192f0c1',
    action_source: 'website',
    event_source_url: 'https://www.example.com/offer?utm_source=meta',
    referrer_url: 'https://www.example.com/',
    user_data: exampleUser(),
    custom_data: { value: 50, currency: 'EUR', content_name: 'Solar roof' },
    ...over
  }
}

export function exampleUser (over: Json = {}): Json {
  return {
    em: [sha256('erika@example.com')],
    ph: [sha256('493012345678')],
    fn: sha256('erika'),
    ct: [sha256('münchen'), sha256('mnchen')],
    country: sha256('de'),
    db: sha256('19840229'),
    ge: sha256('f'),
    external_id: sha256('customer-17'),
    client_ip_address: '203.0.113.7',
    client_user_agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
    fbc: `fb.1.${exampleNowMs - 60_000}.IwZXh0bgNhZW0_aem_Ab-9`,
    fbp: `fb.1.${exampleNowMs - 60_000}.1234567890`,
    ...over
  }
}
