// Where the European rules on personal data hold: the EEA, the United Kingdom and Switzerland.

/** Members, and the places of theirs that have a code of their own (ISO 3166-1 alpha-2). */
const europe = new Set(['AT', 'BE', 'BG', 'HR', 'CY', 'CZ', 'DK', 'EE', 'FI', 'FR', 'DE', 'GR', 'HU', 'IE', 'IT', 'LV',
  'LT', 'LU', 'MT', 'NL', 'PL', 'PT', 'RO', 'SK', 'SI', 'ES', 'SE', 'IS', 'LI', 'NO', 'GB', 'CH',
  'AX', 'BL', 'GF', 'GP', 'MF', 'MQ', 'PM', 'RE', 'YT', 'SJ', 'GG', 'GI', 'IM', 'JE'])

/** Whether a country code (any case) is one of them: Google must not be given an address from there (google.md §6). */
export function isEuropean (country: string): boolean {
  return europe.has(country.toUpperCase())
}
