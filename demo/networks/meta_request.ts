// What the fake Meta checks of a request before it looks at the events: version, token, account, body.
import { createHmac } from 'node:crypto'
import { isObject, type Json } from './json.ts'
import { generalSubcode } from './meta_rule.ts'
import type { FakeRequest } from './network.ts'

export interface FakeMetaOptions {
  /** Pixel id → access token. Without it every numeric pixel id and every plausible token is known. */
  pixels?: Record<string, string>
  /** With it, every request needs `appsecret_proof`. */
  appSecret?: string
}

/** Why Meta refuses a request: what becomes of it is in the codes alone, the words are localised (meta.md §5). */
export interface Refusal {
  status: number
  code: number
  subcode?: number
  /** Stable name of the rule, for the receipt. */
  name: string
  /** The event and the place in it, when one event is the cause. */
  index?: number
  path?: (string | number)[]
}

/** When each version ends (meta.md §1.1 "newest version"): later requests are upgraded silently, with a header. */
const versionEnds = new Map<number, string>([
  [21, '2027-01-21'], [22, '2027-05-20'], [23, '2027-10-08'], [24, '2028-02-18'], [25, '2028-07-29'], [26, '2030-01-01']
])

/** The keys beside `data` (meta.md §1.2). */
const bodyKeys = ['data', 'test_event_code', 'partner_agent', 'namespace_id', 'upload_id', 'upload_tag',
  'upload_source', 'platforms', 'progress', 'access_token', 'appsecret_proof']

/** meta.md §1.1: an unknown version is 2635; one that has ended is served with a warning header. */
export function checkVersion ({ params }: FakeRequest): Refusal | undefined {
  const [, number] = /^v(\d+)\.0$/.exec(params.version ?? '') ?? []
  return versionEnds.has(Number(number)) ? undefined : { status: 400, code: 2635, name: 'version' }
}

export function versionWarning ({ params, nowMs }: FakeRequest): Record<string, string> {
  const ends = versionEnds.get(Number(params.version?.slice(1, -2)))
  return ends !== undefined && nowMs >= Date.parse(ends)
    ? { 'x-ad-api-version-warning': `The call has been auto-upgraded as ${params.version} has been deprecated.` }
    : {}
}

/**
 * meta.md §1.1 "auth": the token comes as a Bearer header, in the query or in the body; §5: 104 without one or with a
 * bad proof, 190 for a wrong one (401 for a header, else 400), 100/33 for an account that the token does not reach.
 */
export function checkAccess (request: FakeRequest, fields: Json, options: FakeMetaOptions): Refusal | undefined {
  const [, bearer] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  const token = bearer ?? request.query.get('access_token') ?? fields.access_token
  if (token === undefined) return { status: 400, code: 104, name: 'no_token' }
  const { pixels } = options
  const pixel = request.params.pixel ?? ''
  const isKnown = pixels === undefined
    // A mask, a placeholder or an unresolved variable is no token.
    ? typeof token === 'string' && /^[\w.|-]+$/.test(token)
    : Object.values(pixels).includes(String(token))
  if (!isKnown) return { status: bearer === undefined ? 400 : 401, code: 190, name: 'token' }
  const isReached = pixels === undefined ? /^\d{1,20}$/.test(pixel) : pixels[pixel] === token
  if (!isReached) return { status: 400, code: 100, subcode: 33, name: 'unknown_object' }
  const proof = request.query.get('appsecret_proof') ?? fields.appsecret_proof
  if (options.appSecret === undefined) return undefined
  const expected = createHmac('sha256', options.appSecret).update(String(token)).digest('hex')
  return proof === expected ? undefined : { status: 400, code: 104, name: 'appsecret_proof' }
}

/** meta.md §1.2: at most 1,000 events, known keys, a plausible test code and partner. */
export function checkBody (fields: Json | undefined): Refusal | undefined {
  const refuse = (name: string, path?: string[]): Refusal =>
    ({ status: 400, code: 100, ...(path === undefined ? {} : { subcode: generalSubcode }), name, path })
  if (fields === undefined) return refuse('unreadable_body')
  const { data, test_event_code: testCode, partner_agent: partner } = fields
  // Ours: Graph may overlook unknown keys here, but whatever stands here by mistake was meant for an event.
  const unknown = Object.keys(fields).find(key => !bodyKeys.includes(key))
  if (unknown !== undefined) return refuse('unexpected_body_key', [unknown])
  if (!Array.isArray(data) || data.length === 0) return refuse('data_missing', ['data'])
  if (data.length > 1000) return refuse('too_many_events')
  if (testCode !== undefined && !(typeof testCode === 'string' && /^[\w-]{1,64}$/.test(testCode))) {
    return refuse('test_event_code', ['test_event_code'])
  }
  const isPartner = partner === undefined ||
    (typeof partner === 'string' && partner.length < 23 && (partner.match(/[a-z]/gi) ?? []).length >= 2)
  return isPartner ? undefined : refuse('partner_agent', ['partner_agent'])
}

/**
 * The fields of a body in any of the three forms of meta.md §1.1 "content type"; a form's `data` is JSON, or several
 * fields of JSON. Undefined when it cannot be read.
 */
export async function readFields ({ headers, body }: FakeRequest): Promise<Json | undefined> {
  const contentType = headers['content-type'] ?? ''
  try {
    if (/^application\/json\b/i.test(contentType)) {
      const parsed: unknown = JSON.parse(body.toString('utf8'))
      return isObject(parsed) ? parsed : undefined
    }
    if (!/^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i.test(contentType)) return undefined
    const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData()
    const fields: Json = Object.fromEntries([...form.entries()])
    const data = form.getAll('data').map(text => JSON.parse(String(text)) as unknown)
    return data.length === 0 ? fields : { ...fields, data: data.flat() }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}
