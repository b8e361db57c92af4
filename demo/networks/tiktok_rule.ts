// What a rule of the fake TikTok is; rules are written with the small tests of JSON values in json.ts.
import type { Json, Path } from './json.ts'

export const tiktokSources = ['web', 'app', 'offline', 'crm'] as const
export type TiktokSource = typeof tiktokSources[number]

export interface TiktokContext {
  nowMs: number
  source: TiktokSource
}

/** One thing that TikTok (or Postern's own strictness, `from: 'ours: …'`) demands of an event. */
export interface TiktokRule {
  /** Stable; part of the reason in a receipt. */
  name: string
  /** The section of reference/other-networks.md that says so. */
  from: string
  /** The code of the answer (§1.10). */
  code: number
  /** The message names no place: the sender has to search. */
  isSilent?: boolean
  /** Where in the event the rule is broken; undefined when it holds. */
  broken (event: Json, context: TiktokContext): Path | undefined
}

/** A path where something is broken. */
export const at = (isBroken: boolean, ...path: Path): Path | undefined => isBroken ? path : undefined
