// Signing in to the console, and out of it.
import { z } from '@hono/zod-openapi'
import { authenticate } from '../../auth/authenticate.ts'
import { nameOf } from '../../auth/principal.ts'
import { endSession } from '../../auth/sessions.ts'
import { AppError } from '../../errors.ts'
import { forgetAccess } from '../access.ts'
import { json, operationsOf, router } from '../router.ts'
import { giveSession, originOf, requireSameOrigin, takeSession } from '../session.ts'
import { noContent, time } from './shapes.ts'

const operation = operationsOf('access')

const ways = z
  .object({
    ways: z.array(z.enum(['token', 'aws', 'oidc'])).openapi({ description: 'How one can sign in here.' }),
    simulated: z.boolean().openapi({ description: 'Whether the clusters here are simulated.' }),
  })
  .openapi('SignIn')

export const sessionRoutes = router()
sessionRoutes.use('/session', forgetAccess)
sessionRoutes
  .openapi(
    operation({
      method: 'get',
      path: '/session',
      operationId: 'getSignIn',
      summary: 'How one can sign in to the console; anybody may ask',
      security: [],
      responses: { 200: json(ways, 'The ways') },
    }),
    (c) => {
      const { authenticators, installer } = c.var.app
      return c.json(
        {
          ways: [
            'token' as const,
            ...(authenticators.awsIam ? (['aws'] as const) : []),
            ...(authenticators.oidc ? (['oidc'] as const) : []),
          ],
          simulated: installer.simulated,
        },
        200,
      )
    },
  )
  .openapi(
    operation({
      method: 'post',
      path: '/session',
      operationId: 'signIn',
      summary: "Change a token for the console's cookie, which no script can read and which lasts 12 hours at most",
      security: [],
      request: {
        headers: z.object({
          'sec-fetch-site': z.string().optional().openapi({ description: 'same-origin, as the browser sends it' }),
        }),
        body: {
          required: true,
          content: {
            'application/json': { schema: z.strictObject({ token: z.string().trim().min(1).max(12_288) }) },
          },
        },
      },
      responses: { 201: json(z.object({ principal: z.string(), expiresAt: time }), 'Signed in; see Set-Cookie') },
    }),
    async (c) => {
      const { app, limits } = c.var
      // Else another site could sign somebody in as the wrong one.
      requireSameOrigin(c)
      const { token } = c.req.valid('json')
      const credential = `Bearer ${token}`
      const by = await limits.countFailures(c, credential, () =>
        authenticate(app.authenticators, credential, originOf(c)),
      )
      await limits.countCaller(c, nameOf(by))
      const expiresAt = await giveSession(c, by, by.tokenId === undefined ? undefined : token)
      return c.json({ principal: nameOf(by), expiresAt: expiresAt.toISOString() }, 201)
    },
  )
  .openapi(
    operation({
      method: 'delete',
      path: '/session',
      operationId: 'signOut',
      summary: 'End the session of the cookie, in every process at once',
      security: [],
      responses: { ...noContent },
    }),
    async (c) => {
      const { app, credential } = c.var
      if (typeof credential === 'object')
        try {
          const by = await authenticate(app.authenticators, credential, originOf(c))
          await app.db.transaction((tx) => endSession(tx, by, credential))
        } catch (error) {
          // It is over already.
          if (!(error instanceof AppError) || error.code !== 'UNAUTHENTICATED') throw error
        }
      takeSession(c)
      return c.body(null, 204)
    },
  )
