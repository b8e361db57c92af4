// Cookies that come twice, or that a host beside ours has set: which visitor, choice and ids are believed.
import { test } from 'tap'
import { formatConsentCookie } from '../schema/consent_cookie.ts'
import type { Consent } from '../schema/consent.ts'
import { gatewayWorld, granted, setCookiesOf, site, type Answer } from '../test/gateway_world.ts'
import { readJar } from './cookies.ts'

const nowSeconds = Math.floor(Date.now() / 1000)
const choice = (consent: Partial<Consent>, ageDays = 1) =>
  `_pstn_c=${formatConsentCookie(consent, nowSeconds - ageDays * 86_400)}`
const yes = choice(granted as Consent)
const no = choice({ ad_storage: 'denied', ad_user_data: 'denied', analytics_storage: 'denied' }, 90)
const adsOnly = choice({ ad_storage: 'granted', ad_user_data: 'granted', analytics_storage: 'denied' })
const analyticsOnly = choice({ ad_storage: 'denied', ad_user_data: 'denied', analytics_storage: 'granted' })

test('which cookies are read, and what of them', t => {
  const cases: [header: string | undefined, jar: Record<string, string[]>][] = [
    [undefined, {}], ['', {}], [';;;', {}], ['a', {}], ['=a', {}], ['a=', { a: [''] }], ['a=b', { a: ['b'] }],
    ['a=b; c=d', { a: ['b'], c: ['d'] }], ['a=b;c=d', { a: ['b'], c: ['d'] }], ['a=1; a=2; b=3; a=1', {
      a: ['1', '2', '1'], b: ['3']
    }],
    ['a=b=c', { a: ['b=c'] }], ['a=%3D%20', { a: ['%3D%20'] }], ['a="b"', { a: ['"b"'] }], ['a="', { a: ['"'] }],
    ['a="b; c=d"', { a: ['"b'], c: ['d"'] }], ['a b=c', { 'a b': ['c'] }], [' a = b ', { a: ['b'] }],
    ['A=1; a=2', { A: ['1'], a: ['2'] }], ['a,b=c', { 'a,b': ['c'] }],
    ['$Version=1; a=b', { $Version: ['1'], a: ['b'] }],
    ['__Host-a=b', { '__Host-a': ['b'] }], ['a=\u00e4', { a: ['\u00e4'] }], ['constructor=b', { constructor: ['b'] }]
  ]
  for (const [header, expected] of cases) t.same(Object.fromEntries(readJar(header)), expected, String(header))
  t.same(readJar('__proto__=b').get('__proto__'), ['b'])
  t.equal(readJar(Array.from({ length: 3000 }, (_, at) => `c${at}=x`).join('; ')).size, 3000, 'none is left out')
  t.end()
})

const visitorOf = (answer: Answer) => setCookiesOf(answer).get('_pstn')?.value ?? ''

