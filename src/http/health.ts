import { createRoute, z } from '@hono/zod-openapi'
import { sql } from 'drizzle-orm'
import { messageOf } from '../errors.ts'
import { tellProblem } from '../profiles/catalog.ts'
import { json, router } from './router.ts'

const state = z
  .object({
    ready: z.boolean(),
    failing: z.array(z.object({ part: z.string(), detail: z.string() })),
    degraded: z.array(z.object({ part: z.string(), detail: z.string() })).openapi({
      description: 'What is wrong and does not hinder the service.',
    }),
  })
  .openapi('Readiness')

export const healthRoutes = router()
  .openapi(
    createRoute({
      method: 'get',
      path: '/healthz',
      operationId: 'isAlive',
      summary: 'The process lives',
      tags: ['health'],
      responses: { 200: json(z.object({ status: z.literal('ok') }), 'It does') },
    }),
    (c) => c.json({ status: 'ok' as const }, 200),
  )
  .openapi(
    createRoute({
      method: 'get',
      path: '/readyz',
      operationId: 'isReady',
      summary: 'Database, queue and artifact store answer',
      tags: ['health'],
      responses: { 200: json(state, 'Ready'), 503: json(state, 'Not ready; the failing parts are named') },
    }),
    async (c) => {
      const { app } = c.var
      const parts: [string, () => Promise<unknown>][] = [
        ['database', () => app.db.execute(sql`select 1`)],
        ['queue', () => app.queue.depth()],
        ['artifacts', () => app.store.check()],
      ]
      const checks = await Promise.allSettled(parts.map(([, check]) => check()))
      const failing = checks.flatMap((check, index) =>
        check.status === 'rejected' ? [{ part: parts[index]?.[0] ?? '', detail: messageOf(check.reason) }] : [],
      )
      for (const { part, detail } of failing) app.log.warn({ part }, `not ready: ${detail}`)
      const degraded = app.catalog.problems().map((mistake) => ({ part: 'profiles', detail: tellProblem(mistake) }))
      return c.json({ ready: failing.length === 0, failing, degraded }, failing.length === 0 ? 200 : 503)
    },
  )
