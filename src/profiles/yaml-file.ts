// A YAML file that is read against a schema. Every mistake is told with its line and place, whatever the file holds.
import { LineCounter, parseAllDocuments, parseDocument, isMap, isSeq, type Document, type ParseOptions, type Tags } from 'yaml' // prettier-ignore
import type { z } from 'zod'

export type Problem = { file: string; line: number; path: string; detail: string }
export type YamlFile = { value: unknown; problems: Problem[]; lineOf: (path: PropertyKey[]) => number }

/** The file as it is; never throws. */
export function readYaml(file: string, text: string): YamlFile {
  const lines = new LineCounter()
  return readDocument(file, parseDocument(text, { lineCounter: lines, uniqueKeys: true }), lines)
}

/** The installer knows no dates, and no numbers to the base of sixty. */
const UNKNOWN_TAGS = ['tag:yaml.org,2002:timestamp']
const installerTags = (tags: Tags): Tags =>
  tags.filter(
    (tag) =>
      typeof tag === 'string' || (!UNKNOWN_TAGS.includes(tag.tag) && !('format' in tag && tag.format === 'TIME')),
  )

/** The file as the installer reads it: YAML 1.1, and the first document alone. Lines are found whatever a key's case. */
export function readInstallerYaml(file: string, text: string): YamlFile {
  const lines = new LineCounter()
  const options: ParseOptions = { lineCounter: lines, uniqueKeys: true }
  const documents = parseAllDocuments(text, { ...options, version: '1.1', customTags: installerTags })
  const [first = parseDocument('', options)] = Array.isArray(documents) ? documents : []
  return readDocument(file, first, lines)
}

function readDocument(file: string, document: Document, lines: LineCounter): YamlFile {
  const problems = document.errors.map((error) => ({
    file,
    line: lines.linePos(error.pos[0]).line,
    path: '',
    // The rest of the message is text from the file. It may be a secret in the wrong place.
    detail: error.message.split(/\n|: "/)[0] ?? 'is not YAML',
  }))
  const lineOf = (path: PropertyKey[]) => lineIn(document, lines, path)
  if (problems.length > 0) return { value: undefined, problems, lineOf }
  try {
    return { value: document.toJS({ maxAliasCount: 100 }), problems, lineOf }
  } catch {
    return {
      value: undefined,
      problems: [{ file, line: 1, path: '', detail: 'has aliases that cannot be resolved' }],
      lineOf,
    }
  }
}

/** @param what names the thing in "is not a key of …". */
export function parseYamlAs<T>(
  file: string,
  text: string,
  schema: z.ZodType<T>,
  what: string,
): { value?: T; problems: Problem[]; lineOf: YamlFile['lineOf'] } {
  const { value, problems, lineOf } = readYaml(file, text)
  if (problems.length > 0) return { problems, lineOf }
  const parsed = schema.safeParse(value)
  if (parsed.success) return { value: parsed.data, problems: [], lineOf }
  return {
    lineOf,
    problems: parsed.error.issues.flatMap((issue) =>
      (issue.code === 'unrecognized_keys' ? issue.keys : [undefined]).map((key) => {
        const path = [...issue.path, ...(key === undefined ? [] : [key])]
        const detail = key === undefined ? plain(issue) : `"${key}" is not a key of ${what} here`
        return { file, line: lineOf(path), path: pointerOf(path), detail }
      }),
    ),
  }
}

export const pointerOf = (path: PropertyKey[]): string =>
  path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

function plain(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.join(', ')}`
  if (issue.code !== 'invalid_type' || !issue.message.startsWith('Invalid input')) return issue.message
  return issue.message.endsWith('undefined')
    ? 'is missing'
    : `must be ${issue.expected === 'int' ? 'a whole number' : `of type ${issue.expected}`}`
}

function lineIn(document: Document, lines: LineCounter, path: PropertyKey[]): number {
  let node: unknown = document.contents
  let offset = 0
  for (const step of path) {
    if (isMap(node)) {
      const { items } = node
      const name = String(step).toLowerCase()
      const pair =
        items.find((item) => String(item.key) === String(step)) ??
        items.find((item) => String(item.key).toLowerCase() === name)
      if (!pair) break
      offset = rangeStart(pair.key) ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      offset = rangeStart(node) ?? offset
    } else break
  }
  return lines.linePos(offset).line
}

function rangeStart(node: unknown): number | undefined {
  return node !== null && typeof node === 'object' && 'range' in node && Array.isArray(node.range)
    ? Number(node.range[0])
    : undefined
}
