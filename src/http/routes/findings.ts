import { z } from '@hono/zod-openapi'
import { toPage } from '../../db/page.ts'
import { words } from '../../clusters/request.ts'
import type { Transaction } from '../../db/client.ts'
import {
  acceptFinding,
  findingTypes,
  listFindings,
  listLeaks,
  resolveFinding,
  type FindingRow,
  type LeakRow,
} from '../../reconcile/findings.ts'
import { onceUnlessDry } from '../once.ts'
import {
  dryRunQuery,
  idempotencyHeaderUnlessDry,
  idParam,
  json,
  operationsOf,
  pageOf,
  pageQuery,
  router,
} from '../router.ts'
import { bill, billOf, resourceSchema } from './resource-shapes.ts'
import { time } from './shapes.ts'

const operation = operationsOf('findings')

const text = z.string().nullable()
/** Who has to do with it; null: nobody is known. */
const ofCluster = { clusterName: text, team: text, owner: text, requestedBy: text }
const resources = z.array(resourceSchema).nullable()

const findingSchema = z
  .object({
    id: z.string(),
    type: z.enum(findingTypes),
    subject: z.string().openapi({ description: 'The id of what the finding is about' }),
    clusterId: text,
    ...ofCluster,
    detail: z.string(),
    repair: z.string().nullable().openapi({ description: 'What was done about it; null: an operator must look' }),
    resources: resources.openapi({ description: 'The first of those that it is about; null: nothing in the cloud.' }),
    ...bill,
    firstSeenAt: time,
    lastSeenAt: time,
    resolvedAt: time.nullable(),
    resolvedBy: z.string().nullable().openapi({ description: 'null: it was seen no more' }),
    resolvedReason: z.string().nullable(),
    acceptedAt: time.nullable().openapi({
      description: 'Since when somebody lives with it: it is neither repaired nor told of until its detail changes',
    }),
    acceptedBy: z.string().nullable(),
    acceptedReason: z.string().nullable(),
  })
  .openapi('Finding')

const request = z.strictObject({ reason: words(500) })

function showFinding(row: FindingRow): z.infer<typeof findingSchema> {
  const { id, type, subject, clusterId, detail, repair, resources: there, of } = row
  return {
    id,
    type,
    subject,
    clusterId,
    ...(of ?? { clusterName: null, team: null, owner: null, requestedBy: null }),
    detail,
    repair,
    resources: there,
    ...billOf(there, row.firstSeenAt, row.resolvedAt ?? new Date()),
    firstSeenAt: row.firstSeenAt.toISOString(),
    lastSeenAt: row.lastSeenAt.toISOString(),
    resolvedAt: row.resolvedAt?.toISOString() ?? null,
    resolvedBy: row.resolvedBy,
    resolvedReason: row.resolvedReason,
    acceptedAt: row.acceptedAt?.toISOString() ?? null,
    acceptedBy: row.acceptedBy,
    acceptedReason: row.acceptedReason,
  }
}

const leakSchema = z
  .object({
    id: z.string(),
    clusterId: z.string(),
    clusterName: z.string(),
    team: z.string(),
    owner: z.string(),
    requestedBy: z.string(),
    infraIds: z.array(z.string()),
    resources: resources.openapi({
      description: 'What the inventory last saw; null: the cloud could not be asked',
    }),
    ...bill,
    reason: z.string(),
    recordedBy: z.string(),
    createdAt: time,
  })
  .openapi('Leak')

function showLeak(row: LeakRow): z.infer<typeof leakSchema> {
  const { id, clusterId, infraIds, resources: left, reason, recordedBy, createdAt, of } = row
  const cost = billOf(left, createdAt, new Date())
  const at = { createdAt: createdAt.toISOString() }
  return { id, clusterId, ...of, infraIds, resources: left, ...cost, reason, recordedBy, ...at }
}

const changing = {
  params: idParam('fnd'),
  query: dryRunQuery,
  headers: idempotencyHeaderUnlessDry,
  body: { required: true, content: { 'application/json': { schema: request } } },
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
          accepted: z.enum(['true', 'false']).optional().openapi({ description: 'true: what somebody lives with' }),
        }),
      },
      responses: { 200: json(pageOf(findingSchema), 'A page of findings') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor, type, open, accepted } = c.req.valid('query')
      const isOpen = open === undefined ? undefined : open === 'true'
      const isAccepted = accepted === undefined ? undefined : accepted === 'true'
      const rows = await listFindings(app.db, by, { type, isOpen, isAccepted }, { limit, cursor })
      return c.json(toPage(rows, limit, showFinding), 200)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/findings/{id}/resolve',
      operationId: 'resolveFinding',
      summary: 'Say that a finding is dealt with; what is seen again all the same is a new finding',
      request: changing,
      responses: { 200: json(findingSchema, 'The finding, or with dryRun=true what it would be') },
      fails: [409, 422],
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const { reason } = c.req.valid('json')
      const resolve = async (tx: Transaction) => showFinding(await resolveFinding(tx, c.var.by, id, reason))
      const asked = { operation: `POST /findings/${id}/resolve`, body: { reason }, status: 200 }
      return c.json(await onceUnlessDry(c, c.req.valid('query').dryRun, asked, resolve), 200)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/findings/{id}/accept',
      operationId: 'acceptFinding',
      summary: 'Live with a finding as it is: it is neither repaired nor told of until it changes',
      request: changing,
      responses: { 200: json(findingSchema, 'The finding, or with dryRun=true what it would be') },
      fails: [409, 422],
    }),
    async (c) => {
      const { id } = c.req.valid('param')
      const { reason } = c.req.valid('json')
      const accept = async (tx: Transaction) => showFinding(await acceptFinding(tx, c.var.by, id, reason))
      const asked = { operation: `POST /findings/${id}/accept`, body: { reason }, status: 200 }
      return c.json(await onceUnlessDry(c, c.req.valid('query').dryRun, asked, accept), 200)
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
