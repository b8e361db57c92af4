// Which request targets the vendor proxy takes: a closed grammar, so that no reader after us sees another host or path.

/** What a segment may hold: RFC 3986's pchar, without what dots, slashes, controls and percent signs hide in. */
const segment = '(?:[A-Za-z0-9._~!$&\'()*+,;=:@-]|%(?!00|0[1-9A-Fa-f]|1[0-9A-Fa-f]|2[5EFef]|5[Cc]|7[Ff])[0-9A-Fa-f]{2})'
const rest = new RegExp(`^(?:/${segment}+)*/?(?:\\?[!"$-~]*)?$`)

/**
 * The target that goes to the vendor, byte for byte as it came, prefix included; undefined when it is not `path` or
 * something below it. Refused: absolute forms (`http://…`), `//`, `.` and `..`, backslashes, fragments, encoded dots,
 * slashes, backslashes, percent signs and control characters, and every byte beyond ASCII.
 */
export function readVendorTarget (target: string, path: string): string | undefined {
  if (!target.startsWith(path)) return undefined
  const below = target.slice(path.length)
  if (!rest.test(below)) return undefined
  const isClimbing = below.split('?', 1)[0]?.split('/').some(part => part === '.' || part === '..') === true
  return isClimbing ? undefined : target
}
