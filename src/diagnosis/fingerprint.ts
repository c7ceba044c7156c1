// Names a failure by what its error lines say, so that two attempts that ended the same way are found together.
// Anything that belongs to one cluster, one run or one request is taken out first.
import { createHash } from 'node:crypto'
import type { LogLine } from './log-line.ts'

/** Of a line. */
const LOOKED_AT = 4000
/** A log is of one cluster, and shows a few names at most. */
const MOST_NAMES = 30

export function fingerprintOf(reason: string, lines: LogLine[]): string {
  const names = clusterNamesIn(lines)
  const said = new Set(lines.map(({ said }) => normalize(said, names)).filter((text) => /[a-z]/.test(text)))
  return createHash('sha256')
    .update([reason, ...[...said].sort()].join('\n'))
    .digest('hex')
    .slice(0, 16)
}

const steps: [RegExp, string][] = [
  [/Encoded authorization failure message: \S+/g, ''],
  [/https?:\/\/[^\s"'<>)\]]+/g, '#'],
  [/\barn:aws[^\s"',;)\]]*/g, '#'],
  // An infraID ends in five characters that Kubernetes draws. None of them is a vowel.
  [/\b[a-z0-9][a-z0-9-]{0,60}?-[bcdfghjklmnpqrstvwxz2456789]{5}(?![a-z0-9])/g, '#'],
  [
    /\b(?:\*\.)?(?:[a-z0-9_-]{1,63}\.){1,8}(?:com|net|org|io|dev|cloud|example|test|local|internal|lan|info|corp)\b\.?/g,
    '#',
  ],
  [/\b(?:[a-z0-9_-]{1,63}\.){2,8}[a-z]{2}\b\.?/g, '#'],
  [/(?:\.{0,2}\/[\w.@+-]+){2,}\/?/g, '#'],
  [/[A-Za-z0-9+/=_-]{40,}/g, '#'],
  [/\*{3,}/g, '#'],
  // Codes such as AADSTS700082 or BXNIM0415E distinguish errors. Other words that contain a digit distinguish clusters.
  [/\b(?![A-Z]{4,}\d{3,}[A-Z]?\b)[\w:-]*\d[\w:-]*(?:[.,]\d+\w*)*/g, '#'],
  [/#(?:[\s.,:/'"-]*#)+/g, '#'],
  [/\s+/g, ' '],
]

function normalize(text: string, names: RegExp | undefined): string {
  let normal = text.slice(0, LOOKED_AT)
  if (names) normal = normal.replace(names, '#')
  for (const [pattern, replacement] of steps) normal = normal.replace(pattern, replacement)
  return normal.trim().toLowerCase()
}

/** Finds the cluster's own name and domain, where an error line shows the address of its API or of its routes. */
function clusterNamesIn(lines: LogLine[]): RegExp | undefined {
  const names = new Set<string>()
  for (const { said } of lines)
    for (const [, name, base] of said
      .slice(0, LOOKED_AT)
      .matchAll(/\b(?:api|api-int|apps)\.([a-z0-9-]{2,63})\.((?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,20})/g)) {
      if (name && base && names.size < MOST_NAMES) names.add(`${name}.${base}`).add(base).add(name)
    }
  // A common word may be the name of a cluster. Taking it out everywhere would make fingerprints differ by cluster
  // again.
  for (const word of ['cluster', 'openshift', 'api', 'test', 'install', 'bootstrap', 'master', 'worker'])
    names.delete(word)
  if (names.size === 0) return undefined
  const longestFirst = [...names].sort((a, b) => b.length - a.length)
  return new RegExp(
    String.raw`\b(?:${longestFirst.map((name) => name.replaceAll('.', String.raw`\.`)).join('|')})\b`,
    'g',
  )
}
