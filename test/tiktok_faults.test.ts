// Faults seeded into the source of the TikTok mapping, one at a time: each must be caught by a golden, the schema, the
// conformance rules or the strict fake.
import { isDeepStrictEqual } from 'node:util'
import { test } from 'tap'
import { Value } from 'typebox/value'
import { startFakeNetworks, type FakeNetworks } from '../demo/networks/fake_networks.ts'
import type { Destination } from '../dispatch/destination.ts'
import { preview } from '../dispatch/preview.ts'
import { leaksOf } from './conformance.ts'
import { goldensOf, goldenTarget, type Golden } from './goldens.ts'
import { fault, seedFaults, type Fault } from './seeded_faults.ts'

const tiktok = 'destinations/tiktok'

const seconds = 'return Math.floor(Math.min(event.occurred_at_ms, event.received_at_ms) / 1000)'

const faults: Fault[] = [
  fault('milliseconds for seconds', `${tiktok}/map.ts`, [seconds, 'return event.occurred_at_ms']),
  fault('an ISO time', `${tiktok}/map.ts`, [seconds, 'return new Date(event.occurred_at_ms).toISOString()']),
  fault('a fraction of a second', `${tiktok}/map.ts`, [seconds, 'return event.occurred_at_ms / 1000 + 0.5']),
  fault('the time of arrival for the time of the event', `${tiktok}/map.ts`,
    [seconds, 'return Math.floor(event.received_at_ms / 1000)']),
  fault('no event id', `${tiktok}/map.ts`, ['event_id: event.event_id,', '']),
  fault('a number for the event id', `${tiktok}/map.ts`, ['event_id: event.event_id,', 'event_id: 273196,']),
  fault('the order for the event id', `${tiktok}/map.ts`,
    ['event_id: event.event_id,', 'event_id: event.transaction_id ?? event.event_id,']),
  fault('the name under another key', `${tiktok}/map.ts`, ['event: name,', 'event_name: name,']),
  fault('no page', `${tiktok}/map.ts`, ['    page,\n', '']),
  fault('page and referrer exchanged', `${tiktok}/map.ts`,
    ['return { url: own, referrer: webAddress(event.page_referrer) }',
      'return { url: webAddress(event.page_referrer) ?? own, referrer: own }']),
  fault('the landing for the page', `${tiktok}/map.ts`,
    ['const own = webAddress(event.page_location)', 'const own = webAddress(event.landing?.page_location)']),
  fault('no limit for who refused personalisation', `${tiktok}/map.ts`,
    [' || event.consent.ad_personalization === \'denied\'', '']),
  fault('a limit for everybody', `${tiktok}/map.ts`,
    ['limited_data_use: limit === \'on\' ? true : undefined', 'limited_data_use: true']),
  fault('a limit under another name', `${tiktok}/map.ts`,
    ['limited_data_use: limit === \'on\' ? true : undefined', 'limitedDataUse: limit === \'on\' ? true : undefined']),
  fault('a lead for every event', `${tiktok}/map.ts`,
    ['lead: place.source === \'crm\' ? place.lead : undefined', 'lead: { lead_id: \'1\' }']),

  fault('everything from the web', `${tiktok}/source.ts`,
    ['return { source: \'offline\' }', 'return { source: \'web\' }']),
  fault('a stage without its lead', `${tiktok}/source.ts`,
    ['return { source: \'crm\', lead: {', 'return { source: \'web\', lead: {']),
  fault('a lead id as a number', `${tiktok}/source.ts`, ['lead_id: leadId, ', 'lead_id: Number(leadId), ']),
  fault('the pixel for the event set', `${tiktok}/source.ts`,
    ['case \'offline\': return settings.offline_event_set_id', 'case \'offline\': return settings.pixel_code']),

  fault('nothing is hashed', 'person/hashing.ts', ['sha256: sha256Hex(reading.text)', 'sha256: reading.text']),
  fault('base64 for hex', 'person/hashing.ts', ['hash(\'sha256\', text)', 'hash(\'sha256\', text, \'base64\')']),
  fault('hashed twice', 'person/hashing.ts',
    ['normalized: null, sha256: given,', 'normalized: null, sha256: sha256Hex(given),']),
  fault('a given hash in upper case', 'person/hashing.ts', ['?.[1]?.toLowerCase() ?? null', '?.[1] ?? null']),
  fault('an e-mail in the case it was typed', 'person/email.ts', ['text.toLowerCase()', 'text']),
  fault('a phone number without its plus', `${tiktok}/normalize.ts`, ['text: number.number }',
    'text: number.number.slice(1) }']),
  fault('a phone number without its country code', `${tiktok}/normalize.ts`,
    ['text: number.number }', 'text: number.nationalNumber }']),
  fault('a name with its punctuation', `${tiktok}/normalize.ts`, ['.replace(/[\\s\\p{P}\\p{S}]+/gu, \'\')', '']),
  fault('a place in the case it was typed', `${tiktok}/normalize.ts`,
    ['text.toLowerCase().replace(/\\s+/g, \' \')', 'text.replace(/\\s+/g, \' \')']),
  fault('a place without its accents', `${tiktok}/normalize.ts`,
    ['text.toLowerCase().replace(/\\s+/g, \' \')', 'text.toLowerCase().replace(/[^a-z0-9]/g, \'\')']),
  fault('a hashed place', `${tiktok}/user.ts`,
    ['readClear(given(key), value => normalize(field, value, reader.country), reader.warnings)',
      'normalize(\'first_name\', given(key).value ?? \'\').sha256 ?? undefined']),
  fault('a country by its name', `${tiktok}/normalize.ts`, [': { text: code }', ': { text: text.toLowerCase() }']),
  fault('a long postal code', 'person/postal_code.ts', ['code.slice(0, 5)', 'code']),

  fault('e-mail and phone exchanged', `${tiktok}/user.ts`, ['email: hashAll(', 'PHONE: hashAll('],
    ['phone: hashAll(', 'email: hashAll('], ['PHONE: hashAll(', 'phone: hashAll(']),
  fault('first and last name exchanged', `${tiktok}/user.ts`, ['first_name: one(', 'LAST: one('],
    ['last_name: one(', 'first_name: one('], ['LAST: one(', 'last_name: one(']),
  fault('an empty list', `${tiktok}/user.ts`, ['found.size === 0 ? undefined : [...found]', '[...found]']),
  fault('one spelling of an external id', `${tiktok}/user.ts`,
    ['case \'both\': return [asGiven, ...lower]', 'case \'both\': return [asGiven]']),
  fault('an external id as typed', `${tiktok}/user.ts`,
    ['external_id: external, ...browserOf', 'external_id: event.user_id, ...browserOf']),
  fault('the visitor for the external id', `${tiktok}/user.ts`,
    ['[{ value: event.user_id, path: \'user_id\',', '[{ value: event.event_id, path: \'user_id\',']),
  fault('a lower-case click id', `${tiktok}/user.ts`,
    ['opaque(clickIds.ttclid?.value,', 'opaque(clickIds.ttclid?.value.toLowerCase(),']),
  fault('the older click of the cookie', `${tiktok}/user.ts`,
    ['opaque(clickIds.ttclid?.value,', 'opaque(ofCookie,']),
  fault('a click id under its name in addresses', `${tiktok}/user.ts`, ['    ttp: opaque(', '    _ttp: opaque(']),
  fault('no pixel cookie', `${tiktok}/user.ts`, ['opaque(cookies._ttp,', 'opaque(undefined,']),
  fault('a private address', `${tiktok}/user.ts`, ['const ip = readPublicIp(given)', 'const ip = given']),
  fault('a hashed address', `${tiktok}/user.ts`, ['return ip ?? undefined', 'return \'a\'.repeat(64)']),
  fault('no browser', `${tiktok}/user.ts`, ['user_agent: userAgent === undefined', 'user_agent: true']),
  fault('no language', `${tiktok}/user.ts`, ['locale: localeOf(event.language, warnings)', '']),
  fault('a language with an underscore', `${tiktok}/user.ts`,
    ['isWellFormed(language))) return language\n',
      'isWellFormed(language))) return language?.replace(\'-\', \'_\')\n']),
  fault('keys that an event set does not take', `${tiktok}/user.ts`,
    ['if (source === \'offline\') return contact',
      'if (source === \'offline\') return { ...contact, country: \'de\' }']),
  fault('a person without anything to match by', `${tiktok}/user.ts`,
    ['    (ip !== undefined && userAgent !== undefined)', '    userAgent !== undefined']),

  fault('a value as text', 'money.ts', [': { value, currency }', ': { value: String(value), currency }']),
  fault('a value in cents', 'money.ts', [': { value, currency }', ': { value: value * 100, currency }']),
  fault('a value without its currency', 'money.ts', [': { value, currency }', ': { value }']),
  fault('a currency in lower case', 'money.ts',
    [': { value, currency }', ': { value, currency: currency.toLowerCase() }']),
  fault('the price of all pieces for that of one', `${tiktok}/properties.ts`,
    ['isNumber(item.price) ? item.price : undefined', 'isNumber(item.price) ? item.price * quantity : undefined']),
  fault('lines counted for pieces', `${tiktok}/properties.ts`, ['=> sum + quantity, 0)', '=> sum + 1, 0)']),
  fault('items under Meta\'s key', `${tiktok}/properties.ts`, ['    content_id: id,', '    id,']),
  fault('the misspelt content_ids', `${tiktok}/properties.ts`, ['    content_ids: has', '    contents_ids: has']),
  fault('no content type', `${tiktok}/properties.ts`, ['if (has) properties', 'if (!has) properties']),
  fault('an older key for the search', `${tiktok}/properties.ts`, ['    search_string: textOf', '    query: textOf']),
  fault('new and returning exchanged', `${tiktok}/properties.ts`,
    ['event.new_customer ? \'new\' : \'returning\'', 'event.new_customer ? \'returning\' : \'new\'']),
  fault('a parameter that TikTok does not know', `${tiktok}/properties.ts`,
    ['if (schema === undefined) warnings',
      'if (schema === undefined) kept[key] = value\n    else if (key === \'\') warnings']),

  fault('an event name in the wrong case', `${tiktok}/events.ts`,
    ['generate_lead: \'Lead\'', 'generate_lead: \'lead\'']),
  fault('the old name of a purchase', `${tiktok}/events.ts`,
    ['purchase: \'Purchase\'', 'purchase: \'CompletePayment\'']),
  fault('Meta\'s name of a page view', `${tiktok}/events.ts`, ['\'Pageview\'', '\'PageView\'']),
  fault('the event at the wrong level', `${tiktok}/destination.ts`, ['data: payloads\n', 'data: [payloads]\n']),
  fault('one event for the list', `${tiktok}/destination.ts`, ['data: payloads\n', 'data: payloads[0]\n']),
  fault('no slash at the end', `${tiktok}/destination.ts`, ['/event/track/`', '/event/track`']),
  fault('a partner that nobody knows', `${tiktok}/destination.ts`,
    ['        data: payloads\n', '        partner_name: \'Postern\',\n        data: payloads\n']),
  fault('the key of the older API', `${tiktok}/destination.ts`, ['event_source_id: sourceId', 'pixel_code: sourceId']),
  fault('the token as a Bearer', `${tiktok}/destination.ts`,
    ['name: \'access-token\', value: ({ access_token: token }) => token',
      'name: \'authorization\', value: ({ access_token: token }) => \'Bearer \' + token'])
]

