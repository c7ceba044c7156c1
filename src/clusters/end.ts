// Moving the end of a cluster, and protecting it. Each verb locks the cluster's row first, and reads in this order:
// who, input, change, audit, return.
import type { App } from '../app.ts'
import { writeAudit } from '../audit/audit.ts'
import type { Actor } from '../auth/principal.ts'
import { send, type Reader, type Transaction } from '../db/client.ts'
import { now, plainOf, selection, update, type Changes } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { AFTER_PROTECTION_MS, destroyStartsAt, endAtReady, latestEnd, LONGEST_PROTECTION_MS, nextWarningAt, SHORTEST_MS, type Ceiling } from '../policy/end.ts' // prettier-ignore
import type { Usage } from '../policy/decision.ts'
import { cents, hoursBetween, hoursThisMonth } from '../policy/spend.ts'
import type { Quota } from '../profiles/quotas.ts'
import { tellOfChange, writeNotice } from '../notices/notices.ts'
import { hasOpenEnd } from './lifecycle.ts'
import { clusterFor } from './queries.ts'
import { readUsageInTurn } from './quota.ts'
import { clusters, type ClusterRow } from './tables.ts'

/** `hours`: counted from now. */
export type WantedEnd = { hours: number } | { until: Date }

export type Extension = {
  cluster: ClusterRow
  /** Whether the end was moved to a later time. */
  isLater: boolean
  /** The latest end that it could have been given, and the rule that says so. */
  ceiling: Ceiling
  /** Negative when the end was moved forward. */
  usdAdded: number
  /** What may still be spent in this month; null: there is no limit. */
  usdLeft: { team: number | null; profile: number | null }
}

/**
 * Moves the end, to a later or an earlier time. Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE once a destroy began,
 * POLICY_VIOLATION with the nearest end that is allowed, QUOTA_EXCEEDED.
 */
export async function extendCluster(
  app: Pick<App, 'catalog'>,
  tx: Transaction,
  by: Actor,
  id: string,
  wanted: WantedEnd,
): Promise<Extension> {
  const { cluster, at } = await lockForEnd(tx, by, 'cluster.extend', id)
  const plan = planEnd(cluster, wanted, at)
  const quota = app.catalog.quotaOf(cluster.team)
  // Also one that is shortened takes its turn, since the answer says what is left.
  const usage = await readUsageInTurn(tx, cluster.team, quota, cluster.profileSnapshot)
  const { usdAdded, usdLeft } = judgeCost(cluster, plan, quota, usage, at)
  const { end, isLater, ceiling } = plan

  const changed = setEnd(tx, cluster, at, { destroyAt: end })
  writeAudit(tx, by, {
    action: 'cluster.extend',
    clusterId: id,
    detail: { from: cluster.destroyAt.toISOString(), until: end.toISOString(), rule: ceiling.rule },
  })
  const shownLeft = { team: centsLeft(usdLeft.team), profile: centsLeft(usdLeft.profile) }
  return { cluster: changed, isLater, ceiling, usdAdded, usdLeft: shownLeft }
}

/** What a move of the end is judged by. */
export type Ending = Pick<ClusterRow, 'status' | 'destroyAt' | 'protectedUntil' | 'createdAt' | 'usdPerHour'> & {
  profileSnapshot: Pick<ClusterRow['profileSnapshot'], 'lifecycle' | 'cost'>
}
type Plan = { end: Date; isLater: boolean; asked: 'hours' | 'until'; ceiling: Ceiling }

/** The end that is meant. Throws NOT_IN_STATE, POLICY_VIOLATION. */
export function planEnd(cluster: Ending, wanted: WantedEnd, at: Date): Plan {
  requireOpenEnd(cluster)
  const end = 'until' in wanted ? wanted.until : new Date(at.getTime() + wanted.hours * 3_600_000)
  const lifecycle = cluster.profileSnapshot.lifecycle
  const ceiling = latestEnd(lifecycle, cluster.createdAt, at)
  const isLater = end > cluster.destroyAt
  const asked = 'until' in wanted ? 'until' : 'hours'
  if (end.getTime() < at.getTime() + SHORTEST_MS)
    throw refusal(asked, at, new Date(at.getTime() + SHORTEST_MS), 'is too near: a cluster keeps at least 15 minutes')
  if (isLater && end > ceiling.at)
    throw refusal(asked, at, ceiling.at < cluster.destroyAt ? cluster.destroyAt : ceiling.at, overCeiling(ceiling))
  return { end, isLater, asked, ceiling }
}

