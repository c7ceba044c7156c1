// Gives every living cluster its end.
import type { App } from '../app.ts'
import type { Actor } from '../auth/principal.ts'
import { destroyCluster } from '../clusters/commands.ts'
import { listExpiredClusterIds } from '../clusters/queries.ts'

const JANITOR: Actor = { kind: 'system', name: 'janitor' }

export async function destroyExpiredClusters(app: App): Promise<void> {
  for (const id of await listExpiredClusterIds(app.db)) {
    try {
      await app.db.transaction((tx) => destroyCluster(app, tx, JANITOR, id))
      app.log.info({ clusterId: id }, 'its time is over: the cluster is destroyed')
    } catch (error) {
      app.log.error({ err: error, clusterId: id }, 'an expired cluster could not be destroyed')
    }
  }
}
