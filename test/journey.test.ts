// A visitor's whole way in a real browser: from the click on an ad to the one conversion that the network counts.
import { createHash } from 'node:crypto'
import t, { test } from 'tap'
import type { BrowserContext, Page } from 'playwright-core'
import { until } from './browsers/until.ts'
import { apiKey, journeyWorld, type JourneyWorld } from './journey_world.ts'
import { granted, send } from './gateway_world.ts'
import { noBrowser, siteUrl } from './script_site.ts'

t.setTimeout(400_000)

const query = '?utm_source=ad&fbclid=IwAR0a_B-c&gclid=Cj0KCQiA88X_BRDUARIsACVMYD8q&ttclid=E.C.P.Cj0KEQiAxKrUBRDj-abc'
const clicks = { fbclid: 'IwAR0a_B-c', gclid: 'Cj0KCQiA88X_BRDUARIsACVMYD8q', ttclid: 'E.C.P.Cj0KEQiAxKrUBRDj-abc' }

async function land (context: BrowserContext, path: string, choice?: 'granted' | 'denied'): Promise<Page> {
  const page = await context.newPage()
  await page.goto(siteUrl + path)
  await page.waitForFunction('typeof postern.track === "function" && typeof fbq.callMethod === "function"')
  if (choice !== undefined) await page.click(`[data-consent-choice=${choice}]`)
  return page
}

/** Fills the lead form, sends it, and answers the event id that the thank-you page's address carries. */
async function sendForm (page: Page): Promise<string> {
  await page.fill('[name=first_name]', 'Anna')
  await page.fill('[name=last_name]', 'Schmidt')
  await page.fill('[name=email]', 'anna@example.com')
  await page.fill('[name=phone]', '0170 1234567')
  await page.click('form.card button')
  await page.waitForURL(`${siteUrl}/thanks?**`)
  return new URL(page.url()).searchParams.get('event_id') ?? ''
}

const jarOf = async (context: BrowserContext) =>
  Object.fromEntries((await context.cookies()).map(cookie => [cookie.name, cookie]))

const deliveryOf = async (world: JourneyWorld, eventId: string) =>
  (await world.explain(eventId))?.journey.destinations[0]?.state

/** The click ids of all arrivals of an event together, by their values. */
async function clicksOf (world: JourneyWorld, eventId: string): Promise<Record<string, string>> {
  const parts = (await world.events()).filter(part => part.event_id === eventId)
  return Object.fromEntries(parts.flatMap(({ data }) => Object.entries(data.click_ids ?? {}))
    .map(([name, { value }]) => [name, value]))
}

test('an ad click, an accepted banner and a form are one lead, with its cookies, counted once beside the pixel', {
  skip: noBrowser
}, async t => {
  const world = await journeyWorld(t)
  const context = await world.open()
  const page = await land(context, `/${query}`, 'granted')
  await until('the visitor cookie', () => jarOf(context), jar => jar._pstn !== undefined)
  const eventId = await sendForm(page)
  const copies = await until('both copies', () => world.copies('Lead'), found => found.length >= 2)
  await until('the delivery', () => deliveryOf(world, eventId), state => state === 'delivered')

  const jar = await jarOf(context)
  const attributes = { domain: '.example.com', path: '/', sameSite: 'Lax' }
  t.match(jar._pstn, { ...attributes, httpOnly: true, secure: true })
  // The page has a pixel, so these two are the pixel's own; it leaves Secure out (meta.md §3.3).
  t.match(jar._fbp, { ...attributes, httpOnly: false, value: /^fb\.1\.\d{13}\.\d+$/ })
  t.match(jar._fbc, { ...attributes, httpOnly: false, value: /^fb\.1\.\d{13}\.IwAR0a_B-c$/ })

  const leads = await world.leads()
  t.equal(leads.length, 1)
  t.match(leads[0], {
    data: {
      event_name: 'generate_lead',
      event_id: eventId,
      user_data: { email: ['anna@example.com'], address: { first_name: 'Anna', last_name: 'Schmidt' } },
      fields: { roof: 'pitched' }
    },
    first_touch: { click_ids: Object.fromEntries(Object.entries(clicks).map(([name, value]) => [name, { value }])) }
  })
  t.same(await clicksOf(world, eventId), clicks)

  t.same(copies.map(copy => copy.event_id), [eventId, eventId])
  t.same(copies.map(copy => copy.source).sort(), ['browser', 'server'])
  t.same(copies.map(copy => copy.verdict), ['counted', 'deduplicated'])
  const server = copies.find(copy => copy.source === 'server')
  t.match(server?.body, { user_data: { fbc: jar._fbc?.value, fbp: jar._fbp?.value, client_ip_address: '203.0.113.7' } })
})

