import { z } from '@hono/zod-openapi'
import type { Transaction } from '../../db/client.ts'
import { drainWorker, undrainWorker, type Drain } from '../../workers/drain.ts'
import { onceUnlessDry } from '../once.ts'
import {
  dryRunQuery,
  idempotencyHeaderUnlessDry,
  idParam,
  json,
  operationsOf,
  optionalIdempotencyHeader,
  router,
} from '../router.ts'
import { time } from './shapes.ts'

const operation = operationsOf('queue')
const id = idParam('wrk')

const drained = z
  .object({
    id: z.string(),
    drain: z.object({ at: time, by: z.string() }).nullable(),
    jobIds: z.array(z.string()).openapi({ description: 'What it runs: that goes on to its end.' }),
    others: z.int().openapi({ description: 'How many other workers live and take jobs.' }),
  })
  .openapi('Drain')

const showDrain = (workerId: string, { drain, jobIds, others }: Drain) => ({
  id: workerId,
  drain: drain && { at: drain.at.toISOString(), by: drain.by },
  jobIds,
  others,
})

export const workerRoutes = router()
  .openapi(
    operation({
      method: 'post',
      path: '/workers/{id}/drain',
      operationId: 'drainWorker',
      summary:
        'Let a worker take no new jobs; what it runs goes on to its end, and its process stays until it is stopped',
      request: { params: id, query: dryRunQuery, headers: idempotencyHeaderUnlessDry },
      responses: { 200: json(drained, 'The worker, or with dryRun=true what it would be') },
      fails: [409, 422],
    }),
    async (c) => {
      const { id: workerId } = c.req.valid('param')
      const drain = async (tx: Transaction) => showDrain(workerId, await drainWorker(tx, c.var.by, workerId))
      const asked = { operation: `POST /workers/${workerId}/drain`, body: null, status: 200 }
      return c.json(await onceUnlessDry(c, c.req.valid('query').dryRun, asked, drain), 200)
    },
  )
  .openapi(
    operation({
      method: 'delete',
      path: '/workers/{id}/drain',
      operationId: 'undrainWorker',
      summary: 'Let a worker take jobs again',
      request: { params: id, query: dryRunQuery, headers: optionalIdempotencyHeader },
      responses: { 200: json(drained, 'The worker, or with dryRun=true what it would be') },
      fails: [422],
    }),
    async (c) => {
      const { id: workerId } = c.req.valid('param')
      const undrain = async (tx: Transaction) => showDrain(workerId, await undrainWorker(tx, c.var.by, workerId))
      const asked = { operation: `DELETE /workers/${workerId}/drain`, body: null, status: 200, isKeyOptional: true }
      return c.json(await onceUnlessDry(c, c.req.valid('query').dryRun, asked, undrain), 200)
    },
  )
