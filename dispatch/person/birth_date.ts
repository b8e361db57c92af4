// Birth dates: only the orders that mean one thing everywhere, and only days that exist.
import type { Reading } from './hashing.ts'

/** Year first, with one kind of separator or none; a time after it (as databases export dates) is ignored. */
const yearFirst = /^(\d{4})([-/.]?)(\d{2})\2(\d{2})(?:[T ][\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?$/
const firstYear = 1900

/**
 * YYYYMMDD of a date written year first. Day and month in the other order are not told apart, so `2/3/1997` is none.
 * `nowMs` (Unix milliseconds), where given, refuses dates after it (meta.md §2 db).
 */
export function readBirthDate (text: string, nowMs?: number): Reading {
  const [, year, , month, day] = yearFirst.exec(text) ?? []
  if (year === undefined || month === undefined || day === undefined) return { why: 'impossible_date' }
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  const exists = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day)
  if (!exists || Number(year) < firstYear) return { why: 'impossible_date' }
  if (nowMs !== undefined && date.getTime() > nowMs) return { why: 'impossible_date' }
  return { text: `${year}${month}${day}` }
}
