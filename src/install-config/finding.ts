// What a linter says of an install-config, and how its rules read values that may have any shape.

export type Path = (string | number)[]
export type Finding = { severity: 'error' | 'warning'; rule: string; path: Path; detail: string }
export type Report = (severity: Finding['severity'], rule: string, path: Path, detail: string) => void
export type Block = Record<string, unknown>

const isBlock = (value: unknown): value is Block => typeof value === 'object' && value !== null && !Array.isArray(value)

// The schema reports a value of the wrong type. The rules then pass over it.
export const blockOf = (value: unknown): Block => (isBlock(value) ? value : {})
export const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
export const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
export const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
