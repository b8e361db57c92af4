// What an answer of the Measurement Protocol means, and of its validation server, which tests go to.
import type { Judgement, NetworkResponse } from '../../destination.ts'
import { objectOf } from '../../json.ts'

/**
 * 2xx is GA4's last word and says only that the request arrived: a wrong secret and a malformed event get it as well
 * (google.md §3 "Answer"), hence `accepted`, never `delivered`. The validation server answers with a list of what is
 * wrong; an empty one is all that a test can reach, because nothing sent there is recorded.
 */
export function judge ({ status, headers, body }: NetworkResponse): Judgement {
  if (status >= 200 && status < 300) return judgeMessages(objectOf(body).validationMessages)
  const detail = `HTTP ${status}`
  const afterSeconds = secondsOf(headers['retry-after'])
  if (status === 429) return { all: { kind: 'retry', reason: 'throttled', afterSeconds, detail } }
  if (status < 400 || status >= 500 || status === 408 || status === 425) {
    return { all: { kind: 'retry', reason: 'network_error', afterSeconds, detail } }
  }
  if (status === 413) return { all: { kind: 'rejected', reason: 'too_large', detail } }
  if ([401, 402, 403, 404, 405, 407, 410].includes(status)) return { all: { kind: 'pause', detail } }
  return { all: { kind: 'rejected', reason: 'network_refused', detail } }
}

function judgeMessages (messages: unknown): Judgement {
  const accepted = { kind: 'accepted', isLastWord: true } as const
  if (!Array.isArray(messages)) return { all: accepted }
  if (messages.length === 0) return { all: { ...accepted, detail: 'found valid; a test is not recorded' } }
  const said = messages.map(messageOf).join(' · ')
  return { all: { kind: 'rejected', reason: 'invalid_event', detail: said }, said }
}

function messageOf (message: unknown): string {
  const { fieldPath, description, validationCode } = objectOf(message)
  const words = [validationCode, fieldPath, description].filter(word => typeof word === 'string' && word !== '')
  return words.length === 0 ? 'a message without words' : words.join(': ')
}

function secondsOf (header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header.trim()) ? Number(header) : undefined
}
