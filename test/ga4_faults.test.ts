// Faults seeded into the source of the GA4 mapping, one at a time: each must be caught by a golden, the schema, the
// conformance rules or the strict fake.
// The changes are source text, template strings among it.
/* eslint-disable no-template-curly-in-string */
import { isDeepStrictEqual } from 'node:util'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { startFakeNetworks, type FakeNetworks } from '../demo/networks/fake_networks.ts'
import type { Destination } from '../dispatch/destination.ts'
import { preview } from '../dispatch/preview.ts'
import { leaksOf } from './conformance.ts'
import { goldensOf, goldenTarget, makeGolden, type Golden } from './goldens.ts'
import { fault, seedFaults, type Fault } from './seeded_faults.ts'

const ga4 = 'destinations/ga4'

const faults: Fault[] = [
  fault('milliseconds for microseconds', `${ga4}/map.ts`,
    ['Math.min(occurredAtMs, receivedAtMs) * 1000', 'Math.min(occurredAtMs, receivedAtMs)']),
  fault('seconds for microseconds', `${ga4}/map.ts`,
    ['Math.min(occurredAtMs, receivedAtMs) * 1000', 'Math.floor(occurredAtMs / 1000)']),
  fault('the time of arrival for the time of the event', `${ga4}/map.ts`,
    ['Math.min(occurredAtMs, receivedAtMs) * 1000', 'receivedAtMs * 1000']),
  fault('the whole cookie for the client id', `${ga4}/client_ids.ts`,
    ['? null : `${random}.${time}`', '? null : cookie']),
  fault('the parts of the client id exchanged', `${ga4}/client_ids.ts`,
    ['? null : `${random}.${time}`', '? null : `${time}.${random}`']),
  fault('half a client id', `${ga4}/client_ids.ts`, ['? null : `${random}.${time}`', '? null : random']),
  fault('only the simplest depth of _ga', `${ga4}/client_ids.ts`, ['\\d+(?:-\\d+)*\\.', '1\\.']),
  fault('the visitor id as it is', `${ga4}/client_ids.ts`, ['makeClientId(own))', 'own)']),
  fault('a client id of hex digits', `${ga4}/client_ids.ts`,
    ['Number.parseInt(hash.slice(from, from + 8), 16) || 1', 'hash.slice(from, from + 8)']),
  fault('the user before the visitor', `${ga4}/client_ids.ts`, ['event.visitor_id ?? userId', 'userId ?? undefined']),
  fault('a client id for nobody', `${ga4}/client_ids.ts`,
    ['own === undefined ? undefined : makeClientId(own)', 'makeClientId(own ?? \'\')']),
  fault('the letter before the session', `${ga4}/client_ids.ts`,
    ['part.startsWith(\'s\'))?.slice(1)', 'part.startsWith(\'s\'))'],
    ['/^[1-9]\\d*$/.test(found) ?', '/\\d/.test(found) ?']),
  fault('the number of the session for the session', `${ga4}/client_ids.ts`,
    ['part.startsWith(\'s\')', 'part.startsWith(\'o\')']),
  fault('the session first in its cookie', `${ga4}/client_ids.ts`,
    ['rest.split(\'$\').find(part => part.startsWith(\'s\'))', 'rest.split(\'$\')[0]']),
  fault('the old form of the cookie forgotten', `${ga4}/client_ids.ts`, ['version === \'GS1\'', 'version === \'GS0\'']),
  fault('the new form of the cookie forgotten', `${ga4}/client_ids.ts`, ['/^(GS[12])', '/^(GS[1])']),
  fault('the session of another stream', `${ga4}/client_ids.ts`,
    ['if (measurementId.startsWith(\'G-\')) return `_ga_${measurementId.slice(\'G-\'.length)}`',
      'if (measurementId.startsWith(\'G-\')) return Object.keys(cookies).findLast(name => name.startsWith(\'_ga_\'))']),
  fault('a session made up', `${ga4}/client_ids.ts`,
    ['    warnings.push({ path: \'session_id\', code: \'missing\' })\n    return undefined',
      '    return String(Math.floor(event.occurred_at_ms / 1000))']),
  fault('a session without engagement', `${ga4}/params.ts`,
    ['engagement_time_msec: sessionId === undefined ? undefined : engagementOf(event.params),', '']),
  fault('engagement of no time at all', `${ga4}/params.ts`,
    ['Number.isFinite(given) ? given : 1', 'given > 1 ? given : 0']),
  fault('nothing is hashed', 'person/hashing.ts', ['sha256: sha256Hex(reading.text)', 'sha256: reading.text']),
  fault('base64 for hex', 'person/hashing.ts', ['hash(\'sha256\', text)', 'hash(\'sha256\', text, \'base64\')']),
  fault('hashed twice', 'person/given.ts',
    ['{ sha256: readGivenHash(value), why: \'not_a_hash\' }', 'read(`${value}@x.de`)']),
  fault('a given hash in upper case', 'person/hashing.ts', ['?.[1]?.toLowerCase() ?? null', '?.[1] ?? null']),
  fault('an e-mail in the case it was typed', 'person/email.ts', ['text.toLowerCase()', 'text']),
  fault('every domain read like Gmail', `${ga4}/normalize.ts`, ['(gmail\\.com|googlemail\\.com)$', '(.+)$']),
  fault('a phone number without its plus', `${ga4}/normalize.ts`, ['?.number ?? null', '?.number.slice(1) ?? null']),
  fault('a phone number without its country code', `${ga4}/normalize.ts`,
    ['?.number ?? null', '?.nationalNumber ?? null']),
  fault('a name with its punctuation', `${ga4}/normalize.ts`, ['[\\p{N}\\p{P}\\p{S}\\p{C}]', '[\\p{N}\\p{C}]']),
  fault('a house without its number', `${ga4}/normalize.ts`,
    ['.replace(/[\\p{P}\\p{S}\\p{C}]/gu', '.replace(/[\\p{N}\\p{P}\\p{S}\\p{C}]/gu']),
  fault('a city hashed', `${ga4}/user_data.ts`,
    ['city: clear(\'city\')', 'city: normalize(\'street\', person.address?.city ?? \'\').sha256 ?? undefined']),
  fault('a city with capitals', `${ga4}/normalize.ts`,
    ['spaced(text.toLowerCase().replace(/[\\p{N}', 'spaced(text.replace(/[\\p{N}']),
  fault('a country in lower case', `${ga4}/normalize.ts`, ['readCountry(text)?.toUpperCase()', 'readCountry(text)']),
  fault('a user id in lower case', `${ga4}/normalize.ts`,
    [': { normalized: text, sha256: null }', ': { normalized: text.toLowerCase(), sha256: null }']),
  fault('a street in clear', `${ga4}/user_data.ts`,
    ['sha256_street: hashOf(\'street\'),', 'sha256_street: person.address?.street,']),
  fault('e-mail and phone exchanged', `${ga4}/user_data.ts`,
    ['sha256_email_address: listOf(\'email\'', 'PHONE: listOf(\'email\''],
    ['sha256_phone_number: listOf(\'phone\'', 'sha256_email_address: listOf(\'phone\''],
    ['PHONE: listOf(', 'sha256_phone_number: listOf(']),
  fault('an empty list', `${ga4}/user_data.ts`, ['hashes.length === 0 ? undefined : hashes', 'hashes']),
  fault('an address of one', `${ga4}/user_data.ts`, ['sha256_first_name: hashOf(', 'first_name: hashOf(']),
  fault('user data without consent', `${ga4}/user_data.ts`,
    ['if (event.consent.ad_user_data !== \'granted\') return undefined', '']),
  fault('consent in our own words', `${ga4}/map.ts`, ['? \'GRANTED\' : \'DENIED\'', '? \'granted\' : \'denied\'']),
  fault('consent turned around', `${ga4}/map.ts`, ['? \'GRANTED\' : \'DENIED\'', '? \'DENIED\' : \'GRANTED\'']),
  fault('consent unsaid', `${ga4}/map.ts`, ['    consent: consentOf(event),\n', '']),
  fault('the event under another name', `${ga4}/events.ts`, ['[name, name]', '[name, `ga_${name}`]']),
  fault('parameters beside their place', `${ga4}/map.ts`,
    ['events: [{ name, params: paramsOf(', 'events: [{ name, ...paramsOf(']),
  fault('one event without its list', `${ga4}/map.ts`,
    ['events: [{ name, params:', 'events: { name, params:'], ['settings, warnings) }]', 'settings, warnings) }']),
  fault('a key of our own', `${ga4}/map.ts`,
    ['    client_id: ids.clientId,', '    client_id: ids.clientId, event_id: event.event_id,']),
  fault('a value as text', `${ga4}/worth.ts`,
    [': { value: money.value, currency, tax, shipping }', ': { value: String(money.value), currency, tax, shipping }']),
  fault('a value in cents', `${ga4}/worth.ts`,
    [': { value: money.value, currency, tax, shipping }', ': { value: money.value * 100, currency, tax, shipping }']),
  fault('a value with tax and shipping', `${ga4}/worth.ts`, [': { value: money.value, currency, tax, shipping }',
    ': { value: money.value + (tax ?? 0) + (shipping ?? 0), currency, tax, shipping }']),
  fault('a value without its currency', `${ga4}/worth.ts`,
    [': { value: money.value, currency, tax, shipping }', ': { value: money.value, tax, shipping }']),
  fault('a currency in lower case', `${ga4}/worth.ts`,
    [': { value: money.value, currency, tax, shipping }',
      ': { value: money.value, currency: currency.toLowerCase(), tax, shipping }']),
  fault('the event id for the transaction', `${ga4}/params.ts`,
    ['transaction_id: idOf(event.transaction_id,', 'transaction_id: idOf(event.event_id,']),
  fault('no transaction id', `${ga4}/params.ts`, ['transaction_id: idOf(', 'transactionId: idOf(']),
  fault('page and referrer exchanged', `${ga4}/params.ts`,
    ['webAddressOf(event.page_location,', 'webAddressOf(event.PAGE,'],
    ['webAddressOf(event.page_referrer,', 'webAddressOf(event.page_location,'],
    ['webAddressOf(event.PAGE,', 'webAddressOf(event.page_referrer,']),
  fault('new customers as a truth value', `${ga4}/params.ts`,
    ['customer_type: customerTypeOf(event.new_customer),', 'customer_type: event.new_customer,']),
  fault('products under another key', `${ga4}/items.ts`, ['    item_id: idOf(', '    id: idOf('],
    ['if (made.item_id !== undefined ||', 'if (made.id !== undefined ||']),
  fault('prices as texts', `${ga4}/items.ts`, ['price: item.price,', 'price: item.price?.toFixed(2),']),
  fault('products without their number', `${ga4}/items.ts`, ['    quantity: item.quantity', '    quantity: 1']),
  fault('a European\'s address', `${ga4}/surroundings.ts`, [' && !isEuropean(country)', '']),
  fault('address and place at once', `${ga4}/surroundings.ts`,
    ['{ ip_override: ip }', '{ ip_override: ip, user_location: { country_id: country } }']),
  fault('the user agent beside the device', `${ga4}/surroundings.ts`, ['? {} : { device }',
    '? {} : { device, user_agent: userAgent }']),
  fault('the device in our own words', `${ga4}/surroundings.ts`,
    ['operating_system: known?.os?', 'os: known?.os?']),
  fault('an unknown query key', `${ga4}/destination.ts`, ['?measurement_id=', '?tid=']),
  fault('the secret under another name', `${ga4}/destination.ts`, ['name: \'api_secret\'', 'name: \'secret\'']),
  fault('everything to the validation server', `${ga4}/destination.ts`,
    ['isTest ? \'/debug/mp/collect\' : \'/mp/collect\'', '\'/debug/mp/collect\'']),
  fault('strict in production', `${ga4}/destination.ts`, ['body: isTest ? {', 'body: !isTest ? {'])
]

