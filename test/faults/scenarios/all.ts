// Every scenario, in the order in which they run.
import type { Scenario } from '../scenario.ts'
import { badClients } from './bad_clients.ts'
import { clocks } from './clocks.ts'
import { frozen } from './frozen.ts'
import { postgresDiskFull, spoolDiskFull } from './full_disks.ts'
import { memory } from './memory.ts'
import { migration } from './migration.ts'
import { outage } from './outage.ts'
import { overload } from './overload.ts'
import { restarts } from './restarts.ts'
import { rolling } from './rolling.ts'
import { scale } from './scale.ts'
import { syncErrors } from './sync_errors.ts'

export const scenarios: readonly Scenario[] = [
  outage, frozen, restarts, spoolDiskFull, postgresDiskFull, syncErrors, clocks, rolling, migration,
  badClients,
  overload, memory, scale
]
