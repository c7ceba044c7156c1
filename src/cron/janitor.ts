// Destroys every cluster whose end has come.
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { destroyCluster } from '../clusters/commands.ts'
import { listDueDestroys } from '../clusters/queries.ts'

const JANITOR: Actor = { kind: 'system', name: 'janitor' }

/** Destroys the clusters whose time is over, and what failures left behind. */
export async function destroyDueClusters(app: App): Promise<void> {
  for (const id of await listDueDestroys(app.db)) {
    try {
      await app.db.transaction((tx) => destroyCluster(app, tx, JANITOR, id))
      app.log.info({ clusterId: id }, 'due: the cluster is destroyed')
    } catch (error) {
      app.log.error({ err: error, clusterId: id }, 'a due cluster could not be destroyed')
    }
  }
}
