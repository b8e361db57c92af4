// The senders of a fault run: leads that insist until they are acknowledged, and beacons that are sent once.
import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'

export interface LoadPlan {
  port: number
  leads: number
  beacons: number
  /** Events per second, leads and beacons together. */
  rate: number
  chance: () => number
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

const granted = {
  ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted'
}
const beaconsPerPost = 5
const userAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
  'Chrome/142.0.0.0 Safari/537.36'

function leadBody (id: string, number: number): object {
  return {
    event_id: id,
    email: `person.${number}@example.com`,
    phone: `+49 170 ${1_000_000 + number}`,
    first_name: 'Anna',
    last_name: 'Schmidt',
    message: `I would like to know more about offer ${number}.`,
    page_location: 'https://www.example.com/offer',
    consent: granted
  }
}

function beaconBody (ids: readonly string[], number: number): object {
  const now = Date.now()
  return {
    events: ids.map(id => ({
      event_name: 'page_view',
      event_id: id,
      page_location: `https://www.example.com/page/${number}`,
      cookies: { _fbp: `fb.1.${now}.${100_000_000 + number}` },
      consent: granted
    }))
  }
}

interface Answer { status: number, retryAfter: string | undefined, text: string }

/** Rejects when no answer came. */
async function post (agent: Agent, port: number, path: string, body: object): Promise<Answer> {
  const bytes = Buffer.from(JSON.stringify(body))
  return await new Promise((resolve, reject) => {
    const sent = request({
      agent,
      port,
      path,
      host: '127.0.0.1',
      method: 'POST',
      timeout: 15_000,
      headers: {
        host: 't.example.com',
        origin: 'https://www.example.com',
        'user-agent': userAgent,
        'content-type': 'application/json',
        'content-length': bytes.length
      }
    }, answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => { text += chunk })
      answer.on('end', () => {
        resolve({ status: answer.statusCode ?? 0, retryAfter: answer.headers['retry-after'], text })
      })
      answer.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer within 15 s')))
    sent.on('error', reject)
    sent.end(bytes)
  })
}

/** Sends the whole plan at its rate, in an order that chance decides; resolves when every sender is done. */
export async function sendLoad (plan: LoadPlan): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })
  const result: LoadResult = {
    attempted: new Set(), ackedLeads: new Set(), ackedBeacons: new Set(), answers: new Map(), wrong: []
  }
  const count = (word: string) => { result.answers.set(word, (result.answers.get(word) ?? 0) + 1) }

  async function tryOnce (path: string, body: object): Promise<boolean> {
    try {
      const { status, retryAfter, text } = await post(agent, plan.port, path, body)
      count(String(status))
      if (status === 202) return true
      const isKnown = status === 503 && retryAfter !== undefined
      if (!isKnown && result.wrong.length < 20) result.wrong.push(`${path} ${status} ${text.slice(0, 200)}`)
      return false
    } catch (error) {
      count(error instanceof Error && 'code' in error ? String(error.code) : 'no answer')
      return false
    }
  }

  async function sendLead (id: string, number: number): Promise<void> {
    result.attempted.add(id)
    const endMs = performance.now() + 120_000
    while (performance.now() < endMs) {
      if (await tryOnce('/v1/leads', leadBody(id, number))) {
        result.ackedLeads.add(id)
        return
      }
      await wait(100 + plan.chance() * 400)
    }
  }

  async function sendBeacons (ids: readonly string[], number: number): Promise<void> {
    for (const id of ids) result.attempted.add(id)
    if (await tryOnce('/v1/e', beaconBody(ids, number))) for (const id of ids) result.ackedBeacons.add(id)
  }

  const sending: Promise<void>[] = []
  let leads = 0
  let beacons = 0
  const startedMs = performance.now()
  while (leads < plan.leads || beacons < plan.beacons) {
    const isLead = plan.chance() * (plan.leads - leads + (plan.beacons - beacons) / beaconsPerPost) < plan.leads - leads
    if (isLead) {
      sending.push(sendLead(`lead-${leads}`, leads))
      leads++
    } else {
      const ids = Array.from({ length: Math.min(beaconsPerPost, plan.beacons - beacons) }, (_, index) =>
        `beacon-${beacons + index}`)
      sending.push(sendBeacons(ids, beacons))
      beacons += ids.length
    }
    const aheadMs = (leads + beacons) / plan.rate * 1000 - (performance.now() - startedMs)
    if (aheadMs > 2) await wait(aheadMs)
  }
  await Promise.all(sending)
  agent.destroy()
  return result
}
