import { createRoute, z } from '@hono/zod-openapi'
import { listTokens, requestToken, revokeToken, type TokenRow } from '../../auth/api-tokens.ts'
import { actions, explain, type Action, type Explanation } from '../../auth/permissions.ts'
import { type Caller, principalName } from '../../auth/principal.ts'
import { teamOrAll } from '../../clusters/request.ts'
import { principalTypes, roles } from '../../vocabulary.ts'
import {
  createBinding,
  deleteBinding,
  listBindings,
  listDisabled,
  updateBinding,
  type BindingRow,
} from '../../auth/role-bindings.ts'
import { clusterFor } from '../../clusters/queries.ts'
import type { App } from '../../app.ts'
import { toPage } from '../../db/page.ts'
import { once } from '../once.ts'
import { idParam, json, optionalIdempotencyHeader, pageOf, pageQuery, problems, router, security } from '../router.ts'

const principalSchema = z.object({ type: z.enum(principalTypes), id: z.string() })

const explanationSchema = z
  .object({
    action: z.enum(actions),
    allowed: z.boolean(),
    because: z.string(),
    bindings: z.array(
      z.object({
        id: z.string(),
        role: z.enum(roles),
        team: z.string(),
        via: z.string(),
        allows: z.boolean(),
        because: z.string(),
      }),
    ),
  })
  .openapi('Explanation')

const me = z
  .object({
    principal: principalSchema,
    groups: z.array(principalSchema),
    session: z.string().nullable(),
    scopes: z.array(z.string()),
    bindings: z.array(z.object({ id: z.string(), team: z.string(), role: z.enum(roles), via: z.string() })),
    explanation: explanationSchema.optional().openapi({ description: 'With `for`: why, or why not' }),
  })
  .openapi('Caller')

const time = z.iso.datetime()
const words = (longest: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(longest)
    .regex(/^[^\p{Cc}]*$/u, { error: 'may not hold control characters' })
const text = words(256)
const scopes = z
  .array(z.enum(['read', 'write']))
  .min(1)
  .max(2)
  .refine((given) => new Set(given).size === given.length, { error: 'each of them once' })
const noContent = { 204: { description: 'Done' } }

const tokenSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    prefix: z.string(),
    standsFor: principalSchema,
    createdBy: z.string(),
    scopes: z.array(z.string()),
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .openapi('ApiToken')

const showToken = (row: TokenRow): z.infer<typeof tokenSchema> => ({
  id: row.id,
  name: row.name,
  // Of one that an operator chose it might be half.
  prefix: row.prefix.startsWith('ocp_') ? row.prefix : '',
  standsFor: { type: row.principalType, id: row.principal },
  createdBy: row.createdBy,
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

const changing = router()
// The answer says that it is done: from here on it is, before word of it has come back from the database.
for (const path of ['/api-tokens/*', '/role-bindings/*'])
  changing.use(path, async (c, next) => {
    await next()
    if (c.req.method !== 'GET' && c.res.ok) c.var.app.authenticators.access.forget()
  })

export const accessRoutes = changing
  .openapi(
    createRoute({
      method: 'get',
      path: '/whoami',
      operationId: 'whoami',
      summary: 'Who you are here, in which teams you have which role, and why you may do something or not',
      tags: ['access'],
      security,
      request: {
        query: z
          .strictObject({
            for: z.enum(actions).optional(),
            clusterId: z.string().max(64).optional(),
            team: text.optional(),
          })
          .refine(({ for: action, clusterId, team }) => action !== undefined || (clusterId ?? team) === undefined, {
            error: 'say for what you ask about it, such as for=cluster.destroy',
            path: ['for'],
          }),
      },
      responses: { 200: json(me, 'The caller'), ...problems() },
    }),
    async (c) => {
      const { app, by } = c.var
      const { for: action, ...target } = c.req.valid('query')
      const explanation = action && (await explainFor(app, by, action, target))
      return c.json(
        {
          principal: by.principal,
          groups: [...by.groups],
          session: by.session ?? null,
          scopes: [...by.scopes],
          bindings: by.bindings.map(({ via, ...binding }) => ({ ...binding, via: principalName(via) })),
          ...(explanation ? { explanation } : {}),
        },
        200,
      )
    },
  )
  .openapi(
    createRoute({
      method: 'get',
      path: '/api-tokens',
      operationId: 'listTokens',
      summary: 'The tokens that you made and that are not revoked; to a platform administrator, of all',
      tags: ['access'],
      security,
      request: { query: z.strictObject({ ...pageQuery, createdBy: text.optional() }) },
      responses: { 200: json(pageOf(tokenSchema), 'A page of tokens; no secret'), ...problems() },
    }),
    async (c) => {
      const { limit, cursor, createdBy } = c.req.valid('query')
      const rows = await listTokens(c.var.app.db, c.var.by, createdBy, { limit, cursor })
      return c.json(toPage(rows, limit, showToken), 200)
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
        headers: optionalIdempotencyHeader,
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
      responses: {
        201: json(tokenSchema.extend({ secret: z.string() }), 'The token with its secret'),
        ...problems(409, 422),
      },
    }),
    async (c) => {
      const request = c.req.valid('json')
      const operation = { operation: 'POST /api-tokens', body: request, status: 201 }
      const answer = await once(c, { ...operation, isKeyOptional: true, isSecret: true }, async (tx) => {
        const { row, secret } = await requestToken(tx, c.var.by, request)
        return { ...showToken(row), secret }
      })
      return c.json(answer, 201)
    },
  )
  .openapi(
    createRoute({
      method: 'delete',
      path: '/api-tokens/{id}',
      operationId: 'revokeToken',
      summary: 'Revoke a token of yours, at once; a platform administrator, of anybody',
      tags: ['access'],
      security,
      request: { params: idParam('tok') },
      responses: { ...noContent, ...problems(409) },
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      await app.db.transaction((tx) => revokeToken(app.config, tx, by, id))
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
      responses: { 201: json(bindingSchema, 'The binding'), ...problems(409, 422) },
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
      return c.json(showBinding(await app.db.transaction((tx) => updateBinding(app.config, tx, by, id, changes))), 200)
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
      await app.db.transaction((tx) => deleteBinding(app.config, tx, by, id))
      return c.body(null, 204)
    },
  )

/** Switched-off bindings are named too: they are what somebody who asks "why not" looks for. */
async function explainFor(
  app: App,
  by: Caller,
  action: Action,
  { clusterId, team }: { clusterId?: string | undefined; team?: string | undefined },
): Promise<Explanation> {
  const cluster = clusterId === undefined ? undefined : await clusterFor(app.db, by, 'cluster.read', clusterId)
  const explanation = explain(by, action, cluster ?? (team === undefined ? {} : { team }))
  const disabled = await listDisabled(app.db, by)
  const off = disabled.map(({ id, role, team: of, principalType, principal }) => ({
    id,
    role,
    team: of,
    via: `${principalType}:${principal}`,
    allows: false,
    because: 'this binding is switched off',
  }))
  return { ...explanation, bindings: [...explanation.bindings, ...off] }
}
