// Finds, byte by byte, where a page's head begins, in any encoding that writes HTML's own signs as ASCII does.

/** What the bytes up to now mean: look on, put the tag at this place of the piece, or leave the page as it is. */
export type Found = { at: number } | 'on' | 'never'

export interface Prologue {
  /**
   * Reads the next piece; after anything but `on` it is not asked again. `held`: how many of the piece's last bytes may
   * have to come after the tag, and must wait for the next piece; they are read again with it.
   */
  read: (piece: Buffer) => { found: Found, held: number }
}

const [tab, lineFeed, formFeed, carriageReturn, space] = [9, 10, 12, 13, 32]
const [bang, quote, apostrophe, dash, slash, less, equals, greater, question] = [33, 34, 39, 45, 47, 60, 61, 62, 63]
const byteOrderMark = [0xEF, 0xBB, 0xBF]

const isSpace = (byte: number) =>
  byte === space || byte === lineFeed || byte === carriageReturn || byte === tab || byte === formFeed
const isLetter = (byte: number) => (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122)

/** What begins a head whose own tag was left out (HTML §13.2.6.4.3, "before head" to "in head"). */
const ofHead = new Set(['title', 'meta', 'link', 'base', 'script', 'style', 'noscript'])
const longestName = 10

type State = 'text' | 'open' | 'bang' | 'comment' | 'bogus' | 'tag' | 'name' | 'after_name' | 'before_value' |
  'double' | 'single' | 'bare'

/** The states inside a tag, as HTML's tokeniser has them (§13.2.5.32 and on): where a `>` ends it, and where not. */
function stepInTag (state: State, byte: number): State {
  switch (state) {
    case 'tag': return byte === greater ? 'text' : isSpace(byte) || byte === slash ? 'tag' : 'name'
    case 'name': return byte === greater
      ? 'text'
      : byte === equals ? 'before_value' : byte === slash ? 'tag' : isSpace(byte) ? 'after_name' : 'name'
    case 'after_name': return byte === greater
      ? 'text'
      : byte === equals ? 'before_value' : byte === slash ? 'tag' : isSpace(byte) ? 'after_name' : 'name'
    case 'before_value': return byte === greater
      ? 'text'
      : byte === quote ? 'double' : byte === apostrophe ? 'single' : isSpace(byte) ? 'before_value' : 'bare'
    case 'double': return byte === quote ? 'tag' : 'double'
    case 'single': return byte === apostrophe ? 'tag' : 'single'
    case 'bare': return byte === greater ? 'text' : isSpace(byte) ? 'tag' : 'bare'
    default: return state
  }
}

/** How far a page was read. */
interface Reading {
  state: State
  /** A document type, `<html` or `<head` came: no fragment. */
  isDocument: boolean
  /** In the tag of the head. */
  isHead: boolean
  /** Bytes that are done with. */
  done: number
  /** In a comment: how many dashes came last, whether `--!` did, and how many bytes it has. */
  dashes: number
  isBanged: boolean
  commentBytes: number
}

/** What a byte leads to: on to the next, or past some more; `wait`: more must be there to tell. */
type Step = Found | { skip: number } | 'wait'

/** At the first letter of a name: all of it, '' when something else follows than ends a name; or not all is there. */
function nameAt (piece: Buffer, at: number): string | undefined {
  let end = at
  while (end < piece.length && end - at <= longestName && isLetter(piece[end] ?? 0)) end++
  if (end === piece.length && end - at <= longestName) return undefined
  const after = piece[end] ?? 0
  const isWhole = isSpace(after) || after === slash || after === greater
  return isWhole ? piece.toString('latin1', at, end).toLowerCase() : ''
}

function openTag (reading: Reading, piece: Buffer, at: number): Step {
  const name = nameAt(piece, at)
  if (name === undefined) return 'wait'
  if (name === 'head' || name === 'html') {
    reading.isHead = name === 'head'
    reading.isDocument = true
    reading.state = 'tag'
    return { skip: name.length - 1 }
  }
  return reading.isDocument && ofHead.has(name) ? { at: at - 1 } : 'never'
}

/** Behind `<!`: a comment, or whatever else ends with the next `>`. */
function openDeclaration (reading: Reading, piece: Buffer, at: number): Step {
  const byte = piece[at] ?? 0
  if (byte === dash && at + 1 === piece.length) return 'wait'
  if (byte === dash && piece[at + 1] === dash) {
    Object.assign(reading, { state: 'comment', dashes: 0, isBanged: false, commentBytes: 0 })
    return { skip: 1 }
  }
  reading.state = byte === greater ? 'text' : 'bogus'
  // `<!doctype` is the only one that a page has a use for.
  if (isLetter(byte)) reading.isDocument = true
  return 'on'
}

/** `-->` ends a comment, `--!>` does, and right at its beginning `>` and `->` do (HTML §13.2.5.43 and on). */
function stepInComment (reading: Reading, byte: number): void {
  const isAbrupt = reading.commentBytes < 2 && reading.dashes === reading.commentBytes
  if (byte === greater && (reading.dashes >= 2 || reading.isBanged || isAbrupt)) reading.state = 'text'
  reading.commentBytes++
  reading.isBanged = byte === bang && reading.dashes >= 2
  reading.dashes = byte === dash ? reading.dashes + 1 : 0
}

function step (reading: Reading, piece: Buffer, at: number): Step {
  const byte = piece[at] ?? 0
  switch (reading.state) {
    case 'text': {
      const isMark = reading.done + at < 3 && byte === byteOrderMark[reading.done + at]
      if (byte === less) reading.state = 'open'
      else if (!isSpace(byte) && !isMark) return 'never'
      return 'on'
    }
    case 'open':
      if (isLetter(byte)) return openTag(reading, piece, at)
      if (byte !== bang && byte !== question) return 'never'
      reading.state = byte === bang ? 'bang' : 'bogus'
      return 'on'
    case 'bang': return openDeclaration(reading, piece, at)
    case 'comment':
      stepInComment(reading, byte)
      return 'on'
    case 'bogus':
      if (byte === greater) reading.state = 'text'
      return 'on'
    default:
      reading.state = stepInTag(reading.state, byte)
      return reading.state === 'text' && reading.isHead ? { at: at + 1 } : 'on'
  }
}

/**
 * Reads what may stand before a head: a byte order mark, white space, comments, a document type, `<html …>`. The tag's
 * place is right behind `<head …>`, or before the first element of a head that has no tag of its own. Whatever else
 * comes first makes it no page of ours: a fragment, a text, an encoding of two bytes per sign.
 */
export function openPrologue (): Prologue {
  const reading: Reading = {
    state: 'text', isDocument: false, isHead: false, done: 0, dashes: 0, isBanged: false, commentBytes: 0
  }
  /** From the `<` on, so that what it begins is seen as a whole, or the tag can still come before it. */
  const hold = (piece: Buffer, held: number) => {
    if (held > 0) reading.state = 'text'
    reading.done += piece.length - held
    return { found: 'on' as const, held }
  }
  return {
    read (piece) {
      for (let at = 0; at < piece.length; at++) {
        const isOpen = reading.state === 'open'
        const next = step(reading, piece, at)
        if (next === 'wait') return hold(piece, piece.length - at + (isOpen ? 1 : 2))
        if (next === 'on') continue
        if (next === 'never' || 'at' in next) return { found: next, held: 0 }
        at += next.skip
      }
      return hold(piece, reading.state === 'open' ? 1 : reading.state === 'bang' ? 2 : 0)
    }
  }
}
