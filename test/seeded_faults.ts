// Faults seeded into the source of a destination, one at a time, for the tests that must catch each of them.
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Destination } from '../dispatch/destination.ts'

/** A change of source text. `file` lies below dispatch/; each text to find must stand in it exactly once. */
export interface Fault { name: string, file: string, changes: [find: string, replace: string][] }

export const fault = (name: string, file: string, ...changes: Fault['changes']): Fault => ({ name, file, changes })

const folder = pathToFileURL(join(import.meta.dirname, '..', 'dispatch')).href

/**
 * The loader of a destination with one of the faults in its source, by the fault's number; -1 has none. Everything that
 * may hold a fault is loaded anew under `?fault=N`; the tables of person/, which take time, only for a fault there.
 */
export function seedFaults (type: string, faults: readonly Fault[]): (number: number) => Promise<Destination> {
  const own = `destinations/${type}/`
  registerHooks({
    resolve (specifier, context, next) {
      const resolved = next(specifier, context)
      const number = new URL(context.parentURL ?? 'file:///').searchParams.get('fault')
      const isAboutPeople = faults[Number(number)]?.file.startsWith('person/') === true
      const isOurs = [own, 'money.ts', ...isAboutPeople ? ['person/'] : []].some(place =>
        resolved.url.startsWith(`${folder}/${place}`))
      return number !== null && isOurs ? { ...resolved, url: `${resolved.url}?fault=${number}` } : resolved
    },
    load (url, context, next) {
      const loaded = next(url, context)
      const { pathname, searchParams } = new URL(url)
      const seeded = faults[Number(searchParams.get('fault') ?? -1)]
      if (seeded === undefined || !pathname.endsWith(`/dispatch/${seeded.file}`)) return loaded
      let source = String(loaded.source)
      for (const [find, replace] of seeded.changes) {
        if (source.split(find).length !== 2) throw new Error(`"${find}" must stand once in ${seeded.file}`)
        source = source.replace(find, () => replace)
      }
      return { ...loaded, source }
    }
  })
  return async number => {
    const module: unknown = await import(`../dispatch/${own}destination.ts?fault=${number}`)
    return (module as { default: Destination }).default
  }
}
