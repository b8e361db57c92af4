// Tests of click ids, cookies and event ids, against the words in schema/.
import { test } from 'tap'
import { canonicalEventName } from '../../schema/event_names.ts'
import { clickIdKinds, isClickId, makeFbc, makeFbp, parseFbValue } from '../../schema/identity.ts'
import { derivedEventId } from '../../schema/sealing.ts'
import { readPageSeed } from '../clock.ts'
import { drawSeed, eventIdFor, findClickIds, findCookie, makeMetaCookies } from './identifiers.ts'

test('every click id that the schema knows is found, in any case and place', async t => {
  for (const { param } of clickIdKinds) {
    for (const spelt of [param, param.toLowerCase(), param.toUpperCase()]) {
      t.same(findClickIds(`https://www.example.com/offer?utm_source=x&${spelt}=AbC-9_z.%2B&b=1#top`),
        { [param.toLowerCase()]: 'AbC-9_z.%2B' })
      t.same(findClickIds(`https://www.example.com/?${spelt}=AbC-9_z`), { [param.toLowerCase()]: 'AbC-9_z' })
    }
  }
})

test('click ids are taken byte for byte or not at all', async t => {
  const page = 'https://www.example.com/'
  const cases: Array<[string, Record<string, string>]> = [
    [page, {}],
    [page + '?gclid=', {}],
    [page + '?gclid=abc', {}],
    [page + '?gclid=a+b%20C', { gclid: 'a+b%20C' }],
    [page + '?gclid=abcd;Domain=x', {}],
    [page + '?gclid=' + 'a'.repeat(512), { gclid: 'a'.repeat(512) }],
    [page + '?gclid=' + 'a'.repeat(513), {}],
    [page + '?xgclid=abcd&gclid2=abcd', {}],
    [page + '?gclid=first&gclid=second', { gclid: 'first' }],
    [page + '?fbclid=IwAR-x_y&gclid=Cj0KCQ', { fbclid: 'IwAR-x_y', gclid: 'Cj0KCQ' }],
    [page + '?gclid=newer ' + page + '?gclid=older&fbclid=IwAR', { gclid: 'newer', fbclid: 'IwAR' }]
  ]
  for (const [addresses, found] of cases) {
    t.same(findClickIds(addresses), found, addresses)
    for (const value of Object.values(found)) t.ok(isClickId(value))
  }
})

test('a cookie is read verbatim, and the first of a name wins', async t => {
  const cases = [
    ['a=1; b=x=y%20z; flag; a=2; c=', 'a', '1'], ['a=1; b=x=y%20z; flag; a=2; c=', 'b', 'x=y%20z'],
    ['a=1; c=', 'c', ''], ['', 'a', ''], ['xa=1', 'a', ''], ['b=a=1', 'a', ''], ['a=1', 'a', '1']
  ] as const
  for (const [cookies, name, value] of cases) t.equal(findCookie(cookies, name), value, `${name} of ${cookies}`)
})

test('Meta\'s cookies are made as the schema makes them, and never replaced without a new click', async t => {
  const at = 1764000000123
  const random = '123456789012345678'
  const fbp = makeFbp('example.com', at, BigInt(random))
  const fbc = makeFbc('example.com', at, 'IwAR-x_Y')
  const cases: Array<[Record<string, string>, string | undefined, Record<string, string>]> = [
    [{}, undefined, { _fbp: fbp }],
    [{}, 'IwAR-x_Y', { _fbp: fbp, _fbc: fbc }],
    [{ _fbp: 'fb.1.1.2' }, 'IwAR-x_Y', { _fbc: fbc }],
    [{ _fbp: 'fb.1.1.2', _fbc: 'fb.1.1700000000000.IwAR-x_Y' }, 'IwAR-x_Y', {}],
    [{ _fbp: 'fb.1.1.2', _fbc: 'fb.1.1700000000000.IwAR-x_Y.AQQAAQMC' }, 'IwAR-x_Y', {}],
    [{ _fbp: 'fb.1.1.2', _fbc: 'fb.1.1700000000000.IwAR-x_Yz' }, 'IwAR-x_Y', { _fbc: fbc }],
    [{ _fbp: 'fb.1.1.2', _fbc: 'fb.1.1700000000000.Iwolder' }, undefined, {}]
  ]
  for (const [jar, fbclid, missing] of cases) {
    const written: Record<string, string> = {}
    const cookies = Object.entries({ sid: 'x', ...jar }).map(pair => pair.join('=')).join('; ')
    makeMetaCookies(cookies, 'fb.1.', `${at}.${random}`, fbclid, (name, value) => { written[name] = value })
    t.same(written, missing, JSON.stringify(jar))
  }
})

test('seeds are what the gateway reads, and no two are the same', async t => {
  const drawn = new Set(Array.from({ length: 1000 }, drawSeed))
  t.equal(drawn.size, 1000)
  for (const seed of drawn) {
    t.match(seed, /^\d{13}\.\d{18}$/)
    t.match(readPageSeed(seed), { value: { text: seed } })
    t.not(parseFbValue('fb.1.' + seed), null)
  }
})

test('an event has the given id, or that of its transaction, or a new one that starts with a letter', async t => {
  t.equal(eventIdFor('generate_lead', { event_id: 'x 1' }), 'x 1')
  t.equal(eventIdFor('purchase', { event_id: 'x', transaction_id: '1042' }), 'x')
  t.equal(eventIdFor('purchase', { transaction_id: 1042 }), 'purchase.1042')
  t.equal(eventIdFor(' my_event ', { transaction_id: 'A-1' }), 'my_event.A-1')
  t.equal(eventIdFor(undefined as unknown as string, { transaction_id: 'A-1' }), 'undefined.A-1', 'nothing throws')
  for (const [order, part] of [[' 1042 ', '1042'], ['10 42', '10 42'], [0, '0']]) {
    t.equal(eventIdFor('purchase', { transaction_id: order }), derivedEventId('purchase', `${order}`))
    t.equal(eventIdFor('purchase', { transaction_id: order }), `purchase.${part}`)
  }
  for (const params of [{}, null, undefined, { event_id: '' }, { transaction_id: ' ' }, { transaction_id: null }]) {
    t.match(eventIdFor('page_view', params), /^e\d{13}\.\d{6,18}$/)
  }
  t.not(eventIdFor('page_view'), eventIdFor('page_view'))
})

test('a conversion gets the id that the gateway derives, under every name that the gateway knows', async t => {
  const names = ['purchase', 'Purchase', 'CompletePayment', 'complete_payment', 'Order Completed', 'order_completed',
    'refund', 'Refund', 'generate_lead', 'Lead', 'lead', 'Generate Lead', 'SubmitForm', 'submit-form', 'sign_up',
    'SignUp', 'CompleteRegistration', 'contact', 'Contact', 'schedule', 'Schedule', 'subscribe', 'Subscribe',
    'start_trial',
    'StartTrial', 'starttrial', 'submit_application', 'SubmitApplication', 'view_item', 'add_to_cart', 'page_view',
    'search', 'begin_checkout', 'MyOwn Event', '購入', 'constructor']
  for (const name of names) {
    t.equal(eventIdFor(name, { transaction_id: '7' }), derivedEventId(canonicalEventName(name), '7'), name)
  }
})
