// Faults seeded into the source of the Google Ads mapping, one at a time: each must be caught by a golden, the schema,
// the conformance rules or the strict fake.
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

const ads = 'destinations/google_ads'

const faults: Fault[] = [
  fault('seconds for a timestamp', `${ads}/map.ts`, ['return new Date(event.occurred_at_ms).toISOString()',
    'return String(Math.floor(event.occurred_at_ms / 1000))']),
  fault('a timestamp without its zone', `${ads}/map.ts`, ['return new Date(event.occurred_at_ms).toISOString()',
    'return new Date(event.occurred_at_ms).toISOString().replace(\'Z\', \'\')']),
  fault('the time of arrival for the time of the event', `${ads}/map.ts`,
    ['return new Date(event.occurred_at_ms).toISOString()', 'return new Date(event.received_at_ms).toISOString()']),
  fault('no source', `${ads}/map.ts`, ['    eventSource: eventSourceOf(event),\n', '']),
  fault('a source in our words', `${ads}/map.ts`, ['website: \'WEB\'', 'website: \'website\''],
    ['? \'OTHER\' : \'WEB\'', '? \'OTHER\' : \'website\'']),
  fault('everything from the web', `${ads}/map.ts`, ['if (event.action_source !== undefined) return',
    'if (event.action_source === \'website\') return'], ['? \'OTHER\' : \'WEB\'', '? \'WEB\' : \'WEB\'']),
  fault('no transaction id', `${ads}/map.ts`, ['    transactionId,\n', '']),
  fault('the event id for the order', `${ads}/map.ts`, ['isOrder ? [transactionId, \'transaction_id\'] : ',
    'isOrder && false ? [transactionId, \'transaction_id\'] : ']),
  fault('a prefix before the order', `${ads}/map.ts`,
    ['isOrder ? [transactionId,', 'isOrder ? [`t_${transactionId}`,']),
  fault('no reference to the action', `${ads}/map.ts`, ['destinationReferences: [action],',
    'destinationReferences: [event.event_name],']),
  fault('the resource name of an action', `${ads}/settings.ts`,
    ['.replace(/^customers\\/\\d+\\/conversionActions\\//, \'\')', '']),
  fault('consent in gtag\'s words', `${ads}/map.ts`,
    ['adUserData: consent.ad_user_data === \'granted\' ? \'CONSENT_GRANTED\' : \'CONSENT_DENIED\'',
      'adUserData: consent.ad_user_data']),
  fault('no consent', `${ads}/map.ts`, ['    consent: consentOf(event),\n', '']),
  fault('personalisation of those who refused it', `${ads}/map.ts`,
    ['adPersonalization: isPersonal ?', 'adPersonalization: !isPersonal ?']),
  fault('the address of whom Google must not have it', `${ads}/map.ts`,
    ['if (client?.ip === undefined || country === undefined) return undefined',
      'if (client?.ip === undefined) return undefined\n  country ??= \'US\'']),
  fault('a private address', `${ads}/map.ts`, ['return isAllowed ? readPublicIp(client.ip) ?? undefined : undefined',
    'return client.ip'], ['if (client?.ip === undefined || country === undefined)', 'if (client?.ip === undefined)']),
  fault('no browser', `${ads}/map.ts`,
    ['userAgent: userAgent === \'\' ? undefined : userAgent', 'userAgent: undefined']),
  fault('nothing is hashed', 'person/hashing.ts', ['sha256: sha256Hex(reading.text)', 'sha256: reading.text']),
  fault('base64 for hex', 'person/hashing.ts', ['hash(\'sha256\', text)', 'hash(\'sha256\', text, \'base64\')']),
  fault('hashed twice', 'person/given.ts',
    ['{ sha256: readGivenHash(value), why: \'not_a_hash\' }', 'read(`${value}@x.de`)']),
  fault('a given hash in upper case', 'person/hashing.ts', ['?.[1]?.toLowerCase() ?? null', '?.[1] ?? null']),
  fault('a hash of nothing', 'person/hashing.ts',
    ['if (\'why\' in reading) return { normalized: null, sha256: null, why: reading.why }',
      'if (\'why\' in reading) return { normalized: \'\', sha256: sha256Hex(\'\') }']),
  fault('an e-mail in the case it was typed', 'person/email.ts', ['text.toLowerCase()', 'text']),
  fault('the dots of Gmail', `${ads}/normalize.ts`, ['.replaceAll(\'.\', \'\')', '']),
  fault('the tag of Gmail', `${ads}/normalize.ts`, ['local.replace(/\\+.*$/, \'\')', 'local']),
  fault('a phone number without its plus', `${ads}/normalize.ts`, ['{ text: number.number }',
    '{ text: number.number.slice(1) }']),
  fault('a name with its title', `${ads}/normalize.ts`, ['.replace(title, \'\')', '']),
  fault('a name with its suffix', `${ads}/normalize.ts`, ['while (suffix.test(left))', 'while (false)']),
  fault('a country in lower case', `${ads}/user_data.ts`, ['country?.toUpperCase()', 'country']),
  fault('a country by its hash', `${ads}/user_data.ts`, ['const regionCode = country?.toUpperCase()',
    'const regionCode = country === undefined ? undefined : normalize(\'email\', `${country}@x.de`).sha256']),
  fault('a postal code by its hash', `${ads}/user_data.ts`,
    ['normalize(\'postal_code\', value, country)', '({ normalized: normalize(\'email\', `${value}@x.de`).sha256 })']),
  fault('a long postal code without its dash', `${ads}/normalize.ts`, ['`${five}-${four}`', '`${five}${four}`']),
  fault('part of an address', `${ads}/user_data.ts`,
    ['if (givenName !== undefined && familyName !== undefined && postalCode !== undefined && regionCode !== undefined)',
      'if (givenName !== undefined)']),
  fault('the city as well', `${ads}/user_data.ts`,
    ['regionCode, postalCode }\n', 'regionCode, postalCode, city: \'x\' }\n']),
  fault('e-mail and phone exchanged', `${ads}/user_data.ts`, ['({ emailAddress: hash })', '({ PHONE: hash })'],
    ['({ phoneNumber: hash })', '({ emailAddress: hash })'], ['({ PHONE: hash })', '({ phoneNumber: hash })']),
  fault('all of a person in one identifier', `${ads}/user_data.ts`,
    ['return userIdentifiers.length === 0 ? undefined : { userIdentifiers }',
      'return { userIdentifiers: [Object.assign({}, ...userIdentifiers)] }']),
  fault('an empty list', `${ads}/user_data.ts`, ['userIdentifiers.length === 0 ? undefined : { userIdentifiers }',
    '{ userIdentifiers }']),
  fault('gbraid with wbraid', `${ads}/ad_identifiers.ts`,
    ['return isGbraid ? { gbraid: gbraid.value } : { wbraid: wbraid?.value }',
      'return { gbraid: gbraid?.value, wbraid: \'CjkKCQiAwbraid\' }']),
  fault('the oldest click', `${ads}/ad_identifiers.ts`, ['Math.max(...clicks.map(', 'Math.min(...clicks.map(']),
  fault('clicks of different landings', `${ads}/ad_identifiers.ts`,
    ['newestMs - click.clickedAtMs <= sameLandingMs)', 'newestMs >= click.clickedAtMs)']),
  fault('a click id in lower case', `${ads}/ad_identifiers.ts`,
    ['gclid: gclid.value', 'gclid: gclid.value.toLowerCase()']),
  fault('a session that begins in milliseconds', `${ads}/ad_identifiers.ts`, ['`${seenAtMs}000`', '`${seenAtMs}`']),
  fault('a session that begins with a number', `${ads}/ad_identifiers.ts`, ['`${seenAtMs}000`', 'seenAtMs * 1000']),
  fault('a padded session', `${ads}/ad_identifiers.ts`, ['.toString(\'base64url\')', '.toString(\'base64\')']),
  fault('a session without its ad', `${ads}/ad_identifiers.ts`, ['    ...gad,\n', '']),
  fault('a value as text', 'money.ts', [': { value, currency }', ': { value: String(value), currency }']),
  fault('a value in micros', 'money.ts', [': { value, currency }', ': { value: value * 1e6, currency }']),
  fault('a value without its currency', `${ads}/worth.ts`, ['conversionValue: value, currency: currency ?? ' +
    '(isPriced ? ofPrices : undefined), cartData', 'conversionValue: value, cartData']),
  fault('a currency in lower case', 'money.ts',
    ['.has(code)) return code\n', '.has(code)) return code.toLowerCase()\n']),
  fault('an empty cart', `${ads}/worth.ts`,
    ['if (event.event_name !== \'purchase\' || (event.items ?? []).length === 0) return undefined',
      'if (event.event_name !== \'purchase\') return { items: [] }']),
  fault('a cart with a braid', `${ads}/worth.ts`, ['if (identifiers?.gbraid !== undefined || ' +
    'identifiers?.wbraid !== undefined) return undefined', '']),
  fault('items under Analytics\' key', `${ads}/worth.ts`, ['merchantProductId: id', 'itemId: id']),
  fault('the price of all pieces for that of one', `${ads}/worth.ts`, ['quantity, unitPrice }]',
    'quantity, unitPrice: unitPrice === undefined ? undefined : unitPrice * quantity }]']),
  fault('half the feed', `${ads}/worth.ts`, ['    merchantFeedLabel: settings.merchant_feed_label,\n', '']),
  fault('new customers as returning ones', `${ads}/worth.ts`, ['isNew ? \'NEW\' : \'RETURNING\'',
    'isNew ? \'RETURNING\' : \'NEW\'']),
  fault('a customer in our words', `${ads}/worth.ts`,
    ['isNew ? \'NEW\' : \'RETURNING\'', 'isNew ? \'new\' : \'returning\'']),
  fault('an e-mail address among the variables', `${ads}/worth.ts`, [' && !looksPersonal(value)) return', ') return']),
  fault('a key of our own', `${ads}/map.ts`,
    ['    eventDeviceInfo: deviceOf(event),', '    clientInfo: deviceOf(event),']),
  fault('an account with dashes', `${ads}/settings.ts`, ['customerId.replaceAll(\'-\', \'\')', 'customerId']),
  fault('the manager as the account', `${ads}/destination.ts`,
    ['accountId: accountId(settings.customer_id) }', 'accountId: accountId(settings.login_customer_id ?? \'\') }']),
  fault('the account as its own manager', `${ads}/destination.ts`,
    ['accountType: \'GOOGLE_ADS\', accountId: login }',
      'accountType: \'GOOGLE_ADS\', accountId: accountId(settings.customer_id) }']),
  fault('no action', `${ads}/destination.ts`, ['          productDestinationId: action\n', '']),
  fault('no encoding', `${ads}/destination.ts`, ['        encoding: \'HEX\',\n', '']),
  fault('another encoding', `${ads}/destination.ts`, ['encoding: \'HEX\'', 'encoding: \'BASE64\'']),
  fault('only validated', `${ads}/destination.ts`, ['validateOnly: isTest ?', 'validateOnly: !isTest ?']),
  fault('the events at the wrong level', `${ads}/destination.ts`, ['events: payloads,', 'events: [payloads],'])
]

