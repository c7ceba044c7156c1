// Runs jobs. A worker claims a job, runs the operation of the job's type, and settles. Claim and settle are one
// transaction each; between them nothing is held but the lease.
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import { EntryProblem } from '../clouds/entry-forms.ts'
import { hasCode, messageOf } from '../errors.ts'
import { noteCause } from '../jobs/attempts.ts'
import { claimJob, type WaitMs, type WhyNotHere } from '../jobs/claim.ts'
import { openJobLogs } from '../jobs/log.ts'
import { startLockWatch } from '../jobs/lock-watch.ts'
import { LockLost } from '../jobs/lock.ts'
import { type Outcome, settleDeadJob, settleJob } from '../jobs/settle.ts'
import { createMasker, secretsOfEnvironment } from '../observability/mask.ts'
import { traceOfJob } from '../observability/trace-context.ts'
import type { Delivery } from '../queue/queue.ts'
import { turnTypes, type JobType } from '../vocabulary.ts'
import {
  nameOfWorker,
  tellOfWorker,
  WAITS_FOR_WORKER,
  whyNoEntryHere,
  whyNotInstalledHere,
} from '../workers/workers.ts'
import { tellOfLoss } from './aftermath.ts'
import { createPlan } from './create.ts'
import { destroyPlan } from './destroy.ts'
import { removeDeadDirectories } from './directories.ts'
import { Stopped } from './failures.ts'
import { hibernatePlan } from './hibernate.ts'
import { openOperation, type Operation } from './operation.ts'
import { resumePlan } from './resume.ts'
import { retrySeconds } from './retry.ts'
import { scalePlan } from './scale.ts'
import type { OperationPlan } from './steps.ts'
import { findHold, findStoreProblem } from './store-wait.ts'

export type Worker = {
  /** Fetches no more jobs and lets the running ones end, for at most this long. Then it stops them cleanly. */
  drain: (timeoutMs: number) => Promise<void>
}

export const plans: readonly OperationPlan[] = [createPlan, destroyPlan, scalePlan, hibernatePlan, resumePlan]

/** Throws for a type that no worker runs. */
function planOf(type: JobType): OperationPlan {
  const plan = plans.find(({ types }) => types.includes(type))
  if (!plan) throw new Error(`no worker knows jobs of type ${type}`)
  return plan
}

const UNEXPECTED_RETRY_SECONDS = 30
const DRAIN_PROGRESS_MS = 10_000
const SETTLE_RETRY_MS = 1000
const REMOVE_DIRECTORIES_MS = 60_000
const PROGRAM_LOOK_MS = 10_000
/** PostgreSQL's codes for data that it refuses, or that a constraint refuses. */
const REFUSED = ['22021', '22P02', '22P05', '22003', '22001', '23502', '23503', '23505', '23514']

