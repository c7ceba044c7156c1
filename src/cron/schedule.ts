// What the clock does. Each piece takes no input, re-reads the world, and is safe to run twice.
import type { App } from '../app.ts'
import { destroyDueClusters } from './janitor.ts'

export async function startSchedules(app: App): Promise<void> {
  await app.queue.schedule('destroy-due-clusters', '* * * * *', () => destroyDueClusters(app))
}
