// Whether a response of the site may lie in a cache that visitors share; and how it is kept out of all of them.
import { text, type Headers } from './headers.ts'

interface Directive { name: string, value: string }

function directivesOf (header: string | undefined): Directive[] {
  return (header ?? '').split(',').map(one => one.trim()).filter(one => one !== '').map(one => {
    const [name = '', value = ''] = one.split('=')
    return { name: name.trim().toLowerCase(), value: value.trim().replace(/^"|"$/g, '') }
  })
}

/** What only caches in front of many visitors read. */
const cdnHeaders = ['cdn-cache-control', 'cloudflare-cdn-cache-control', 'netlify-cdn-cache-control',
  'vercel-cdn-cache-control', 'surrogate-control', 'x-accel-expires']

/**
 * Whether a shared cache gave this response, or is asked to keep it (RFC 9111 §3). A response that says nothing of it
 * is not: it may then be made private.
 */
export function isShared (headers: Headers, nowMs: number): boolean {
  if (headers.age !== undefined || cdnHeaders.some(name => headers[name] !== undefined)) return true
  const control = text(headers['cache-control'])
  const directives = directivesOf(control)
  const has = (name: string) => directives.some(one => one.name === name)
  if (has('private') || has('no-store')) return false
  const isPositive = (name: string) => directives.some(one => one.name === name && Number(one.value) > 0)
  if (has('public') || isPositive('s-maxage') || isPositive('max-age')) return true
  if (directives.some(({ name }) => name === 'max-age' || name === 's-maxage' || name === 'no-cache')) return false
  return Date.parse(text(headers.expires) ?? '') > nowMs
}

/** The Cache-Control of a response that is now one visitor's own. */
export function privately (control: string | string[] | undefined): string {
  const kept = (text(control) ?? '').split(',').map(one => one.trim())
    .filter(one => one !== '' && !/^(public|private|s-maxage|proxy-revalidate)\b/i.test(one))
  return ['private', ...kept].join(', ')
}

/** The site forbids that anything is changed in the body. */
export function isUntouchable (headers: Headers): boolean {
  return directivesOf(text(headers['cache-control'])).some(({ name }) => name === 'no-transform')
}
