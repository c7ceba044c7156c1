import { z } from '@hono/zod-openapi'
import { foresee } from '../../clusters/off-hours.ts'
import { clusterFor, findAttempts, listClusters, listClustersAsOf } from '../../clusters/queries.ts'
import { clusterRequest } from '../../clusters/request.ts'
import { prepareRequest, previewCluster, requestCluster } from '../../clusters/submit.ts'
import { toPage } from '../../db/page.ts'
import { findProof } from '../../jobs/attempts.ts'
import { outlookOf } from '../../jobs/outlook.ts'
import { listJobs } from '../../jobs/queries.ts'
import { cents, usdUntilEnd } from '../../policy/spend.ts'
import { readCost } from '../../usage/report.ts'
import { clusterStatuses, platforms } from '../../vocabulary.ts'
import { oncePrepared } from '../once.ts'
import {
  fieldErrorSchema,
  idempotencyHeaderUnlessDry,
  idParam,
  json,
  jsonText,
  operationsOf,
  pageOf,
  pageQuery,
  repeatedQuery,
  router,
} from '../router.ts'
import { changeSchema, hoursShape, showChange, showHours } from './hours-shapes.ts'
import { proofSchema, showProof } from './resource-shapes.ts'
import {
  attemptSchema,
  basisSchema,
  clusterSchema,
  instant,
  jobSchema,
  ofCluster,
  ofJob,
  orNull,
  outlookSchema,
  showAttempt,
  showCluster,
  showJob,
  showOutlook,
  submitted,
  usualStageSchema,
} from './shapes.ts'

const operation = operationsOf('clusters')

const warnings = z.array(z.object({ pointer: z.string(), detail: z.string() }))
const preview = z
  .object({
    allowed: z.boolean(),
    violations: z.array(fieldErrorSchema),
    warnings,
    installConfig: z.string(),
    effectiveTags: z.record(z.string(), z.string()),
    footprint: z.object({
      nodes: z.int(),
      vcpu: z.int(),
      loadBalancers: z.int(),
      publicAddresses: z.int(),
    }),
    usdPerHour: z.number(),
    usdUntilExpiry: z.number(),
    destroyAt: z.iso.datetime(),
    nextChanges: z.array(changeSchema).openapi({ description: 'What its off-hours will do first.' }),
    usdSaved: z.number().openapi({ description: 'What its off-hours save until its end.' }),
    expectedDuration: z
      .object({
        p50Minutes: z.number(),
        p90Minutes: z.number(),
        samples: z.int(),
        basis: basisSchema,
        stages: z.array(usualStageSchema),
      })
      .nullable()
      .openapi({ description: 'Of the last installations that are like it; null: no history yet.' }),
    queuePlace: z.int().openapi({ description: 'Its place among those that wait for a worker.' }),
  })
  .openapi('Preview')
const detail = clusterSchema
  .extend({
    job: orNull(jobSchema),
    attempt: orNull(attemptSchema),
    outlook: orNull(outlookSchema).openapi({ description: 'What may be expected of the job.' }),
    lastFailure: orNull(attemptSchema),
    proof: orNull(proofSchema).openapi({ description: 'What the destroy last learned of what is left.' }),
    usdSoFar: z.number().openapi({ description: 'The estimated cost until now.' }),
    usdToEnd: z.number().openapi({
      description: 'What it will have cost when the destroy starts, at the price of now and with its off-hours.',
    }),
    usdSaved: z.number().openapi({ description: 'What its sleeps have saved until now.' }),
    ...hoursShape,
    simulated: z.boolean(),
  })
  .openapi('ClusterDetail')
