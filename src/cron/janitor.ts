// Destroys every cluster whose end has come.
import { setTimeout } from 'node:timers/promises'
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { destroyCluster, destroyClusters } from '../clusters/commands.ts'
import { liftEndedProtections } from '../clusters/end.ts'
import { findMarkAhead, isSpared } from '../clusters/mark.ts'
import { listDueDestroys } from '../clusters/queries.ts'
import { uptimeMs } from '../uptime.ts'

const JANITOR: Actor = { kind: 'system', name: 'janitor' }
const AT_ONCE = 50

/**
 * Destroys the clusters whose time is over, and what failures left behind: at most OCPCTL_DESTROYS_PER_MINUTE in a run,
 * so that a thousand ends at one moment leave room for requests.
 */
export async function destroyDueClusters(app: App): Promise<string | undefined> {
  await liftEndedProtections(app, JANITOR)
  const most = app.config.destroysPerMinute
  let destroyed = 0
  const failed = new Set<string>()
  let spared: ReadonlySet<string> | undefined
  while (destroyed < most) {
    const passed = failed.size + (spared?.size ?? 0)
    const due = await listDueDestroys(app.db, Math.min(AT_ONCE, most - destroyed) + passed)
    if (due.length > 0 && !spared) {
      spared = await listSpared(app)
      if (spared.size > 0) continue
    }
    const ids = due.filter((id) => !failed.has(id) && !spared?.has(id))
    if (ids.length === 0) break
    const from = uptimeMs()
    const done = await destroyAll(app, ids)
    destroyed += done.length
    // What could not be destroyed now is left for the next run.
    for (const id of ids) if (!done.includes(id)) failed.add(id)
    // Requests have the database for half of the time.
    await setTimeout(uptimeMs() - from)
  }
  if (destroyed + failed.size === 0) return undefined
  app.log.info({ destroyed, left: failed.size }, 'clusters whose end has come are destroyed')
  return `${destroyed} clusters are destroyed, ${failed.size} wait for the next run`
}

/** Where the database was restored from a backup: those whose end had been moved, or that were made anew, since then. */
async function listSpared(app: App): Promise<ReadonlySet<string>> {
  const ahead = await findMarkAhead(app).catch((error: unknown) =>
    app.log.warn({ err: error }, 'whether the database is older than the mark in the artifact store is not known'),
  )
  return new Set(ahead ? [...ahead.living.values()].filter(isSpared).map(({ id }) => id) : [])
}

async function destroyAll(app: App, ids: string[]): Promise<readonly string[]> {
  const { destroyed, busy }: Awaited<ReturnType<typeof destroyClusters>> = await app.db
    .transaction((tx) => destroyClusters(app, tx, JANITOR, ids))
    // One of them may be what the transaction failed of, so each is tried by itself.
    .catch((error: unknown) => {
      app.log.error({ err: error, clusters: ids.length }, 'due clusters could not be destroyed together')
      return { destroyed: [], busy: ids }
    })
  for (const id of busy)
    try {
      await app.db.transaction((tx) => destroyCluster(app, tx, JANITOR, id))
      destroyed.push(id)
    } catch (error) {
      app.log.error({ err: error, clusterId: id }, 'a due cluster could not be destroyed')
    }
  return destroyed
}
