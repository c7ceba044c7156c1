import { z } from '@hono/zod-openapi'
import { teamOrAll, words } from '../../clusters/request.ts'
import { toPage } from '../../db/page.ts'
import type { WebhookRow } from '../../notices/tables.ts'
import { changeWebhook, createWebhook, deleteWebhook, listDeliveries, listWebhooks, redeliver, testWebhook, type ShownDelivery } from '../../notices/webhooks.ts' // prettier-ignore
import { deliveryStatuses, noticeTypes, webhookForms, type NoticeType } from '../../vocabulary.ts'
import { once } from '../once.ts'
import { idParam, json, operationsOf, optionalIdempotencyHeader, pageOf, pageQuery, router } from '../router.ts'
import { instant, noContent, time } from './shapes.ts'

const operation = operationsOf('webhooks')
const ofWebhook = ['listDeliveries', 'testWebhook', 'redeliver', 'changeWebhook', 'deleteWebhook']
const id = idParam('whk')

const url = words(2000).openapi({ description: 'https on port 443, at a public address.' })
const types = z
  .array(z.enum(noticeTypes))
  .max(noticeTypes.length)
  .openapi({ description: 'What is told; an empty list: everything.' })
const form = z.enum(webhookForms)

const fields = {
  id: z.string(),
  team: z.string().openapi({ description: '`*`: all teams.' }),
  origin: z.string().openapi({ description: 'Of the URL. The rest is not shown, since it may be a secret.' }),
  types,
  form,
  enabled: z.boolean(),
  disabledReason: z.string().nullable(),
  failingSince: time.nullable(),
  createdBy: z.string(),
  createdAt: time,
  updatedAt: time,
}
const webhookSchema = z.object(fields).openapi('Webhook')
const secret = z.string().openapi({ description: 'Shown only this once: `whsec_…`, as Standard Webhooks has it.' })
const newWebhook = z.object({ ...fields, secret }).openapi('NewWebhook')
const changedWebhook = z.object({ ...fields, secret: secret.optional() }).openapi('ChangedWebhook')

const showWebhook = (row: WebhookRow): z.infer<typeof webhookSchema> => ({
  id: row.id,
  team: row.team,
  origin: row.origin,
  types: row.types,
  form: row.form,
  enabled: row.enabled,
  disabledReason: row.disabledReason,
  failingSince: row.failingSince?.toISOString() ?? null,
  createdBy: row.createdBy,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
})

const deliverySchema = z
  .object({
    id: z.string(),
    webhookId: z.string(),
    noticeId: z.string().openapi({ description: 'Sent as webhook-id, the same at each try.' }),
    sequence: z.int(),
    type: z.enum(noticeTypes),
    clusterId: z.string().nullable(),
    status: z.enum(deliveryStatuses),
    tries: z.int(),
    createdAt: time,
    lastTriedAt: time.nullable(),
    nextTryAt: time.nullable(),
    answerStatus: z.int().nullable(),
    answer: z.string().nullable().openapi({ description: 'The first kilobyte of the last answer.' }),
    tookMs: z.int().nullable(),
    problem: z.string().nullable().openapi({ description: 'Why there was no answer.' }),
  })
  .openapi('Delivery')

const showDelivery = ({ notice, ...row }: ShownDelivery): z.infer<typeof deliverySchema> => ({
  id: row.id,
  webhookId: row.webhookId,
  noticeId: notice.id,
  sequence: row.sequence,
  type: notice.type as NoticeType, // changes are delivered to nobody
  clusterId: notice.clusterId,
  status: row.status,
  tries: row.tries,
  createdAt: row.createdAt.toISOString(),
  lastTriedAt: row.lastTriedAt?.toISOString() ?? null,
  nextTryAt: row.nextTryAt?.toISOString() ?? null,
  answerStatus: row.answerStatus,
  answer: row.answer,
  tookMs: row.tookMs,
  problem: row.problem,
})

