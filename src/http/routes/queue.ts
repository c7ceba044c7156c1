import { z } from '@hono/zod-openapi'
import {
  listDeadLetters,
  MOST_RETRIED,
  previewDeadLetters,
  retryDeadLetters,
  type ShownDeadLetter,
} from '../../clusters/dead-letters.ts'
import { idPattern } from '../../ids.ts'
import { blockers, readBacklog } from '../../jobs/backlog.ts'
import { jobStatuses, jobTypes } from '../../vocabulary.ts'
import { listWorkers, type ListedWorker } from '../../workers/list.ts'
import { once } from '../once.ts'
import { idempotencyHeaderUnlessDry, json, operationsOf, router } from '../router.ts'
import { time } from './shapes.ts'

const operation = operationsOf('queue')

const ofCluster = { clusterId: z.string(), clusterName: z.string() }
const counted = { count: z.int(), oldestAt: time }
const queueSchema = z
  .object({
    queues: z
      .array(z.object({ name: z.string(), waiting: z.int(), later: z.int(), active: z.int(), failed: z.int() }))
      .openapi({ description: 'All that stands in each queue, as counted within the last seconds.' }),
    isWhole: z
      .boolean()
      .openapi({ description: 'false: for what follows, only the oldest thousands of each status were looked at.' }),
    jobs: z.array(z.object({ type: z.enum(jobTypes), status: z.enum(jobStatuses), ...counted })),
    clusters: z
      .array(z.object({ ...ofCluster, ...counted }))
      .openapi({ description: 'Those with the most jobs that are not over.' }),
    blocked: z
      .array(
        z.object({
          by: z.enum(blockers).openapi({
            description:
              'lock: another job works on the cluster. turn: an earlier job of the cluster comes first. paused: an operator has paused what it is. quota: its last try met a limit of the cloud account, and the next has its time; a quota of a team refuses requests instead. retry: the next try has its time, for another reason. worker: no worker that is here is able. store: the artifact store cannot keep its state.',
          }),
          ...counted,
          jobs: z.array(
            z.object({
              jobId: z.string(),
              type: z.enum(jobTypes),
              ...ofCluster,
              createdAt: time,
              byJobId: z.string().nullable(),
              worker: z.string().nullable(),
              retryAt: time.nullable(),
              detail: z.string().nullable(),
            }),
          ),
        }),
      )
      .openapi({ description: 'Jobs that no worker can begin now, by what keeps them; the oldest of each by name.' }),
    failing: z
      .array(z.object({ part: z.string(), detail: z.string() }))
      .openapi({ description: 'What this process cannot reach: then jobs wait for it too.' }),
    deadLetters: z
      .array(
        z.object({
          jobId: z.string(),
          type: z.enum(jobTypes),
          status: z.enum(jobStatuses),
          ...ofCluster,
          diedAt: time,
          message: z.string().nullable(),
        }),
      )
      .openapi({ description: 'Jobs of the last day that no worker got to an end, after which nothing was done.' }),
  })
  .openapi('QueueView')

const workerSchema = z
  .object({
    id: z.string(),
    host: z.string(),
    pid: z.int(),
    version: z.string().nullable(),
    isAlive: z.boolean(),
    slots: z.int().nullable(),
    busy: z.int(),
    startedAt: time,
    seenAt: time.openapi({ description: 'Its last heartbeat.' }),
    drain: z
      .object({ at: time, by: z.string(), isDone: z.boolean() })
      .nullable()
      .openapi({ description: 'Since when it takes no new jobs. isDone: none runs on it any more.' }),
    databaseStartedAt: time
      .nullable()
      .openapi({ description: 'When the database server that it last met was started: it tells servers apart.' }),
    jobs: z.array(
      z.object({
        jobId: z.string(),
        type: z.enum(jobTypes),
        ...ofCluster,
        attempt: z.int(),
        stage: z.string(),
        progressPercent: z.int(),
        startedAt: time,
        expectedEndAt: time.nullable(),
      }),
    ),
  })
  .openapi('Worker')

