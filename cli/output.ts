// What goes to stdout: the API's objects as they are for programs, tables for people. All else goes to stderr.
import { styleText } from 'node:util'
import { columnsOf, titleOf } from './columns.ts'
import { Failure, printable } from './failure.ts'
import { shownTime, since } from './times.ts'
import { loadYaml } from './unpack.ts'

export const forms = ['table', 'wide', 'json', 'jsonl', 'yaml', 'csv', 'name'] as const
export type Form = (typeof forms)[number]
export type Item = Record<string, unknown>
export type Page = { items: Item[]; nextCursor: string | null }

export const isForPeople = (form: Form) => form === 'table' || form === 'wide'

export const print = (text: string) => void process.stdout.write(text)
/** For people, beside the data. */
export const say = (text: string) => void process.stderr.write(`${text}\n`)

/** Writes a list as its pages come, as far as the form allows. */
export async function printList(
  form: Form,
  shape: string,
  properties: string[],
  pages: AsyncIterable<Page>,
): Promise<void> {
  if (form === 'json') return printJsonList(pages)
  if (form === 'csv') print(csvLine(properties))
  const all: Item[] = []
  for await (const { items } of pages)
    for (const item of items)
      if (form === 'jsonl') print(`${JSON.stringify(item)}\n`)
      else if (form === 'csv') print(csvLine(properties.map((name) => item[name])))
      else if (form === 'name') print(`${nameOf(item)}\n`)
      else all.push(item)
  if (form === 'yaml') print(await toYaml({ items: all, nextCursor: null }))
  else if (isForPeople(form)) print(table(all, columnsOf(shape, properties, form === 'wide')))
}

async function printJsonList(pages: AsyncIterable<Page>): Promise<void> {
  let count = 0
  let cursor: string | null = null
  print('{"items":[')
  for await (const { items, nextCursor } of pages) {
    for (const item of items) print(`${count++ === 0 ? '' : ','}\n${JSON.stringify(item)}`)
    cursor = nextCursor
  }
  print(`${count === 0 ? '' : '\n'}],"nextCursor":${JSON.stringify(cursor)}}\n`)
}

/** `people`: what they are shown instead. `shape`: the schema of its items. */
export async function printObject(
  form: Form,
  value: unknown,
  { people = value, shape = '' }: { people?: unknown; shape?: string } = {},
): Promise<void> {
  const items = listIn(value)
  if (form === 'json') print(`${JSON.stringify(value, null, 2)}\n`)
  else if (form === 'jsonl') print((items ?? [value]).map((item) => `${JSON.stringify(item)}\n`).join(''))
  else if (form === 'yaml') print(await toYaml(value))
  else if (form === 'name') print((items ?? [value]).map((item) => `${nameOf(item)}\n`).join(''))
  else if (form === 'csv') {
    const rows = (items ?? [value]) as Item[] // an object, or a list of them
    const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
    print([names, ...rows.map((row) => names.map((name) => row[name]))].map(csvLine).join(''))
  } else print(describePage(people, form === 'wide', shape))
}

/** What stands beside a list, and the list as a table. */
function describePage(value: unknown, isWide: boolean, shape: string): string {
  const items = listIn(value) as Item[] | undefined // objects, as the API has them
  if (items === undefined || Array.isArray(value)) return describe(value)
  const { items: _, nextCursor: __, ...beside } = value as Item // it has items
  const properties = Object.keys(Object.assign({}, ...items))
  const rest = describe(beside)
  return `${rest}${rest === '' ? '' : '\n'}${table(items, columnsOf(shape, properties, isWide))}`
}

const listIn = (value: unknown): unknown[] | undefined => {
  if (Array.isArray(value)) return value
  const items = (value as { items?: unknown } | null)?.items
  return Array.isArray(items) ? items : undefined
}

