import { z } from '@hono/zod-openapi'
import { toPage } from '../../db/page.ts'
import { findingTypes, listFindings, listLeaks, type FindingRow, type LeakRow } from '../../reconcile/findings.ts'
import { json, operationsOf, pageOf, pageQuery, router } from '../router.ts'

const operation = operationsOf('findings')

const time = z.iso.datetime()

const findingSchema = z
  .object({
    id: z.string(),
    type: z.enum(findingTypes),
    subject: z.string().openapi({ description: 'The id of what the finding is about' }),
    clusterId: z.string().nullable(),
    clusterName: z.string().nullable(),
    detail: z.string(),
    repair: z.string().nullable().openapi({ description: 'What was done about it; null: an operator must look' }),
    firstSeenAt: time,
    lastSeenAt: time,
    resolvedAt: time.nullable(),
  })
  .openapi('Finding')

function showFinding(row: FindingRow): z.infer<typeof findingSchema> {
  const { id, type, subject, clusterId, clusterName, detail, repair } = row
  return {
    id,
    type,
    subject,
    clusterId,
    clusterName,
    detail,
    repair,
    firstSeenAt: row.firstSeenAt.toISOString(),
    lastSeenAt: row.lastSeenAt.toISOString(),
    resolvedAt: row.resolvedAt?.toISOString() ?? null,
  }
}

const leakSchema = z
  .object({
    id: z.string(),
    clusterId: z.string(),
    clusterName: z.string(),
    infraIds: z.array(z.string()),
    resources: z
      .array(z.object({ id: z.string(), type: z.string(), name: z.string(), region: z.string() }))
      .nullable()
      .openapi({ description: 'What the inventory last saw; null: the cloud could not be asked' }),
    reason: z.string(),
    recordedBy: z.string(),
    createdAt: time,
  })
  .openapi('Leak')

function showLeak(row: LeakRow): z.infer<typeof leakSchema> {
  const { id, clusterId, clusterName, infraIds, resources, reason, recordedBy } = row
  return { id, clusterId, clusterName, infraIds, resources, reason, recordedBy, createdAt: row.createdAt.toISOString() }
}

export const findingRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/findings',
      operationId: 'listFindings',
      summary: 'Where database, queue, artifact store and cloud disagreed, newest first',
      request: {
        query: z.object({
          ...pageQuery,
          type: z.enum(findingTypes).optional(),
          open: z.enum(['true', 'false']).optional().openapi({ description: 'true: what is not resolved' }),
        }),
      },
      responses: { 200: json(pageOf(findingSchema), 'A page of findings') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor, type, open } = c.req.valid('query')
      const isOpen = open === undefined ? undefined : open === 'true'
      const rows = await listFindings(app.db, by, { type, isOpen }, { limit, cursor })
      return c.json(toPage(rows, limit, showFinding), 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/leaks',
      operationId: 'listLeaks',
      summary: 'What abandoned destroys left in the cloud, newest first',
      request: { query: z.object(pageQuery) },
      responses: { 200: json(pageOf(leakSchema), 'A page of leaks') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor } = c.req.valid('query')
      return c.json(toPage(await listLeaks(app.db, by, { limit, cursor }), limit, showLeak), 200)
    },
  )
