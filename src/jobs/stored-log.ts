// The logs of jobs that have ended. They move to the artifact store, sealed, and are read from there.
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createZstdDecompress } from 'node:zlib'
import { randomBytes } from 'node:crypto'
import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import type { App } from '../app.ts'
import { openSnapshot, writeSealed } from '../artifacts/snapshot.ts'
import { ArtifactMissing } from '../artifacts/store.ts'
import { unreadable } from '../clusters/artifacts.ts'
import { announceArtifact } from '../clusters/discard.ts'
import { clusterArtifacts } from '../clusters/infra-tables.ts'
import type { Db, Transaction } from '../db/client.ts'
import { newId } from '../ids.ts'
import { jobLogChunks, jobs, type LogLine } from './tables.ts'

/** Readers that follow a job have read its end by then. */
const MOVED_AFTER_MINUTES = 10
const BATCH = 20
const CHUNKS_AT_ONCE = 50
/** A run ends well before the queue thinks that it is lost. */
const RUN_MS = 4 * 60_000

type Storing = Pick<App, 'db' | 'store' | 'box' | 'queue'>

/** Moves the logs of ended jobs. Throws when the store does not take one; those before it have moved. */
export async function moveLogs(app: Storing): Promise<number> {
  const until = Date.now() + RUN_MS
  for (let moved = 0; ;) {
    // Index jobs_log_here.
    const due = await app.db
      .select({ id: jobs.id, clusterId: jobs.clusterId })
      .from(jobs)
      .where(and(isNull(jobs.logMovedAt), sql`${jobs.endedAt} < now() - make_interval(mins => ${MOVED_AFTER_MINUTES})`))
      .orderBy(asc(jobs.endedAt))
      .limit(BATCH)
    let left = 0
    for (const job of due) {
      if (Date.now() > until) return moved
      const done = await moveLog(app, job)
      if (done === 'left') left++
      if (done === 'moved') moved++
    }
    if (due.length < BATCH || left > 0) return moved
  }
}

/** Each step may be the last one of the process: until a row names the stored log, the lines stay, and it is discarded. */
async function moveLog(app: Storing, { id, clusterId }: { id: string; clusterId: string }) {
  const [first] = await app.db.select({ seq: jobLogChunks.lastSeq }).from(jobLogChunks).where(eq(jobLogChunks.jobId, id)).limit(1) // prettier-ignore
  const stored = first ? await storeLog(app, id) : undefined
  const move = async (tx: Transaction) => {
    const artifactId = stored ? newId('art') : null
    // Before the job, since this locks the cluster.
    if (stored && artifactId !== null) {
      const { key, sizeBytes, sha256 } = stored
      await tx
        .insert(clusterArtifacts)
        .values({ id: artifactId, clusterId, kind: 'log', stage: 'log', keyId: app.box.keyId, key, sizeBytes, sha256 })
    }
    const moved = await tx
      .update(jobs)
      .set({ logMovedAt: sql`now()`, logArtifactId: artifactId })
      .where(and(eq(jobs.id, id), isNull(jobs.logMovedAt), stored?.isInTime))
      .returning({ id: jobs.id })
    if (moved.length === 0) throw new NotMoved(id)
    await tx.delete(jobLogChunks).where(eq(jobLogChunks.jobId, id))
  }
  try {
    await app.db.transaction(move)
    return stored ? 'moved' : 'empty'
  } catch (error) {
    if (!(error instanceof NotMoved)) throw error
    return 'left'
  }
}

/** Another process was quicker, or what was stored may be about to be discarded. It is left to its discard. */
class NotMoved extends Error {
  override readonly name = 'NotMoved'
}

async function storeLog(app: Storing, jobId: string) {
  const key = `logs/${jobId}-${randomBytes(8).toString('hex')}`
  const isInTime = await announceArtifact(app, key)
  const lines = Readable.from(linesOf(app.db, jobId))
  return { ...(await writeSealed(app.store, app.box, lines, { key, context: key })), isInTime }
}

async function* linesOf(db: Db, jobId: string): AsyncGenerator<string> {
  for (let after = 0, seq = 0; ;) {
    const chunks = await db
      .select({ lastSeq: jobLogChunks.lastSeq, lines: jobLogChunks.lines })
      .from(jobLogChunks)
      .where(and(eq(jobLogChunks.jobId, jobId), gt(jobLogChunks.lastSeq, after)))
      .orderBy(asc(jobLogChunks.lastSeq))
      .limit(CHUNKS_AT_ONCE)
    const text: string[] = []
    for (const line of chunks.flatMap(({ lines }) => lines)) {
      // A chunk whose commit was in doubt may have been stored again as part of a longer one.
      if (line.seq <= seq) continue
      seq = line.seq
      text.push(`${JSON.stringify(line)}\n`)
    }
    if (text.length > 0) yield text.join('')
    after = chunks.at(-1)?.lastSeq ?? after
    if (chunks.length < CHUNKS_AT_ONCE) return
  }
}

/**
 * The lines with a higher number than `after`; none of a log that is not in the store. Each call reads it from its
 * beginning. Throws UNAVAILABLE, CONFLICT when the object is not what was stored.
 */
export async function* readStoredLog(
  { db, store, box, config }: Pick<App, 'db' | 'store' | 'box' | 'config'>,
  jobId: string,
  after: number,
): AsyncGenerator<LogLine> {
  const [stored] = await db
    .select({ key: clusterArtifacts.key, sha256: clusterArtifacts.sha256 })
    .from(jobs)
    .innerJoin(clusterArtifacts, eq(clusterArtifacts.id, jobs.logArtifactId))
    .where(eq(jobs.id, jobId))
  if (!stored) return
  const { key, sha256 } = stored
  const workDir = join(config.dataDir, 'work')
  try {
    const archive = await openSnapshot(store, box, { key, sha256, workDir, context: key })
    const text = archive.pipe(createZstdDecompress())
    archive.once('error', (error) => text.destroy(error))
    try {
      for await (const line of linesIn(text)) {
        const read = JSON.parse(line) as LogLine // as linesOf wrote it
        if (read.seq > after) yield read
      }
    } finally {
      text.destroy()
      archive.destroy()
    }
  } catch (error) {
    if (error instanceof ArtifactMissing) return
    throw unreadable(error, `the log of ${jobId}`) ?? error
  }
}

/** By line feeds alone: node:readline also ends a line at U+2028 and U+2029, which JSON has as they are. */
async function* linesIn(text: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of text) {
    const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n') // of a byte stream
    rest = lines.pop() ?? ''
    yield* lines
  }
}
