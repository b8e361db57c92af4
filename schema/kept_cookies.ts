// The ids that scripts of a page keep in cookies and that a server may set again: how long each lives, and since when.

const dayMs = 86_400_000

/** One cookie of a network's or analytics' own script. What its server sets as HttpOnly (FPID …) needs no keeper. */
export interface KeptCookie {
  /** How `keep_cookies` names it. */
  label: string
  name: RegExp
  /** For how many days the network itself would have it live, from its creation. */
  lifeDays: number
  /** Where the value says when it was made (`at`), and how many milliseconds one of its units has. */
  born?: { form: RegExp, unitMs: 1 | 1000 }
  /** The click id that the value holds: its script replaces it with each new click. */
  click?: string
  /** Its script replaces it by what Google's linker brought in `_gl`. */
  isLinked?: boolean
  /** Its script rewrites it with each hit of a session. */
  isOfSession?: boolean
}

const metaTime = { form: /^fb\.\d\.(?<at>\d{9,16})\./, unitMs: 1 } as const
const googleClickTime = { form: /^(?:GCL|1)\.(?<at>\d{9,10})\./, unitMs: 1000 } as const
const googleListTime = { form: /^2\.1\..*\$i(?<at>\d{9,10})/, unitMs: 1000 } as const

/**
 * Lives as the networks' own scripts set them: meta.md §3.3, google.md §5, other-networks.md §1–§7 (names and
 * lifetimes) and §10. Of cookies that hold a click id, the life of what a server sets. A session's cookie (`_uetsid`)
 * ends before any browser would end it, so it is none of these.
 */
export const keptCookies: readonly KeptCookie[] = [
  { label: '_fbp', name: /^_fbp$/, lifeDays: 90, born: metaTime },
  { label: '_fbc', name: /^_fbc$/, lifeDays: 90, born: metaTime, click: 'fbclid' },
  {
    label: '_gcl_*',
    name: /^_gcl_au$/,
    lifeDays: 90,
    born: { form: /^1\.\d\.\d+\.(?<at>\d{9,10})/, unitMs: 1000 },
    isLinked: true
  },
  {
    label: '_gcl_*',
    name: /^_gcl_(aw|dc)$/,
    lifeDays: 90,
    born: googleClickTime,
    click: 'gclid',
    isLinked: true
  },
  { label: '_gcl_*', name: /^_gcl_gb$/, lifeDays: 90, born: googleClickTime, click: 'wbraid', isLinked: true },
  { label: '_gcl_*', name: /^_gcl_ag$/, lifeDays: 90, born: googleListTime, click: 'gbraid', isLinked: true },
  { label: '_gcl_*', name: /^_gcl_gs$/, lifeDays: 90, born: googleListTime, isLinked: true },
  { label: '_ttp', name: /^_ttp$/, lifeDays: 390 },
  { label: 'ttclid', name: /^ttclid$/, lifeDays: 30, click: 'ttclid' },
  { label: '_scid', name: /^_scid$/, lifeDays: 365 },
  { label: '_scclid', name: /^_scclid$/, lifeDays: 365, click: 'ScCid' },
  { label: '_epik', name: /^_epik$/, lifeDays: 365, click: 'epik' },
  { label: '_derived_epik', name: /^_derived_epik$/, lifeDays: 365, click: 'epik' },
  { label: 'li_fat_id', name: /^li_fat_id$/, lifeDays: 30, click: 'li_fat_id' },
  { label: '_rdt_cid', name: /^_rdt_cid$/, lifeDays: 30, click: 'rdt_cid' },
  { label: '_rdt_uuid', name: /^_rdt_uuid$/, lifeDays: 90, born: { form: /^(?<at>\d{13})\./, unitMs: 1 } },
  { label: 'twclid', name: /^twclid$/, lifeDays: 90, click: 'twclid' },
  { label: '_twclid', name: /^_twclid$/, lifeDays: 90, click: 'twclid' },
  { label: '_uetmsclkid', name: /^_uetmsclkid$/, lifeDays: 90, click: 'msclkid' },
  { label: '_uetvid', name: /^_uetvid$/, lifeDays: 390 },
  {
    label: '_ga',
    name: /^_ga$/,
    lifeDays: 730,
    born: { form: /^GA1\.[\d-]+\.\d+\.(?<at>\d{9,10})$/, unitMs: 1000 },
    isLinked: true
  },
  {
    // The time of its last hit, because that is what its script counts the two years from.
    label: '_ga_*',
    name: /^_ga_[A-Z0-9]{4,16}$/,
    lifeDays: 730,
    born: {
      form: /^GS(?:1\.\d\.\d+\.\d+\.\d+\.|2\.\d\.(?:.*\$)?t)(?<at>\d{9,10})(?=[.$]|$)/,
      unitMs: 1000
    },
    isLinked: true,
    isOfSession: true
  }
]

/** What `keep_cookies` may name; `*` is all of them. */
export const keptLabels: readonly string[] = ['*', ...new Set(keptCookies.map(({ label }) => label))]

const rowsByName = new Map<string, KeptCookie | undefined>()
const mostNames = 2000

/** The row of a cookie's name; undefined for a cookie that nobody keeps. Requests always bring the same names. */
export function keptCookie (name: string): KeptCookie | undefined {
  if (rowsByName.has(name)) return rowsByName.get(name)
  const row = keptCookies.find(kept => kept.name.test(name))
  if (name.length <= 100 && rowsByName.size < mostNames) rowsByName.set(name, row)
  return row
}

/** A clock that goes wrong by more than this is not believed. */
const mostSkewMs = 3_600_000

/** When a value was made, as far as it says so itself; undefined when it does not, or names a time still to come. */
export function bornAtMs ({ born }: KeptCookie, value: string, nowMs: number): number | undefined {
  const digits = born?.form.exec(value)?.groups?.at
  if (born === undefined || digits === undefined) return undefined
  const atMs = Number(digits) * born.unitMs
  return atMs > nowMs + mostSkewMs ? undefined : Math.min(atMs, nowMs)
}

/** When a cookie ends that was made at `startMs`. */
export function lifeEndMs ({ lifeDays }: KeptCookie, startMs: number): number {
  return startMs + lifeDays * dayMs
}
