// Google Ads: conversions through the Data Manager API, by google.md §2. One value; everything it uses is pure.
import { defineDestination } from '../../destination.ts'
import { findConflicts } from './conflicts.ts'
import { projectOf, quotaProjectOf } from './credentials.ts'
import { events } from './events.ts'
import { judge } from './judge.ts'
import { map } from './map.ts'
import { normalize } from './normalize.ts'
import { payload } from './payload.ts'
import { accountId, actionOf, settings, type GoogleAdsSettings } from './settings.ts'
import { judgeVerdict } from './verdict.ts'

/** Google names no limit of bytes; 2,000 events of this mapping stay below it, session attributes included. */
const maxBytes = 8_000_000
/** The longest click-through window that an action can have (google.md §1.4): an older event has no click to go to. */
const maxAgeDays = 90
/** Google asks nobody to ask earlier (google.md §2.6). */
const verifyAfterSeconds = 1800
/**
 * 300 requests a minute and 100,000 a day belong to the whole project, questions about verdicts included (§2.2). Five
 * seconds of company make at most 17,280 requests a day of one action, however thinly its events come; nobody waits
 * for them, because the verdict takes half an hour.
 */
const lingerMs = 5000

/** A request for a user is counted for the project that the credentials name (google.md §2.2). */
function headersOf ({ credentials }: GoogleAdsSettings): Record<string, string> {
  const project = quotaProjectOf(credentials)
  return project === undefined ? {} : { 'x-goog-user-project': project }
}

const baseOf = (endpoint: string) => `${endpoint.replace(/\/+$/, '')}/v1`

/** The account behind which the credentials stand; naming the account itself can be refused (google.md §2.3). */
function loginAccountOf (settings: GoogleAdsSettings) {
  const login = settings.login_customer_id === undefined ? undefined : accountId(settings.login_customer_id)
  return login === undefined || login === accountId(settings.customer_id)
    ? undefined
    : { accountType: 'GOOGLE_ADS', accountId: login }
}

export default defineDestination({
  type: 'google_ads',
  title: 'Google Ads (Data Manager API)',
  settings,
  payload,
  purpose: 'advertising',
  endpoint: 'https://datamanager.googleapis.com',
  limits: { events: 2000, bytes: maxBytes, maxAgeDays: () => maxAgeDays },
  rate: { perMinute: 300, perDay: 100_000, sharedBy: ({ credentials }) => projectOf(credentials) },
  lingerMs,
  // A copy under the same transactionId adjusts the conversion to the same value, and no end of that is named (§2.5):
  // for as long as an event may be sent at all, a second copy of it changes nothing.
  dedupes: { windowHours: maxAgeDays * 24 },
  browserTag: ({ role }) => role === 'supplement' ? 'shares_id' : 'apart',
  names: (settings, eventName) => actionOf(eventName, settings) !== undefined,
  events,
  customEvents: true,
  auth: {
    kind: 'google_oauth',
    scope: 'https://www.googleapis.com/auth/datamanager',
    credentials: ({ credentials }) => credentials
  },
  normalize,
  map,
  batchKey: ({ destinationReferences: [action = ''] }) => action,
  request (payloads, settings, endpoint, isTest) {
    const [action, ...others] = new Set(payloads.flatMap(one => one.destinationReferences))
    if (action === undefined || others.length > 0) throw new Error('a request has the events of one action')
    return {
      method: 'POST',
      url: `${baseOf(endpoint)}/events:ingest`,
      headers: { 'content-type': 'application/json', ...headersOf(settings) },
      body: {
        destinations: [{
          reference: action,
          operatingAccount: { accountType: 'GOOGLE_ADS', accountId: accountId(settings.customer_id) },
          loginAccount: loginAccountOf(settings),
          productDestinationId: action
        }],
        events: payloads,
        encoding: 'HEX',
        // The syntax is checked and nothing is counted; there is no status to ask for (google.md §2.6).
        validateOnly: isTest ? true : undefined
      }
    }
  },
  judge,
  verify: {
    afterSeconds: verifyAfterSeconds,
    request: (trace, settings, endpoint) => ({
      method: 'GET',
      url: `${baseOf(endpoint)}/requestStatus:retrieve?requestId=${encodeURIComponent(trace)}`,
      headers: headersOf(settings)
    }),
    judge: judgeVerdict
  },
  findConflicts
})
