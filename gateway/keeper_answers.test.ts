// The keeper over HTTP: which answers keep the ids of a page's own tags, and which end them.
import { test } from 'tap'
import { formatConsentCookie } from '../schema/consent_cookie.ts'
import type { Consent } from '../schema/consent.ts'
import { testDatabase } from '../test/database.ts'
import { gatewayWorld, granted, setCookiesOf, testKeys, type Answer } from '../test/gateway_world.ts'
import type { IngestLog } from './arrival.ts'
import { openIngestLog } from './ingest.ts'

test('the ids of the page\'s own tags are kept with every kind of answer, and end with the consent', async t => {
  const world = await gatewayWorld(t)
  const bornAtSeconds = Math.floor(Date.now() / 1000) - 10 * 86_400
  const ids = { _ga: `GA1.1.123.${bornAtSeconds}`, _gcl_au: `1.1.918273645.${bornAtSeconds}` }
  const cookies = Object.entries(ids).map(pair => pair.join('=')).join('; ')
  const choice = `_pstn_c=${formatConsentCookie(granted as Consent, bornAtSeconds)}`
  const request = (cookie: string, more: Record<string, string> = {}) =>
    ({ headers: { 'user-agent': 'Safari/604.1', cookie, ...more } })
  const named = (answer: Answer, name: string) => setCookiesOf(answer).get(name)
  const view = { event_name: 'page_view', page_location: 'https://www.example.com/', consent: granted }

  const first = await world.post(view, request(cookies))
  t.equal(named(first, '_ga')?.value, ids._ga)
  t.equal(named(first, '_ga')?.attributes, 'Path=/; Max-Age=34560000; Domain=example.com; Secure; SameSite=Lax')
  t.match(named(first, '_gcl_au'), { value: ids._gcl_au, attributes: /Max-Age=69(11|12)\d{3};/ })
  t.match(named(first, '_pstn_k')?.attributes, /HttpOnly; Secure; SameSite=Lax$/)
  const kept = `${cookies}; _pstn_k=${named(first, '_pstn_k')?.value}`

  const lead = { email: 'a@b.de', consent: granted }
  const answers: [what: string, answer: Answer, names: string[]][] = [
    ['a lead', await world.lead(lead, { ...request(kept), type: 'application/json' }), ['_ga', '_gcl_au']],
    ['a batch', await world.post({ events: [view, { ...view, event_name: 'scroll' }] }, request(kept)),
      ['_ga', '_gcl_au']],
    ['the grant itself', await world.post(granted, { path: '/v1/consent', ...request(kept) }), ['_ga', '_gcl_au']],
    ['what comes between pages', await world.post({ ...view, event_name: 'scroll' }, request(kept)), []],
    ['an event\'s own name', await world.post({ ...view, event_name: 'constructor' }, request(kept)), []],
    ['a signed sender', await world.signed(view, request(kept)), []],
    ['what the body alone has', await world.post({ ...view, cookies: ids }, request('a=b')), []],
    ['a choice in the cookie', await world.post({ ...view, consent: {} }, request(`${kept}; ${choice}`)),
      ['_ga', '_gcl_au']],
    ['nobody said anything', await world.post({ ...view, consent: {} }, request(kept)), []]
  ]
  for (const [what, answer, names] of answers) {
    t.same([...setCookiesOf(answer).keys()].filter(name => name in ids).sort(), names, what)
  }

  const denied = { ad_storage: 'denied', analytics_storage: 'denied' }
  const refusals: [what: string, answer: Answer, ended: string[]][] = [
    ['a revoke', await world.post(denied, { path: '/v1/consent', ...request(kept) }), ['_ga', '_gcl_au', '_pstn_k']],
    ['a page that says no', await world.post({ ...view, consent: denied }, request(kept)),
      ['_ga', '_gcl_au', '_pstn_k']],
    ['a cookie that says no', await world.post({ ...view, consent: {} },
      request(`${kept}; _pstn_c=${formatConsentCookie(denied as Partial<Consent>, bornAtSeconds)}`)),
    ['_ga', '_gcl_au', '_pstn_k']],
    ['GPC', await world.post(view, request(kept, { 'sec-gpc': '1' })), ['_gcl_au']]
  ]
  for (const [what, answer, ended] of refusals) {
    const names = [...setCookiesOf(answer)].filter(([name, { attributes }]) =>
      (name in ids || name === '_pstn_k') && attributes.includes('Max-Age=0')).map(([name]) => name)
    t.same(names.sort(), ended, what)
  }
})

