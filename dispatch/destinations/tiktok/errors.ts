// TikTok's codes: what each means for the events of the request, and what to tell the operator (other-networks.md
// §1.10). The HTTP status says nothing: errors come with 200.

/**
 * `done` and `partly`: taken. `payload`: an event is at fault. `batch_size`: too many at once. `settings`: nothing goes
 * until the operator mends something. `throttled`, `passing`: again, later.
 */
export type CodeClass = 'done' | 'partly' | 'payload' | 'batch_size' | 'settings' | 'throttled' | 'passing'

const codes: Record<number, [CodeClass, string]> = {
  0: ['done', 'taken'],
  20001: ['partly', 'taken in part'],
  40000: ['payload', 'an invalid parameter'],
  40001: ['settings', 'the token may not report events of this source'],
  40002: ['payload', 'an invalid parameter'],
  40003: ['settings', 'access is forbidden'],
  40006: ['settings', 'this version of the interface is no longer served'],
  40007: ['settings', 'the pixel or event set does not exist'],
  40050: ['done', 'a request that TikTok has taken before'],
  40051: ['settings', 'a field of the interface is no longer served'],
  40061: ['batch_size', 'too many events in one request'],
  40062: ['payload', 'a value that must be hashed is not'],
  40063: ['settings', 'the partner name is not accepted'],
  40100: ['throttled', 'too many requests'],
  40102: ['settings', 'the access token has expired'],
  40104: ['settings', 'the access token is missing'],
  40105: ['settings', 'the access token is not valid'],
  40118: ['settings', 'the account is not allowed to use the interface'],
  40130: ['settings', 'the token lacks the scope Measurement'],
  40132: ['throttled', 'too many requests'],
  40201: ['passing', 'TikTok is not ready yet'],
  40202: ['passing', 'a write was in conflict with another'],
  41001: ['passing', 'the interface is offline for a time'],
  41002: ['settings', 'the interface is no longer served'],
  50000: ['passing', 'an error inside TikTok'],
  50002: ['passing', 'an error inside TikTok'],
  60001: ['passing', 'TikTok is under maintenance'],
  61000: ['throttled', 'too many requests']
}

const throughout: readonly [from: number, to: number, meaning: [CodeClass, string]][] = [
  [40100, 40199, ['settings', 'the access token is refused']],
  [51000, 53999, ['passing', 'an error inside TikTok']]
]

function meaningOf (code: number): [CodeClass, string] | undefined {
  return codes[code] ?? throughout.find(([from, to]) => code >= from && code <= to)?.[2]
}

/** The class of a code. An unknown one passes: giving up is the age limit's. */
export function classify (code: number): CodeClass {
  return meaningOf(code)?.[0] ?? 'passing'
}

/** The code in words of our own. */
export function explain (code: number): string {
  const meaning = meaningOf(code)?.[1]
  return meaning === undefined ? `code ${code}` : `code ${code}: ${meaning}`
}