const loadWith = seedFaults('ga4', faults)

interface Request { url: string, headers: Record<string, string>, body: unknown }

interface World { goldens: Golden[], fakes: FakeNetworks, clock: { nowMs: number }, known: Set<string> }

/**
 * Which checks do not hold. GA4 tells nobody: what became of an event is in the fake's receipts. A request that was in
 * order before (`known`) is so again and is not repeated.
 */
async function check (destination: Destination, { goldens, fakes, clock, known }: World): Promise<Set<string>> {
  const caught = new Set<string>()
  const masked = goldenTarget(destination, true)
  const target = { ...goldenTarget(destination, false), endpoint: `${fakes.url}/ga4` }
  for (const { example, stored } of goldens) {
    if (!isDeepStrictEqual(makeGolden(example, masked), stored)) caught.add('golden')
    const [found] = preview([example.event], target, false)
    const [request] = found !== undefined && 'requests' in found ? found.requests as Request[] : []
    if (request === undefined) continue
    const text = JSON.stringify(request)
    if (known.has(text)) continue
    known.add(text)
    const plain = JSON.parse(text) as Request
    if (!Value.Check(destination.payload, plain.body)) caught.add('schema')
    if (leaksOf({ ...plain, method: 'POST' }, example, destination).length > 0) caught.add('conformance')
    clock.nowMs = example.event.nowMs
    const before = fakes.received().length
    const answer = await fetch(plain.url, { method: 'POST', headers: plain.headers, body: JSON.stringify(plain.body) })
    await answer.body?.cancel()
    const receipts = fakes.received().slice(before)
    if (receipts.length !== 1 || receipts.some(({ verdict }) => verdict === 'rejected')) caught.add('fake')
  }
  return caught
}

