// The three kinds of figure that count on a shared machine: counts, CPU per unit, and ratios of interleaved runs.

/** One figure of one case over all rounds. */
export interface Figure {
  case: string
  what: string
  unit: string
  /** One value per round. */
  values: readonly number[]
  /** What issue 4 asks for. */
  bar?: { most: number } | { least: number }
  note?: string
}

export interface Spread { median: number, min: number, max: number }

export function spread (values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = ((sorted[Math.ceil(middle) - 1] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
  return { median, min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0 }
}

/** `met` only when every round is on the right side of the bar; `missed` when none is; else the noise is too loud. */
export function verdictOf ({ values, bar }: Figure): 'met' | 'missed' | 'unclear' | '' {
  if (bar === undefined || values.length === 0) return ''
  const good = values.filter(value => 'most' in bar ? value <= bar.most : value >= bar.least).length
  return good === values.length ? 'met' : good === 0 ? 'missed' : 'unclear'
}

const shown = (value: number) => value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
const shownBar = (bar: Figure['bar']) => bar === undefined ? '' : 'most' in bar ? `≤ ${bar.most}` : `≥ ${bar.least}`

const columns = ['case', 'figure', 'median', 'min', 'max', 'unit', 'bar', ''] as const

function toCells (figure: Figure): string[] {
  if (figure.values.length === 0) return [figure.case, figure.what, '', '', '', '', '', figure.note ?? '']
  const { median, min, max } = spread(figure.values)
  return [figure.case, figure.what, shown(median), shown(min), shown(max), figure.unit, shownBar(figure.bar),
    [verdictOf(figure), figure.note ?? ''].filter(word => word !== '').join(', ')]
}

/** The figures as a Markdown table with aligned columns, which reads well in a terminal too. */
export function toTable (figures: readonly Figure[]): string {
  const rows = [[...columns], ...figures.map(toCells)]
  const widths = columns.map((_, column) => Math.max(3, ...rows.map(row => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`
  const [head = [], ...body] = rows
  return [line(head), line(widths.map(width => '-'.repeat(width))), ...body.map(line)].join('\n')
}
