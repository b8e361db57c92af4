// The findings about what pages load from a host: the script, and the vendors' paths.
import type { Ask } from './ask.ts'
import type { Note } from './finding.ts'

/** Whether the script is served, as a script, and compressed. */
export async function checkScript (base: URL, ask: Ask, note: Note): Promise<void> {
  const url = new URL(`${base.pathname.replace(/\/$/, '')}/s.js`, base)
  const asked = await ask(url, { headers: { 'accept-encoding': 'br, gzip' } })
  if ('failure' in asked) {
    note('script', 'fail', `${url.pathname} is not answered (${asked.failure})`, 'see "reach"')
    return
  }
  const { status, headers } = asked.reply
  const isScript = status === 200 && /javascript/.test(headers['content-type'] ?? '')
  if (!isScript) {
    note('script', 'fail', `${url.pathname} is no script (status ${status})`, `let the proxy pass ${url.pathname} on`)
  } else if (!/^(br|gzip|zstd)$/.test(headers['content-encoding'] ?? '')) {
    note('script', 'warn', `${url.pathname} comes uncompressed, three times as large as it need be`,
      'let Accept-Encoding through to Postern, which sends brotli or gzip by itself')
  } else {
    note('script', 'ok', `${url.pathname} is served, as ${headers['content-encoding']}`)
  }
}

/** Google's own two questions to a tag gateway (google.md §7.1). `path` is the one of the settings: `/gt`. */
export async function checkTagGateway (base: URL, path: string, ask: Ask, note: Note): Promise<void> {
  const says = async (target: string) => {
    const asked = await ask(new URL(target, base))
    if ('failure' in asked) return asked.failure
    return asked.reply.status === 200 ? asked.reply.body.trim().slice(0, 40) : `status ${asked.reply.status}`
  }
  const health = await says(`${path}/healthy`)
  if (health !== 'ok') {
    note('vendor', 'fail', `Google does not answer under ${path}/healthy (${health})`,
      `let the proxy pass ${path} on to Postern, and Postern reach fps.goog; check the tag's id and path`)
    return
  }
  const place = await says(`${path}/?validate_geo=healthy`)
  if (place === 'ok') note('vendor', 'ok', `Google answers under ${path}, and learns where visitors are`)
  else {
    note('vendor', 'warn', `Google answers under ${path}, but learns visitors' places from their addresses alone`,
      'name country_header and vendors.google.region_header, which your proxy or CDN sets')
  }
}