/** What the plan costs, and what is left then. Throws QUOTA_EXCEEDED. */
export function judgeCost(cluster: Ending, { end, asked }: Plan, quota: Quota, usage: Usage, at: Date) {
  const [before, after] = [destroyStartsAt(cluster), destroyStartsAt({ ...cluster, destroyAt: end })]
  const addedThisMonth = cluster.usdPerHour * hoursThisMonth(before, after, at)
  const ceiling = cluster.profileSnapshot.cost.monthlyCeilingUsd
  const usdLeft = {
    team: quota.usdPerMonth === undefined ? null : quota.usdPerMonth - usage.usdThisMonth - addedThisMonth,
    profile: ceiling === undefined ? null : ceiling - usage.profileUsdThisMonth - addedThisMonth,
  }
  const over = Math.min(usdLeft.team ?? 0, usdLeft.profile ?? 0)
  if (addedThisMonth > 0 && over < 0) throw overQuota(cluster, asked, at, before, addedThisMonth, over)
  return { addedThisMonth, usdAdded: cents(cluster.usdPerHour * hoursBetween(before, after)), usdLeft }
}

const centsLeft = (usd: number | null) => (usd === null ? null : cents(Math.max(0, usd)))

const overCeiling = ({ at, rule }: Ceiling) =>
  rule === 'maximum'
    ? `is later than the profile lets this cluster live; at most until ${at.toISOString()}`
    : `is further from now than the profile lets an end be moved; at most until ${at.toISOString()}`

function refusal(asked: 'hours' | 'until', at: Date, nearest: Date, why: string): AppError {
  return new AppError('POLICY_VIOLATION', `the end ${why}`, [{ pointer: `/${asked}`, detail: why, nearest: inTermsOf(asked, at, nearest) }]) // prettier-ignore
}

/** Hours are rounded down to a hundredth, so that asking for them is allowed. */
const inTermsOf = (asked: 'hours' | 'until', at: Date, end: Date) =>
  asked === 'until' ? end.toISOString() : Math.floor(hoursBetween(at, end) * 100) / 100

function overQuota(cluster: Ending, asked: 'hours' | 'until', at: Date, before: Date, adds: number, over: number) {
  const affordable = Math.max(0, (adds + over) / cluster.usdPerHour)
  const nearest = new Date(before.getTime() + affordable * 3_600_000)
  const detail = `the longer life needs ${cents(adds)} USD more of this month, and ${cents(Math.max(0, adds + over))} are left: end it earlier, destroy what is no longer used, or ask an administrator for more`
  return new AppError('QUOTA_EXCEEDED', detail, [
    { pointer: `/${asked}`, detail, nearest: inTermsOf(asked, at, nearest) },
  ])
}

/**
 * Until then the cluster is destroyed by nobody. A protection that stands is replaced. Throws NOT_FOUND, FORBIDDEN,
 * NOT_IN_STATE once a destroy began, POLICY_VIOLATION past 30 days.
 */
export async function protectCluster(
  tx: Transaction,
  by: Actor,
  id: string,
  { reason, until }: { reason: string; until: Date },
): Promise<ClusterRow> {
  const { cluster, at } = await lockForEnd(tx, by, 'cluster.protect', id)
  const latest = new Date(at.getTime() + LONGEST_PROTECTION_MS)
  if (until <= at || until > latest) {
    const detail = `a protection ends within 30 days from now, ${latest.toISOString()} at the latest; it can be renewed`
    throw new AppError('POLICY_VIOLATION', detail, [{ pointer: '/until', detail, nearest: latest.toISOString() }])
  }
  writeAudit(tx, by, { action: 'cluster.protect', clusterId: id, detail: { reason, until: until.toISOString() } })
  return setEnd(tx, cluster, at, { protected: true, protectedUntil: until, protectedReason: reason })
}

/**
 * Takes the protection away. A cluster whose end is past, or less than half an hour ahead, lives on for half an hour.
 * Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE when the cluster is not protected.
 */
export async function unprotectCluster(tx: Transaction, by: Actor, id: string): Promise<ClusterRow> {
  const { cluster, at } = await lockForEnd(tx, by, 'cluster.protect', id)
  if (!cluster.protected) throw new AppError('NOT_IN_STATE', 'the cluster is not protected')
  const earliest = new Date(at.getTime() + AFTER_PROTECTION_MS)
  const destroyAt = cluster.destroyAt < earliest ? earliest : cluster.destroyAt
  writeAudit(tx, by, { action: 'cluster.unprotect', clusterId: id, detail: { destroyAt: destroyAt.toISOString() } })
  return setEnd(tx, cluster, at, { ...unprotected, destroyAt })
}

/** For a cluster that becomes READY: its end begins anew where the install took long. */
export function changesAtReady(cluster: ClusterRow, readyAt: Date): Changes<typeof clusters> {
  const { lifecycle } = cluster.profileSnapshot
  const destroyAt = endAtReady({ ...cluster, lifecycle }, readyAt)
  if (destroyAt === undefined) return { readyAt, inUseAt: readyAt }
  const ending = { ...cluster, destroyAt, endSetAt: readyAt }
  return {
    readyAt,
    inUseAt: readyAt,
    destroyAt,
    endSetAt: readyAt,
    endRevision: cluster.endRevision + 1,
    warnAt: nextWarningAt(ending, lifecycle.warnHours, readyAt),
  }
}

