import { z } from '@hono/zod-openapi'
import { toPage } from '../../db/page.ts'
import { MOST_CLUSTERS, previewOperation, requestOperation, type OperationRequest } from '../../operations/commands.ts'
import { listItems, listOperations, operationFor } from '../../operations/queries.ts'
import type { ItemRow, OperationRow } from '../../operations/tables.ts'
import {
  clusterStatuses,
  itemOutcomes,
  operationEffects,
  operationStatuses,
  operationVerbs,
  platforms,
} from '../../vocabulary.ts'
import { once } from '../once.ts'
import {
  idempotencyHeaderUnlessDry,
  idParam,
  json,
  operationsOf,
  pageOf,
  pageQuery,
  repeatedQuery,
  router,
} from '../router.ts'
import { time } from './shapes.ts'

const operation = operationsOf('operations')
const id = idParam('ops')
/** A body has room for no more. */
const MOST_IDS = 1000

const filter = z
  .strictObject({
    status: z.array(z.enum(clusterStatuses)).max(clusterStatuses.length).optional(),
    team: z.string().max(128).optional(),
    owner: z.string().max(300).optional(),
    platform: z.enum(platforms).optional(),
    profile: z.string().max(63).optional(),
    region: z.string().max(64).optional(),
    q: z.string().max(63).optional().openapi({ description: 'part of the name' }),
  })
  .refine((fields) => Object.values(fields).some((value) => value !== undefined), {
    error: 'says nothing: name at least one of status, team, owner, platform, profile, region and q',
  })
  .openapi({
    minProperties: 1,
    description: `As GET /clusters has it, but without status it is of all that are not destroyed. At most ${MOST_CLUSTERS} clusters may match.`,
  })

const request = z
  .strictObject({
    verb: z.enum(operationVerbs).openapi({
      description: 'destroy; extend; retry: the newest job of each, where it failed; cancel: the job that each is at.',
    }),
    ids: z.array(z.string().max(64)).min(1).max(MOST_IDS).optional(),
    filter: filter.optional(),
    hours: z.number().min(0.25).max(8760).optional().openapi({ description: 'For extend: counted from now.' }),
    expected: z.int().min(0).max(MOST_CLUSTERS).optional().openapi({
      description: 'How many clusters you were shown. When another number matches by now, nothing is done.',
    }),
  })
  .superRefine(({ verb, ids, filter: fields, hours }, context) => {
    const wrong = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if ((ids === undefined) === (fields === undefined)) wrong('ids', 'give either ids or filter')
    if ((verb === 'extend') !== (hours !== undefined))
      wrong('hours', verb === 'extend' ? 'is needed to extend' : `is not for ${verb}`)
  })

const shown = z
  .object({
    id: z.string(),
    verb: z.enum(operationVerbs),
    hours: z.number().nullable(),
    filter: z.record(z.string(), z.unknown()).nullable().openapi({ description: 'null: the clusters were named.' }),
    requestedBy: z.string(),
    status: z.enum(operationStatuses),
    total: z.int(),
    pending: z.int(),
    done: z.int(),
    refused: z.int(),
    failed: z.int(),
    createdAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
  })
  .openapi('Operation')

function showOperation(row: OperationRow): z.infer<typeof shown> {
  const { verb, hours, filter: fields, requestedBy, total, done, refused, failed, startedAt, endedAt } = row
  return {
    id: row.id,
    verb,
    hours,
    filter: fields,
    requestedBy,
    status: endedAt ? 'ENDED' : startedAt ? 'RUNNING' : 'PENDING',
    total,
    pending: total - done - refused - failed,
    done,
    refused,
    failed,
    createdAt: row.createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    endedAt: endedAt?.toISOString() ?? null,
  }
}

const item = z
  .object({
    clusterId: z.string(),
    name: z.string(),
    outcome: z.enum(itemOutcomes),
    effect: z.enum(operationEffects).nullable(),
    code: z.string().nullable(),
    detail: z.string().nullable(),
    jobId: z.string().nullable(),
    endedAt: time.nullable(),
  })
  .openapi('OperationItem')

const showItem = ({ clusterId, name, outcome, effect, code, detail, jobId, endedAt }: ItemRow & { name: string }) => ({
  clusterId,
  name,
  outcome,
  effect,
  code,
  detail,
  jobId,
  endedAt: endedAt?.toISOString() ?? null,
})

const sample = z.object({ clusterId: z.string(), name: z.string() })
const preview = z
  .object({
    verb: z.enum(operationVerbs),
    matched: z.int(),
    allowed: z.int(),
    effects: z.array(z.object({ effect: z.enum(operationEffects), count: z.int(), samples: z.array(sample) })),
    refusals: z.array(
      z.object({ code: z.string(), count: z.int(), samples: z.array(sample.extend({ detail: z.string() })) }),
    ),
    usdPerHour: z.number().openapi({ description: 'What those that are acted upon cost together.' }),
    usdAdded: z.number().openapi({ description: 'By moved ends; negative when they are earlier.' }),
  })
  .openapi('OperationPreview')

export const operationRoutes = router()
  .openapi(
    operation({
      method: 'post',
      path: '/operations',
      operationId: 'createOperation',
      summary: 'Do one thing to many clusters, or with dryRun=true learn what it would come to',
      request: {
        query: z.object({ dryRun: z.enum(['true', 'false']).optional() }),
        headers: idempotencyHeaderUnlessDry,
        body: { required: true, content: { 'application/json': { schema: request } } },
      },
      responses: {
        202: json(shown, 'Accepted; the clusters are those that match now, and it goes on by itself', {
          '/id': ['getOperation', 'listOperationItems'],
        }),
        200: json(preview, 'The preview of a dry run'),
      },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by, credential } = c.var
      const asked: OperationRequest = c.req.valid('json')
      if (c.req.valid('query').dryRun === 'true') return c.json(await previewOperation(app, by, asked), 200)
      const credentials = [by.tokenId, typeof credential === 'object' ? credential.id : undefined]
      const body = await once(c, { operation: 'POST /operations', body: asked, status: 202 }, async (tx) =>
        showOperation(
          await requestOperation(
            app,
            tx,
            by,
            asked,
            credentials.filter((each) => each !== undefined),
          ),
        ),
      )
      c.header('Location', `/api/v1/operations/${body.id}`)
      return c.json(body, 202)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/operations',
      operationId: 'listOperations',
      summary: 'The operations that you asked for, newest first; for those who see all clusters, of everybody',
      request: { query: z.object(pageQuery) },
      responses: { 200: json(pageOf(shown), 'A page of operations') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor } = c.req.valid('query')
      return c.json(toPage(await listOperations(app.db, by, { limit, cursor }), limit, showOperation), 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/operations/{id}',
      operationId: 'getOperation',
      summary: 'How far an operation is',
      request: { params: id },
      responses: { 200: json(shown, 'The operation') },
    }),
    async (c) => {
      const { app, by } = c.var
      return c.json(showOperation(await operationFor(app.db, by, c.req.valid('param').id)), 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/operations/{id}/items',
      operationId: 'listOperationItems',
      summary: 'What became of each cluster of an operation, the newest cluster first',
      request: { params: id, query: z.object({ ...pageQuery, outcome: repeatedQuery(itemOutcomes) }) },
      responses: { 200: json(pageOf(item), 'A page of items') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor, outcome } = c.req.valid('query')
      const rows = await listItems(app.db, by, c.req.valid('param').id, outcome, { limit, cursor })
      return c.json(
        toPage(
          rows.map((row) => ({ ...row, id: row.clusterId })),
          limit,
          showItem,
        ),
        200,
      )
    },
  )