function nameOf(value: unknown): string {
  const { id, name, cluster, job, principal } = value as Record<string, unknown> // whatever the API answered
  if (typeof id === 'string') return id
  if (typeof name === 'string') return name
  const inner = cluster ?? job ?? principal
  if (inner === undefined) throw new Failure('usage', 'this has no name to show: take -o json')
  return nameOf(inner)
}

async function toYaml(value: unknown): Promise<string> {
  const { stringify } = await loadYaml()
  return stringify(value, { lineWidth: 0 })
}

function csvLine(values: unknown[]): string {
  const quoted = values.map((value) => {
    const text = value === null || value === undefined ? '' : plain(value)
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  })
  return `${quoted.join(',')}\n`
}

export type Column = { title: string; of: (item: Item) => unknown; kind?: 'time' | 'status' | 'usd' | undefined }

export function table(items: Item[], columns: Column[]): string {
  const rows = items.map((item) => columns.map(({ of, kind }) => cell(of(item), kind)))
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  )
  const line = (cells: string[], paint: (text: string, index: number) => string) =>
    `${cells
      .map((text, index) => paint(index === cells.length - 1 ? text : text.padEnd(widths[index] ?? 0), index))
      .join('  ')
      .trimEnd()}\n`
  return [
    line(
      columns.map(({ title }) => title),
      (text) => colour('bold', text),
    ),
    ...rows.map((row) => line(row, (text, index) => (columns[index]?.kind === 'status' ? paintStatus(text) : text))),
  ].join('')
}

/** As it is, or as JSON. */
const plain = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function cell(value: unknown, kind?: Column['kind']): string {
  if (value === null || value === undefined || value === '') return '-'
  if (kind === 'time' && typeof value === 'string') return since(value)
  if (kind === 'usd' && typeof value === 'number') return value.toFixed(2)
  if (Array.isArray(value)) return value.map((each) => cell(each)).join(', ') || '-'
  return printable(plain(value)).replaceAll('\n', ' ')
}

/** A name and a value on each line; what is within another is indented. */
export function describe(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return `${indent}${text(value, indent)}\n`
  if (Array.isArray(value))
    return value.map((each) => `${indent}- ${describe(each, `${indent}  `).trimStart()}`).join('')
  const entries = Object.entries(value).filter(([, each]) => each !== null && each !== undefined)
  const width = Math.max(0, ...entries.map(([name]) => titleOf(name).length))
  return entries
    .map(([name, each]) => {
      const title = titleOf(name)
      if (typeof each !== 'object') return `${indent}${title.padEnd(width)}  ${paintIf(name, text(each, indent))}\n`
      const flat =
        Array.isArray(each) && each.every((one) => typeof one !== 'object')
          ? each.map((one) => text(one, indent)).join(', ') || '-'
          : undefined
      if (flat !== undefined) return `${indent}${title.padEnd(width)}  ${flat}\n`
      const within = describe(each, `${indent}  `)
      return within === '' ? `${indent}${title.padEnd(width)}  -\n` : `${indent}${title}\n${within}`
    })
    .join('')
}

const paintIf = (name: string, value: string) => (name === 'status' ? paintStatus(value) : value)

function text(value: unknown, indent: string): string {
  const shown = typeof value === 'string' ? (shownTime(value) ?? printable(value)) : String(value)
  return shown.includes('\n') ? `\n${shown.trimEnd().replaceAll(/^/gm, `${indent}  `)}` : shown
}

const statusColours = [
  ['green', /^(READY|SUCCEEDED|DELIVERED)/],
  ['red', /FAILED/],
  ['dim', /^(DESTROYED|CANCELLED|SKIPPED)/],
  ['yellow', /./],
] as const

const paintStatus = (status: string) =>
  colour(statusColours.find(([, pattern]) => pattern.test(status))?.[0] ?? 'bold', status)

/** Node knows NO_COLOR, and what a stream can show. */
export const colour = (
  format: 'bold' | 'dim' | 'green' | 'red' | 'yellow',
  shown: string,
  stream: NodeJS.WriteStream = process.stdout,
) => (stream.isTTY ? styleText(format, shown, { stream }) : shown)
