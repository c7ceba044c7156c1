// The off-hours of a cluster, and what people ask for besides. Each verb locks the cluster's row first, and reads in this
// order: who, input, change, audit, return. keep-hours.ts does what they say.
import { writeAudit } from '../audit/audit.ts'
import { type Actor, nameOf } from '../auth/principal.ts'
import { send, type Transaction } from '../db/client.ts'
import { now as sqlNow, plainOf, update, type Changes } from '../db/statements.ts'
import { AppError } from '../errors.ts'
import { announce } from '../events.ts'
import { maintenanceAt, type Kept } from '../hours/due.ts'
import { readHours, type Hours, type OffHours } from '../hours/off-hours.ts'
import { holdByHand, holdUntil, liveOverrides, skipNextSleep } from '../hours/override.ts'
import { nextChanges, sleepSavesUsd, tellWanted, wantedAt, type Change, type Override, type State } from '../hours/wanted.ts' // prettier-ignore
import { tellOfChange, writeNotice } from '../notices/notices.ts'
import { spanOf } from '../notices/words.ts'
import { destroyStartsAt } from '../policy/end.ts'
import { outsideFeatures } from '../policy/policy.ts'
import { cents } from '../policy/spend.ts'
import { timeOf } from './end.ts'
import { hasOpenEnd } from './lifecycle.ts'
import { clusterFor } from './queries.ts'
import { clusters, type ClusterRow, type StoredOverride } from './tables.ts'

const HOUR_MS = 3_600_000
const MOST_OVERRIDES = 50
const CHANGES_SHOWN = 5

/** null: none from now on. Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE, POLICY_VIOLATION. */
export async function setOffHours(
  tx: Transaction,
  by: Actor,
  id: string,
  offHours: OffHours | null,
): Promise<ClusterRow> {
  const cluster = await lockForHours(tx, by, id)
  const outside = offHours && outsideFeatures(cluster.profileSnapshot, '')
  if (outside) throw new AppError('POLICY_VIOLATION', outside.detail, [outside])
  writeAudit(tx, by, { action: 'cluster.off-hours', clusterId: id, detail: { offHours } })
  return setHours(tx, cluster, { offHours, ...(offHours ? {} : { overrides: [], maintenanceUntil: null }) })
}

export type WantedOverride = { until: Date; state: State } | { skipNext: true }

/** Throws NOT_FOUND, FORBIDDEN, NOT_IN_STATE, POLICY_VIOLATION, CONFLICT where no sleep is to come. */
export async function overrideOffHours(
  tx: Transaction,
  by: Actor,
  id: string,
  wanted: WantedOverride,
): Promise<ClusterRow> {
  const cluster = await lockForHours(tx, by, id)
  const at = await timeOf(tx)
  const { hours, overrides, status } = keptOf(cluster)
  if ('skipNext' in wanted && isOtherSleep(cluster, hours, overrides, at)) return setHours(tx, cluster, noteUse(tx, by, cluster, at)) // prettier-ignore
  if (!hours)
    throw new AppError('NOT_IN_STATE', 'the cluster has no off-hours: hibernate it or resume it, or give it off-hours')
  if ('until' in wanted && wanted.until <= at)
    throw new AppError('POLICY_VIOLATION', 'the time is over', [{ pointer: '/until', detail: 'must lie ahead' }])
  const given = { at, by: nameOf(by) }
  const override =
    'until' in wanted
      ? holdUntil(wanted.state, wanted.until, given)
      : skipNextSleep(hours, overrides, given, status === 'READY' || status === 'SCALING')
  if (!override) throw new AppError('CONFLICT', 'no sleep is to come')
  return addOverride(tx, by, cluster, override, at)
}

/** Whether the sleep that its owner was told of is none of its off-hours. */
function isOtherSleep(
  { idleHours, announcedFor, maintenanceUntil }: ClusterRow,
  hours: Hours | undefined,
  overrides: readonly Override[],
  at: Date,
): boolean {
  if (announcedFor === null || announcedFor.getTime() < at.getTime() - HOUR_MS) return false
  // One that was woken for its certificates and has no off-hours is told of its sleep too.
  if (!hours && maintenanceUntil !== null) return true
  if (idleHours === null) return false
  return !hours || wantedAt(hours, overrides, announcedFor).state === 'awake'
}

