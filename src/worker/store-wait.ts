// A create does nothing in the cloud while the artifact store cannot keep its state. It waits, and its cluster says why.
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import { findMarkAhead, tellMarkAhead } from '../clusters/mark.ts'
import { lockCluster } from '../clusters/queries.ts'
import { noteWait, STORE_TOLD_AFTER_MS } from '../clusters/waiting.ts'
import { messageOf } from '../errors.ts'
import type { Stage } from '../installer/stages.ts'
import { LockLost } from '../jobs/lock.ts'
import { uptimeMs } from '../uptime.ts'
import { DirectoryGone, Stopped } from './failures.ts'
import type { Operation } from './operation.ts'

/** A check may hang where its own limit does not reach, as in a look for credentials. */
const CHECK_MS = 8000
const STORE_RETRY_MS = [1000, 2000, 5000, 10_000, 30_000]

/** Why the store does not work, which /readyz knows too. undefined: it works. It is told within some seconds. */
export async function findStoreProblem({ store }: Pick<App, 'store'>): Promise<string | undefined> {
  const late = setTimeout(CHECK_MS, 'the artifact store does not answer', { ref: false })
  const checked = store.check().then(
    () => undefined,
    (error: unknown) => `the artifact store does not work: ${messageOf(error)}`,
  )
  return Promise.race([checked, late])
}

/** Why no cluster may be made now. A store that does not tell is a problem of its own, and never one of a destroy. */
export async function findHold(app: Pick<App, 'db' | 'store' | 'box' | 'log'>): Promise<string | undefined> {
  const late = setTimeout(CHECK_MS, undefined, { ref: false })
  const asked = findMarkAhead(app).catch((error: unknown) =>
    app.log.warn(`the mark cannot be read: ${messageOf(error)}`),
  )
  const ahead = await Promise.race([asked, late])
  return ahead ? tellMarkAhead(ahead) : undefined
}

/** Tries until the snapshot is stored. Throws Stopped, or an error when the directory itself is gone. */
export async function snapshotForSure(
  operation: Operation,
  dir: string,
  stage: Stage,
  infraId: string,
): Promise<string> {
  const sinceMs = uptimeMs()
  const toldAfterMs = operation.realMs(STORE_TOLD_AFTER_MS, 0)
  let isTold = false
  for (let round = 0; ; round++) {
    try {
      const id = await operation.snapshot(dir, stage, infraId)
      if (isTold) await say(operation, null)
      return id
    } catch (error) {
      if (error instanceof LockLost) throw new Stopped('lost', error.message)
      if (error instanceof DirectoryGone) throw error
      operation.stopping.throwIfAborted()
      operation.log('warning', `the state could not be stored and is tried again: ${messageOf(error)}`)
      if (uptimeMs() - sinceMs >= toldAfterMs)
        isTold = await say(operation, operation.mask(`it waits, since its state cannot be stored: ${messageOf(error)}`))
      await operation.pause(STORE_RETRY_MS[Math.min(round, STORE_RETRY_MS.length - 1)] ?? 30_000)
    }
  }
}

/** Whether it could be said. What is stored counts, whether people hear of it or not. */
async function say(operation: Operation, reason: string | null): Promise<boolean> {
  const { app, claim } = operation
  try {
    await operation.fencedWithCluster(async (tx) => {
      const cluster = await lockCluster(tx, claim.cluster.id)
      if (cluster) noteWait(tx, cluster, reason)
    })
    return true
  } catch (error) {
    if (error instanceof LockLost) throw new Stopped('lost', error.message)
    app.log.warn({ err: error }, 'why a create waits could not be said')
    return false
  }
}
