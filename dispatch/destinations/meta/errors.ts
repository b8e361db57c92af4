// Meta's error codes: what each means for the events of the request, and what to tell the operator (meta.md §5).

/** How an answer with an error is to be taken. Titles and messages are localised: only codes count. */
export type ErrorClass = 'throttled' | 'policy_block' | 'credential' | 'configuration' | 'payload' | 'passing'

const throttling = new Set([4, 17, 32, 341, 613])
const credential = new Set([102, 104, 190])
const configuration = new Set([3, 10, 803, 2635])
/** "Object missing or no permission": looks like a bad parameter, is a wrong pixel id or token. */
const missingObject = 33

/** The class of an error. `code` undefined: the answer named none. Unknown codes pass: giving up is the age limit's. */
export function classify (code: number | undefined, subcode: number | undefined, isTransient: boolean): ErrorClass {
  if (code === undefined) return 'passing'
  if (throttling.has(code) || (code >= 80000 && code <= 80014)) return 'throttled'
  if (code === 368) return 'policy_block'
  if (isTransient) return 'passing'
  if (credential.has(code)) return 'credential'
  if (configuration.has(code) || (code >= 200 && code <= 299)) return 'configuration'
  if (code === 100) return subcode === missingObject ? 'configuration' : 'payload'
  return 'passing'
}

const byCode: Record<number, string> = {
  3: 'the app may not call the Conversions API',
  4: 'too many calls',
  10: 'the token lacks a permission',
  17: 'too many calls',
  32: 'too many calls',
  102: 'the access token has expired or was revoked',
  104: 'the access token is missing, or its proof is wrong',
  190: 'the access token is not valid',
  341: 'too many calls',
  368: 'blocked for a time for violating a policy',
  613: 'too many calls',
  803: 'the pixel id does not exist',
  2635: 'the api_version is no longer served'
}

const bySubcode: Record<string, string> = {
  '100/33': 'the pixel id does not exist, or the token may not use it',
  '100/2804001': 'fbc is badly formatted',
  '100/2804003': 'the event is too old',
  '100/2804004': 'the event lies in the future',
  '100/2804009': 'a purchase without value',
  '100/2804016': 'a value that must be hashed is not',
  '100/2804019': 'an unexpected, missing or malformed key',
  '100/2804023': 'a value without currency',
  '100/2804030': 'limited data use lacks its country or state',
  '100/2804036': 'the lead_id is not one of Meta\'s',
  '100/2804043': 'app details (extinfo) are malformed',
  '100/2804050': 'too little is known of the person',
  '190/458': 'the app is not installed any more',
  '190/459': 'the account must pass a checkpoint',
  '190/460': 'the password was changed, so the access token ended',
  '190/463': 'the access token has expired'
}

/** `code/subcode` in words of our own: Meta's are in the language of whoever made the token. */
export function explain (code: number | undefined, subcode: number | undefined): string {
  if (code === undefined) return 'an error without a code'
  const name = subcode === undefined ? String(code) : `${code}/${subcode}`
  const permission = code >= 200 && code <= 299 ? 'a permission is missing' : undefined
  const meaning = bySubcode[name] ?? byCode[code] ?? permission
  return meaning === undefined ? `code ${name}` : `code ${name}: ${meaning}`
}
