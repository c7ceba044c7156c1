import { z } from '@hono/zod-openapi'
import { happeningKinds, listTimeline } from '../../clusters/timeline.ts'
import { toPage } from '../../db/page.ts'
import { clusterStatuses } from '../../vocabulary.ts'
import { idParam, json, operationsOf, pageOf, pageQuery, router } from '../router.ts'
import { time } from './shapes.ts'

const happening = z
  .object({
    id: z.string(),
    at: time,
    kind: z.enum(happeningKinds),
    says: z.string(),
    by: z.string().nullable().openapi({ description: 'null: the service by itself.' }),
    isFailure: z.boolean(),
    jobId: z.string().nullable(),
    attempt: z.int().nullable(),
    status: z
      .enum(clusterStatuses)
      .nullable()
      .openapi({ description: 'The state that it came to, of a change of state.' }),
  })
  .openapi('Happening')

export const timelineRoutes = router().openapi(
  operationsOf('clusters')({
    method: 'get',
    path: '/clusters/{id}/timeline',
    operationId: 'listTimeline',
    summary: 'What happened to a cluster: its states, jobs, attempts and warnings, and who did what; newest first',
    request: { params: idParam('clu'), query: z.object(pageQuery) },
    responses: { 200: json(pageOf(happening), 'A page of it') },
  }),
  async (c) => {
    const { app, by } = c.var
    const { limit, cursor } = c.req.valid('query')
    const rows = await listTimeline(app.db, by, c.req.valid('param').id, { limit, cursor })
    return c.json(
      toPage(rows, limit, ({ at, ...rest }) => ({ ...rest, at: at.toISOString() })),
      200,
    )
  },
)
