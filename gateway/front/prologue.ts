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
const [bang, quote, apostrophe, dash, slash, less, equals, greater] = [33, 34, 39, 45, 47, 60, 61, 62]

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

/**
 * Reads what may stand before a head: a byte order mark, white space, comments, a document type, `<html …>`. The tag's
 * place is right behind `<head …>`, or before the first element of a head that has no tag of its own. Whatever else
 * comes first makes it no page of ours: a fragment, a text, an encoding of two bytes per sign.
 */
export function openPrologue (): Prologue {
  let state: State = 'text'
  let isDocument = false
  let isHead = false
  let read = 0
  /** In a comment: how many dashes came last, whether `--!` did, and how many bytes it has. */
  let dashes = 0
  let isBanged = false
  let commentBytes = 0

  /** At the first letter of a name: all of it, '' when something else follows than ends a name; or not all is there. */
  function nameAt (piece: Buffer, at: number): string | undefined {
    let end = at
    while (end < piece.length && end - at <= longestName && isLetter(piece[end] ?? 0)) end++
    if (end === piece.length && end - at <= longestName) return undefined
    const after = piece[end] ?? 0
    const isWhole = isSpace(after) || after === slash || after === greater
    return isWhole ? piece.toString('latin1', at, end).toLowerCase() : ''
  }

  /** `-->` ends a comment, `--!>` does, and right at its beginning `>` and `->` do (HTML §13.2.5.43 and on). */
  function stepInComment (byte: number): void {
    const isAbrupt = commentBytes < 2 && dashes === commentBytes
    if (byte === greater && (dashes >= 2 || isBanged || isAbrupt)) state = 'text'
    commentBytes++
    isBanged = byte === bang && dashes >= 2
    dashes = byte === dash ? dashes + 1 : 0
  }

  function step (piece: Buffer, at: number): Found | { skip: number } | 'wait' {
    const byte = piece[at] ?? 0
    switch (state) {
      case 'text': {
        // A byte order mark of UTF-8 may come first.
        const isMark = read + at < 3 && byte === [0xEF, 0xBB, 0xBF][read + at]
        if (byte === less) state = 'open'
        else if (!isSpace(byte) && !isMark) return 'never'
        return 'on'
      }
      case 'open': {
        if (byte === bang) state = 'bang'
        else if (byte === 63) state = 'bogus'
        else if (!isLetter(byte)) return 'never'
        else return openTag(piece, at)
        return 'on'
      }
      case 'bang': {
        const isStart = piece.length - at >= 2
        if (byte === dash && !isStart) return 'wait'
        if (byte === dash && piece[at + 1] === dash) {
          state = 'comment'
          dashes = commentBytes = 0
          isBanged = false
          return { skip: 1 }
        }
        if (byte === greater) state = 'text'
        else state = 'bogus'
        // `<!doctype` is the only one that a page needs.
        if (isLetter(byte)) isDocument = true
        return 'on'
      }
      case 'comment':
        stepInComment(byte)
        return 'on'
      case 'bogus':
        if (byte === greater) state = 'text'
        return 'on'
      default:
        state = stepInTag(state, byte)
        return state === 'text' && isHead ? { at: at + 1 } : 'on'
    }
  }

  function openTag (piece: Buffer, at: number): Found | { skip: number } | 'wait' {
    const name = nameAt(piece, at)
    if (name === undefined) return 'wait'
    if (name === 'head' || name === 'html') {
      isHead = name === 'head'
      isDocument = true
      state = 'tag'
      return { skip: name.length - 1 }
    }
    return isDocument && ofHead.has(name) ? { at: at - 1 } : 'never'
  }

  return {
    read (piece) {
      for (let at = 0; at < piece.length; at++) {
        const before = state
        const found = step(piece, at)
        if (found === 'wait') {
          // From the `<` on, so that the name, or the comment's beginning, is seen as a whole.
          const held = piece.length - at + (before === 'open' ? 1 : 2)
          state = 'text'
          read += piece.length - held
          return { found: 'on', held }
        }
        if (found === 'never') return { found, held: 0 }
        if (found === 'on') continue
        if ('at' in found) return { found, held: 0 }
        at += found.skip
      }
      // A `<` at the very end may be the place before which the tag belongs.
      const held = state === 'open' ? 1 : state === 'bang' ? 2 : 0
      if (held > 0) state = 'text'
      read += piece.length - held
      return { found: 'on', held }
    }
  }
}
