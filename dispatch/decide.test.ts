// Whether an event goes to a destination, and why not.
import { test } from 'tap'
import { candidateAt, fictionalTarget, granted } from '../test/fictional.ts'
import { decide, latestTryMs, tryLimits, type Decision } from './decide.ts'

const now = Date.UTC(2026, 10, 23, 12)
const hour = 3_600_000

/** The decision in one word. */
function word (decision: Decision): string {
  if ('go' in decision) return 'go'
  if ('held' in decision) return `held ${decision.held}`
  return 'skipped' in decision ? `skipped ${decision.skipped}` : `rejected ${decision.rejected}`
}

type Given = [Parameters<typeof candidateAt>[1], Parameters<typeof candidateAt>[2]?,
  Parameters<typeof fictionalTarget>[0]?]

const cases: [string, string, ...Given][] = [
  ['a lead with consent goes', 'go', {}],
  ['an erased event is not sent', 'skipped erased', {}, { isErased: true }],
  ['a bot is not sent', 'skipped bot', { bot: ['isbot'] }],
  ['an empty list of bot signs is no bot', 'go', { bot: [] }],
  ['without any answer an opt-in site sends nothing', 'skipped no_consent', { consent: {} }],
  ['a denied ad_user_data is final', 'skipped no_consent', { consent: { ...granted, ad_user_data: 'denied' } }],
  ['a denied ad_storage lets the lead go', 'go', { consent: { ...granted, ad_storage: 'denied' } }],
  ['a denial in a later part counts', 'skipped no_consent', {}, { said: { consent: { ad_user_data: 'denied' } } }],
  ['a revoke after the event counts', 'skipped no_consent', {}, { revoked: { adsAtMs: now - 1000 } }],
  ['a revoke of analytics leaves ads alone', 'go', {}, { revoked: { analyticsAtMs: now - 1000 } }],
  ['a revoke of analytics after the event counts', 'skipped no_consent', {}, { revoked: { analyticsAtMs: now - 1000 } },
    { destination: { purpose: 'analytics' } }],
  ['a revoke of ads leaves analytics alone', 'go', {}, { revoked: { adsAtMs: now - 1000 } },
    { destination: { purpose: 'analytics' } }],
  ['GPC drops', 'skipped no_consent', { gpc: true }],
  ['analytics asks another key', 'skipped no_consent', { consent: { ...granted, analytics_storage: 'denied' } }, {},
    { destination: { purpose: 'analytics' } }],
  ['the owner\'s own webhook asks no consent', 'go', { consent: {} }, {}, { destination: { purpose: 'first_party' } }],
  ['a name the network lacks is skipped', 'skipped event_not_supported', { event_name: 'sign_up' }],
  ['a name from Object.prototype is no name of theirs', 'skipped event_not_supported', { event_name: 'constructor' }],
  ['a custom name goes where customs are taken', 'go', { event_name: 'sign_up' }, {},
    { destination: { customEvents: true } }],
  ['a tag that fired without the id holds', 'held browser_tag_without_event_id',
    { browser_tags: { fictional: 'sent_without_id' } }],
  ['a tag that fired with another id holds', 'held browser_tag_without_event_id',
    { browser_tags: { fictional: 'sent_other_id' } }],
  ['another network\'s tag is not ours', 'go', { browser_tags: { meta: 'sent_without_id' } }],
  ['the same id within the window goes', 'go', { browser_tags: { fictional: 'sent_with_id' } }],
  ['past the window, what the browser may have sent is skipped', 'skipped dedupe_window_passed',
    { occurred_at_ms: now - 49 * hour }],
  ['past the window, a blocked tag lets it go', 'go',
    { occurred_at_ms: now - 49 * hour, browser_tags: { fictional: 'blocked' } }],
  ['past the window, a purely signed event goes', 'go', { occurred_at_ms: now - 49 * hour, trust: 'signed' }],
  ['past the window, a signed event with a browser part is skipped', 'skipped dedupe_window_passed',
    { occurred_at_ms: now - 49 * hour, trust: 'signed' }, { trusts: ['signed', 'same_site'] }],
  ['too old is too old whoever sent it', 'skipped too_old', { occurred_at_ms: now - 169 * hour, trust: 'signed' }],
  ['a network that cannot dedupe is not told twice', 'skipped dedupe_window_passed',
    { browser_tags: { fictional: 'sent_with_id' } }, {}, { destination: { dedupes: false } }],
  ['a lost answer within the window is sent again', 'go', {}, { isAnswerLost: true, firstSentAtMs: now - hour }],
  ['a lost answer past the window is not', 'rejected unknown_whether_sent', { trust: 'signed' },
    { isAnswerLost: true, firstSentAtMs: now - 49 * hour }],
  ['a lost answer of a network that cannot dedupe is not', 'rejected unknown_whether_sent', {},
    { isAnswerLost: true, firstSentAtMs: now - 1000 }, { destination: { dedupes: false } }],
  ['where the tag reports first, what it may have sent is left to it', 'skipped role_not_meant', {}, {},
    { destination: { browserTag: () => 'reports_first' } }],
  ['where the tag reports first, what it cannot have sent goes', 'go', { trust: 'signed' }, {},
    { destination: { browserTag: () => 'reports_first', dedupes: false } }],
  ['where the tag reports first, a blocked one leaves it to us', 'go', { browser_tags: { fictional: 'blocked' } }, {},
    { destination: { browserTag: () => 'reports_first', dedupes: false } }],
  ['a stage is no page\'s to report', 'go', { event_name: 'qualify_lead', browser_tags: { fictional: 'unknown' } }, {},
    { destination: { browserTag: () => 'reports_first', dedupes: false, customEvents: true } }],
  ['a stage whose tag was seen reporting it is left to the tag', 'skipped role_not_meant',
    { event_name: 'qualify_lead', browser_tags: { fictional: 'sent_with_id' } }, {},
    { destination: { browserTag: () => 'reports_first', dedupes: false, customEvents: true } }],
  ['a tag that counts elsewhere stops nothing', 'go',
    { browser_tags: { fictional: 'sent_without_id' }, occurred_at_ms: now - 49 * hour }, {},
    { destination: { browserTag: () => 'apart' } }],
  ['what the mapping refuses is rejected', 'rejected invalid_event', { form_id: 'incomplete' }],
  ['an event larger than a request is rejected', 'rejected too_large', { event_id: 'x'.repeat(5000) }],
  ['a shadow says so last of all', 'skipped shadow', {}, {}, { mode: 'shadow' }],
  ['a shadow still says what else would stop it', 'rejected invalid_event', { form_id: 'incomplete' }, {},
    { mode: 'shadow' }]
]