test('each seeded fault is caught, and without one nothing is', { timeout: 400_000 }, async t => {
  const clock = { nowMs: 0 }
  const settings = goldenTarget(await loadWith(-1), false).settings as { measurement_id: string, api_secret: string }
  const fakes = await startFakeNetworks({
    now: () => clock.nowMs,
    ga4: { streams: { [settings.measurement_id]: settings.api_secret } }
  })
  t.teardown(() => fakes.close())
  const world: World = { goldens: goldensOf(await loadWith(-1)), fakes, clock, known: new Set() }
  t.same([...await check(await loadWith(-1), world)], [], 'the mapping as it is')
  const inOrder = [...world.known]
  t.ok(fakes.received().length > 10)
  t.same(fakes.received().filter(receipt => receipt.verdict !== 'counted'), [])
  t.ok(faults.length >= 20)
  let beyondGoldens = 0
  for (const [number, { name }] of faults.entries()) {
    const caught = await check(await loadWith(number), { ...world, known: new Set(inOrder) })
    t.ok(caught.size > 0, `${name}: ${[...caught].join(', ') || 'not caught'}`)
    if (['schema', 'conformance', 'fake'].some(kind => caught.has(kind))) beyondGoldens++
  }
  t.ok(beyondGoldens >= 20, `${beyondGoldens} of ${faults.length} would be caught without a golden`)
})
