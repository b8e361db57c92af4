// POST /v1/consent: which cookies a choice renews and which it ends, who may choose, and what a revoke leaves behind.
import { test } from 'tap'
import { formatConsentCookie } from '../schema/consent_cookie.ts'
import { gatewayWorld, granted, setCookiesOf, site, testKeys, type Answer, type PostOptions }
  from '../test/gateway_world.ts'
import { Unavailable } from './arrival.ts'
import type { Revoke } from './revokes.ts'
import { makeVisitorId } from './visitor.ts'

const denied =
  { ad_storage: 'denied', ad_user_data: 'denied', ad_personalization: 'denied', analytics_storage: 'denied' }
const seed = '1764000000000.123456789012345678'
const scope = { domain: 'example.com', boundTo: 'example.com', secure: true }

type World = Awaited<ReturnType<typeof gatewayWorld>>

const tell = async (world: World, body: unknown, options: PostOptions = {}) =>
  await world.post(body, { path: '/v1/consent', ...options })
const withCookies = (cookies: Record<string, string>): PostOptions =>
  ({ headers: { cookie: Object.entries(cookies).map(pair => pair.join('=')).join('; ') } })

/** The cookies that an answer ends. */
function endedBy (answer: Answer): string[] {
  return [...new Set((answer.headers['set-cookie'] ?? []).filter(line => line.includes('Max-Age=0'))
    .map(line => line.slice(0, line.indexOf('='))))].sort()
}

async function revokes (world: World): Promise<string[]> {
  const { rows } = await world.pool.query<{ visitor: Buffer }>('SELECT visitor FROM revokes')
  return rows.map(row => row.visitor.toString('hex')).sort()
}

const indexOf = (visitorId: string) => testKeys.blindIndex('main', 'visitor', visitorId).toString('hex')

test('a grant renews the choice\'s cookie, so that it lasts where scripts\' cookies do not', async t => {
  const world = await gatewayWorld(t)
  for (const type of ['text/plain', 'application/json']) {
    const answer = await tell(world, { consent: granted }, { type })
    t.match(answer, { status: 200, json: { status: 'recorded', consent: granted } })
    const cookie = setCookiesOf(answer).get('_pstn_c')
    t.match(cookie?.value, /^1\.1111\.\d{10}$/)
    t.equal(cookie?.attributes, 'Path=/; Max-Age=15552000; Domain=example.com; Secure; SameSite=Lax')
    t.same(endedBy(answer), [])
    t.equal(answer.headers['access-control-allow-origin'], 'https://www.example.com')
  }
  t.same((await tell(world, granted)).json.consent, granted, 'the four keys alone are enough')
  t.same(await revokes(world), [])
})

test('a choice that is told again keeps its time; another one has a new time', async t => {
  const world = await gatewayWorld(t)
  const chosenAt = Math.floor(Date.now() / 1000) - 100 * 86_400
  const jar = withCookies({ _pstn_c: formatConsentCookie({ ad_storage: 'granted' }, chosenAt) })
  const again = setCookiesOf(await tell(world, { ad_storage: 'granted' }, jar)).get('_pstn_c')
  t.equal(again?.value, `1.1---.${chosenAt}`)
  t.match(again?.attributes, /Max-Age=69120\d\d;|Max-Age=69119\d\d;/)
  const more = setCookiesOf(await tell(world, { analytics_storage: 'denied' }, jar)).get('_pstn_c')
  t.match(more?.value, /^1\.1--0\.\d{10}$/, 'the earlier answers stay')
  t.not(more?.value.slice(-10), String(chosenAt))
})

test('a revoke ends all cookies, is recorded for the visitor, and forgets the landings', async t => {
  const world = await gatewayWorld(t)
  const event = {
    event_name: 'page_view', page_location: 'https://www.example.com/?gclid=Cj0K.CQ~x', consent: granted, page_seed: seed
  }
  const visitor = setCookiesOf(await world.post(event)).get('_pstn')?.value ?? ''
  const visitorId = visitor.split('.')[1] ?? ''
  const touches = async () => (await world.pool.query('SELECT 1 FROM touches')).rowCount
  t.equal(await touches(), 1)

  const answer = await tell(world, { consent: denied }, withCookies({ _pstn: visitor, _pstn_c: '1.1111.1764000000' }))
  t.match(answer, { status: 200, json: { consent: denied } })
  t.same(endedBy(answer), ['_fbc', '_fbp', '_pstn', '_pstn_c', '_pstn_k'])
  const lines = (answer.headers['set-cookie'] ?? []).filter(line => line.startsWith('_pstn='))
  t.same(lines, ['_pstn=; Path=/; Max-Age=0; Domain=example.com; Secure; SameSite=Lax',
    '_pstn=; Path=/; Max-Age=0; Secure; SameSite=Lax'], 'wherever it was set')
  t.same(await revokes(world), [indexOf(visitorId)])
  t.equal(await touches(), 0)
  t.equal((await tell(world, { consent: denied }, withCookies({ _pstn: visitor }))).status, 200, 'again is no error')
})

