// The port to the queue. It promises one active job per cluster, in order of submission. It also promises that a settle
// or a renewal counts only for the delivery it belongs to.
import type { JobType } from '../vocabulary.ts'
import type { Db, Reader, Transaction } from '../db/client.ts'

/** What the queue has of a job. `failed`: the job's workers died too often, and it blocks its cluster's jobs. */
export type QueueEntry = Readonly<{
  queueId: string
  /** null: the entry is not ours. */
  jobId: string | null
  clusterId: string
  state: 'created' | 'retry' | 'active' | 'completed' | 'cancelled' | 'failed'
  /** Counted from its end, or from its making while it has not ended. */
  ageSeconds: number
}>

/** One hand-over of a job to a worker; a later delivery of the same job makes it void. */
export type Delivery = Readonly<{ jobId: string; queueId: string; retryCount: number; retryLimit: number }>

/** What a delivery is ended or delayed by; a later hand-over makes it void. */
export type HandOver = Readonly<{ id: string; retryCount: number }>
/** Of the notice with this number, to this principal. */
export type Mail = Readonly<{ sequence: number; to: string }>

/** A delivery that a worker has taken and not yet settled. */
export type ActiveDelivery = Readonly<{ jobId: string; clusterId: string; retryCount: number }>

export type ScheduleState = Readonly<{
  name: string
  /** Five fields, in UTC. */
  cron: string
  nextRunAt: Date
  /** Whether a run waits or is under way. */
  isRunning: boolean
  /** The last run that ended. */
  lastRun: Readonly<{ startedAt: Date; endedAt: Date; outcome: 'succeeded' | 'failed'; did: string | null }> | undefined
}>

/** How much stands in a queue, as pg-boss counted it within the last seconds. `later`: of those that wait, not yet due. */
export type QueueDepth = Readonly<{ name: string; waiting: number; later: number; active: number; failed: number }>
/** A job that no delivery ended. `isEnded`: a worker has ended it since. Known for a day. */
export type DeadLetter = Readonly<{ queueId: string; jobId: string; diedAt: Date; isEnded: boolean }>

