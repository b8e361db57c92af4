// What the senders of the fault suite post: by its id everybody can tell what an event must look like when stored.
import { request, type Agent } from 'node:http'

const granted = {
  ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted'
}
const userAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
  'Chrome/142.0.0.0 Safari/537.36'

/** The number in an event's id (`lead-17`, `beacon-4`, `e-9`), from which all its values come. */
export const numberOf = (id: string) => Number(id.slice(id.lastIndexOf('-') + 1))
export const isLeadId = (id: string) => id.startsWith('lead')

export const emailOf = (number: number) => `person.${number}@example.com`
export const messageOf = (number: number) => `I would like to know more about offer ${number}.`
export const pageOf = (number: number) => `https://www.example.com/page/${number}`

/** Every e-mail and phone that a sender posts: none of them may be written in a log, a job or an answer. */
export const personal = /person\.\d+@example|\+49 ?170 ?\d{7}/

export function leadBody (id: string): object {
  const number = numberOf(id)
  return {
    event_id: id,
    email: emailOf(number),
    phone: `+49 170 ${1_000_000 + number}`,
    first_name: 'Anna',
    last_name: 'Schmidt',
    message: messageOf(number),
    page_location: 'https://www.example.com/offer',
    consent: granted
  }
}

export function eventBody (id: string): object {
  const number = numberOf(id)
  return {
    event_name: 'page_view',
    event_id: id,
    page_location: pageOf(number),
    cookies: { _fbp: `fb.1.${Date.now()}.${100_000_000 + number}`, _ttp: `2${String(number).padStart(26, '0')}` },
    consent: granted
  }
}

export interface Answer { status: number, retryAfter: string | undefined, text: string }

export const leadPath = '/v1/leads'
export const eventPath = '/v1/e'

/** Posts JSON as a browser of the site would. Rejects when no answer came. */
export async function post (agent: Agent, base: string, path: string, body: object): Promise<Answer> {
  const bytes = Buffer.from(JSON.stringify(body))
  return await new Promise((resolve, reject) => {
    const sent = request(new URL(path, base), {
      agent,
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

/** The word under which an answer, or that none came, is counted. */
export const wordOf = (outcome: Answer | Error) =>
  outcome instanceof Error ? ('code' in outcome ? String(outcome.code) : 'no answer') : String(outcome.status)

/** Whether the contract knows this answer to something that is in order: 202, or 503 that says when to come back. */
export const isContract = ({ status, retryAfter }: Answer) =>
  status === 202 || (status === 503 && retryAfter !== undefined)