test('a revoke that overtakes the first answer is recorded for the visitor that the page makes', async t => {
  const world = await gatewayWorld(t)
  await tell(world, { consent: denied, page_seed: seed })
  t.same(await revokes(world), [indexOf(makeVisitorId({ text: seed, startedAtMs: 0 }, scope, testKeys))])
})

test('what is taken back in part ends in part', async t => {
  const world = await gatewayWorld(t)
  const cases: Array<[choice: object, ended: string[], kept: string | undefined]> = [
    [{ ...granted, ad_storage: 'denied' }, ['_fbc', '_fbp'], '1.0111'],
    [{ ...denied, analytics_storage: 'granted' }, ['_fbc', '_fbp'], '1.0001'],
    [{ ...denied, ad_user_data: 'granted' }, ['_fbc', '_fbp', '_pstn', '_pstn_k'], '1.0100'],
    [{ ...denied, ad_storage: 'granted' }, [], '1.1000'],
    [{ ...denied, ad_personalization: 'granted' }, ['_fbc', '_fbp', '_pstn', '_pstn_c', '_pstn_k'], '']
  ]
  for (const [choice, ended, kept] of cases) {
    const answer = await tell(world, choice)
    t.same(endedBy(answer), ended, JSON.stringify(choice))
    t.equal(setCookiesOf(answer).get('_pstn_c')?.value.slice(0, 6), kept, JSON.stringify(choice))
  }
})

test('what is revoked is what was denied, and landings stay while something allows them', async t => {
  const cases: Array<[choice: object, revoked: Revoke | undefined]> = [
    [granted, undefined],
    [{ ...granted, ad_personalization: 'denied' }, undefined],
    [{ ...granted, ad_storage: 'denied' }, { ads: true, analytics: false, keepsLandings: false }],
    [{ ...granted, ad_user_data: 'denied' }, { ads: true, analytics: false, keepsLandings: false }],
    [{ ...granted, analytics_storage: 'denied' }, { ads: false, analytics: true, keepsLandings: true }],
    [{ analytics_storage: 'denied' }, { ads: false, analytics: true, keepsLandings: false }],
    [denied, { ads: true, analytics: true, keepsLandings: false }]
  ]
  const recorded: Revoke[] = []
  const world = await gatewayWorld(t, { revokes: { record: async (...[, , revoke]) => { recorded.push(revoke) } } })
  for (const [choice, revoked] of cases) {
    await tell(world, choice)
    t.same(recorded.splice(0), revoked === undefined ? [] : [revoked], JSON.stringify(choice))
  }
})

test('where silence is a yes, a refusal is remembered', async t => {
  const world = await gatewayWorld(t, { sites: [{ ...site, rule: { ...site.rule, consent: 'opt_out' } }] })
  const answer = await tell(world, denied)
  t.same(endedBy(answer), ['_fbc', '_fbp', '_pstn', '_pstn_k'])
  t.match(setCookiesOf(answer).get('_pstn_c')?.value, /^1\.0000\./)
})

test('Sec-GPC wins over whatever the page says', async t => {
  const world = await gatewayWorld(t)
  const answer = await tell(world, granted, { headers: { 'sec-gpc': '1' } })
  t.same(answer.json.consent, { ...denied, analytics_storage: 'granted' })
  t.same(endedBy(answer), ['_fbc', '_fbp'])
})

