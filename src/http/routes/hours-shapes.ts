// What a cluster does by the clock, as clients see it.
import { z } from '@hono/zod-openapi'
import type { HoursOutlook } from '../../clusters/off-hours.ts'
import type { Change } from '../../hours/wanted.ts'
import { cents } from '../../policy/spend.ts'
import { time } from './shapes.ts'

const state = z.enum(['awake', 'asleep'])
export const changeSchema = z.object({ at: time, state }).openapi('HoursChange')
export const showChange = ({ at, state }: Change): z.infer<typeof changeSchema> => ({ at: at.toISOString(), state })

export const hoursShape = {
  wanted: z
    .object({ state, until: time.nullable(), says: z.string() })
    .nullable()
    .openapi({ description: 'What its off-hours want now, and why; null: it has none.' }),
  overrides: z
    .array(
      z.object({
        how: z.enum(['hand', 'until', 'skip']).openapi({
          description: 'hand: somebody woke it or put it to sleep; until: for a time; skip: a sleep is left out.',
        }),
        state,
        from: time,
        until: time.nullable(),
        by: z.string(),
      }),
    )
    .openapi({ description: 'What people asked for besides the off-hours.' }),
  nextChanges: z.array(changeSchema).openapi({ description: 'When it goes to sleep and wakes next, until its end.' }),
  usdToSave: z.number().openapi({ description: 'What its off-hours save from now to its end.' }),
}

export const showHours = ({ wanted, overrides, nextChanges, usdToSave }: HoursOutlook) => ({
  wanted: wanted ? { ...wanted, until: wanted.until?.toISOString() ?? null } : null,
  overrides: overrides.map((each) => ({
    ...each,
    from: each.from.toISOString(),
    until: each.until?.toISOString() ?? null,
  })),
  nextChanges: nextChanges.map(showChange),
  usdToSave: cents(usdToSave),
})