export const webhookRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/webhooks',
      operationId: 'listWebhooks',
      summary: 'The webhooks of the teams that you rule',
      request: { query: z.object(pageQuery) },
      responses: { 200: json(pageOf(webhookSchema), 'A page of webhooks') },
    }),
    async (c) => {
      const { limit, cursor } = c.req.valid('query')
      return c.json(toPage(await listWebhooks(c.var.app.db, c.var.by, { limit, cursor }), limit, showWebhook), 200)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/webhooks',
      operationId: 'createWebhook',
      summary: 'Be told of what happens to the clusters of a team, signed as Standard Webhooks 1.0.0 has it',
      request: {
        headers: optionalIdempotencyHeader,
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z.strictObject({
                team: teamOrAll,
                url,
                types: types.default([]),
                form: form.default('standard'),
              }),
            },
          },
        },
      },
      responses: { 201: json(newWebhook, 'The webhook, with its secret', { '/id': ofWebhook }) },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const request = c.req.valid('json')
      const asked = { operation: 'POST /webhooks', body: request, status: 201, isKeyOptional: true, isSecret: true }
      const answer = await once(c, asked, async (tx) => {
        const made = await createWebhook(app, tx, by, request)
        return { ...showWebhook(made.webhook), secret: made.secret }
      })
      return c.json(answer, 201)
    },
  )
  .openapi(
    operation({
      method: 'patch',
      path: '/webhooks/{id}',
      operationId: 'changeWebhook',
      summary: 'Change a webhook, switch it on or off, or give it another secret',
      request: {
        params: id,
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z
                .strictObject({
                  url: url.optional(),
                  types: types.optional(),
                  form: form.optional(),
                  enabled: z.boolean().optional(),
                  rotateSecret: z
                    .boolean()
                    .optional()
                    .openapi({ description: 'For a day, the old secret signs beside the new one.' }),
                })
                .refine((changes) => Object.keys(changes).length > 0, { error: 'names no change' })
                .openapi({ minProperties: 1 }),
            },
          },
        },
      },
      responses: { 200: json(changedWebhook, 'The webhook, with its secret when that is new') },
    }),
    async (c) => {
      const { app, by } = c.var
      const changes = c.req.valid('json')
      const changed = await app.db.transaction((tx) => changeWebhook(app, tx, by, c.req.valid('param').id, changes))
      const { webhook, secret: made } = changed
      return c.json({ ...showWebhook(webhook), ...(made === undefined ? {} : { secret: made }) }, 200)
    },
  )
  .openapi(
    operation({
      method: 'delete',
      path: '/webhooks/{id}',
      operationId: 'deleteWebhook',
      summary: 'Be told no more',
      request: { params: id },
      responses: { ...noContent },
    }),
    async (c) => {
      const { app, by } = c.var
      await app.db.transaction((tx) => deleteWebhook(tx, by, c.req.valid('param').id))
      return c.body(null, 204)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/webhooks/{id}/test',
      operationId: 'testWebhook',
      summary: 'Send a signed test to this webhook alone',
      request: { params: id, headers: optionalIdempotencyHeader },
      responses: { 202: json(z.object({ noticeId: z.string() }), 'What it gets as webhook-id') },
      fails: [409, 422],
    }),
    async (c) => {
      const { by } = c.var
      const { id: webhookId } = c.req.valid('param')
      const asked = { operation: `POST /webhooks/${webhookId}/test`, body: null, status: 202, isKeyOptional: true }
      return c.json(await once(c, asked, async (tx) => ({ noticeId: await testWebhook(tx, by, webhookId) })), 202)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/webhooks/{id}/deliveries',
      operationId: 'listDeliveries',
      summary: 'The last hundred deliveries of a webhook, newest first',
      request: { params: id },
      responses: { 200: json(z.object({ items: z.array(deliverySchema) }), 'Deliveries') },
    }),
    async (c) => {
      const { app, by } = c.var
      const items = await listDeliveries(app.db, by, c.req.valid('param').id)
      return c.json({ items: items.map(showDelivery) }, 200)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/webhooks/{id}/redeliver',
      operationId: 'redeliver',
      summary: 'Send one delivery again, or all since a time within the last week',
      request: {
        params: id,
        headers: optionalIdempotencyHeader,
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z
                .strictObject({ deliveryId: z.string().max(64).optional(), since: instant.optional() })
                .refine(({ deliveryId, since }) => (deliveryId === undefined) !== (since === undefined), {
                  error: 'takes either deliveryId or since',
                })
                .openapi({ minProperties: 1, maxProperties: 1 }),
            },
          },
        },
      },
      responses: { 202: json(z.object({ deliveries: z.int() }), 'How many are sent again') },
      fails: [409, 422],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id: webhookId } = c.req.valid('param')
      const { deliveryId, since } = c.req.valid('json')
      const which = since === undefined ? { deliveryId: deliveryId ?? '' } : { since: new Date(since) }
      const operation = `POST /webhooks/${webhookId}/redeliver`
      const asked = { operation, body: { deliveryId, since }, status: 202, isKeyOptional: true }
      return c.json(await once(c, asked, async (tx) => ({ deliveries: await redeliver(app, tx, by, webhookId, which) })), 202) // prettier-ignore
    },
  )
