// What a team and a profile hold. A reservation is the cluster's own row: whoever asks takes the team's turn first, so that
// requests at the same instant count each other, and holds it until its transaction ends.
import { sql, type SQL } from 'drizzle-orm'
import type { Reader, Transaction } from '../db/client.ts'
import { clusters } from './tables.ts'
import { AppError } from '../errors.ts'
import type { Usage } from '../policy/decision.ts'
import type { Profile } from '../profiles/profile.ts'
import type { Quota } from '../profiles/quotas.ts'

const nothing: Usage = { clusters: 0, vcpu: 0, installs: 0, usdThisMonth: 0, profileUsdThisMonth: 0 }

/** Waits for the turn of team and profile where they have limits. */
export async function takeQuotaTurn(tx: Transaction, team: string, quota: Quota, profile: Profile): Promise<void> {
  // Always in this order, so that two never wait for each other.
  if (hasLimits(quota)) await takeTurn(tx, `quota team ${team}`)
  if (profile.cost.monthlyCeilingUsd !== undefined) await takeTurn(tx, `quota profile ${profile.name}`)
}

/** What counts against the limits there are; zeros where there is none. */
export async function readUsage(db: Reader, team: string, quota: Quota, profile: Profile): Promise<Usage> {
  const ofTeam = hasLimits(quota) ? await readHoldings(db, sql`${clusters.team} = ${team}`) : undefined
  const ofProfile =
    profile.cost.monthlyCeilingUsd === undefined
      ? undefined
      : await readHoldings(db, sql`${clusters.profile} = ${profile.name}`)
  return { ...nothing, ...ofTeam, profileUsdThisMonth: ofProfile?.usdThisMonth ?? 0 }
}

/** For an installation that is asked for again: the rest of the cluster is counted already. Throws QUOTA_EXCEEDED. */
export async function requireInstallTurn(tx: Transaction, team: string, quota: Quota): Promise<void> {
  const limit = quota.concurrentInstalls
  if (limit === undefined) return
  await takeTurn(tx, `quota team ${team}`)
  const { installs } = await readHoldings(tx, sql`${clusters.team} = ${team}`)
  if (installs >= limit)
    throw new AppError(
      'QUOTA_EXCEEDED',
      `team "${team}" has ${installs} of ${limit} installations at once: try again when one has ended`,
    )
}

const hasLimits = (quota: Quota) => Object.values(quota).some((limit) => limit !== undefined)

async function takeTurn(tx: Transaction, name: string): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`)
}

/** From the rows of this month and those that live: clusters_team_spend, clusters_profile_spend. */
async function readHoldings(db: Reader, whose: SQL): Promise<Omit<Usage, 'profileUsdThisMonth'>> {
  const living = sql`filter (where status <> 'DESTROYED')`
  const { rows } = await db.execute<Record<'clusters' | 'vcpu' | 'installs' | 'usd', number>>(sql`
    with month as (
      select date_trunc('month', now() at time zone 'utc') at time zone 'utc' as starts,
        (date_trunc('month', now() at time zone 'utc') + interval '1 month') at time zone 'utc' as ends
    )
    select count(*) ${living}::int as clusters,
      coalesce(sum(vcpu) ${living}, 0)::int as vcpu,
      count(*) filter (where status in ('PENDING', 'CREATING'))::int as installs,
      coalesce(sum(usd_per_hour * greatest(0, extract(epoch from
        least(coalesce(destroyed_at, greatest(destroy_at + make_interval(hours =>
          coalesce((profile_snapshot #>> '{lifecycle,graceHours}')::int, 0)), now())), ends) - greatest(created_at, starts)))) / 3600, 0)::float8 as usd
    from ${clusters}, month
    where ${whose} and (destroyed_at is null or destroyed_at >= starts)`)
  const [row] = rows
  return {
    clusters: row?.clusters ?? 0,
    vcpu: row?.vcpu ?? 0,
    installs: row?.installs ?? 0,
    usdThisMonth: row?.usd ?? 0,
  }
}