/** Throws CONFLICT while nobody may destroy the cluster. */
export function requireUnprotected(
  { protectedUntil, protectedReason }: Pick<ClusterRow, 'protectedUntil' | 'protectedReason'>,
  at: Date,
): void {
  if (protectedUntil === null || protectedUntil <= at) return
  throw new AppError(
    'CONFLICT',
    `the cluster is protected until ${protectedUntil.toISOString()} (${protectedReason ?? 'no reason given'}): a team administrator must lift the protection first`,
  )
}

/** Protections whose time is over are taken off. The end stays as it is. Returns how many. */
export async function liftEndedProtections(app: Pick<App, 'db'>, by: Actor): Promise<number> {
  if ((await findEnded(app.db)).length === 0) return 0
  return app.db.transaction(async (tx) => {
    const ended = await lockEnded(tx)
    for (const { id, team } of ended) {
      writeAudit(tx, by, { action: 'cluster.unprotect', clusterId: id, detail: { why: 'its time is over' } })
      tellOfChange(tx, { type: 'cluster.changed', team, clusterId: id })
      announce(tx, 'cluster', id)
      send(tx, update(clusters, { ...unprotected, updatedAt: now }, { id }))
    }
    return ended.length
  })
}

// Index clusters_protected_until.
const findEnded = selection(clusters, 'where protected_until is not null and protected_until <= now() limit 1')
const lockEnded = selection(
  clusters,
  'where protected_until is not null and protected_until <= now() limit 100 for update skip locked',
)

export const unprotected = { protected: false, protectedUntil: null, protectedReason: null } as const

async function lockForEnd(tx: Transaction, by: Actor, action: 'cluster.extend' | 'cluster.protect', id: string) {
  const [cluster, at] = await Promise.all([clusterFor(tx, by, action, id, { lock: true }), timeOf(tx)])
  requireOpenEnd(cluster)
  return { cluster, at }
}

function requireOpenEnd({ status }: Pick<ClusterRow, 'status'>): void {
  if (!hasOpenEnd(status))
    throw new AppError('NOT_IN_STATE', `the cluster is ${status}: its destroy has begun, and its end is not moved`)
}

/** The time that requireUnprotected goes by. Nobody is asked for it where there is no protection. */
export const timeFor = async (tx: Transaction, { protectedUntil }: ClusterRow): Promise<Date> =>
  protectedUntil === null ? new Date() : timeOf(tx)

/** By the clock that the janitor goes by. Read after a wait for a lock, it is not older than that. */
export async function timeOf(db: Reader): Promise<Date> {
  const { rows } = await db.$client.query<{ at: Date }>({ name: 'time', text: 'select clock_timestamp() as at' })
  const [row] = rows
  if (!row) throw new Error('the database did not tell its time')
  return row.at
}

export type EndFields = Pick<ClusterRow, 'destroyAt' | 'protected' | 'protectedUntil' | 'protectedReason'>

/** None of the links that were sent for an end before the database was restored may count. */
const LINKS_AT_MOST = 1000
export const revisionAfterLoss = (revision: number | undefined): number => (revision ?? 1) + LINKS_AT_MOST

/** Gives the cluster back an end that the database has lost. The row is locked. */
export async function restoreEnd(tx: Transaction, cluster: ClusterRow, fields: EndFields): Promise<ClusterRow> {
  return setEnd(tx, cluster, await timeOf(tx), fields, revisionAfterLoss(cluster.endRevision))
}

/** The one place where the end of a cluster that lives is changed. The row is locked. */
function setEnd(
  tx: Transaction,
  cluster: ClusterRow,
  at: Date,
  fields: Partial<EndFields>,
  endRevision = cluster.endRevision + 1,
): ClusterRow {
  const moved = { ...cluster, ...fields, endSetAt: at }
  const changes: Changes<typeof clusters> = {
    ...fields,
    endSetAt: at,
    endRevision,
    warnAt: nextWarningAt(moved, cluster.profileSnapshot.lifecycle.warnHours, at),
    updatedAt: now,
  }
  send(tx, update(clusters, changes, { id: cluster.id, endRevision: cluster.endRevision }))
  const changed = { ...cluster, ...plainOf(changes), updatedAt: at }
  tellOfEnd(tx, changed)
  announce(tx, 'cluster', cluster.id)
  return changed
}

function tellOfEnd(tx: Transaction, cluster: ClusterRow): void {
  const { id, name, baseDomain, team, protectedUntil, protectedReason } = cluster
  const data = {
    name,
    baseDomain,
    destroyAt: destroyStartsAt(cluster).toISOString(),
    protectedUntil: protectedUntil?.toISOString() ?? null,
    protectedReason,
  }
  writeNotice(tx, { type: 'cluster.end_moved', team, clusterId: id, data })
}
