// GA4: the Measurement Protocol, by google.md §3–§6. One value; everything it uses is pure.
import { defineDestination } from '../../destination.ts'
import { findUnmetNames } from '../../naming.ts'
import { events } from './events.ts'
import { judge } from './judge.ts'
import { map } from './map.ts'
import { normalize } from './normalize.ts'
import { payload } from './payload.ts'
import { settings } from './settings.ts'

/** "Smaller than 130 kB", less the key that a test adds. */
const maxBytes = 129_900

export default defineDestination({
  type: 'ga4',
  title: 'Google Analytics 4 (Measurement Protocol)',
  settings,
  payload,
  purpose: 'analytics',
  endpoint: 'https://www.google-analytics.com',
  limits: {
    // GA4 takes 25, but all of one person: client, user, consent, device and place stand around the list of events.
    events: 1,
    bytes: maxBytes,
    maxAgeDays: () => 3
  },
  // 100 million an hour and property: no gateway gets there.
  rate: {},
  lingerMs: 0,
  // Only purchases, by their transaction_id. Any other event would count again each time it is sent.
  dedupes: false,
  // GA4 recognises no copy by an id of ours, so that its tag and this destination must not report the same event.
  browserTag: ({ role }) => role === 'sole' ? 'apart' : 'reports_first',
  events,
  customEvents: true,
  findConflicts: findUnmetNames,
  auth: { kind: 'query', name: 'api_secret', value: ({ api_secret: secret }) => secret },
  normalize,
  map,
  request ([payload], { measurement_id: measurementId }, endpoint, isTest) {
    // The validation server records nothing; asked to be strict, it says what the other one would ignore.
    const path = isTest ? '/debug/mp/collect' : '/mp/collect'
    return {
      method: 'POST',
      url: `${endpoint.replace(/\/+$/, '')}${path}?measurement_id=${measurementId}`,
      headers: { 'content-type': 'application/json' },
      body: isTest ? { ...payload, validation_behavior: 'ENFORCE_RECOMMENDATIONS' } : payload
    }
  },
  judge
})
