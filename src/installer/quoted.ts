// Values of the installer's log, as Go's %q writes them: quoted where there is need, with escapes that JSON has not.
// What follows a quoted value are fields of the same entry.

const ESCAPED = /\\(?:([abfnrtv"'\\])|x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|([0-7]{3}))/g
const SIMPLE: Record<string, string> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** Without its escapes. An escape that Go does not write stays as it is. */
export function unescapeGo(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(ESCAPED, (whole: string, simple?: string, ...codes: unknown[]) => {
    if (simple !== undefined) return SIMPLE[simple] ?? simple
    const [hex, short, long, octal] = codes
    if (typeof octal === 'string') return String.fromCharCode(Number.parseInt(octal, 8))
    const code = Number.parseInt(String(hex ?? short ?? long), 16)
    return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole
  })
}

/** The value that begins the text, and the fields after it. A quoted value without its end goes to the end. */
export function readValue(text: string): { value: string; rest: string } {
  if (!text.startsWith('"')) return { value: text, rest: '' }
  let end = 1
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1
  // Some writers leave quotes inside the value as they are. Then only what looks like fields ends it.
  const rest = text.slice(end + 1)
  if (/^(?:\s+[\w.-]+(?: [\w.-]+){0,3}=.*|\s*)$/s.test(rest))
    return { value: unescapeGo(text.slice(1, end)), rest: rest.trim() }
  const last = text.lastIndexOf('"')
  return { value: unescapeGo(last > 0 ? text.slice(1, last) + text.slice(last + 1) : text.slice(1)), rest: '' }
}
