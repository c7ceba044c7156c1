// What every router shares: the variables of a request, the validation hook (a child router does not inherit its
// parent's), and the error shape of RFC 9457.
import { createRoute, OpenAPIHono, z, type RouteConfig } from '@hono/zod-openapi'
import type { Context, TypedResponse } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { CURSOR } from '../db/page.ts'
import { AppError, type ErrorCode, type FieldError } from '../errors.ts'
import type { Env } from './env.ts'
import { fieldErrorsOf, MOST_ERRORS } from './issues.ts'

export function router(): OpenAPIHono<Env> {
  return new OpenAPIHono<Env>({
    defaultHook: (result, context) => {
      if (result.success) return undefined
      return problem(
        context,
        new AppError('BAD_INPUT', `${placeOf(result.target)} not as it must be`, fieldErrorsOf(result.error)),
      )
    },
  })
}

export const fieldErrorSchema = z
  .object({
    pointer: z.string(),
    detail: z.string(),
    allowed: z
      .union([
        z.array(z.union([z.string(), z.number()])),
        z.object({ min: z.number().optional(), max: z.number().optional() }),
      ])
      .optional(),
    nearest: z.union([z.string(), z.number()]).optional(),
  })
  .openapi('FieldError')

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    requestId: z.string(),
    errors: z.array(fieldErrorSchema).optional(),
  })
  .openapi('Problem')

const problemContent = { 'application/problem+json': { schema: problemSchema } }

/** The error answers of an operation, for its description. */
export function problems(...statuses: number[]) {
  const always = [400, 401, 403, 404, 429, 500]
  return Object.fromEntries(
    [...new Set([...always, ...statuses])]
      .sort((a, b) => a - b)
      .map((status) => [status, { description: titles[status] ?? 'Error', content: problemContent }]),
  )
}

export const titles: Record<number, string> = {
  400: 'Bad request',
  401: 'Not authenticated',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  408: 'Request timeout',
  409: 'Conflict',
  413: 'Too large',
  415: 'Not JSON',
  422: 'Not acceptable',
  429: 'Too many requests; Retry-After says in how many seconds to ask again',
  431: 'Headers too large',
  500: 'Internal error',
  503: 'Unavailable',
}

export function problem(context: Context<Env>, error: AppError): Response {
  return problemAnswer(context, { status: error.status, code: error.code, detail: error.message, errors: error.errors })
}

type Problem = { status: number; code: ErrorCode | 'INTERNAL'; detail: string; errors?: FieldError[] | undefined }

export function problemAnswer(context: Context<Env>, told: Problem): Response {
  return context.body(problemText(told, context.get('requestId') ?? ''), told.status as ContentfulStatusCode, {
    'content-type': 'application/problem+json',
  })
}

export function problemText({ status, code, detail, errors }: Problem, requestId: string): string {
  return JSON.stringify({
    ...(errors ? { errors: errors.slice(0, MOST_ERRORS) } : {}),
    type: `urn:ocpctl:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: titles[status] ?? 'Error',
    status,
    detail,
    code,
    requestId,
  })
}

const placeOf = (target: string) =>
  ({ json: 'the body is', param: 'the path is', query: 'the query is', header: 'the headers are' })[target] ??
  `the ${target} is`

export const idParam = (prefix: string) =>
  z.object({
    id: z
      .string()
      .max(64)
      .openapi({ example: `${prefix}_01k0000000e0000000000000000` }),
  })

/** A whole number in a query, written only in digits. Coercion would also take '', ' 5', 0x10 and 1e2. */
const whole = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/, { error: `must be a whole number from ${minimum} to ${maximum}` })
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum, { error: `must be from ${minimum} to ${maximum}` })

export const optionalWholeQuery = (minimum: number, maximum: number) =>
  whole(minimum, maximum).optional().openapi({ type: 'integer', minimum, maximum })

export const wholeQuery = (minimum: number, maximum: number, fallback: number) =>
  whole(minimum, maximum).default(fallback).openapi({ type: 'integer', minimum, maximum, default: fallback })

/** A parameter that may be repeated. One that is given once is a list of one. */
export const repeatedQuery = <const T extends readonly [string, ...string[]]>(values: T) =>
  z
    .preprocess((given) => (given === undefined ? given : [given].flat()), z.array(z.enum(values)).optional())
    .openapi({ param: { required: false } })

export const pageQuery = {
  limit: wholeQuery(1, 200, 50),
  cursor: z.string().regex(CURSOR, { error: 'pass nextCursor of the previous page unchanged' }).optional(),
}

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() })

/** `leadsTo`: which operations take the id that stands at this place of the answer. */
export const json = <T extends z.ZodType>(schema: T, description: string, leadsTo: Record<string, string[]> = {}) => {
  const links = Object.entries(leadsTo).flatMap(([place, operationIds]) =>
    operationIds.map((operationId) => {
      const link = { operationId, parameters: { id: `$response.body#${place}` } }
      return [operationId, link] as const
    }),
  )
  const answer = { description, content: { 'application/json': { schema } } }
  return links.length === 0 ? answer : { ...answer, links: Object.fromEntries(links) }
}

const keyed = (description: string, { required = false, pattern = '' }) =>
  z.object({
    // Whether it is there is looked at with the key itself.
    'idempotency-key': z
      .string()
      .optional()
      .openapi({ type: 'string', ...(pattern && { pattern }), param: { required }, description }),
  })
const pattern = '^[\\x21-\\x7e]{1,255}$'
const SAME_ANSWER = 'The same key and body within 24 hours give the same answer.'
export const idempotencyHeader = keyed(SAME_ANSWER, { required: true, pattern })
export const optionalIdempotencyHeader = keyed(SAME_ANSWER, { pattern })
/** A dry run does not look at it. */
export const idempotencyHeaderUnlessDry = keyed(`Required unless dryRun=true. ${SAME_ANSWER}`, {})

/** Nothing is done, and the answer says what it would come to. */
export const dryRunQuery = z.object({ dryRun: z.enum(['true', 'false']).optional() })

/** Describes operations for signed-in callers. `fails`: the errors that one may answer with beside those of any. */
export const operationsOf =
  (tag: string) =>
  <R extends RouteConfig & { fails?: number[] }>({ fails = [], ...route }: R) =>
    createRoute<R['path'], R>({
      ...route,
      tags: [tag],
      security: route.security ?? [{ bearer: [] }],
      responses: { ...route.responses, ...problems(...fails) },
    } as unknown as R) // what it lacks is not asked for, and what it adds is thrown

/** An answer whose JSON is written already. The writer is responsible for its shape. */
export const jsonText = <T>(c: Context<Env>, text: string) =>
  c.body(text, 200, { 'content-type': 'application/json' }) as unknown as Response & TypedResponse<T, 200, 'json'>