test('one lead at four networks: each counts it once, in its own units and hashes', { skip: noBrowser }, async t => {
  const world = await journeyWorld(t)
  const page = await land(await world.open(), `/${query}`, 'granted')
  const eventId = await sendForm(page)
  const stateAt = async (name: string) =>
    (await world.explain(eventId))?.journey.destinations.find(one => one.name === name)
  const final = async () => await Promise.all(['meta', 'google_ads', 'tiktok', 'ga4'].map(stateAt))
  const outcomes = await until('all outcomes', final, found =>
    found.every(one => typeof one?.state === 'string' && one.state !== 'waiting'))
  t.match(outcomes, [{ state: 'delivered' }, { state: 'accepted', verify_at: String }, { state: 'delivered' },
    { state: 'skipped', reason: 'role_not_meant' }])

  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  const occurredAt = (await world.events()).find(part => part.event_id === eventId)?.occurred_at
  const ms = Number(occurredAt)
  const networks: [string, string, object][] = [
    ['meta', 'Lead', {
      event_time: Math.floor(ms / 1000),
      user_data: { em: [sha256('anna@example.com')], ph: [sha256('491701234567')] }
    }],
    ['google_ads', 'generate_lead', {
      transactionId: eventId,
      eventTimestamp: new Date(ms).toISOString(),
      adIdentifiers: { gclid: clicks.gclid },
      userData: {
        userIdentifiers: [{ emailAddress: sha256('anna@example.com') }, { phoneNumber: sha256('+491701234567') }]
      }
    }],
    ['tiktok', 'Lead', {
      event_time: Math.floor(ms / 1000),
      user: { ttclid: clicks.ttclid, email: [sha256('anna@example.com')], phone: [sha256('+491701234567')] }
    }]
  ]
  for (const [type, name, body] of networks) {
    const copies = world.copies(name, type)
    t.same(copies.map(({ source, verdict, event_id: id }) => [source, verdict, id]),
      [['browser', 'counted', eventId], ['server', 'deduplicated', eventId]], type)
    t.match(copies[1]?.body, body, type)
  }
  t.match(world.copies('generate_lead', 'ga4'), [{ source: 'browser', verdict: 'counted' }], 'GA4 is left to gtag')

  // What no browser can have sent, GA4 gets from Postern, under the ids of the visit.
  const stage = await send(world.gatewayUrl, {
    event_name: 'qualify_lead',
    event_id: 'stage-1',
    user_data: { email: 'anna@example.com' },
    consent: granted,
    cookies: { _ga: 'GA1.1.464578767.1795440511' }
  }, { path: '/v1/events', origin: null, type: 'application/json', headers: { authorization: `Bearer ${apiKey}` } })
  t.equal(stage.status, 202, stage.text)
  const [hit] = await until('the stage at GA4', () => world.copies('qualify_lead', 'ga4'), found => found.length > 0)
  t.match(hit, { source: 'server', verdict: 'counted', body: { client_id: '464578767.1795440511' } })
})

test('a declined banner leaves the lead, no cookie, and nothing that the network receives; explain says why', {
  skip: noBrowser
}, async t => {
  const world = await journeyWorld(t)
  const context = await world.open()
  const page = await land(context, `/${query}`, 'denied')
  const eventId = await sendForm(page)
  await until('the decision', () => deliveryOf(world, eventId), state => state === 'skipped')

  t.same(await context.cookies(), [])
  const leads = await world.leads()
  t.equal(leads.length, 1)
  t.match(leads[0]?.data, { event_id: eventId, user_data: { email: ['anna@example.com'] } })
  t.same(world.fakes.received(), [], 'neither the server nor the pixel')
  t.same(await clicksOf(world, eventId), {})

  const explained = await world.explain(eventId)
  t.match(explained?.journey, {
    consent: { ad_user_data: 'denied', because: 'said' },
    destinations: [{ state: 'skipped', reason: 'no_consent', attempts: [] }]
  })
  t.match(explained?.text, /skipped\(no_consent\): consent for this purpose was denied or never given/)
  t.match(explained?.text, /ad_user_data +denied\n/)
})

