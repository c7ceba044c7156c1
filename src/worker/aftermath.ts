// What a worker still does for an attempt that it has lost. It alone may know what its installer made meanwhile: a host that
// was frozen, or a database that came back without its newest commits, has taken that knowledge from everybody else.
import { eq } from 'drizzle-orm'
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import { adoptLost } from '../clusters/adopt.ts'
import { keepEntry } from '../clusters/ledger.ts'
import { lockCluster } from '../clusters/queries.ts'
import { clusters } from '../db/schema.ts'
import { AppError } from '../errors.ts'
import { lookAgain } from '../reconcile/leftovers.ts'
import type { Operation } from './operation.ts'

const RETRY_MS = 5_000
/** What is not told by then is found by the later looks and by reconciling. */
const GIVE_UP_MS = 10 * 60_000

/** Never throws; the installer of the operation has ended. */
export async function lookAfterLoss({ app, claim, infra }: Operation, signal: AbortSignal): Promise<void> {
  const clusterId = claim.cluster.id
  for (const until = Date.now() + GIVE_UP_MS; Date.now() < until && !signal.aborted;)
    try {
      return await look(app, clusterId, infra)
    } catch (error) {
      app.log.warn({ err: error, clusterId }, 'what a lost attempt left could not be looked for and is tried again')
      if (error instanceof AppError) return
      await setTimeout(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
}

async function look(app: App, clusterId: string, infra: Operation['infra']): Promise<void> {
  const [known] = await app.db.select({ id: clusters.id }).from(clusters).where(eq(clusters.id, clusterId))
  if (!known) {
    if (infra) await adoptLost(app, clusterId)
    return
  }
  if (infra)
    await app.db.transaction(async (tx) => {
      const cluster = await lockCluster(tx, clusterId)
      // Of a cluster that is gone only the look decides whether anything is open.
      await keepEntry(tx, { ...infra, emptyAt: cluster?.status === 'DESTROYED' ? new Date() : null })
    })
  await lookAgain(app, clusterId)
}
