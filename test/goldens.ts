// The shared examples at every destination: what each becomes, beside the golden file that a person has read.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Value } from 'typebox/value'
import { readDryRunEvent, type DryRunEvent } from '../commands/dry_run_event.ts'
import type { Destination } from '../dispatch/destination.ts'
import { maskSecrets, preview } from '../dispatch/preview.ts'
import type { SiteRules, Target } from '../dispatch/target.ts'

const root = join(import.meta.dirname, '..')
const examplesFolder = join(root, 'schema', 'examples')

/** The site of the goldens. What an example leaves unsaid of consent is granted, as in dry-run. */
const site: SiteRules = {
  name: 'main',
  consent: { consent: 'opt_out', gpc: 'drop', optOutCountries: [] },
  defaults: { country: 'DE', currency: 'EUR', lead_value: 50 },
  queryKeys: [],
  sensitivePaths: []
}

export interface Example { name: string, body: Record<string, unknown>, event: DryRunEvent }

function readJson<T> (path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}

/** The folder of a destination. */
export function folderOf (destination: Destination): string {
  return join(root, 'dispatch', 'destinations', destination.type)
}

/** A file of a destination's folder, as JSON. */
export function readOwn<T> (destination: Destination, file: string): T {
  return readJson<T>(join(folderOf(destination), file))
}

/** All of schema/examples, read as the gateway reads them. */
export function readExamples (): Example[] {
  return readdirSync(examplesFolder).filter(file => file.endsWith('.json')).toSorted().map(file => {
    const name = file.slice(0, -'.json'.length)
    const body = readJson<Record<string, unknown>>(join(examplesFolder, file))
    const event = readDryRunEvent(body, site, `e-${name}`, 0)
    if ('error' in event) throw new Error(`schema/examples/${file}: ${event.error.message}`)
    return { name, body, event }
  })
}

interface GoldenSettings { settings: Record<string, unknown>, params: string[] }

/** A destination with the settings of its folder; `masked` hides its secrets, as the goldens do. */
export function goldenTarget (destination: Destination, isMasked: boolean): Target {
  const { settings, params } = readOwn<GoldenSettings>(destination, 'settings.json')
  return {
    id: 0,
    name: destination.type,
    site,
    destination,
    settings: isMasked ? maskSecrets(destination, settings) : Value.Default(destination.settings, { ...settings }),
    mode: 'live',
    events: 'all',
    endpoint: destination.endpoint,
    params
  }
}

/** What an example becomes, as plain JSON. */
export function makeGolden (example: Example, target: Target): unknown {
  const [found] = preview([example.event], target, false)
  if (found === undefined) throw new Error('one event has one preview')
  const { requests: [request] = [], ...rest } = 'requests' in found ? found : { ...found, requests: [] }
  return JSON.parse(JSON.stringify(request === undefined ? rest : { request, ...rest }))
}

export interface Golden { example: Example, path: string, made: unknown, stored: unknown }

/** Every example at a destination, beside its golden file; `stored` is undefined where there is none yet. */
export function goldensOf (destination: Destination): Golden[] {
  const target = goldenTarget(destination, true)
  return readExamples().map(example => {
    const path = join(folderOf(destination), 'golden', `${example.name}.json`)
    return { example, path, made: makeGolden(example, target), stored: existsSync(path) ? readJson(path) : undefined }
  })
}
