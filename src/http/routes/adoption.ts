import { z } from '@hono/zod-openapi'
import { adoptCluster, adoptedEnd, adoptableFor } from '../../clusters/adopt.ts'
import { AppError } from '../../errors.ts'
import { isAnswered } from '../../idempotency.ts'
import { idPattern } from '../../ids.ts'
import { platforms } from '../../vocabulary.ts'
import { once } from '../once.ts'
import { idempotencyHeaderUnlessDry, json, operationsOf, router } from '../router.ts'
import { clusterSchema, showCluster } from './shapes.ts'

const operation = operationsOf('clusters')

const adoption = z
  .object({
    id: z.string(),
    name: z.string(),
    baseDomain: z.string(),
    platform: z.enum(platforms),
    region: z.string(),
    owner: z.string(),
    team: z.string(),
    infraIds: z.array(z.string()),
    becomes: z.enum(['READY', 'FAILED']).openapi({ description: 'FAILED: it was not finished, and is destroyed' }),
    destroyAt: z.iso.datetime(),
  })
  .openapi('Adoption')

export const adoptionRoutes = router().openapi(
  operation({
    method: 'post',
    path: '/clusters/adopt',
    operationId: 'adoptCluster',
    summary:
      'Take back a cluster that the database has lost, by its state in the artifact store; look first with dryRun=true',
    request: {
      query: z.object({ dryRun: z.enum(['true', 'false']).optional() }),
      headers: idempotencyHeaderUnlessDry,
      body: {
        required: true,
        content: { 'application/json': { schema: z.strictObject({ clusterId: z.string().regex(idPattern('clu')) }) } },
      },
    },
    responses: {
      201: json(clusterSchema, 'The cluster, with its id and its name again'),
      200: json(adoption, 'What a dry run found'),
    },
    fails: [409, 422],
  }),
  async (c) => {
    const { app, by } = c.var
    const asked = c.req.valid('json')
    if (c.req.valid('query').dryRun === 'true') {
      const found = await adoptableFor(app, by, asked.clusterId)
      const { id, name, baseDomain, platform, region, owner, team } = found.record
      const infraIds = found.infras.map(({ metadata }) => metadata.infraID)
      const becomes: 'READY' | 'FAILED' = found.outputs ? 'READY' : 'FAILED'
      const destroyAt = adoptedEnd(app.config, found).toISOString()
      return c.json({ id, name, baseDomain, platform, region, owner, team, infraIds, becomes, destroyAt }, 200)
    }
    // Read before the transaction, because a transaction must not wait for a store. A repeated request gets the first
    // answer even when the cluster is gone.
    const isRepeated = await isAnswered(app.db, by, c.req.header('idempotency-key'))
    const found = isRepeated ? undefined : await adoptableFor(app, by, asked.clusterId)
    const body = await once(c, { operation: 'POST /clusters/adopt', body: asked, status: 201 }, async (tx) => {
      if (!found) throw new AppError('UNAVAILABLE', 'the answer to this Idempotency-Key has just expired: ask again')
      return showCluster(await adoptCluster(app, tx, by, found))
    })
    c.header('Location', `/api/v1/clusters/${body.id}`)
    return c.json(body, 201)
  },
)
