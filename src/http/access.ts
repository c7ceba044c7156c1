import { createRoute, z } from '@hono/zod-openapi'
import { listTokens, requestToken, revokeToken, type TokenRow } from '../auth/api-tokens.ts'
import { createBinding, deleteBinding, listBindings, updateBinding, type BindingRow } from '../auth/role-bindings.ts'
import { toPage } from '../db/page.ts'
import { principalTypes, roles } from '../db/schema.ts'
import { idParam, json, pageOf, pageQuery, problems, router, security } from './router.ts'

const me = z
  .object({
    principal: z.object({ type: z.enum(principalTypes), id: z.string() }),
    scopes: z.array(z.string()),
    bindings: z.array(z.object({ team: z.string(), role: z.enum(roles) })),
  })
  .openapi('Caller')

const time = z.iso.datetime()
const text = z
  .string()
  .trim()
  .min(1)
  .max(256)
  .regex(/^[^\p{Cc}]*$/u, { error: 'may not hold control characters' })
const scopes = z.array(z.enum(['read', 'write'])).min(1)
const noContent = { 204: { description: 'Done' } }

const tokenSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string(),
    standsFor: z.object({ type: z.enum(principalTypes), id: z.string() }),
    scopes: z.array(z.string()),
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .openapi('ApiToken')

const showToken = (row: TokenRow): z.infer<typeof tokenSchema> => ({
  id: row.id,
  name: row.name,
  prefix: row.prefix,
  standsFor: { type: row.principalType, id: row.principal },
  scopes: row.scopes,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt?.toISOString() ?? null,
  lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
})

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

export const accessRoutes = router()
  .openapi(
    createRoute({
      method: 'get',
      path: '/whoami',
      operationId: 'whoami',
      summary: 'Who you are here, and in which teams you have which role',
      tags: ['access'],
      security,
      responses: { 200: json(me, 'The caller'), ...problems() },
    }),
    (c) => {
      const { principal, scopes, bindings } = c.var.by
      return c.json({ principal, scopes: [...scopes], bindings: [...bindings] }, 200)
    },
  )
  .openapi(
    createRoute({
      method: 'get',
      path: '/api-tokens',
      operationId: 'listTokens',
      summary: 'The tokens that you made and that are not revoked',
      tags: ['access'],
      security,
      request: { query: z.object(pageQuery) },
      responses: { 200: json(pageOf(tokenSchema), 'A page of tokens; no secret'), ...problems() },
    }),
    async (c) => {
      const { limit, cursor } = c.req.valid('query')
      return c.json(toPage(await listTokens(c.var.app.db, c.var.by, { limit, cursor }), limit, showToken), 200)
    },
  )
  .openapi(
    createRoute({
      method: 'post',
      path: '/api-tokens',
      operationId: 'createToken',
      summary: 'Make a token; its secret is shown this once',
      tags: ['access'],
      security,
      request: {
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z.strictObject({
                name: text,
                scopes: scopes.default(['read']),
                expiresInDays: z.int().min(1).max(365).default(90),
                standsFor: z.enum(['caller', 'itself']).default('caller').openapi({
                  description:
                    'itself: a principal of its own (`token:ID`), without rights until a role is bound to it',
                }),
              }),
            },
          },
        },
      },
      responses: { 201: json(tokenSchema.extend({ secret: z.string() }), 'The token with its secret'), ...problems() },
    }),
    async (c) => {
      const { app, by } = c.var
      const request = c.req.valid('json')
      const { row, secret } = await app.db.transaction((tx) => requestToken(tx, by, request))
      return c.json({ ...showToken(row), secret }, 201)
    },
  )
  .openapi(
    createRoute({
      method: 'delete',
      path: '/api-tokens/{id}',
      operationId: 'revokeToken',
      summary: 'Revoke a token of yours, at once',
      tags: ['access'],
      security,
      request: { params: idParam('tok') },
      responses: { ...noContent, ...problems() },
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      await app.db.transaction((tx) => revokeToken(tx, by, id))
      return c.body(null, 204)
    },
  )
  .openapi(
    createRoute({
      method: 'get',
      path: '/role-bindings',
      operationId: 'listBindings',
      summary: 'Who has which role in the teams that you rule',
      tags: ['access'],
      security,
      request: { query: z.object(pageQuery) },
      responses: { 200: json(pageOf(bindingSchema), 'A page of bindings'), ...problems() },
    }),
    async (c) => {
      const { limit, cursor } = c.req.valid('query')
      return c.json(toPage(await listBindings(c.var.app.db, c.var.by, { limit, cursor }), limit, showBinding), 200)
    },
  )
  .openapi(
    createRoute({
      method: 'post',
      path: '/role-bindings',
      operationId: 'createBinding',
      summary: 'Give a principal a role in a team',
      tags: ['access'],
      security,
      request: {
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z.strictObject({
                principalType: z.enum(principalTypes),
                principal: text,
                team: text,
                role: z.enum(roles),
                notes: text.optional(),
              }),
            },
          },
        },
      },
      responses: { 201: json(bindingSchema, 'The binding'), ...problems(409) },
    }),
    async (c) => {
      const { app, by } = c.var
      const request = c.req.valid('json')
      return c.json(showBinding(await app.db.transaction((tx) => createBinding(tx, by, request))), 201)
    },
  )
  .openapi(
    createRoute({
      method: 'patch',
      path: '/role-bindings/{id}',
      operationId: 'updateBinding',
      summary: 'Switch a binding off or on, or change its notes',
      tags: ['access'],
      security,
      request: {
        params: idParam('rbm'),
        body: {
          required: true,
          content: {
            'application/json': {
              schema: z
                .strictObject({ enabled: z.boolean().optional(), notes: text.nullable().optional() })
                .refine((changes) => Object.keys(changes).length > 0, { error: 'name enabled or notes' }),
            },
          },
        },
      },
      responses: { 200: json(bindingSchema, 'The binding'), ...problems(409) },
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      const changes = c.req.valid('json')
      return c.json(showBinding(await app.db.transaction((tx) => updateBinding(tx, by, id, changes))), 200)
    },
  )
  .openapi(
    createRoute({
      method: 'delete',
      path: '/role-bindings/{id}',
      operationId: 'deleteBinding',
      summary: 'Take a role away',
      tags: ['access'],
      security,
      request: { params: idParam('rbm') },
      responses: { ...noContent, ...problems(409) },
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      await app.db.transaction((tx) => deleteBinding(tx, by, id))
      return c.body(null, 204)
    },
  )
