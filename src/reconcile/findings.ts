// What disagreed, for operators. There is one open finding per type and subject. Each pass that sees it again moves
// lastSeenAt, and a pass that no longer sees it resolves it. Filing, repairing and resolving are audited.
import type { PgUpdateSetSource } from 'drizzle-orm/pg-core'
import { and, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm'
import { writeAudit } from '../audit/audit.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import { type Actor, nameOf } from '../auth/principal.ts'
import type { Resource } from '../clouds/inventory.ts'
import { clusters, leakRecords } from '../clusters/tables.ts'
import type { Db, Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import { writeNotice } from '../notices/notices.ts'
import { findingTypes } from '../vocabulary.ts'
import { findings } from './table.ts'

export { findingTypes }
export type FindingType = (typeof findingTypes)[number]
/** Who has to do with what was found. */
export type Owner = { clusterName: string; team: string; owner: string; requestedBy: string }
export type FindingRow = typeof findings.$inferSelect & { of: Owner | null }
export type LeakRow = typeof leakRecords.$inferSelect & { of: Owner }

const { name: clusterName, team, owner: ownedBy, requestedBy } = clusters
const owner = { clusterName, team, owner: ownedBy, requestedBy }

export type About = { type: FindingType; subject: string; clusterId?: string | undefined }
/** repair: what was done about it, in the same transaction. Without it an operator must look. resources: what there is in the cloud. */
export type Verdict = { detail: string; repair?: string; resources?: Resource[] }

/**
 * Tells whether it is news: a new finding, or one that somebody had accepted as it was before. What is accepted as it is
 * stays so.
 */
export async function fileFinding(tx: Transaction, by: Actor, about: About, verdict: Verdict): Promise<boolean> {
  const { type, subject, clusterId } = about
  const { detail, repair, resources = null } = verdict
  const accepted = await findAccepted(tx, about)
  const isChanged = accepted !== undefined && accepted !== detail
  const id = newId('fnd')
  // findings_open: the partial unique index on type and subject.
  const [row] = await tx
    .insert(findings)
    .values({ id, type, subject, clusterId, detail, repair, resources })
    .onConflictDoUpdate({
      target: [findings.type, findings.subject],
      targetWhere: sql`resolved_at is null`,
      set: {
        detail,
        resources,
        lastSeenAt: sql`now()`,
        repair: sql`coalesce(excluded.repair, ${findings.repair})`,
        ...(isChanged ? { acceptedAt: null, acceptedBy: null, acceptedReason: null } : {}),
      },
    })
    .returning({ id: findings.id })
  if (!row) throw new Error(`finding ${type} of ${subject} was neither inserted nor updated`)
  const isNews = row.id === id || isChanged
  const entry = {
    ...(clusterId === undefined ? {} : { clusterId }),
    detail: { finding: row.id, type, subject, detail },
  }
  if (isNews) {
    writeAudit(tx, by, { action: isChanged ? 'finding.change' : 'finding.file', ...entry })
    const told = { finding: row.id, type, subject, detail, repair: repair ?? null }
    writeNotice(tx, { type: 'finding.filed', team: '*', ...(clusterId === undefined ? {} : { clusterId }), data: told })
  }
  if (repair !== undefined)
    writeAudit(tx, by, { action: 'finding.repair', ...entry, detail: { ...entry.detail, repair } })
  return isNews
}

const isOpenAbout = ({ type, subject }: About) =>
  and(eq(findings.type, type), eq(findings.subject, subject), isNull(findings.resolvedAt))

/** What somebody lives with, as it was when it was accepted; undefined: nobody does. */
export async function findAccepted(db: Reader, about: About): Promise<string | undefined> {
  const [row] = await db
    .select({ detail: findings.detail })
    .from(findings)
    .where(and(isOpenAbout(about), isNotNull(findings.acceptedAt)))
  return row?.detail
}

/** An accepted finding was seen again, as it is. */
export async function noteSeen(db: Db, about: About): Promise<void> {
  await db
    .update(findings)
    .set({ lastSeenAt: sql`now()` })
    .where(isOpenAbout(about))
}

/** Says that it is dealt with. What is seen again all the same is a new finding. Throws FORBIDDEN, NOT_FOUND, NOT_IN_STATE. */
export async function resolveFinding(tx: Transaction, by: Actor, id: string, reason: string): Promise<FindingRow> {
  const changes = { resolvedAt: sql`now()`, resolvedBy: nameOf(by), resolvedReason: reason }
  return changeFinding(tx, by, id, 'finding.resolve', reason, changes)
}

/** Says that one lives with it as it is. It is neither repaired nor told of until it changes. Throws as resolveFinding. */
export async function acceptFinding(tx: Transaction, by: Actor, id: string, reason: string): Promise<FindingRow> {
  const changes = { acceptedAt: sql`now()`, acceptedBy: nameOf(by), acceptedReason: reason }
  return changeFinding(tx, by, id, 'finding.accept', reason, changes)
}

async function changeFinding(
  tx: Transaction,
  by: Actor,
  id: string,
  action: string,
  reason: string,
  changes: PgUpdateSetSource<typeof findings>,
): Promise<FindingRow> {
  requireAnywhere(by, 'finding.resolve')
  const [before] = await tx.select().from(findings).where(eq(findings.id, id)).for('update')
  if (!before) throw new AppError('NOT_FOUND', `there is no finding ${id}`)
  const { type, subject, clusterId, resolvedAt, detail } = before
  if (resolvedAt !== null) throw new AppError('NOT_IN_STATE', `it is resolved since ${resolvedAt.toISOString()}`)
  const [row] = await tx.update(findings).set(changes).where(eq(findings.id, id)).returning()
  if (!row) throw new Error(`finding ${id} went while it was locked`)
  const about = clusterId === null ? {} : { clusterId }
  writeAudit(tx, by, { action, ...about, detail: { finding: id, type, subject, detail, reason } })
  const [of = null] = await tx
    .select(owner)
    .from(clusters)
    .where(eq(clusters.id, clusterId ?? ''))
  return { ...row, of }
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

export type FindingFilter = {
  type?: FindingType | undefined
  isOpen?: boolean | undefined
  isAccepted?: boolean | undefined
}

/** One row more than the page asks for, newest first. Throws FORBIDDEN. */
export async function listFindings(
  db: Reader,
  by: Actor,
  filter: FindingFilter,
  page: PageRequest,
): Promise<FindingRow[]> {
  requireAnywhere(by, 'finding.read')
  const { type, isOpen, isAccepted } = filter
  const state = isOpen ? isNull(findings.resolvedAt) : isNotNull(findings.resolvedAt)
  const conditions = and(
    type === undefined ? undefined : eq(findings.type, type),
    isOpen === undefined ? undefined : state,
    isAccepted === undefined ? undefined : isAccepted ? isNotNull(findings.acceptedAt) : isNull(findings.acceptedAt),
  )
  const { where, orderBy, limit } = keyset(findings.id, page, conditions)
  const rows = await db
    .select({ finding: findings, of: owner })
    .from(findings)
    .leftJoin(clusters, eq(clusters.id, findings.clusterId))
    .where(where)
    .orderBy(orderBy)
    .limit(limit)
  return rows.map(({ finding, of }) => ({ ...finding, of }))
}

/** What abandoned destroys left. One row more than the page asks for, newest first. Throws FORBIDDEN. */
export async function listLeaks(db: Reader, by: Actor, page: PageRequest): Promise<LeakRow[]> {
  requireAnywhere(by, 'finding.read')
  const { where, orderBy, limit } = keyset(leakRecords.id, page)
  const rows = await db
    .select({ leak: leakRecords, of: owner })
    .from(leakRecords)
    .innerJoin(clusters, eq(clusters.id, leakRecords.clusterId))
    .where(where)
    .orderBy(orderBy)
    .limit(limit)
  return rows.map(({ leak, of }) => ({ ...leak, of }))
}
