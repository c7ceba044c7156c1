// The port to the queue. It promises one active job a cluster, in order of submission, and that a settle or a renewal counts
// only for the delivery it belongs to.
import type { Reader, Transaction } from '../db/client.ts'

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

export type Queue = {
  /** Sent: the transaction does not commit without it. */
  enqueue: (tx: Transaction, job: { id: string; clusterId: string }) => void
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