/** Whoever skips a sleep uses the cluster. */
function noteUse(tx: Transaction, by: Actor, { id }: ClusterRow, at: Date): Changes<typeof clusters> {
  writeAudit(tx, by, { action: 'cluster.override-off-hours', clusterId: id, detail: { inUseAt: at.toISOString() } })
  return { inUseAt: at, maintenanceUntil: null }
}

/** What whoever wakes the cluster or puts it to sleep asks for with that, whatever its off-hours say. */
export function changesByHand(cluster: ClusterRow, by: Actor, state: State, at: Date): Changes<typeof clusters> {
  const { hours, overrides } = keptOf(cluster)
  const changes = { maintenanceUntil: null, announcedFor: null, ...(state === 'awake' ? { inUseAt: at } : {}) }
  if (!hours) return changes
  // What a hand did before is over.
  const others = liveOverrides(overrides, at).filter(({ how }) => how !== 'hand')
  const kept = [...others, holdByHand(hours, state, { at, by: nameOf(by) })]
  return { ...changes, overrides: storeOverrides(kept) }
}

function addOverride(tx: Transaction, by: Actor, cluster: ClusterRow, override: Override, at: Date): ClusterRow {
  const overrides = [...liveOverrides(keptOf(cluster).overrides, at), override]
  if (overrides.length > MOST_OVERRIDES)
    throw new AppError('CONFLICT', `${MOST_OVERRIDES} overrides are to come already: wait for one to be over, or change the off-hours`) // prettier-ignore
  const [stored] = storeOverrides([override])
  writeAudit(tx, by, { action: 'cluster.override-off-hours', clusterId: cluster.id, detail: { ...stored } })
  return setHours(tx, cluster, {
    overrides: storeOverrides(overrides),
    ...(override.how === 'skip' ? { inUseAt: at } : {}),
  })
}

/** Its owner is told of a sleep that comes, or of a wake for its certificates. The row is locked. */
export function tellAhead(tx: Transaction, cluster: ClusterRow, type: AheadType, what: Ahead, now: Date): void {
  send(tx, update(clusters, { announcedFor: what.at }, { id: cluster.id }))
  writeAhead(tx, cluster, type, what, now)
  announce(tx, 'cluster', cluster.id)
}

type AheadType = 'cluster.sleep_near' | 'cluster.wake_near'
type Ahead = { at: Date; why: string }

/** The notice alone, for a cluster whose row is changed beside it. */
export function writeAhead(
  tx: Transaction,
  { id, name, baseDomain, team }: ClusterRow,
  type: AheadType,
  { at, why }: Ahead,
  now: Date,
): void {
  const data = { name, baseDomain, at: at.toISOString(), in: spanOf(at.getTime() - now.getTime()), why }
  writeNotice(tx, { type, team, clusterId: id, data, mailedTo: 'owner' })
}

async function lockForHours(tx: Transaction, by: Actor, id: string): Promise<ClusterRow> {
  const cluster = await clusterFor(tx, by, 'cluster.sleep', id, { lock: true })
  if (!hasOpenEnd(cluster.status))
    throw new AppError('NOT_IN_STATE', `the cluster is ${cluster.status}: its destroy has begun`)
  return cluster
}

function setHours(tx: Transaction, cluster: ClusterRow, fields: Changes<typeof clusters>): ClusterRow {
  const { id, team } = cluster
  // A sleep that was told of may not come any more.
  const changes = { ...fields, announcedFor: null }
  send(tx, update(clusters, { ...changes, updatedAt: sqlNow }, { id }))
  tellOfChange(tx, { type: 'cluster.changed', team, clusterId: id })
  announce(tx, 'cluster', id)
  return { ...cluster, ...plainOf(changes), updatedAt: new Date() }
}

const storeOverrides = (overrides: readonly Override[]): StoredOverride[] =>
  overrides.map(({ from, until, ...rest }) => ({ ...rest, from: from.toISOString(), until: until?.toISOString() ?? null })) // prettier-ignore

