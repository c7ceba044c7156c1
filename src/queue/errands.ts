// Small work that must be done once, now or later, until it succeeds.
import type { Job, JobResult, PgBoss } from 'pg-boss'
import { messageOf } from '../errors.ts'
import type { Queue } from './queue.ts'
import { ADOPTIONS, DAY_SECONDS, DISCARDS, OPERATIONS, wake, type Over, type Told } from './setup.ts'

type Errands = Pick<
  Queue,
  | 'discardArtifact'
  | 'workDiscards'
  | 'adoptLater'
  | 'workAdoptions'
  | 'runOperation'
  | 'workOperations'
  | 'wakeOperations'
>

export function openErrands(boss: PgBoss, over: Over, told: Told): Errands {
  return {
    async discardArtifact(db, key, afterSeconds) {
      await boss.send(DISCARDS, { key }, { startAfter: afterSeconds, db: over(db) })
    },

    async workDiscards(discard) {
      await boss.work(
        DISCARDS,
        { pollingIntervalSeconds: 30, batchSize: 100, perJobResults: true },
        async (jobs: Job<{ key: string }>[]) => {
          const results: JobResult[] = []
          for (const { id, data } of jobs)
            try {
              await told(DISCARDS, { key: data.key }, () => discard(data.key))
              results.push({ id, status: 'completed' })
            } catch (error) {
              results.push({ id, status: 'failed', output: { message: messageOf(error) } })
            }
          return results
        },
      )
    },

    async adoptLater(db, clusterId) {
      // Who finds the cluster lost may say so again and again.
      const once = { singletonKey: clusterId, singletonSeconds: DAY_SECONDS }
      await boss.send(ADOPTIONS, { clusterId }, { ...once, db: over(db) })
    },

    async workAdoptions(adopt) {
      await boss.work(ADOPTIONS, { pollingIntervalSeconds: 5 }, async ([job]: Job<{ clusterId: string }>[]) => {
        if (job) await told(ADOPTIONS, job.data, () => adopt(job.data.clusterId))
      })
    },

    async runOperation(db, operationId, afterSeconds = 0) {
      await boss.send(OPERATIONS, { operationId }, { startAfter: afterSeconds, db: over(db) })
    },

    async workOperations(run) {
      await boss.work(OPERATIONS, { pollingIntervalSeconds: 5 }, async ([job]: Job<{ operationId: string }>[]) => {
        if (!job) return
        try {
          await told(OPERATIONS, job.data, () => run(job.data.operationId))
        } finally {
          setImmediate(wake, boss, OPERATIONS)
        }
      })
    },

    wakeOperations: () => wake(boss, OPERATIONS),
  }
}