const loadWith = seedFaults('tiktok', faults)

interface Request { url: string, headers: Record<string, string>, body: { data: unknown } }

/** Whether the fake takes the request: its code is 0. */
async function isTaken (request: Request): Promise<boolean> {
  const answer = await fetch(request.url, {
    method: 'POST', headers: request.headers, body: JSON.stringify(request.body)
  })
  const { code } = await answer.json() as { code?: number }
  return code === 0
}

/** Which checks do not hold, and where. */
async function check (destination: Destination, fakes: FakeNetworks, clock: { nowMs: number }): Promise<Set<string>> {
  const caught = new Set<string>()
  const goldens: Golden[] = goldensOf(destination)
  const target = { ...goldenTarget(destination, false), endpoint: `${fakes.url}/tiktok` }
  for (const { example, made, stored } of goldens) {
    if (!isDeepStrictEqual(made, stored)) caught.add('golden')
    const [found] = preview([example.event], target, false)
    const [request] = found !== undefined && 'requests' in found ? found.requests as Request[] : []
    if (request === undefined) continue
    const plain = JSON.parse(JSON.stringify(request)) as Request
    const { data } = plain.body
    const isKnown = Array.isArray(data) && data.every(payload => Value.Check(destination.payload, payload))
    if (!isKnown) caught.add('schema')
    if (leaksOf({ ...plain, method: 'POST' }, example, destination).length > 0) caught.add('conformance')
    clock.nowMs = example.event.nowMs
    if (!await isTaken(plain)) caught.add('fake')
  }
  return caught
}

