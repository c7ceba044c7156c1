// How the installer's reader takes a file. Keys may be written in any case, a number or a truth value becomes text where
// text is wanted, and what has no value is not there. What it does not know it throws away with a warning.
import type { Block, Path, Report } from './finding.ts'

export type Shape = (
  | { kind: 'text' | 'flag' | 'any' }
  | { kind: 'whole'; least?: number }
  | { kind: 'list' | 'map'; of: Shape }
  | { kind: 'block'; keys: Record<string, Shape> }
) & {
  /** The first release whose installer knows the key, as its second number. */
  since?: number
  /** What comes of it when an older installer throws the key away. */
  otherwise?: string
}

export const text: Shape = { kind: 'text' }
export const flag: Shape = { kind: 'flag' }
export const any: Shape = { kind: 'any' }
export const whole: Shape = { kind: 'whole' }
export const unsigned: Shape = { kind: 'whole', least: 0 }
export const list = (of: Shape): Shape => ({ kind: 'list', of })
export const map = (of: Shape): Shape => ({ kind: 'map', of })
export const block = (keys: Record<string, Shape>): Shape => ({ kind: 'block', keys })
export const since = (minor: number, shape: Shape, otherwise?: string): Shape =>
  otherwise === undefined ? { ...shape, since: minor } : { ...shape, since: minor, otherwise }

type Reading = { minor: number; report: Report }

/** The value as the installer of a release has it. Undefined where it has none. */
export function conform(value: unknown, shape: Shape, path: Path, reading: Reading): unknown {
  if (value === null || value === undefined) return undefined
  const wrong = (wanted: string): undefined => {
    reading.report('error', 'form', path, `must be ${wanted}`)
  }
  switch (shape.kind) {
    case 'any':
      return value
    case 'text':
      if (typeof value === 'string') return value
      return typeof value === 'number' || typeof value === 'boolean' ? String(value) : wrong('text')
    case 'flag':
      return typeof value === 'boolean' ? value : wrong('true or false')
    case 'whole':
      if (!Number.isInteger(value)) return wrong('a whole number')
      return Number(value) >= (shape.least ?? -Infinity) ? value : wrong(`a whole number from ${shape.least} on`)
    case 'list':
      if (!Array.isArray(value)) return wrong('a list')
      return value.map((each, index) => conform(each, shape.of, [...path, index], reading) ?? emptyOf(shape.of))
    case 'map':
      if (typeof value !== 'object' || Array.isArray(value)) return wrong('a mapping')
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => [
          key,
          conform(each, shape.of, [...path, key], reading) ?? emptyOf(shape.of),
        ]),
      )
    case 'block':
      if (typeof value !== 'object' || Array.isArray(value)) return wrong('a mapping')
      return conformBlock(value as Block, shape.keys, path, reading) // an object, as was seen
  }
}

/** What an entry of a list is when it has no value. */
const emptyOf = ({ kind }: Shape): unknown => (kind === 'text' ? '' : kind === 'block' ? {} : undefined)

function conformBlock(given: Block, keys: Record<string, Shape>, path: Path, reading: Reading): Block {
  const result: Block = {}
  for (const [written, value] of Object.entries(given)) {
    const key = Object.hasOwn(keys, written) ? written : namesOf(keys).get(written.toLowerCase())
    const shape = key === undefined ? undefined : keys[key]
    if (key === undefined || !shape) {
      const detail = `"${written}" is not known here; the installer passes over it`
      if (value !== null) reading.report('warning', 'unknown-key', [...path, written], detail)
      continue
    }
    if (shape.since !== undefined && reading.minor < shape.since) {
      if (value !== null && value !== undefined) tellTooNew(shape, key, [...path, key], reading)
      continue
    }
    const conformed = conform(value, shape, [...path, key], reading)
    if (conformed !== undefined) result[key] = conformed
  }
  return result
}

function tellTooNew({ since: from, otherwise }: Shape, key: string, path: Path, { minor, report }: Reading): void {
  const detail = `4.${minor} does not know "${key}", which came with 4.${from}, and passes over it`
  if (otherwise === undefined) report('warning', 'unknown-key', path, detail)
  else report('error', 'unknown-key', path, `${detail}: ${otherwise}`, 'ours')
}

const folded = new WeakMap<Record<string, Shape>, Map<string, string>>()

/** The keys by their lower-case form. */
function namesOf(keys: Record<string, Shape>): Map<string, string> {
  const known = folded.get(keys)
  if (known) return known
  const names = new Map(Object.keys(keys).map((key) => [key.toLowerCase(), key]))
  folded.set(keys, names)
  return names
}
