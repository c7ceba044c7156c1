import { z } from '@hono/zod-openapi'
import { stream } from 'hono/streaming'
import { exportAudit, listAudit } from '../../audit/queries.ts'
import { verifyAudit } from '../../audit/seal.ts'
import type { AuditRow } from '../../audit/tables.ts'
import { requireAnywhere } from '../../auth/permissions.ts'
import { toPage } from '../../db/page.ts'
import { json, operationsOf, optionalWholeQuery, pageOf, pageQuery, router } from '../router.ts'
import { instant, time } from './shapes.ts'

const operation = operationsOf('audit')

const eventSchema = z
  .object({
    id: z.string(),
    at: time,
    actor: z.string(),
    actorKind: z.string(),
    session: z.string().nullable().openapi({
      description:
        'Which of those who share the actor it was: the session of an assumed role, the name in a JWT, an API token',
    }),
    action: z.string(),
    clusterId: z.string().nullable(),
    jobId: z.string().nullable(),
    outcome: z.enum(['success', 'failure', 'denied']),
    detail: z.record(z.string(), z.unknown()),
    requestId: z.string().nullable(),
    address: z.string().nullable(),
    agent: z.string().nullable(),
  })
  .openapi('AuditEvent')

function showEvent(row: AuditRow): z.infer<typeof eventSchema> {
  const { id, actor, actorKind, session, action, clusterId, jobId, outcome, detail, requestId, address, agent } = row
  const at = row.at.toISOString()
  return { id, at, actor, actorKind, session, action, clusterId, jobId, outcome, detail, requestId, address, agent }
}

const proofSchema = z
  .object({
    isIntact: z.boolean(),
    sealed: z.int(),
    unsealed: z.int().openapi({ description: 'Events that wait for their seal, which comes every minute' }),
    head: z.object({ number: z.int(), hash: z.string() }).openapi({
      description:
        'The newest seal; the log of the worker has the newest of each run, so that a chain that was made anew can be found',
    }),
    problems: z.array(
      z.object({
        eventId: z.string().nullable(),
        kind: z.enum(['changed', 'removed', 'inserted']),
        detail: z.string(),
      }),
    ),
  })
  .openapi('AuditProof')

const word = (longest: number) =>
  z
    .string()
    .max(longest)
    // oxlint-disable-next-line no-control-regex
    .regex(/^[^\x00-\x1f\x7f-\x9f]*$/, { error: 'may not hold control characters' })

const filter = {
  actor: word(300).optional(),
  action: word(64).optional(),
  cluster: word(64).optional(),
  from: instant.optional().openapi({ description: 'Included; an event counts by when it was written' }),
  to: instant.optional().openapi({ description: 'Not included' }),
}

type FilterQuery = { [K in keyof typeof filter]?: string | undefined }
const filterOf = ({ actor, action, cluster, from, to }: FilterQuery) => ({
  actor,
  action,
  clusterId: cluster,
  from: from === undefined ? undefined : new Date(from),
  to: to === undefined ? undefined : new Date(to),
})

export const auditRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/audit-events',
      operationId: 'listAuditEvents',
      summary: 'Who did what, and who tried in vain, newest first',
      request: { query: z.object({ ...pageQuery, ...filter }) },
      responses: { 200: json(pageOf(eventSchema), 'A page of events') },
    }),
    async (c) => {
      const { app, by } = c.var
      const { limit, cursor, ...query } = c.req.valid('query')
      return c.json(toPage(await listAudit(app.db, by, filterOf(query), { limit, cursor }), limit, showEvent), 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/audit-events/verify',
      operationId: 'verifyAuditEvents',
      summary: 'Whether every event is as it was sealed; names those that are not',
      request: {
        query: z.strictObject({
          number: optionalWholeQuery(1, 2_147_483_647).openapi({
            description: 'Of a seal that you know from the log: the chain must still reach it',
          }),
          hash: z
            .string()
            .regex(/^[0-9a-f]{64}$/)
            .optional()
            .openapi({ description: 'Of a seal that you know from the log: the chain must still hold it, under the number if you give one' }), // prettier-ignore
        }),
      },
      responses: { 200: json(proofSchema, 'The proof') },
    }),
    async (c) => {
      return c.json(await verifyAudit(c.var.app.db, c.var.by, c.req.valid('query')), 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/audit-events/export',
      operationId: 'exportAuditEvents',
      summary: 'The events of a time as JSON lines, oldest first',
      request: { query: z.object(filter) },
      responses: {
        200: { description: 'A line an event', content: { 'application/x-ndjson': { schema: z.string() } } },
      },
    }),
    async (c) => {
      const batches = exportAudit(c.var.app.db, c.var.by, filterOf(c.req.valid('query')))
      // All refusals come before the answer begins, because a begun answer cannot be taken back.
      let batch = await batches.next()
      c.header('content-type', 'application/x-ndjson')
      if (c.req.method === 'HEAD') return c.body(null, 200) as never
      return stream(c, async (out) => {
        try {
          while (batch.done !== true && !out.aborted) {
            await out.write(batch.value.map((row) => `${JSON.stringify(showEvent(row))}\n`).join(''))
            // The export may go on for longer than the caller's right to it.
            requireAnywhere(await c.var.renew(), 'audit.read')
            batch = await batches.next()
          }
        } catch (error) {
          c.var.app.log.error({ err: error, requestId: c.var.requestId }, 'an export broke off')
          // Without this line a broken export would look complete.
          await out.write(
            `${JSON.stringify({ error: 'the export broke off: ask again', requestId: c.var.requestId })}\n`,
          )
        }
      }) as never // the types know of no stream of this kind
    },
  )
