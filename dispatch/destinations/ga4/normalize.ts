// How each thing known of a person is normalised for GA4: google.md §3 "user_data" and §4, the column MP.
import type { Normalized, PersonField, WhyNot } from '../../destination.ts'
import { readCountry } from '../../person/country.ts'
import { readEmail } from '../../person/email.ts'
import { cleanText, hashed, notAccepted, readGivenHash, type Reading } from '../../person/hashing.ts'
import { readPhoneNumber } from '../../person/phone.ts'
import { rememberShared } from '../../person/names_and_places.ts'

/** GA4 takes a user_id up to this length. */
const longestUserId = 256

/**
 * The value as GA4 wants it: e-mail, phone, names and street hashed, the rest of an address and the user_id in clear
 * (`sha256` null). `country` (code or name) is the region of a phone number without a country code.
 */
export const normalize = rememberShared(normalizeField)

function normalizeField (field: PersonField, value: string, country?: string): Normalized {
  switch (field) {
    case 'email': return hashed(value, readGoogleEmail)
    case 'phone': return hashed(value, text => readE164(text, country))
    case 'first_name':
    case 'last_name': return hashed(value, readLetters)
    case 'street': return hashed(value, readStreet)
    case 'city':
    case 'region': return inClear(value, readLetters)
    case 'postal_code': return inClear(value, readPostalCode)
    case 'country': return inClear(value, text => known(readCountry(text)?.toUpperCase() ?? null, 'unknown_country'))
    case 'external_id': return normalizeUserId(value)
    case 'birth_date':
    case 'gender': return notAccepted
  }
}

function known (text: string | null, why: WhyNot): Reading {
  return text === null || text === '' ? { why } : { text }
}

/** A value that is sent as it reads. One that was hashed before cannot be read any more. */
function inClear (value: string, read: (text: string) => Reading): Normalized {
  const text = cleanText(value)
  const reading: Reading = text === ''
    ? { why: 'empty' }
    : readGivenHash(text) === null ? read(text) : { why: 'unusable_characters' }
  if ('why' in reading) return { normalized: null, sha256: null, why: reading.why }
  return { normalized: reading.text, sha256: null }
}

const gmail = /^(.+)@(gmail\.com|googlemail\.com)$/

/**
 * Dots mean nothing in a Gmail name and are removed. GA4's page leaves a `+suffix` where it is, Google's other pages
 * remove it (§4 "artefacts disagree"): GA4 takes a list, so the name without it goes as a further spelling.
 */
function readGoogleEmail (text: string): Reading {
  const reading = readEmail(text)
  if ('why' in reading) return reading
  const [, name, domain] = gmail.exec(reading.text) ?? []
  if (name === undefined) return reading
  const plain = name.replaceAll('.', '')
  const base = plain.replace(/\+.*$/, '')
  if (base === '') return { why: 'not_an_email' }
  return { text: `${plain}@${domain}`, also: base === plain ? undefined : [`${base}@${domain}`] }
}

/** With the plus sign: other networks hash the digits alone. */
function readE164 (text: string, country: string | undefined): Reading {
  return known(readPhoneNumber(text, country)?.number ?? null, 'not_a_phone')
}

/** Lower case without digits and symbols; accents stay, and the space between two names. */
function readLetters (text: string): Reading {
  return known(spaced(text.toLowerCase().replace(/[\p{N}\p{P}\p{S}\p{C}]/gu, '')), 'unusable_characters')
}

/** Lower case without symbols; the house number stays. */
function readStreet (text: string): Reading {
  return known(spaced(text.toLowerCase().replace(/[\p{P}\p{S}\p{C}]/gu, '')), 'unusable_characters')
}

const spaced = (text: string) => text.replace(/\s+/g, ' ').trim()

/** As written, but for the two signs that GA4 removes. */
function readPostalCode (text: string): Reading {
  const code = text.replace(/[.~]/g, '').trim()
  return /^[\p{L}\p{N}][\p{L}\p{N}\s-]{1,11}$/u.test(code) && /\p{N}/u.test(code)
    ? { text: code }
    : { why: 'not_a_postal_code' }
}

/**
 * The owner's own id of the person, as the page's tag sends it: verbatim, because in another case it would be another
 * user. What reads as an e-mail address or a phone number must not reach GA4 in clear: its terms end the account.
 */
function normalizeUserId (value: string): Normalized {
  const text = value.trim()
  if (text === '') return { normalized: null, sha256: null, why: 'empty' }
  return isPersonal(text) || text.length > longestUserId ? notAccepted : { normalized: text, sha256: null }
}

/** An international number, or a national one with its leading zero; `000001` is a customer's. */
const phone = /^(?:\+|00(?=[1-9]\d{9})|0(?=[1-9]))\(?\d[\d\s().\-/]{7,18}$/

/** Whether an id gives a person away. UUIDs and hashes do not. */
export function isPersonal (text: string): boolean {
  return /[^\s@]@[^\s@]|%40/.test(text) || phone.test(text)
}
