// Requests to the API. A request that may be sent twice is sent again when the network or the server fails for a moment.
import { setTimeout } from 'node:timers/promises'
import { Failure, failureOf, type Problem } from './failure.ts'
import { ask, type Answer } from './http.ts'
import type { Session } from './session.ts'

export type Query = Record<string, string | string[] | undefined>
export type Request = {
  query?: Query
  body?: unknown
  /** Sent as Idempotency-Key, the same at each retry. */
  key?: string | undefined
  headers?: Record<string, string>
  signal?: AbortSignal
  /** How often it is sent at most. */
  tries?: number
}
export type Api = {
  url: string
  /** Throws Failure for every answer that is no success. */
  send: (method: string, path: string, request?: Request) => Promise<Answer>
  // oxlint-disable-next-line typescript/no-explicit-any -- the JSON of whatever operation is called
  json: (method: string, path: string, request?: Request) => Promise<any>
}

const TRIES = 4
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000
const RETRIED = [429, 502, 503, 504]

export function openApi(session: Session): Api {
  async function send(method: string, path: string, request: Request = {}): Promise<Answer> {
    const { key, tries = TRIES } = request
    const isSafe = method !== 'PATCH' && (method !== 'POST' || key !== undefined)
    let renewed = false
    for (let attempt = 1; ; attempt++) {
      const answer = await sendOnce(session, method, path, request).catch((error: unknown) =>
        unreachable(session.url, error, request.signal),
      )
      if (!(answer instanceof Failure) && answer.ok) return answer
      if (!(answer instanceof Failure) && answer.status === 401 && !renewed && (await session.renew())) {
        renewed = true
        answer.body.resume()
        continue
      }
      const failure =
        answer instanceof Failure ? answer : failureOf(answer.status, await problemIn(answer, `${session.url}${path}`))
      failure.key = key
      const again =
        answer instanceof Failure ? isSafe || refusedToConnect(answer.cause) : isSafe && RETRIED.includes(answer.status)
      if (!again || attempt >= tries || request.signal?.aborted === true) throw failure
      const asked = answer instanceof Failure ? 0 : Number(answer.headers['retry-after']) * 1000 || 0
      await setTimeout(Math.min(LONGEST_PAUSE_MS, Math.max(asked, FIRST_PAUSE_MS * 2 ** (attempt - 1))))
    }
  }
  return {
    url: session.url,
    send,
    async json(method, path, request) {
      const answer = await send(method, path, request)
      const text = await answer.text()
      return text === '' ? undefined : parsed(text, session.url)
    },
  }
}

async function sendOnce(
  session: Session,
  method: string,
  path: string,
  { query = {}, body, key, headers = {}, signal }: Request,
): Promise<Answer> {
  const url = new URL(`${session.url}${path}`)
  for (const [name, value] of Object.entries(query))
    for (const each of [value ?? []].flat()) url.searchParams.append(name, each)
  const token = await session.token()
  return ask(url, {
    method,
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${token}`,
      'user-agent': `ocpctl/${OCPCTL_VERSION}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal,
  })
}

function unreachable(url: string, error: unknown, signal: AbortSignal | undefined): Failure {
  if (error instanceof Failure) throw error
  if (signal?.aborted === true) throw error
  const failure = new Failure('unreachable', `${url} cannot be reached: ${reasonOf(error)}`)
  failure.cause = error
  return failure
}

/** The message of fetch itself says nothing. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (error instanceof Error && error.cause !== undefined) return reasonOf(error.cause)
  return error instanceof Error ? error.message : String(error)
}

function refusedToConnect(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ('code' in cause && (cause.code === 'ECONNREFUSED' || cause.code === 'ENOTFOUND')) return true
  return false
}

async function problemIn(answer: Answer, url: string): Promise<Problem> {
  const text = await answer.text().catch(() => '')
  if (answer.headers['content-type']?.includes('json') === true) {
    const problem: unknown = parsed(text, url)
    if (typeof problem === 'object' && problem !== null && 'detail' in problem) return problem as Problem // as the API sends it
  }
  return {
    code: 'NOT_A_PROBLEM',
    status: answer.status,
    detail: `${url} answers ${answer.status}: is this an ocpctl server?`,
  }
}

function parsed(text: string, url: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Failure('failed', `${url} does not answer with JSON: is this an ocpctl server?`)
  }
}

export const v1 = '/api/v1'