const retried = z
  .object({
    items: z.array(
      z.object({
        jobId: z.string(),
        clusterId: z.string(),
        result: z.enum(['retried', 'refused']),
        newJobId: z.string().nullable().openapi({ description: 'null: the same job goes on, or none.' }),
        detail: z.string(),
      }),
    ),
    left: z.int().openapi({ description: 'How many more there are: ask again.' }),
  })
  .openapi('RetriedDeadLetters')

function showWorker(worker: ListedWorker): z.infer<typeof workerSchema> {
  const { id, name, abilities, isAlive, running, drainingAt, drainedBy } = worker
  const at = name.lastIndexOf(':')
  const { databaseStartedAt } = abilities
  return {
    id,
    host: name.slice(0, at),
    pid: Number(name.slice(at + 1)),
    version: abilities.version ?? null,
    isAlive,
    slots: abilities.slots ?? null,
    busy: running.length,
    startedAt: worker.startedAt.toISOString(),
    seenAt: worker.seenAt.toISOString(),
    drain: drainingAt && { at: drainingAt.toISOString(), by: drainedBy ?? '', isDone: running.length === 0 },
    databaseStartedAt: databaseStartedAt === undefined ? null : new Date(databaseStartedAt).toISOString(),
    jobs: running.map(({ job, attempt, clusterName, expectedEndAt }) => ({
      jobId: job.id,
      type: job.type,
      clusterId: job.clusterId,
      clusterName,
      attempt: attempt.number,
      stage: attempt.stage,
      progressPercent: attempt.progressPercent,
      startedAt: attempt.startedAt.toISOString(),
      expectedEndAt: expectedEndAt?.toISOString() ?? null,
    })),
  }
}

const showDeadLetter = ({ letter, job: { id, type, status, clusterId, message }, clusterName }: ShownDeadLetter) => ({
  jobId: id,
  type,
  status,
  clusterId,
  clusterName,
  diedAt: letter.diedAt.toISOString(),
  message,
})

export const queueRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/queue',
      operationId: 'getQueue',
      summary: 'What there is to do, how long it waits, what keeps it, and which jobs no worker got to an end',
      responses: { 200: json(queueSchema, 'The queue') },
    }),
    async (c) => {
      const { app, by } = c.var
      const [backlog, letters] = await Promise.all([readBacklog(app, by), listDeadLetters(app, by)])
      const { failing } = await c.var.readiness()
      return c.json({ ...backlog, failing, deadLetters: letters.map(showDeadLetter) }, 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/workers',
      operationId: 'listWorkers',
      summary: 'The workers of the last day, the last seen first, and what each does',
      responses: { 200: json(z.object({ items: z.array(workerSchema) }), 'The workers') },
    }),
    async (c) => {
      const { app, by, history } = c.var
      return c.json({ items: (await listWorkers(app, history, by)).map(showWorker) }, 200)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/queue/dead-letters/retry',
      operationId: 'retryDeadLetters',
      summary: `Ask again for what dead letters were for, at most ${MOST_RETRIED} at once; look first with dryRun=true`,
      request: {
        query: z.object({ dryRun: z.enum(['true', 'false']).optional() }),
        headers: idempotencyHeaderUnlessDry,
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z.strictObject({
                jobIds: z
                  .array(z.string().regex(idPattern('job')))
                  .min(1)
                  .max(MOST_RETRIED)
                  .optional()
                  .openapi({ description: 'Only these; all when left out.' }),
              }),
            },
          },
        },
      },
      responses: {
        202: json(retried, 'Accepted; the jobs are queued'),
        200: json(retried, 'What a dry run found'),
      },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const asked = c.req.valid('json')
      if (c.req.valid('query').dryRun === 'true') return c.json(await previewDeadLetters(app, by, asked.jobIds), 200)
      const request = { operation: 'POST /queue/dead-letters/retry', body: asked, status: 202 }
      return c.json(await once(c, request, (tx) => retryDeadLetters(app, tx, by, asked.jobIds)), 202)
    },
  )
