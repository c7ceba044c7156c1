// What is to be done about a cluster at an instant so that it is what its off-hours say. Nothing that was done before
// counts but what the row tells, so what was missed is done at the next look. Pure.
import type { ClusterStatus } from '../vocabulary.ts'
import type { Hours } from './off-hours.ts'
import { nextChanges, tellWanted, wantedAt, type Override, type Wanted } from './wanted.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
/** Its owner has this long to skip a sleep. */
export const NOTICE_MS = 30 * MINUTE_MS
/** A look comes once a minute. */
const LATE_MS = 2 * MINUTE_MS
/** The look begins some seconds late, so a wake that comes a little later is taken too. A sleep is never early. */
const AHEAD_MS = 20_000
/** Before its certificates end, a cluster is woken for as long as they take to be made anew. */
export const MAINTENANCE_BEFORE_MS = 3 * DAY_MS
const MAINTENANCE_NOTICE_MS = DAY_MS
export const MAINTENANCE_MS = 25 * HOUR_MS

export type Kept = {
  status: ClusterStatus
  /** undefined: it has no off-hours. */
  hours: Hours | undefined
  overrides: readonly Override[]
  announcedFor: Date | null
  wakeBy: Date | null
  maintenanceUntil: Date | null
  /** When its destroy starts. */
  endsAt: Date
}
export type Due =
  | { kind: 'sleep' | 'wake' | 'maintain'; why: string }
  | { kind: 'announce-sleep' | 'announce-maintenance'; at: Date; why: string }
  | { kind: 'end-maintenance' }

/** `wanted`: what wantedAt says, for those who know it already. */
export function dueAt(kept: Kept, at: Date, wanted?: Wanted): Due | undefined {
  const { status, maintenanceUntil } = kept
  const isUp = status === 'READY'
  const isDown = ['HIBERNATED', 'HIBERNATING', 'RESUMING'].includes(status)
  if (!isUp && !isDown) return undefined
  if (maintenanceUntil !== null && maintenanceUntil > at)
    return isDown ? { kind: 'maintain', why: 'its certificates are made anew' } : undefined
  if (isDown) {
    const due = maintenanceDue(kept, at)
    if (due) return due
  }
  if (isUp && maintenanceUntil !== null)
    return kept.hours ? { kind: 'end-maintenance' } : dueAfterMaintenance(kept, maintenanceUntil, at)
  if (!kept.hours) return undefined
  return dueByHours(kept, kept.hours, at, wanted ?? wantedAt(kept.hours, kept.overrides, at))
}

function dueByHours(kept: Kept, hours: Hours, at: Date, wanted: Wanted): Due | undefined {
  const { status, overrides, announcedFor } = kept
  // Of many clusters nothing is due, so that nothing is put into words for them.
  const why = () => tellWanted(hours, wanted, at)
  if (status !== 'READY') {
    const isNear = wanted.until !== null && wanted.until.getTime() <= at.getTime() + AHEAD_MS
    const then = isNear && wanted.until ? wantedAt(hours, overrides, wanted.until) : wanted
    if (wanted.state === 'awake' || then.state === 'awake')
      return { kind: 'wake', why: tellWanted(hours, wanted.state === 'awake' ? wanted : then, at) }
    return status === 'HIBERNATED' ? undefined : { kind: 'sleep', why: why() }
  }
  if (wanted.state === 'asleep') {
    const { because } = wanted
    // Who asks for it needs no notice.
    const isAsked = because.kind === 'override' && because.override.how !== 'skip'
    if (isAsked || (announcedFor !== null && announcedFor <= at && isOneSleep(kept, hours, announcedFor, at))) return { kind: 'sleep', why: why() } // prettier-ignore
    if (isPending(announcedFor, at)) return undefined
    const then = new Date(at.getTime() + NOTICE_MS)
    // A sleep that would be over by then is left out.
    return wantedAt(hours, overrides, then).state === 'asleep'
      ? { kind: 'announce-sleep', at: then, why: why() }
      : undefined
  }
  if (wanted.until === null || wanted.until.getTime() > at.getTime() + NOTICE_MS) return undefined
  const [next] = nextChanges(hours, overrides, at, 1)
  if (!next || next.at.getTime() > at.getTime() + NOTICE_MS) return undefined
  if (announcedFor !== null && announcedFor >= next.at && isPending(announcedFor, at)) return undefined
  // After a pause the next sleep may be nearer than the notice that its owner has.
  const isLate = next.at.getTime() < at.getTime() + NOTICE_MS - LATE_MS
  const then = isLate ? new Date(at.getTime() + NOTICE_MS) : next.at
  const thenWanted = wantedAt(hours, overrides, then)
  if (thenWanted.state !== 'asleep') return undefined
  return { kind: 'announce-sleep', at: then, why: tellWanted(hours, thenWanted, then) }
}

const isPending = (announcedFor: Date | null, at: Date) =>
  announcedFor !== null && announcedFor > at && announcedFor.getTime() <= at.getTime() + NOTICE_MS

/** It slept before, because somebody asked for that. */
function dueAfterMaintenance({ announcedFor }: Kept, maintenanceUntil: Date, at: Date): Due | undefined {
  const why = 'it slept before its certificates were made anew'
  if (announcedFor !== null && announcedFor >= maintenanceUntil && announcedFor <= at) return { kind: 'sleep', why }
  return isPending(announcedFor, at) ? undefined : { kind: 'announce-sleep', at: new Date(at.getTime() + NOTICE_MS), why } // prettier-ignore
}

/** Whether the sleep that was told of is the one that is wanted now. */
function isOneSleep({ overrides }: Kept, hours: Hours, announcedFor: Date, at: Date): boolean {
  if (wantedAt(hours, overrides, announcedFor).state !== 'asleep') return false
  const [next] = nextChanges(hours, overrides, announcedFor, 1)
  return next === undefined || next.at > at
}

/** When a cluster that sleeps is woken for its certificates; undefined: it ends before they do, or never slept. */
export function maintenanceAt({ wakeBy, endsAt }: Pick<Kept, 'wakeBy' | 'endsAt'>): Date | undefined {
  if (wakeBy === null || endsAt <= wakeBy) return undefined
  return new Date(wakeBy.getTime() - MAINTENANCE_BEFORE_MS)
}

function maintenanceDue(kept: Kept, at: Date): Due | undefined {
  const from = maintenanceAt(kept)
  if (!from) return undefined
  const why = `its certificates must be made anew before ${kept.wakeBy?.toISOString()}`
  if (from <= at) return { kind: 'maintain', why }
  const isNear = from.getTime() <= at.getTime() + MAINTENANCE_NOTICE_MS
  return isNear && kept.status === 'HIBERNATED' && kept.announcedFor?.getTime() !== from.getTime()
    ? { kind: 'announce-maintenance', at: from, why }
    : undefined
}