const page = pageOf(clusterSchema)
const id = idParam('clu')
export const clusterRoutes = router()
  .openapi(
    operation({
      method: 'post',
      path: '/clusters',
      operationId: 'requestCluster',
      summary: 'Ask for a cluster, or with dryRun=true learn what it would come to',
      request: {
        query: z.object({ dryRun: z.enum(['true', 'false']).optional() }),
        headers: idempotencyHeaderUnlessDry,
        body: { required: true, content: { 'application/json': { schema: clusterRequest } } },
      },
      responses: {
        202: json(submitted.extend({ warnings }), 'Accepted; the installation is queued', {
          '/cluster/id': ofCluster,
          '/job/id': ofJob,
        }),
        200: json(preview, 'The preview of a dry run'),
      },
      fails: [409, 413, 422],
    }),
    async (c) => {
      const { app, by, history } = c.var
      const request = c.req.valid('json')
      if (c.req.valid('query').dryRun === 'true') {
        const { nextChanges, ...preview } = await previewCluster(app, history, by, request)
        return c.json({ ...preview, nextChanges: nextChanges.map(showChange) }, 200)
      }
      const body = await oncePrepared(
        c,
        { operation: 'POST /clusters', body: request, status: 202 },
        (tx) => prepareRequest(app, tx, by, request),
        async (tx, prepared) => {
          const { cluster, job, warnings } = await requestCluster(app, tx, by, request, prepared)
          return { cluster: showCluster(cluster), job: showJob(job), warnings }
        },
      )
      c.header('Location', `/api/v1/clusters/${body.cluster.id}`)
      return c.json(body, 202)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/clusters',
      operationId: 'listClusters',
      summary: 'The clusters that you may see, newest first',
      request: {
        query: z.object({
          ...pageQuery,
          status: repeatedQuery(clusterStatuses),
          team: z.string().optional(),
          owner: z.string().optional(),
          platform: z.enum(platforms).optional(),
          profile: z.string().optional(),
          region: z.string().optional(),
          q: z.string().max(63).optional().openapi({ description: 'part of the name' }),
          asOf: instant
            .optional()
            .openapi({ description: 'The clusters that there were at that instant, in the states that they had.' }),
        }),
      },
      responses: { 200: json(page, 'A page of clusters') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor, status, asOf, ...fields } = c.req.valid('query')
      const filter = { ...fields, status }
      if (asOf !== undefined) {
        const rows = await listClustersAsOf(app.db, by, filter, { limit, cursor }, new Date(asOf))
        return c.json(toPage(rows, limit, showCluster), 200)
      }
      const rows = await listClusters(app.db, by, filter, { limit, cursor })
      const { items, nextCursor } = toPage(rows, limit, (row) => row)
      const texts = [...(await c.var.shownClusters(items)).values()]
      const body = `{"items":[${texts.join(',')}],"nextCursor":${JSON.stringify(nextCursor)}}`
      return jsonText<z.infer<typeof page>>(c, body)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/clusters/{id}',
      operationId: 'getCluster',
      summary: 'One cluster with its current job, stage and progress, and its last failure',
      request: { params: id },
      responses: { 200: json(detail, 'The cluster') },
    }),
    async (c) => {
      const { app, by, history } = c.var
      const cluster = await clusterFor(app.db, by, 'cluster.read', c.req.valid('param').id)
      const [found, cost, proof] = await Promise.all([
        findAttempts(app.db, cluster.id),
        readCost(app.db, cluster.id),
        findProof(app.db, cluster.id),
      ])
      const at = new Date()
      const hours = foresee(cluster, at)
      const usdAhead = hours.wanted
        ? usdUntilEnd({ ...cluster, status: 'READY' }, at) - hours.usdToSave
        : usdUntilEnd(cluster, at)
      return c.json(
        {
          ...showCluster(cluster),
          job: found ? showJob(found.job) : null,
          outlook: found ? showOutlook(await outlookOf(history, cluster, found.job)) : null,
          attempt: found?.attempt ? showAttempt(found.attempt) : null,
          lastFailure: found?.failure ? showAttempt(found.failure) : null,
          proof: proof ? showProof(proof) : null,
          usdSoFar: cents(cost.usd),
          usdToEnd: cents(cost.usd + usdAhead),
          usdSaved: cents(cost.saved),
          ...showHours(hours),
          simulated: app.installer.simulated,
        },
        200,
      )
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/clusters/{id}/jobs',
      operationId: 'listClusterJobs',
      summary: 'The jobs of a cluster, newest first',
      request: { params: id, query: z.object(pageQuery) },
      responses: { 200: json(pageOf(jobSchema), 'A page of jobs') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor } = c.req.valid('query')
      const cluster = await clusterFor(app.db, by, 'cluster.read', c.req.valid('param').id)
      const rows = await listJobs(app.db, by, { clusterId: cluster.id }, { limit, cursor })
      return c.json(toPage(rows, limit, showJob), 200)
    },
  )
