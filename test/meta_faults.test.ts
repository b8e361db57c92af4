// Faults seeded into the source of the Meta mapping, one at a time: each must be caught by a golden, the schema, the
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
import { goldensOf, goldenTarget, type Golden } from './goldens.ts'
import { fault, seedFaults, type Fault } from './seeded_faults.ts'

const meta = 'destinations/meta'

const faults: Fault[] = [
  fault('milliseconds for seconds', `${meta}/map.ts`,
    ['return Math.floor(event.occurred_at_ms / 1000)', 'return event.occurred_at_ms']),
  fault('an ISO time', `${meta}/map.ts`,
    ['return Math.floor(event.occurred_at_ms / 1000)', 'return new Date(event.occurred_at_ms).toISOString()']),
  fault('the time of arrival for the time of the event', `${meta}/map.ts`,
    ['return Math.floor(event.occurred_at_ms / 1000)', 'return Math.floor(event.received_at_ms / 1000)']),
  fault('nothing is hashed', 'person/hashing.ts', ['sha256: sha256Hex(reading.text)', 'sha256: reading.text']),
  fault('base64 for hex', 'person/hashing.ts', ['hash(\'sha256\', text)', 'hash(\'sha256\', text, \'base64\')']),
  fault('hashed twice', 'person/hashing.ts',
    ['normalized: null, sha256: given,', 'normalized: null, sha256: sha256Hex(given),']),
  fault('a given hash in upper case', 'person/hashing.ts', ['?.[1]?.toLowerCase() ?? null', '?.[1] ?? null']),
  fault('a hash of nothing', 'person/hashing.ts',
    ['if (\'why\' in reading) return { normalized: null, sha256: null, why: reading.why }',
      'if (\'why\' in reading) return { normalized: \'\', sha256: sha256Hex(\'\') }']),
  fault('an e-mail in the case it was typed', 'person/email.ts', ['text.toLowerCase()', 'text']),
  fault('a phone number with its plus', 'person/phone.ts', ['number.number.slice(1)', 'number.number']),
  fault('a phone number without its country code', 'person/phone.ts',
    ['number.number.slice(1)', 'number.nationalNumber']),
  fault('a name with its punctuation', 'person/name.ts', ['.replace(asciiPunctuation, \'\')', '']),
  fault('a birth date month first', 'person/birth_date.ts', ['`${year}${month}${day}`', '`${month}${day}${year}`']),
  fault('a long postal code', 'person/postal_code.ts', ['code.slice(0, 5)', 'code']),
  fault('a state by its name', `${meta}/normalize.ts`, ['if (code !== null) return { text: code }', '']),
  fault('a country in upper case', `${meta}/normalize.ts`,
    ['known(readCountry(text), ', 'known(readCountry(text)?.toUpperCase() ?? null, ']),
  fault('the genders exchanged', `${meta}/normalize.ts`, ['[\'f\', \'f\']', '[\'f\', \'m\']']),
  fault('an external id in its own case', `${meta}/normalize.ts`,
    ['text.toLowerCase().replace(/\\s/g', 'text.replace(/\\s/g']),
  fault('e-mail and phone exchanged', `${meta}/user_data.ts`,
    ['em: hashes(', 'PH: hashes('], ['ph: hashes(', 'em: hashes('],
    ['PH: hashes(', 'ph: hashes(']),
  fault('first and last name exchanged', `${meta}/user_data.ts`,
    ['fn: hashes(\'first_name\'', 'LN: hashes(\'first_name\''],
    ['ln: hashes(', 'fn: hashes('], ['LN: hashes(', 'ln: hashes(']),
  fault('an empty list', `${meta}/user_data.ts`, ['  return found\n', '  return found ?? []\n']),
  fault('a private address', `${meta}/user_data.ts`, ['const ip = readPublicIp(given)', 'const ip = given']),
  fault('a key of our own', `${meta}/user_data.ts`, ['    fbc: fbcOf(', '    click_id: fbcOf(']),
  fault('a lead id with the prefix of exports', `${meta}/user_data.ts`, ['if (digits !== undefined) return digits',
    'if (digits !== undefined) return given']),
  fault('the browser missing', `${meta}/user_data.ts`, ['client_user_agent: userAgentOf(event, actionSource, warnings)',
    'client_user_agent: undefined']),
  fault('a lower-case fbc', `${meta}/browser_ids.ts`,
    [', warnings) ? undefined : cookie', ', warnings) ? undefined : cookie?.toLowerCase()']),
  fault('an fbc of the bare click id', `${meta}/browser_ids.ts`,
    ['return formatFbValue(index, click.seen_at_ms, click.value)', 'return click.value']),
  fault('an fbc made anew at each event', `${meta}/browser_ids.ts`,
    ['formatFbValue(index, click.seen_at_ms,', 'formatFbValue(index, event.received_at_ms,']),
  fault('an fbc in seconds', `${meta}/browser_ids.ts`,
    ['formatFbValue(index, click.seen_at_ms,', 'formatFbValue(index, Math.floor(click.seen_at_ms / 1000),']),
  fault('an event name in the wrong case', `${meta}/events.ts`, ['\'Lead\'', '\'lead\'']),
  fault('the name of another event', `${meta}/events.ts`, ['purchase: \'Purchase\'', 'purchase: \'AddToCart\'']),
  fault('no event id', `${meta}/map.ts`, ['event_id: event.event_id,', '']),
  fault('the order for the event id', `${meta}/map.ts`,
    ['event_id: event.event_id,', 'event_id: event.transaction_id ?? event.event_id,']),
  fault('everything from the website', `${meta}/map.ts`,
    ['action_source: actionSource,', 'action_source: \'website\',']),
  fault('page and referrer exchanged', `${meta}/map.ts`, ['webAddress(event.page_location,', 'webAddress(event.PAGE,'],
    ['webAddress(event.page_referrer,', 'webAddress(event.page_location,'],
    ['webAddress(event.PAGE,', 'webAddress(event.page_referrer,']),
  fault('the opt-out of those who opted in', `${meta}/map.ts`, ['=== \'denied\' ? true', '=== \'granted\' ? true']),
  fault('a CRM stage that does not say so', `${meta}/custom_data.ts`,
    ['event_source: source === undefined ? undefined : \'crm\',', '']),
  fault('a value as text', 'money.ts', [': { value, currency }', ': { value: String(value), currency }']),
  fault('a value in cents', 'money.ts', [': { value, currency }', ': { value: value * 100, currency }']),
  fault('a value without its currency', 'money.ts', [': { value, currency }', ': { value }']),
  fault('the price of all pieces for that of one', `${meta}/custom_data.ts`,
    ['isNumber(item.price) ? item.price : undefined', 'isNumber(item.price) ? item.price * quantity : undefined']),
  fault('lines counted for pieces', `${meta}/custom_data.ts`, ['=> sum + quantity, 0)', '=> sum + 1, 0)']),
  fault('items under our own key', `${meta}/custom_data.ts`, ['return {\n    id,', 'return {\n    item_id: id,']),
  fault('an e-mail address among the parameters', `${meta}/custom_data.ts`, [' && !anEmail.test(value)', '']),
  fault('the event at the wrong level', `${meta}/destination.ts`,
    ['data: payloads,', 'data: [payloads],']),
  fault('an unknown version', `${meta}/settings.ts`, ['default: \'v26.0\'', 'default: \'26\'']),
  fault('the token without its scheme', `${meta}/destination.ts`, ['=> `Bearer ${token}`', '=> token'])
]

