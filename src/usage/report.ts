// Hours and money of a window, by whatever people ask for. Whole days that are summed come from the sums, and the rest
// from the samples.
import { createHash } from 'node:crypto'
import type { App } from '../app.ts'
import { teamsOf } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import type { Db, Reader } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { ClusterStatus } from '../vocabulary.ts'
import { spansSql, valuesOf } from './spans.ts'
import { DAY_MS, partsOf, type Window } from './window.ts'

export const groupings = ['team', 'owner', 'profile', 'costCenter', 'platform', 'region', 'cluster', 'day'] as const
export type Grouping = (typeof groupings)[number]
export const steps = ['1d', '1w', '1mo'] as const
export type Step = (typeof steps)[number]

const columnOf: Record<Grouping, string> = {
  team: 'team',
  owner: 'owner',
  profile: 'profile',
  costCenter: 'cost_center',
  platform: 'platform',
  region: 'region',
  cluster: 'cluster_id',
  day: 'day',
}
const stepSql: Record<Step, string> = {
  '1d': 'day',
  '1w': `date_trunc('week', day)::date`,
  '1mo': `date_trunc('month', day)::date`,
}

export type Amount = {
  clusters: number
  /** Of their lives, whether they ran or not. */
  hours: number
  nodeHours: number
  vcpuHours: number
  /** Of the hours, those in which it slept. */
  asleepHours: number
  usd: number
  /** What it would have cost more, awake, at its price of now. */
  usdSaved: number
}
export type UsageItem = Amount & {
  /** What the item is of; null: those that have none. */
  group: Partial<Record<Grouping, string | null>>
  /** The first day of the step. */
  step: string | undefined
}
/** unproved: the destroy failed, and nobody knows what stands; leaked: it was given up. Both are nobody's spending. */
export type Unowned = Amount & { kind: 'unproved' | 'leaked' }
export type Usage = { items: UsageItem[]; unowned: Unowned[]; total: Amount }

/** A process holds all of a report at once. */
const MOST_ITEMS = 100_000

const ATTRIBUTES = 'team, owner, profile, cost_center, platform, region'
const SUMMED = 'seconds, node_seconds, vcpu_seconds, usd_seconds'
const SUMS = `${SUMMED}, is_first`
const TOTALLED = `${SUMMED}, asleep_seconds, usd_saved_seconds`
const ASLEEP = `case when status = 'HIBERNATED' then seconds else 0 end as asleep_seconds,
  case when status = 'HIBERNATED' then (select c.usd_per_hour::numeric from clusters c where c.id = cluster_id) * seconds - usd_seconds else 0 end as usd_saved_seconds`

