import { z } from '@hono/zod-openapi'
import { words } from '../../clusters/request.ts'
import { extendCluster, protectCluster, unprotectCluster, type WantedEnd } from '../../clusters/end.ts'
import { once } from '../once.ts'
import { idempotencyHeader, idParam, json, operationsOf, router } from '../router.ts'
import { clusterSchema, instant, showCluster, time } from './shapes.ts'

const operation = operationsOf('clusters')
const id = idParam('clu')

const wantedEnd = z
  .strictObject({
    hours: z.number().min(0.25).max(8760).optional().openapi({ description: 'Counted from now.' }),
    until: instant.optional().openapi({ description: 'A time with any offset.' }),
  })
  .refine(({ hours, until }) => (hours === undefined) !== (until === undefined), {
    error: 'takes either hours or until',
  })
  .openapi({ minProperties: 1, maxProperties: 1 })
const extension = z
  .object({
    cluster: clusterSchema,
    latest: time.openapi({ description: 'The latest end that the cluster could have been given.' }),
    rule: z
      .enum(['maximum', 'relativeMaximum'])
      .openapi({ description: 'What bounds it: the time from the request, or the time from now.' }),
    usdAdded: z.number().openapi({ description: 'Negative when the cluster ends earlier than before.' }),
    usdLeft: z
      .object({ team: z.number().nullable(), profile: z.number().nullable() })
      .openapi({ description: 'What may still be spent in this month; null: no limit.' }),
  })
  .openapi('Extension')

export const endRoutes = router()
  .openapi(
    operation({
      method: 'post',
      path: '/clusters/{id}/extend',
      operationId: 'extendCluster',
      summary: 'Move the end of a cluster, to a later or an earlier time',
      request: {
        params: id,
        headers: idempotencyHeader,
        body: { required: true, content: { 'application/json': { schema: wantedEnd } } },
      },
      responses: { 200: json(extension, 'The cluster with its new end') },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: clusterId } = c.req.valid('param')
      const { hours, until } = c.req.valid('json')
      const wanted: WantedEnd = until === undefined ? { hours: hours ?? 0 } : { until: new Date(until) }
      const request = { operation: `POST /clusters/${clusterId}/extend`, body: { hours, until }, status: 200 }
      const body = await once(c, request, async (tx) => {
        const { cluster, ceiling, usdAdded, usdLeft } = await extendCluster(app, tx, by, clusterId, wanted)
        const { at, rule } = ceiling
        return { cluster: showCluster(cluster), latest: at.toISOString(), rule, usdAdded, usdLeft }
      })
      return c.json(body, 200)
    },
  )
  .openapi(
    operation({
      method: 'put',
      path: '/clusters/{id}/protection',
      operationId: 'protectCluster',
      summary: 'Protect a cluster: until then nobody and nothing destroys it, and it can be renewed',
      request: {
        params: id,
        body: {
          required: true,
          content: { 'application/json': { schema: z.strictObject({ reason: words(500), until: instant }) } },
        },
      },
      responses: { 200: json(clusterSchema, 'The cluster, protected') },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: clusterId } = c.req.valid('param')
      const { reason, until } = c.req.valid('json')
      const wanted = { reason, until: new Date(until) }
      const row = await app.db.transaction((tx) => protectCluster(tx, by, clusterId, wanted))
      return c.json(showCluster(row), 200)
    },
  )
  .openapi(
    operation({
      method: 'delete',
      path: '/clusters/{id}/protection',
      operationId: 'unprotectCluster',
      summary: 'Take the protection away; a cluster past its end lives on for half an hour, as destroyAt says',
      request: { params: id },
      responses: { 200: json(clusterSchema, 'The cluster, whose destroyAt is at least half an hour ahead') },
      fails: [409],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: clusterId } = c.req.valid('param')
      const row = await app.db.transaction((tx) => unprotectCluster(tx, by, clusterId))
      return c.json(showCluster(row), 200)
    },
  )
