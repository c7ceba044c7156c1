// Runs jobs. It claims, runs the operation of the job's type, and settles; each is one transaction, and between them
// nothing is held but the lease.
import { hostname } from 'node:os'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import { hasCode, messageOf } from '../errors.ts'
import { claimJob, listEndedAttempts, settleDeadJob, settleJob, type Outcome } from '../jobs/attempts.ts'
import type { JobType } from '../jobs/job.ts'
import { LockLost } from '../jobs/lock.ts'
import type { Delivery } from '../jobs/queue.ts'
import { runCreate } from './create.ts'
import { runDestroy } from './destroy.ts'
import { openOperation, Stopped, type Operation } from './operation.ts'
import { retrySeconds } from './retry.ts'

export type Worker = {
  /** Fetches nothing more, lets what runs end for at most this long, then stops it cleanly. */
  drain: (timeoutMs: number) => Promise<void>
}

const RUNNERS: Partial<Record<JobType, (operation: Operation) => Promise<Outcome>>> = {
  CREATE: runCreate,
  DESTROY: runDestroy,
  JANITOR_DESTROY: runDestroy,
}
const UNEXPECTED_RETRY_SECONDS = 30
const DRAIN_PROGRESS_MS = 10_000
const SETTLE_RETRY_MS = 1000
/** Data or a constraint that PostgreSQL refuses. */
const REFUSED = ['22021', '22P02', '22P05', '22003', '22001', '23502', '23503', '23505', '23514']

export async function startWorker(app: App): Promise<Worker> {
  const name = `${hostname()}:${process.pid}`
  const running = new Set<Operation>()
  let draining = false
  await removeDeadDirectories(app)

  // From the fetch on, so that a drain waits for a job that is just being claimed.
  const handling = new Set<Promise<void>>()
  const handle = (delivery: Delivery) => {
    const handled = handleOne(delivery).finally(() => handling.delete(handled))
    handling.add(handled)
    return handled
  }
  const handleOne = async (delivery: Delivery) => {
    const claim = await claimJob(app, delivery, name)
    if (!claim) return
    const operation = await openOperation(app, claim).catch(async (error: unknown) => {
      const message = messageOf(error)
      await settleJob(app, claim, { kind: 'interrupted', message, retryInSeconds: UNEXPECTED_RETRY_SECONDS })
      throw error
    })
    app.log.info(
      { jobId: claim.job.id, clusterId: claim.cluster.id, attempt: claim.attempt.number },
      `${claim.job.type} starts`,
    )
    running.add(operation)
    if (draining) operation.stop('interrupted', 'the worker is shutting down')
    try {
      await runJob(app, operation)
    } finally {
      running.delete(operation)
    }
  }
  await app.queue.work(app.config.workerConcurrency, handle)
  await app.queue.workDead((jobId) => settleDeadJob(app, jobId))

  return {
    async drain(timeoutMs) {
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
    },
  }
}

async function runJob(app: App, operation: Operation): Promise<void> {
  const { claim } = operation
  let outcome: Outcome
  try {
    const runner = RUNNERS[claim.job.type]
    if (!runner) throw new Error(`no worker knows jobs of type ${claim.job.type}`)
    outcome = await runner(operation)
  } catch (error) {
    const stopped = operation.stopping.aborted ? operation.stopping.reason : error
    if (stopped instanceof LockLost || (stopped instanceof Stopped && stopped.kind === 'lost')) {
      app.log.warn({ jobId: claim.job.id }, `the attempt is void: ${stopped.message}`)
      await operation.close()
      // Thrown, so that the queue hands the job out again if it still thinks that it is ours.
      throw stopped
    }
    if (stopped instanceof Stopped)
      outcome = { kind: stopped.kind === 'cancelled' ? 'cancelled' : 'interrupted', message: stopped.message }
    else {
      app.log.error({ err: error, jobId: claim.job.id }, 'an attempt failed in a way nobody foresaw')
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
    operation.reached(claim.job.type === 'CREATE' ? 'create:settled' : 'destroy:settled')
    app.log.info({ jobId: claim.job.id, clusterId: claim.cluster.id, outcome: outcome.kind }, `${claim.job.type} ended`)
  } finally {
    await operation.close()
  }
}

/** A database that does not answer for a moment must not cost a finished install: tried again while the lease lives. */
async function settleForSure(operation: Operation, wanted: Outcome): Promise<void> {
  const { app, claim } = operation
  let outcome = wanted
  for (;;) {
    // Before each try: once the lock is given back, no line can follow.
    await operation.flushLog().catch((error: unknown) => app.log.warn({ err: error }, 'log lines wait for the end'))
    try {
      return await settleJob(app, claim, outcome)
    } catch (error) {
      if (error instanceof LockLost || operation.isLost()) throw error
      if (hasCode(error, ...REFUSED) && outcome.kind === 'succeeded') {
        // The database will not take it, however often it is asked.
        const retryInSeconds = retrySeconds(operation, UNEXPECTED_RETRY_SECONDS, 1)
        outcome = { kind: 'failed', reason: 'InternalError', message: operation.mask(messageOf(error)), retryInSeconds }
        continue
      }
      app.log.warn({ err: error, jobId: claim.job.id }, 'the end of an attempt could not be settled and is tried again')
      await setTimeout(SETTLE_RETRY_MS)
    }
  }
}

// What a worker that died here left on the disk; the store has what matters of it.
async function removeDeadDirectories(app: App): Promise<void> {
  const home = join(app.config.dataDir, 'work')
  const names = await readdir(home).catch(() => [])
  for (const id of await listEndedAttempts(app.db, names)) await rm(join(home, id), { recursive: true, force: true })
}
