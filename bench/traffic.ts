// What the benchmark sends: requests as a browser's script makes them, behind a proxy, each with ids of its own.
import { visitorCookie } from '../gateway/visitor.ts'
import { keys, pageOrigin, siteHost } from './world.ts'

export type Mix = 'mixed' | 'persons' | 'leads'

/** A request as bytes, with the places that every sending fills anew. */
export interface Template {
  bytes: Buffer
  /** Where the 16 characters of the id stand, and the 13 digits of the time. */
  idsAt: number[]
  timesAt: number[]
}

const idMark = '@@@@@@@@@@@@@@@@'
const timeMark = '1111111111111'
const consent = {
  ad_storage: 'granted', ad_user_data: 'granted', ad_personalization: 'granted', analytics_storage: 'granted'
}

/** A small generator of numbers that is the same in every run (Park and Miller, 1988). */
function openDice (seed: number): (sides: number) => number {
  let state = seed
  return sides => {
    state = state * 48_271 % 2_147_483_647
    return state % sides
  }
}

type Dice = ReturnType<typeof openDice>

function pick<T> (dice: Dice, list: readonly T[]): T {
  const one = list[dice(list.length)]
  if (one === undefined) throw new Error('nothing to pick from')
  return one
}

const digits = (dice: Dice, count: number) => Array.from({ length: count }, () => dice(10)).join('')
const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_'
const letters = (dice: Dice, count: number) =>
  Array.from({ length: count }, () => alphabet[dice(64)]).join('')

function makeUserAgent (dice: Dice): string {
  const version = `${120 + dice(25)}.0.${dice(4) * 100}.${dice(3)}`
  return pick(dice, [
    `Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version} Safari/537.36`,
    `Mozilla/5.0 (Linux; Android 1${dice(5)}; SM-S91${dice(9)}B) AppleWebKit/537.36 (KHTML, like Gecko) ` +
      `Chrome/${version} Mobile Safari/537.36`,
    `Mozilla/5.0 (iPhone; CPU iPhone OS 18_${dice(7)} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ` +
      `Version/18.${dice(7)} Mobile/15E148 Safari/604.1`,
    `Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:${120 + dice(25)}.0) Gecko/20100101 Firefox/${120 + dice(25)}.0`
  ])
}

function makePerson (dice: Dice): object {
  const first = pick(dice, ['Anna', 'Max', 'Jürgen', 'Sofia'])
  const last = pick(dice, ['Müller', 'Rossi', 'Novak', 'Meyer'])
  return {
    email: `${first}.${last}${dice(1e6)}@example.com`,
    phone_number: `0171 ${1_000_000 + dice(8_999_999)}`,
    address: {
      first_name: first,
      last_name: last,
      street: 'Hauptstraße 1',
      city: 'München',
      postal_code: '80331',
      country: 'DE'
    }
  }
}

const items = (dice: Dice) => Array.from({ length: 1 + dice(3) }, () => (
  { item_id: `SKU-${dice(1e4)}`, item_name: 'Jumper', item_category: 'Knitwear', price: 49.99, quantity: 1 + dice(2) }))

/** Of a hundred events sixty are page views, thirty of the funnel, five leads and five purchases. */
function makeEvent (dice: Dice, mix: Mix): object {
  const roll = mix === 'persons' ? 90 + dice(10) : dice(100)
  if (roll < 60) return { event_name: 'page_view' }
  if (roll < 90) {
    const name = pick(dice, ['view_item', 'add_to_cart', 'begin_checkout'])
    return { event_name: name, value: 49.99, currency: 'EUR', items: items(dice) }
  }
  if (roll < 95) {
    return {
      event_name: 'generate_lead',
      value: 150,
      currency: 'EUR',
      form_id: 'offer',
      form_name: 'Angebot',
      user_data: makePerson(dice)
    }
  }
  return {
    event_name: 'purchase',
    transaction_id: idMark,
    value: 99.98,
    currency: 'EUR',
    tax: 15.96,
    shipping: 4.9,
    items: items(dice),
    user_data: makePerson(dice)
  }
}

interface Visit { page: string, cookies: Record<string, string>, clickId: string | undefined, seed: string }