test('Sec-GPC wins over a page\'s events and forms, whatever they say', async t => {
  const world = await gatewayWorld(t)
  const page = 'https://www.example.com/?gclid=Cj0K.CQ~x'
  const headers = { 'sec-gpc': '1', cookie: '_pstn_c=1.1111.1764000000; _fbp=fb.1.1764000000000.123456789' }
  const adsOnly = { ...granted, analytics_storage: 'denied' }
  const answers = [
    await world.post({ event_name: 'purchase', page_location: page, consent: adsOnly, gpc: false }, { headers }),
    await world.post(new URLSearchParams({
      email: 'anna@example.com',
      postern_page: page,
      postern_click_gclid: 'Cj0K.CQ~x',
      postern_fbp: 'fb.1.1764000000000.123456789',
      postern_gpc: 'false',
      ...Object.fromEntries(Object.entries(adsOnly).map(([key, state]) => [`postern_consent_${key}`, state]))
    }).toString(), { path: '/v1/leads', type: 'application/x-www-form-urlencoded', headers })
  ]
  for (const answer of answers) {
    t.equal(answer.status, 202)
    t.notOk(answer.headers['set-cookie'])
  }
  const parts = await world.parts()
  t.equal(parts.length, 2)
  for (const part of parts) {
    t.match(part.data, { gpc: true })
    t.notMatch(JSON.stringify(part), /Cj0K|fb\.1\./, 'no id of a network is stored')
    t.notOk(part.data.visitor_id)
  }
})

test('a forged visitor cookie revokes for nobody', async t => {
  const world = await gatewayWorld(t)
  const event = { event_name: 'page_view', consent: granted, page_seed: seed }
  const real = setCookiesOf(await world.post(event)).get('_pstn')?.value ?? ''
  const [version, id = '', grantedAt, mac = ''] = real.split('.')
  const forged = [
    [version, id, grantedAt, Buffer.alloc(32).toString('base64url')],
    [version, id, Number(grantedAt) + 1, mac],
    [version, `v${'A'.repeat(22)}`, grantedAt, mac],
    [version, id, grantedAt]
  ]
  for (const parts of forged) {
    const answer = await tell(world, { consent: denied }, withCookies({ _pstn: parts.join('.') }))
    t.match(answer, { status: 200, json: { consent: denied } })
    t.same(await revokes(world), [], parts.join('.'))
  }
  await tell(world, { consent: denied }, withCookies({ _pstn: real }))
  t.same(await revokes(world), [indexOf(id)], 'the real one does')
})

test('only pages of the site choose, and only what can be read', async t => {
  const world = await gatewayWorld(t, { limits: { eventsPerMinute: 12 } })
  const refused = { status: 403, json: { error: { code: 'origin_not_allowed' } } }
  t.match(await tell(world, denied, { origin: 'https://evil.example' }), refused)
  t.match(await tell(world, denied, { origin: null, headers: { 'sec-fetch-site': 'cross-site' } }), refused,
    'a browser that says no Origin still says that the page is another\'s')
  for (const fetchSite of ['same-site', 'same-origin']) {
    t.equal((await tell(world, granted, { origin: null, headers: { 'sec-fetch-site': fetchSite } })).status, 200)
  }
  t.equal((await tell(world, granted, { origin: null })).status, 200, 'no browser of today')
  for (const body of ['', 'x', '[]', '{}', '{"consent":5}', '{"consent":{"functionality_storage":"granted"}}']) {
    t.equal((await tell(world, body)).status, 400, body)
  }
  t.equal((await tell(world, 'x'.repeat(5000))).status, 413)
  t.match(await tell(world, '', { method: 'GET' }), { status: 405, headers: { allow: 'POST, OPTIONS' } })
  const preflight = await world.post('', { path: '/v1/consent', method: 'OPTIONS' })
  t.match(preflight, { status: 204, headers: { 'access-control-allow-methods': 'POST' } })
  t.match(await tell(world, { consent: { ad_storage: 'perhaps' } }), { status: 200, json: { consent: denied } },
    'what cannot be read is no yes')
  for (let more = 0; more < 12; more++) await tell(world, granted)
  t.equal((await tell(world, granted)).status, 429)
})

test('while it cannot be recorded, a revoke is refused for now and no cookie is lost', async t => {
  const world = await gatewayWorld(t, { revokes: { record: async () => { throw new Unavailable('away') } } })
  const answer = await tell(world, denied)
  t.match(answer, { status: 503, json: { error: { code: 'unavailable' } } })
  t.notOk(answer.headers['set-cookie'])
  t.ok(answer.headers['retry-after'])
})
