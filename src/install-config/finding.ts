// What a linter says of an install-config, and how its rules read values that may have any shape.
import type { Platform } from '../vocabulary.ts'

export type Path = (string | number)[]
export type Finding = {
  severity: 'error' | 'warning'
  rule: string
  path: Path
  detail: string
  /** The installer lets it through, and something fails later; or the rule only says what is usual. */
  ours: boolean
  /** The releases whose installers it holds for, such as "4.18 and 4.19". */
  installers: string
}
export type Report = (severity: Finding['severity'], rule: string, path: Path, detail: string, ours?: 'ours') => void
export type Block = Record<string, unknown>

/** An install-config as an installer understands it, the release of that installer, and where the findings go. */
export type Subject = { config: Block; platform: Platform | undefined; minor: number; report: Report }

const isBlock = (value: unknown): value is Block => typeof value === 'object' && value !== null && !Array.isArray(value)

// The form has been told of already where a value has the wrong type. The rules then pass over it.
export const blockOf = (value: unknown): Block => (isBlock(value) ? value : {})
export const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
export const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** Tells of a word that is not on the list. An empty one means the default. */
export function requireWord(report: Report, rule: string, path: Path, value: unknown, words: readonly string[]): void {
  if (typeof value === 'string' && value !== '' && !words.includes(value))
    report('error', rule, path, `must be one of ${words.join(', ')}`)
}
