// What of a cluster stands in a cloud, as clients see it: what it costs, and whether anything is proved.
import { z } from '@hono/zod-openapi'
import { isProvedEmpty, unansweredOf, type InventoryAnswer, type Resource } from '../../clouds/inventory.ts'
import { usdPerHourOfAll } from '../../clouds/prices.ts'
import type { Proof } from '../../jobs/tables.ts'
import { resourceSchema, time } from './shapes.ts'

export { resourceSchema }

/** What a list of resources comes to; null where none of it is known. */
export const bill = {
  usdPerHour: z.number().nullable().openapi({ description: 'Together, as far as it is known.' }),
  ageHours: z
    .number()
    .openapi({ description: 'Since the oldest of them was made, or else since this was first seen.' }),
}

export function billOf(resources: Resource[] | null, seenAt: Date, now: Date) {
  const oldestMs = Math.min(
    seenAt.getTime(),
    ...(resources ?? []).flatMap(({ madeAt }) => (madeAt ? Date.parse(madeAt) : [])),
  )
  const ageHours = Math.round((now.getTime() - oldestMs) / 36_000) / 100
  return { usdPerHour: usdPerHourOfAll(resources ?? []) ?? null, ageHours }
}

export const proofSchema = z
  .object({
    at: time,
    state: z.enum(['empty', 'left', 'unknown']).openapi({
      description:
        'empty: nothing is left. left: something is. unknown: not all was told, so nobody can say that nothing is left; notChecked names what is missing.',
    }),
    found: z.array(resourceSchema).openapi({ description: 'The first of them.' }),
    foundCount: z.int(),
    usdPerHour: bill.usdPerHour,
    lingering: z.array(resourceSchema),
    checked: z.array(z.string()),
    notChecked: z.array(
      z.object({
        kind: z.string().openapi({ description: 'What was asked for: the permission, where one is missing.' }),
        why: z.string(),
        isOptional: z.literal(true).optional(),
        isDenied: z.literal(true).optional(),
      }),
    ),
    account: z.string().nullable(),
    zones: z.array(z.string()),
  })
  .openapi('Proof')

export function showProof(proof: Proof): z.infer<typeof proofSchema> {
  const { at, found, foundCount, lingering = [], checked, notChecked, account = null, zones = [] } = proof
  const usdPerHour = usdPerHourOfAll(found) ?? null
  return { at, state: stateOf(proof), found, foundCount, usdPerHour, lingering, checked, notChecked, account, zones }
}

function stateOf(answer: InventoryAnswer): 'empty' | 'left' | 'unknown' {
  if (isProvedEmpty(answer)) return 'empty'
  return unansweredOf(answer).length > 0 || answer.found.length === 0 ? 'unknown' : 'left'
}
