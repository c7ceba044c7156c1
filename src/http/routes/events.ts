import type { ServerResponse } from 'node:http'
import { z } from '@hono/zod-openapi'
import { nameOf } from '../../auth/principal.ts'
import { AppError } from '../../errors.ts'
import { idPattern } from '../../ids.ts'
import { type Place, placeOf } from '../../notices/stream.ts'
import { changeTypes, noticeTypes } from '../../vocabulary.ts'
import { isRead, openOutlet } from '../endless.ts'
import type { Env } from '../env.ts'
import { type EventFilter, viewOf } from '../event-view.ts'
import { operationsOf, repeatedQuery, router } from '../router.ts'

const operation = operationsOf('events')

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
    if (isRead(c)) {
      const close = limits.openStream(nameOf(by))
      const filter = { team, cluster, types: type }
      const behind = resumed === undefined ? undefined : placeOf(resumed)
      c.set('endless', (outgoing) => tell(outgoing, { app, events, by, renew, filter, behind, close }))
    }
    return c.body(null, 200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
  },
)

type Telling = Pick<Env['Variables'], 'app' | 'events' | 'by' | 'renew'> & {
  filter: EventFilter
  behind: Place | undefined
  close: () => void
}

function tell(outgoing: ServerResponse, { app, events, by, renew, filter, behind, close }: Telling): void {
  let view = viewOf(by, filter)
  let unfollow = () => undefined as void
  let isOver = false
  const { write, ready, end, breakOff } = openOutlet(outgoing, () => {
    isOver = true
    clearInterval(timer)
    for (const stop of stopHearing) stop()
    unfollow()
    close()
  })
  const refuse = (error: unknown) => {
    if (!(error instanceof AppError) || isOver) return
    const data = JSON.stringify({ code: error.code, detail: error.message })
    write(Buffer.from(`event: refused\ndata: ${data}\n\n`))
    end()
  }
  // The caller is renewed, because a stream outlives roles and credentials.
  const look = () => void renew().then((now) => (view = viewOf(now, filter)), refuse)
  const stopHearing = [app.events.on('access', 'all', look), app.events.onGap(look)]
  const timer = setInterval(look, RENEW_MS)
  const begin = async () => {
    unfollow = await events.follow({ view: () => view, write, ready }, behind)
    if (isOver) unfollow()
  }
  void begin().catch(breakOff)
}