test('a visitor is who our own cookie says, whatever stands beside it', async t => {
  const world = await gatewayWorld(t)
  const view = { event_name: 'page_view', page_location: 'https://www.example.com/', consent: granted }
  const mine = visitorOf(await world.post(view))
  const theirs = visitorOf(await world.post({ ...view, page_seed: `${Date.now()}.111111111111111111` }))
  const idOf = (cookie: string) => cookie.split('.')[1]
  const many = (count: number, name: string) => Array.from({ length: count }, (_, at) => `${name}${at}=x`).join('; ')
  const cases: [what: string, cookie: string, visitor: string | undefined][] = [
    ['ours', `_pstn=${mine}`, mine],
    ['a forged one before it', `_pstn=v1.${'v'.padEnd(23, 'A')}.${nowSeconds}.${'A'.repeat(43)}; _pstn=${mine}`, mine],
    ['a forged one behind it', `_pstn=${mine}; _pstn=x`, mine],
    ['empty ones around it', `_pstn=; _pstn=${mine}; _pstn=`, mine],
    // Set for a narrower path by a host beside ours: sent before ours.
    ['somebody\'s own valid one, for a narrower path', `_pstn=${theirs}; _pstn=${mine}`, mine],
    ['two of them', `_pstn=${theirs}; _pstn=${theirs}; _pstn=${mine}`, mine],
    ['in quotes', `_pstn="${mine}"`, undefined],
    ['cut off', `_pstn=${mine.slice(0, -1)}`, undefined],
    ['encoded', `_pstn=${mine.replaceAll('.', '%2E')}`, undefined],
    ['with something behind it', `_pstn=${mine}x`, undefined],
    ['in another case', `_PSTN=${mine}`, undefined],
    ['under a name with a blank in it', `_pstn x=${mine}`, undefined],
    ['in another cookie\'s value', `a=_pstn=${mine}`, undefined],
    ['with the parts of two', `_pstn=${[...mine.split('.').slice(0, 3), theirs.split('.')[3]].join('.')}`, undefined],
    ['behind 250 others', `${many(250, 'c')}; _pstn=${mine}`, mine],
    ['behind one of four kilobytes', `a=${'x'.repeat(4096)}; _pstn=${mine}`, mine],
    ['behind 60 of its own name', `${many(60, '_pstn=')}; _pstn=${mine}`, mine],
    ['before 250 others', `_pstn=${mine}; ${many(250, 'c')}`, mine],
    ['of another domain\'s gateway', '_pstn=v1.vAAAAAAAAAAAAAAAAAAAAAA.1764000000.' + 'B'.repeat(43), undefined]
  ]
  for (const [what, cookie, expected] of cases) {
    const answer = await world.post(view, { headers: { cookie } })
    t.equal(answer.status, 202, what)
    const data = (await world.parts()).at(-1)?.data
    t.equal(data?.visitor_verified, expected === undefined ? undefined : true, what)
    if (expected === undefined) t.notOk([idOf(mine), idOf(theirs)].includes(data?.visitor_id), `${what}: somebody new`)
    else t.equal(data?.visitor_id, idOf(expected), what)
    t.equal(setCookiesOf(answer).has('_pstn'), expected === undefined, `${what}: told so`)
  }
})

test('of several choices the stricter counts', async t => {
  const world = await gatewayWorld(t)
  const cases: [what: string, cookie: string, hasAds: boolean, hasAnalytics: boolean][] = [
    ['yes', yes, true, true], ['no', no, false, false], ['ads', adsOnly, true, false],
    ['analytics', analyticsOnly, false, true],
    ['yes before no', `${yes}; ${no}`, false, false], ['no before yes', `${no}; ${yes}`, false, false],
    ['ads and analytics', `${adsOnly}; ${analyticsOnly}`, false, false],
    ['yes and ads', `${yes}; ${adsOnly}`, true, false],
    ['yes twice', `${yes}; ${choice(granted as Consent, 100)}`, true, true],
    ['nonsense before yes', `_pstn_c=x; ${yes}`, true, true], ['nonsense behind yes', `${yes}; _pstn_c=`, true, true],
    ['a no that is over', `${choice({ ad_storage: 'denied', analytics_storage: 'denied' }, 181)}; ${yes}`, true, true],
    ['a yes that is over', choice(granted as Consent, 181), false, false],
    ['a yes from the future, by a clock that is ahead', '_pstn_c=1.1111.9999999999', true, true],
    ['four kilobytes', `_pstn_c=${'1'.repeat(4096)}`, false, false],
    ['in quotes', `_pstn_c="${yes.slice(8)}"`, false, false],
    ['no behind 250 others', `${yes}; ${Array.from({ length: 250 }, (_, at) => `c${at}=x`).join('; ')}; ${no}`, false,
      false],
    ['under another name', yes.replace('_pstn_c', '_pstn_C'), false, false]
  ]
  for (const [what, cookie, hasAds, hasAnalytics] of cases) {
    await world.post({ event_name: 'page_view', page_location: 'https://www.example.com/?gclid=Gc_1234' },
      { headers: { cookie: `_ga=GA1.1.1.1764000000; ${cookie}` } })
    const data = (await world.parts()).at(-1)?.data
    t.equal(data?.click_ids !== undefined, hasAds, `${what}: ads`)
    t.equal(data?.cookies?._ga !== undefined, hasAnalytics, `${what}: analytics`)
  }
})

