// Cleans what a network said before it is stored: networks quote what they were sent.

const patterns: [RegExp, string][] = [
  [/[^\s"'<>@,;:()[\]]+@[^\s"'<>@,;()[\]]+\.[^\s"'<>@,;()[\]]+/g, '‹email›'],
  [/\b[0-9a-f]{32,}\b/gi, '‹hash›'],
  [/\beyJ[\w.-]{10,}/g, '‹token›'],
  [/\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{24,}\b/g, '‹token›'],
  [/\b\d{1,3}(\.\d{1,3}){3}\b/g, '‹ip›'],
  [/\b[0-9a-f]{1,4}(:[0-9a-f]{0,4}){3,7}/gi, '‹ip›'],
  [/\+?\(?\d[\d\s().\-/]{6,}\d/g, '‹number›']
]

/** The text without e-mail addresses, numbers of eight digits and more, hashes, tokens and IP addresses, cut short. */
export function scrub (text: string, length: number): string {
  let clean = text.slice(0, length * 4).toWellFormed().replace(/\p{Cc}+/gu, ' ')
  for (const [pattern, name] of patterns) clean = clean.replace(pattern, name)
  return clean.trim().slice(0, length)
}
