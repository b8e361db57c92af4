// Merging parts: what a later or less trusted part may add, and what it may never change.
import { test } from 'tap'
import { mergeParts } from './merge.ts'
import type { EventData, Part, Trust } from './event.ts'

let receipt = 0
const part = (trust: Trust, data: EventData, more: Partial<Part> = {}): Part => ({
  receipt_id: `r${++receipt}`,
  site: 'main',
  trust,
  event_name: 'purchase',
  event_id: 'purchase.1042',
  received_at_ms: 1000 * receipt,
  occurred_at_ms: 1000 * receipt,
  data,
  ...more
})
const granted = { ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted' } as const
const visitor = { visitor_id: 'v1', visitor_verified: true }

test('one part is the event', async t => {
  const only = part('same_site', { value: 5, currency: 'EUR' }, { event_id: 'a', occurred_at_ms: 7 })
  t.match(mergeParts([only]), { event_id: 'a', occurred_at_ms: 7, value: 5, currency: 'EUR', trust: 'same_site' })
})

test('the browser\'s ids and the back end\'s money make one event', async t => {
  const browser = part('same_site', {
    value: 1,
    currency: 'USD',
    cookies: { _fbp: 'fb.1.1.1' },
    client: { ip: '203.0.113.7' }
  })
  const backEnd = part('signed', {
    value: 99.5,
    currency: 'EUR',
    transaction_id: '1042',
    user_data: { email: ['a@b.de'] }
  })
  t.match(mergeParts([browser, backEnd]), {
    value: 99.5,
    currency: 'EUR',
    occurred_at_ms: backEnd.occurred_at_ms,
    received_at_ms: browser.received_at_ms,
    cookies: { _fbp: 'fb.1.1.1' },
    client: { ip: '203.0.113.7' },
    user_data: { email: ['a@b.de'] },
    trust: 'signed'
  })
})

test('a forged anonymous arrival changes nothing in a signed event', async t => {
  const signed = part('signed', { value: 100, currency: 'EUR', user_data: { email: ['real@b.de'] }, consent: granted })
  const forged = part('anonymous', {
    value: 1,
    currency: 'USD',
    transaction_id: 'x',
    items: [{ item_id: 'x' }],
    user_data: { email: ['evil@x.y'], phone_number: ['+4930123456'] },
    user_id: 'evil',
    cookies: { _fbc: 'fb.1.1.evil' },
    click_ids: { fbclid: { value: 'evil', seen_at_ms: 1 } },
    consent: { ad_user_data: 'denied' },
    browser_tags: { meta: 'sent_without_id' },
    bot: ['user_agent'],
    page_location: 'https://evil.example/',
    client: { ip: '198.51.100.1' },
    params: { a: 1 }
  })
  const { warnings, ...before } = mergeParts([signed])
  const { warnings: after, ...merged } = mergeParts([signed, forged])
  t.strictSame(JSON.parse(JSON.stringify(merged)), JSON.parse(JSON.stringify(before)))
  t.strictSame(after, warnings)
})

test('a same-site arrival never changes money, person, time or bot verdict of a signed event', async t => {
  const signed = part('signed', { value: 100, currency: 'EUR', user_data: { email: ['real@b.de'] } })
  const later = part('same_site', {
    value: 1,
    currency: 'USD',
    tax: 3,
    user_data: { phone_number: ['+49301'] },
    bot: ['ua']
  })
  const merged = mergeParts([signed, later])
  t.match(merged, { value: 100, currency: 'EUR', occurred_at_ms: signed.occurred_at_ms })
  t.equal(merged.tax, undefined)
  t.equal(merged.bot, undefined)
  t.strictSame(merged.user_data, { email: ['real@b.de'] })
})

test('money that only the page knows is taken from the page as a whole', async t => {
  const signed = part('signed', { user_data: { email: ['a@b.de'] } })
  const page = part('same_site', { value: 10, currency: 'EUR' })
  t.match(mergeParts([signed, page]), { value: 10, currency: 'EUR' })
})

test('personal data is added by the same verified visitor only', async t => {
  const tracked = part('same_site', { ...visitor, visitor_verified: false, consent: granted })
  const form = part('same_site', { ...visitor, user_data: { email: ['a@b.de'] } }, { lead_id: 'ld_1' })
  const stranger = part('same_site', { visitor_id: 'v2', visitor_verified: true, user_data: { email: ['evil@x.y'] } })
  const unverified = part('same_site', { visitor_id: 'v1', user_data: { email: ['evil@x.y'] } })
  t.match(mergeParts([tracked, form]), { user_data: { email: ['a@b.de'] }, lead_id: 'ld_1' })
  t.equal(mergeParts([tracked, stranger]).user_data, undefined)
  t.equal(mergeParts([tracked, unverified]).user_data, undefined)
})

test('addresses from two parts are completed, not replaced', async t => {
  const first = part('same_site', { user_data: { address: { city: 'Berlin' } } })
  const second = part('signed', { user_data: { address: { postal_code: '10115', city: 'berlin' } } })
  t.strictSame(mergeParts([first, second]).user_data, { address: { postal_code: '10115', city: 'berlin' } })
  t.strictSame(mergeParts([part('signed', { user_data: { address: { city: 'Berlin' } } }),
    part('signed', { user_data: { address: { postal_code: '10115' } } })]).user_data,
  { address: { city: 'Berlin', postal_code: '10115' } })
})

test('an explicit denial stands until a later explicit grant', async t => {
  const denied = part('same_site', { ...visitor, consent: { ad_user_data: 'denied' } })
  const silent = part('same_site', { ...visitor })
  const grant = part('same_site', { ...visitor, consent: granted })
  t.equal(mergeParts([denied, silent]).consent?.ad_user_data, 'denied')
  t.equal(mergeParts([denied, grant]).consent?.ad_user_data, 'granted')
  t.equal(mergeParts([grant, denied]).consent?.ad_user_data, 'denied')
  const forged = part('anonymous', { consent: { ad_user_data: 'denied' } })
  t.equal(mergeParts([grant, forged]).consent?.ad_user_data, 'granted', 'a stranger\'s denial suppresses nothing')
})

test('the first page that answers after a webhook is heard about consent and its own tags', async t => {
  const webhook = part('signed', { value: 10, currency: 'EUR' })
  const page = part('same_site', { consent: granted, browser_tags: { meta: 'sent_without_id' } })
  const forger = part('same_site', { consent: { ad_user_data: 'denied' }, browser_tags: { meta: 'absent' } })
  t.match(mergeParts([webhook, page, forger]),
    { consent: { ad_user_data: 'granted' }, browser_tags: { meta: 'sent_without_id' } })
})

test('merging changes none of its parts', async t => {
  const freeze = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    Object.freeze(value)
    Object.values(value).forEach(freeze)
  }
  const parts = [part('same_site', { ...visitor, params: { a: 1 }, user_data: { address: { city: 'x' } } }),
    part('signed', { params: { b: 2 }, user_data: { address: { region: 'y' } } })]
  freeze(parts)
  t.match(mergeParts(parts), { params: { a: 1, b: 2 }, user_data: { address: { city: 'x', region: 'y' } } })
})
