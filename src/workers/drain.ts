// Draining one worker: it takes no new jobs, and what it runs goes on to its end. Its process stays, and still does what
// is not a job: a process that ended would be started anew by whatever watches it, and take jobs again.
import { eq, sql } from 'drizzle-orm'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import { type Actor, nameOf } from '../auth/principal.ts'
import type { Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { workers } from './table.ts'
import { ALIVE_SECONDS } from './workers.ts'

export type Drain = {
  drain: { at: Date; by: string } | null
  /** What it runs still. */
  jobIds: string[]
  /** How many other workers live and take jobs. */
  others: number
}

/** One that is drained already stays so. Throws FORBIDDEN, NOT_FOUND, NOT_IN_STATE for a worker that is gone. */
export async function drainWorker(tx: Transaction, by: Actor, id: string): Promise<Drain> {
  const { row, isAlive } = await lockWorker(tx, by, id)
  if (!isAlive) throw new AppError('NOT_IN_STATE', `the worker was last seen at ${row.seenAt.toISOString()}: it takes no jobs`) // prettier-ignore
  if (row.drainingAt === null) {
    await tx
      .update(workers)
      .set({ drainingAt: sql`now()`, drainedBy: nameOf(by) })
      .where(eq(workers.id, id))
    writeAudit(tx, by, { action: 'worker.drain', detail: { worker: id, name: row.name } })
    announce(tx, 'worker', id)
  }
  return readDrain(tx, id)
}

/** It takes jobs again. Throws FORBIDDEN, NOT_FOUND. */
export async function undrainWorker(tx: Transaction, by: Actor, id: string): Promise<Drain> {
  const { row } = await lockWorker(tx, by, id)
  if (row.drainingAt !== null) {
    await tx.update(workers).set({ drainingAt: null, drainedBy: null }).where(eq(workers.id, id))
    writeAudit(tx, by, { action: 'worker.undrain', detail: { worker: id, name: row.name } })
    announce(tx, 'worker', id)
  }
  return readDrain(tx, id)
}

const isAlive = sql<boolean>`${workers.seenAt} > now() - make_interval(secs => ${ALIVE_SECONDS})`

async function lockWorker(tx: Transaction, by: Actor, id: string) {
  requireAnywhere(by, 'worker.drain')
  const [found] = await tx.select({ row: workers, isAlive }).from(workers).where(eq(workers.id, id)).for('update')
  if (!found) throw new AppError('NOT_FOUND', `there is no worker ${id}`)
  return found
}

async function readDrain(tx: Transaction, id: string): Promise<Drain> {
  const { rows } = await tx.$client.query<{ at: Date | null; by: string } & Omit<Drain, 'drain'>>({
    name: 'drain',
    text: `select w.draining_at as at, w.drained_by as by,
        array(select job_id from job_locks where worker = w.name order by job_id) as "jobIds",
        (select count(*)::int from workers o where o.id <> w.id and o.draining_at is null
          and o.seen_at > now() - make_interval(secs => ${ALIVE_SECONDS})) as others
      from workers w where w.id = $1`,
    values: [id],
  })
  const [row] = rows
  if (!row) throw new Error(`worker ${id} went while it was locked`)
  const { at, by, jobIds, others } = row
  return { drain: at === null ? null : { at, by }, jobIds, others }
}
