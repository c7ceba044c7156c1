// Keeping the series: samples at fixed times, months made ahead, days summed, old months dropped.
import type { App } from '../app.ts'
import { spansSql, valuesOf } from './spans.ts'
import { DAY_MS, monthOf } from './window.ts'

/** A transaction that began before midnight has ended by then. */
const SETTLED_MS = 10 * 60_000
/** Samples are kept for whole months, and for so many of them. The sums by day stay. */
const MONTHS_KEPT = 14
const MONTHS_AHEAD = 2
const TURN = 'select pg_advisory_xact_lock(hashtextextended($1, 0))'

/**
 * A sample of each cluster that is not destroyed. A row that is being changed at this moment is left out: its change
 * writes a sample of its own. Returns how many.
 */
export async function sampleUsage({ db }: Pick<App, 'db'>): Promise<number> {
  // The function is given columns: a whole row would be read with its profile. After a step of the clock back, the newest
  // samples are ahead of it, and a sample now would stand before them.
  const { rowCount } = await db.$client.query(`
    insert into usage_samples (cluster_id, at, status, nodes, vcpu, usd_per_hour)
    select c.id, date_trunc('milliseconds', clock_timestamp()), c.status, u.nodes, u.vcpu, u.usd_per_hour
    from (
      select id, status, control_plane_nodes, worker_replicas, vcpu, usd_per_hour, profile_snapshot from clusters
      where status <> 'DESTROYED' and coalesce((select max(at) from usage_samples) <= clock_timestamp(), true)
      for share skip locked
    ) c
    cross join lateral usage_of(
      c.id, c.status, c.control_plane_nodes, c.worker_replicas, c.vcpu, c.usd_per_hour, c.profile_snapshot) u
    on conflict do nothing`)
  return rowCount ?? 0
}

/** Returns how many partitions are new. */
export async function makePartitionsAhead({ db }: Pick<App, 'db'>): Promise<number> {
  let made = 0
  for (let month = 0; month <= MONTHS_AHEAD; month++) {
    const { rows } = await db.$client.query<{ made: boolean }>(
      'select make_usage_partition(now() + make_interval(months => $1)) as made',
      [month],
    )
    made += rows[0]?.made ? 1 : 0
  }
  return made
}

/** Sums each day that is over and not summed yet, oldest first, one transaction a day. Returns how many. */
export async function rollUpDays({ db }: Pick<App, 'db'>): Promise<number> {
  for (let rolled = 0; ; rolled++)
    if (
      !(await db.transaction(async (tx) => {
        await tx.$client.query(TURN, ['usage days'])
        const { rows } = await tx.$client.query<{ next: Date | null; now: Date }>(`
          select coalesce(
            (select (max(day) + 1)::timestamp at time zone 'utc' from usage_days_rolled),
            (select date_trunc('day', min(at) at time zone 'utc') at time zone 'utc' from usage_samples)) as next, now() as now`)
        const { next, now } = rows[0] ?? {}
        if (!next || !now || next.getTime() + DAY_MS + SETTLED_MS > now.getTime()) return false
        const day = { from: next, to: new Date(next.getTime() + DAY_MS) }
        await tx.$client.query(
          `insert into usage_days (day, cluster_id, status, team, owner, profile, cost_center, platform, region,
             seconds, node_seconds, vcpu_seconds, usd_seconds, is_first)
           select s.day, s.cluster_id, s.status, c.team, c.owner, c.profile, c.cost_center, c.platform, c.region,
             s.seconds, s.node_seconds, s.vcpu_seconds, s.usd_seconds, s.is_first
           from (${spansSql}) s join clusters c on c.id = s.cluster_id`,
          valuesOf(day),
        )
        await tx.$client.query(
          `insert into usage_days_rolled (day, clusters, usd_seconds)
           select $1::date, count(distinct cluster_id), coalesce(sum(usd_seconds), 0) from usage_days where day = $1::date`,
          [next.toISOString().slice(0, 10)],
        )
        return true
      }))
    )
      return rolled
}

/** A month of samples that its sums by day do not agree with, and which is therefore kept. */
export type Disagreement = { month: string; day: string }

/**
 * Drops the samples of months that are long over, each only after its days were summed and the sums agree with the
 * samples once more. Returns the months.
 */
export async function dropOldSamples({ db }: Pick<App, 'db'>): Promise<{ dropped: string[]; kept: Disagreement[] }> {
  const { rows } = await db.$client.query<{ name: string; now: Date }>(`
    select c.relname as name, now() as now from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'usage_samples'::regclass and c.relname ~ '^usage_samples_\\d{6}$' order by 1`)
  const dropped: string[] = []
  const kept: Disagreement[] = []
  for (const { name, now } of rows) {
    const month = name.slice(-6)
    const from = new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(4)) - 1))
    if (from >= monthOf(now, -MONTHS_KEPT)) break
    const day = await findDisagreement(db, { from, to: monthOf(from, 1) })
    if (day !== undefined) kept.push({ month, day })
    else if (await dropMonth(db, name, monthOf(from, 1))) dropped.push(month)
  }
  return { dropped, kept }
}

/** The first day whose sum is missing or not what the samples come to. */
async function findDisagreement(db: App['db'], month: { from: Date; to: Date }): Promise<string | undefined> {
  for (let day = month.from; day < month.to; day = new Date(day.getTime() + DAY_MS)) {
    const text = day.toISOString().slice(0, 10)
    const { rows } = await db.$client.query<{ agrees: boolean }>(
      `select not exists (
         select day, cluster_id, status, seconds, usd_seconds from (${spansSql}) s
         except select day, cluster_id, status, seconds, usd_seconds from usage_days where day = $3::date
       ) and (select coalesce(sum(usd_seconds), 0) from usage_days where day = $3::date)
         = coalesce((select usd_seconds from usage_days_rolled where day = $3::date), 0) as agrees`,
      [...valuesOf({ from: day, to: new Date(day.getTime() + DAY_MS) }), text],
    )
    if (!rows[0]?.agrees) return text
  }
  return undefined
}

/** A cluster that lives on keeps its last sample of the month, from which the next months go on. */
async function dropMonth(db: App['db'], name: string, to: Date): Promise<boolean> {
  return db.transaction(async (tx) => {
    await tx.$client.query(TURN, ['usage days'])
    await tx.$client.query(
      `insert into usage_samples (cluster_id, at, status, nodes, vcpu, usd_per_hour)
       select distinct on (old.cluster_id) old.cluster_id, $1::timestamptz, old.status, old.nodes, old.vcpu, old.usd_per_hour
       from ${name} old join clusters c on c.id = old.cluster_id
       where c.status <> 'DESTROYED' or c.destroyed_at >= $1::timestamptz - interval '1 day'
       order by old.cluster_id, old.at desc
       on conflict do nothing`,
      [to.toISOString()],
    )
    await tx.$client.query(`drop table ${name}`)
    return true
  })
}
