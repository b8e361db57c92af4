// What a rule of the fake GA4 is: what the real one counts silently or not at all, and what its validator says of it.
import type { Json, Path } from './json.ts'

/** The codes of the validation server (google.md §3 "Debug"; validating-events, "ValidationCode"). */
export type ValidationCode = 'VALUE_INVALID' | 'VALUE_REQUIRED' | 'NAME_INVALID' | 'NAME_RESERVED' |
  'VALUE_OUT_OF_BOUNDS' | 'EXCEEDED_MAX_ENTITIES'

export interface Ga4Context {
  nowMs: number
  /** The size of the request's body. */
  bytes: number
  /** It came to the validation server. */
  isDebug: boolean
}

/** One thing that GA4 (or Postern's own strictness, `from: 'ours: …'`) demands of a request or of an event in it. */
export interface Ga4Rule {
  /** Stable; the reason in a receipt. */
  name: string
  /** The section of reference/google.md that says so. */
  from: string
  /** What the validation server calls it; absent where it does not look. */
  code?: ValidationCode
  /** `enforced`: the validation server says it only when asked for ENFORCE_RECOMMENDATIONS. */
  when?: 'enforced'
  /** GA4 counts the event all the same. */
  isAdvice?: true
  /** Where in the request, or in the event, the rule is broken; undefined when it holds. */
  broken (given: Json, context: Ga4Context): Path | undefined
}

export const at = (key: string, isBroken: boolean): Path | undefined => isBroken ? [key] : undefined

/** The first entry of an object for which `isWrong` holds, below `path`. */
export function firstEntry (
  value: Json, isWrong: (name: string, value: unknown) => boolean, path: Path
): Path | undefined {
  const name = Object.keys(value).find(key => isWrong(key, value[key]))
  return name === undefined ? undefined : [...path, name]
}