const loadWith = seedFaults('google_ads', faults)

interface Request { url: string, headers: Record<string, string>, body: { events: unknown[] } }

/** What the fake said to each body: most faults change few of them. */
const answers = new Map<string, boolean>()

/** Which checks do not hold. */
async function check (destination: Destination, fakes: FakeNetworks, clock: { nowMs: number }): Promise<Set<string>> {
  const caught = new Set<string>()
  const goldens: Golden[] = goldensOf(destination)
  const target = { ...goldenTarget(destination, false), endpoint: `${fakes.url}/google_ads` }
  for (const { example, made, stored } of goldens) {
    if (!isDeepStrictEqual(made, stored)) caught.add('golden')
    const [found] = preview([example.event], target, false)
    const [request] = found !== undefined && 'requests' in found ? found.requests as Request[] : []
    if (request === undefined) continue
    const plain = JSON.parse(JSON.stringify(request)) as Request
    if (!plain.body.events.every(payload => Value.Check(destination.payload, payload))) caught.add('schema')
    if (leaksOf({ ...plain, method: 'POST' }, example, destination).length > 0) caught.add('conformance')
    clock.nowMs = example.event.nowMs
    if (!await isTaken(plain, fakes)) caught.add('fake')
  }
  return caught
}

/** Whether the fake takes a request: at once, and half an hour later, which stands in its list at once. */
async function isTaken ({ url, headers: given, body }: Request, fakes: FakeNetworks): Promise<boolean> {
  const text = JSON.stringify(body)
  const known = answers.get(text)
  if (known !== undefined) return known
  const before = fakes.received().length
  const headers = { ...given, authorization: 'Bearer ya29.known' }
  const answer = await fetch(url, { method: 'POST', headers, body: text })
  await answer.body?.cancel()
  const isWhole = fakes.received().slice(before).every(({ verdict }) => verdict !== 'rejected')
  answers.set(text, answer.status === 200 && isWhole)
  return answer.status === 200 && isWhole
}

