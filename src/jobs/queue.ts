// The queue, and the only importer of pg-boss. It promises one active job a cluster, in order of submission, and
// that a settle or a renewal counts only for the delivery it belongs to. It never cancels an active job by id:
// its successor would start beside the handler that is still running.
import { sql } from 'drizzle-orm'
import { Client } from 'pg'
import { fromDrizzle, PgBoss, type Job, type JobResult, type JobWithMetadata } from 'pg-boss'
import type { Reader, Transaction } from '../db/client.ts'
import { messageOf } from '../errors.ts'
import { newId, uuidOf } from '../ids.ts'
import type { Log } from '../observability/log.ts'

const CLUSTER_JOBS = 'cluster-jobs'
const DEAD_JOBS = 'cluster-jobs-dead'
const DISCARDS = 'discard-artifacts'
const YEAR_SECONDS = 365 * 24 * 3600
const DAY_SECONDS = 24 * 3600

/**
 * Deliveries in a row that may end without a settle before the job counts as dead: their workers died, or lost the
 * database just then. Attempts have a limit of their own, so this one is for jobs that never get as far.
 */
const UNSETTLED_DELIVERIES = 20
/** Such a delivery comes back after this, doubled each time, so that a bad moment does not use them all up. */
const UNSETTLED_DELAY_SECONDS = 2
const LONGEST_UNSETTLED_DELAY_SECONDS = 60
/** Of a result that pg-boss would show its readers; the log has all of it. */
const CAUSE_LENGTH = 500

/** The schema of the pinned version of pg-boss, as its package.json names it. */
const SCHEMA_VERSION = 46

/** What the queue has of a job. `failed`: its workers died too often, and it blocks its cluster's jobs. */
export type QueueEntry = Readonly<{
  queueId: string
  /** null: not of ours. */
  jobId: string | null
  clusterId: string
  state: 'created' | 'retry' | 'active' | 'completed' | 'cancelled' | 'failed'
  /** Since it ended, or else since it was made. */
  ageSeconds: number
}>

/** One hand-over of a job to a worker; a later delivery of the same job makes it void. */
export type Delivery = Readonly<{ jobId: string; queueId: string; retryCount: number; retryLimit: number }>

/** A delivery that a worker has taken and not yet settled. */
export type ActiveDelivery = Readonly<{ jobId: string; clusterId: string; retryCount: number }>

export type QueueOptions = { url: string; log: Log; name: string; max: number }

export type Queue = {
  enqueue: (tx: Transaction, job: { id: string; clusterId: string }) => Promise<void>
  /** Takes a job that no worker has; false when one has it and must be asked to stop instead. */
  cancelWaiting: (tx: Transaction, jobId: string) => Promise<boolean>
  /** Keeps a delivery alive; false when it is void. */
  renew: (tx: Transaction, delivery: Delivery) => Promise<boolean>
  /** Ends the job for good; false when the delivery is void and the transaction must roll back. */
  complete: (tx: Transaction, delivery: Delivery) => Promise<boolean>
  /**
   * Hands the job back; its cluster's turn is kept. False as for complete. After a settle the count of deliveries that
   * ended without one begins anew; a busy cluster only does not add to it.
   */
  giveBack: (tx: Transaction, delivery: Delivery, delaySeconds: number, why: 'settled' | 'busy') => Promise<boolean>
  /** What workers have in their hands just now, all of it. */
  listActive: (db: Reader) => Promise<ActiveDelivery[]>
  /** Takes the job from a worker that is gone, or ends its wait, so that another one gets it now. */
  handOutAgain: (tx: Transaction, jobId: string) => Promise<void>
  /** Has this process's workers look for work now. */
  wake: () => void
  /** The entries of these jobs, whatever state they are in, by job id. */
  findEntries: (db: Reader, jobIds: string[]) => Promise<Map<string, QueueEntry>>
  /** Entries that wait or have failed, and are older than this; by queueId, after the one given. */
  listStanding: (db: Reader, minAgeSeconds: number, after: string | undefined, limit: number) => Promise<QueueEntry[]>
  /** Cancels an entry that waits, removes one that failed; undefined when a worker has it or it is over. */
  discard: (tx: Transaction, queueId: string) => Promise<'cancelled' | 'removed' | undefined>
  work: (concurrency: number, handle: (delivery: Delivery) => Promise<void>) => Promise<void>
  /** Called for a job that no delivery ended, with the last cause; when it resolves, the cluster's next job may run. */
  workDead: (settle: (jobId: string, cause: string | undefined) => Promise<void>) => Promise<void>
  /** A run whose process died holds up the next until it expires, after 10 minutes unless told. */
  schedule: (
    name: string,
    cron: string,
    run: () => Promise<void>,
    options?: { expireInSeconds?: number },
  ) => Promise<void>
  /** Has a schedule run now, unless it does already. */
  runNow: (name: string) => Promise<void>
  /** Has workDiscards called with the key of an artifact, after the delay at the earliest, until it succeeds. */
  discardArtifact: (db: Reader, key: string, afterSeconds: number) => Promise<void>
  workDiscards: (discard: (key: string) => Promise<void>) => Promise<void>
  /** Fetches nothing more; running handlers go on. */
  pause: () => Promise<void>
  depth: () => Promise<{ waiting: number; active: number; failed: number }>
  close: () => Promise<void>
}

