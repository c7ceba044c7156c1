import { z } from '@hono/zod-openapi'
import { streamSSE } from 'hono/streaming'
import { nameOf } from '../../auth/principal.ts'
import { retryJob } from '../../clusters/commands.ts'
import type { Transaction } from '../../db/client.ts'
import { toPage } from '../../db/page.ts'
import { undone } from '../../db/undone.ts'
import { AppError } from '../../errors.ts'
import { cancelJob } from '../../jobs/commands.ts'
import { outlookOf } from '../../jobs/outlook.ts'
import { isJobOver, jobFor, listJobs, readLog, readLogOn } from '../../jobs/queries.ts'
import type { LogLine } from '../../jobs/tables.ts'
import { jobStatuses, jobTypes, operationEffects } from '../../vocabulary.ts'
import { once } from '../once.ts'
import {
  dryRunQuery,
  idempotencyHeaderUnlessDry,
  idParam,
  json,
  operationsOf,
  pageOf,
  pageQuery,
  repeatedQuery,
  router,
  wholeQuery,
} from '../router.ts'
import {
  attemptSchema,
  clusterSchema,
  jobSchema,
  ofJob,
  logLineSchema,
  outlookSchema,
  showAttempt,
  showCluster,
  showJob,
  showOutlook,
} from './shapes.ts'

const operation = operationsOf('jobs')

const jobDetail = jobSchema.extend({ attempts: z.array(attemptSchema), outlook: outlookSchema }).openapi('JobDetail')
const id = idParam('job')
const jobPreview = z
  .object({ effect: z.enum(operationEffects), status: z.enum(jobStatuses) })
  .openapi('JobPreview', { description: 'What it does, and the state of the job then.' })
const LOG_PAGE = 1000
/** So many lines of a stream are read and written together. */
const STREAM_LINES = 5000
/** How long a stream waits for word of new lines before it looks by itself. */
const STREAM_LOOK_MS = 2000
/** How long a stream is silent before it shows that it lives. It is less than a socket may be idle. */
const HEARTBEAT_MS = 15_000

const eventOf = (line: LogLine) => `event: line\ndata: ${JSON.stringify(line)}\nid: ${line.seq}\n\n`

