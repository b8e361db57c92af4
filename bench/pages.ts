// Requests for a site as browsers send them: pages and what is in them, for the gateway in front of it.
import type { Template } from './traffic.ts'
import { frontHost } from './world.ts'

const idMark = '@@@@@@@@@@@@@@@@'
const agent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
  'Chrome/142.0.0.0 Safari/537.36'

/** `site`: one page and nine of its files in turn; `pages`: pages alone. */
export type PageMix = 'site' | 'pages'

function template (at: number, path: string, own: readonly string[]): Template {
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${frontHost}`, 'X-Forwarded-Proto: https',
    `X-Forwarded-For: 203.0.${at % 200}.${1 + at % 250}`, `User-Agent: ${agent}`, 'Accept-Language: de-DE,de;q=0.9',
    'Accept-Encoding: gzip, deflate, br, zstd', 'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142"',
    'sec-ch-ua-mobile: ?0', 'sec-ch-ua-platform: "Windows"', ...own,
    `Cookie: session=${'s'.repeat(32)}${at}; _ga=GA1.1.123456789.1764000000; _ga_ABCDEF1234=GS2.1.s1764000000$o3$g1`]
  const text = `${lines.join('\r\n')}\r\n\r\n`
  const idAt = text.indexOf(idMark)
  return { bytes: Buffer.from(text, 'latin1'), idsAt: idAt < 0 ? [] : [idAt], timesAt: [] }
}

/** Three of ten pages are landings, as in traffic.ts, each with a click id of its own. */
function makePage (at: number, number: number): Template {
  const isLanding = number % 10 < 3
  const query = isLanding ? `?utm_source=google&utm_medium=cpc&gclid=Cj0KCQ${idMark}` : ''
  return template(at, `/angebot/${number % 50}${query}`, [
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'Sec-Fetch-Dest: document',
    'Sec-Fetch-Mode: navigate', `Sec-Fetch-Site: ${isLanding ? 'cross-site' : 'same-origin'}`,
    'Upgrade-Insecure-Requests: 1', ...isLanding ? [] : [`Referer: https://${frontHost}/`]
  ])
}

const makeFile = (at: number) => template(at, `/static/file-${at % 90}.js?v=3`, ['Accept: */*',
  'Sec-Fetch-Dest: script', 'Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Site: same-origin', `Referer: https://${frontHost}/angebot/${at % 50}`])

export function makePages (mix: PageMix, count: number): Template[] {
  return Array.from({ length: count }, (_, at) =>
    mix === 'pages' ? makePage(at, at) : at % 10 === 0 ? makePage(at, at / 10) : makeFile(at))
}