const loadWith = seedFaults('meta', faults)

interface Request { url: string, headers: Record<string, string>, body: { data: unknown[] } }

/** Which checks do not hold, and where. */
async function check (destination: Destination, fakes: FakeNetworks, clock: { nowMs: number }): Promise<Set<string>> {
  const caught = new Set<string>()
  const goldens: Golden[] = goldensOf(destination)
  const target = { ...goldenTarget(destination, false), endpoint: `${fakes.url}/meta` }
  for (const { example, made, stored } of goldens) {
    if (!isDeepStrictEqual(made, stored)) caught.add('golden')
    const [found] = preview([example.event], target, false)
    const [request] = found !== undefined && 'requests' in found ? found.requests as Request[] : []
    if (request === undefined) continue
    const plain = JSON.parse(JSON.stringify(request)) as Request
    if (!plain.body.data.every(payload => Value.Check(destination.payload, payload))) caught.add('schema')
    if (leaksOf({ ...plain, method: 'POST' }, example, destination).length > 0) caught.add('conformance')
    clock.nowMs = example.event.nowMs
    const answer = await fetch(plain.url, { method: 'POST', headers: plain.headers, body: JSON.stringify(plain.body) })
    if (answer.status !== 200) caught.add('fake')
    await answer.body?.cancel()
  }
  return caught
}

test('each seeded fault is caught, and without one nothing is', async t => {
  const clock = { nowMs: 0 }
  const settings = goldenTarget(await loadWith(-1), false).settings as { pixel_id: string, access_token: string }
  const fakes = await startFakeNetworks({
    now: () => clock.nowMs,
    meta: { pixels: { [settings.pixel_id]: settings.access_token } }
  })
  t.teardown(() => fakes.close())
  t.same([...await check(await loadWith(-1), fakes, clock)], [], 'the mapping as it is')
  t.ok(fakes.received().length > 10)
  t.same(fakes.received().filter(receipt => receipt.verdict === 'rejected'), [])
  t.ok(faults.length >= 20)
  let beyondGoldens = 0
  for (const [number, { name }] of faults.entries()) {
    const caught = await check(await loadWith(number), fakes, clock)
    t.ok(caught.size > 0, `${name}: ${[...caught].join(', ') || 'not caught'}`)
    if (['schema', 'conformance', 'fake'].some(kind => caught.has(kind))) beyondGoldens++
  }
  t.ok(beyondGoldens >= 20, `${beyondGoldens} of ${faults.length} would be caught without a golden`)
})