export const jobRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/jobs',
      operationId: 'listJobs',
      summary: 'The jobs that you may see, newest first',
      request: {
        query: z.object({
          ...pageQuery,
          status: repeatedQuery(jobStatuses),
          type: z.enum(jobTypes).optional(),
        }),
      },
      responses: { 200: json(pageOf(jobSchema), 'A page of jobs') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor, status, type } = c.req.valid('query')
      const rows = await listJobs(app.db, by, { type, status }, { limit, cursor })
      return c.json(toPage(rows, limit, showJob), 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/jobs/{id}',
      operationId: 'getJob',
      summary: 'One job with its attempts',
      request: { params: id },
      responses: { 200: json(jobDetail, 'The job') },
    }),
    async (c) => {
      const { app, by, history } = c.var
      const { job, kind, attempts } = await jobFor(app.db, by, c.req.valid('param').id)
      const outlook = showOutlook(await outlookOf(history, kind, job))
      return c.json({ ...showJob(job), attempts: attempts.map(showAttempt), outlook }, 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/jobs/{id}/log',
      operationId: 'readJobLog',
      summary: 'Lines of a log after a number, also while it is written',
      request: {
        params: id,
        query: z.object({
          after: wholeQuery(0, 2_147_483_647, 0),
          limit: wholeQuery(1, LOG_PAGE, LOG_PAGE),
        }),
      },
      responses: {
        200: json(z.object({ items: z.array(logLineSchema), nextAfter: z.int().nullable() }), 'The lines'),
      },
      fails: [409, 503],
    }),
    async (c) => {
      const { app, by } = c.var
      const { after, limit } = c.req.valid('query')
      const { job } = await jobFor(app.db, by, c.req.valid('param').id)
      const items = await readLog(app, job.id, after, limit)
      return c.json({ items, nextAfter: items.at(-1)?.seq ?? null }, 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/jobs/{id}/log/stream',
      operationId: 'streamJobLog',
      summary: 'The log as server-sent events; resumes from Last-Event-ID and ends with the job',
      request: {
        params: id,
        headers: z.object({
          'last-event-id': z
            .string()
            .regex(/^\d{1,9}$/)
            .optional(),
        }),
      },
      responses: {
        200: {
          description:
            'Events "line" with a log line each, then "end"; or "refused" with code and detail when you may no longer see it',
          content: { 'text/event-stream': { schema: z.unknown() } },
        },
      },
    }),
    async (c) => {
      const { app, by } = c.var
      const { job } = await jobFor(app.db, by, c.req.valid('param').id)
      let after = Number(c.req.valid('header')['last-event-id'] ?? 0)
      // Nobody reads or ends the body of an answer to HEAD.
      if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
      const close = c.var.limits.openStream(nameOf(by))
      return streamSSE(c, async (stream) => {
        let wake = () => undefined as void
        const unhear = ['job-log', 'job'].map((topic) =>
          app.events.on(topic as 'job-log' | 'job', job.id, () => wake()),
        )
        stream.onAbort(() => wake())
        let spokeAt = 0
        // The caller is renewed, because a stream outlives roles and credentials.
        const isOver = async () => isJobOver(app.db, await c.var.renew(), job.id)
        try {
          while (!stream.aborted) {
            const word = new Promise<void>((resolve) => {
              const timer = setTimeout(resolve, STREAM_LOOK_MS)
              wake = () => (clearTimeout(timer), resolve())
            })
            // `over` is read first, because every line is stored before the job ends.
            const over = await isOver()
            for await (const lines of readLogOn(app, job.id, after, STREAM_LINES)) {
              await stream.write(lines.map(eventOf).join(''))
              after = lines.at(-1)?.seq ?? after
              spokeAt = Date.now()
              if (stream.aborted) return
              // Throws when the caller may read no further.
              await isOver()
            }
            if (over) {
              await stream.writeSSE({ event: 'end', data: '{}' })
              return
            }
            if (Date.now() - spokeAt >= HEARTBEAT_MS) {
              await stream.write(': nothing new\n\n')
              spokeAt = Date.now()
            }
            await word
          }
        } catch (error) {
          if (!(error instanceof AppError)) throw error
          await stream.writeSSE({
            event: 'refused',
            data: JSON.stringify({ code: error.code, detail: error.message }),
          })
        } finally {
          for (const stop of unhear) stop()
          close()
        }
      })
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/jobs/{id}/cancel',
      operationId: 'cancelJob',
      summary: 'End a job: a waiting one at once, a running one by stopping its installer',
      request: { params: id, query: dryRunQuery, headers: idempotencyHeaderUnlessDry },
      responses: {
        202: json(jobSchema, 'The job; a running one ends when its installer has'),
        200: json(jobPreview, 'What a dry run found'),
      },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const jobId = c.req.valid('param').id
      const request = { operation: `POST /jobs/${jobId}/cancel`, body: null, status: 202 }
      const cancel = (tx: Transaction) => cancelJob(app, tx, by, jobId)
      if (c.req.valid('query').dryRun === 'true') {
        const { type, status } = await undone(app.db, cancel)
        return c.json({ effect: type === 'CREATE' ? 'create-cancelled' : 'destroy-cancelled', status } as const, 200)
      }
      return c.json(await once(c, request, async (tx) => showJob(await cancel(tx))), 202)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/jobs/{id}/retry',
      operationId: 'retryJob',
      summary: 'Ask again for what a failed job was for, as a new job',
      request: { params: id, query: dryRunQuery, headers: idempotencyHeaderUnlessDry },
      responses: {
        200: json(jobPreview, 'What a dry run found'),
        202: json(z.object({ cluster: clusterSchema, job: jobSchema }), 'Accepted; the new job is queued', {
          '/job/id': ofJob,
        }),
      },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const jobId = c.req.valid('param').id
      const request = { operation: `POST /jobs/${jobId}/retry`, body: null, status: 202 }
      const retry = (tx: Transaction) => retryJob(app, tx, by, jobId)
      if (c.req.valid('query').dryRun === 'true') {
        const { type, status } = (await undone(app.db, retry)).job
        return c.json({ effect: type === 'CREATE' ? 'create-again' : 'destroy-again', status } as const, 200)
      }
      const body = await once(c, request, async (tx) => {
        const { cluster, job } = await retry(tx)
        return { cluster: showCluster(cluster), job: showJob(job) }
      })
      return c.json(body, 202)
    },
  )
