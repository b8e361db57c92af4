// Consent: the order of the rules, and what the door may keep.
import { test } from 'tap'
import { effective, storable, type ConsentFacts, type ConsentRule } from './consent.ts'

const optIn: ConsentRule = { consent: 'opt_in', gpc: 'drop', optOutCountries: [] }
const all = (state: 'granted' | 'denied') =>
  ({ ad_storage: state, ad_user_data: state, ad_personalization: state, analytics_storage: state })

const cases: { it: string, facts: ConsentFacts, rule?: Partial<ConsentRule>, expect: object }[] = [
  {
    it: 'denies everything nobody answered on an opt-in site',
    facts: {},
    expect: {
      ...all('denied'),
      because: 'site_rule'
    }
  },
  {
    it: 'grants what nobody answered on an opt-out site',
    facts: {},
    rule: { consent: 'opt_out' },
    expect: all('granted')
  },
  {
    it: 'treats an unknown country as opt-in',
    facts: {},
    rule: { consent: 'by_country', optOutCountries: ['US'] },
    expect: all('denied')
  },
  {
    it: 'grants in a country of the list',
    facts: { country: 'US' },
    rule: { consent: 'by_country', optOutCountries: ['US'] },
    expect: all('granted')
  },
  {
    it: 'lets the event\'s own keys beat the site rule, key by key',
    facts: { consent: { ad_user_data: 'granted', analytics_storage: 'denied' } },
    expect: { ad_storage: 'denied', ad_user_data: 'granted', analytics_storage: 'denied', because: 'said' }
  },
  {
    it: 'lets an explicit denial stand on an opt-out site',
    facts: { consent: all('denied') },
    rule: { consent: 'opt_out' },
    expect: all('denied')
  },
  {
    it: 'drops under GPC whatever the page says, but leaves analytics alone',
    facts: { consent: all('granted'), gpc: true },
    expect: {
      ad_storage: 'denied',
      ad_user_data: 'denied',
      ad_personalization: 'denied',
      analytics_storage: 'granted',
      because: 'gpc'
    }
  },
  {
    it: 'limits under GPC where the site chose to limit',
    facts: { consent: all('granted'), gpc: true },
    rule: { gpc: 'limit' },
    expect: { ad_user_data: 'granted', ad_personalization: 'denied', limited: true }
  },
  {
    it: 'lets an explicit opt-in beat GPC where the site respects it',
    facts: { consent: all('granted'), gpc: true },
    rule: { gpc: 'respect_later_opt_in' },
    expect: all('granted')
  },
  {
    it: 'does not take the site rule for an opt-in under GPC',
    facts: { gpc: true },
    rule: { consent: 'opt_out', gpc: 'respect_later_opt_in' },
    expect: { ad_user_data: 'denied', because: 'gpc' }
  },
  {
    it: 'denies after a revoke that is newer than the event',
    facts: { consent: all('granted'), occurredAtMs: 1000, revoked: { adsAtMs: 2000 } },
    expect: {
      ...all('denied'), analytics_storage: 'granted', because: 'revoked', analytics_because: 'said'
    }
  },
  {
    it: 'denies analytics alone after a revoke of analytics',
    facts: { consent: all('granted'), occurredAtMs: 1000, revoked: { analyticsAtMs: 2000 } },
    expect: { ...all('granted'), analytics_storage: 'denied', because: 'said', analytics_because: 'revoked' }
  },
  {
    it: 'denies analytics after its revoke on an opt-out site, under GPC as well',
    facts: { gpc: true, occurredAtMs: 1000, revoked: { analyticsAtMs: 2000 } },
    rule: { consent: 'opt_out' },
    expect: { ...all('denied'), because: 'gpc', analytics_because: 'revoked' }
  },
  {
    it: 'ignores a revoke older than the event',
    facts: { consent: all('granted'), occurredAtMs: 3000, revoked: { adsAtMs: 2000, analyticsAtMs: 3000 } },
    expect: all('granted')
  }
]

test('effective()', async t => {
  for (const { it, facts, rule, expect } of cases) t.match(effective(facts, { ...optIn, ...rule }), expect, it)
})

test('storable() keeps the visitor with either storage and ad ids with ad_storage alone', async t => {
  t.strictSame(storable({ ...all('denied'), analytics_storage: 'granted' }),
    { adIds: false, analyticsIds: true, visitor: true })
  t.strictSame(storable({ ...all('denied'), ad_storage: 'granted' }), {
    adIds: true,
    analyticsIds: false,
    visitor: true
  })
  t.strictSame(storable({ ...all('granted'), ad_storage: 'denied', analytics_storage: 'denied' }),
    { adIds: false, analyticsIds: false, visitor: false }, 'ad_user_data alone stores no id')
})