export type Queue = {
  /** The entries are only sent, but the transaction does not commit without them. */
  enqueue: (tx: Transaction, jobs: readonly { id: string; clusterId: string; type: JobType }[]) => void
  /** Takes back a job that no worker has. Returns false when a worker has it and must be asked to stop instead. */
  cancelWaiting: (tx: Transaction, jobId: string) => Promise<boolean>
  /** Keeps a delivery alive. Returns false when it is void. */
  renew: (tx: Transaction, delivery: Delivery) => Promise<boolean>
  /** Ends the job for good. Returns false when the delivery is void and the transaction must roll back. */
  complete: (tx: Transaction, delivery: Delivery) => Promise<boolean>
  /**
   * Hands the job back; its cluster's turn is kept. Returns false as complete does. After a settle, the count of
   * deliveries that ended without a settle begins anew. A busy cluster only does not add to the count.
   */
  giveBack: (tx: Transaction, delivery: Delivery, delaySeconds: number, why: 'settled' | 'busy') => Promise<boolean>
  /** All deliveries that workers hold just now. */
  listActive: (db: Reader) => Promise<ActiveDelivery[]>
  /** Takes the job from a worker that is gone, or ends the job's wait, so that another worker gets it now. */
  handOutAgain: (tx: Transaction, jobId: string) => Promise<void>
  /** Ends the wait of those that no worker has: they are handed out in their turn. */
  endWaits: (tx: Transaction, jobIds: string[]) => Promise<void>
  /** Makes this process's workers look for work now. */
  wake: () => void
  /** The entries of these jobs, whatever state they are in, by job id. */
  findEntries: (db: Reader, jobIds: string[]) => Promise<Map<string, QueueEntry>>
  /**
   * Entries that wait or have failed, and are older than this. They are ordered by queueId and begin after the given
   * one.
   */
  listStanding: (db: Reader, minAgeSeconds: number, after: string | undefined, limit: number) => Promise<QueueEntry[]>
  /** Cancels an entry that waits, or removes one that failed. Returns undefined when a worker has it or it is over. */
  discard: (tx: Transaction, queueId: string) => Promise<'cancelled' | 'removed' | undefined>
  listDepths: () => Promise<QueueDepth[]>
  /** Newest first. */
  listDead: (db: Reader, limit: number) => Promise<DeadLetter[]>
  /** Gives the job its deliveries anew. Returns false when a worker ends it already. The caller has locked its cluster. */
  revive: (tx: Transaction, letter: DeadLetter) => Promise<boolean>
  forgetDead: (tx: Transaction, queueId: string) => Promise<void>
  /** `installers`: how many jobs that run the installer at once; `turns`: how many of the others beside them. */
  work: (slots: { installers: number; turns: number }, handle: (delivery: Delivery) => Promise<void>) => Promise<void>
  /** Fetches no more of these jobs until `work` is called again; running handlers go on. */
  stopWork: () => Promise<void>
  /**
   * Calls back for a job that no delivery ended, with the last cause. When the call resolves, the cluster's next job
   * may run.
   */
  workDead: (settle: (jobId: string, cause: string | undefined) => Promise<void>) => Promise<void>
  /**
   * `run` may return a sentence that says what it did. A run whose process died holds up the next run until it expires,
   * after 10 minutes unless told otherwise.
   */
  schedule: (
    name: string,
    cron: string,
    run: () => Promise<string | void>,
    options?: { expireInSeconds?: number },
  ) => Promise<void>
  /** Makes a schedule run now, or when the transaction commits. Returns false when it waits for a run or runs already. */
  runNow: (name: string, tx?: Transaction) => Promise<boolean>
  /**
   * Has every schedule run that has not begun for longer than its period. After the clock was stepped back, pg-boss would
   * wait until it is where it was. Returns their names.
   */
  catchUp: (db: Db) => Promise<string[]>
  listSchedules: (db: Reader) => Promise<ScheduleState[]>
  /** The newest run of each schedule that succeeded. */
  listSuccesses: (db: Reader) => Promise<{ name: string; startedAt: Date; endedAt: Date }[]>
  /**
   * Makes workDiscards be called with the key of an artifact, after the delay at the earliest, until the call succeeds.
   */
  discardArtifact: (db: Reader, key: string, afterSeconds: number) => Promise<void>
  workDiscards: (discard: (key: string) => Promise<void>) => Promise<void>
  /** Makes workAdoptions be called with the id of a cluster that the database has lost, until the call succeeds. */
  adoptLater: (db: Reader, clusterId: string) => Promise<void>
  workAdoptions: (adopt: (clusterId: string) => Promise<void>) => Promise<void>
  /** Makes workOperations be called with the id of an operation over many clusters, until the call succeeds. */
  runOperation: (db: Reader, operationId: string, afterSeconds?: number) => Promise<void>
  workOperations: (run: (operationId: string) => Promise<void>) => Promise<void>
  /** Makes this process look for operations now. */
  wakeOperations: () => void
  /** Makes workDeliveries be called with each: of one target and about one cluster in this order, one after another. */
  enqueueDeliveries: (
    tx: Transaction,
    deliveries: readonly { id: string; webhookId: string; about: string }[],
  ) => Promise<void>
  /** A delivery that `handle` neither ends nor delays, because it died, comes back by itself. */
  workDeliveries: (handle: (deliveryId: string, handOver: HandOver) => Promise<void>) => Promise<void>
  /** Makes this process look for deliveries and mails now. */
  wakeTelling: () => void
  /** Return false when the hand-over is void, and the transaction must roll back. */
  endDelivery: (tx: Transaction, handOver: HandOver) => Promise<boolean>
  delayDelivery: (tx: Transaction, handOver: HandOver, seconds: number) => Promise<boolean>
  /** Makes workMails be called with each until the call succeeds, for a day. */
  enqueueMails: (tx: Transaction, mails: readonly Mail[]) => Promise<void>
  workMails: (send: (mail: Mail) => Promise<void>) => Promise<void>
  /** Fetches no more jobs; running handlers go on, and so does the telling. */
  pause: () => Promise<void>
  depth: () => Promise<{ waiting: number; active: number; failed: number }>
  close: () => Promise<void>
}