test('the page of a landing keeps them, too, unless a click is about to change them', async t => {
  const world = await gatewayWorld(t, { trustProxy: ['127.0.0.1'] })
  const atSeconds = Math.floor(Date.now() / 1000) - 86_400
  const ids = [`_ga=GA1.1.123.${atSeconds}`, `_fbc=fb.1.${atSeconds}000.Click-1`, `_gcl_aw=GCL.${atSeconds}.Click-2`]
  const choice = `_pstn_c=${formatConsentCookie(granted as Consent, atSeconds)}`
  const cases: [path: string, kept: string[]][] = [
    ['/?utm_source=news', ['_ga', '_fbc', '_gcl_aw']], ['/?fbclid=Click-1', ['_ga', '_fbc', '_gcl_aw']],
    ['/?fbclid=Click-9', ['_ga', '_gcl_aw']], ['/?gclid=Click-9&_gl=1*x', ['_fbc']], ['/imprint', []]
  ]
  for (const [path, kept] of cases) {
    const answer = await world.post('', {
      method: 'GET',
      path: '/v1/landing',
      headers: {
        'user-agent': 'Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15',
        cookie: [...ids, choice].join('; '),
        accept: 'text/html',
        'sec-fetch-dest': 'document',
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-proto': 'https',
        'x-original-uri': path
      }
    })
    t.equal(answer.status, 204)
    const lines = Object.entries(answer.headers).filter(([name]) => name.startsWith('x-postern-cookie-'))
      .map(([, line]) => String(line).split(';')[0] ?? '')
    t.same(lines.filter(line => ids.includes(line)).map(line => line.split('=')[0]), kept, path)
  }
})

test('an event that is being stored while its visitor revokes sets nothing of it once more', async t => {
  const { pool } = await testDatabase(t)
  const real = openIngestLog({ pool, keys: testKeys, countryOf: () => 'DE', onAlert: () => undefined })
  let gate = Promise.resolve()
  let waiting = 0
  const append: IngestLog['append'] = async arrivals => {
    waiting++
    await gate
    return await real.append(arrivals)
  }
  const world = await gatewayWorld(t, { log: { append, close: real.close } })
  const bornAtSeconds = Math.floor(Date.now() / 1000) - 10 * 86_400
  const ids = `_ga=GA1.1.123.${bornAtSeconds}; _gcl_au=1.1.918273645.${bornAtSeconds}`
  const request = (cookie: string) => ({ headers: { 'user-agent': 'Safari/604.1', cookie } })
  const view = { event_name: 'page_view', page_location: 'https://www.example.com/', consent: granted }
  const lines = (answer: Answer) => [...setCookiesOf(answer)]
    .filter(([, { attributes }]) => !/Max-Age=0(;|$)/.test(attributes)).map(([name]) => name).sort()
  const seed = `${Date.now()}.123456789012345678`

  const everything = { ad_storage: 'denied', ad_user_data: 'denied', analytics_storage: 'denied' }
  const cases: [what: string, known: boolean, said: object, left: string[]][] = [
    ['all of it', true, everything, []],
    ['all of it, by who was new', false, everything, []],
    ['ads', true, { ad_storage: 'denied' }, ['_ga', '_pstn_k']],
    ['analytics', true, { analytics_storage: 'denied' }, ['_fbp', '_gcl_au', '_pstn_k']]
  ]
  for (const [what, isKnown, said, left] of cases) {
    gate = Promise.resolve()
    const first = setCookiesOf(await world.post(view, request(ids)))
    const visitor = isKnown ? `; _pstn=${first.get('_pstn')?.value}` : ''
    const cookie = ids + visitor
    const others = `${ids}; _pstn=${setCookiesOf(await world.post(view, request(ids))).get('_pstn')?.value}`
    const opening = Promise.withResolvers<undefined>()
    gate = opening.promise
    waiting = 0
    const body = { ...view, page_seed: seed }
    const late = [
      world.post(body, request(cookie)),
      world.lead({ email: 'a@b.de', page_seed: seed, consent: granted },
        { ...request(cookie), type: 'application/json' }),
      world.post(view, request(others))
    ]
    while (waiting < late.length) await new Promise(resolve => setImmediate(resolve))
    const choice = { consent: { ...granted, ...said }, page_seed: seed }
    const revoked = await world.post(choice, { path: '/v1/consent', ...request(cookie) })
    t.equal(revoked.status, 200, what)
    opening.resolve(undefined)
    const [event, lead, other] = await Promise.all(late)
    if (event === undefined || lead === undefined || other === undefined) throw new Error('each has its answer')
    t.same([event.status, lead.status, other.status], [202, 202, 202])
    t.same(lines(event), left, `${what}: the event`)
    t.same(lines(lead), left, `${what}: the lead`)
    t.same(lines(other), ['_fbp', '_ga', '_gcl_au', '_pstn_k'], 'somebody else\'s are kept')
  }
})
