// The settings of a process: the file, checked as a whole, with every default in place.
import type { Static, TObject, TSchema } from 'typebox'
import Value from 'typebox/value'
import { type ConsentRule } from '../schema/consent.ts'
import type { EventLevel } from '../schema/event_names.ts'
import { findSettingsFile, parseSettingsText, readSettingsText, type SettingsText } from './settings_file.ts'
import { findClashes, findLoops } from './settings_hosts.ts'
import { findProblems, findTakenPath, suggest, type Problem } from './settings_problems.ts'
import {
  CommonDestination, Consent, SettingsFile, Site, type CommonDestinationFile, type SettingsFileValue, type SiteFile
} from './settings_schema.ts'

/** What config/ must know of a destination type; the registry of dispatch/ fits. */
export interface DestinationType {
  type: string
  settings: TObject
  /** The own setting without which `mode: test` cannot work. */
  testNeeds?: string
  /** What a site's destinations of this type must not be at the same time. */
  findConflicts?: (configured: readonly Configured[]) => { name: string, keys: string[], text: string }[]
}

interface Configured { name: string, settings: Record<string, unknown> }

export interface DestinationSettings {
  name: string
  type: string
  mode: CommonDestinationFile['mode']
  events: EventLevel
  params: readonly string[]
  endpoint?: string
  tokenEndpoint?: string
  own: Record<string, unknown>
}

export interface SiteSettings extends Omit<SiteFile, 'consent' | 'destinations'> {
  name: string
  rule: ConsentRule
  consentDays: number
  destinations: DestinationSettings[]
}

export interface Settings extends Omit<SettingsFileValue, 'sites'> {
  path: string
  sites: SiteSettings[]
  /** Destinations that are off because none of their secrets is set: `site/name`. */
  off: string[]
}

export type SettingsResult = { settings: Settings } | { problems: string[] } | { missing: true }

/** Reads the settings that a command was given. `missing` when there is no file at all. */
export function loadSettings (
  given: string | undefined, env: NodeJS.ProcessEnv, types: readonly DestinationType[]
): SettingsResult {
  const path = findSettingsFile(given, env)
  if (path === undefined) return { missing: true }
  const text = readSettingsText(path, env)
  return 'problems' in text ? text : checkSettings(text, types)
}

/** The same for settings that are no file, such as the demo's. */
export function parseSettings (
  name: string, text: string, env: NodeJS.ProcessEnv, types: readonly DestinationType[]
): SettingsResult {
  const parsed = parseSettingsText(name, text, env)
  return 'problems' in parsed ? parsed : checkSettings(parsed, types)
}

function checkSettings (text: SettingsText, types: readonly DestinationType[]): SettingsResult {
  const problems: Problem[] = []
  const file = checked(SettingsFile, text.value ?? {}, [], problems)
  const off: string[] = []
  const sites: SiteSettings[] = []
  const names = typeof file.sites === 'object' && file.sites !== null ? Object.entries(file.sites) : []
  if (names.length === 0 && problems.length === 0) problems.push({ keys: ['sites'], text: 'names no site' })
  for (const [name, value] of names) {
    const site = readSite(name, value, types, problems, off)
    if (site !== null) sites.push(site)
  }
  problems.push(...findClashes(sites), ...findLoops(sites))
  if (problems.length > 0) return { problems: problems.map(problem => inWords(problem, text)) }
  return { settings: { ...file, path: text.path, sites, off } }
}

/** The value with its defaults; what is wrong with it is added to the problems. */
function checked<S extends TSchema> (schema: S, value: unknown, keys: string[], problems: Problem[]): Static<S> {
  const complete = Value.Default(schema, Value.Clone(value))
  for (const problem of findProblems(schema, complete)) problems.push({ ...problem, keys: [...keys, ...problem.keys] })
  return complete as Static<S>
}

function readSite (
  name: string, value: unknown, types: readonly DestinationType[], problems: Problem[], off: string[]
): SiteSettings | null {
  const keys = ['sites', name]
  const before = problems.length
  if (!/^[a-z][a-z0-9_-]{0,31}$/.test(name)) {
    problems.push({ keys, text: 'a site\'s name has lower-case letters, digits, _ and -, at most 32' })
  }
  // A consent that is a map is checked as one, so that its errors name its keys.
  const given = typeof value === 'object' && value !== null ? value : {}
  const consent: unknown = 'consent' in given ? given.consent : undefined
  const isMap = typeof consent === 'object' && consent !== null
  const file = checked(Site, isMap ? { ...given, consent: 'opt_in' } : value, keys, problems)
  const consentFile = checked(Consent, isMap ? consent : { rule: file.consent }, [...keys, 'consent'],
    isMap ? problems : [])
  const sound: DestinationSettings[] = []
  const destinations = Object.entries(file.destinations ?? {}).flatMap(([destinationName, own]) => {
    const found: Problem[] = []
    const read = readDestination([...keys, 'destinations', destinationName], own, types, found, off)
    if (found.length === 0) sound.push(...read)
    problems.push(...found)
    return read
  })
  problems.push(...findConflicts(keys, sound, types), ...findTakenPath(keys, file.vendors?.google?.path, file.prefix))
  if (problems.length > before) return null
  return {
    ...file,
    name,
    rule: { consent: consentFile.rule, gpc: consentFile.gpc, optOutCountries: consentFile.opt_out_countries },
    consentDays: consentFile.valid_for_days,
    destinations
  }
}

