// Shows that personal data is there, and enough of it to recognise one's own test, without showing it.
import type { EventData } from '../schema/event.ts'

/** `a•••@example.com`; what is no address is all dots. */
export function maskEmail (email: string): string {
  const at = email.lastIndexOf('@')
  return at < 1 ? '•••' : `${email.slice(0, 1)}•••${email.slice(at)}`
}

/** `•••67`: the last two digits. */
export function maskPhone (phone: string): string {
  return `•••${phone.replace(/\D/g, '').slice(-2)}`
}

/** What an arrival says about the person, one short text each: `email a•••@example.com`, `address: city, country`. */
export function maskPerson (data: EventData): string[] {
  const person = data.user_data ?? {}
  const shown = [
    ...(person.email ?? []).map(email => `email ${maskEmail(email)}`),
    ...(person.phone_number ?? []).map(phone => `phone ${maskPhone(phone)}`),
    ...(person.sha256_email_address ?? []).map(() => 'email (hashed by the sender)'),
    ...(person.sha256_phone_number ?? []).map(() => 'phone (hashed by the sender)')
  ]
  const address = Object.keys(person.address ?? {})
  if (address.length > 0) shown.push(`address: ${address.join(', ')}`)
  if (data.user_id !== undefined) shown.push('user_id')
  if (data.visitor_id !== undefined) shown.push(data.visitor_verified === true ? 'visitor (verified)' : 'visitor')
  return shown
}
