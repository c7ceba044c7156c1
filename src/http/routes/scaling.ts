import { z } from '@hono/zod-openapi'
import { lookForAutoscalers, scaleWorkers } from '../../clusters/scale.ts'
import { once } from '../once.ts'
import { idempotencyHeader, idParam, json, operationsOf, router } from '../router.ts'
import { ofJob, showCluster, showJob, submitted } from './shapes.ts'

const operation = operationsOf('clusters')

export const scalingRoutes = router().openapi(
  operation({
    method: 'post',
    path: '/clusters/{id}/scale-workers',
    operationId: 'scaleWorkers',
    summary: 'Give a cluster another number of workers, spread over its machine sets',
    request: {
      params: idParam('clu'),
      headers: idempotencyHeader,
      body: {
        required: true,
        content: { 'application/json': { schema: z.strictObject({ replicas: z.int().min(0).max(1000) }) } },
      },
    },
    responses: {
      202: json(submitted, 'Accepted. The cluster works on meanwhile, and is READY again when its nodes are', {
        '/job/id': ofJob,
      }),
    },
    fails: [409, 422],
  }),
  async (c) => {
    const { app, by } = c.var
    const clusterId = c.req.valid('param').id
    const { replicas } = c.req.valid('json')
    const autoscaled = await lookForAutoscalers(app, by, clusterId)
    const request = { operation: `POST /clusters/${clusterId}/scale-workers`, body: { replicas }, status: 202 }
    const body = await once(c, request, async (tx) => {
      const { cluster, job } = await scaleWorkers(app, tx, by, clusterId, replicas, autoscaled)
      return { cluster: showCluster(cluster), job: showJob(job) }
    })
    return c.json(body, 202)
  },
)
