// What teams have spent and will have, if all clusters live until their end as they are now, month by month.
import type { App } from '../app.ts'
import { teamsOf } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { readSpend } from '../clusters/quota.ts'
import { cents } from '../policy/spend.ts'
import { readUsage } from './report.ts'
import { monthOf } from './window.ts'

export const MOST_MONTHS = 12

export type ForecastItem = {
  team: string
  /** Such as 2026-12, in UTC. */
  month: string
  usdSpent: number
  /** Spent, and to come. */
  usdCommitted: number
  /** What counts against the limit: each cluster from its request to its end, at its full price. Of this month alone. */
  usdReserved: number | undefined
  usdLimit: number | undefined
  isNear: boolean
}

/** Of the limit. */
export const NEAR_LIMIT = 0.8

/** This month and the next ones, as long as anything lives. Throws FORBIDDEN. */
export async function forecastUsage(
  app: Pick<App, 'db' | 'catalog'>,
  by: Actor,
  months: number,
  now: Date,
): Promise<ForecastItem[]> {
  const [spent, coming] = await Promise.all([
    readUsage(app, by, { from: monthOf(now), to: now }, ['team']),
    readComing(app, by, months, now),
  ])
  const thisMonth = textOf(monthOf(now))
  const items = new Map<string, { team: string; month: string; spent: number; coming: number }>()
  const itemOf = (team: string, month: string) => {
    const key = `${month} ${team}`
    const item = items.get(key) ?? { team, month, spent: 0, coming: 0 }
    items.set(key, item)
    return item
  }
  for (const { group, usd } of spent.items) itemOf(group.team ?? '', thisMonth).spent += usd
  for (const { team, month, usd } of coming) itemOf(team, month).coming += usd
  const reserved = new Map<string, number>()
  for (const { team, month } of items.values())
    if (month === thisMonth && app.catalog.quotaOf(team).usdPerMonth !== undefined)
      reserved.set(team, await readSpend(app.db, team))
  return [...items.values()]
    .map(({ team, month, spent: usdSpent, coming: usdComing }) => {
      const usdLimit = app.catalog.quotaOf(team).usdPerMonth
      const usdReserved = month === thisMonth ? reserved.get(team) : undefined
      const counted = usdReserved ?? usdSpent + usdComing
      return {
        team,
        month,
        usdSpent: cents(usdSpent),
        usdCommitted: cents(usdSpent + usdComing),
        usdReserved: usdReserved === undefined ? undefined : cents(usdReserved),
        usdLimit,
        isNear: usdLimit !== undefined && counted >= usdLimit * NEAR_LIMIT,
      }
    })
    .toSorted((a, b) => a.month.localeCompare(b.month) || a.team.localeCompare(b.team))
}

const textOf = (month: Date) => month.toISOString().slice(0, 7)

/** The clusters whose end is not known, since their destroy is under way or fails, add nothing. */
async function readComing({ db }: Pick<App, 'db'>, by: Actor, months: number, now: Date) {
  const teams = teamsOf(by, 'usage.read')
  const { rows } = await db.$client.query<{ team: string; month: string; usd: number }>({
    name: 'coming usage',
    text: `
      with months as (
        select starts, starts + interval '1 month' as ends from generate_series(
          date_trunc('month', $1::timestamptz at time zone 'utc'),
          date_trunc('month', $1::timestamptz at time zone 'utc') + make_interval(months => $2 - 1), interval '1 month') as starts
      ), living as (
        select c.team, u.usd_per_hour, greatest(c.destroy_at, c.protected_until) as ends
        from clusters c cross join lateral usage_of(c) u
        where c.status not in ('DESTROYING', 'DESTROYED', 'DESTROY_FAILED', 'FAILED') and ($3::text[] is null or c.team = any($3))
          and greatest(c.destroy_at, c.protected_until) > $1
      )
      select l.team, to_char(m.starts, 'YYYY-MM') as month,
        sum(l.usd_per_hour * extract(epoch from least(l.ends, m.ends at time zone 'utc')
          - greatest($1::timestamptz, m.starts at time zone 'utc')) / 3600)::float8 as usd
      from living l join months m on l.ends > m.starts at time zone 'utc'
      group by l.team, m.starts`,
    values: [now, months, teams === 'all' ? null : teams],
  })
  return rows
}
