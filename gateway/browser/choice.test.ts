// Tests of what a choice allows the script, against the rules the gateway and the dispatcher go by.
import { test } from 'tap'
import { consentKeys, effective, gpcRules, type Consent } from '../../schema/consent.ts'
import { consentMarks, formatConsentCookie } from '../../schema/consent_cookie.ts'
import { addAnswers, findChoice, isGranted, toConsent } from './choice.ts'
import { gpcOrder } from './public_site.ts'

const states = [undefined, 'granted', 'denied'] as const
type Said = Partial<Consent>

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
    for (const rule of gpcRules) {
      for (const gpc of [false, true]) {
        for (const said of everySaid()) {
          const truth = effective({ consent: said, gpc }, { consent, gpc: rule, optOutCountries: [] })
          consentKeys.forEach((key, at) => {
            // The script asks nothing of personalisation, which `limit` denies beside letting the event go.
            if (key === 'ad_personalization') return
            const unsaid = consent === 'opt_out' ? '1' : ''
            t.equal(isGranted(at, consentMarks(said), unsaid, gpc, gpcOrder.indexOf(rule)), truth[key] === 'granted',
              JSON.stringify({ consent, rule, gpc, said, key }))
            compared++
          })
        }
      }
    }
  }
  t.equal(compared, 2 * 3 * 2 * 81 * 3)
})

test('a choice is the same in the cookie, in marks and in words', async t => {
  for (const said of everySaid()) {
    const cookie = formatConsentCookie(said, 1764000000)
    const marks = findChoice(`a=1; _pstn_c=${cookie}; b=2`, '_pstn_c')
    t.equal(marks, consentMarks(said))
    t.same(toConsent(marks), said)
    t.equal(addAnswers('----', said), marks)
  }
})

test('only a cookie of the grammar is a choice', async t => {
  const cases: Array<[string, string]> = [
    ['', '----'], ['_pstn_c=', '----'], ['_pstn_c=2.1111.1764000000', '----'], ['_pstn_c=1.111.1764000000', '----'],
    ['_pstn_c=1.1111.1764000000x', '----'], ['x_pstn_c=1.1111.1764000000', '----'], ['_pstn=1.1111.1764000000', '----'],
    ['_pstn_c=1.1111.1764000000', '1111'], ['a=b;c; _pstn_c=1.0-01.1764000000', '0-01']
  ]
  for (const [cookies, marks] of cases) t.equal(findChoice(cookies, '_pstn_c'), marks, cookies)
})

test('answers are read from what banners pass and from consent mode\'s state, and nothing else is', async t => {
  const all: Consent =
    { ad_storage: 'granted', ad_user_data: 'denied', ad_personalization: 'denied', analytics_storage: 'granted' }
  const cases: Array<[unknown, string]> = [
    [all, '1001'],
    [{ ...all, functionality_storage: 'granted', wait_for_update: 500 }, '1001'],
    [{ ad_storage: true, ad_user_data: false }, '10--'],
    [{
      ad_storage: { default: false, update: true },
      ad_user_data: { default: true },
      analytics_storage: { update: false }
    }, '1--0'],
    [{ ad_storage: 'yes', analytics_storage: 1, ad_user_data: 'grantedx' }, '----'],
    ['granted', '----'], [null, '----'], [undefined, '----'], [[], '----']
  ]
  for (const [given, marks] of cases) t.equal(addAnswers('----', given), marks, JSON.stringify(given))
  t.equal(addAnswers('1111', { ad_storage: 'denied' }), '0111', 'the other answers stay')
})
