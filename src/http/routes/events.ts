import { z } from '@hono/zod-openapi'
import { type Caller, nameOf } from '../../auth/principal.ts'
import { AppError } from '../../errors.ts'
import { idPattern } from '../../ids.ts'
import { placeOf } from '../../notices/stream.ts'
import { changeTypes, noticeTypes } from '../../vocabulary.ts'
import { operationsOf, repeatedQuery, router } from '../router.ts'

const operation = operationsOf('events')

/** A reader that is further behind is cut off. */
const UNREAD_BYTES = 256 * 1024
/** Of what a change of roles or tokens does not tell: that a credential has run out. */
const RENEW_MS = 30_000
const types = [...noticeTypes.filter((type) => type !== 'webhook.test'), ...changeTypes]
const nouns = new Set(types.map((type) => type.split('.')[0] ?? ''))
const [first = '', ...others] = [...nouns, ...types]

export const eventRoutes = router().openapi(
  operation({
    method: 'get',
    path: '/events/stream',
    operationId: 'streamEvents',
    summary: 'What happens, of what you may see, as server-sent events; resumes from Last-Event-ID',
    request: {
      query: z.object({
        team: z.string().max(63).optional(),
        cluster: z.string().regex(idPattern('clu')).optional(),
        type: repeatedQuery([first, ...others]).openapi({
          description: 'A noun such as `job`, or one type such as `cluster.ready`; several of them may be given.',
        }),
      }),
      headers: z.object({
        // What is no place is answered with `reset`: a browser cannot choose what it sends.
        'last-event-id': z.string().max(64).optional(),
      }),
    },
    responses: {
      200: {
        description:
          'First "open", or "reset" when what lies behind Last-Event-ID is not known any more and must be read anew. Then an event of its type for each change, with the cluster or the job as it is now; "refused" with code and detail when you may no longer follow',
        content: { 'text/event-stream': { schema: z.unknown() } },
      },
    },
  }),
  async (c) => {
    const { by, renew, limits, events, app } = c.var
    const { team, cluster, type } = c.req.valid('query')
    const resumed = c.req.valid('header')['last-event-id']
    const headers = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }
    // Nobody reads or ends the body of an answer to HEAD.
    if (c.req.method === 'HEAD') return c.body(null, 200, headers)
    const filter = { team, cluster, types: type }
    const close = limits.openStream(nameOf(by))
    let caller: Caller = by
    let unfollow = () => undefined as void
    let isOver = false
    const { body, write, ready, finish, fail } = openBody(UNREAD_BYTES, () => end())
    const end = () => {
      if (isOver) return
      isOver = true
      clearInterval(timer)
      for (const stop of stopHearing) stop()
      unfollow()
      close()
    }
    // The caller is renewed, because a stream outlives roles and credentials.
    const look = () => void renew().then((now) => (caller = now), refuse)
    const refuse = (error: unknown) => {
      if (!(error instanceof AppError) || isOver) return
      const data = JSON.stringify({ code: error.code, detail: error.message })
      write(Buffer.from(`event: refused\ndata: ${data}\n\n`))
      finish()
    }
    const stopHearing = [app.events.on('access', 'all', look), app.events.onGap(look)]
    const timer = setInterval(look, RENEW_MS)
    const behind = resumed === undefined ? undefined : placeOf(resumed)
    // The body is handed over first: what is behind it is read while it is taken.
    const begin = async () => {
      unfollow = await events.follow({ by: () => caller, filter, write, ready }, behind)
      if (isOver) unfollow()
    }
    void begin().catch(fail)
    return c.body(body, 200, headers)
  },
)

/** The body of an answer that goes on. `ended` is called once it has ended, whoever ended it. */
function openBody(unreadBytes: number, ended: () => void) {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let isOpen = true
  let pulled = Promise.withResolvers<void>()
  const end = () => {
    isOpen = false
    pulled.resolve()
    ended()
  }
  const body = new ReadableStream<Uint8Array>(
    {
      start: (its) => {
        controller = its
      },
      pull: () => pulled.resolve(),
      cancel: end,
    },
    { highWaterMark: unreadBytes, size: (bytes) => bytes?.length ?? 0 },
  )
  const isFull = () => (controller?.desiredSize ?? 0) <= 0
  return {
    body,
    write: (bytes: Uint8Array): boolean => {
      if (!isOpen) return false
      if (isFull()) {
        end()
        controller?.error(new Error('the reader does not read'))
        return false
      }
      if (bytes.length > 0) controller?.enqueue(bytes)
      return true
    },
    ready: async (): Promise<boolean> => {
      if (isFull()) await (pulled = Promise.withResolvers()).promise
      return isOpen
    },
    finish: () => {
      if (!isOpen) return
      end()
      controller?.close()
    },
    /** Breaks the answer off, so that the reader comes back. */
    fail: (error: unknown) => {
      if (!isOpen) return
      end()
      controller?.error(error)
    },
  }
}
