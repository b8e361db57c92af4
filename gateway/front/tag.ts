// Puts the script's tag into a page on its way to the visitor, and changes nothing else of it.
import { createHash } from 'node:crypto'
import { Transform, type Readable } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import { remember } from '../../config/bounded.ts'
import type { Site } from '../site.ts'
import { text, type Headers } from './headers.ts'
import { openPrologue } from './prologue.ts'
import { isUntouchable } from './sharing.ts'
import type { Rewriting, SiteBody } from './wire.ts'

/**
 * The tag. The prefix is of letters, digits, `-` and `_`, the nonce of base64: nothing in them ends an attribute. It is
 * the same in every page: click ids ride in the page's own address, where the script finds them, so that pages with
 * the tag stay as cacheable as they were.
 */
export function scriptTag (prefix: string, nonce: string | undefined): Buffer {
  return Buffer.from(`<script async src="${prefix}/s.js"${nonce === undefined ? '' : ` nonce="${nonce}"`}></script>`)
}

/** Encodings whose signs of HTML are not the bytes of ASCII. */
const otherSigns = /^(utf-?16|utf-?32|ucs-?[24]|iso-10646|utf-?7|cs?unicode|ebcdic|ibm0?37|cp1047)/i

/** Whether a response is a whole page in which a tag could stand. */
export function isPage (status: number, headers: Headers): boolean {
  const [type = '', ...parameters] = (text(headers['content-type']) ?? '').split(';').map(part => part.trim())
  const charset = parameters.find(parameter => /^charset\s*=/i.test(parameter))?.replace(/^[^=]*=\s*"?/, '') ?? ''
  const isWhole = status >= 200 && status < 300 && ![204, 205, 206].includes(status)
  return isWhole && type.toLowerCase() === 'text/html' && !otherSigns.test(charset) &&
    headers['content-range'] === undefined && !isUntouchable(headers) &&
    !/\battachment\b/i.test(text(headers['content-disposition']) ?? '')
}

// What breaks off is shown as far as it came, as browsers do it.
const asFarAsItComes = { finishFlush: constants.Z_SYNC_FLUSH }
const decoders: Record<string, () => Transform> = {
  gzip: () => createGunzip(asFarAsItComes),
  'x-gzip': () => createGunzip(asFarAsItComes),
  deflate: () => createInflate(asFarAsItComes),
  br: () => createBrotliDecompress({ finishFlush: constants.BROTLI_OPERATION_FLUSH }),
  zstd: () => createZstdDecompress({ finishFlush: constants.ZSTD_e_flush })
}

/** The site's body is not in the encoding that its headers name. `cause` is what the decoder says. */
export class Undecodable extends Error {
  override name = 'Undecodable'
}

/**
 * What undoes the content encoding of a response: nothing for none, undefined for one that we cannot undo. Upstreams
 * are asked for pages without one (below), so this is for those that do not listen.
 */
export function decoderFor (headers: Headers): { decoder: Transform | undefined } | undefined {
  const encoding = text(headers['content-encoding'])?.trim().toLowerCase() ?? ''
  if (encoding === '' || encoding === 'identity') return { decoder: undefined }
  const make = decoders[encoding]
  return make === undefined ? undefined : { decoder: make() }
}

/** Puts the tag where the head begins, if the bytes turn out to be a page. */
export function insertTag (tag: Buffer): Rewriting {
  const prologue = openPrologue()
  let waiting = Buffer.alloc(0)
  let isDone = false
  return {
    next (given) {
      if (isDone) return [given]
      const piece = waiting.length === 0 ? given : Buffer.concat([waiting, given])
      const { found, held } = prologue.read(piece)
      isDone = found !== 'on'
      waiting = Buffer.from(piece.subarray(piece.length - held))
      if (typeof found === 'object') return [piece.subarray(0, found.at), tag, piece.subarray(found.at)]
      return [piece.subarray(0, piece.length - held)]
    },
    rest: () => isDone ? [] : [waiting]
  }
}

/** A packed body as it was before it was packed, rewritten. A page that breaks off upstream breaks off here. */
export function unpacked (body: SiteBody, decoder: Transform, rewriting: Rewriting): Readable {
  const page = new Transform({
    transform (piece: Buffer, _encoding, done) {
      for (const one of rewriting.next(piece)) this.push(one)
      done()
    },
    flush (done) {
      for (const one of rewriting.rest()) this.push(one)
      done()
    }
  })
  decoder.on('error', cause => { page.destroy(new Undecodable('not in its encoding', { cause })) })
  page.on('close', () => { decoder.destroy() })
  body.sendTo(decoder)
  return decoder.pipe(page)
}

/** What says something of the body's bytes that is not true any more. */
export const ofBytes = ['content-length', 'content-encoding', 'content-md5', 'digest', 'content-digest', 'repr-digest',
  'accept-ranges']

/** Marks the entity tags of pages with the tag in them: `"x"` of the site becomes `W/"x-p<these digits>"`. */
const markOf = ({ prefix }: Site): string => markFor(prefix)

const markFor = remember(1000, prefix =>
  `-p${createHash('sha256').update(scriptTag(prefix, undefined)).digest('hex').slice(0, 8)}`)

/** The page's entity tag, weak because the site's own says nothing of the tag's nonce. */
export function markEtag (etag: string | undefined, site: Site): string | undefined {
  const opaque = /^(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/.exec(etag ?? '')?.[1]
  return opaque === undefined ? undefined : `W/"${opaque}${markOf(site)}"`
}

/**
 * If-None-Match as the site knows its tags. What was stored without our tag is left out: it would be confirmed, and the
 * page stay without it. Undefined when nothing is left.
 */
export function unmarkEtags (header: string | undefined, site: Site): string | undefined {
  if (header === undefined || header.trim() === '*') return header
  const mark = `${markOf(site)}"`
  const known = [...header.matchAll(/(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g)].map(([tag]) => tag)
    .filter(tag => tag.endsWith(mark)).map(tag => `${tag.slice(0, -mark.length)}"`)
  return known.length === 0 ? undefined : known.join(', ')
}