/** `waitMs`: how long no lock may be taken. */
export async function startWorker(app: App, waitMs?: WaitMs): Promise<Worker> {
  const running = new Set<Operation>()
  const losses = new AbortController()
  const logs = openJobLogs(app)
  const masker = createMasker(secretsOfEnvironment(app.config.environment))
  let isLeaving = false
  let draining = false
  await removeDeadDirectories(app)
  const jobsOf = { isReady: false, isDrained: false, isTaking: false }
  let turning: Promise<void> | undefined
  /** Takes jobs, or takes none, as things are by then. One turn after another. */
  const turn = () => (turning = turnAfter(turning))
  const turnAfter = async (before: Promise<void> | undefined) => {
    await before?.catch(() => undefined)
    const isWanted = jobsOf.isReady && !jobsOf.isDrained && !isLeaving
    if (isWanted === jobsOf.isTaking) return
    const { workerConcurrency: installers, workerTurns: turns } = app.config
    await (isWanted ? app.queue.work({ installers, turns }, handle) : app.queue.stopWork())
    jobsOf.isTaking = isWanted
  }
  const here = await tellOfWorker(app, (isDraining) => {
    if (jobsOf.isDrained === isDraining) return
    jobsOf.isDrained = isDraining
    app.log.info(isDraining ? 'drained by an operator: this worker takes no new jobs' : 'this worker takes jobs again')
    turn().catch((error: unknown) => app.log.error({ err: error }, 'the worker could not turn to or from its jobs'))
  })

  const countInstallers = () => [...running].filter(({ claim }) => !turnTypes.includes(claim.job.type)).length
  // A job is here from its fetch on, so that a drain also waits for a job that is just being claimed.
  const handling = new Set<Promise<void>>()
  const handle = (delivery: Delivery) => {
    const handled = handleOne(delivery).finally(() => handling.delete(handled))
    handling.add(handled)
    return handled
  }
  const handleOne = async (delivery: Delivery) => {
    if (isLeaving || jobsOf.isDrained) {
      // The job was on its way from the queue when the worker turned from it.
      await app.db.transaction((tx) => app.queue.giveBack(tx, delivery, 0, 'busy'))
      return
    }
    const [storeProblem, hold] = await Promise.all([findStoreProblem(app), findHold(app)])
    const held = storeProblem === undefined ? undefined : masker.mask(`it waits to begin: ${storeProblem}`)
    await here.refreshEntries()
    const whyNotHere: WhyNotHere = (cluster, job) => {
      const lacks = whyNoEntryHere(here.abilities(), cluster)
      if (lacks !== undefined) return lacks
      // An entry of an older release is in no group, and the queue hands out any number of them.
      if (!turnTypes.includes(job.type) && countInstallers() >= app.config.workerConcurrency)
        return `${WAITS_FOR_WORKER}: all installers of this one are busy`
      if (job.type !== 'CREATE') return undefined
      // Also one that had begun by the time of the backup: it may have ended long ago.
      if (hold !== undefined) return `it waits to begin: ${hold}`
      return (cluster.status === 'PENDING' ? held : undefined) ?? whyNotInstalledHere(here.abilities(), cluster)
    }
    const claim = await claimJob(app, delivery, nameOfWorker, waitMs, whyNotHere).catch(async (error: unknown) => {
      // People who wait for the job can read there why it does not begin.
      const cause = masker.mask(`it could not begin: ${messageOf(error)}`)
      await noteCause(app.db, delivery.jobId, cause).catch(() => undefined)
      throw error
    })
    if (!claim) return
    const { id: jobId } = claim.job
    const { traceId } = traceOfJob(claim.job)
    const log = app.log.child({ jobId, clusterId: claim.cluster.id, traceId })
    const operation = await openOperation({ ...app, log }, claim, logs).catch(async (error: unknown) => {
      const message = messageOf(error)
      await settleJob(app, claim, { kind: 'interrupted', message, retryInSeconds: UNEXPECTED_RETRY_SECONDS })
      throw error
    })
    log.info({ attempt: claim.attempt.number }, `${claim.job.type} starts`)
    running.add(operation)
    if (draining) operation.stop('interrupted', 'the worker is shutting down')
    try {
      await runJob(app, operation, losses.signal)
    } finally {
      running.delete(operation)
    }
  }
  const stopWaiting = await workOnceThereIsAProgram(app, () => {
    jobsOf.isReady = true
    return turn()
  })
  await app.queue.workDead((jobId, cause) => settleDeadJob(app, jobId, cause && masker.mask(cause)))
  const stopHearing = [app.events.on('work', 'all', app.queue.wake), app.events.onGap(app.queue.wake)]
  const watch = startLockWatch(app)
  const cleaning = setInterval(
    () =>
      void removeDeadDirectories(app).catch((error: unknown) =>
        app.log.warn({ err: error }, 'work directories of dead workers stay'),
      ),
    REMOVE_DIRECTORIES_MS,
  )

  return {
    async drain(timeoutMs) {
      isLeaving = true
      stopWaiting()
      await turning?.catch(() => undefined)
      await app.queue.pause()
      const stopAll = () => {
        draining = true
        for (const operation of running) operation.stop('interrupted', 'the worker is shutting down')
      }
      if (timeoutMs <= 0) stopAll()
      const limit = globalThis.setTimeout(stopAll, timeoutMs)
      const tell = () =>
        app.log.info(
          { running: [...running].map(({ claim }) => claim.job.id) },
          `draining: ${running.size} jobs still run`,
        )
      const progress = setInterval(tell, DRAIN_PROGRESS_MS)
      if (running.size > 0) tell()
      while (handling.size > 0) await Promise.allSettled(handling)
      clearTimeout(limit)
      clearInterval(progress)
      clearInterval(cleaning)
      watch.stop()
      here.stop()
      for (const stop of stopHearing) stop()
      losses.abort()
    },
  }
}

