import { z } from '@hono/zod-openapi'
import type { App } from '../../app.ts'
import { words } from '../../clusters/request.ts'
import { actions, explain, type Action, type Explanation } from '../../auth/permissions.ts'
import { principalName, type Caller } from '../../auth/principal.ts'
import { listDisabled } from '../../auth/role-bindings.ts'
import { clusterFor } from '../../clusters/queries.ts'
import { roles } from '../../vocabulary.ts'
import { json, operationsOf, router } from '../router.ts'
import { principalSchema } from './shapes.ts'

const operation = operationsOf('access')

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

export const whoamiRoutes = router().openapi(
  operation({
    method: 'get',
    path: '/whoami',
    operationId: 'whoami',
    summary: 'Who you are here, in which teams you have which role, and why you may do something or not',
    request: {
      query: z
        .strictObject({
          for: z.enum(actions).optional(),
          clusterId: z.string().max(64).optional(),
          team: words(256).optional(),
        })
        .refine(({ for: action, clusterId, team }) => action !== undefined || (clusterId ?? team) === undefined, {
          error: 'say for what you ask about it, such as for=cluster.destroy',
          path: ['for'],
        }),
    },
    responses: { 200: json(me, 'The caller') },
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

/** Switched-off bindings are named too: somebody who asks "why not" looks for them. */
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
