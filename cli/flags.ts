// The fields of an operation as arguments and options, and what was given as its request.
import { readFileSync } from 'node:fs'
import { Option, type Command as Commander } from 'commander'
import type { Query } from './api.ts'
import { flagOf, type Command } from './commands.ts'
import { Failure } from './failure.ts'
import type { Field, Operation } from './operation.ts'
import { readTime } from './times.ts'
import { loadYaml } from './unpack.ts'

export type Given = { path: Record<string, string>; query: Query; body: Record<string, unknown> | undefined }

/** Lists have flags of their own for them. */
const PAGING = ['limit', 'cursor']
/** Times that lie ahead. All others have been. */
const AHEAD = ['until']

export const placesOf = (operation: Operation, command: Command): Field[] => {
  const names = command.places ?? operation.fields.filter((field) => field.in === 'path').map(({ name }) => name)
  return names.flatMap((name) => operation.fields.filter((field) => field.name === name))
}

export function flagsOf(operation: Operation, command: Command): Field[] {
  const places = placesOf(operation, command)
  return operation.fields.filter(
    (field) =>
      !places.includes(field) &&
      field.type !== 'other' &&
      !(operation.answers === 'list' && PAGING.includes(field.name)),
  )
}

export function addFlags(to: Commander, operation: Operation, command: Command): void {
  for (const field of flagsOf(operation, command)) for (const option of optionsOf(field, command)) to.addOption(option)
  if (operation.fields.some((field) => field.in === 'body'))
    to.option('--from <file>', 'take the fields from a JSON or YAML file, - for standard input; flags win')
}

function optionsOf(field: Field, command: Command): Option[] {
  const flag = flagOf(field.name)
  const description = field.description ?? ''
  if (command.stdin?.includes(field.name))
    return [new Option(`--${flag}-stdin`, `read it from standard input, since it may be a secret. ${description}`)]
  if (field.type === 'boolean') {
    const yes = new Option(`--${flag}`, description)
    return field.in === 'body' ? [yes, new Option(`--no-${flag}`).hideHelp()] : [yes]
  }
  const value = {
    string: 'text',
    number: 'number',
    time: 'time',
    strings: 'text',
    map: 'key=value',
    boolean: '',
    other: '',
  }[field.type]
  const option = new Option(`--${flag} <${value}>`, describe(field))
  if (field.type === 'strings' || field.type === 'map')
    return [option.argParser((each: string, all: string[] | undefined) => [...(all ?? []), each])]
  if (field.choices) option.argChoices = field.choices // told by completion and help; the API is who refuses
  return [option]
}

function describe({ type, choices, keys, description = '' }: Field): string {
  const more = {
    strings: 'may be repeated, or have commas',
    map: keys ? `any of ${keys.join(', ')}; may be repeated` : 'may be repeated',
    time: 'a time, or a span such as 2d',
  }[type as string]
  return [description, choices?.join(', '), more].filter((each) => each !== undefined && each !== '').join('; ')
}

/** Throws Failure for what cannot be read. The API judges the rest. */
export async function readGiven(
  operation: Operation,
  command: Command,
  places: string[],
  options: Record<string, unknown>,
): Promise<Given> {
  const given: Given = { path: {}, query: {}, body: undefined }
  const hasBody = operation.fields.some((field) => field.in === 'body')
  if (hasBody && typeof options['from'] === 'string') given.body = await readBody(options['from'])
  const put = (field: Field, value: unknown) => {
    if (field.in === 'path') given.path[field.name] = String(value)
    else if (field.in === 'body') given.body = { ...given.body, [field.name]: value }
    else given.query[field.name] = Array.isArray(value) ? value.map(String) : String(value)
  }
  for (const [index, field] of placesOf(operation, command).entries()) {
    const value = places[index]
    if (value !== undefined) put(field, value)
  }
  for (const field of flagsOf(operation, command)) {
    const isStdin = command.stdin?.includes(field.name) === true
    const value = options[camelOf(isStdin ? `${flagOf(field.name)}-stdin` : flagOf(field.name))]
    if (value !== undefined) put(field, isStdin ? readFileSync(0, 'utf8').trim() : valueOf(field, value))
  }
  if (hasBody) given.body ??= {}
  return given
}

/** As commander names an option. */
const camelOf = (flag: string) => flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())

function valueOf(field: Field, value: unknown): unknown {
  const flag = `--${flagOf(field.name)}`
  if (field.type === 'boolean') return field.in === 'query' ? String(value) : value
  if (field.type === 'number') {
    const number = Number(value)
    if (!Number.isFinite(number) || String(value).trim() === '')
      throw new Failure('usage', `${flag} takes a number, not "${String(value)}"`)
    return field.in === 'query' ? String(value) : number
  }
  if (field.type === 'time') return readTime(String(value), AHEAD.includes(field.name) ? 'ahead' : 'back')
  if (field.type === 'strings') return (value as string[]).flatMap((each) => each.split(',')) // collected by argParser
  if (field.type === 'map') {
    const map: Record<string, unknown> = {}
    for (const each of value as string[]) {
      const [, key, text] = /^([^=]+)=(.*)$/s.exec(each) ?? []
      if (key === undefined || text === undefined) throw new Failure('usage', `${flag} takes key=value, not "${each}"`)
      map[key] = field.lists?.includes(key) ? [...((map[key] as string[]) ?? []), ...text.split(',')] : text
    }
    return map
  }
  return value
}

async function readBody(file: string): Promise<Record<string, unknown>> {
  const text = (() => {
    try {
      return readFileSync(file === '-' ? 0 : file, 'utf8')
    } catch (error) {
      throw new Failure('usage', `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    }
  })()
  const { parse } = await loadYaml()
  let value: unknown
  try {
    value = parse(text)
  } catch {
    throw new Failure('usage', `${file} is neither JSON nor YAML`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Failure('usage', `${file} must hold the fields of a request, as in "name: demo"`)
  return value as Record<string, unknown> // checked here
}
