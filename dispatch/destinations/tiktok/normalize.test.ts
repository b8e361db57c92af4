// Every normalisation case of the reference (other-networks.md §1.4, §10), and what TikTok could not match.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { personFields, type PersonField, type WhyNot } from '../../destination.ts'
import { normalize } from './normalize.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

interface Case { field: PersonField, value: string, country?: string, is: string, also?: string[] }

const usable: Case[] = [
  { field: 'email', value: '  John.Smith+news@GMAIL.com ', is: 'john.smith+news@gmail.com' },
  { field: 'email', value: 'Jürgen@Müller.example', is: 'jürgen@müller.example' },
  { field: 'email', value: '\u200bada@example.org\ufeff', is: 'ada@example.org' },
  { field: 'phone', value: '+44 (0)20 7946 0958', is: '+442079460958' },
  { field: 'phone', value: '0171 1234567', country: 'DE', is: '+491711234567' },
  { field: 'phone', value: '0171/123 45-67', country: 'Deutschland', is: '+491711234567' },
  { field: 'phone', value: '00491711234567', is: '+491711234567' },
  { field: 'phone', value: '(650) 555-1212', country: 'us', is: '+16505551212' },
  { field: 'phone', value: '16505551212', country: 'us', is: '+16505551212' },
  { field: 'phone', value: '4917112345678', country: 'de', is: '+4917112345678' },
  { field: 'phone', value: '06 12345678', country: 'it', is: '+390612345678' },
  { field: 'phone', value: 'tel:+49-171-1234567', is: '+491711234567' },
  { field: 'first_name', value: ' Jean-Luc ', is: 'jeanluc' },
  { field: 'first_name', value: 'Mary Ann', is: 'maryann' },
  { field: 'last_name', value: 'O\'Brien', is: 'obrien' },
  { field: 'last_name', value: 'O’Brien', is: 'obrien' },
  { field: 'last_name', value: 'MÜLLER', is: 'müller' },
  { field: 'last_name', value: 'ı́şık', is: 'ı́şık' },
  { field: 'postal_code', value: 'M1 1AE', country: 'gb', is: 'm11ae' },
  { field: 'postal_code', value: '94025-1234', country: 'us', is: '94025' },
  { field: 'postal_code', value: '94025-1234', is: '94025' },
  { field: 'postal_code', value: '00-950', country: 'pl', is: '00950' },
  { field: 'postal_code', value: '80331', country: 'de', is: '80331' },
  { field: 'external_id', value: ' user-42 ', is: 'user-42' },
  { field: 'external_id', value: 'User-42', is: 'User-42', also: ['user-42'] },
  { field: 'external_id', value: '0192f0c1-7e1d-7aaa-8bbb-0242ac120002', is: '0192f0c1-7e1d-7aaa-8bbb-0242ac120002' }
]

test('normalises what is hashed as the reference says', t => {
  for (const { field, value, country, is, also } of usable) {
    t.same(normalize(field, value, country), {
      normalized: is,
      sha256: sha256(is),
      also: also?.map(spelling => ({ normalized: spelling, sha256: sha256(spelling) }))
    }, `${field} ${value}`)
  }
  t.equal(normalize('phone', '+1 650 555 1212').sha256, sha256('+16505551212'), 'the plus is part of what is hashed')
  t.end()
})

const clear: [PersonField, string, string][] = [
  ['city', 'München', 'münchen'],
  ['city', ' San  Francisco ', 'san francisco'],
  ['city', 'St. John\'s', 'st. john\'s'],
  ['city', '29 Palms', '29 palms'],
  ['city', '東京', '東京'],
  ['region', 'CA', 'ca'],
  ['region', 'North Rhine-Westphalia', 'north rhine-westphalia'],
  ['country', 'UK', 'gb'],
  ['country', 'United States', 'us'],
  ['country', 'DEU', 'de'],
  ['country', 'Österreich', 'at']
]

test('leaves in clear what TikTok wants in clear, in lower case', t => {
  for (const [field, value, is] of clear) {
    t.same(normalize(field, value), { normalized: is, sha256: null }, `${field} ${value}`)
  }
  t.end()
})

const unusable: [PersonField, string, WhyNot, string?][] = [
  ['email', '', 'empty'],
  ['email', ' \u200b ', 'empty'],
  ['email', 'nobody', 'not_an_email'],
  ['email', 'john smith@gmail.com', 'not_an_email'],
  ['email', 'john@@example.com', 'not_an_email'],
  ['email', 'Ada <ada@example.org>', 'not_an_email'],
  ['phone', '12345', 'not_a_phone', 'de'],
  ['phone', '0171 1234567', 'not_a_phone'],
  ['phone', 'call me', 'not_a_phone', 'us'],
  ['phone', '+', 'not_a_phone', 'de'],
  ['first_name', '...', 'unusable_characters'],
  ['last_name', '’', 'unusable_characters'],
  ['postal_code', '9402', 'not_a_postal_code', 'us'],
  ['postal_code', 'n/a', 'not_a_postal_code'],
  ['city', '', 'empty'],
  ['city', '—', 'unusable_characters'],
  ['city', '10115 Berlin', 'unusable_characters'],
  ['city', 'ada@example.org', 'unusable_characters'],
  ['city', '0171 1234567', 'unusable_characters'],
  ['city', 'x'.repeat(101), 'unusable_characters'],
  ['region', '12', 'unusable_characters'],
  ['country', 'Narnia', 'unknown_country'],
  ['country', 'EN', 'unknown_country'],
  ['external_id', ' ', 'empty'],
  ['birth_date', '1997-02-16', 'not_accepted_by_network'],
  ['gender', 'f', 'not_accepted_by_network'],
  ['street', 'Hauptstraße 1', 'not_accepted_by_network']
]

test('gives nothing where TikTok could not match it, and says why', t => {
  for (const [field, value, why, country] of unusable) {
    t.same(normalize(field, value, country), { normalized: null, sha256: null, why }, `${field} ${value}`)
  }
  t.end()
})

test('passes a hash on in lower case and never hashes it again', t => {
  const hash = sha256('ada@example.org')
  const already = { normalized: null, sha256: hash, why: 'already_hashed' }
  for (const field of ['email', 'phone', 'first_name', 'postal_code', 'external_id', 'city', 'country'] as const) {
    t.same(normalize(field, ` ${hash.toUpperCase()} `), already, field)
  }
  t.match(normalize('email', `${hash}${hash}`), { sha256: null, why: 'not_an_email' }, 'the pattern is anchored')
  t.match(normalize('email', 'd41d8cd98f00b204e9800998ecf8427e'), { why: 'not_an_email' }, 'MD5 is no hash')
  t.end()
})

test('takes any text at all, hashes nothing empty, and finds its own result normal', t => {
  const field = fc.constantFrom(...personFields)
  const country = fc.constantFrom(undefined, 'DE', 'us', 'Narnia', '')
  const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.stringMatching(/^[+0 ()\d.-]{3,20}$/), fc.emailAddress())
  fc.assert(fc.property(field, text, country, (field, text, country) => {
    const { normalized, sha256: hash, also = [], why } = normalize(field, text, country)
    if (normalized === null) return why !== undefined
    const isClear = field === 'city' || field === 'region' || field === 'country'
    return why === undefined && normalized !== '' && hash === (isClear ? null : sha256(normalized)) &&
      normalize(field, normalized, country).normalized === normalized &&
      also.every(spelling => spelling.normalized !== '' && spelling.normalized !== normalized)
  }), { numRuns: 1000 })
  t.end()
})
