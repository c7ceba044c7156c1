// Looks again at clusters that were destroyed after a worker was lost.
import type { App } from '../app.ts'
import { listDueLooks, lookAgain } from '../reconcile/leftovers.ts'

export async function lookAtDestroyed(app: App): Promise<void> {
  for (const id of await listDueLooks(app.db))
    await lookAgain(app, id).catch((error: unknown) =>
      app.log.error({ err: error, clusterId: id }, 'a destroyed cluster could not be looked at again'),
    )
}
