// The work directories of attempts. The store has all of them that matters.
import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { App } from '../app.ts'
import { listOpenAttempts } from '../jobs/attempts.ts'

const BEGINS_WITHIN_MS = 60_000
const WORKED_WITH_MS = 3_600_000

/** Removes what a worker that died here left on the disk. */
export async function removeDeadDirectories(app: App): Promise<void> {
  const home = join(app.config.dataDir, 'work')
  const names = await readdir(home).catch(() => [])
  const open = new Set(await listOpenAttempts(app.db, names))
  for (const name of names) {
    const path = join(home, name)
    // An attempt that the database does not know may be just beginning. Any other directory is in use for a while.
    const lastsMs = name.startsWith('att_') ? BEGINS_WITHIN_MS : WORKED_WITH_MS
    if (!open.has(name) && (await isOlder(path, lastsMs))) await rm(path, { recursive: true, force: true })
  }
}

const isOlder = async (path: string, ms: number): Promise<boolean> =>
  ((await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity) < Date.now() - ms
