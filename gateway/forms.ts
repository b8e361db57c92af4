// A lead post in any form → the event it is, the visitor's answers, and where the browser wants to go next. Pure.
import type { EventData, UserData, Warning } from '../schema/event.ts'
import { clickIdKind } from '../schema/identity.ts'
import type { Body, FormEntry } from './body.ts'
import { eventKeys } from './keys_of_body.ts'
import { answerLimits, readParameters } from './params.ts'
import { addToPerson, personKeyOfField, readPerson, safeName, type Warn } from './person.ts'
import { readEvent, type Draft, type ReadContext, type ReadError } from './read.ts'

export interface LeadDraft {
  draft: Draft
  warnings: Warning[]
  /** `postern_next`: as given, not yet judged. */
  next?: string
}

/** What a lead post says, sorted: keys of the event, and answers under the form's own names. */
interface Sorted {
  event: Record<string, unknown>
  answers: [name: string, value: unknown][]
  next?: string
}

const control = 'postern_'
const consentAll = ['ad_storage', 'ad_user_data', 'ad_personalization', 'analytics_storage']

/** Entries of one name, in order: checkboxes and multiple selects repeat theirs. */
function groupEntries (entries: readonly FormEntry[]): Map<string, unknown[]> {
  const groups = new Map<string, unknown[]>()
  for (const [name, value] of entries) groups.set(name, [...groups.get(name) ?? [], value])
  return groups
}

/**
 * Sorts a form's entries. Names that start with `postern_` are ours: `postern_consent_<key>` (`postern_consent` answers
 * all four), `postern_click_<param>`, `postern_fbp` and `postern_fbc`, `postern_page`, `postern_next`, and
 * `postern_<key of the event>`. The last value of a name counts, because a hidden `denied` stands before its checkbox.
 * A hidden field named like a click id (`gclid`) is one.
 */
function sortForm (entries: readonly FormEntry[]): Sorted {
  const sorted: Sorted = { event: {}, answers: [] }
  const maps = {
    consent: {} as Record<string, unknown>,
    click_ids: {} as Record<string, unknown>,
    cookies: {} as Record<string, unknown>
  }
  for (const [name, values] of groupEntries(entries)) {
    const value = values.at(-1)
    if (!name.startsWith(control)) {
      const kind = clickIdKind(name)
      if (kind !== undefined) maps.click_ids[kind.param] ??= value
      else sorted.answers.push([name, values.length === 1 ? value : values])
      continue
    }
    const key = name.slice(control.length)
    if (key === 'next') sorted.next = typeof value === 'string' ? value : undefined
    else if (key === 'page') sorted.event.page_location = value
    else if (key === 'event') sorted.event.event_name = value
    else if (key === 'consent') for (const one of consentAll) maps.consent[one] ??= value
    else if (key.startsWith('consent_')) maps.consent[key.slice('consent_'.length)] = value
    else if (key.startsWith('click_')) maps.click_ids[key.slice('click_'.length)] = value
    else if (key === 'fbp' || key === 'fbc') maps.cookies[`_${key}`] = value
    // What tells people from machines: how long the page was open, and an input that people do not see.
    else if (key === 'elapsed') sorted.event.form_elapsed_ms = value
    else if (key === 'trap') sorted.event.form_trap = value === '' ? undefined : 'filled'
    else if (eventKeys.has(key)) sorted.event[key] = value
    else sorted.answers.push([name, value])
  }
  Object.assign(sorted.event, maps)
  return sorted
}

/** Sorts a JSON lead: the event's own keys, `fields` and every other key are answers. */
function sortJson (json: object): Sorted {
  const sorted: Sorted = { event: {}, answers: [] }
  for (const [name, value] of Object.entries(json)) {
    if (name === 'fields' && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      sorted.answers.push(...Object.entries(value as object))
    } else if (name === 'postern_next' && typeof value === 'string') {
      sorted.next = value
    } else if (eventKeys.has(name)) {
      sorted.event[name] = value
    } else {
      const kind = typeof value === 'string' ? clickIdKind(name) : undefined
      if (kind === undefined) sorted.answers.push([name, value])
      else sorted.event.click_ids = { [kind.param]: value, ...Object(sorted.event.click_ids) as object }
    }
  }
  return sorted
}

/** Splits the answers into what is known of a person, and the rest. A full name also stays among the answers. */
function readAnswers (answers: Sorted['answers'], person: UserData, warn: Warn): EventData['fields'] {
  const rest: [string, unknown][] = []
  const names: [string, unknown][] = []
  for (const [name, value] of answers) {
    const key = typeof value === 'object' && !Array.isArray(value) ? undefined : personKeyOfField(name)
    if (name === 'address' && typeof value === 'object' && value !== null) {
      Object.assign(person, { address: { ...readPerson({ address: value }, name, warn)?.address, ...person.address } })
    } else if (key === undefined) {
      rest.push([name, value])
    } else if (key === 'full_name') {
      names.push([name, value])
      rest.push([name, value])
    } else if (!addToPerson(person, key, value, safeName(name), warn)) {
      rest.push([name, value])
    }
  }
  for (const [name, value] of names) addToPerson(person, 'full_name', value, safeName(name), warn)
  return readParameters(Object.fromEntries(rest), '', warn, answerLimits)
}

/** What was typed under a name that means something to us, but says something else: `url: www.my-firm.de`. */
function unusedAnswers (event: Sorted['event'], warnings: readonly Warning[]): Sorted['answers'] {
  return [...new Set(warnings.map(({ path }) => path))]
    .flatMap(path => typeof event[path] === 'string' || typeof event[path] === 'number' ? [[path, event[path]]] : [])
}

/** What a lead is called: by `postern_event`, else by the rule for its form's id or name, else `generate_lead`. */
function nameByForm (event: Sorted['event'], formEvents: Readonly<Record<string, string>>): string {
  const rules = [event.form_id, event.form_name].map(form => typeof form === 'string' && Object.hasOwn(formEvents, form)
    ? formEvents[form]
    : undefined)
  return rules.find(name => name !== undefined) ?? 'generate_lead'
}

/**
 * Reads a lead post. A readable body is always a lead: without a name it is a `generate_lead`, without any usable
 * answer it still says that somebody sent the form. `formEvents`: event names by form id or name.
 */
export function readLead (
  body: Body, context: ReadContext, formEvents: Readonly<Record<string, string>> = {}
): LeadDraft | { error: ReadError } {
  if ('json' in body && (typeof body.json !== 'object' || body.json === null || Array.isArray(body.json))) {
    return { error: { code: 'malformed_body', message: 'a lead is a JSON object, or a form' } }
  }
  const sorted = 'form' in body ? sortForm(body.form) : sortJson(Object(body.json) as object)
  const read = readEvent(sorted.event, { ...context, defaultName: nameByForm(sorted.event, formEvents) })
  if ('error' in read) return read
  const { draft, warnings } = read
  sorted.answers.push(...unusedAnswers(sorted.event, warnings))
  const warn: Warn = (path, code) => { if (warnings.length < 50) warnings.push({ path, code }) }
  const person = draft.data.user_data ?? {}
  const fields = readAnswers(sorted.answers, person, warn)
  if (Object.keys(person).length > 0) draft.data.user_data = person
  if (fields !== undefined) draft.data.fields = fields
  if (warnings.length > 0) draft.data.warnings = warnings
  return { draft, warnings, next: sorted.next }
}
