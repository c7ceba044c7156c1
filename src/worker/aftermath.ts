// What a worker still does for an attempt that it has lost, after the installer has ended. It asks what was left, and
// goes on asking while the database does not answer.
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import { AppError } from '../errors.ts'
import { lookAfterLoss } from '../reconcile/leftovers.ts'
import type { Operation } from './operation.ts'

const RETRY_MS = 5_000
/** What has not been told by then is found by the later looks and by reconciling. */
const GIVE_UP_MS = 10 * 60_000

/** Never throws. The log of `app` names no cluster by itself: it tells of clusters that are found. */
export async function tellOfLoss(app: App, { claim, infra }: Operation, signal: AbortSignal): Promise<void> {
  const clusterId = claim.cluster.id
  for (const until = Date.now() + GIVE_UP_MS; Date.now() < until && !signal.aborted;)
    try {
      return await lookAfterLoss(app, clusterId, infra)
    } catch (error) {
      app.log.warn({ err: error, clusterId }, 'what a lost attempt left is not known yet')
      if (error instanceof AppError) {
        // The cluster itself is lost, and cannot come back while another one has its name. It is not always found by tag.
        if (error.code === 'NAME_TAKEN') await adoptLater(app, clusterId)
        return
      }
      await setTimeout(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
}

async function adoptLater({ queue, db, log }: App, clusterId: string): Promise<void> {
  await queue
    .adoptLater(db, clusterId)
    .catch((error: unknown) => log.error({ err: error, clusterId }, 'a lost cluster must be adopted by hand'))
}
