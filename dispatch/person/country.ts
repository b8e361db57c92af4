// Countries: from a code or a name in one of many languages to ISO 3166-1 alpha-2. A table, never a guess.
import codes from 'i18n-iso-countries/codes.json' with { type: 'json' }
import bg from 'i18n-iso-countries/langs/bg.json' with { type: 'json' }
import cs from 'i18n-iso-countries/langs/cs.json' with { type: 'json' }
import da from 'i18n-iso-countries/langs/da.json' with { type: 'json' }
import de from 'i18n-iso-countries/langs/de.json' with { type: 'json' }
import el from 'i18n-iso-countries/langs/el.json' with { type: 'json' }
import en from 'i18n-iso-countries/langs/en.json' with { type: 'json' }
import es from 'i18n-iso-countries/langs/es.json' with { type: 'json' }
import fi from 'i18n-iso-countries/langs/fi.json' with { type: 'json' }
import fr from 'i18n-iso-countries/langs/fr.json' with { type: 'json' }
import hr from 'i18n-iso-countries/langs/hr.json' with { type: 'json' }
import hu from 'i18n-iso-countries/langs/hu.json' with { type: 'json' }
import it from 'i18n-iso-countries/langs/it.json' with { type: 'json' }
import ja from 'i18n-iso-countries/langs/ja.json' with { type: 'json' }
import nb from 'i18n-iso-countries/langs/nb.json' with { type: 'json' }
import nl from 'i18n-iso-countries/langs/nl.json' with { type: 'json' }
import pl from 'i18n-iso-countries/langs/pl.json' with { type: 'json' }
import pt from 'i18n-iso-countries/langs/pt.json' with { type: 'json' }
import ro from 'i18n-iso-countries/langs/ro.json' with { type: 'json' }
import ru from 'i18n-iso-countries/langs/ru.json' with { type: 'json' }
import sk from 'i18n-iso-countries/langs/sk.json' with { type: 'json' }
import sv from 'i18n-iso-countries/langs/sv.json' with { type: 'json' }
import tr from 'i18n-iso-countries/langs/tr.json' with { type: 'json' }
import uk from 'i18n-iso-countries/langs/uk.json' with { type: 'json' }
import zh from 'i18n-iso-countries/langs/zh.json' with { type: 'json' }
import { remember } from '../../config/bounded.ts'

/** English first: where two languages give one name to two countries, the first keeps it only if it is English. */
const locales = [en, de, fr, es, it, nl, pt, pl, sv, da, nb, fi, cs, sk, hu, ro, hr, el, tr, bg, ru, uk, ja, zh]

/** What people write and no table of names holds. */
const others: Record<string, string> = {
  uk: 'gb',
  el: 'gr',
  greatbritain: 'gb',
  england: 'gb',
  scotland: 'gb',
  wales: 'gb',
  northernireland: 'gb',
  america: 'us',
  theunitedstates: 'us',
  theunitedstatesofamerica: 'us',
  unitedstates: 'us',
  brd: 'de',
  holland: 'nl',
  thenetherlands: 'nl',
  czechrepublic: 'cz',
  turkey: 'tr',
  turkiye: 'tr',
  kosovo: 'xk',
  macedonia: 'mk',
  ivorycoast: 'ci',
  capeverde: 'cv',
  swaziland: 'sz',
  burma: 'mm'
}

/** A name without case, accents, spaces and punctuation. */
function fold (name: string): string {
  return name.normalize('NFKD').toLowerCase().replace(/[^\p{L}\p{N}]/gu, '')
}

const countryByCode = new Map<string, string>()
const countryByName = new Map<string, string>()

function learnNames (): void {
  const english = new Set<string>()
  const ambiguous = new Set<string>()
  for (const locale of locales) {
    for (const [code, given] of Object.entries<string | string[]>(locale.countries)) {
      for (const name of [given].flat().map(fold)) {
        const known = countryByName.get(name)
        if (known === undefined) countryByName.set(name, code.toLowerCase())
        else if (known !== code.toLowerCase() && !english.has(name)) ambiguous.add(name)
        if (locale === en) english.add(name)
      }
    }
  }
  for (const name of ambiguous) countryByName.delete(name)
  for (const [name, code] of Object.entries(others)) countryByName.set(name, code)
}

for (const [alpha2, alpha3] of codes) {
  if (alpha2 === undefined || alpha3 === undefined) continue
  countryByCode.set(alpha2.toLowerCase(), alpha2.toLowerCase())
  countryByCode.set(alpha3.toLowerCase(), alpha2.toLowerCase())
}

/**
 * The ISO 3166-1 alpha-2 code, in lower case, of a country given as alpha-2, alpha-3 or by its name; null when unknown
 * (`xx`, `en`): a network could not match a guess (meta.md §2 country).
 */
export function readCountry (text: string): string | null {
  const code = findCountry(text)
  return code === '' ? null : code
}

/** The code; empty when unknown. */
const findCountry = remember(1000, text => {
  const folded = fold(text)
  if (countryByName.size === 0) learnNames()
  return countryByCode.get(folded) ?? countryByName.get(folded) ?? ''
})
