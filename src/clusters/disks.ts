// The disks that a cluster's own objects named before it was destroyed. Its users made them, and not the installer, so
// no tag need lead to them. They are kept with the job, and every inventory of the whole cluster looks for them.
import { eq, sql } from 'drizzle-orm'
import { writeAudit } from '../audit/audit.ts'
import type { Reader, Transaction } from '../db/client.ts'
import type { Lock } from '../jobs/lock.ts'
import { jobs } from '../jobs/tables.ts'

/** Whoever owns the cluster may have made up any number of them. */
const MOST_DISKS = 2000

/** Adds to those that are known. The caller holds the lock. */
export async function noteDisks(tx: Transaction, { clusterId, jobId }: Lock, disks: string[]): Promise<void> {
  const known = await listDisks(tx, clusterId)
  const all = [...new Set([...known, ...disks])].slice(0, MOST_DISKS)
  await tx
    .update(jobs)
    .set({ params: sql`${jobs.params} || ${JSON.stringify({ disks: all })}::jsonb` })
    .where(eq(jobs.id, jobId))
}

/** What is about to be deleted inside the cluster. */
export function auditSweep(tx: Transaction, { clusterId, jobId }: Lock, detail: Record<string, number>): void {
  writeAudit(tx, { kind: 'system', name: 'worker' }, { action: 'cluster.sweep', clusterId, jobId, detail })
}

export async function listDisks(db: Reader, clusterId: string): Promise<string[]> {
  const rows = await db
    .select({ disks: sql<string[]>`${jobs.params} -> 'disks'` })
    .from(jobs)
    .where(sql`${jobs.clusterId} = ${clusterId} and jsonb_exists(${jobs.params}, 'disks')`)
  return [...new Set(rows.flatMap((row) => row.disks))]
}
