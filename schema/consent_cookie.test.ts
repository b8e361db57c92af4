// Tests of the consent cookie's grammar.
import fc from 'fast-check'
import { test } from 'tap'
import { consentKeys, consentStates, type Consent } from './consent.ts'
import { consentCookieKeys, formatConsentCookie, parseConsentCookie } from './consent_cookie.ts'

test('the marks of the consent cookie stand in the order of the consent keys', async t => {
  t.same(consentCookieKeys, consentKeys)
})

test('a choice is written as version, marks and seconds', async t => {
  const cases: Array<[Partial<Consent>, string]> = [
    [{ ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted' },
      '1.1111.1764000000'],
    [{ ad_storage: 'denied', ad_user_data: 'denied', ad_personalization: 'denied', analytics_storage: 'denied' },
      '1.0000.1764000000'],
    [{ ad_storage: 'granted', analytics_storage: 'denied' }, '1.1--0.1764000000'],
    [{}, '1.----.1764000000']
  ]
  for (const [consent, written] of cases) {
    t.equal(formatConsentCookie(consent, 1764000000), written)
  }
})

test('every choice reads back as it was written', async t => {
  const choice = fc.record({
    consent: fc.record(Object.fromEntries(consentKeys.map(key => [key, fc.constantFrom(...consentStates)])),
      { requiredKeys: [] }),
    chosenAtSeconds: fc.integer({ min: 1_700_000_000, max: 9_999_999_999 })
  })
  fc.assert(fc.property(choice, given => {
    t.same(parseConsentCookie(formatConsentCookie(given.consent, given.chosenAtSeconds)), given)
  }), { numRuns: 200 })
})

test('anything that is no consent cookie is null', async t => {
  const cases = ['', '1', '1.1111', '1.1111.', '1.111.1764000000', '1.11111.1764000000', '1.1x11.1764000000',
    '2.1111.1764000000', '1.1111.1764000000.1', ' 1.1111.1764000000', '1.1111.-764000000',
    '1.1111.17640000001234', '%31.1111.1']
  for (const value of cases) t.equal(parseConsentCookie(value), null, value)
})
