// What a terminal of one's own shows of a program's output: enough of it for what ocpctl prints.

type Style = { weight: 'bold' | 'dim' | ''; colour: string }
type Cell = { text: string; style: Style }

const plain: Style = { weight: '', colour: '' }
const COLOURS: Record<string, string> = { 31: 'red', 32: 'green', 33: 'yellow' }

/** The lines as HTML, each piece with the names of its styles as its class. */
export function screenOf(output: string): string {
  const lines: Cell[][] = [[]]
  let row = 0
  let style = plain
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  for (const [piece, code = '', command] of output.matchAll(/\u001b\[([\d;]*)([A-Za-z])|[^\u001b]+/g)) {
    if (command === 'A') row = Math.max(0, row - Number(code || 1))
    else if (command === 'J') {
      lines.length = row
      lines[row] = []
    } else if (command === 'm') style = code.split(';').reduce(styled, style)
    else if (command === undefined)
      for (const [index, text] of piece.replaceAll('\r', '').split('\n').entries()) {
        if (index > 0) lines[++row] = []
        lines[row]?.push({ text, style })
      }
  }
  return lines.map((line) => line.map(htmlOf).join('')).join('\n')
}

function styled(style: Style, code: string): Style {
  if (code === '' || code === '0') return plain
  if (code === '1') return { ...style, weight: 'bold' }
  if (code === '2') return { ...style, weight: 'dim' }
  if (code === '22') return { ...style, weight: '' }
  return { ...style, colour: COLOURS[code] ?? '' }
}

function htmlOf({ text, style: { weight, colour } }: Cell): string {
  const safe = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return weight === '' && colour === '' ? safe : `<span class="${weight} ${colour}">${safe}</span>`
}
