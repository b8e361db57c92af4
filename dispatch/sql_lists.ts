// Lists as Postgres reads them. `pg` would quote and escape each element: most of the time that a parameter takes.

/** Numbers as the text of an array. */
export const numberList = (numbers: readonly number[]): string => `{${numbers.join(',')}}`

/** Bytes, given in hexadecimal, as the text of a bytea[]. */
export const bytesList = (hex: readonly string[]): string => `{${hex.map(one => `"\\\\x${one}"`).join(',')}}`
