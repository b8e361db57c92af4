// Cookies of consent platforms as they are found in browsers, and what they say.
import { test } from 'tap'
import { consentPlatformNames, consentPlatforms, type ConsentPlatform } from './consent_platforms.ts'

const atSeconds = 1_764_000_000
const iso = new Date(atSeconds * 1000).toISOString()
const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64')

/** The core of a TC string: version 2, updated now, these purposes. */
function tcString (purposes: number[], version = 2): string {
  const bits = Array.from({ length: 216 }, () => 0)
  const put = (at: number, length: number, value: number) => {
    for (let bit = length - 1; bit >= 0; bit--, value = Math.floor(value / 2)) bits[at + bit] = value % 2
  }
  put(0, 6, version)
  put(6, 36, atSeconds * 10)
  put(42, 36, atSeconds * 10)
  for (const purpose of purposes) bits[152 + purpose - 1] = 1
  const bytes = Buffer.alloc(27)
  bits.forEach((bit, at) => { bytes[at >> 3] = (bytes[at >> 3] ?? 0) | bit << (7 - at % 8) })
  return bytes.toString('base64url')
}

const cookiebot = (text: string) => ({ CookieConsent: encodeURIComponent(text) })
const onetrust = (groups: string, closed: string | undefined = iso) => ({
  OptanonConsent: 'isGpcEnabled=0&datestamp=Mon+Nov+24+2025+16%3A00%3A00+GMT%2B0000&version=202409.1.0&hosts=&' +
    `groups=${encodeURIComponent(groups)}&AwaitingReconsent=false`,
  ...closed === '' ? {} : { OptanonAlertBoxClosed: encodeURIComponent(closed) }
})

/** `marks`: the four keys in consent mode's order, as in our own cookie; undefined: nothing was answered. */
type Case = [platform: ConsentPlatform, cookies: Record<string, string>, marks: string | undefined, timed?: boolean]
const cases: Case[] = [
  ['cookiebot', cookiebot('{stamp:\'a==\',necessary:true,preferences:false,statistics:true,marketing:true,' +
    `method:'explicit',ver:1,utc:${atSeconds}000,region:'de'}`), '1111', true],
  ['cookiebot', cookiebot("{stamp:'a',necessary:true,preferences:true,statistics:true,marketing:false}"), '0001'],
  ['cookiebot', cookiebot("{stamp:'0',necessary:true,preferences:false,statistics:false,marketing:false}"), '0000'],
  ['cookiebot', cookiebot("{stamp:'x',statistics:true,marketing:true,method:'implied',ver:1}"), undefined],
  ['cookiebot', { CookieConsent: '-1' }, undefined],
  ['cookiebot', { CookieConsent: '%' }, undefined],
  ['cookiebot', { CookieConsent: 'x'.repeat(5000) }, undefined],
  ['cookiebot', {}, undefined],
  ['onetrust', onetrust('C0001:1,C0002:1,C0003:0,C0004:1'), '1111', true],
  ['onetrust', onetrust('C0001:1,C0002:1,C0003:0,C0004:0'), '0001', true],
  ['onetrust', onetrust('C0001:1,C0004:0,C0002:0,C0003:0'), '0000', true],
  ['onetrust', onetrust('C0001:1,C0002:1,C0004:1', ''), undefined],
  ['onetrust', onetrust('C0001:1,C0002:1,C0004:1', 'soon'), undefined],
  ['onetrust', onetrust('nonsense'), undefined],
  ['complianz', { cmplz_marketing: 'allow', cmplz_statistics: 'allow' }, '1111'],
  ['complianz', { cmplz_marketing: 'deny', cmplz_statistics: 'allow' }, '0001'],
  ['complianz', { cmplz_statistics: 'deny' }, '0000'],
  ['complianz', { cmplz_marketing: 'yes' }, undefined],
  ['complianz', {}, undefined],
  ['cookieyes', {
    'cookieyes-consent': 'consentid:dFlD,consent:yes,action:yes,necessary:yes,functional:yes,analytics:yes,' +
      `performance:yes,advertisement:yes,lastRenewedDate:${atSeconds}000`
  }, '1111', true],
  ['cookieyes', {
    'cookieyes-consent': encodeURIComponent('consentid:x,consent:no,action:yes,analytics:no,advertisement:no')
  }, '0000'],
  ['cookieyes', { 'cookieyes-consent': 'consent:yes,action:no,analytics:yes,advertisement:yes' }, undefined],
  ['cookieyes', { 'cookieyes-consent': 'consent:yes,action:,analytics:yes,advertisement:yes' }, undefined],
  ['cookiehub', { cookiehub: base64({ answered: true, allAllowed: true, timestamp: iso }) }, '1111', true],
  ['cookiehub', { cookiehub: base64({ answered: true, allAllowed: false, timestamp: iso }) }, '0000', true],
  ['cookiehub', { cookiehub: base64({ answered: true, allAllowed: true, implicit: true }) }, undefined],
  ['cookiehub', { cookiehub: base64({ answered: false, allAllowed: true }) }, undefined],
  ['cookiehub', { cookiehub: 'bm9uc2Vuc2U=' }, undefined],
  ['cookiehub', { cookiehub: base64(null) }, undefined],
  ['tcf', { 'euconsent-v2': tcString([1, 2, 3, 4, 7, 8]) }, '1111', true],
  ['tcf', { 'euconsent-v2': `${tcString([1, 7])}.YAAAAAAAAAAA` }, '1100', true],
  ['tcf', { 'euconsent-v2': tcString([3, 4, 7, 8]) }, '0000', true],
  ['tcf', { 'euconsent-v2': tcString([]) }, '0000', true],
  ['tcf', { 'euconsent-v2': tcString([1, 7], 1) }, undefined],
  ['tcf', { 'euconsent-v2': 'COtybn4PA_zT4KjACBENAPCIAEBAAECAAIAAAAAAAAAA.x' }, '0000'],
  ['tcf', { 'euconsent-v2': 'short' }, undefined]
]

test('the cookies of consent platforms say what the visitor answered, and nothing where nobody did', async t => {
  for (const [platform, cookies, marks, timed] of cases) {
    const choice = consentPlatforms[platform].read(name => cookies[name])
    const { ad_storage: ads, ad_user_data: data, ad_personalization: persona, analytics_storage: analytics } =
      choice?.consent ?? {}
    const found = [ads, data, persona, analytics].map(state => state === 'granted' ? '1' : '0').join('')
    const name = `${platform}: ${JSON.stringify(cookies).slice(0, 90)}`
    t.equal(choice === undefined ? undefined : found, marks, name)
    if (timed === true) t.equal(choice?.chosenAtSeconds, atSeconds, `${name}, when`)
  }
  t.same([...new Set(cases.map(([platform]) => platform))].sort(), [...consentPlatformNames].sort(), 'all are tried')
})

test('no cookie, however odd, throws', async t => {
  const odd = ['', '%', '%%%', '{', '{}', 'null', '[]', '\0', 'a:b,c', '1'.repeat(4096), '-'.repeat(60), 'ä', '%F0%9F',
    base64({ timestamp: 'x', answered: true }), encodeURIComponent('{marketing:true,statistics:true,utc:9}')]
  for (const name of consentPlatformNames) {
    for (const value of odd) {
      const said = `${name}: ${JSON.stringify(value.slice(0, 20))}`
      t.doesNotThrow(() => consentPlatforms[name].read(() => value), said)
    }
  }
})
