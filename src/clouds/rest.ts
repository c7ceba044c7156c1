// The one way in which clouds without an SDK of ours are asked: JSON over HTTPS, all pages, patient with limits, within a
// time. Everything but an answer becomes NotAnswered.
import { setTimeout } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import { createMasker } from '../observability/mask.ts'
import { uptimeMs } from '../uptime.ts'
import { hearNothing, NotAnswered, type Heard } from './asking.ts'

const TIMEOUT_MS = 60_000
const ANSWER_MS = 20_000
const TRIES = 5
const FIRST_PAUSE_MS = 500
const TEXT_LENGTH = 200
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost'])
/** One page. More would be more memory than a worker has for it. */
const MOST_BYTES = 32 * 2 ** 20

export type RestOptions = Readonly<{
  /** The headers that say who asks. `isRefused`: the last ones were not accepted, so remembered ones are of no use. */
  authorize: (signal: AbortSignal, isRefused: boolean) => Promise<Record<string, string>>
  /**
   * In words of the cloud: its own code and message of a refusal, and the permission that it names. `code`: the code by
   * itself. `isBusy`: it is no refusal at all, since the cloud says by a code of its own that it is asked too much.
   */
  readError: (body: unknown) => {
    text?: string | undefined
    code?: string | undefined
    permission?: string | undefined
    isBusy?: boolean | undefined
  }
  /** For everything together. */
  timeoutMs?: number
}>

/** `permission`: what it takes to be told. A body makes it a POST that only reads, as queries are. */
export type RestQuestion = Readonly<{ permission: string; url: string; body?: unknown }>
type Asked = RestQuestion & { method?: 'DELETE' | 'POST' }

export type Rest = Readonly<{
  /** The JSON of the answer; undefined for 404. Throws NotAnswered. */
  find: (question: RestQuestion) => Promise<unknown>
  /**
   * Every item of every page. `next` gives the question of the next page; it leads to where the first one did. A page
   * without a list is no answer. Throws NotAnswered.
   */
  list: <Item>(
    question: RestQuestion,
    listOf: (page: unknown) => Item[] | undefined,
    next: (page: unknown) => RestQuestion | undefined,
  ) => Promise<Item[]>
  /** Deletes what is at the URL. Resolves when that is accepted, or when nothing is there. Throws NotAnswered. */
  remove: (place: Pick<RestQuestion, 'permission' | 'url'>) => Promise<void>
  /**
   * Posts what changes something and may be posted twice. The answer once it is accepted, whose body may be none; undefined
   * when nothing is there. Throws NotAnswered.
   */
  order: (order: RestQuestion) => Promise<{ body: unknown } | undefined>
  /** What was answered whole. */
  heard: Heard
  close: () => void
}>

type Answer = { status: number; body: unknown; retryAfterMs: number | undefined }

