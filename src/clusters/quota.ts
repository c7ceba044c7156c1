// What a team and a profile hold. The cluster's own row is the reservation. Each request takes the team's turn first
// and holds it until its transaction ends, so that requests at the same instant count each other.
import type { Reader, Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { Usage } from '../policy/decision.ts'
import type { Profile } from '../profiles/profile.ts'
import type { Quota } from '../profiles/quotas.ts'

export const nothingHeld: Usage = { clusters: 0, vcpu: 0, installs: 0, usdThisMonth: 0, profileUsdThisMonth: 0 }

/**
 * Waits for the turn of the team and of the profile, where they have limits. Then reads what counts against these
 * limits.
 */
export async function readUsageInTurn(tx: Transaction, team: string, quota: Quota, profile: Profile): Promise<Usage> {
  const names = [
    ...(hasLimits(quota) ? [turnOfTeam(team)] : []),
    ...(profile.cost.monthlyCeilingUsd === undefined ? [] : [`quota profile ${profile.name}`]),
  ]
  // Both are sent at once; the server reads when the transaction has the turn.
  const [, usage] = await Promise.all([takeTurns(tx, names), readUsage(tx, team, quota, profile)])
  return usage
}

/** What counts against the existing limits; zeros where there is no limit. */
export async function readUsage(db: Reader, team: string, quota: Quota, profile: Profile): Promise<Usage> {
  const [ofTeam, ofProfile] = await Promise.all([
    hasLimits(quota) ? readHoldings(db, 'team', team) : undefined,
    profile.cost.monthlyCeilingUsd === undefined ? undefined : readHoldings(db, 'profile', profile.name),
  ])
  return { ...nothingHeld, ...ofTeam, profileUsdThisMonth: ofProfile?.usdThisMonth ?? 0 }
}

/** For an installation that is asked for again: the rest of the cluster is counted already. Throws QUOTA_EXCEEDED. */
export async function requireInstallTurn(tx: Transaction, team: string, quota: Quota): Promise<void> {
  const limit = quota.concurrentInstalls
  if (limit === undefined) return
  await takeTurns(tx, [turnOfTeam(team)])
  const { installs } = await readHoldings(tx, 'team', team)
  requireInstall(team, installs, limit)
}

/** Throws QUOTA_EXCEEDED. */
export function requireInstall(team: string, installs: number, limit: number): void {
  if (installs >= limit)
    throw new AppError(
      'QUOTA_EXCEEDED',
      `team "${team}" has ${installs} of ${limit} installations at once: try again when one has ended`,
    )
}

/** In USD of this calendar month (UTC): what the team has spent, and promised until each of its clusters ends. */
export async function readSpend(db: Reader, team: string): Promise<number> {
  return (await readHoldings(db, 'team', team)).usdThisMonth
}

const hasLimits = (quota: Quota) => Object.values(quota).some((limit) => limit !== undefined)

const turnOfTeam = (team: string) => `quota team ${team}`

/** Takes the turns always in this order, so that two transactions never wait for each other. */
async function takeTurns(tx: Transaction, names: string[]): Promise<void> {
  if (names.length === 0) return
  const text = 'select pg_advisory_xact_lock(hashtextextended(name, 0)) from unnest($1::text[]) as name'
  await tx.$client.query({ name: 'take turns', text, values: [names] })
}

/** Reads the rows of this month and those of living clusters: clusters_team_spend, clusters_profile_spend. */
export async function readHoldings(
  db: Reader,
  whose: 'team' | 'profile',
  name: string,
): Promise<Omit<Usage, 'profileUsdThisMonth'>> {
  const living = `filter (where status <> 'DESTROYED')`
  const { rows } = await db.$client.query<Omit<Usage, 'profileUsdThisMonth'>>({
    name: `holdings of ${whose}`,
    text: `
      with month as (
        select date_trunc('month', now() at time zone 'utc') at time zone 'utc' as starts,
          (date_trunc('month', now() at time zone 'utc') + interval '1 month') at time zone 'utc' as ends
      )
      select count(*) ${living}::int as clusters,
        coalesce(sum(vcpu) ${living}, 0)::int as vcpu,
        count(*) filter (where status in ('PENDING', 'CREATING'))::int as installs,
        coalesce(sum(usd_per_hour * greatest(0, date_part('epoch',
          least(coalesce(destroyed_at, greatest(destroy_at, protected_until, now())), ends)
            - greatest(created_at, starts)))) / 3600, 0)::float8 as "usdThisMonth"
      from clusters, month
      where ${whose} = $1 and (destroyed_at is null or destroyed_at >= starts)`,
    values: [name],
  })
  return rows[0] ?? nothingHeld
}
