import { z } from '@hono/zod-openapi'
import { requireAnywhere } from '../../auth/permissions.ts'
import { profileNamed } from '../../profiles/catalog.ts'
import { profileSchema } from '../../profiles/profile.ts'
import { json, operationsOf, router } from '../router.ts'

const operation = operationsOf('profiles')

const shown = z.object(profileSchema.shape).openapi('Profile')

export const profileRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/profiles',
      operationId: 'listProfiles',
      summary: 'What is on offer',
      responses: {
        200: json(z.object({ items: z.array(shown), nextCursor: z.string().nullable() }), 'The profiles by name'),
      },
    }),
    (c) => {
      requireAnywhere(c.var.by, 'profile.read')
      return c.json({ items: c.var.app.catalog.list(), nextCursor: null }, 200)
    },
  )
  .openapi(
    operation({
      method: 'get',
      path: '/profiles/{name}',
      operationId: 'getProfile',
      summary: 'One profile',
      request: { params: z.object({ name: z.string().max(63) }) },
      responses: { 200: json(shown, 'The profile') },
    }),
    (c) => {
      requireAnywhere(c.var.by, 'profile.read')
      return c.json(profileNamed(c.var.app.catalog, c.req.valid('param').name), 200)
    },
  )