/**
 * Waits until there is an installer: without one every job would fail here, while another worker could run it. Returns
 * a function that ends the wait.
 */
async function workOnceThereIsAProgram(
  { installer, config, log }: App,
  work: () => Promise<void>,
): Promise<() => void> {
  const hasOne = async () => installer.simulated || (await installer.listPrograms()).length > 0
  if (await hasOne()) {
    await work()
    return () => undefined
  }
  log.error(`no openshift-install-VERSION is in ${config.installerDir}: this worker takes no job until there is one`)
  let isGivenUp = false
  const look = async () => {
    if (!(await hasOne()) || isGivenUp) return
    clearInterval(timer)
    log.info('there is an installer now: this worker takes jobs')
    await work()
  }
  const timer = setInterval(
    () => void look().catch((error: unknown) => log.error({ err: error }, 'this worker could not begin to take jobs')),
    PROGRAM_LOOK_MS,
  )
  return () => {
    isGivenUp = true
    clearInterval(timer)
  }
}

async function runJob(app: App, operation: Operation, losses: AbortSignal): Promise<void> {
  const { claim } = operation
  const { log } = operation.app
  const plan = planOf(claim.job.type)
  let outcome: Outcome
  let ended = 'lost'
  try {
    operation.reached(`${plan.name}:claimed`)
    outcome = await plan.run(operation)
  } catch (error) {
    const stopped = operation.stopping.aborted ? operation.stopping.reason : error
    if (stopped instanceof LockLost || (stopped instanceof Stopped && stopped.kind === 'lost')) {
      log.warn(`the attempt is void: ${stopped.message}`)
      await operation.close(ended)
      void tellOfLoss(app, operation, losses)
      // Thrown so that the queue hands the job out again, if it still thinks that the job is ours.
      throw stopped
    }
    if (stopped instanceof EntryProblem)
      // It is taken up again once a worker has the entry, and is no fault of the cluster's.
      outcome = { kind: 'interrupted', message: stopped.message, retryInSeconds: UNEXPECTED_RETRY_SECONDS }
    else if (stopped instanceof Stopped)
      outcome = { kind: stopped.kind === 'cancelled' ? 'cancelled' : 'interrupted', message: stopped.message }
    else {
      log.error({ err: error }, 'an attempt failed in a way nobody foresaw')
      operation.log('error', `unexpected: ${messageOf(error)}`)
      outcome = {
        kind: 'failed',
        reason: 'InternalError',
        message: operation.mask(messageOf(error)),
        retryInSeconds: retrySeconds(operation, UNEXPECTED_RETRY_SECONDS, 1),
      }
    }
  }
  try {
    await settleForSure(operation, outcome)
    ended = outcome.kind
    operation.reached(`${plan.name}:settled`)
    log.info({ outcome: outcome.kind }, `${claim.job.type} ended`)
  } finally {
    await operation.close(ended)
  }
}

/**
 * Settles, and tries again while the lease lives: a database that does not answer for a moment must not cost a finished
 * install.
 */
async function settleForSure(operation: Operation, wanted: Outcome): Promise<void> {
  const { app, claim } = operation
  let outcome = wanted
  for (;;) {
    // Done before each try: once the lock is given back, no line can follow.
    await operation.flushLog().catch((error: unknown) => app.log.warn({ err: error }, 'log lines wait for the end'))
    try {
      return await settleJob(app, claim, outcome, operation.infra)
    } catch (error) {
      if (error instanceof LockLost || operation.isLost()) throw error
      if (hasCode(error, ...REFUSED) && outcome.kind === 'succeeded') {
        // The database will never take it, however often it is asked.
        const retryInSeconds = retrySeconds(operation, UNEXPECTED_RETRY_SECONDS, 1)
        outcome = { kind: 'failed', reason: 'InternalError', message: operation.mask(messageOf(error)), retryInSeconds }
        continue
      }
      app.log.warn({ err: error }, 'the end of an attempt could not be settled and is tried again')
      await setTimeout(SETTLE_RETRY_MS)
    }
  }
}
