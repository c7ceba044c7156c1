// Has operations over many clusters done, a few seconds of one at a time, so that none holds up another.
import type { App } from '../app.ts'
import { runOperation } from '../operations/run.ts'

/** Returns a function that ends this, and resolves when no item is under way. */
export async function startOperations(app: App): Promise<() => Promise<void>> {
  const ended = new AbortController()
  let running: Promise<void> | undefined
  await app.queue.workOperations((id) => (running = runOperation(app, id, ended.signal)))
  const unhear = app.events.on('operation', 'all', () => app.queue.wakeOperations())
  return async () => {
    unhear()
    ended.abort()
    await running?.catch(() => undefined) // the queue has told of it
  }
}