/** `team` undefined: all teams that the actor may see. Throws BAD_INPUT for a report of too many items. */
export async function readUsage(
  { db }: Pick<App, 'db'>,
  by: Actor,
  window: Window,
  groupBy: readonly Grouping[],
  asked: { step?: Step | undefined; team?: string | undefined } = {},
): Promise<Usage> {
  const teams = teamsOf(by, 'usage.read')
  const { days, rest } = partsOf(window, await rolledUntil(db))
  const values: unknown[] = []
  const param = (value: unknown) => `$${values.push(value)}`
  const parts = rest.map((part) => {
    const [from, to] = valuesOf(part)
    const text = spansSql.replaceAll('$1', param(from)).replaceAll('$2', param(to))
    return `select s.day, s.cluster_id, s.status, ${ATTRIBUTES}, ${SUMS} from (${text}) s join clusters c on c.id = s.cluster_id`
  })
  const sumsOfDays = `select day, cluster_id, status, ${ATTRIBUTES}, ${SUMS} from usage_days`
  const sources = [
    ...(parts.length > 0 ? ['select * from rest'] : []),
    ...(days
      ? [`${sumsOfDays} where day >= ${param(dayText(days.from))}::date and day < ${param(dayText(days.to))}::date`]
      : []),
  ]
  const ofSeenTeams = teams === 'all' ? [] : [`team = any(${param(teams)})`]
  const ofTeam = asked.team === undefined ? [] : [`team = ${param(asked.team)}`]
  const conditions = [...ofSeenTeams, ...ofTeam, 'true'].join(' and ')
  const keys = [...groupBy.map((key) => columnOf[key]), ...(asked.step ? [stepSql[asked.step]] : [])]
  const keyColumns = keys.map((sql, index) => `${sql} as k${index}, `).join('')
  const isDate = (index: number) => index === groupBy.length || groupBy[index] === 'day'
  const none = keys.map((_, index) => `null::${isDate(index) ? 'date' : 'text'} as k${index}, `).join('')
  const shown = keys
    .map((_, index) => (isDate(index) ? `to_char(k${index}, 'YYYY-MM-DD') as k${index}, ` : `k${index}, `))
    .join('')
  const raw = `sum(seconds) as seconds, sum(node_seconds) as node_seconds, sum(vcpu_seconds) as vcpu_seconds, sum(usd_seconds) as usd_seconds,
    sum(asleep_seconds) as asleep_seconds, sum(usd_saved_seconds) as usd_saved_seconds`
  // To count what is distinct costs several times what the sums do. Where each row is of one day, it need not be found out.
  const isByDay = groupBy.includes('day') || asked.step === '1d'
  const count = isByDay ? 'count(*) filter (where is_first)' : 'count(distinct cluster_id)'
  const inHours = (column: string) => `round(${column} / 3600, 6)::float8`
  const text = `
    with ${parts.length > 0 ? `rest as materialized (${parts.join(' union all ')}),` : ''}
    -- Read three times, which costs less than to keep it.
    rows as not materialized (select *, ${ASLEEP} from (${sources.join(' union all ')}) as all_rows where ${conditions}),
    owned as materialized (
      select 'owned' as kind, ${keyColumns} ${count} as clusters, ${raw}
      from rows where status <> 'DESTROY_FAILED' group by ${keys.map((_, index) => `k${index}, `).join('')} kind
    ),
    others as materialized (
      select case when exists (select 1 from clusters c where c.id = cluster_id and c.abandoned_at is not null)
        then 'leaked' else 'unproved' end as kind, ${none} count(distinct cluster_id) as clusters, ${raw}
      from rows where status = 'DESTROY_FAILED' group by 1
    ),
    total as (
      select 'total' as kind, ${none} (select count(*) from (select from rows group by cluster_id) as each) as clusters, ${raw}
      from (select ${TOTALLED} from owned union all select ${TOTALLED} from others) as both_kinds
    )
    select kind, ${shown} clusters::int, ${inHours('seconds')} as hours,
      ${inHours('node_seconds')} as "nodeHours", ${inHours('vcpu_seconds')} as "vcpuHours", ${inHours('usd_seconds')} as usd,
      ${inHours('asleep_seconds')} as "asleepHours", ${inHours('usd_saved_seconds')} as "usdSaved"
    from (select * from owned union all select * from others union all select * from total) as everything
    order by ${[...keys.map((_, index) => `everything.k${index} nulls first`), 'kind'].join(', ')} limit ${MOST_ITEMS + 1}`
  const { rows } = await db.$client.query<Record<string, unknown> & Amount & { kind: string }>(text, values)
  if (rows.length > MOST_ITEMS)
    throw new AppError('BAD_INPUT', `the report would have more than ${MOST_ITEMS} items: group by less, or take a shorter window or the export`) // prettier-ignore
  const amounts = rows.map((row) => ({ row, amount: amountOf(row) }))
  return {
    items: amounts
      .filter(({ row }) => row.kind === 'owned')
      .map(({ row, amount }) => ({
        group: Object.fromEntries(groupBy.map((key, index) => [key, row[`k${index}`] as string | null])), // as selected
        step: asked.step ? (row[`k${groupBy.length}`] as string) : undefined, // as selected
        ...amount,
      })),
    unowned: amounts.flatMap(({ row, amount }) =>
      row.kind === 'unproved' || row.kind === 'leaked' ? [{ kind: row.kind, ...amount }] : [],
    ),
    total: amounts.find(({ row }) => row.kind === 'total')?.amount ?? nothing,
  }
}

export const nothing: Amount = {
  clusters: 0,
  hours: 0,
  nodeHours: 0,
  vcpuHours: 0,
  asleepHours: 0,
  usd: 0,
  usdSaved: 0,
}

const amountOf = ({ clusters, hours, nodeHours, vcpuHours, asleepHours, usd, usdSaved }: Amount): Amount => ({
  clusters,
  hours: hours ?? 0,
  nodeHours: nodeHours ?? 0,
  vcpuHours: vcpuHours ?? 0,
  asleepHours: asleepHours ?? 0,
  usd: usd ?? 0,
  usdSaved: usdSaved ?? 0,
})

export const dayText = (at: Date): string => at.toISOString().slice(0, 10)

/** The end of the newest day that is summed. */
export async function rolledUntil(db: Db): Promise<Date | undefined> {
  const { rows } = await db.$client.query<{ until: Date | null }>(
    `select (max(day) + 1)::timestamp at time zone 'utc' as until from usage_days_rolled`,
  )
  return rows[0]?.until ?? undefined
}

/** What a cluster has cost so far, and what its sleeps have saved, in USD. */
export async function readCost(db: Reader, clusterId: string): Promise<{ usd: number; saved: number }> {
  const { rows } = await db.$client.query<{ usd: number; saved: number }>({
    name: 'cost so far',
    text: `
      with life as (
        select id, created_at, coalesce(destroyed_at, now()) as until, usd_per_hour::numeric as awake from clusters where id = $1
      ),
      -- The key of the sums begins with the day.
      summed as (
        select coalesce(sum(u.usd_seconds), 0) as usd,
          coalesce(sum(u.seconds * awake - u.usd_seconds) filter (where u.status = 'HIBERNATED'), 0) as saved, (max(u.day) + 1)::timestamp at time zone 'utc' as summed_until
        from life cross join lateral generate_series(
          (created_at at time zone 'utc')::date, ((until + interval '1 day') at time zone 'utc')::date, interval '1 day') as d
        join usage_days u on u.day = d::date and u.cluster_id = life.id
      ),
      points as (
        select greatest(at, summed_until) as at, status, usd_per_hour, coalesce(lead(at) over (order by at), now()) as until
        from summed, usage_samples where cluster_id = $1 and at >= (select created_at - interval '1 day' from life)
      )
      select round((summed.usd + coalesce(since.usd, 0)) / 3600, 6)::float8 as usd, round((summed.saved + coalesce(since.saved, 0)) / 3600, 6)::float8 as saved
      from summed, (
        select sum(usd_per_hour * extract(epoch from until - at)) as usd,
          sum((awake - usd_per_hour) * extract(epoch from until - at)) filter (where status = 'HIBERNATED') as saved
        from points, (select awake from life) as price where until > at) as since (usd, saved)`,
    values: [clusterId],
  })
  return rows[0] ?? { usd: 0, saved: 0 }
}

