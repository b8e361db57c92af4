// What many people have in common, names and places, is normalised once and remembered for a while.
import type { Normalized, PersonField } from '../destination.ts'
import { remember } from '../../config/bounded.ts'

/** A destination's normalisation. Of the fields below it must depend on value and country alone. */
export type Normalize = (field: PersonField, value: string, country?: string, nowMs?: number) => Normalized

/** An e-mail address, a phone number or an id is one person's: it would be remembered for nothing. */
const sharedFields: readonly PersonField[] =
  ['first_name', 'last_name', 'city', 'region', 'postal_code', 'country', 'gender']
const mostAnywhere = 4000
/** A field and a country have a memory of their own, so that no key is composed. Few fields depend on countries. */
const mostCountries = 10
const mostInCountry = 1000

type Recall = (value: string) => Normalized

/** The same normalisation, which remembers names and places. */
export function rememberShared (normalize: Normalize): Normalize {
  const byField = new Map(sharedFields.map(field => [field, {
    anywhere: remember(mostAnywhere, value => normalize(field, value)),
    inCountry: remember(mostCountries, (country): Recall =>
      remember(mostInCountry, value => normalize(field, value, country)))
  }]))
  return (field, value, country, nowMs) => {
    const recalls = byField.get(field)
    if (recalls === undefined) return normalize(field, value, country, nowMs)
    return country === undefined ? recalls.anywhere(value) : recalls.inCountry(country)(value)
  }
}
