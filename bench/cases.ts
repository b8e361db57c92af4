// What every case is given, and the sizes of its runs.
import type { World } from './world.ts'

export interface CaseOptions {
  world: World
  rounds: number
  /** Requests of one closed-loop run, and events of one dispatch run. */
  requests: number
  /** Length of one open-loop run. */
  seconds: number
  /** For the product's own processes: a CPU profile, for instance. */
  nodeOptions: readonly string[]
}
