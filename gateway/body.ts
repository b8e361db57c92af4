// The bytes of a request → what was posted: a JSON value, or a form's entries. Bounded before anything is parsed.
import { remember } from '../config/bounded.ts'

/** A form's entries in their order. Of a file only its name, type and size are kept. */
export type FormEntry = [name: string, value: string | { name: string, type: string, size: number }]

export type Body = { json: unknown } | { form: FormEntry[] }
export type BodyError = { code: 'malformed_body' | 'unsupported_media_type', message: string }
export type BodyResult = { body: Body } | { error: BodyError }

const deepestJson = 32
const jsonTypes = /^application\/([\w.-]+\+)?json$/
const mostEntries = 1000

const unreadable = (message: string): { error: BodyError } => ({ error: { code: 'malformed_body', message } })
const refuseType = (message: string): { error: BodyError } => ({ error: { code: 'unsupported_media_type', message } })

/**
 * Whether JSON is nested deeper than we read. Counted on the bytes, because JSON.parse() of a megabyte of brackets
 * holds up every other request (reliability-and-security.md T10).
 */
function isTooDeep (bytes: Buffer): boolean {
  if (!hasManyBrackets(bytes)) return false
  let depth = 0
  let isInString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (isInString) {
      if (byte === 0x5C) at++
      else if (byte === 0x22) isInString = false
    } else if (byte === 0x22) {
      isInString = true
    } else if (byte === 0x7B || byte === 0x5B) {
      if (++depth > deepestJson) return true
    } else if (byte === 0x7D || byte === 0x5D) {
      depth--
    }
  }
  return false
}

/** Whether there are enough brackets for such a depth: the usual event has a dozen, and is not looked at closely. */
function hasManyBrackets (bytes: Buffer): boolean {
  let left = deepestJson
  for (const bracket of [0x7B, 0x5B]) {
    for (let at = bytes.indexOf(bracket); at >= 0; at = bytes.indexOf(bracket, at + 1)) if (left-- === 0) return true
  }
  return false
}

const byteOrderMark = '\uFEFF'

function decode (bytes: Buffer, charset: string | undefined): string | undefined {
  if (charset === undefined || charset.toLowerCase() === 'utf-8') {
    const text = bytes.toString('utf8')
    return text.startsWith(byteOrderMark) ? text.slice(1) : text
  }
  try {
    // Bytes that are no text of this charset become U+FFFD.
    return new TextDecoder(charset).decode(bytes)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function readJson (bytes: Buffer, charset: string | undefined): { body: { json: unknown } } | { error: BodyError } {
  if (isTooDeep(bytes)) return unreadable(`JSON is nested deeper than ${deepestJson} levels`)
  const text = decode(bytes, charset)
  if (text === undefined) return unreadable('unknown charset')
  try {
    return { body: { json: JSON.parse(text) as unknown } }
  } catch (error) {
    // Never quoted: the message of a SyntaxError repeats what was posted.
    if (error instanceof SyntaxError) return unreadable('the body is not JSON')
    throw error
  }
}

/** Clients that forget the header post JSON under this type (curl -d does): what reads as an object is one. */
function readUrlencoded (bytes: Buffer, charset: string | undefined): BodyResult {
  const json = bytes[0] === 0x7B ? readJson(bytes, charset) : undefined
  if (json !== undefined && 'body' in json) return json
  const text = decode(bytes, charset)
  if (text === undefined) return unreadable('unknown charset')
  return { body: { form: [...new URLSearchParams(text)].slice(0, mostEntries) } }
}

/** A form with enctype text/plain: one `name=value` a line. */
function readPlainForm (text: string): FormEntry[] {
  return text.split(/\r?\n/).slice(0, mostEntries).flatMap(line => {
    const at = line.indexOf('=')
    return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as FormEntry] : []
  })
}

/** The platform's own multipart parser; the body is in memory already and small. File contents are dropped with it. */
async function readMultipart (bytes: Buffer, contentType: string): Promise<BodyResult> {
  try {
    const parsed = await new Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } }).formData()
    const form: FormEntry[] = []
    for (const [name, value] of parsed) {
      if (form.length === mostEntries) break
      if (typeof value === 'string') form.push([name, value])
      // A file input without a file is sent as an empty file without a name.
      else if (value.name !== '' || value.size > 0) {
        form.push([name, {
          name: value.name,
          type: value.type,
          size: value.size
        }])
      }
    }
    return { body: { form } }
  } catch (error) {
    if (error instanceof TypeError) return unreadable('the body is not multipart/form-data')
    throw error
  }
}

const readContentType = remember(200, (contentType): { kind: string, charset: string | undefined } => {
  const [type = '', ...parameters] = contentType.split(';').map(part => part.trim())
  const charset = parameters.map(part => /^charset="?([\w-]{1,40})"?$/i.exec(part)?.[1]).find(found => found)
  return { kind: type.toLowerCase(), charset }
})

const isJsonKind = (kind: string): boolean => kind === '' || kind === 'text/plain' || jsonTypes.test(kind)

/**
 * Reads the body of events by its content type: JSON, in text/plain too (a simple request needs no preflight). No
 * content type counts as text/plain.
 */
export function readJsonBody (bytes: Buffer, contentType = ''): { body: { json: unknown } } | { error: BodyError } {
  if (bytes.length === 0) return unreadable('the body is empty')
  const { kind, charset } = readContentType(contentType.slice(0, 300))
  return isJsonKind(kind)
    ? readJson(bytes, charset)
    : refuseType('events are posted as text/plain or application/json')
}

/** Reads the body of a lead: JSON, as for events, or a form. */
export async function readJsonOrForm (bytes: Buffer, contentType = ''): Promise<BodyResult> {
  if (bytes.length === 0) return unreadable('the body is empty')
  const { kind, charset } = readContentType(contentType.slice(0, 300))
  if (isJsonKind(kind)) {
    const json = readJson(bytes, charset)
    if (kind !== 'text/plain' || 'body' in json) return json
    const form = readPlainForm(decode(bytes, charset) ?? '')
    return form.length > 0 ? { body: { form } } : json
  }
  if (kind === 'application/x-www-form-urlencoded') return readUrlencoded(bytes, charset)
  if (kind === 'multipart/form-data') return await readMultipart(bytes, contentType)
  return refuseType('leads are posted as JSON, application/x-www-form-urlencoded or multipart/form-data')
}

const mostEvents = 100

export type Events = { bodies: unknown[], sentAt?: unknown, isBatch: boolean }

/** The events of a collect body: one event, or `{"sent_at"?, "events": [1…100]}`. */
export function splitEvents (json: unknown): Events | {
  error: {
    code: 'invalid_event',
    message: string,
    path?: string
  }
} {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    return { error: { code: 'invalid_event', message: 'the body must be one event, or {"events": […]}' } }
  }
  if (!Object.hasOwn(json, 'events')) return { bodies: [json], isBatch: false }
  const events: unknown = Reflect.get(json, 'events')
  if (!Array.isArray(events) || events.length === 0 || events.length > mostEvents) {
    return { error: { code: 'invalid_event', message: `events must be a list of 1 to ${mostEvents}`, path: 'events' } }
  }
  return { bodies: events as unknown[], sentAt: Reflect.get(json, 'sent_at'), isBatch: true }
}