type Payload = { jobId: string }

/** The columns of a QueueEntry. */
const ENTRY = sql.raw(`
  id as "queueId", data ->> 'jobId' as "jobId", singleton_key as "clusterId", state,
  extract(epoch from now() - coalesce(completed_on, created_on))::float8 as "ageSeconds"`)

// Handed on to pg.Pool as it is, though the type does not name it: a link that swallows everything must not hang a query.
const patience = { query_timeout: 30_000, keepAlive: true }

/**
 * pg-boss takes every listener from a LISTEN connection that it gives up. What the server says on it after that would end the
 * process, since an 'error' that nobody hears is thrown.
 */
function keepLateErrorsQuiet(): void {
  if (Object.hasOwn(Client.prototype, 'removeAllListeners')) return
  // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
  const remove = Client.prototype.removeAllListeners
  Client.prototype.removeAllListeners = function (this: Client, ...events: [string?]) {
    Reflect.apply(remove, this, events)
    return this.on('error', () => undefined)
  }
}

export async function openQueue(options: QueueOptions): Promise<Queue> {
  keepLateErrorsQuiet()
  const boss = new PgBoss({
    ...patience,
    connectionString: options.url,
    application_name: options.name,
    instanceName: options.name,
    max: options.max,
    migrate: false,
    superviseIntervalSeconds: 5,
    monitorIntervalSeconds: 5,
    queueCacheIntervalSeconds: 30,
    cronMonitorIntervalSeconds: 10,
    useListenNotify: true,
    persistWarnings: true,
  })
  boss.on('error', (error) => options.log.warn({ err: error }, 'the queue reported an error'))
  boss.on('warning', (warning) => options.log.warn({ warning }, 'the queue reported a warning'))
  await startOrStop(boss)

  const attemptOf = (delivery: Delivery) => ({ id: delivery.queueId, retryCount: delivery.retryCount })
  const wake = (name: string) => {
    // A worker that has just finished sleeps until its next poll, and a successor sends no notification.
    for (const worker of boss.getWipData()) if (worker.name === name) boss.notifyWorker(worker.id)
  }
  const failures = new Map<string, number>()
  /** pg-boss keeps what a handler throws and tells nobody. */
  const tellFailure = (queue: string, error: unknown, about: object = {}) => {
    const count = (failures.get(queue) ?? 0) + 1
    failures.set(queue, count)
    options.log.error({ err: error, queue, failuresSoFar: count, ...about }, 'work from the queue failed')
  }
  const told = async <T>(queue: string, about: object, work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      tellFailure(queue, error, about)
      throw error
    }
  }

  return {
    async enqueue(tx, job) {
      const id = await boss.send(CLUSTER_JOBS, { jobId: job.id } satisfies Payload, {
        id: uuidOf(job.id),
        singletonKey: job.clusterId,
        db: fromDrizzle(tx, sql),
      })
      if (id === null) throw new Error(`the queue refused job ${job.id}`)
    },

    async cancelWaiting(tx, jobId) {
      const db = fromDrizzle(tx, sql)
      const id = uuidOf(jobId)
      // update() locks the row and sees only jobs that no worker has.
      const { updated } = await boss.update(CLUSTER_JOBS, undefined, { id, db })
      if (updated !== 1) return false
      await boss.cancel(CLUSTER_JOBS, id, { db })
      return true
    },

    async renew(tx, delivery) {
      return affected(await boss.touch(CLUSTER_JOBS, attemptOf(delivery), { db: fromDrizzle(tx, sql) })) === 1
    },

    async complete(tx, delivery) {
      return affected(await boss.complete(CLUSTER_JOBS, attemptOf(delivery), null, { db: fromDrizzle(tx, sql) })) === 1
    },

    async giveBack(tx, delivery, delaySeconds, why) {
      const db = fromDrizzle(tx, sql)
      if (affected(await boss.fail(CLUSTER_JOBS, attemptOf(delivery), null, { db })) !== 1) return false
      await boss.update(CLUSTER_JOBS, undefined, {
        id: delivery.queueId,
        startAfter: Math.ceil(delaySeconds),
        retryLimit: why === 'settled' ? delivery.retryCount + 1 + UNSETTLED_DELIVERIES : delivery.retryLimit + 1,
        db,
      })
      return true
    },

    async listActive(db) {
      // pg-boss's partial index of live entries, job_i14.
      const { rows } = await db.execute<ActiveDelivery>(sql`
        select data ->> 'jobId' as "jobId", singleton_key as "clusterId", retry_count as "retryCount"
        from pgboss.job
        where name = ${CLUSTER_JOBS} and state in ('created', 'retry', 'active', 'failed') and state = 'active'`)
      return rows
    },

    async handOutAgain(tx, jobId) {
      const db = fromDrizzle(tx, sql)
      const id = uuidOf(jobId)
      const { rows } = await tx.execute<{ state: string; retryCount: number }>(sql`
        select state, retry_count as "retryCount" from pgboss.job
        where name = ${CLUSTER_JOBS} and id = ${id} for update`)
      const [entry] = rows
      if (entry?.state === 'active')
        await boss.fail(CLUSTER_JOBS, { id, retryCount: entry.retryCount }, { message: 'its worker is gone' }, { db })
      await boss.update(CLUSTER_JOBS, undefined, { id, startAfter: 0, db })
    },

    wake: () => wake(CLUSTER_JOBS),

    async findEntries(db, jobIds) {
      if (jobIds.length === 0) return new Map()
      const ids = sql.param(jobIds.map(uuidOf))
      // The primary key: (name, id).
      const { rows } = await db.execute<QueueEntry>(sql`
        select ${ENTRY} from pgboss.job where name = ${CLUSTER_JOBS} and id = any(${ids}::uuid[])`)
      const jobIdOf = new Map(jobIds.map((jobId) => [uuidOf(jobId), jobId]))
      return new Map(rows.map((entry) => [jobIdOf.get(entry.queueId) ?? entry.queueId, entry]))
    },

    async listStanding(db, minAgeSeconds, after, limit) {
      // pg-boss's partial index of live entries, job_i14, whose condition is repeated here.
      const { rows } = await db.execute<QueueEntry>(sql`
        select ${ENTRY} from pgboss.job
        where name = ${CLUSTER_JOBS} and state in ('created', 'retry', 'active', 'failed') and state <> 'active'
          and coalesce(completed_on, created_on) < now() - make_interval(secs => ${minAgeSeconds})
          ${after === undefined ? sql`` : sql`and id > ${after}::uuid`}
        order by id limit ${limit}`)
      return rows
    },

    async discard(tx, queueId) {
      const db = fromDrizzle(tx, sql)
      // Locked, so that no worker takes it between the look and the deed.
      const { rows } = await tx.execute<Pick<QueueEntry, 'state'>>(sql`
        select state from pgboss.job where name = ${CLUSTER_JOBS} and id = ${queueId} for update`)
      const state = rows[0]?.state
      if (state === 'created' || state === 'retry') {
        await boss.cancel(CLUSTER_JOBS, queueId, { db })
        return 'cancelled'
      }
      if (state !== 'failed') return undefined
      await boss.deleteJob(CLUSTER_JOBS, queueId, { db })
      return 'removed'
    },

    async work(concurrency, handle) {
      await boss.work(
        CLUSTER_JOBS,
        {
          includeMetadata: true,
          localConcurrency: concurrency,
          pollingIntervalSeconds: 2,
          notifyPollingIntervalSeconds: 2,
        },
        async ([job]: JobWithMetadata<Payload>[]) => {
          if (!job) return
          const { id: queueId, singletonKey: clusterId, retryCount, retryLimit } = job
          const { jobId } = job.data
          try {
            await told(CLUSTER_JOBS, { jobId, clusterId }, () => handle({ jobId, queueId, retryCount, retryLimit }))
          } finally {
            setImmediate(wake, CLUSTER_JOBS)
          }
        },
      )
    },

    async workDead(settle) {
      await boss.work(
        DEAD_JOBS,
        { includeMetadata: true, pollingIntervalSeconds: 5 },
        async ([job]: JobWithMetadata<Payload>[]) => {
          if (!job) return
          const { jobId } = job.data
          await told(DEAD_JOBS, { jobId }, () => settle(jobId, causeOf(job.sourceOutput)))
          // The failed original blocks its cluster until it is gone.
          await boss.deleteJob(CLUSTER_JOBS, uuidOf(jobId))
          wake(CLUSTER_JOBS)
        },
      )
    },

    async schedule(name, cron, run, { expireInSeconds = 600 } = {}) {
      await boss.createQueue(name, { policy: 'exclusive', retryLimit: 0, expireInSeconds })
      await boss.updateQueue(name, { expireInSeconds }) // of one that an earlier version made
      await boss.work(name, { pollingIntervalSeconds: 2 }, () => told(name, {}, run))
      await boss.schedule(name, cron, {}, { missed: 'once', singletonKey: name })
    },

    async runNow(name) {
      await boss.send(name, {}, { singletonKey: name })
    },

    async discardArtifact(db, key, afterSeconds) {
      await boss.send(DISCARDS, { key }, { startAfter: afterSeconds, db: fromDrizzle(db, sql) })
    },

    async workDiscards(discard) {
      await boss.work(
        DISCARDS,
        { pollingIntervalSeconds: 30, batchSize: 100, perJobResults: true },
        async (jobs: Job<{ key: string }>[]) => {
          const results: JobResult[] = []
          for (const { id, data } of jobs)
            try {
              await discard(data.key)
              results.push({ id, status: 'completed' })
            } catch (error) {
              tellFailure(DISCARDS, error, { key: data.key })
              results.push({ id, status: 'failed', output: { message: messageOf(error) } })
            }
          return results
        },
      )
    },

    async pause() {
      const names = new Set(boss.getWipData().map((worker) => worker.name))
      await Promise.all([...names].map((name) => boss.offWork(name, { wait: false })))
    },

    async depth() {
      const stats = await boss.getQueueStats(CLUSTER_JOBS, { force: true })
      const now = Array.isArray(stats) ? stats[0] : stats
      return { waiting: now?.queuedCount ?? 0, active: now?.activeCount ?? 0, failed: now?.failedCount ?? 0 }
    },

    async close() {
      await boss.stop({ graceful: true, timeout: 5000 })
    },
  }
}

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
      // One that waits longer than this is deleted without a word.
      retentionSeconds: YEAR_SECONDS,
    }
    await boss.createQueue(DISCARDS, { retryLimit: 1_000_000, retryDelay: 600, retentionSeconds: YEAR_SECONDS })
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
      // A completed job is gone after a day; a failed head is removed by workDead, long before.
      deleteAfterSeconds: DAY_SECONDS,
      notify: true,
    }
    await boss.createQueue(CLUSTER_JOBS, { policy: 'key_strict_fifo', ...settings })
    // The first creator's options win in createQueue; what a later version changed is set here.
    await boss.updateQueue(CLUSTER_JOBS, settings)
    return true
  } finally {
    await boss.stop({ graceful: false })
  }
}

/** One that did not start would go on trying beside the next that is opened. */
async function startOrStop(boss: PgBoss): Promise<void> {
  await boss.start().catch(async (error: unknown) => {
    await boss.stop({ graceful: false }).catch(() => undefined)
    throw error
  })
}

/** What pg-boss kept of a thrown error. */
function causeOf(output: unknown): string | undefined {
  const { message, value } = (output ?? {}) as { message?: unknown; value?: { message?: unknown } } // any JSON
  const cause = message ?? value?.message
  return typeof cause === 'string' ? cause.slice(0, CAUSE_LENGTH) : undefined
}

/** pg-boss types its settle answers as empty; at run time they carry the count. */
function affected(response: unknown): number {
  return Number((response as { affected?: unknown }).affected ?? 0)
}

export const newQueueInstanceName = (role: string): string => `${role}-${newId('att').slice(-8)}`
