// What is known of attempts.
import { and, count, desc, eq, inArray, isNull, sql } from 'drizzle-orm'
import type { InventoryAnswer } from '../clouds/inventory.ts'
import { keepEntry, type LedgerFacts } from '../clusters/ledger.ts'
import { send, type Db, type Reader, type Transaction } from '../db/client.ts'
import { update } from '../db/statements.ts'
import { announce } from '../events.ts'
import { tellOfChange } from '../notices/notices.ts'
import { openJobStatuses } from './job.ts'
import { fenced, type Lock } from './lock.ts'
import { jobAttempts, jobs, type JobParams, type Left, type Proof, type RemovalPlan, type Run } from './tables.ts'

/** How many tries of the job have counted so far. A try that a shutdown interrupted does not count. */
export async function countTries(db: Reader, jobId: string): Promise<number> {
  const [row] = await db
    .select({ tries: count() })
    .from(jobAttempts)
    .where(and(eq(jobAttempts.jobId, jobId), sql`${jobAttempts.outcome} is distinct from 'INTERRUPTED'`))
  return row?.tries ?? 0
}

/** Records how far an attempt is. It is refused once the attempt's fence has moved on. */
export async function recordStage(
  db: Db,
  lock: Lock,
  { team, stage, progressPercent, run }: { team: string; stage: string; progressPercent: number; run: Run },
  infra?: LedgerFacts,
): Promise<void> {
  await fenced(db, lock, async (tx) => {
    if (infra) await keepEntry(tx, infra)
    keepParams(tx, lock.jobId, { run })
    await tx.update(jobAttempts).set({ stage, progressPercent }).where(eq(jobAttempts.id, lock.attemptId))
    const { clusterId, jobId } = lock
    tellOfChange(tx, { type: 'job.changed', team, clusterId, jobId, data: { stage, progressPercent } })
    announce(tx, 'job', jobId)
  })
}

const KEPT_RESOURCES = 200

/** Records what the inventory told, for those who wait for the proof that nothing is left. */
export function recordProof(tx: Transaction, jobId: string, answer: InventoryAnswer, at: Date): void {
  const { found } = answer
  const proof: Proof = {
    ...answer,
    found: found.slice(0, KEPT_RESOURCES),
    foundCount: found.length,
    at: at.toISOString(),
  }
  keepParams(tx, jobId, { proof })
}

/** Of the newest destroy of the cluster that has looked. Index jobs_cluster. */
export async function findProof(db: Reader, clusterId: string): Promise<Proof | undefined> {
  const [row] = await db
    .select({ params: jobs.params })
    .from(jobs)
    .where(and(eq(jobs.clusterId, clusterId), sql`${jobs.params} ? 'proof'`))
    .orderBy(desc(jobs.id))
    .limit(1)
  return row?.params.proof
}

/** Keeps with a job what the installer left. */
export const recordResidue = (tx: Transaction, jobId: string, residue: Left[]): void =>
  keepParams(tx, jobId, { residue })

/** Keeps with a job what it is to take away, and what is left of that. */
export const recordPlan = (tx: Transaction, jobId: string, plan: RemovalPlan): void => keepParams(tx, jobId, { plan })

export function keepParams(tx: Transaction, jobId: string, some: JobParams): void {
  send(tx, update(jobs, { params: { sql: 'params || ?::jsonb', values: [JSON.stringify(some)] } }, { id: jobId }))
}

/** Records why a delivery ended without a settle, for those who wait for the job. */
export async function noteCause(db: Db, jobId: string, cause: string): Promise<void> {
  await db
    .update(jobs)
    .set({ message: cause })
    .where(and(eq(jobs.id, jobId), inArray(jobs.status, openJobStatuses), sql`${jobs.cancelRequestedAt} is null`))
}

/** Which of these ids belong to attempts that have not ended. */
export async function listOpenAttempts(db: Db, ids: string[]): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await db
    .select({ id: jobAttempts.id })
    .from(jobAttempts)
    .where(and(inArray(jobAttempts.id, ids), isNull(jobAttempts.outcome)))
  return rows.map((row) => row.id)
}
