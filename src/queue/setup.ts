// The queues, their settings, and pg-boss's own schema.
import { randomInt } from 'node:crypto'
import { PgBoss } from 'pg-boss'
import type { Reader } from '../db/client.ts'
import type { Log } from '../observability/log.ts'

export const CLUSTER_JOBS = 'cluster-jobs'
export const DEAD_JOBS = 'cluster-jobs-dead'
export const DISCARDS = 'discard-artifacts'
export const ADOPTIONS = 'adopt-lost-clusters'
export const OPERATIONS = 'operations'
export const DELIVERIES = 'webhook-deliveries'
export const MAILS = 'mails'
/** Does the work, and logs and counts it when it fails. */
export type Told = <T>(queue: string, about: object, work: () => Promise<T>) => Promise<T>

/** Has pg-boss's statements run over a connection of ours. */
export type Over = (db: Reader) => { executeSql: (text: string, values?: unknown[]) => Promise<{ rows: unknown[] }> }

const YEAR_SECONDS = 365 * 24 * 3600
export const DAY_SECONDS = 24 * 3600

/**
 * How many deliveries in a row may end without a settle before the job counts as dead. Their workers died, or lost the
 * database just then. Attempts have a limit of their own, so this limit is for jobs that never get as far.
 */
export const UNSETTLED_DELIVERIES = 20
/**
 * Such a delivery comes back after this time, doubled each time, so that a bad moment does not use up all deliveries.
 */
const UNSETTLED_DELAY_SECONDS = 2
const LONGEST_UNSETTLED_DELAY_SECONDS = 60

/** The schema of the pinned version of pg-boss, as its package.json names it. */
const SCHEMA_VERSION = 46

/**
 * Brings pg-boss's own schema and our queues to this version; false when the schema is newer than the library here.
 * The caller holds the migration lock.
 */
export async function migrateQueue(url: string, log: Log): Promise<boolean> {
  const boss = new PgBoss({
    connectionString: url,
    max: 2,
    migrate: true,
    supervise: false,
    schedule: false,
    registerInstance: false,
  })
  boss.on('error', (error) => log.warn({ err: error }, 'the queue reported an error'))
  await startOrStop(boss)
  try {
    if (((await boss.schemaVersion()) ?? 0) > SCHEMA_VERSION) return false
    const dead = {
      retryLimit: 1_000_000,
      retryDelay: 5,
      deleteAfterSeconds: DAY_SECONDS,
      // A job that waits longer than this is deleted silently.
      retentionSeconds: YEAR_SECONDS,
    }
    await boss.createQueue(DISCARDS, { retryLimit: 1_000_000, retryDelay: 600, retentionSeconds: YEAR_SECONDS })
    // Another cluster may have the name for days.
    const patient = { retryLimit: 1_000_000, retryDelay: 10, retryBackoff: true, retryDelayMax: 3600 }
    await boss.createQueue(ADOPTIONS, { ...patient, retentionSeconds: YEAR_SECONDS })
    // A run ends within seconds and has itself called again. One that does not come back has died.
    const operations = { retryLimit: 1_000_000, retryDelay: 2, expireInSeconds: 15, retentionSeconds: YEAR_SECONDS }
    await boss.createQueue(OPERATIONS, { deleteAfterSeconds: DAY_SECONDS, ...operations })
    // When a delivery is tried again is decided by its result; by the queue alone when the process died.
    const deliveries = { retryLimit: 1_000_000, retryDelay: 5, expireInSeconds: 60, retentionSeconds: YEAR_SECONDS }
    await boss.createQueue(DELIVERIES, { policy: 'key_strict_fifo', deleteAfterSeconds: DAY_SECONDS, ...deliveries })
    const mails = { retryLimit: 20, retryDelay: 30, retryBackoff: true, retryDelayMax: 2 * 3600, expireInSeconds: 120 }
    await boss.createQueue(MAILS, { ...mails, deleteAfterSeconds: DAY_SECONDS })
    await boss.createQueue(DEAD_JOBS, dead)
    await boss.updateQueue(DEAD_JOBS, dead)
    const settings = {
      deadLetter: DEAD_JOBS,
      expireInSeconds: DAY_SECONDS - 1,
      retryLimit: UNSETTLED_DELIVERIES,
      retryDelay: UNSETTLED_DELAY_SECONDS,
      retryBackoff: true,
      retryDelayMax: LONGEST_UNSETTLED_DELAY_SECONDS,
      retentionSeconds: YEAR_SECONDS,
      // A completed job is gone after a day. workDead removes a failed head long before that.
      deleteAfterSeconds: DAY_SECONDS,
      // events.ts sends the notification when the transaction has ended. Within it, all commits would wait for each
      // other.
      notify: false,
    }
    await boss.createQueue(CLUSTER_JOBS, { policy: 'key_strict_fifo', ...settings })
    // createQueue keeps the options of the first creator. Options that a later version changed are set here.
    await boss.updateQueue(CLUSTER_JOBS, settings)
    return true
  } finally {
    await boss.stop({ graceful: false })
  }
}

/** Stops a boss that did not start. Otherwise it would go on trying beside the next one that is opened. */
export async function startOrStop(boss: PgBoss): Promise<void> {
  await boss.start().catch(async (error: unknown) => {
    await boss.stop({ graceful: false }).catch(() => undefined)
    throw error
  })
}

/** pg-boss types its settle answers as empty; at run time they carry the count. */
export function affected(response: unknown): number {
  return Number((response as { affected?: unknown }).affected ?? 0)
}

/**
 * Makes this process look for work of the queue now. A worker that has just finished sleeps until its next poll. Of many
 * that are idle, any few: one may hang on a connection that leads nowhere.
 */
export function wake(boss: PgBoss, name: string, atMost = Infinity): void {
  const idle = boss.getWipData().filter((worker) => worker.name === name && worker.count === 0)
  for (let woken = 0; woken < atMost && idle.length > 0; woken++) {
    const [worker] = idle.splice(randomInt(idle.length), 1)
    if (worker) boss.notifyWorker(worker.id)
  }
}
