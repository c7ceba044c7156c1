import { z } from '@hono/zod-openapi'
import { isAnswered } from '../../idempotency.ts'
import { findStaleLock, lockToRelease, releaseLock } from '../../jobs/lock-release.ts'
import { once } from '../once.ts'
import { dryRunQuery, idempotencyHeaderUnlessDry, idParam, json, operationsOf, router } from '../router.ts'
import { time } from './shapes.ts'

const operation = operationsOf('clusters')

const released = z.object({ clusterId: z.string(), jobId: z.string(), worker: z.string() }).openapi('ReleasedLock')
const standing = z
  .object({
    clusterId: z.string(),
    jobId: z.string(),
    worker: z.string(),
    acquiredAt: time,
    observedForSeconds: z
      .number()
      .openapi({ description: 'So long the lock must stand unrenewed, and the request takes.' }),
  })
  .openapi('StandingLock')

export const lockRoutes = router().openapi(
  operation({
    method: 'post',
    path: '/clusters/{id}/lock/release',
    operationId: 'releaseLock',
    summary:
      'Release the lock of a worker that is gone, so that its job is handed out again: it is watched for the lock time first, and 409 when it is renewed',
    request: { params: idParam('clu'), query: dryRunQuery, headers: idempotencyHeaderUnlessDry },
    responses: {
      202: json(released, 'The lock is released, and its job is queued'),
      200: json(standing, 'With dryRun=true: the lock that stands. Whether its worker lives is not watched.'),
    },
    fails: [409, 422],
  }),
  async (c) => {
    const { app, by } = c.var
    const { id: clusterId } = c.req.valid('param')
    if (c.req.valid('query').dryRun === 'true') {
      const { jobId, worker, acquiredAt, observedForSeconds } = await lockToRelease(app, by, clusterId)
      return c.json({ clusterId, jobId, worker, acquiredAt: acquiredAt.toISOString(), observedForSeconds }, 200)
    }
    // Watched before the transaction, which must not last so long.
    const isRepeated = await isAnswered(app.db, by, c.req.header('idempotency-key'))
    const lock = isRepeated ? undefined : await findStaleLock(app, by, clusterId)
    const asked = { operation: `POST /clusters/${clusterId}/lock/release`, body: null, status: 202 }
    const body = await once(c, asked, async (tx) => {
      await releaseLock(app, tx, by, lock)
      return { clusterId, jobId: lock?.jobId ?? '', worker: lock?.worker ?? '' }
    })
    return c.json(body, 202)
  },
)
