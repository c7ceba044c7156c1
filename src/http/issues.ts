// What is wrong with input, in words for the sender. Sentences of our own schemas stay. Those of zod are put into plain
// words.
import { closest } from 'fastest-levenshtein'
import type { z } from 'zod'
import type { FieldError } from '../errors.ts'

type Issue = z.core.$ZodIssue
type Said = Omit<FieldError, 'pointer'>

const things: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  date: 'a time',
}
const units: Record<string, string> = { string: ' characters', array: ' entries' }
/** Nobody reads more, and an answer should not be longer than the request. */
export const MOST_ERRORS = 20
const OF_ZOD = /^(Invalid|Too|Unrecognized)\b/

/** One error for each thing that is wrong. */
export function fieldErrorsOf({ issues }: { issues: readonly Issue[] }): FieldError[] {
  return issues.slice(0, MOST_ERRORS).flatMap((issue): FieldError[] =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.slice(0, MOST_ERRORS).map((key) => ({
          pointer: pointerTo([...issue.path, key]),
          detail: `"${key}" is not known here`,
        }))
      : [{ pointer: pointerTo(issue.path), ...say(issue) }],
  )
}

/** A JSON pointer. A step that would fill the answer is cut. */
export const pointerTo = (path: readonly PropertyKey[]): string =>
  path
    .map((step) => `/${String(step).slice(0, 128).toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')

function say(issue: Issue): Said {
  if (!OF_ZOD.test(issue.message)) return { detail: issue.message }
  if (issue.code === 'invalid_type') {
    if (issue.message.endsWith('received undefined')) return { detail: 'is missing' }
    return { detail: `must be ${things[issue.expected] ?? issue.expected}` }
  }
  if (issue.code === 'too_big')
    return { detail: `must be at most ${String(issue.maximum)}${units[issue.origin] ?? ''}` }
  if (issue.code === 'too_small') {
    if (issue.minimum === 1 && issue.origin in units) return { detail: 'may not be empty' }
    return { detail: `must be at least ${String(issue.minimum)}${units[issue.origin] ?? ''}` }
  }
  if (issue.code === 'invalid_format')
    return {
      detail:
        issue.format === 'datetime'
          ? 'must be a time such as 2026-01-31T12:00:00Z'
          : `is not of the form ${'pattern' in issue ? String(issue.pattern) : issue.format}`,
    }
  const allowed = valuesOf(issue)
  return allowed.length === 0 ? { detail: issue.message } : { detail: `must be one of ${allowed.join(', ')}`, allowed }
}

/** The values that would be accepted instead; for a union, those of all its branches. */
function valuesOf(issue: Issue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String)
  if (issue.code === 'invalid_union') return [...new Set(issue.errors.flat().flatMap(valuesOf))]
  return []
}

export const nearestTo = (given: string, allowed: readonly string[]): { nearest?: string } =>
  allowed.length > 0 && given.length <= 64 ? { nearest: closest(given, allowed) } : {}
