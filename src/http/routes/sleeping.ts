import { z } from '@hono/zod-openapi'
import { words } from '../../clusters/request.ts'
import { hibernateCluster, resumeCluster } from '../../clusters/sleep.ts'
import { once } from '../once.ts'
import { idempotencyHeader, idParam, json, operationsOf, router } from '../router.ts'
import { ofJob, showCluster, showJob, submitted } from './shapes.ts'

const operation = operationsOf('clusters')
const params = idParam('clu')

export const sleepingRoutes = router()
  .openapi(
    operation({
      method: 'post',
      path: '/clusters/{id}/hibernate',
      operationId: 'hibernateCluster',
      summary: 'Let a cluster sleep: its machines are stopped, and only its disks and addresses cost',
      request: {
        params,
        headers: idempotencyHeader,
        body: { content: { 'application/json': { schema: z.strictObject({ reason: words(500).optional() }) } } },
      },
      responses: { 202: json(submitted, 'Accepted; it is HIBERNATED when all machines have stopped', { '/job/id': ofJob }) }, // prettier-ignore
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      const { reason } = c.req.valid('json') ?? {}
      const request = { operation: `POST /clusters/${id}/hibernate`, body: { reason }, status: 202 }
      const body = await once(c, request, async (tx) => {
        const { cluster, job } = await hibernateCluster(app, tx, by, id, reason)
        return { cluster: showCluster(cluster), job: showJob(job) }
      })
      return c.json(body, 202)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/clusters/{id}/resume',
      operationId: 'resumeCluster',
      summary: 'Wake a cluster; it is READY when its nodes are ready and its operators have settled',
      request: {
        params,
        headers: idempotencyHeader,
        body: { content: { 'application/json': { schema: z.strictObject({ replaceWorkers: z.boolean().optional().openapi({ description: 'Workers for which the cloud has had no room for ten minutes are made anew in another zone, without what was on their disks.' }) }) } } }, // prettier-ignore
      },
      responses: { 202: json(submitted, 'Accepted; the job tells when the cluster can be used', { '/job/id': ofJob }) },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      const { replaceWorkers = false } = c.req.valid('json') ?? {}
      const request = {
        operation: `POST /clusters/${id}/resume`,
        body: replaceWorkers ? { replaceWorkers } : null,
        status: 202,
      }
      const body = await once(c, request, async (tx) => {
        const { cluster, job } = await resumeCluster(app, tx, by, id, replaceWorkers)
        return { cluster: showCluster(cluster), job: showJob(job) }
      })
      return c.json(body, 202)
    },
  )
