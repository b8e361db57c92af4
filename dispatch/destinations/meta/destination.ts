// Meta: the Conversions API, by the reference's §1–§5. One value; everything it uses is pure.
import { createHmac } from 'node:crypto'
import { defineDestination } from '../../destination.ts'
import { findUnmetNames } from '../../naming.ts'
import { events } from './events.ts'
import { judge } from './judge.ts'
import { map } from './map.ts'
import { normalize } from './normalize.ts'
import { payload } from './payload.ts'
import { settings, type MetaSettings } from './settings.ts'

/** Meta names no limit of bytes (meta.md §8); a request of this size is still read within its time-out. */
const maxBytes = 2_000_000
/** Tells Meta which software sent the events: fewer than 23 characters, at least 2 letters (meta.md §1.2). */
const partnerAgent = 'postern'

/** Proves that the token is used by its own app: a token that leaked is of no use without the secret (meta.md §1.1). */
function appSecretProof ({ app_secret: secret, access_token: token }: MetaSettings): string | undefined {
  return secret === undefined ? undefined : createHmac('sha256', secret).update(token).digest('hex')
}

export default defineDestination({
  type: 'meta',
  title: 'Meta Conversions API',
  settings,
  payload,
  purpose: 'advertising',
  endpoint: 'https://graph.facebook.com',
  limits: {
    events: 1000,
    bytes: maxBytes,
    maxAgeDays: event => event.action_source === 'physical_store' ? 62 : 7
  },
  rate: {},
  lingerMs: 0,
  dedupes: { windowHours: 48 },
  events,
  customEvents: true,
  findConflicts: findUnmetNames,
  auth: { kind: 'header', name: 'authorization', value: ({ access_token: token }) => `Bearer ${token}` },
  normalize,
  map,
  testNeeds: 'test_event_code',
  request (payloads, settings, endpoint, isTest) {
    const { pixel_id: pixelId, api_version: version, test_event_code: testCode } = settings
    // Meta counts a test event without the code like any other: better none than that.
    if (isTest && testCode === undefined) throw new Error('a test event needs test_event_code')
    return {
      method: 'POST',
      url: `${endpoint.replace(/\/+$/, '')}/${version}/${pixelId}/events`,
      headers: { 'content-type': 'application/json' },
      body: {
        data: payloads,
        test_event_code: isTest ? testCode : undefined,
        partner_agent: partnerAgent,
        appsecret_proof: appSecretProof(settings)
      }
    }
  },
  judge
})
