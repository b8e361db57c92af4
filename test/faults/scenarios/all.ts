// Every scenario, in the order in which they run.
import type { Scenario } from '../scenario.ts'
import { frozen } from './frozen.ts'
import { outage } from './outage.ts'
import { restarts } from './restarts.ts'

export const scenarios: readonly Scenario[] = [outage, frozen, restarts]
