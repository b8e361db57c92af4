// Tests of what a choice allows the script, against the rules the gateway and the dispatcher go by.
import { test } from 'tap'
import { consentKeys, effective, gpcRules, type Consent } from '../../schema/consent.ts'
import { decide, readChoice, readCommand, type Said } from './choice.ts'
import type { PublicSite } from './public_site.ts'

const states = [undefined, 'granted', 'denied'] as const
const site: PublicSite =
  { consent: 'opt_in', gpc: 'drop', cookie_domain: 'example.com', consent_cookie: '_pstn_c', consent_days: 180 }

/** Every way to answer the four keys: 81. */
function * everySaid (): Generator<Said> {
  for (let at = 0; at < 81; at++) {
    const said: Said = {}
    consentKeys.forEach((key, index) => {
      const state = states[Math.floor(at / 3 ** index) % 3]
      if (state !== undefined) said[key] = state
    })
    yield said
  }
}

test('the script allows what the effective consent of the same answers allows, for every rule', async t => {
  let compared = 0
  for (const consent of ['opt_in', 'opt_out'] as const) {
    for (const gpcRule of gpcRules) {
      for (const gpc of [false, true]) {
        for (const said of everySaid()) {
          const allowed = decide(said, { ...site, consent, gpc: gpcRule }, gpc)
          const truth = effective({ consent: said, gpc }, { consent, gpc: gpcRule, optOutCountries: [] })
          const expected = {
            ads: truth.ad_storage === 'granted',
            analytics: truth.analytics_storage === 'granted',
            events: [truth.ad_storage, truth.ad_user_data, truth.analytics_storage].includes('granted')
          }
          const { ads, analytics, events } = allowed
          t.same({ ads, analytics, events }, expected, JSON.stringify({ consent, gpcRule, gpc, said }))
          if (!gpc) t.equal(allowed.honored, false)
          if (gpc && gpcRule === 'drop') t.equal(allowed.honored, true)
          if (allowed.refused) t.equal(events, false)
          compared++
        }
      }
    }
  }
  t.equal(compared, 2 * 3 * 2 * 81)
})

test('nothing is refused before both kinds of storage were answered', async t => {
  const cases: Array<[Said, boolean]> = [
    [{}, false],
    [{ ad_storage: 'denied' }, false],
    [{ ad_storage: 'denied', analytics_storage: 'denied' }, true],
    [{ ad_storage: 'denied', analytics_storage: 'granted' }, false],
    [{ ad_storage: 'denied', analytics_storage: 'denied', ad_user_data: 'granted' }, false]
  ]
  for (const [said, refused] of cases) t.equal(decide(said, site, false).refused, refused, JSON.stringify(said))
})

test('a choice is read from what banners pass, and nothing else is', async t => {
  const all: Consent =
    { ad_storage: 'granted', ad_user_data: 'denied', ad_personalization: 'denied', analytics_storage: 'granted' }
  const cases: Array<[unknown, Said]> = [
    [all, all],
    [{ ...all, functionality_storage: 'granted', wait_for_update: 500 }, all],
    [{ ad_storage: 'yes', analytics_storage: 1 }, {}],
    ['granted', {}],
    [null, {}],
    [undefined, {}]
  ]
  for (const [given, said] of cases) t.same(readChoice(given), said)
})

test('a consent update in the dataLayer is a choice; a default and other entries are none', async t => {
  function asArguments (...given: unknown[]): ArrayLike<unknown> {
    return Object.assign(Object.create(null) as object, given, { length: given.length })
  }
  const granted = { ad_storage: 'granted' }
  const cases: Array<[unknown, Said]> = [
    [asArguments('consent', 'update', granted), { ad_storage: 'granted' }],
    [['consent', 'update', granted], { ad_storage: 'granted' }],
    [asArguments('consent', 'default', granted), {}],
    [asArguments('event', 'update', granted), {}],
    [asArguments('consent', 'update'), {}],
    [{ event: 'purchase', ad_storage: 'granted' }, {}],
    [null, {}], ['consent', {}], [undefined, {}]
  ]
  for (const [entry, said] of cases) t.same(readCommand(entry), said)
})
