import { z } from '@hono/zod-openapi'
import { applyRetention, previewRetention } from '../../clusters/retention.ts'
import { json, operationsOf, router } from '../router.ts'
import { time } from './shapes.ts'

const counts = { clusters: z.int(), artifacts: z.int(), bytes: z.number() }
const answer = z
  .object({
    dryRun: z.boolean(),
    ...counts,
    items: z
      .array(
        z.object({ clusterId: z.string(), name: z.string(), destroyedAt: time, artifacts: z.int(), bytes: z.number() }),
      )
      .openapi({ description: 'Of a dry run: the first thousand clusters of which something would go.' }),
  })
  .openapi('Retention')

export const retentionRoutes = router().openapi(
  operationsOf('retention')({
    method: 'post',
    path: '/retention',
    operationId: 'applyRetention',
    summary: 'Remove the snapshots and logs that profiles no longer keep of destroyed clusters, or see what would go',
    request: { query: z.object({ dryRun: z.enum(['true', 'false']).default('false') }) },
    responses: { 200: json(answer, 'What goes, or would go') },
  }),
  async (c) => {
    const { app, by } = c.var
    if (c.req.valid('query').dryRun === 'false')
      return c.json({ dryRun: false, ...(await applyRetention(app, by)), items: [] }, 200)
    const { items, ...sums } = await previewRetention(app, by)
    const shown = items.map((item) => ({ ...item, destroyedAt: item.destroyedAt.toISOString() }))
    return c.json({ dryRun: true, ...sums, items: shown }, 200)
  },
)
