import { z } from '@hono/zod-openapi'
import { foresee, overrideOffHours, setOffHours } from '../../clusters/off-hours.ts'
import type { ClusterRow } from '../../clusters/tables.ts'
import { offHoursOrTag } from '../../hours/custodian.ts'
import { once } from '../once.ts'
import { idempotencyHeader, idParam, json, operationsOf, router } from '../router.ts'
import { hoursShape, showHours } from './hours-shapes.ts'
import { clusterSchema, instant, showCluster } from './shapes.ts'

const operation = operationsOf('clusters')
const params = idParam('clu')
const path = '/clusters/{id}/off-hours'
const scheduled = clusterSchema.extend(hoursShape).openapi('ScheduledCluster')
const show = (row: ClusterRow) => ({ ...showCluster(row), ...showHours(foresee(row, new Date())) })

const override = z
  .strictObject({
    until: instant.optional().openapi({ description: 'A time with any offset; with state.' }),
    state: z.enum(['awake', 'asleep']).optional(),
    skipNext: z.literal(true).optional().openapi({ description: 'The next sleep is left out once; instead of until.' }),
  })
  .refine(
    ({ until, state, skipNext }) =>
      skipNext ? until === undefined && state === undefined : until !== undefined && state !== undefined,
    {
      error: 'give until and state, or skipNext alone',
    },
  )
  .openapi({ anyOf: [{ required: ['until', 'state'] }, { required: ['skipNext'] }] })

export const offHoursRoutes = router()
  .openapi(
    operation({
      method: 'put',
      path,
      operationId: 'setOffHours',
      summary: 'Give a cluster off-hours: it sleeps at all times but its windows of being awake',
      request: { params, body: { required: true, content: { 'application/json': { schema: offHoursOrTag } } } },
      responses: { 200: json(scheduled, 'The cluster, with what it will do next') },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const [{ id }, wanted] = [c.req.valid('param'), c.req.valid('json')]
      return c.json(show(await app.db.transaction((tx) => setOffHours(tx, by, id, wanted))), 200)
    },
  )
  .openapi(
    operation({
      method: 'delete',
      path,
      operationId: 'clearOffHours',
      summary: 'Take the off-hours of a cluster away; it stays as it is',
      request: { params },
      responses: { 200: json(scheduled, 'The cluster') },
      fails: [409],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      return c.json(show(await app.db.transaction((tx) => setOffHours(tx, by, id, null))), 200)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: `${path}/override`,
      operationId: 'overrideOffHours',
      summary: 'Keep a cluster awake or asleep until a time, whatever its off-hours say, or leave out its next sleep',
      request: {
        params,
        headers: idempotencyHeader,
        body: { required: true, content: { 'application/json': { schema: override } } },
      },
      responses: { 200: json(scheduled, 'The cluster, with what it will do next') },
      fails: [409, 422],
    }),
    async (c) => {
      const { by } = c.var
      const { id } = c.req.valid('param')
      const wanted = c.req.valid('json')
      const request = { operation: `POST /clusters/${id}/off-hours/override`, body: wanted, status: 200 }
      const { until, state } = wanted
      const given =
        until !== undefined && state !== undefined ? { until: new Date(until), state } : { skipNext: true as const }
      return c.json(await once(c, request, async (tx) => show(await overrideOffHours(tx, by, id, given))), 200)
    },
  )
