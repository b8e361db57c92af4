// TikTok: the Events API 2.0, by other-networks.md §1. One value; everything it uses is pure.
import { defineDestination } from '../../destination.ts'
import { findUnmetNames } from '../../naming.ts'
import { events } from './events.ts'
import { judge } from './judge.ts'
import { map } from './map.ts'
import { normalize } from './normalize.ts'
import { payload } from './payload.ts'
import { settings } from './settings.ts'
import { sourceIdOf, sourceOfPayload } from './source.ts'

/** TikTok names no limit of bytes; large senders keep to this one (§1.1). */
const maxBytes = 1_000_000

export default defineDestination({
  type: 'tiktok',
  title: 'TikTok Events API',
  settings,
  payload,
  purpose: 'advertising',
  endpoint: 'https://business-api.tiktok.com',
  limits: { events: 1000, bytes: maxBytes, maxAgeDays: () => 7 },
  // 1,000 a second, which is the limit of a day as well (§1.1).
  rate: { perMinute: 60_000 },
  // The sooner the better: within five minutes TikTok merges our copy with the pixel's (§1.8).
  lingerMs: 0,
  dedupes: { windowHours: 48 },
  events,
  customEvents: true,
  findConflicts: findUnmetNames,
  auth: { kind: 'header', name: 'access-token', value: ({ access_token: token }) => token },
  normalize,
  map,
  batchKey: sourceOfPayload,
  testNeeds: 'test_event_code',
  request (payloads, settings, endpoint, isTest) {
    const [source, ...others] = new Set(payloads.map(sourceOfPayload))
    if (source === undefined || others.length > 0) throw new Error('a request is of one event source')
    const sourceId = sourceIdOf(source, settings)
    if (sourceId === undefined) throw new Error(`no event_source_id for ${source}`)
    const { test_event_code: testCode } = settings
    // Without the code a test would count.
    if (isTest && testCode === undefined) throw new Error('a test event needs test_event_code')
    return {
      method: 'POST',
      url: `${endpoint.replace(/\/+$/, '')}/open_api/v1.3/event/track/`,
      headers: { 'content-type': 'application/json' },
      body: {
        event_source: source,
        event_source_id: sourceId,
        test_event_code: isTest ? testCode : undefined,
        data: payloads
      }
    }
  },
  judge
})
