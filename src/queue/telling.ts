// What webhooks and people are told. A target that hangs holds up its own deliveries and nobody else's.
import type { JobWithMetadata, Job, PgBoss } from 'pg-boss'
import { newId, uuidOf } from '../ids.ts'
import type { Mail, Queue } from './queue.ts'
import { affected, DELIVERIES, MAILS, wake, type Over, type Told } from './setup.ts'

type Telling = Pick<
  Queue,
  | 'enqueueDeliveries'
  | 'workDeliveries'
  | 'wakeTelling'
  | 'endDelivery'
  | 'delayDelivery'
  | 'enqueueMails'
  | 'workMails'
>

/** Deliveries at once in a process, each to another target. */
const TARGETS_AT_ONCE = 24
const MAILS_AT_ONCE = 4
/** Mostly a commit's message wakes the worker. */
const POLL_SECONDS = 5

export function openTelling(boss: PgBoss, over: Over, told: Told): Telling {
  /** Has the workers that are busy now look for more as soon as they are done, when the target is free again. */
  const goOn = (name: string) => {
    for (const { id, name: its, lastJobStartedOn, lastJobEndedOn } of boss.getWipData())
      if (its === name && lastJobStartedOn !== null && lastJobStartedOn >= (lastJobEndedOn ?? 0)) boss.notifyWorker(id)
  }
  return {
    async enqueueDeliveries(tx, deliveries) {
      if (deliveries.length === 0) return
      // Entries of one moment are taken in the order of their ids.
      const ids = deliveries.map(() => uuidOf(newId('dlv'))).toSorted((a, b) => (a < b ? -1 : 1))
      const entries = deliveries.map(({ id: deliveryId, webhookId, about }, index) => ({
        id: ids[index] ?? '',
        data: { deliveryId },
        singletonKey: `${webhookId}:${about}`,
        group: { id: webhookId },
      }))
      await boss.insert(DELIVERIES, entries, { db: over(tx) })
    },

    async workDeliveries(handle) {
      await boss.work(
        DELIVERIES,
        {
          includeMetadata: true,
          localConcurrency: TARGETS_AT_ONCE,
          localGroupConcurrency: 1,
          pollingIntervalSeconds: POLL_SECONDS,
        },
        async ([job]: JobWithMetadata<{ deliveryId: string }>[]) => {
          if (!job) return
          const { id, retryCount, data } = job
          try {
            await told(DELIVERIES, data, () => handle(data.deliveryId, { id, retryCount }))
          } finally {
            goOn(DELIVERIES)
          }
        },
      )
    },

    wakeTelling() {
      wake(boss, DELIVERIES)
      wake(boss, MAILS)
    },

    async endDelivery(tx, handOver) {
      return affected(await boss.complete(DELIVERIES, handOver, null, { db: over(tx) })) === 1
    },

    async delayDelivery(tx, handOver, seconds) {
      const db = over(tx)
      if (affected(await boss.fail(DELIVERIES, handOver, null, { db })) !== 1) return false
      await boss.update(DELIVERIES, undefined, { id: handOver.id, startAfter: Math.ceil(seconds), db })
      return true
    },

    async enqueueMails(tx, mails) {
      if (mails.length === 0) return
      await boss.insert(MAILS, mails.map((data) => ({ data })), { db: over(tx) }) // prettier-ignore
    },

    async workMails(send) {
      await boss.work(
        MAILS,
        { localConcurrency: MAILS_AT_ONCE, pollingIntervalSeconds: POLL_SECONDS },
        async ([job]: Job<Mail>[]) => {
          if (!job) return
          try {
            await told(MAILS, { sequence: job.data.sequence }, () => send(job.data))
          } finally {
            goOn(MAILS)
          }
        },
      )
    },
  }
}
