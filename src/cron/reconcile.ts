// Reports what disagrees between database, queue, artifact store and cloud.
import type { App } from '../app.ts'
import { reconcile } from '../reconcile/reconcile.ts'

export async function reportDisagreements(app: App): Promise<void> {
  const summary = await reconcile(app)
  const { filed, repaired, resolved, skipped } = summary
  if (filed + repaired > 0) app.log.warn(summary, 'what should agree does not: see the findings')
  else if (resolved + skipped.length > 0) app.log.info(summary, 'a comparison of all parts is done')
}
