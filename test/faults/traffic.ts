// Visitors of a scenario: an open loop of single posts, each sent once and at its own moment.
import { Agent } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { eventBody, eventPath, isContract, leadBody, leadPath, post, wordOf } from './bodies.ts'
import type { LoadResult } from './load.ts'

export interface TrafficPlan {
  /** Taken in turns. */
  urls: readonly string[]
  /** Posts per second. */
  rate: number
  /** One post in so many is a lead. */
  leadEvery?: number
  /** In front of each id, so that several loads share a world. */
  prefix?: string
  sockets?: number
}

export interface TrafficResult extends LoadResult {
  /** Milliseconds until each answer, and the second since the start in which it was sent. */
  latencies: { second: number, ms: number, status: number }[]
  /** Posts that got neither 202 nor a 503 that says when to come back. */
  failed: number
}

export interface Traffic {
  result: TrafficResult
  /** Sends no more; resolves when everybody has an answer. */
  stop: () => Promise<TrafficResult>
}

/** Starts sending. A sender that falls behind catches up: none of the posts is left out. */
export function startTraffic (plan: TrafficPlan): Traffic {
  const { urls, rate, leadEvery = 6, prefix = '', sockets = 400 } = plan
  const agent = new Agent({ keepAlive: true, maxSockets: sockets })
  const result: TrafficResult = {
    attempted: new Set(),
    ackedLeads: new Set(),
    ackedBeacons: new Set(),
    answers: new Map(),
    wrong: [],
    latencies: [],
    failed: 0
  }
  const startedMs = performance.now()
  const sending = new Set<Promise<void>>()
  const over = new AbortController()

  async function sendOne (number: number): Promise<void> {
    const isLead = number % leadEvery === 0
    const id = [isLead ? 'lead' : 'e', ...(prefix === '' ? [] : [prefix]), number].join('-')
    const sentMs = performance.now()
    result.attempted.add(id)
    let word: string
    try {
      const answer = await post(agent, urls[number % urls.length] ?? '', isLead ? leadPath : eventPath,
        isLead ? leadBody(id) : eventBody(id))
      word = wordOf(answer)
      if (answer.status === 202) (isLead ? result.ackedLeads : result.ackedBeacons).add(id)
      if (!isContract(answer)) {
        result.failed++
        if (result.wrong.length < 20) result.wrong.push(`${answer.status} ${answer.text.slice(0, 200)}`)
      }
      const second = Math.floor((sentMs - startedMs) / 1000)
      result.latencies.push({ second, ms: performance.now() - sentMs, status: answer.status })
    } catch (error) {
      if (!(error instanceof Error)) throw error
      word = wordOf(error)
      result.failed++
    }
    result.answers.set(word, (result.answers.get(word) ?? 0) + 1)
  }

  async function run (): Promise<void> {
    for (let number = 0; !over.signal.aborted; number++) {
      const one = sendOne(number).finally(() => { sending.delete(one) })
      sending.add(one)
      const aheadMs = (number + 1) / rate * 1000 - (performance.now() - startedMs)
      if (aheadMs > 2) await wait(aheadMs)
      // Whoever is behind still lets the answers in.
      else if (number % 50 === 0) await new Promise(resolve => { setImmediate(resolve) })
    }
  }
  const running = run()

  return {
    result,
    async stop () {
      over.abort()
      await running
      await Promise.all(sending)
      agent.destroy()
      return result
    }
  }
}

/** Quantiles of the latencies in milliseconds, one decimal. */
export function quantiles (latencies: readonly { ms: number }[]): { p50: number, p99: number, max: number } {
  const sorted = latencies.map(({ ms }) => ms).sort((one, other) => one - other)
  const at = (share: number) => Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 10) / 10
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}
