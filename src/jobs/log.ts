// The logs of the jobs that run here, while they are written. Lines are numbered across attempts, collected, and stored
// as chunks. One statement stores the chunks of all jobs, each under its own fence.
import { eq, max } from 'drizzle-orm'
import type { App } from '../app.ts'
import type { Db } from '../db/client.ts'
import { nameOf } from '../db/together.ts'
import type { LogLevel } from '../vocabulary.ts'
import { LockLost, type Lock } from './lock.ts'
import { jobLogChunks, type LogLine } from './tables.ts'

const FLUSH_MS = 200
/** After lines could not be stored. */
const RETRY_MS = 1000
const CHUNK_LINES = 500

export type JobLog = {
  /** Secrets must be masked already. */
  write: (level: LogLevel, message: string, at?: string) => void
  /** Stores the collected lines. Throws LockLost, or what the database throws; then the lines are kept. */
  flush: () => Promise<void>
  close: () => Promise<void>
}

export type JobLogs = { open: (lock: Lock) => Promise<JobLog> }

type Collected = {
  lock: Lock
  lines: LogLine[]
  /**
   * How many of the first lines were given to a statement that may have stored them. They are given again unchanged.
   */
  given: number
}

export function openJobLogs({ db, events, log, metrics }: Pick<App, 'db' | 'events' | 'log' | 'metrics'>): JobLogs {
  const open = new Set<Collected>()
  let storing: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  /**
   * Stores one chunk of each. Returns those that were not stored: another holds their lock by now, or somebody is
   * working with it.
   */
  const storeChunks = async (of: Collected[], options: { wait: boolean }): Promise<Collected[]> => {
    for (const each of of) each.given ||= Math.min(each.lines.length, CHUNK_LINES)
    const stored = await insertChunks(db, of, options)
    for (const each of of) if (stored.has(each.lock.attemptId)) each.lines.splice(0, each.given)
    for (const each of of) if (stored.has(each.lock.attemptId)) each.given = 0
    events.tell(of.filter(({ lock }) => stored.has(lock.attemptId)).map(({ lock }) => `job-log ${lock.jobId}`))
    return of.filter(({ lock }) => !stored.has(lock.attemptId))
  }
  const storeAll = async (): Promise<void> => {
    for (let waiting = [...open]; ;) {
      waiting = waiting.filter(({ lines }) => lines.length > 0)
      if (waiting.length === 0) return
      const left = await storeChunks(waiting, { wait: false })
      waiting = waiting.filter((each) => !left.includes(each))
    }
  }
  const storeOne = async (of: Collected): Promise<void> => {
    while (of.lines.length > 0)
      if ((await storeChunks([of], { wait: true })).length > 0)
        throw new LockLost(`the lock of ${of.lock.jobId} on ${of.lock.clusterId} has moved on`)
  }
  // One statement at a time, so that no line is given to two statements.
  const afterwards = (store: () => Promise<void>) => (storing = storing.then(store, store))
  const schedule = (afterMs = FLUSH_MS) => {
    timer ??= setTimeout(() => {
      timer = undefined
      let nextMs = FLUSH_MS
      void afterwards(storeAll)
        .catch((error: unknown) => {
          nextMs = RETRY_MS
          log.warn({ err: error }, 'log lines wait: they could not be stored')
        })
        .finally(() => {
          if ([...open].some(({ lines }) => lines.length > 0)) schedule(nextMs)
        })
    }, afterMs)
  }

  return {
    async open(lock) {
      const [last] = await db
        .select({ seq: max(jobLogChunks.lastSeq) })
        .from(jobLogChunks)
        .where(eq(jobLogChunks.jobId, lock.jobId))
      let nextSeq = (last?.seq ?? 0) + 1
      const collected: Collected = { lock, lines: [], given: 0 }
      open.add(collected)
      return {
        write(level, message, at = new Date().toISOString()) {
          // PostgreSQL's jsonb refuses the null character.
          collected.lines.push({ seq: nextSeq++, at, level, message: message.replaceAll('\u0000', '\uFFFD') })
          metrics.add('ocpctl_log_lines_total', { level })
          schedule()
        },
        flush: () => afterwards(() => storeOne(collected)),
        async close() {
          try {
            await afterwards(() => storeOne(collected))
          } finally {
            open.delete(collected)
          }
        },
      }
    },
  }
}

const insertText = (lock: string) => `
  with given as (
    select * from json_to_recordset($1::json)
      as g (cluster_id text, job_id text, attempt_id text, fence bigint, first_seq int, last_seq int, lines jsonb)
  ), held as (
    select given.* from given
      join job_locks l on l.cluster_id = given.cluster_id and l.fence = given.fence and l.attempt_id = given.attempt_id
    for update of l ${lock}
  ), stored as (
    insert into job_log_chunks (job_id, first_seq, last_seq, lines) select job_id, first_seq, last_seq, lines from held
    on conflict do nothing
  )
  select attempt_id from held`
const waitingText = insertText('')
// A holder of one of the locks must not make the logs of all others wait, nor the renewal of a lock that is held here.
const skippingText = insertText('skip locked')

/** The attempts that hold their lock and whose chunk is stored now. */
async function insertChunks(db: Db, of: Collected[], { wait }: { wait: boolean }): Promise<Set<string>> {
  const chunks = of.map(({ lock, lines, given }) => ({
    cluster_id: lock.clusterId,
    job_id: lock.jobId,
    attempt_id: lock.attemptId,
    fence: lock.fence,
    first_seq: lines[0]?.seq,
    last_seq: lines[given - 1]?.seq,
    lines: lines.slice(0, given),
  }))
  const text = wait ? waitingText : skippingText
  const { rows } = await db.$client.query<{ attempt_id: string }>({
    name: nameOf(text),
    text,
    values: [JSON.stringify(chunks)],
  })
  return new Set(rows.map((row) => row.attempt_id))
}
