// The agenda: what waits, in entries of deliveries that fall due together. Whoever holds an entry may send and settle
// its deliveries; nobody else may.
import { prepared, type Queryable } from '../config/postgres.ts'
import type { QueueJob } from '../config/queue.ts'
import { joinJobs, queueName, type Entry, type Job, type SendJob } from './schedule.ts'
import { numberList } from './sql_lists.ts'
import type { Target } from './target.ts'

/** Puts jobs into a queue, inside the caller's transaction. config/queue.ts implements it. */
export type Enqueue = (tx: Queryable, queue: string, jobs: QueueJob<Job>[]) => Promise<void>

/** Entries that a worker holds, all of one destination and day. */
export interface Claim {
  target: Target
  day: string
  agendaIds: readonly number[]
  /** Proves that they are still held by whoever took them. */
  fence: number
  /** Deliveries in them that have no settlement yet; with the last of them the entries are gone. */
  open: Set<number>
}

/** Writes entries, and the jobs of those that are near. Their ids, in the order given. */
export async function enterAgenda (
  tx: Queryable, enqueue: Enqueue, entries: readonly Entry[], typeOf: (targetId: number) => string
): Promise<number[]> {
  if (entries.length === 0) return []
  const each = <V>(pick: (entry: Entry) => V) => entries.map(pick)
  const { rows } = await tx.query<{ id: number }>(prepared(tx, enterStatement), [
    each(one => one.targetId), each(one => one.day), numberList(each(one => one.dueAtMs)),
    numberList(each(one => one.wakeAtMs)), each(one => one.isIsolation), each(one => one.lingers),
    numberList(each(one => one.seqs.length)), numberList(entries.flatMap(one => one.seqs))
  ])
  const ids = rows.map(row => row.id)
  await enqueueEntries(tx, enqueue, entries.map((entry, index) => (
    { ...entry, id: ids[index] ?? 0, events: entry.seqs.length })), typeOf)
  return ids
}

const enterStatement = {
  name: 'enter_agenda', text: 'SELECT id FROM enter_agenda($1, $2, $3, $4, $5, $6, $7, $8) AS id'
}

/** What a job says of an entry, and when it may start. */
export type Waking = Pick<Entry, 'targetId' | 'day' | 'isIsolation' | 'job'> & { id: number, events: number }

/** Makes jobs of entries; one for several that start together. */
export async function enqueueEntries (
  tx: Queryable, enqueue: Enqueue, entries: readonly Waking[], typeOf: (targetId: number) => string
): Promise<void> {
  const near = entries.filter(one => one.job !== null)
  for (const [type, ofType] of Map.groupBy(near, one => typeOf(one.targetId))) {
    const together = [...Map.groupBy(ofType, one => one.job?.startAtMs ?? null)]
    await enqueue(tx, queueName(type), together.flatMap(([startAtMs, starting]) =>
      joinJobs(starting.map(jobOf)).map(data => ({ data, startAtMs, group: String(data.target_id) }))))
  }
}

const jobOf = ({ id, targetId, day, events, isIsolation }: Waking): SendJob =>
  ({ kind: 'send', target_id: targetId, day, agenda_ids: [id], events, is_isolation: isIsolation })

/** The parameters by which SQL knows a claim. */
export const entriesOf = ({ agendaIds }: Claim): string => numberList(agendaIds)
