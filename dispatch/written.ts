// JSON that is written once: a payload's is made when it is measured, and is taken as it is into its request's body.

/** The JSON of objects that were written already. */
export type Written = ReadonlyMap<unknown, string>

/** The payloads of a request, written. */
export const writtenOf = (ready: readonly { payload: unknown, json: string }[]): Written =>
  new Map(ready.map(({ payload, json }) => [payload, json]))

/** The JSON of a value; empty for what JSON leaves out. */
export function jsonOf (value: unknown): string {
  return JSON.stringify(value) as string | undefined ?? ''
}

/** The same text as JSON.stringify() makes of a value, given the parts of it that were written before. */
export function writeJson (value: unknown, written: Written): string | undefined {
  const known = written.get(value)
  if (known !== undefined) return known
  if (written.size === 0 || typeof value !== 'object' || value === null || 'toJSON' in value) {
    return JSON.stringify(value) as string | undefined
  }
  if (Array.isArray(value)) return `[${value.map(one => writeJson(one, written) ?? 'null').join(',')}]`
  const fields = Object.entries(value).flatMap(([name, inner]) => {
    const json = writeJson(inner, written)
    return json === undefined ? [] : [`${JSON.stringify(name)}:${json}`]
  })
  return `{${fields.join(',')}}`
}
