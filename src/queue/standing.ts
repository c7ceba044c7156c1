// What stands in the queues, for those who look after them, and the jobs that no delivery ended.
import type { PgBoss } from 'pg-boss'
import { uuidOf } from '../ids.ts'
import type { DeadLetter, Queue } from './queue.ts'
import {
  ADOPTIONS,
  affected,
  CLUSTER_JOBS,
  DEAD_JOBS,
  DELIVERIES,
  DISCARDS,
  MAILS,
  OPERATIONS,
  UNSETTLED_DELIVERIES,
  type Over,
} from './setup.ts'

const NAMES = [CLUSTER_JOBS, DEAD_JOBS, OPERATIONS, DELIVERIES, MAILS, DISCARDS, ADOPTIONS]

export function openStanding(
  boss: PgBoss,
  over: Over,
): Pick<Queue, 'listDepths' | 'listDead' | 'revive' | 'forgetDead'> {
  return {
    async listDepths() {
      const all = await boss.getQueues(NAMES)
      return NAMES.flatMap((name) => {
        const found = all.find((each) => each.name === name)
        if (!found) return []
        const { queuedCount, deferredCount, activeCount, failedCount } = found
        return [{ name, waiting: queuedCount, later: deferredCount, active: activeCount, failed: failedCount }]
      })
    },

    async listDead(db, limit) {
      // pg-boss's index job_i15.
      const { rows } = await db.$client.query<DeadLetter>(
        `select id as "queueId", data ->> 'jobId' as "jobId", created_on as "diedAt", state = 'completed' as "isEnded"
         from pgboss.job where name = $1 order by created_on desc limit $2`,
        [DEAD_JOBS, limit],
      )
      return rows
    },

    async revive(tx, { queueId, jobId }) {
      const db = over(tx)
      // Locked, so that no worker takes it meanwhile to end the job.
      const { rows } = await tx.$client.query(
        `select from pgboss.job where name = $1 and id = $2 and state in ('created', 'retry') for update skip locked`,
        [DEAD_JOBS, queueId],
      )
      const id = uuidOf(jobId)
      if (rows.length === 0 || affected(await boss.retry(CLUSTER_JOBS, id, { db })) !== 1) return false
      const { rows: entries } = await tx.$client.query<{ retryCount: number }>(
        `select retry_count as "retryCount" from pgboss.job where name = $1 and id = $2`,
        [CLUSTER_JOBS, id],
      )
      const retryLimit = (entries[0]?.retryCount ?? 0) + 1 + UNSETTLED_DELIVERIES
      await boss.update(CLUSTER_JOBS, undefined, { id, startAfter: 0, retryLimit, db })
      await boss.deleteJob(DEAD_JOBS, queueId, { db })
      return true
    },

    async forgetDead(tx, queueId) {
      await boss.deleteJob(DEAD_JOBS, queueId, { db: over(tx) })
    },
  }
}
