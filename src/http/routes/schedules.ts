import { z } from '@hono/zod-openapi'
import type { Transaction } from '../../db/client.ts'
import { undone } from '../../db/undone.ts'
import { listSchedules, runSchedule } from '../../schedules.ts'
import { once } from '../once.ts'
import { dryRunQuery, idempotencyHeaderUnlessDry, json, operationsOf, router } from '../router.ts'
import { time } from './shapes.ts'

const operation = operationsOf('schedules')

const scheduleSchema = z
  .object({
    name: z.string(),
    does: z.string(),
    cron: z.string().openapi({ description: 'Five fields, in UTC.' }),
    nextRunAt: time,
    isRunning: z.boolean(),
    lastRun: z
      .object({
        startedAt: time,
        endedAt: time,
        seconds: z.number(),
        outcome: z.enum(['succeeded', 'failed']),
        did: z.string().nullable(),
      })
      .nullable(),
  })
  .openapi('Schedule')

const run = z.object({ name: z.string(), isNew: z.boolean() })

export const scheduleRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/schedules',
      operationId: 'listSchedules',
      summary: 'What runs by the clock: the last run and what it did, and the next',
      responses: { 200: json(z.object({ items: z.array(scheduleSchema) }), 'All schedules') },
    }),
    async (c) => {
      const items = await listSchedules(c.var.app, c.var.by)
      return c.json(
        {
          items: items.map(({ lastRun, nextRunAt, ...schedule }) => ({
            ...schedule,
            nextRunAt: nextRunAt.toISOString(),
            lastRun: lastRun
              ? {
                  ...lastRun,
                  startedAt: lastRun.startedAt.toISOString(),
                  endedAt: lastRun.endedAt.toISOString(),
                  seconds: (lastRun.endedAt.getTime() - lastRun.startedAt.getTime()) / 1000,
                }
              : null,
          })),
        },
        200,
      )
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/schedules/{name}/run',
      operationId: 'runSchedule',
      summary: 'Let a schedule run now; it runs once, however often it is asked meanwhile',
      request: {
        params: z.object({ name: z.string().max(64) }),
        query: dryRunQuery,
        headers: idempotencyHeaderUnlessDry,
      },
      responses: {
        202: json(run, 'isNew: false when a run waits or is under way'),
        200: json(run, 'What a dry run found'),
      },
      fails: [422],
    }),
    async (c) => {
      const { app, by } = c.var
      const { name } = c.req.valid('param')
      const start = async (tx: Transaction) => ({ name, isNew: await runSchedule(app, tx, by, name) })
      if (c.req.valid('query').dryRun === 'true') return c.json(await undone(app.db, start), 200)
      return c.json(await once(c, { operation: `POST /schedules/${name}/run`, body: null, status: 202 }, start), 202)
    },
  )