test('each seeded fault is caught, and without one nothing is', { timeout: 400_000 }, async t => {
  const clock = { nowMs: 0 }
  const actions = ['6512345001', '6512345002', '6512345003', '6512345004', '6512345005', '6512345006']
  const fakes = await startFakeNetworks({
    now: () => clock.nowMs,
    google_ads: {
      customers: { 6043182257: Object.fromEntries(actions.map(action => [action, { kind: 'UPLOAD_CLICKS' }])) },
      accessTokens: ['ya29.known'],
      quota: { perMinute: 1e6, perDay: 1e6 }
    }
  })
  t.teardown(() => fakes.close())
  t.same([...await check(await loadWith(-1), fakes, clock)], [], 'the mapping as it is')
  t.ok(fakes.received().length > 10)
  t.ok(faults.length >= 20)
  let beyondGoldens = 0
  for (const [number, { name }] of faults.entries()) {
    const caught = await check(await loadWith(number), fakes, clock)
    t.ok(caught.size > 0, `${name}: ${[...caught].join(', ') || 'not caught'}`)
    if (['schema', 'conformance', 'fake'].some(kind => caught.has(kind))) beyondGoldens++
  }
  t.ok(beyondGoldens >= 20, `${beyondGoldens} of ${faults.length} would be caught without a golden`)
})
