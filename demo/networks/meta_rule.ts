// What a rule of the fake Meta is.
import { isNumber, type Json, type Path } from './json.ts'

export interface RuleContext {
  nowMs: number
}

/** One thing that Meta (or Postern's own strictness, `from: 'ours: …'`) demands of an event. */
export interface Rule {
  /** Stable; part of the reason in a receipt. */
  name: string
  /** The section of reference/meta.md that says so. */
  from: string
  /** Of code 100. 2804019 is the general one, whose message names the place. */
  subcode?: number
  /** Where in the event the rule is broken; undefined when it holds. */
  broken (event: Json, context: RuleContext): Path | undefined
}

export const generalSubcode = 2804019

/** A number, or one written as a string, which Meta's pages show as well (meta.md §1.5). */
export function isAmount (value: unknown): boolean {
  return isNumber(value) || (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value))
}