export const readOverrides = (stored: readonly StoredOverride[]): Override[] =>
  stored.map(({ from, until, ...rest }) => ({ ...rest, from: new Date(from), until: until === null ? null : new Date(until) })) // prettier-ignore

type Columns = Pick<ClusterRow, 'status' | 'offHours' | 'overrides' | 'announcedFor' | 'wakeBy' | 'maintenanceUntil' | 'destroyAt' | 'protectedUntil'> // prettier-ignore

export function keptOf(cluster: Columns): Kept {
  const { status, offHours, overrides, announcedFor, wakeBy, maintenanceUntil } = cluster
  const hours = offHours ? readHours(offHours) : undefined
  return { status, hours, overrides: readOverrides(overrides), announcedFor, wakeBy, maintenanceUntil, endsAt: destroyStartsAt(cluster) } // prettier-ignore
}

export type HoursOutlook = {
  /** undefined: it has no off-hours. */
  wanted: { state: State; until: Date | null; says: string } | undefined
  overrides: Override[]
  /** Until its end. */
  nextChanges: Change[]
  /** What the sleeps from now to its end save. */
  usdToSave: number
}

/** What a cluster will do by the clock, from `at` until its end. */
export function foresee(cluster: Columns & Pick<ClusterRow, 'usdPerHour' | 'profileSnapshot'>, at: Date): HoursOutlook {
  const kept = keptOf(cluster)
  const { hours, endsAt, maintenanceUntil } = kept
  if (!hasOpenEnd(cluster.status) || cluster.status === 'FAILED')
    return { wanted: undefined, overrides: [], nextChanges: [], usdToSave: 0 }
  const maintenance = maintenanceUntil ? { at: maintenanceUntil, state: 'asleep' as const } : wakesForMaintenance(kept)
  if (!hours) return { wanted: undefined, overrides: [], nextChanges: maintenance ? [maintenance] : [], usdToSave: 0 }
  const overrides = liveOverrides(kept.overrides, at)
  const wanted = wantedAt(hours, overrides, at)
  const changes = nextChanges(hours, overrides, at, CHANGES_SHOWN).filter((change) => change.at < endsAt)
  const prices = pricesOf(cluster)
  return {
    wanted: { state: wanted.state, until: wanted.until, says: tellWanted(hours, wanted, at) },
    overrides,
    nextChanges: changes,
    usdToSave: at < endsAt ? sleepSavesUsd(hours, overrides, [at, endsAt], prices) : 0,
  }
}

/** A cluster that is asked for in its off-hours is awake until they are over once. */
export function overridesAtRequest(offHours: OffHours, at: Date, by: string): StoredOverride[] {
  const hours = readHours(offHours)
  const { state, until } = wantedAt(hours, [], at)
  return state === 'asleep' && until ? storeOverrides([holdUntil('awake', until, { at, by })]) : []
}

/** For a request: what the off-hours will do from now to the end, and what they save. */
export function foreseeRequest(
  cluster: Pick<ClusterRow, 'offHours' | 'overrides' | 'destroyAt' | 'usdPerHour' | 'profileSnapshot'>,
  at: Date,
): { nextChanges: Change[]; usdSaved: number } {
  if (!cluster.offHours) return { nextChanges: [], usdSaved: 0 }
  const [hours, overrides] = [readHours(cluster.offHours), readOverrides(cluster.overrides)]
  const changes = nextChanges(hours, overrides, at, CHANGES_SHOWN).filter((change) => change.at < cluster.destroyAt)
  const usdSaved = sleepSavesUsd(hours, overrides, [at, cluster.destroyAt], pricesOf(cluster))
  return { nextChanges: changes, usdSaved: cents(usdSaved) }
}

function wakesForMaintenance(kept: Kept): Change | undefined {
  const at = kept.status === 'HIBERNATED' ? maintenanceAt(kept) : undefined
  return at && { at, state: 'awake' }
}

const pricesOf = ({ usdPerHour, profileSnapshot }: Pick<ClusterRow, 'usdPerHour' | 'profileSnapshot'>) => ({
  awakeUsdPerHour: usdPerHour,
  asleepUsdPerHour: profileSnapshot.cost.usdPerHourHibernated,
})
