// Tells the journey of an event to a person, in the order in which it happened.
import type { Arrival, Journey, JourneyAttempt, JourneyDestination } from '../dispatch/journey.ts'
import { consentKeys, type ConsentKey, type EffectiveConsent } from '../schema/consent.ts'
import { heldReasons, rejectedReasons, skippedReasons, waitingReasons } from '../schema/outcome.ts'

const because: Record<EffectiveConsent['because'], string> = {
  said: 'as the visitor said',
  site_rule: 'nobody said anything: the site\'s rule decides',
  gpc: 'the browser sends Global Privacy Control',
  revoked: 'revoked after the event'
}

/** The words for a reason of any state. */
export const reasons: Record<string, string> = {
  ...waitingReasons, ...heldReasons, ...skippedReasons, ...rejectedReasons
}

/** The journey as lines of text without personal data. `now` is the time that "in 20 s" counts from. */
export function explainText (journey: Journey, nowMs: number): string {
  const lines = [
    `${journey.event_name}  ${journey.event_id}`,
    `  site ${journey.site}, happened ${journey.occurred_at}${leadOf(journey)}`,
    '',
    `Arrivals (${journey.arrivals.length})`,
    ...journey.arrivals.flatMap((arrival, index) => arrivalLines(arrival, index)),
    '',
    'Consent',
    ...consentLines(journey),
    '',
    'Destinations',
    ...destinationLines(journey, nowMs)
  ]
  return lines.join('\n') + '\n'
}

const leadOf = ({ lead_id: leadId }: Journey) => leadId === null ? '' : `, lead ${leadId}`

function arrivalLines (arrival: Arrival, index: number): string[] {
  const { trust, lead_id: leadId, is_erased: isErased } = arrival
  const kind = leadId === null ? 'event' : 'lead'
  const place = index === 0 ? '' : ', a later part'
  const lines = [`  ${index + 1}. ${arrival.received_at}  ${kind}, trust ${trust}${place}`]
  if (isErased) return [...lines, '     its personal data was erased']
  if (arrival.page !== null) lines.push(`     page ${arrival.page}`)
  if (arrival.person.length > 0) lines.push(`     person: ${arrival.person.join(' · ')}`)
  if (arrival.click_ids.length > 0) lines.push(`     click ids: ${arrival.click_ids.join(', ')}`)
  const tags = Object.entries(arrival.browser_tags ?? {}).map(([type, state]) => `${type} ${state}`)
  if (tags.length > 0) lines.push(`     the page's own tags: ${tags.join(', ')}`)
  if (arrival.bot.length > 0) lines.push(`     looks like a bot: ${arrival.bot.join(', ')}`)
  for (const { path, code } of arrival.warnings) lines.push(`     warning: ${path} ${code}`)
  return lines
}

function consentLines ({ consent, arrivals }: Journey): string[] {
  const said = consentKeys.filter(key => arrivals.some(arrival => arrival.said_consent?.[key] !== undefined))
  const isRevoked = (key: ConsentKey) => key === 'analytics_storage' && consent.analytics_because === 'revoked'
  const noteOf = (key: ConsentKey) =>
    isRevoked(key) ? `  (${because.revoked})` : said.includes(key) ? '' : '  (never answered)'
  return [
    ...consentKeys.map(key => `  ${key.padEnd(18)} ${consent[key]}${noteOf(key)}`),
    `  ${because[consent.because]}${consent.limited ? '; limited by Global Privacy Control' : ''}`
  ]
}

function destinationLines (journey: Journey, nowMs: number): string[] {
  if (journey.destinations.length === 0) return ['  the site has none']
  return journey.destinations.flatMap(destination => [
    `  ${destination.name} (${destination.type}${modeOf(destination)})`,
    ...stateLines(destination, nowMs),
    ...destination.attempts.flatMap(attempt => attemptLines(attempt, journey.arrivals))
  ])
}

const modeOf = ({ mode }: JourneyDestination) => mode === null ? ', no longer in the settings' : `, ${mode}`

function stateLines (destination: JourneyDestination, nowMs: number): string[] {
  if (destination.not_meant !== null) return [`    not meant for it: ${destination.not_meant}`]
  const { state, reason, detail, at } = destination
  const word = reason === null ? state : `${state}(${reason})`
  const why = reason === null ? '' : `: ${reasons[reason] ?? ''}`
  const lines = [`    ${word}${why}`]
  if (detail !== null) lines.push(`    detail: ${detail}`)
  const next = nextOf(destination, nowMs)
  lines.push(next ?? `    since ${at}`)
  return lines
}

/** What happens next, and when; null when this was the last word. */
function nextOf (destination: JourneyDestination, nowMs: number): string | null {
  const { state, at, verify_at: verifyAt, paused_since: pausedSince, attempts } = destination
  if (state === 'waiting' && pausedSince !== null) {
    const why = `since ${pausedSince}: ${destination.paused_because ?? ''}`
    return `    next: nothing, while the destination is paused (${why}); mend its settings and restart the worker`
  }
  if (state === 'waiting' && at !== null) {
    const running = attempts.find(attempt => attempt.ended_at === null)
    if (running !== undefined) return '    next: its request is under way, or its answer got lost and it is sent again'
    return `    next: ${attempts.length === 0 ? 'sent' : 'sent again'} at ${at}${inWords(at, nowMs)}`
  }
  if (state === 'held') return '    next: nothing, until a person releases it'
  if (state === 'accepted' && verifyAt !== null) {
    return `    next: the network is asked for its verdict at ${verifyAt}${inWords(verifyAt, nowMs)}`
  }
  return null
}

function inWords (at: string, nowMs: number): string {
  const seconds = Math.round((Date.parse(at) - nowMs) / 1000)
  if (seconds <= 0) return ' (now)'
  return seconds < 120 ? ` (in ${seconds} s)` : ` (in ${Math.round(seconds / 60)} min)`
}

function attemptLines (attempt: JourneyAttempt, arrivals: readonly Arrival[]): string[] {
  const status = attempt.http_status === null ? 'no answer' : `HTTP ${attempt.http_status}`
  const company = attempt.events_in_request > 1 ? `, ${attempt.events_in_request} events in the request` : ''
  const again = attempt.resend_of === null ? '' : `, repeats attempt ${attempt.resend_of}, whose answer got lost`
  const end = attempt.ended_at === null ? 'not ended' : `${attempt.result}, ${status}, ${attempt.duration_ms ?? 0} ms`
  const lines = [`    attempt ${attempt.id}  ${attempt.started_at}  ${end}${company}${again}`]
  if (attempt.trace !== null) lines.push(`      the network calls it ${attempt.trace}`)
  if (attempt.said !== null) lines.push(`      the network said: ${attempt.said}`)
  const late = arrivals.filter(arrival => !attempt.parts_sent.includes(arrival.seq))
  for (const arrival of late) lines.push(`      without the arrival of ${arrival.received_at}: it came too late`)
  return lines
}
