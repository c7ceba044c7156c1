// What the clock does. Each piece takes no input, re-reads the world, and is safe to run twice.
import type { App } from '../app.ts'
import { destroyDueClusters } from './janitor.ts'
import { reportDisagreements } from './reconcile.ts'

export async function startSchedules(app: App): Promise<void> {
  await app.queue.schedule('destroy-due-clusters', '* * * * *', () => destroyDueClusters(app))
  await app.queue.schedule('report-disagreements', '*/5 * * * *', () => reportDisagreements(app))
}
