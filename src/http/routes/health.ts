import { createRoute, z } from '@hono/zod-openapi'
import { platforms } from '../../vocabulary.ts'
import { json, router } from '../router.ts'

const state = z
  .object({
    ready: z.boolean(),
    failing: z.array(z.object({ part: z.string(), detail: z.string() })),
    degraded: z.array(z.object({ part: z.string(), detail: z.string() })).openapi({
      description: 'What is wrong and does not hinder the service.',
    }),
    clouds: z.array(z.enum(platforms)).openapi({
      description: 'The clouds that some living worker has found credentials for. Nobody has tried them.',
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
      security: [],
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
      security: [],
      responses: { 200: json(state, 'Ready'), 503: json(state, 'Not ready; the failing parts are named') },
    }),
    async (c) => {
      const readiness = await c.var.readiness()
      return c.json(readiness, readiness.ready ? 200 : 503)
    },
  )
