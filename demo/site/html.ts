// HTML as a value: whatever is put into a template is escaped, unless it is HTML already.

export interface Html { readonly html: string }
export type Fill = Html | readonly Html[] | string | number | undefined

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

function escape (text: string): string {
  return text.replace(/[&<>"']/g, character => entities[character] ?? character)
}

function render (fill: Fill): string {
  if (fill === undefined) return ''
  if (typeof fill === 'string' || typeof fill === 'number') return escape(String(fill))
  return 'html' in fill ? fill.html : fill.map(render).join('')
}

/** A template whose holes are escaped for text and for quoted attributes. Undefined leaves a hole empty. */
export function html (parts: TemplateStringsArray, ...fills: Fill[]): Html {
  return { html: parts.map((part, index) => part + render(fills[index])).join('') }
}