test('without JavaScript a ticked form is one counted event under its own id, with the clicks of its page', {
  skip: noBrowser
}, async t => {
  const world = await journeyWorld(t)
  const context = await world.open({ javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto(`${siteUrl}/nojs${query}`)
  const formId = await page.getAttribute('[name=postern_event_id]', 'value')
  for (const box of await page.locator('[type=checkbox]').all()) await box.check()
  const eventId = await sendForm(page)
  t.equal(eventId, formId)
  const copies = await until('the copy', () => world.copies('Lead'), found => found.length > 0)
  await until('the delivery', () => deliveryOf(world, eventId), state => state === 'delivered')
  t.match(copies, [{ source: 'server', verdict: 'counted', event_id: formId }])
  t.same(await clicksOf(world, eventId), clicks)
  t.equal((await world.leads()).length, 1)
  t.equal((await world.events()).length, 1)
  const jar = await jarOf(context)
  const attributes = { domain: '.example.com', path: '/', secure: true, sameSite: 'Lax' }
  t.match(jar, {
    _pstn: { ...attributes, httpOnly: true },
    _fbp: { ...attributes, httpOnly: false },
    _fbc: { ...attributes, httpOnly: false, value: /^fb\.1\.\d{13}\.IwAR0a_B-c$/ }
  })
  t.match(copies[0]?.body, { user_data: { fbc: jar._fbc?.value, fbp: jar._fbp?.value } }, 'one each, in jar and event')
})

test('without JavaScript an unticked form is the lead alone', { skip: noBrowser }, async t => {
  const world = await journeyWorld(t)
  const context = await world.open({ javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto(`${siteUrl}/nojs${query}`)
  const eventId = await sendForm(page)
  await until('the decision', () => deliveryOf(world, eventId), state => state === 'skipped')
  t.match((await world.explain(eventId))?.journey.destinations, [{ state: 'skipped', reason: 'no_consent' }])
  t.same((await world.leads()).map(({ data }) => data.event_id), [eventId])
  t.same(await clicksOf(world, eventId), {})
  t.same(world.fakes.received(), [])
  t.same(await context.cookies(), [])
})

test('a purchase that browser, back end and a reloaded thank-you page report counts once', {
  skip: noBrowser
}, async t => {
  const world = await journeyWorld(t)
  const page = await land(await world.open(), `/shop${query}`, 'granted')
  await page.click('[name=buy]')
  await page.waitForURL(`${siteUrl}/shop/thanks?**`)
  const order = new URL(page.url()).searchParams.get('order') ?? ''
  const eventId = `purchase.${order}`
  const partsOf = async () => (await world.events()).filter(part => part.event_name === 'purchase')
  await until('the browser\'s purchase', partsOf, parts => parts.length === 1)
  const answer = await send(world.gatewayUrl, {
    event_name: 'purchase',
    transaction_id: order,
    value: 149.9,
    currency: 'EUR',
    user_data: { email: 'anna@example.com' },
    consent: granted
  }, {
    path: '/v1/events', origin: null, type: 'application/json', headers: { authorization: `Bearer ${apiKey}` }
  })
  t.equal(answer.status, 202, answer.text)
  await page.reload()
  await until('the pixel of the reloaded page', () => world.copies('Purchase'), found => found.length >= 2)
  await until('the parts of all three', partsOf, parts => parts.length >= 3)
  await until('the route', () => deliveryOf(world, eventId), state => state !== undefined && state !== null)
  await world.endSettling()
  await until('the delivery', () => deliveryOf(world, eventId), state => state === 'delivered')

  const parts = await partsOf()
  t.same([...new Set(parts.map(part => part.event_seq))].length, 1, 'one event')
  t.same(parts.map(part => part.trust), ['same_site', 'signed', 'same_site'])
  const copies = world.copies('Purchase')
  t.same(copies.map(copy => copy.event_id), copies.map(() => eventId))
  t.equal(copies.filter(copy => copy.verdict === 'counted').length, 1)
  t.equal(copies.filter(copy => copy.verdict === 'rejected').length, 0)
  const server = copies.filter(copy => copy.source === 'server')
  t.equal(server.length, 1)
  t.match(server[0]?.body, { user_data: { em: [/^[0-9a-f]{64}$/], fbc: /IwAR0a_B-c$/ } }, 'made of both arrivals')
})

test('a lead post is answered the same without a worker and while the network hangs', async t => {
  const alone = await journeyWorld(t, 'gateway')
  const hanging = await journeyWorld(t)
  hanging.fakes.behave({ faults: [{ kind: 'hang' }] })
  const lead = (number: number) => ({ email: `anna${number}@example.com`, postern_note: 'hello', consent: granted })
  const first = await send(hanging.gatewayUrl, lead(1), { path: '/v1/leads', type: 'application/json' })
  t.equal(first.status, 202)
  await until('a request that hangs', () => hanging.copies('Lead'), copies => copies.length === 1)

  const forms = [
    { body: lead(2), options: { type: 'application/json' } },
    {
      body: 'email=anna3%40example.com&postern_consent=granted',
      options: {
        type: 'application/x-www-form-urlencoded',
        headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate' }
      }
    },
    { body: '{', options: { type: 'application/json' } }
  ]
  for (const { body, options } of forms) {
    const [of, against] = await Promise.all([alone, hanging].map(async world => {
      const { status, headers, json } = await send(world.gatewayUrl, body, { path: '/v1/leads', ...options })
      const { lead_id: leadId, event_id: eventId, ...rest } = json
      return { status, location: headers.location, kinds: [typeof leadId, typeof eventId], rest }
    }))
    t.same(of, against)
    t.equal(of?.status, body === '{' ? 400 : options.headers === undefined ? 202 : 303)
  }
  t.equal((await alone.leads()).length, 2)
  t.equal((await hanging.leads()).length, 3)
  t.same(alone.fakes.received(), [])
})