test('whether an event goes', t => {
  for (const [name, expected, event, more, target] of cases) {
    t.equal(word(decide(candidateAt(now, event, more), fictionalTarget(target), now)), expected, name)
  }
  t.end()
})

test('the event is not changed by deciding', t => {
  const candidate = candidateAt(now)
  const before = structuredClone(candidate)
  decide(candidate, fictionalTarget(), now)
  t.same(candidate, before)
  t.end()
})

test('the last moment of a retry', t => {
  const occurred = now - hour
  const rows: [string, number, ...Given][] = [
    ['the browser\'s window', occurred + 48 * hour, {}],
    ['our own window, where no browser can have sent it', now + 48 * hour, { trust: 'signed' }],
    ['our own window, from the first request on', now - 40 * hour + 48 * hour, { trust: 'signed' },
      { firstSentAtMs: now - 40 * hour }],
    ['the age limit, where nothing is deduplicated', occurred + 168 * hour, {}, {},
      { destination: { dedupes: false } }],
    ['the age limit, where it comes first', occurred + 24 * hour, {}, {},
      { destination: { limits: { events: 1, bytes: 1, maxAgeDays: () => 1 } } }]
  ]
  for (const [name, expected, event, more, target] of rows) {
    const candidate = candidateAt(now, { occurred_at_ms: occurred, ...event }, more)
    t.equal(latestTryMs(tryLimits(candidate, fictionalTarget(target)), now), expected, name)
  }
  t.end()
})
