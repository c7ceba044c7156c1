import { z } from '@hono/zod-openapi'
import { words } from '../../clusters/request.ts'
import { listTokens, requestToken, revokeToken, type TokenRow } from '../../auth/api-tokens.ts'
import { toPage } from '../../db/page.ts'
import { forgetAccess } from '../access.ts'
import { once } from '../once.ts'
import { idParam, json, operationsOf, optionalIdempotencyHeader, pageOf, pageQuery, router } from '../router.ts'
import { noContent, principalSchema, time } from './shapes.ts'

const operation = operationsOf('access')

const text = words(256)
const scopes = z
  .array(z.enum(['read', 'write']))
  .min(1)
  .max(2)
  .refine((given) => new Set(given).size === given.length, { error: 'each of them once' })
  .openapi({ uniqueItems: true })

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
  // The prefix of a secret that an operator chose might be half of that secret.
  prefix: row.prefix.startsWith('ocp_') ? row.prefix : '',
  standsFor: { type: row.principalType, id: row.principal },
  createdBy: row.createdBy,
  scopes: row.scopes,
  createdAt: row.createdAt.toISOString(),
  expiresAt: row.expiresAt?.toISOString() ?? null,
  lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
})

export const tokenRoutes = router()
tokenRoutes.use('/api-tokens/*', forgetAccess)
tokenRoutes
  .openapi(
    operation({
      method: 'get',
      path: '/api-tokens',
      operationId: 'listTokens',
      summary: 'The tokens that you made and that are not revoked; to a platform administrator, of all',
      request: { query: z.strictObject({ ...pageQuery, createdBy: text.optional() }) },
      responses: { 200: json(pageOf(tokenSchema), 'A page of tokens; no secret') },
    }),
    async (c) => {
      const { limit, cursor, createdBy } = c.req.valid('query')
      const rows = await listTokens(c.var.app.db, c.var.by, createdBy, { limit, cursor })
      return c.json(toPage(rows, limit, showToken), 200)
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/api-tokens',
      operationId: 'createToken',
      summary: 'Make a token; its secret is shown this once',
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
        201: json(tokenSchema.extend({ secret: z.string() }), 'The token with its secret', { '/id': ['revokeToken'] }),
      },
      fails: [409, 422],
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
    operation({
      method: 'delete',
      path: '/api-tokens/{id}',
      operationId: 'revokeToken',
      summary: 'Revoke a token of yours, at once; a platform administrator, of anybody',
      request: { params: idParam('tok') },
      responses: { ...noContent },
      fails: [409],
    }),
    async (c) => {
      const { app, by } = c.var
      const { id } = c.req.valid('param')
      await app.db.transaction((tx) => revokeToken(app.config, tx, by, id))
      return c.body(null, 204)
    },
  )
