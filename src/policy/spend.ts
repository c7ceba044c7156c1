// What a cluster costs, and whether its team and profile have room for it. Pure.
import type { FieldError } from '../errors.ts'
import { usdPerHourOf, type Footprint } from '../profiles/footprint.ts'
import type { Profile } from '../profiles/profile.ts'
import type { Cost, Holdings, Terms, Warning } from './decision.ts'
import type { ClusterStatus } from '../vocabulary.ts'
import { destroyStartsAt, endOf } from './end.ts'

const HOUR_MS = 3_600_000

export function costOf(profile: Profile, { ttlHours, workerReplicas }: Terms, now: Date): Cost {
  const usdPerHour = usdPerHourOf(profile, workerReplicas)
  const end = endOf(now, ttlHours, profile.lifecycle)
  return {
    usdPerHour,
    usdUntilExpiry: cents(usdPerHour * hoursBetween(now, end)),
    usdThisMonth: cents(usdPerHour * hoursThisMonth(now, end, now)),
  }
}

export const hoursBetween = (from: Date, to: Date): number => (to.getTime() - from.getTime()) / HOUR_MS

/** What a cluster that goes on as it is costs from now until its destroy starts. */
export function usdUntilEnd(
  cluster: {
    status: ClusterStatus
    usdPerHour: number
    destroyAt: Date
    protectedUntil: Date | null
    profileSnapshot: Profile
  },
  now: Date,
): number {
  const { status, usdPerHour, profileSnapshot } = cluster
  if (['DESTROYING', 'DESTROYED', 'DESTROY_FAILED', 'FAILED'].includes(status)) return 0
  const rate = status === 'HIBERNATED' ? (profileSnapshot.cost.usdPerHourHibernated ?? 0) : usdPerHour
  return rate * Math.max(0, hoursBetween(now, destroyStartsAt(cluster)))
}

/** How much of the time lies in the calendar month (UTC) of `now`. Negative when `to` is before `from`. */
export function hoursThisMonth(from: Date, to: Date, now: Date): number {
  const ends = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)
  return (Math.min(to.getTime(), ends) - Math.min(from.getTime(), ends)) / HOUR_MS
}

export const cents = (usd: number) => Math.round(usd * 100) / 100

export function quotaViolations(
  profile: Profile,
  { team, quota, usage }: Holdings,
  { vcpu }: Footprint,
  { usdThisMonth }: Cost,
): FieldError[] {
  const found: FieldError[] = []
  const check = (
    has: number,
    adds: number,
    limit: number | undefined,
    what: string,
    pointer: string,
    whose: string,
  ) => {
    if (limit !== undefined && has + adds > limit)
      found.push({
        pointer,
        detail: `${whose} holds ${cents(has)} of ${limit} ${what}, and this cluster needs ${cents(adds)}: destroy what is no longer used, or ask an administrator for more`,
        allowed: { max: cents(Math.max(0, limit - has)) },
      })
  }
  const whose = `team "${team}"`
  check(usage.clusters, 1, quota.clusters, 'clusters', '/team', whose)
  check(usage.vcpu, vcpu, quota.vcpu, 'vCPU', '/team', whose)
  check(usage.installs, 1, quota.concurrentInstalls, 'installations at once', '/team', whose)
  check(usage.usdThisMonth, usdThisMonth, quota.usdPerMonth, 'USD of this month', '/team', whose)
  const ceiling = profile.cost.monthlyCeilingUsd
  check(usage.profileUsdThisMonth, usdThisMonth, ceiling, 'USD of this month', '/profile', `profile ${profile.name}`)
  return found
}

export function spendWarnings(profile: Profile, { team, quota, usage }: Holdings, { usdThisMonth }: Cost): Warning[] {
  const percent = profile.cost.alertAtPercent
  return (
    [
      ['/team', `team "${team}"`, usage.usdThisMonth, quota.usdPerMonth],
      ['/profile', `profile ${profile.name}`, usage.profileUsdThisMonth, profile.cost.monthlyCeilingUsd],
    ] as const
  ).flatMap(([pointer, whose, has, limit]) =>
    limit !== undefined && (has + usdThisMonth) * 100 >= limit * percent
      ? [{ pointer, detail: `${whose} comes to ${cents(has + usdThisMonth)} of ${limit} USD this month` }]
      : [],
  )
}