test('so it does of several choices in a consent platform\'s cookie', async t => {
  const world = await gatewayWorld(t, { sites: [{ ...site, consentCookies: ['cookiebot', 'onetrust'] }] })
  const cookiebot = (isYes: boolean, ageDays = 1) => `CookieConsent=${encodeURIComponent(
    `{necessary:true,statistics:${isYes},marketing:${isYes},utc:${Date.now() - ageDays * 86_400_000}}`)}`
  const closed = `OptanonAlertBoxClosed=${new Date(Date.now() - 86_400_000).toISOString()}`
  const groups = (isYes: boolean) =>
    `OptanonConsent=${isYes ? 'groups=C0002%3A1%2CC0004%3A1' : 'groups=C0002%3A0%2CC0004%3A0'}`
  const cases: [what: string, cookie: string, isYes: boolean][] = [
    ['yes', cookiebot(true), true], ['no', cookiebot(false), false],
    ['yes before no', `${cookiebot(true)}; ${cookiebot(false, 9)}`, false],
    ['no before yes', `${cookiebot(false)}; ${cookiebot(true)}`, false],
    ['no between two', `${cookiebot(true)}; ${cookiebot(false)}; ${cookiebot(true)}`, false],
    ['yes twice', `${cookiebot(true)}; ${cookiebot(true, 9)}`, true],
    ['nonsense before yes', `CookieConsent=x; ${cookiebot(true)}`, true],
    ['nonsense behind yes', `${cookiebot(true)}; CookieConsent=`, true],
    ['two of one cookie of a pair', `${closed}; ${groups(true)}; ${groups(false)}`, false],
    ['a pair that agrees', `${closed}; ${groups(true)}; ${groups(true)}`, true]
  ]
  for (const [what, cookie, isYes] of cases) {
    await world.post({ event_name: 'page_view', page_location: 'https://www.example.com/?gclid=Gc_1234' },
      { headers: { cookie } })
    t.equal((await world.parts()).at(-1)?.data.click_ids !== undefined, isYes, what)
  }
})

test('of several ids of a network the first well-formed one is stored, as its own script reads it', async t => {
  const world = await gatewayWorld(t)
  const one = `fb.1.${Date.now()}.111`
  const two = `fb.1.${Date.now()}.222`
  const cases: [what: string, cookie: string, stored: string | undefined, isMade: boolean][] = [
    ['one', `_fbp=${one}`, one, false], ['two', `_fbp=${one}; _fbp=${two}`, one, false],
    ['the other way round', `_fbp=${two}; _fbp=${one}`, two, false],
    ['nonsense first', `_fbp=<script>; _fbp=${one}`, one, false], ['empty first', `_fbp=; _fbp=${one}`, one, false],
    ['in quotes', `_fbp="${one}"`, undefined, true], ['with a blank', `_fbp=${one} 2`, undefined, true],
    ['four kilobytes', `_fbp=fb.1.1764000000000.${'1'.repeat(4000)}`, undefined, true],
    ['as another name\'s value', `x=_fbp=${one}`, undefined, true],
    ['behind 250 others', `${Array.from({ length: 250 }, (_, at) => `c${at}=x`).join('; ')}; _fbp=${one}`, one, false]
  ]
  for (const [what, cookie, stored, isMade] of cases) {
    const answer = await world.post({ event_name: 'page_view', consent: granted }, { headers: { cookie } })
    const made = setCookiesOf(answer).get('_fbp')?.value
    t.equal(made !== undefined, isMade, `${what}: made`)
    t.equal((await world.parts()).at(-1)?.data.cookies?._fbp, stored ?? made, what)
  }
})
