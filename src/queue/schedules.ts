// What runs by the clock: pg-boss's cron, with a queue for each schedule, so that one of it runs at a time.
import type { PgBoss, Schedule } from 'pg-boss'
import type { Queue, ScheduleState } from './queue.ts'
import type { Over, Told } from './setup.ts'

/** Runs of the last days are kept, far more than the newest that has ended. */
const RUNS_READ = 100_000

const oneAtATime = { policy: 'exclusive', retryLimit: 0 } as const

export function openSchedules(
  boss: PgBoss,
  over: Over,
  told: Told,
): Pick<Queue, 'schedule' | 'runNow' | 'listSchedules'> {
  return {
    async schedule(name, cron, run, { expireInSeconds = 600 } = {}) {
      await boss.createQueue(name, { ...oneAtATime, expireInSeconds })
      await boss.updateQueue(name, { expireInSeconds }) // for a queue that an earlier version made
      await boss.work(name, { pollingIntervalSeconds: 2 }, async () => ({ did: (await told(name, {}, run)) ?? null }))
      await boss.schedule(name, cron, {}, { missed: 'once', singletonKey: name })
    },

    async runNow(name, tx) {
      // No worker may have started yet.
      await boss.createQueue(name, oneAtATime)
      return (await boss.send(name, {}, { singletonKey: name, ...(tx ? { db: over(tx) } : {}) })) !== null
    },

    async listSchedules() {
      return Promise.all((await boss.getSchedules()).map((schedule) => stateOf(boss, schedule)))
    },
  }
}

async function stateOf(boss: PgBoss, { name, cron, timezone }: Schedule): Promise<ScheduleState> {
  const runs = await boss.findJobs<object>(name, { limit: RUNS_READ })
  const ended = runs
    .filter(({ completedOn }) => completedOn !== null)
    .toSorted((a, b) => (a.completedOn?.getTime() ?? 0) - (b.completedOn?.getTime() ?? 0))
    .at(-1)
  const [nextRunAt] = boss.previewSchedule(cron, { tz: timezone, count: 1 })
  if (!nextRunAt) throw new Error(`the schedule ${name} has no next run`)
  const { startedOn, completedOn, state, output } = ended ?? {}
  return {
    name,
    cron,
    nextRunAt,
    isRunning: runs.some((run) => run.completedOn === null),
    lastRun:
      startedOn && completedOn
        ? {
            startedAt: startedOn,
            endedAt: completedOn,
            outcome: state === 'completed' ? 'succeeded' : 'failed',
            did: saidIn(output),
          }
        : undefined,
  }
}

/** What the run said it did, or why it failed. */
function saidIn(output: unknown): string | null {
  const { did, message } = (output ?? {}) as { did?: unknown; message?: unknown } // written above, or an error by pg-boss
  return typeof did === 'string' ? did : typeof message === 'string' ? message : null
}
