import { z } from '@hono/zod-openapi'
import { words } from '../../clusters/request.ts'
import type { Transaction } from '../../db/client.ts'
import { listPauses, setIntake, type PauseRow, type WantedIntake } from '../../intake/commands.ts'
import { pausedKinds, platforms } from '../../vocabulary.ts'
import { onceUnlessDry } from '../once.ts'
import { dryRunQuery, json, operationsOf, optionalIdempotencyHeader, router } from '../router.ts'
import { instant, time } from './shapes.ts'

const operation = operationsOf('intake')

const scope = {
  platform: z.enum(platforms).optional(),
  profile: z.string().min(1).max(63).optional(),
  team: z.string().min(1).max(128).optional(),
}
const request = z
  .strictObject({
    kind: z.enum(pausedKinds),
    paused: z.boolean().openapi({ description: 'false: what was paused for just this is resumed.' }),
    ...scope,
    reason: words(500).optional().openapi({ description: 'Needed to pause: requesters are told.' }),
    until: instant.optional().openapi({ description: 'Needed to pause, within 30 days: it ends then by itself.' }),
  })
  .superRefine(({ paused, reason, until, platform, profile, team }, context) => {
    const wrong = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    if (paused && reason === undefined) wrong('reason', 'is needed to pause')
    if ((until !== undefined) !== paused) wrong('until', paused ? 'is needed to pause' : 'is not for what is resumed')
    if ([platform, profile, team].filter((each) => each !== undefined).length > 1)
      wrong('platform', 'give one of platform, profile and team, or none of them for all')
  })

const pause = z
  .object({
    id: z.string(),
    kind: z.enum(pausedKinds),
    platform: z.enum(platforms).nullable(),
    profile: z.string().nullable(),
    team: z.string().nullable(),
    reason: z.string(),
    until: time,
    requestedBy: z.string(),
    createdAt: time,
  })
  .openapi('Pause', { description: 'For all where platform, profile and team are null.' })

const changed = z
  .object({
    isChanged: z.boolean().openapi({ description: 'false: it was so already.' }),
    jobs: z.object({ waiting: z.int(), running: z.int(), isWhole: z.boolean() }).openapi({
      description:
        'How many jobs it is about that have not begun, and how many that run and go on all the same. isWhole: false: only the oldest thousands were looked at.',
    }),
    items: z.array(pause),
  })
  .openapi('Intake')

function showPause({ id, kind, scope: of, name, reason, endsAt, requestedBy, createdAt }: PauseRow) {
  return {
    id,
    kind,
    platform: platforms.find((platform) => of === 'platform' && platform === name) ?? null,
    profile: of === 'profile' ? name : null,
    team: of === 'team' ? name : null,
    reason,
    until: endsAt.toISOString(),
    requestedBy,
    createdAt: createdAt.toISOString(),
  }
}

function wantedOf({ kind, reason, until, ...names }: z.infer<typeof request>): WantedIntake {
  const of = (['platform', 'profile', 'team'] as const).find((each) => names[each] !== undefined)
  const end = until === undefined ? undefined : new Date(until)
  return { kind, scope: of ?? 'all', name: (of && names[of]) ?? '', reason, until: end }
}

export const intakeRoutes = router()
  .openapi(
    operation({
      method: 'get',
      path: '/intake',
      operationId: 'getIntake',
      summary: 'What operators have paused, why and until when',
      responses: { 200: json(z.object({ items: z.array(pause) }), 'The pauses that stand') },
    }),
    async (c) => c.json({ items: (await listPauses(c.var.app.db, c.var.by)).map(showPause) }, 200),
  )
  .openapi(
    operation({
      method: 'put',
      path: '/intake',
      operationId: 'setIntake',
      summary:
        'Pause or resume creates or destroys, for all, a platform, a profile or a team. What is asked for meanwhile is accepted and waits, and says why; what runs goes on',
      request: {
        query: dryRunQuery,
        headers: optionalIdempotencyHeader,
        body: { required: true, content: { 'application/json': { schema: request } } },
      },
      responses: { 200: json(changed, 'All pauses that stand then; with dryRun=true, that would') },
      fails: [422],
    }),
    async (c) => {
      const { app, by } = c.var
      const body = c.req.valid('json')
      const set = async (tx: Transaction) => {
        const { isChanged, jobs, pauses } = await setIntake(app, tx, by, wantedOf(body))
        return { isChanged, jobs, items: pauses.map(showPause) }
      }
      const asked = { operation: 'PUT /intake', body, status: 200, isKeyOptional: true }
      return c.json(await onceUnlessDry(c, c.req.valid('query').dryRun, asked, set), 200)
    },
  )
