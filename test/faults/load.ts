// The senders of a seed: forms and pages that insist until they are acknowledged, as the browser script does.
import { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { eventBody, eventPath, isContract, leadBody, leadPath, post, wordOf } from './bodies.ts'

export interface LoadPlan {
  url: string
  leads: number
  beacons: number
  /** Events per second, leads and beacons together. */
  rate: number
  chance: () => number
  /** Holds the senders back before they go beyond this share of the plan. */
  gate?: (share: number) => Promise<void>
}

/** What was tried and what was acknowledged, by event id; and how the answers were. */
export interface LoadResult {
  attempted: Set<string>
  ackedLeads: Set<string>
  ackedBeacons: Set<string>
  answers: Map<string, number>
  /** Answers that the contract does not know, and 503s without Retry-After. */
  wrong: string[]
}

const beaconsPerPost = 5

/** Sends the whole plan at its rate, in an order that chance decides; resolves when every sender is done. */
export async function sendLoad (plan: LoadPlan): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })
  const result: LoadResult = {
    attempted: new Set(), ackedLeads: new Set(), ackedBeacons: new Set(), answers: new Map(), wrong: []
  }
  const count = (word: string) => { result.answers.set(word, (result.answers.get(word) ?? 0) + 1) }

  async function tryOnce (path: string, body: object): Promise<boolean> {
    try {
      const answer = await post(agent, plan.url, path, body)
      count(wordOf(answer))
      if (!isContract(answer) && result.wrong.length < 20) {
        result.wrong.push(`${path} ${answer.status} ${answer.text.slice(0, 200)}`)
      }
      return answer.status === 202
    } catch (error) {
      if (!(error instanceof Error)) throw error
      count(wordOf(error))
      return false
    }
  }

  async function insist (path: string, body: object, forMs: number, pauseMs: number): Promise<boolean> {
    const endMs = performance.now() + forMs
    while (performance.now() < endMs) {
      if (await tryOnce(path, body)) return true
      await wait(pauseMs * (0.2 + plan.chance()))
    }
    return false
  }

  async function sendLead (id: string): Promise<void> {
    result.attempted.add(id)
    if (await insist(leadPath, leadBody(id), 1_800_000, 800)) result.ackedLeads.add(id)
  }

  /** A page gives up sooner: some beacons are never acknowledged, and may be stored or not. */
  async function sendBeacons (ids: readonly string[]): Promise<void> {
    for (const id of ids) result.attempted.add(id)
    if (!await insist(eventPath, { events: ids.map(eventBody) }, 60_000, 2000)) return
    for (const id of ids) result.ackedBeacons.add(id)
  }

  const sending: Promise<void>[] = []
  let leads = 0
  let beacons = 0
  const startedMs = performance.now()
  let heldMs = 0
  while (leads < plan.leads || beacons < plan.beacons) {
    const beforeMs = performance.now()
    await plan.gate?.((leads + beacons) / (plan.leads + plan.beacons))
    heldMs += performance.now() - beforeMs
    const isLead = plan.chance() * (plan.leads - leads + (plan.beacons - beacons) / beaconsPerPost) < plan.leads - leads
    if (isLead) {
      sending.push(sendLead(`lead-${leads}`))
      leads++
    } else {
      const ids = Array.from({ length: Math.min(beaconsPerPost, plan.beacons - beacons) }, (_, index) =>
        `beacon-${beacons + index}`)
      sending.push(sendBeacons(ids))
      beacons += ids.length
    }
    const aheadMs = (leads + beacons) / plan.rate * 1000 - (performance.now() - startedMs - heldMs)
    if (aheadMs > 2) await wait(aheadMs)
  }
  await Promise.all(sending)
  agent.destroy()
  return result
}