export function openRest({ authorize, readError, timeoutMs = TIMEOUT_MS }: RestOptions): Rest {
  const stopping = new AbortController()
  const timer = globalThis.setTimeout(() => stopping.abort(), timeoutMs)
  const endsAt = uptimeMs() + timeoutMs
  const { mask } = createMasker()
  const heard = hearNothing()

  const send = async ({ url, body, method }: Asked, isRefused: boolean): Promise<Answer> => {
    const signal = AbortSignal.any([stopping.signal, AbortSignal.timeout(ANSWER_MS)])
    const headers = { accept: 'application/json', ...(await authorize(signal, isRefused)) }
    const response = await fetch(url, {
      ...(body === undefined
        ? { headers, ...(method && { method }) }
        : { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      // The credential is for this place, and for no other.
      redirect: 'error',
      signal,
    })
    return { status: response.status, body: await readJson(response), retryAfterMs: readRetryAfter(response) }
  }

  const why = (answer: Answer | undefined, failure: unknown): string => {
    if (stopping.signal.aborted) return `no answer within ${timeoutMs / 1000} s`
    if (!answer) return mask(causeOf(failure)).slice(0, TEXT_LENGTH)
    const { text } = readError(answer.body)
    return `it answers ${answer.status}${text === undefined ? '' : `: ${mask(text).slice(0, TEXT_LENGTH)}`}`
  }

  /** undefined for 404. */
  const exchange = async (question: Asked): Promise<Answer | undefined> => {
    requireSafe(question)
    // A deletion is done when it is accepted; most services say nothing then.
    const isGood = (answer: Answer) => isWhole(answer) || (question.method !== undefined && isAccepted(answer))
    let isRefused = false
    for (let attempt = 1; ; attempt++) {
      let answer: Answer | undefined
      let failure: unknown
      try {
        answer = await send(question, isRefused)
      } catch (error) {
        // What lies behind a failed sign-in is known already.
        if (error instanceof NotAnswered) throw error
        failure = error
      }
      if (answer && isGood(answer)) return answer
      if (answer?.status === 404 || (answer?.status === 410 && question.method !== undefined)) return undefined
      const isExpired: boolean = answer?.status === 401 && !isRefused
      const pauseMs = isExpired ? 0 : (answer?.retryAfterMs ?? FIRST_PAUSE_MS * 2 ** (attempt - 1))
      const isOver = attempt === TRIES || stopping.signal.aborted || uptimeMs() + pauseMs > endsAt
      const { permission: named, isBusy = false, code } = answer ? readError(answer.body) : {}
      if (isOver || !(isExpired || isBusy || isPassing(answer))) {
        const isDenied = answer?.status === 403 && !isBusy
        throw new NotAnswered(named ?? question.permission, why(answer, failure), {
          cause: failure,
          isDenied,
          code: answer && `${answer.status} ${code ?? ''}`,
        })
      }
      isRefused ||= isExpired
      await setTimeout(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined)
    }
  }

  return {
    heard,
    async find(question) {
      const answer = await exchange(question)
      heard.checked.add(question.permission)
      return answer?.body
    },
    async remove(place) {
      await exchange({ ...place, method: 'DELETE' })
    },
    order: (order) => exchange({ ...order, method: 'POST' }),
    async list<Item>(
      question: RestQuestion,
      listOf: (page: unknown) => Item[] | undefined,
      next: (page: unknown) => RestQuestion | undefined,
    ) {
      const { permission } = question
      const { origin } = new URL(question.url)
      const items: Item[] = []
      const seen = new Set<string>()
      for (let asked: RestQuestion | undefined = question; asked;) {
        const place = JSON.stringify([asked.url, asked.body])
        if (new URL(asked.url).origin !== origin) throw new NotAnswered(permission, `its next page is not at ${origin}`)
        if (seen.has(place)) throw new NotAnswered(permission, 'its pages have no end')
        seen.add(place)
        const page = (await exchange(asked))?.body
        const list = listOf(page)
        if (!list) throw new NotAnswered(permission, 'the answer has no list')
        items.push(...list)
        asked = next(page)
      }
      heard.checked.add(permission)
      return items
    },
    close() {
      clearTimeout(timer)
      stopping.abort()
    },
  }
}

const isAccepted = ({ status }: Answer) => status >= 200 && status < 300
const isWhole = (answer: Answer) => isAccepted(answer) && answer.body !== undefined

/** An answer that is no JSON has been cut, or comes from something between. */
const isPassing = (answer: Answer | undefined) =>
  !answer || [408, 429].includes(answer.status) || answer.status >= 500 || (answer.status < 300 && !isWhole(answer))

function requireSafe({ url, permission }: RestQuestion): void {
  if (!isSafeUrl(url)) throw new NotAnswered(permission, `${url} is not https`)
}

/** A credential goes only there where nobody can read along. */
export function isSafeUrl(url: string): boolean {
  if (!URL.canParse(url)) return false
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.has(hostname))
}

/** undefined: it is none. Throws when it is cut off or too long. */
async function readJson(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MOST_BYTES) throw new Error(`the answer has more than ${MOST_BYTES / 2 ** 20} MiB`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    return undefined
  }
}

/** RFC 9110: seconds, or a time. */
function readRetryAfter({ headers }: Response): number | undefined {
  const text = headers.get('retry-after')
  if (text === null) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined
  return cause ? `${messageOf(error)}: ${'code' in cause ? String(cause.code) : cause.message}` : messageOf(error)
}
