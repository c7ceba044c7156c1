import { createRoute, z } from '@hono/zod-openapi'
import { principalTypes, roles } from '../db/schema.ts'
import { json, problems, router, security } from './router.ts'

const me = z
  .object({
    principal: z.object({ type: z.enum(principalTypes), id: z.string() }),
    scopes: z.array(z.string()),
    bindings: z.array(z.object({ team: z.string(), role: z.enum(roles) })),
  })
  .openapi('Caller')

export const accessRoutes = router().openapi(
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
