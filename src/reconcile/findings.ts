// What disagreed, for operators. There is one open finding per type and subject. Each pass that sees it again moves
// lastSeenAt, and a pass that no longer sees it resolves it. Filing, repairing and resolving are audited.
import { and, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { clusters, leakRecords } from '../clusters/tables.ts'
import type { Db, Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { newId } from '../ids.ts'
import { writeNotice } from '../notices/notices.ts'
import { findingTypes } from '../vocabulary.ts'
import { findings } from './table.ts'

export { findingTypes }
export type FindingType = (typeof findingTypes)[number]
export type FindingRow = typeof findings.$inferSelect & { clusterName: string | null }
export type LeakRow = typeof leakRecords.$inferSelect & { clusterName: string }

export type About = { type: FindingType; subject: string; clusterId?: string | undefined }
/** repair: what was done about it, in the same transaction. Without it an operator must look. */
export type Verdict = { detail: string; repair?: string }

/** Tells whether the finding is a new one. */
export async function fileFinding(tx: Transaction, by: Actor, about: About, verdict: Verdict): Promise<boolean> {
  const { type, subject, clusterId } = about
  const { detail, repair } = verdict
  const id = newId('fnd')
  // findings_open: the partial unique index on type and subject.
  const [row] = await tx
    .insert(findings)
    .values({ id, type, subject, clusterId, detail, repair })
    .onConflictDoUpdate({
      target: [findings.type, findings.subject],
      targetWhere: sql`resolved_at is null`,
      set: { detail, lastSeenAt: sql`now()`, repair: sql`coalesce(excluded.repair, ${findings.repair})` },
    })
    .returning({ id: findings.id })
  if (!row) throw new Error(`finding ${type} of ${subject} was neither inserted nor updated`)
  const isNew = row.id === id
  const entry = {
    ...(clusterId === undefined ? {} : { clusterId }),
    detail: { finding: row.id, type, subject, detail },
  }
  if (isNew) {
    writeAudit(tx, by, { action: 'finding.file', ...entry })
    const told = { finding: row.id, type, subject, detail, repair: repair ?? null }
    writeNotice(tx, { type: 'finding.filed', team: '*', ...(clusterId === undefined ? {} : { clusterId }), data: told })
  }
  if (repair !== undefined)
    writeAudit(tx, by, { action: 'finding.repair', ...entry, detail: { ...entry.detail, repair } })
  return isNew
}

/**
 * Resolves the open findings of these types that nothing has seen since, except those that were left. Tells how many.
 */
export async function resolveFindings(
  db: Db,
  by: Actor,
  types: FindingType[],
  since: string,
  isLeft: (about: About) => boolean,
): Promise<number> {
  const unseen = and(isNull(findings.resolvedAt), sql`${findings.lastSeenAt} < ${since}::timestamptz`)
  // Index findings_open: as many rows as there are open findings.
  const open = await db
    .select({ id: findings.id, type: findings.type, subject: findings.subject, clusterId: findings.clusterId })
    .from(findings)
    .where(and(inArray(findings.type, types), unseen))
  let resolved = 0
  for (const { id, type, subject, clusterId } of open) {
    if (isLeft({ type, subject })) continue
    resolved += await db.transaction(async (tx) => {
      const rows = await tx
        .update(findings)
        .set({ resolvedAt: sql`now()` })
        .where(and(eq(findings.id, id), unseen))
        .returning({ id: findings.id })
      if (rows.length === 0) return 0
      const about = clusterId === null ? {} : { clusterId }
      writeAudit(tx, by, { action: 'finding.resolve', ...about, detail: { finding: id, type, subject } })
      return 1
    })
  }
  return resolved
}

export type FindingFilter = { type?: FindingType | undefined; isOpen?: boolean | undefined }

/** One row more than the page asks for, newest first. Throws FORBIDDEN. */
export async function listFindings(
  db: Reader,
  by: Actor,
  filter: FindingFilter,
  page: PageRequest,
): Promise<FindingRow[]> {
  requireAnywhere(by, 'finding.read')
  const { type, isOpen } = filter
  const state = isOpen ? isNull(findings.resolvedAt) : isNotNull(findings.resolvedAt)
  const conditions = and(
    type === undefined ? undefined : eq(findings.type, type),
    isOpen === undefined ? undefined : state,
  )
  const { where, orderBy, limit } = keyset(findings.id, page, conditions)
  const rows = await db
    .select({ finding: findings, clusterName: clusters.name })
    .from(findings)
    .leftJoin(clusters, eq(clusters.id, findings.clusterId))
    .where(where)
    .orderBy(orderBy)
    .limit(limit)
  return rows.map(({ finding, clusterName }) => ({ ...finding, clusterName }))
}

/** What abandoned destroys left. One row more than the page asks for, newest first. Throws FORBIDDEN. */
export async function listLeaks(db: Reader, by: Actor, page: PageRequest): Promise<LeakRow[]> {
  requireAnywhere(by, 'finding.read')
  const { where, orderBy, limit } = keyset(leakRecords.id, page)
  const rows = await db
    .select({ leak: leakRecords, clusterName: clusters.name })
    .from(leakRecords)
    .innerJoin(clusters, eq(clusters.id, leakRecords.clusterId))
    .where(where)
    .orderBy(orderBy)
    .limit(limit)
  return rows.map(({ leak, clusterName }) => ({ ...leak, clusterName }))
}
