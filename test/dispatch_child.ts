// A worker process of its own, for the test that kills it: node dispatch_child.ts <database url> <network origin>
import { openPool } from '../config/postgres.ts'
import { startDispatcher } from '../dispatch/dispatcher.ts'
import { openDeps } from './dispatch_world.ts'
import { fictionalTarget } from './fictional.ts'

const [url = '', origin = ''] = process.argv.slice(2)
const pool = openPool({ url, name: 'child', onError: () => process.exit(1) })
const target = fictionalTarget({ id: 1, name: 'fictional_1', endpoint: origin })
const { deps, queue } = await openDeps(url, pool, [target], { leaseMs: 1200, jobWithinMs: 1200 })
await startDispatcher(deps, queue.work)