function readDestination (
  keys: string[], given: unknown, types: readonly DestinationType[], problems: Problem[], off: string[]
): DestinationSettings[] {
  const name = keys.at(-1) ?? ''
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    problems.push({ keys, text: 'a map of keys is needed' })
    return []
  }
  const all: Record<string, unknown> = { ...given }
  const typeName = typeof all.type === 'string' ? all.type : name
  const type = types.find(one => one.type === typeName)
  if (type === undefined) {
    const known = types.map(one => one.type)
    problems.push({
      keys: [...keys, ...(all.type === undefined ? [] : ['type'])],
      text: `there is no destination type "${typeName}". ${suggest(typeName, known)}. Another name needs \`type:\``
    })
    return []
  }
  const secrets = Object.keys(type.settings.properties).filter(key => isSecret(type.settings, key))
  const required = secrets.filter(key => type.settings.required?.includes(key))
  const isSet = (key: string) => all[key] !== undefined && all[key] !== ''
  if (required.length > 0 && !secrets.some(isSet)) {
    off.push(`${keys[1]}/${name}`)
    return []
  }
  const commonKeys = Object.keys(CommonDestination.properties)
  const ownGiven = Object.fromEntries(Object.entries(all).filter(([key]) => !commonKeys.includes(key)))
  const commonGiven = Object.fromEntries(Object.entries(all).filter(([key]) => commonKeys.includes(key)))
  const common = checked(CommonDestination, commonGiven, keys, problems)
  const own = checked(type.settings, withTexts(type.settings, ownGiven), keys, problems) as Record<string, unknown>
  if (common.mode === 'test' && type.testNeeds !== undefined && !isSet(type.testNeeds)) {
    problems.push({
      keys: [...keys, type.testNeeds], text: 'is missing: with `mode: test` events would count as real ones'
    })
  }
  return [{
    name,
    type: typeName,
    mode: common.mode,
    events: common.events,
    params: common.params,
    endpoint: common.endpoint,
    tokenEndpoint: common.token_endpoint,
    own
  }]
}

/** What only shows between two destinations of a site, by what each type says. */
function findConflicts (
  keys: string[], destinations: readonly DestinationSettings[], types: readonly DestinationType[]
): Problem[] {
  return types.flatMap(({ type, findConflicts }) => {
    const configured = destinations.filter(one => one.type === type).map(({ name, own }) => ({ name, settings: own }))
    return (findConflicts?.(configured) ?? []).map(({ name, keys: inner, text }) =>
      ({ keys: [...keys, 'destinations', name, ...inner], text }))
  })
}

function isSecret (schema: TObject, key: string): boolean {
  const property: unknown = schema.properties[key]
  return typeof property === 'object' && property !== null && Reflect.get(property, 'secret') === true
}

/** YAML reads `pixel_id: 123` as a number; where a text is meant, a safe whole number is its digits. */
function withTexts (schema: TObject, given: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).map(([key, value]) => {
    const property: unknown = schema.properties[key]
    const wantsText = typeof property === 'object' && property !== null && Reflect.get(property, 'type') === 'string'
    return [key, wantsText && Number.isSafeInteger(value) ? String(value) : value]
  }))
}

function inWords ({ keys, text }: Problem, file: SettingsText): string {
  const line = file.lineOf(keys)
  const unset = file.unset.size > 0 && text.startsWith('is missing')
    ? ` (not set in the environment: ${[...file.unset].join(', ')})`
    : ''
  return `${file.path}${line === undefined ? '' : `:${line}`}: ${keys.join('.')}: ${text}${unset}`
}

/** The settings as they may be shown: every secret as `***`. */
export function maskSettings (settings: Settings, types: readonly DestinationType[]): unknown {
  return {
    ...settings,
    platform: settings.platform === undefined
      ? undefined
      : { ...settings.platform, secrets: settings.platform.secrets.map(() => '***') },
    sites: settings.sites.map(site => ({
      ...site,
      api_keys: site.api_keys.map(({ name }) => ({ name, key: '***' })),
      destinations: site.destinations.map(destination => {
        const type = types.find(one => one.type === destination.type)
        const own = Object.entries(destination.own).map(([key, value]) =>
          [key, type === undefined || isSecret(type.settings, key) ? '***' : value])
        return { ...destination, own: Object.fromEntries(own) as Record<string, unknown> }
      })
    }))
  }
}
