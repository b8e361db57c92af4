// What many people have in common, names and places, is normalised once and remembered for a while.
import type { Normalized, PersonField } from '../destination.ts'
import { remember } from '../../config/bounded.ts'

/** A destination's normalisation. Of the fields below it must depend on value and country alone. */
export type Normalize = (field: PersonField, value: string, country?: string, nowMs?: number) => Normalized

/** An e-mail address, a phone number or an id is one person's: it would be remembered for nothing. */
const sharedFields: ReadonlySet<PersonField> =
  new Set(['first_name', 'last_name', 'city', 'region', 'postal_code', 'country', 'gender'])
const mostValues = 20_000

/** The same normalisation, which remembers names and places. */
export function rememberShared (normalize: Normalize): Normalize {
  const recall = remember(mostValues, key => {
    const [field = '', country = ''] = key.split('\0', 2)
    const value = key.slice(field.length + country.length + 2)
    return normalize(field as PersonField, value, country === '' ? undefined : country)
  })
  return (field, value, country, nowMs) =>
    sharedFields.has(field) && country?.includes('\0') !== true
      ? recall(`${field}\0${country ?? ''}\0${value}`)
      : normalize(field, value, country, nowMs)
}
