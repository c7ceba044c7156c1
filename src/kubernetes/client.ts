// Speaks to the API of a cluster: JSON over HTTPS, as the holder of a client certificate. Whoever answers is known by the
// cluster's own authority. A request has a deadline, and is repeated where the API says that it may be.
import { setTimeout } from 'node:timers/promises'
import { Agent, buildConnector, request } from 'undici'
import { ApiNotReached, ApiRefused } from './refusals.ts'
import { messageOf } from '../errors.ts'
import { OWN_AGENT, type Access } from './kubeconfig.ts'

const CONNECT_MS = 10_000
const ANSWER_MS = 30_000
const TRIES = 4
const FIRST_PAUSE_MS = 500
/** An API that wants to be left alone for longer does not answer. */
const LONGEST_PAUSE_MS = 30_000
const PAGE_ITEMS = 500
const LIST_TRIES = 3
const CONNECTIONS = 8
/** One page. Whoever owns the cluster may have changed its API, and a worker has no more memory for it. */
const MOST_BYTES = 32 * 2 ** 20
const MOST_PAGES = 200
const TEXT_LENGTH = 300

export type DeleteOptions = {
  /** Only the object that has been seen is deleted, and not one that has its name by now. */
  uid: string
  resourceVersion?: string
  gracePeriodSeconds?: number
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
}

/** `merge`: RFC 7386. `json`: RFC 6902. `apply`: server-side, makes what is not there. */
export type PatchForm = 'merge' | 'json' | 'apply'

/** A path begins with /api or /apis. All throw ApiNotReached and ApiRefused. */
export type Kubernetes = Readonly<{
  /** undefined: there is no such object. */
  get: (path: string) => Promise<unknown>
  /** All pages. `read` keeps of each object what is needed. undefined: the API has no such kind. */
  list: <Item>(
    path: string,
    read: (object: unknown) => Item,
    query?: Record<string, string>,
  ) => Promise<Item[] | undefined>
  /** False: the object that was seen is not there any more. True does not mean that it has gone: it may have finalizers. */
  delete: (path: string, options: DeleteOptions) => Promise<boolean>
  /** undefined: there is no such object. */
  patch: (path: string, patch: unknown, form: PatchForm, query?: Record<string, string>) => Promise<unknown>
  close: () => Promise<void>
}>

/** `at`: where it answers, when that is not where its name leads. */
export type ClientOptions = { stop: AbortSignal; at?: { host: string; port: number } | undefined }

type Asked = { method: 'GET' | 'DELETE' | 'PATCH'; path: string; body?: unknown; contentType?: string }
type Answer = { status: number; body: unknown; retryAfterMs: number | undefined }

const contentTypes: Record<PatchForm, string> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
}

