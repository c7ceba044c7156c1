// When a cluster ends, how far its end may be moved, and when its owner is warned. Pure.
import type { Profile } from '../profiles/profile.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The nearest end that a cluster may be given, so that its owner can still be told. */
export const SHORTEST_MS = 15 * MINUTE_MS
/** How long a cluster lives on when its protection is taken away and its end is past. */
export const AFTER_PROTECTION_MS = 30 * MINUTE_MS
export const LONGEST_PROTECTION_MS = 30 * DAY_MS
/** An install that took longer than this does not cost the requester's time. */
const LONG_INSTALL_MS = HOUR_MS

/** Of the profile that a cluster was made with, which may be of an older release. */
type Lifecycle = Pick<
  Profile['lifecycle'],
  'maxTtlHours' | 'maxLifetimeHours' | 'maxExtensionHours' | 'warnHours' | 'graceHours'
>

/** maximum: counted from the request; relativeMaximum: counted from now. */
export type Ceiling = { at: Date; rule: 'maximum' | 'relativeMaximum' }

/** The end that follows from the time that was asked for. */
export const endOf = (from: Date, ttlHours: number, { graceHours }: Pick<Lifecycle, 'graceHours'>): Date =>
  new Date(from.getTime() + (ttlHours + graceHours) * HOUR_MS)

const lifetimeMs = ({ maxLifetimeHours, maxTtlHours, graceHours }: Lifecycle) =>
  ((maxLifetimeHours ?? maxTtlHours) + graceHours) * HOUR_MS

/** The latest end that the cluster may be given now: the earlier of both rules. */
export function latestEnd(lifecycle: Lifecycle, createdAt: Date, now: Date): Ceiling {
  const maximum = createdAt.getTime() + lifetimeMs(lifecycle)
  const relative = now.getTime() + (lifecycle.maxExtensionHours ?? lifecycle.maxTtlHours) * HOUR_MS
  return maximum <= relative
    ? { at: new Date(maximum), rule: 'maximum' }
    : { at: new Date(relative), rule: 'relativeMaximum' }
}

/** The end of a cluster that is ready now. Undefined: its end stays, because it was moved or the install was short. */
export function endAtReady(
  cluster: { createdAt: Date; destroyAt: Date; endRevision: number; ttlHours: number; lifecycle: Lifecycle },
  readyAt: Date,
): Date | undefined {
  const { createdAt, destroyAt, endRevision, ttlHours, lifecycle } = cluster
  if (endRevision > 1 || readyAt.getTime() - createdAt.getTime() <= LONG_INSTALL_MS) return undefined
  const ceiling = createdAt.getTime() + lifetimeMs(lifecycle)
  const end = Math.min(endOf(readyAt, ttlHours, lifecycle).getTime(), ceiling)
  return end > destroyAt.getTime() ? new Date(end) : undefined
}

type Ending = {
  destroyAt: Date
  endSetAt: Date
  protectedUntil: Date | null
}

/** When the destroy starts. */
export const destroyStartsAt = ({ destroyAt, protectedUntil }: Omit<Ending, 'endSetAt'>): Date =>
  protectedUntil !== null && protectedUntil > destroyAt ? protectedUntil : destroyAt

/**
 * end: so long before the destroy; time: so long before the end of a protected cluster, which outlives it; past: a
 * protected cluster is this many days past its end.
 */
export type Moment = { at: Date; mark: string; kind: 'end' | 'time' | 'past' }

/** The moments at which somebody is told of this end, earliest first. None lies before the end was set. */
export function momentsOf(ending: Ending, warnHours: readonly number[]): Moment[] {
  const { destroyAt, endSetAt, protectedUntil } = ending
  const starts = destroyStartsAt(ending)
  const before = (end: Date, kind: 'end' | 'time') =>
    warnHours.map((hours) => ({ at: new Date(end.getTime() - hours * HOUR_MS), mark: `${kind} ${hours}h`, kind }))
  const past: Moment[] = []
  if (protectedUntil !== null)
    for (let day = 0, at = destroyAt.getTime(); at < protectedUntil.getTime(); day++, at += DAY_MS)
      past.push({ at: new Date(at), mark: `past ${day}d`, kind: 'past' })
  return [...before(starts, 'end'), ...(starts > destroyAt ? before(destroyAt, 'time') : []), ...past]
    .filter(({ at }) => at > endSetAt)
    .toSorted((a, b) => a.at.getTime() - b.at.getTime())
}

/** When somebody is next told, after this time. */
export const nextWarningAt = (ending: Ending, warnHours: readonly number[], after: Date): Date | null =>
  momentsOf(ending, warnHours).find(({ at }) => at > after)?.at ?? null