test('each seeded fault is caught, and without one nothing is', async t => {
  const clock = { nowMs: 0 }
  const settings = goldenTarget(await loadWith(-1), false).settings as Record<string, string>
  const { pixel_code: pixel, access_token: token, offline_event_set_id: offline, crm_event_set_id: crm } = settings
  if (pixel === undefined || token === undefined || offline === undefined || crm === undefined) {
    throw new Error('settings.json of tiktok names every source')
  }
  const fakes = await startFakeNetworks({
    now: () => clock.nowMs,
    tiktok: { accounts: { [token]: { web: [pixel], offline: [offline], crm: [crm] } } }
  })
  t.teardown(() => fakes.close())
  t.same([...await check(await loadWith(-1), fakes, clock)], [], 'the mapping as it is')
  t.ok(fakes.received().length > 10)
  t.same(fakes.received().filter(receipt => receipt.verdict !== 'counted'), [])
  t.ok(faults.length >= 20)
  let beyondGoldens = 0
  for (const [number, { name }] of faults.entries()) {
    const caught = await check(await loadWith(number), fakes, clock)
    t.ok(caught.size > 0, `${name}: ${[...caught].join(', ') || 'not caught'}`)
    if (['schema', 'conformance', 'fake'].some(kind => caught.has(kind))) beyondGoldens++
  }
  t.ok(beyondGoldens >= 20, `${beyondGoldens} of ${faults.length} would be caught without a golden`)
})
