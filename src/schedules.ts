// What runs by the clock, for the people who look. cron/schedule.ts starts it.
import type { App } from './app.ts'
import { writeAudit } from './audit/audit.ts'
import { requireAnywhere } from './auth/permissions.ts'
import type { Actor } from './auth/principal.ts'
import type { Transaction } from './db/client.ts'
import { AppError } from './errors.ts'
import type { ScheduleState } from './queue/queue.ts'

/** By name: when it runs (five fields, in UTC), and what it does. */
export const schedules = {
  'destroy-due-clusters': { cron: '* * * * *', does: 'destroys the clusters whose end has come' },
  'keep-hours': { cron: '* * * * *', does: 'puts clusters to sleep and wakes them, as their off-hours say' },
  'look-for-idle': {
    cron: '*/5 * * * *',
    does: 'puts clusters to sleep that nobody uses, where the profile asks for it',
  },
  'resume-paused': { cron: '* * * * *', does: 'lets jobs begin whose pause is over' },
  'warn-of-ends': { cron: '* * * * *', does: 'tells people that the end of a cluster comes near' },
  'warn-of-quotas': { cron: '*/5 * * * *', does: 'tells teams that what they spend comes near its limit' },
  tell: { cron: '* * * * *', does: 'hands notices on to webhooks and mail that no process has heard of' },
  'look-again': { cron: '* * * * *', does: 'looks again at clusters that were destroyed after a worker was lost' },
  'seal-audit': { cron: '* * * * *', does: 'seals the new events of the audit trail' },
  'report-disagreements': { cron: '*/5 * * * *', does: 'compares database, queue, artifact store and cloud' },
  'reseal-secrets': { cron: '*/5 * * * *', does: 'seals anew what older secrets keys sealed' },
  'sample-usage': { cron: '*/15 * * * *', does: 'notes the state, size and price of each cluster' },
  'roll-up-usage': { cron: '12 * * * *', does: 'sums the usage of each day that is over' },
  'keep-usage': { cron: '42 3 * * *', does: 'makes room for the samples of the next months, and drops old ones' },
  'move-logs': { cron: '*/2 * * * *', does: 'moves the logs of ended jobs to the artifact store' },
  'apply-retention': { cron: '52 * * * *', does: 'removes what profiles no longer keep of destroyed clusters' },
  'forget-operations': { cron: '37 * * * *', does: 'forgets operations over many clusters that ended a month ago' },
  'forget-notices': { cron: '27 * * * *', does: 'forgets what was told more than a week ago' },
  'purge-idempotency-keys': { cron: '17 * * * *', does: 'removes expired idempotency keys' },
} as const
export type ScheduleName = keyof typeof schedules

/** Throws FORBIDDEN. */
export async function listSchedules(
  { db, queue }: Pick<App, 'db' | 'queue'>,
  by: Actor,
): Promise<(ScheduleState & { does: string })[]> {
  requireAnywhere(by, 'schedule.read')
  const states = await queue.listSchedules(db)
  return states
    .flatMap((state) => (isSchedule(state.name) ? [{ ...state, does: schedules[state.name].does }] : []))
    .toSorted((a, b) => a.name.localeCompare(b.name))
}

/** Throws FORBIDDEN, NOT_FOUND. Returns false when a run waits or is under way. */
export async function runSchedule(
  { queue }: Pick<App, 'queue'>,
  tx: Transaction,
  by: Actor,
  name: string,
): Promise<boolean> {
  requireAnywhere(by, 'schedule.run')
  if (!isSchedule(name))
    throw new AppError('NOT_FOUND', `there is no schedule ${name}; there are ${Object.keys(schedules).join(', ')}`)
  writeAudit(tx, by, { action: 'schedule.run', detail: { name } })
  return queue.runNow(name, tx)
}

const isSchedule = (name: string): name is ScheduleName => Object.hasOwn(schedules, name)
