// What runs by the clock: pg-boss's cron, with a queue for each schedule, so that one of it runs at a time.
import type { PgBoss, Schedule } from 'pg-boss'
import type { Reader } from '../db/client.ts'
import type { Queue, ScheduleState } from './queue.ts'
import type { Over, Told } from './setup.ts'

/** The times by which pg-boss claims its own work, by table. */
const STAMPS = [
  ['version', ['cron_on', 'bam_on', 'flow_on', 'reindex_on']],
  ['queue', ['monitor_claim_on', 'monitor_on', 'maintain_on']],
] as const
/** What is later than this was written before the clock was stepped back. */
const SOON = `now() + interval '5 seconds'`
/** A run that is this late is not on its way. */
const LATE_SECONDS = 45

const oneAtATime = { policy: 'exclusive', retryLimit: 0 } as const

export function openSchedules(
  boss: PgBoss,
  over: Over,
  told: Told,
): Pick<Queue, 'schedule' | 'runNow' | 'catchUp' | 'listSchedules' | 'listSuccesses'> {
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

    async catchUp(db) {
      // What pg-boss has stamped, it does not look at again before the clock is past it.
      for (const [table, columns] of STAMPS)
        await db.$client.query(
          `update pgboss.${table} set ${columns.map((column) => `${column} = case when ${column} > ${SOON} then null else ${column} end`).join(', ')}
           where ${columns.map((column) => `${column} > ${SOON}`).join(' or ')}`,
        )
      const all = await boss.getSchedules()
      const names = all.map(({ name }) => name)
      const seconds = all.map((schedule) => periodOf(boss, schedule) + LATE_SECONDS)
      const { rows } = await db.$client.query<{ name: string }>({
        name: 'late schedules',
        text: `select s.name from unnest($1::text[], $2::float8[]) as s (name, seconds)
          where not exists (select from pgboss.job j where j.name = s.name
            and j.created_on between now() - make_interval(secs => s.seconds) and ${SOON})`,
        values: [names, seconds],
      })
      for (const { name } of rows) await boss.send(name, {}, { singletonKey: name })
      return rows.map(({ name }) => name)
    },

    async listSchedules(db) {
      return Promise.all((await boss.getSchedules()).map((schedule) => stateOf(boss, db, schedule)))
    },

    async listSuccesses(db) {
      // pg-boss's index job_i15.
      const { rows } = await db.$client.query<{ name: string; startedAt: Date; endedAt: Date }>(
        `select s.name, run.started_on as "startedAt", run.completed_on as "endedAt"
         from pgboss.schedule s cross join lateral (
           select started_on, completed_on from pgboss.job j where j.name = s.name and j.state = 'completed'
           order by created_on desc limit 1) run`,
      )
      return rows
    },
  }
}

/** Seconds from one run to the next. */
function periodOf(boss: PgBoss, { cron, timezone }: Schedule): number {
  const [first, second] = boss.previewSchedule(cron, { tz: timezone, count: 2 })
  return first && second ? (second.getTime() - first.getTime()) / 1000 : 0
}

type Run = { startedOn: Date | null; completedOn: Date | null; state: string; output: unknown }

async function stateOf(boss: PgBoss, db: Reader, { name, cron, timezone }: Schedule): Promise<ScheduleState> {
  // pg-boss's index job_i15. Each has thousands of runs, and only the newest ones are of interest.
  const newest = async (condition: string): Promise<Run | undefined> => {
    const { rows } = await db.$client.query<Run>(
      `select started_on as "startedOn", completed_on as "completedOn", state::text, output from pgboss.job
       where name = $1 and ${condition} order by created_on desc limit 1`,
      [name],
    )
    return rows[0]
  }
  const [ended, under] = await Promise.all([newest('completed_on is not null'), newest('completed_on is null')])
  const [nextRunAt] = boss.previewSchedule(cron, { tz: timezone, count: 1 })
  if (!nextRunAt) throw new Error(`the schedule ${name} has no next run`)
  const { startedOn, completedOn, state, output } = ended ?? {}
  return {
    name,
    cron,
    nextRunAt,
    isRunning: under !== undefined,
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
