// What teams may hold at once and spend in a month. It comes from quotas.yaml beside the profiles; without it there is
// no limit.
import { z } from 'zod'

const quota = z.strictObject({
  clusters: z.int().min(0).optional().describe('That are not destroyed, failed ones included.'),
  vcpu: z.int().min(0).optional().describe('Of all nodes of these clusters.'),
  concurrentInstalls: z.int().min(0).optional().describe('That wait or run.'),
  costCenters: z
    .array(z.string().min(1).max(128))
    .min(1)
    .optional()
    .describe('That its requests may name, the default first; left out: any, and none by default.'),
  usdPerMonth: z
    .number()
    .min(0)
    .optional()
    .describe('Estimated spend in the calendar month (UTC): what was, and what is promised until each cluster ends.'),
})

export const quotasSchema = z.strictObject({
  default: quota.prefault({}).describe('Of every team, unless its own entry says otherwise.'),
  teams: z.record(z.string().min(1), quota).default({}).describe('By team; what an entry leaves out is as in default.'),
})

export type Quota = z.infer<typeof quota>
export type Quotas = z.infer<typeof quotasSchema>

export const noQuotas: Quotas = { default: {}, teams: {} }

export function quotaOf(quotas: Quotas, team: string): Quota {
  return { ...quotas.default, ...(Object.hasOwn(quotas.teams, team) ? quotas.teams[team] : {}) }
}
