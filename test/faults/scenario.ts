// A fault that is made on purpose, with what must hold meanwhile and afterwards. One value per file of scenarios/.

export interface Outcome {
  /** What was measured, for the report. */
  figures: Record<string, unknown>
  /** What did not hold. */
  problems: string[]
}

export interface Scenario {
  name: string
  /** Which `npm run …` it belongs to. */
  suite: 'faults' | 'hostile' | 'load'
  /** Rows of the fault matrix (README.md beside this file). */
  rows: string
  /** What is done, in a few words. */
  about: string
  /** Why it cannot run on this machine; null when it can. */
  findObstacle?: () => string | null
  /** Posts a second; `--rate` sets another. */
  rate: number
  run: (say: (line: string) => void, rate: number) => Promise<Outcome>
}

/** `what` as a problem unless it holds. */
export function expect (holds: boolean, what: string): string[] {
  return holds ? [] : [what]
}
