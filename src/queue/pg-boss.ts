// The queue on pg-boss. It never cancels an active job by id, because the next job would start beside the handler that
// is still running.
import { sql } from 'drizzle-orm'
import { PgBoss, type JobWithMetadata } from 'pg-boss'
import { send, type Reader } from '../db/client.ts'
import { nameOf } from '../db/together.ts'
import { newId, uuidOf } from '../ids.ts'
import type { Log } from '../observability/log.ts'
import { turnTypes } from '../vocabulary.ts'
import type { ActiveDelivery, Delivery, Queue, QueueEntry } from './queue.ts'
import { openErrands } from './errands.ts'
import { openSchedules } from './schedules.ts'
import { openStanding } from './standing.ts'
import { openTelling } from './telling.ts'
import {
  affected,
  CLUSTER_JOBS,
  DEAD_JOBS,
  DELIVERIES,
  MAILS,
  startOrStop,
  UNSETTLED_DELIVERIES,
  wake,
  type Told,
} from './setup.ts'

/** What runs the installer has slots of its own in a worker: those that wait for a cloud are many, and cost little. */
const INSTALLER = 'installer'
/** Each that finds a job wakes as many again. */
const WOKEN = 2
/** Mostly a commit's message wakes the slots. This look is for a message that was lost. */
const LOOK_MS = 1000
const POLL_SECONDS = 60

/** How much is kept of a result that pg-boss would show its readers. The log has all of it. */
const CAUSE_LENGTH = 500

export type QueueOptions = { url: string; log: Log; name: string; max: number }

type Payload = { jobId: string }

/** The columns of a QueueEntry. */
const ENTRY = sql.raw(`
  id as "queueId", data ->> 'jobId' as "jobId", singleton_key as "clusterId", state,
  extract(epoch from now() - coalesce(completed_on, created_on))::float8 as "ageSeconds"`)

// pg.Pool gets this as it is, though its type does not name it. A link that swallows everything must not hang a query.
const patience = { query_timeout: 30_000, keepAlive: true }

/** Runs pg-boss's statements over our connections. Each connection parses them once. */
const over = (db: Reader) => ({
  executeSql: (text: string, values?: unknown[]) =>
    db.$client.query({ name: nameOf(text), text, values: values ?? [] }),
})

