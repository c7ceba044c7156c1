import { createRoute, z } from '@hono/zod-openapi'
import { platforms } from '../../vocabulary.ts'
import { json, problems, router } from '../router.ts'

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
      request: {
        query: z.object({
          for: z.enum(['requests']).optional().openapi({
            description:
              'Whether requests can be answered at all: without the artifact store no cluster is made, but all else goes on.',
          }),
        }),
      },
      responses: {
        200: json(state, 'Ready'),
        503: json(state, 'Not ready; the failing parts are named'),
        ...problems(400),
      },
    }),
    async (c) => {
      const readiness = await c.var.readiness()
      const counts = ({ part }: { part: string }) => c.req.valid('query').for === undefined || part !== 'artifacts'
      const ready = !readiness.failing.some(counts)
      return c.json({ ...readiness, ready }, ready ? 200 : 503)
    },
  )
