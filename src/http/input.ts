// Finds what is wrong with a request before its meaning matters: encodings, malformed JSON, undeclared names. The
// OpenAPI document is the rule. What is not in it is refused, since a mistyped filter that is ignored would return
// everything.
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { printParseErrorCode, visit } from 'jsonc-parser'
import { AppError, type FieldError } from '../errors.ts'
import type { Env } from './env.ts'
import { MOST_ERRORS, nearestTo, pointerTo } from './issues.ts'

type Document = ReturnType<OpenAPIHono<Env>['getOpenAPI31Document']>
type Operation = { query: Map<string, { isRepeatable: boolean }>; body: 'required' | 'optional' | 'none' | 'not JSON' }
export type Operations = Readonly<{
  /** The operation that will answer, and its path as declared. undefined: no operation will. */
  find: (c: Context<Env>) => (Operation & { path: string }) | undefined
  /** The methods that the path of a request has. */
  methodsOf: (path: string) => string[]
}>

const DEPTH = 32
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function readOperations(document: Document): Operations {
  const operations = new Map<string, Operation>()
  const paths: { pattern: RegExp; isWhole: boolean; methods: string[] }[] = []
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    const methods = (['get', 'put', 'post', 'delete', 'patch'] as const).filter((method) => item[method])
    for (const method of methods) {
      const query: Operation['query'] = new Map()
      for (const parameter of item[method]?.parameters ?? [])
        if ('in' in parameter && parameter.in === 'query' && parameter.name)
          query.set(parameter.name, { isRepeatable: JSON.stringify(parameter.schema).includes('"type":"array"') })
      const key = `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
      operations.set(key, { query, body: bodyKindOf(item[method]?.requestBody) })
    }
    paths.push({
      isWhole: !path.includes('{'),
      pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
      methods: methods.flatMap((method) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()])),
    })
  }
  return {
    find(c) {
      const method = c.req.method === 'HEAD' ? 'get' : c.req.method.toLowerCase()
      for (const { path } of matchedRoutes(c)) {
        const operation = operations.get(`${method} ${path}`)
        if (operation) return { ...operation, path }
      }
      return undefined
    },
    methodsOf(path) {
      const found = paths.filter(({ pattern }) => pattern.test(path))
      // A path that is declared as it is takes what it declares, and not what a path with a parameter in its place does.
      const whole = found.filter(({ isWhole }) => isWhole)
      return [...new Set((whole.length > 0 ? whole : found).flatMap(({ methods }) => methods))]
    },
  }
}

function bodyKindOf(asked: object | undefined): Operation['body'] {
  if (!asked || !('content' in asked)) return 'none'
  if (!('application/json' in (asked.content as object))) return 'not JSON'
  return 'required' in asked && asked.required === true ? 'required' : 'optional'
}

/** Throws BAD_INPUT or UNSUPPORTED_MEDIA_TYPE. */
export function checkInput(operations: Operations): MiddlewareHandler<Env> {
  return async (c, next) => {
    const operation = operations.find(c)
    const errors = [
      ...wrongInPath(pathOf(c.req.url), operation?.path),
      ...(operation ? wrongInQuery(c.req.url, operation) : []),
    ]
    if (errors.length > 0) throw new AppError('BAD_INPUT', 'the address of the request is not as it must be', errors)
    if (operation && c.req.method !== 'GET' && c.req.method !== 'HEAD') await checkBody(c, operation)
    await next()
  }
}

const pathOf = (url: string) => /^\w+:\/\/[^/]*([^?#]*)/.exec(url)?.[1] ?? ''

function wrongInPath(path: string, declared: string | undefined): FieldError[] {
  if (!path.includes('%')) return []
  const names = declared?.split('/') ?? []
  return path.split('/').flatMap((segment, index) => {
    const detail = wrongInEncoding(segment)
    return detail === undefined ? [] : [{ pointer: pointerTo([names[index]?.replace(/^:/, '') ?? index]), detail }]
  })
}

function wrongInQuery(url: string, { query }: Operation): FieldError[] {
  const start = url.indexOf('?')
  if (start === -1) return []
  const seen = new Set<string>()
  const errors: FieldError[] = []
  for (const pair of url
    .slice(start + 1)
    .replace(/#.*/, '')
    .split('&')) {
    if (pair === '') continue
    const [key = '', ...value] = pair.replaceAll('+', ' ').split('=')
    const detail = wrongInEncoding(key) ?? wrongInEncoding(value.join('='))
    const name = detail === undefined ? decodeURIComponent(key) : key
    const known = query.get(name)
    const pointer = pointerTo([name])
    if (detail !== undefined) errors.push({ pointer, detail })
    else if (!known)
      errors.push({
        pointer,
        detail: 'is not a parameter of this operation',
        allowed: [...query.keys()],
        ...nearestTo(name, [...query.keys()]),
      })
    else if (seen.has(name) && !known.isRepeatable) errors.push({ pointer, detail: 'may be given only once' })
    if (errors.length === MOST_ERRORS) break
    seen.add(name)
  }
  return errors
}

function wrongInEncoding(text: string): string | undefined {
  try {
    return decodeURIComponent(text).includes('\u0000') ? 'may not hold the null character' : undefined
  } catch {
    return 'is not percent-encoded UTF-8'
  }
}

async function checkBody(c: Context<Env>, operation: Operation): Promise<void> {
  if (operation.body === 'not JSON') return
  const bytes = await c.req.arrayBuffer().catch(() => {
    throw new AppError('BAD_INPUT', 'the body ended before it was complete')
  })
  if (bytes.byteLength === 0) {
    if (operation.body !== 'required') return
    throw new AppError('BAD_INPUT', 'the body is missing: send a JSON object', [{ pointer: '', detail: 'is missing' }])
  }
  if (
    !/^application\/json(\s*;\s*charset="?utf-?8"?)?\s*$/i.test(c.req.header('content-type') ?? '') ||
    !/^(identity)?$/i.test(c.req.header('content-encoding') ?? '')
  )
    throw new AppError(
      'UNSUPPORTED_MEDIA_TYPE',
      'send the body as plain JSON in UTF-8, with the header Content-Type: application/json',
    )
  const text = decode(bytes)
  checkJson(text)
  if (operation.body === 'none' && text.trim() !== '{}')
    throw new AppError('BAD_INPUT', 'this operation takes no body: send none, or {}', [
      { pointer: '', detail: 'is not read here' },
    ])
}

function decode(bytes: ArrayBuffer): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new AppError('BAD_INPUT', 'the body is not UTF-8', [
      { pointer: '', detail: 'holds bytes that are not UTF-8' },
    ])
  }
}

/**
 * Throws BAD_INPUT at the first thing that JSON.parse would refuse or would silently take: the last of two equal keys,
 * a key that is the prototype, text that PostgreSQL cannot store.
 */
export function checkJson(text: string): void {
  const keys: Set<string>[] = []
  let depth = 0
  const refuse = (path: PropertyKey[], detail: string) => {
    throw new AppError('BAD_INPUT', 'the body is not as it must be', [{ pointer: pointerTo(path), detail }])
  }
  const checkText = (value: string, path: () => PropertyKey[]) => {
    if (value.includes('\u0000')) refuse(path(), 'may not hold the null character')
    if (!value.isWellFormed()) refuse(path(), 'holds half of a surrogate pair')
  }
  const goDeeper = (_offset: number, _length: number, _line: number, _column: number, path: () => PropertyKey[]) => {
    if (++depth > DEPTH) refuse(path(), `is nested deeper than ${DEPTH}`)
  }
  visit(
    text,
    {
      onObjectBegin(...at) {
        goDeeper(...at)
        keys.push(new Set())
      },
      onObjectProperty(key, _offset, _length, _line, _column, path) {
        const inKey = () => [...path(), key]
        checkText(key, inKey)
        if (key === '__proto__') refuse(inKey(), '"__proto__" may not be a key')
        if (keys.at(-1)?.has(key)) refuse(inKey(), 'is there twice')
        keys.at(-1)?.add(key)
      },
      onObjectEnd() {
        depth--
        keys.pop()
      },
      onArrayBegin: goDeeper,
      onArrayEnd: () => depth--,
      onLiteralValue(value: unknown, _offset, _length, _line, _column, path) {
        if (typeof value === 'string') checkText(value, path)
      },
      onError(code, _offset, _length, line, column) {
        const what = printParseErrorCode(code)
          .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
          .toLowerCase()
        throw new AppError('BAD_INPUT', `the body is not JSON: ${what}, line ${line + 1} column ${column + 1}`, [
          { pointer: '', detail: 'is not JSON' },
        ])
      },
    },
    { disallowComments: true },
  )
  try {
    JSON.parse(text)
  } catch (error) {
    throw new AppError('BAD_INPUT', `the body is not JSON: ${error instanceof Error ? error.message : ''}`, [
      { pointer: '', detail: 'is not JSON' },
    ])
  }
}