export type Sample = { at: Date; status: ClusterStatus; nodes: number; vcpu: number; usdPerHour: number }
const MOST_SAMPLES = 10_000

/** The series of a cluster that the actor is known to be allowed to see, with what it was when the window began. */
export async function listSamples(db: Db, clusterId: string, { from, to }: Window): Promise<Sample[]> {
  const columns = 'at, status, nodes, vcpu, usd_per_hour::float8 as "usdPerHour"'
  const { rows } = await db.$client.query<Sample>(
    `(select ${columns} from usage_samples where cluster_id = $1 and at < $2 order by at desc limit 1)
     union all (select ${columns} from usage_samples where cluster_id = $1 and at >= $2 and at < $3 order by at limit $4)
     order by at`,
    [clusterId, from, to, MOST_SAMPLES],
  )
  return rows
}

/** Names the prices that new clusters get. It changes with each price. */
export function priceBookOf({ catalog }: Pick<App, 'catalog'>): string {
  const prices = catalog.list().map(({ name, cost }) => [name, cost.usdPerHour, cost.usdPerWorkerHour, cost.usdPerHourHibernated, cost.pricedAt]) // prettier-ignore
  return createHash('sha256').update(JSON.stringify(prices)).digest('hex').slice(0, 12)
}

/** A row of an export: one cluster, one day, one state. */
export type DayRow = {
  from: Date
  to: Date
  clusterId: string
  name: string
  baseDomain: string
  status: ClusterStatus
  team: string
  owner: string
  profile: string
  costCenter: string | null
  platform: string
  region: string
  /** Decimals, as text: a number would round them. */
  hours: string
  usd: string
  usdPerHour: string
}

const ROWS_AT_ONCE = 300

/** All rows of the window by day and cluster, some thousand at a time. */
export async function* exportDays(
  { db }: Pick<App, 'db'>,
  by: Actor,
  window: Window,
  team?: string,
): AsyncGenerator<DayRow[]> {
  const teams = teamsOf(by, 'usage.read')
  const { days, rest } = partsOf(window, await rolledUntil(db))
  const columns = `s.cluster_id as "clusterId", c.name, c.base_domain as "baseDomain", s.status, c.team, c.owner, c.profile,
    c.cost_center as "costCenter", c.platform, c.region, round(s.seconds / 3600, 10)::text as hours,
    round(s.usd_seconds / 3600, 10)::text as usd, round(s.usd_seconds / s.seconds, 6)::text as "usdPerHour"`
  const read = async (from: string, values: unknown[], after: Omit<DayRow, 'from' | 'to'> | undefined) => {
    const all = [...values, teams === 'all' ? null : teams, team ?? null, after?.clusterId ?? '', after?.status ?? '']
    const at = values.length
    const { rows } = await db.$client.query<Omit<DayRow, 'from' | 'to'>>(
      `select ${columns} from ${from} s join clusters c on c.id = s.cluster_id
       where ($${at + 1}::text[] is null or c.team = any($${at + 1})) and ($${at + 2}::text is null or c.team = $${at + 2})
         and (s.cluster_id, s.status) > ($${at + 3}, $${at + 4})
       order by s.cluster_id, s.status limit ${ROWS_AT_ONCE}`,
      all,
    )
    return rows
  }
  async function* pages(of: Window, from: string, values: unknown[]): AsyncGenerator<DayRow[]> {
    for (let after: Omit<DayRow, 'from' | 'to'> | undefined; ;) {
      const rows = await read(from, values, after)
      if (rows.length > 0) yield rows.map((row) => ({ ...of, ...row }))
      after = rows.at(-1)
      if (rows.length < ROWS_AT_ONCE) return
    }
  }
  const parts = [...rest, ...(days ? [days] : [])].toSorted((a, b) => a.from.getTime() - b.from.getTime())
  for (const part of parts)
    for (let from = part.from; from < part.to;) {
      const to = new Date(Math.min(part.to.getTime(), (Math.floor(from.getTime() / DAY_MS) + 1) * DAY_MS))
      if (part === days) yield* pages({ from, to }, '(select * from usage_days where day = $1::date)', [dayText(from)])
      else yield* pages({ from, to }, `(${spansSql})`, valuesOf({ from, to }))
      from = to
    }
}
