import { z } from '@hono/zod-openapi'
import { createBinding, deleteBinding, listBindings, updateBinding, type BindingRow } from '../../auth/role-bindings.ts'
import { teamOrAll, words } from '../../clusters/request.ts'
import { toPage } from '../../db/page.ts'
import { principalTypes, roles } from '../../vocabulary.ts'
import { forgetAccess } from '../access.ts'
import { once } from '../once.ts'
import { idParam, json, operationsOf, optionalIdempotencyHeader, pageOf, pageQuery, router } from '../router.ts'
import { noContent, time } from './shapes.ts'

const operation = operationsOf('access')

const text = words(256)

const bindingSchema = z
  .object({
    id: z.string(),
    principalType: z.enum(principalTypes),
    principal: z.string(),
    team: z.string(),
    role: z.enum(roles),
    enabled: z.boolean(),
    notes: z.string().nullable(),
    createdBy: z.string(),
    createdAt: time,
  })
  .openapi('RoleBinding')

const showBinding = ({ createdAt, ...row }: BindingRow): z.infer<typeof bindingSchema> => ({
  ...row,
  createdAt: createdAt.toISOString(),
})

export const bindingRoutes = router()
bindingRoutes.use('/role-bindings/*', forgetAccess)
bindingRoutes
  .openapi(
    operation({
      method: 'get',
      path: '/role-bindings',
      operationId: 'listBindings',
      summary: 'Who has which role in the teams that you rule',
      request: { query: z.object(pageQuery) },
      responses: { 200: json(pageOf(bindingSchema), 'A page of bindings') },
    }),
    async (c) => {
      const { limit, cursor } = c.req.valid('query')
      return c.json(toPage(await listBindings(c.var.app.db, c.var.by, { limit, cursor }), limit, showBinding), 200)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/role-bindings',
      operationId: 'createBinding',
      summary: 'Give a principal a role in a team',
      request: {
        headers: optionalIdempotencyHeader,
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z.strictObject({
                principalType: z.enum(principalTypes),
                principal: words(700), // an ARN with its path
                team: teamOrAll,
                role: z.enum(roles),
                notes: text.optional(),
              }),
            },
          },
        },
      },
      responses: { 201: json(bindingSchema, 'The binding', { '/id': ['updateBinding', 'deleteBinding'] }) },
      fails: [409, 422],
    }),
    async (c) => {
      const request = c.req.valid('json')
      const operation = { operation: 'POST /role-bindings', body: request, status: 201, isKeyOptional: true }
      return c.json(
        await once(c, operation, async (tx) => showBinding(await createBinding(tx, c.var.by, request))),
        201,
      )
    },
  )
  .openapi(
    operation({
      method: 'patch',
      path: '/role-bindings/{id}',
      operationId: 'updateBinding',
      summary: 'Switch a binding off or on, or change its notes',
      request: {
        params: idParam('rbm'),
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z
                .strictObject({ enabled: z.boolean().optional(), notes: text.nullable().optional() })
                .refine((changes) => Object.keys(changes).length > 0, { error: 'name enabled or notes' })
                .openapi({ minProperties: 1 }),
            },
          },
        },
      },
      responses: { 200: json(bindingSchema, 'The binding') },
      fails: [409],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      const changes = c.req.valid('json')
      return c.json(showBinding(await app.db.transaction((tx) => updateBinding(app.config, tx, by, id, changes))), 200)
    },
  )
  .openapi(
    operation({
      method: 'delete',
      path: '/role-bindings/{id}',
      operationId: 'deleteBinding',
      summary: 'Take a role away',
      request: { params: idParam('rbm') },
      responses: { ...noContent },
      fails: [409],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      await app.db.transaction((tx) => deleteBinding(app.config, tx, by, id))
      return c.body(null, 204)
    },
  )
