import { z } from '@hono/zod-openapi'
import { listSchedules, runSchedule } from '../../schedules.ts'
import { once } from '../once.ts'
import { idempotencyHeader, json, operationsOf, router } from '../router.ts'
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
      request: { params: z.object({ name: z.string().max(64) }), headers: idempotencyHeader },
      responses: { 202: json(z.object({ name: z.string(), isNew: z.boolean() }), 'isNew: false when a run waits or is under way') }, // prettier-ignore
      fails: [422],
    }),
    async (c) => {
      const { app, by } = c.var
      const { name } = c.req.valid('param')
      const body = await once(c, { operation: `POST /schedules/${name}/run`, body: null, status: 202 }, async (tx) => ({
        name,
        isNew: await runSchedule(app, tx, by, name),
      }))
      return c.json(body, 202)
    },
  )
