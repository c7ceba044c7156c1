import { z } from '@hono/zod-openapi'
import { abandonCluster, findLeftovers } from '../../clusters/abandon.ts'
import { destroyCluster } from '../../clusters/commands.ts'
import { planDestroy } from '../../clusters/destroy-plan.ts'
import { once } from '../once.ts'
import { idempotencyHeader, idempotencyHeaderUnlessDry, idParam, json, operationsOf, router } from '../router.ts'
import { clusterSchema, ofJob, resourceSchema, showCluster, showJob, submitted, time } from './shapes.ts'

const operation = operationsOf('clusters')
const id = idParam('clu')
/** Blanks at the ends do not count. */
const AT_LEAST_TEN = '^\\s*\\S[^\\x00]{8,}\\S\\s*$'

const counts = z.record(z.string(), z.int())
const destroyPlanSchema = z
  .object({
    outcome: z.enum(['destroy-begins', 'destroy-under-way']),
    takenAt: time,
    total: z.int(),
    types: counts,
    resources: z.array(resourceSchema).openapi({ description: 'The first 500 of what will go.' }),
    usdPerHour: z.number().openapi({ description: 'An estimate by list prices, of what has a known price.' }),
    notChecked: z
      .array(z.object({ kind: z.string(), why: z.string(), isOptional: z.literal(true).optional() }))
      .openapi({ description: 'What the cloud did not tell. There may be more of these.' }),
    notOurs: z.object({ stoodBefore: z.array(z.string()), holders: z.array(resourceSchema) }).openapi({
      description: 'What stays. Holders are in the networks of the cluster itself and hold the destroy up.',
    }),
    knownToStay: z.array(z.object({ types: z.array(z.string()), why: z.string() })).openapi({
      description: 'What the installer is known to leave on this cloud.',
    }),
    residue: z.enum(['show', 'remove']).openapi({ description: 'What this process is set to do with that.' }),
  })
  .openapi('DestroyPlan')

export const destroyRoutes = router()
  .openapi(
    operation({
      method: 'post',
      path: '/clusters/{id}/destroy',
      operationId: 'destroyCluster',
      summary:
        'Destroy a cluster, also while it is being created; or with dryRun=true learn what would go and what stays',
      request: {
        params: id,
        query: z.object({ dryRun: z.enum(['true', 'false']).optional() }),
        headers: idempotencyHeaderUnlessDry,
      },
      responses: {
        202: json(submitted, 'Accepted; the destroy is queued', { '/job/id': ofJob }),
        200: json(destroyPlanSchema, 'The plan of a dry run, as the cloud tells it just now'),
      },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const clusterId = c.req.valid('param').id
      if (c.req.valid('query').dryRun === 'true') {
        const plan = await planDestroy(app, by, clusterId)
        return c.json({ ...plan, takenAt: plan.takenAt.toISOString() }, 200)
      }
      const request = { operation: `POST /clusters/${clusterId}/destroy`, body: null, status: 202 }
      const body = await once(c, request, async (tx) => {
        const { cluster, job } = await destroyCluster(app, tx, by, clusterId)
        return { cluster: showCluster(cluster), job: showJob(job) }
      })
      return c.json(body, 202)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/clusters/{id}/abandon',
      operationId: 'abandonCluster',
      summary: 'Give up a destroy that cannot end; keeps a record of what it leaves, for ever',
      request: {
        params: id,
        headers: idempotencyHeader,
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z.strictObject({
                reason: z.string().max(2000).trim().min(10).openapi({ pattern: AT_LEAST_TEN }),
              }),
            },
          },
        },
      },
      responses: { 200: json(clusterSchema, 'The cluster, given up') },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: clusterId } = c.req.valid('param')
      const asked = c.req.valid('json')
      const leftovers = await findLeftovers(app, by, clusterId)
      const request = { operation: `POST /clusters/${clusterId}/abandon`, body: asked, status: 200 }
      const body = await once(c, request, async (tx) =>
        showCluster(await abandonCluster(tx, by, clusterId, asked.reason, leftovers)),
      )
      return c.json(body, 200)
    },
  )