export async function openQueue(options: QueueOptions): Promise<Queue> {
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
    persistWarnings: true,
  })
  boss.on('error', (error) => options.log.warn({ err: error }, 'the queue reported an error'))
  boss.on('warning', (warning) => options.log.warn({ warning }, 'the queue reported a warning'))
  await startOrStop(boss)

  const { insert, template } = await readInsert(boss)

  const attemptOf = (delivery: Delivery) => ({ id: delivery.queueId, retryCount: delivery.retryCount })
  const failures = new Map<string, number>()
  let look: NodeJS.Timeout | undefined
  /** pg-boss keeps what a handler throws and reports it to nobody. */
  const told: Told = async (queue, about, work) => {
    try {
      return await work()
    } catch (error) {
      const count = (failures.get(queue) ?? 0) + 1
      failures.set(queue, count)
      options.log.error({ err: error, queue, failuresSoFar: count, ...about }, 'work from the queue failed')
      throw error
    }
  }

  return {
    enqueue(tx, jobs) {
      const entries = jobs.map(({ id: jobId, clusterId, type }) => {
        const groupId = turnTypes.includes(type) ? null : INSTALLER
        return { ...template, id: uuidOf(jobId), singletonKey: clusterId, groupId, data: { jobId } satisfies Payload }
      })
      // pg-boss does nothing where an entry conflicts with another one. No job's id was ever used before.
      send(tx, { name: 'enqueue', text: insert, values: [JSON.stringify(entries)], mustReturn: true })
    },

    async cancelWaiting(tx, jobId) {
      const db = over(tx)
      const id = uuidOf(jobId)
      // update() locks the row and sees only jobs that no worker has.
      const { updated } = await boss.update(CLUSTER_JOBS, undefined, { id, db })
      if (updated !== 1) return false
      await boss.cancel(CLUSTER_JOBS, id, { db })
      return true
    },

    async renew(tx, delivery) {
      return affected(await boss.touch(CLUSTER_JOBS, attemptOf(delivery), { db: over(tx) })) === 1
    },

    async complete(tx, delivery) {
      return affected(await boss.complete(CLUSTER_JOBS, attemptOf(delivery), null, { db: over(tx) })) === 1
    },

    async giveBack(tx, delivery, delaySeconds, why) {
      const db = over(tx)
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
      const db = over(tx)
      const id = uuidOf(jobId)
      const { rows } = await tx.execute<{ state: string; retryCount: number }>(sql`
        select state, retry_count as "retryCount" from pgboss.job
        where name = ${CLUSTER_JOBS} and id = ${id} for update`)
      const [entry] = rows
      if (entry?.state === 'active')
        await boss.fail(CLUSTER_JOBS, { id, retryCount: entry.retryCount }, { message: 'its worker is gone' }, { db })
      await boss.update(CLUSTER_JOBS, undefined, { id, startAfter: 0, db })
    },

    async endWaits(tx, jobIds) {
      await tx.$client.query({
        name: 'end waits',
        text: `update pgboss.job set start_after = now()
          where name = $1 and id = any($2::uuid[]) and state in ('created', 'retry') and start_after > now()`,
        values: [CLUSTER_JOBS, jobIds.map(uuidOf)],
      })
    },

    wake: () => wake(boss, CLUSTER_JOBS, WOKEN),

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
      const db = over(tx)
      // The row is locked, so that no worker takes the job between the look and the change.
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

    async work({ installers, turns }, handle) {
      await boss.work(
        CLUSTER_JOBS,
        {
          includeMetadata: true,
          localConcurrency: installers + turns,
          localGroupConcurrency: installers,
          pollingIntervalSeconds: POLL_SECONDS,
        },
        async ([job]: JobWithMetadata<Payload>[]) => {
          if (!job) return
          wake(boss, CLUSTER_JOBS, WOKEN)
          const { id: queueId, singletonKey: clusterId, retryCount, retryLimit } = job
          const { jobId } = job.data
          try {
            await told(CLUSTER_JOBS, { jobId, clusterId }, () => handle({ jobId, queueId, retryCount, retryLimit }))
          } finally {
            setImmediate(wake, boss, CLUSTER_JOBS, WOKEN)
          }
        },
      )
      clearInterval(look)
      look = setInterval(wake, LOOK_MS, boss, CLUSTER_JOBS, WOKEN)
      look.unref()
    },

    async stopWork() {
      clearInterval(look)
      if (boss.getWipData().some(({ name }) => name === CLUSTER_JOBS)) await boss.offWork(CLUSTER_JOBS, { wait: false })
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
          wake(boss, CLUSTER_JOBS, WOKEN)
        },
      )
    },

    ...openSchedules(boss, over, told),
    ...openErrands(boss, over, told),
    ...openStanding(boss, over),
    ...openTelling(boss, over, told),

    async pause() {
      // What is told of a drain is not held up by it.
      const telling: readonly string[] = [DELIVERIES, MAILS]
      const names = new Set(boss.getWipData().flatMap(({ name }) => (telling.includes(name) ? [] : [name])))
      await Promise.all([...names].map((name) => boss.offWork(name, { wait: false })))
    },

    async depth() {
      const stats = await boss.getQueueStats(CLUSTER_JOBS, { force: true })
      const now = Array.isArray(stats) ? stats[0] : stats
      return { waiting: now?.queuedCount ?? 0, active: now?.activeCount ?? 0, failed: now?.failedCount ?? 0 }
    },

    async close() {
      clearInterval(look)
      await boss.stop({ graceful: true, timeout: 5000 })
    },
  }
}

/**
 * Reads pg-boss's own insert. pg-boss gives it away with its parameter when it is asked to send over a connection of
 * ours.
 */
async function readInsert(boss: PgBoss): Promise<{ insert: string; template: object }> {
  let said: { text: string; values: unknown[] } | undefined
  const listener = {
    executeSql: (text: string, values: unknown[] = []) => {
      said = { text, values }
      return Promise.resolve({ rows: [{ id: '' }] })
    },
  }
  await boss.send(CLUSTER_JOBS, {}, { singletonKey: 'template', db: listener })
  const [template] = JSON.parse(String(said?.values[0])) as object[] // as pg-boss wrote it
  if (!said || !template) throw new Error('this version of pg-boss does not send as this service knows it')
  return { insert: said.text, template }
}

/** What pg-boss kept of a thrown error. */
function causeOf(output: unknown): string | undefined {
  const { message, value } = (output ?? {}) as { message?: unknown; value?: { message?: unknown } } // any JSON
  const cause = message ?? value?.message
  return typeof cause === 'string' ? cause.slice(0, CAUSE_LENGTH) : undefined
}

export const newQueueInstanceName = (role: string): string => `${role}-${newId('att').slice(-8)}`