/** Asks nothing yet. Throws ApiNotReached when the client certificate has ended. */
export function openKubernetes(
  { origin, host, ca, cert, key, until }: Access,
  { stop, at }: ClientOptions,
): Kubernetes {
  if (until.getTime() < Date.now()) throw new ApiNotReached(`the client certificate ended at ${until.toISOString()}`)
  // Said once more, since a variable of the environment changes what is so by itself.
  const connect = buildConnector({ ca, cert, key, rejectUnauthorized: true, timeout: CONNECT_MS })
  const agent = new Agent({
    connections: CONNECTIONS,
    connect: (options, done) =>
      connect({ ...options, servername: host, ...(at ? { hostname: at.host, port: String(at.port) } : {}) }, done),
  })

  const send = async ({ method, path, body, contentType = 'application/json' }: Asked): Promise<Answer> => {
    const {
      statusCode,
      headers,
      body: stream,
    } = await request(`${origin}${path}`, {
      dispatcher: agent,
      method,
      headers: {
        accept: 'application/json',
        'user-agent': OWN_AGENT,
        ...(body === undefined ? {} : { 'content-type': contentType }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([stop, AbortSignal.timeout(ANSWER_MS)]),
    })
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of stream) {
      const bytes = chunk as Buffer // no encoding is set
      size += bytes.length
      if (size > MOST_BYTES) throw new Error(`the answer has more than ${MOST_BYTES / 2 ** 20} MiB`)
      chunks.push(bytes)
    }
    return { status: statusCode, body: jsonOf(chunks), retryAfterMs: readRetryAfter(headers['retry-after']) }
  }

  /** Every question may be asked again: what it asks for is then there already. */
  const ask = async (asked: Asked): Promise<unknown> => {
    for (let attempt = 1; ; attempt++) {
      let answer: Answer | undefined
      let failure: unknown
      try {
        answer = await send(asked)
      } catch (error) {
        failure = error
      }
      if (answer && answer.status < 300 && answer.body !== undefined) return answer.body
      const pauseMs = answer?.retryAfterMs ?? FIRST_PAUSE_MS * 2 ** (attempt - 1)
      const isPassing = answer ? isPassingAnswer(answer) : isCutOff(failure)
      if (!isPassing || attempt === TRIES || pauseMs > LONGEST_PAUSE_MS || stop.aborted) {
        if (answer) throw refusalOf(answer)
        throw new ApiNotReached(stop.aborted ? 'the time is over' : causeOf(failure), { cause: failure })
      }
      await setTimeout(pauseMs, undefined, { signal: stop }).catch(() => undefined)
    }
  }
  const find = (asked: Asked) =>
    ask(asked).catch((error: unknown) => {
      if (error instanceof ApiRefused && error.status === 404) return undefined
      throw error
    })

  async function readPages<Item>(path: string, read: (object: unknown) => Item, query: Record<string, string>) {
    const items: Item[] = []
    let token = ''
    for (let pages = 1; pages <= MOST_PAGES; pages++) {
      const page = await find({
        method: 'GET',
        path: withQuery(path, { limit: String(PAGE_ITEMS), ...query, ...(token === '' ? {} : { continue: token }) }),
      })
      if (page === undefined) return undefined
      const { items: here, next } = readPage(page)
      for (const each of here) items.push(read(each))
      if (next === '') return items
      token = next
    }
    throw new ApiNotReached(`its list has more than ${MOST_PAGES} pages`)
  }

  return {
    get: (path) => find({ method: 'GET', path }),
    async list(path, read, query = {}) {
      for (let attempt = 1; ; attempt++)
        try {
          return await readPages(path, read, query)
        } catch (error) {
          // The list has become too old between two of its pages.
          if (!(error instanceof ApiRefused) || error.status !== 410 || attempt === LIST_TRIES) throw error
        }
    },
    async delete(path, { uid, resourceVersion, ...options }) {
      const preconditions = { uid, ...(resourceVersion === undefined ? {} : { resourceVersion }) }
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', preconditions, ...options }
      try {
        return (await find({ method: 'DELETE', path, body })) !== undefined
      } catch (error) {
        if (error instanceof ApiRefused && error.status === 409 && resourceVersion === undefined) return false
        throw error
      }
    },
    patch: (path, patch, form, query = {}) =>
      find({ method: 'PATCH', path: withQuery(path, query), body: patch, contentType: contentTypes[form] }),
    close: () => agent.destroy(),
  }
}

function withQuery(path: string, query: Record<string, string>): string {
  const text = new URLSearchParams(query).toString()
  return text === '' ? path : `${path}?${text}`
}

function jsonOf(chunks: Buffer[]): unknown {
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}

/** Go writes an empty list as null at times. */
function readPage(page: unknown): { items: unknown[]; next: string } {
  const { items, metadata } = page as { items?: unknown; metadata?: { continue?: unknown } | null } // no more is believed
  if (items !== null && !Array.isArray(items)) throw new ApiNotReached('its answer has no list')
  const next = metadata?.continue
  return { items: items ?? [], next: typeof next === 'string' ? next : '' }
}

/** An answer that is no JSON comes from something between. */
const isPassingAnswer = ({ status, body }: Answer) =>
  status === 429 || status >= 500 || (status < 300 && body === undefined)

/** A connection that was there has ended, as when the API is started anew. One that never came about is not tried again. */
const isCutOff = (failure: unknown) => ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(codeOf(failure) ?? '')

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

function causeOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${ANSWER_MS / 1000} s`
  return codeOf(error) ?? messageOf(error).slice(0, TEXT_LENGTH)
}

/** A refusal is a Status object. */
function refusalOf({ status, body }: Answer): ApiRefused {
  const said = typeof body === 'object' && body !== null ? body : {}
  const word = 'reason' in said && typeof said.reason === 'string' ? said.reason : undefined
  const text = 'message' in said && typeof said.message === 'string' ? said.message : ''
  return new ApiRefused(status, word, text.slice(0, TEXT_LENGTH))
}

/** The API gives seconds. */
function readRetryAfter(value: string | string[] | undefined): number | undefined {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) * 1000 : undefined
}
