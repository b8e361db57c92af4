// Module `cookies`: the networks' cookies out of the page, for sites whose gateway is on another domain than they are.
import type { Module } from '../index.ts'

/** The names of schema/identity.ts `knownCookies`, by the place of the key that allows them (choice.ts). */
const names: ReadonlyArray<[key: number, name: RegExp]> = [
  [0, /^(_fb[pc]|(_gcl_|FPGCL)\w\w|FPAU|_ttp|ttclid|_?twclid|li_fat_id)$/],
  [0, /^(_scc?l?id|(_derived)?_epik|_rdt_\w*id|_uet\w+)$/],
  [3, /^(_ga(_\w+)?|FPID)$/]
]

/** Adds them to each event, verbatim and as far as the choice allows. Elsewhere the browser itself sends them along. */
const cookies: Module = page => {
  const next = page.tags
  page.tags = (event, may) => {
    const found: Record<string, string> = {}
    for (const pair of document.cookie.split('; ')) {
      const [name = '', value = ''] = pair.split(/=(.*)/s)
      if (names.some(([key, known]) => known.test(name) && may(key))) found[name] ??= value
    }
    event.cookies = found
    return next?.(event, may)
  }
}
export default cookies