/** Four of five visitors have been here before; three of ten came over an advertisement. */
function makeVisit (dice: Dice, nowMs: number): Visit {
  const clickId = dice(10) < 3 ? `IwZXh0bgNhZW0BMABhZGlkAasm${letters(dice, 45)}_aem_${letters(dice, 22)}` : undefined
  const path = pick(dice, ['/', '/angebot', '/produkte/pullover-wolle-blau', '/kasse', '/blog/was-kostet-ein-dach'])
  const query = clickId === undefined ? '' : `?utm_source=facebook&utm_medium=cpc&utm_campaign=herbst&fbclid=${clickId}`
  const seconds = Math.floor(nowMs / 1000) - dice(1e6)
  const cookies: Record<string, string> = {
    _ga: `GA1.1.${digits(dice, 9)}.${seconds}`,
    _ga_ABCDEF1234: `GS2.1.s${seconds}$o3$g1$t${seconds}$j60$l0$h0`,
    _fbp: `fb.1.${seconds}123.${digits(dice, 17)}`,
    _pstn_c: `1.1111.${seconds}`,
    session: letters(dice, 32)
  }
  if (clickId !== undefined) cookies._fbc = `fb.1.${seconds}456.${clickId}`
  if (dice(5) > 0) {
    const facts = {
      cookieName: '_pstn',
      jar: new Map(),
      scope: { domain: 'example.com', boundTo: 'example.com', secure: true },
      nowMs,
      consentDays: 180,
      grantedAtMs: seconds * 1000
    }
    const line = visitorCookie(`v${letters(dice, 22)}`, facts, keys)
    cookies._pstn = line.slice('_pstn='.length, line.indexOf(';'))
  }
  return { page: `${pageOrigin}${path}${query}`, cookies, clickId, seed: `${nowMs}.1${digits(dice, 17)}` }
}

function makeBody (dice: Dice, mix: Mix, visit: Visit): string {
  const { _ga, _ga_ABCDEF1234: session, _fbp, _fbc } = visit.cookies
  const event = {
    event_time: Number(timeMark),
    page_location: visit.page,
    page_referrer: visit.clickId === undefined ? `${pageOrigin}/` : 'https://l.facebook.com/',
    page_title: 'Ihr Angebot – Beispiel GmbH',
    ...makeEvent(dice, mix),
    event_id: idMark,
    language: 'de-DE',
    screen_resolution: '1512x982',
    click_ids: visit.clickId === undefined ? {} : { fbclid: visit.clickId },
    cookies: { _ga, _ga_ABCDEF1234: session, _fbp, _fbc },
    consent,
    gpc: false,
    browser_tags: { meta: 'absent' },
    page_seed: visit.seed
  }
  return JSON.stringify({ sent_at: Number(timeMark), events: [event] })
}

/** A lead as a form posts it when the browser runs no script of ours. */
function makeForm (dice: Dice, visit: Visit): string {
  const person = makePerson(dice) as { email: string, phone_number: string }
  return new URLSearchParams({
    postern_event_id: idMark,
    postern_page: visit.page,
    postern_consent: 'granted',
    'your-name': 'Anna Müller',
    'your-email': person.email,
    'your-phone': person.phone_number,
    message: 'Bitte rufen Sie mich an. '.repeat(6)
  }).toString().replace(/%40{16}|(%40){16}/, idMark)
}

function makeTemplate (dice: Dice, mix: Mix, nowMs: number, path: string): Template {
  const visit = makeVisit(dice, nowMs)
  const body = mix === 'leads' ? makeForm(dice, visit) : makeBody(dice, mix, visit)
  const cookie = Object.entries(visit.cookies).map(([name, value]) => `${name}=${value}`).join('; ')
  const address = `${80 + dice(100)}.${dice(256)}.${dice(256)}.${1 + dice(254)}`
  const bytes = Buffer.from([
    `POST ${path} HTTP/1.1`, `Host: ${siteHost}`, `X-Forwarded-For: ${address}`, 'X-Forwarded-Proto: https',
    `Content-Length: ${Buffer.byteLength(body)}`, 'sec-ch-ua-platform: "Windows"', `User-Agent: ${makeUserAgent(dice)}`,
    'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    `Content-Type: ${mix === 'leads' ? 'application/x-www-form-urlencoded' : 'text/plain;charset=UTF-8'}`,
    'sec-ch-ua-mobile: ?0', 'Accept: */*', `Origin: ${pageOrigin}`, 'Sec-Fetch-Site: same-site', 'Sec-Fetch-Mode: cors',
    'Sec-Fetch-Dest: empty', `Referer: ${pageOrigin}/`, 'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: de-DE,de;q=0.9,en;q=0.8', `Cookie: ${cookie}`, '', body
  ].join('\r\n'))
  return { bytes, idsAt: placesOf(bytes, idMark), timesAt: placesOf(bytes, timeMark) }
}

function placesOf (bytes: Buffer, mark: string): number[] {
  const places: number[] = []
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) places.push(at)
  return places
}

/** The requests of as many different visitors. */
export function makeTemplates (mix: Mix, count: number, path: string, nowMs: number): Template[] {
  const dice = openDice(20_261_123)
  return Array.from({ length: count }, () => makeTemplate(dice, mix, nowMs, path))
}

/** A copy of the request with this id (16 characters) and time. */
export function fill (template: Template, id: string, nowMs: number): Buffer {
  const bytes = Buffer.allocUnsafe(template.bytes.length)
  template.bytes.copy(bytes)
  for (const at of template.idsAt) bytes.write(id, at, 'latin1')
  const time = String(nowMs)
  for (const at of template.timesAt) bytes.write(time, at, 'latin1')
  return bytes
}
