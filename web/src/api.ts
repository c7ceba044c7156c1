// The one way to the API. Every refusal becomes a Problem, with the words that the API said.
import createClient from 'openapi-fetch'
import type { components, paths } from './openapi'

export type Schemas = components['schemas']
export type Cluster = Schemas['Cluster']
export type ClusterDetail = Schemas['ClusterDetail']
export type Job = Schemas['Job']
export type Outlook = Schemas['Outlook']
export type Attempt = NonNullable<Schemas['Attempt']>
/** The document calls an attempt nullable wherever it is named, since it is so in one place. */
export type JobDetail = Omit<Schemas['JobDetail'], 'attempts'> & { attempts: Attempt[] }
export type Profile = Schemas['Profile']
export type FieldError = Schemas['FieldError']

export const api = createClient<paths>({ baseUrl: location.origin, cache: 'no-store' })

export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly errors: FieldError[]

  constructor(status: number, code: string, detail: string, errors: FieldError[] = []) {
    super(detail)
    this.status = status
    this.code = code
    this.errors = errors
  }
}

/** The data of an answer. Throws Problem. */
export async function take<T>(
  asked: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<Exclude<T, undefined>> {
  const { data, error, response } = await asked.catch(() => {
    throw new Problem(0, 'OFFLINE', 'The service does not answer just now.')
  })
  if (!response.ok) throw problemIn(error, response.status)
  return data as Exclude<T, undefined> // an answer without a body is asked for with no type
}

export function problemIn(body: unknown, status: number): Problem {
  const told = (typeof body === 'object' && body !== null ? body : {}) as Partial<Schemas['Problem']>
  const detail = told.detail ?? `The service answered ${status}.`
  return new Problem(status, told.code ?? 'UNKNOWN', detail, told.errors)
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A new key for a new wish. The same wish sent again has the same key. */
export const newKey = (): string => crypto.randomUUID()
export const keyed = (key: string = newKey()) => ({ 'idempotency-key': key })
