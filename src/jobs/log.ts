// A job's log while it is written: lines are numbered across attempts, collected, and stored as chunks under the fence.
import { max, eq } from 'drizzle-orm'
import type { App } from '../app.ts'
import { announce } from '../events.ts'
import type { LogLevel } from '../vocabulary.ts'
import { fenced, type Lock } from './lock.ts'
import type { LogLine } from './tables.ts'
import { jobLogChunks } from './tables.ts'

const FLUSH_MS = 500
const CHUNK_LINES = 200

export type JobLog = {
  /** Secrets must be masked already. */
  write: (level: LogLevel, message: string, at?: string) => void
  /** Stores what is collected; lines are kept for the next flush when the database does not answer. */
  flush: () => Promise<void>
  close: () => Promise<void>
}

export async function openJobLog(app: App, lock: Lock): Promise<JobLog> {
  const [last] = await app.db
    .select({ seq: max(jobLogChunks.lastSeq) })
    .from(jobLogChunks)
    .where(eq(jobLogChunks.jobId, lock.jobId))
  let nextSeq = (last?.seq ?? 0) + 1
  let pending: LogLine[] = []
  let flushing: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  const store = async () => {
    while (pending.length > 0) {
      const lines = pending.slice(0, CHUNK_LINES)
      const [first, final] = [lines[0], lines.at(-1)]
      if (!first || !final) return
      await fenced(app.db, lock, async (tx) => {
        await tx
          .insert(jobLogChunks)
          .values({ jobId: lock.jobId, firstSeq: first.seq, lastSeq: final.seq, lines })
          .onConflictDoNothing()
        announce(tx, 'job-log', lock.jobId)
      })
      pending = pending.slice(lines.length)
    }
  }
  const flush = () => (flushing = flushing.then(store, store))
  const schedule = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      flush().catch((error: unknown) => {
        app.log.warn({ err: error, jobId: lock.jobId }, 'log lines wait: they could not be stored')
        if (pending.length > 0 && !(error instanceof Error && error.name === 'LockLost')) schedule()
      })
    }, FLUSH_MS)
  }
  return {
    write(level, message, at = new Date().toISOString()) {
      // PostgreSQL's jsonb refuses the null character.
      pending.push({ seq: nextSeq++, at, level, message: message.replaceAll('\u0000', '\uFFFD') })
      schedule()
    },
    flush,
    async close() {
      clearTimeout(timer)
      timer = undefined
      await flush()
    },
  }
}
