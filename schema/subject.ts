// The spellings under which a person is found again: what a blind index is made of. Never sent to a network.
import { parsePhoneNumberFromString, type CountryCode } from 'libphonenumber-js'
import type { UserData } from './event.ts'

/** One identifier of a person, normalised. */
export interface Subject { kind: 'email' | 'phone', value: string }

/** An e-mail as it is looked up: trimmed, lower case, NFC. Undefined when it cannot be one. */
export function subjectEmail (given: string): string | undefined {
  const email = given.trim().toLowerCase().normalize('NFC').replace(/^mailto:/, '')
  return /^[^\s@]+@[^\s@]+$/.test(email) ? email : undefined
}

/**
 * A phone number as it is looked up: E.164 where it is understood, with `country` for numbers without a prefix, else
 * its digits. Undefined when it has fewer than five.
 */
export function subjectPhone (given: string, country?: string): string | undefined {
  const parsed = parsePhoneNumberFromString(given, country?.toUpperCase() as CountryCode | undefined)
  if (parsed !== undefined) return parsed.number
  const digits = given.replace(/\D/g, '')
  return digits.length >= 5 ? digits : undefined
}

/** Every usable identifier in `user_data`, each once, sorted. */
export function subjectsOf (person: UserData | undefined, country?: string): Subject[] {
  const emails = (person?.email ?? []).map(subjectEmail).filter(value => value !== undefined)
  const phones = (person?.phone_number ?? []).map(given => subjectPhone(given,
    country)).filter(value => value !== undefined)
  return [
    ...[...new Set(emails)].sort().map(value => ({ kind: 'email' as const, value })),
    ...[...new Set(phones)].sort().map(value => ({ kind: 'phone' as const, value }))
  ]
}
