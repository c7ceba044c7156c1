// The integral of the samples: each holds from its instant until the next one of its cluster.
import type { Window } from './window.ts'

/**
 * SQL of the spans of time within a window that lies in the past or reaches until now, by cluster, day (UTC) and state.
 * $1 and $2 are its ends. Sums are exact: money is in USD per hour times seconds.
 */
export const spansSql = `
  with bounds as (
    select $1::timestamptz as starts, least($2::timestamptz, date_trunc('milliseconds', now())) as ends
  ),
  standing as (
    select id from clusters where status <> 'DESTROYED' and created_at < $1::timestamptz
    union all
    -- destroyed_at is of a worker's clock.
    select id from clusters where status = 'DESTROYED' and destroyed_at >= $1::timestamptz - interval '1 day' and created_at < $1::timestamptz
  ),
  points as (
    select id as cluster_id, $1::timestamptz as at, last.status, last.nodes, last.vcpu, last.usd_per_hour
    from standing cross join lateral (
      select status, nodes, vcpu, usd_per_hour from usage_samples s
      where s.cluster_id = standing.id and s.at < $1::timestamptz order by s.at desc limit 1
    ) last
    union all
    select cluster_id, at, status, nodes, vcpu, usd_per_hour from usage_samples, bounds
    where at >= $1::timestamptz and at < bounds.ends
  ),
  spans as (
    select cluster_id, status, nodes, vcpu, usd_per_hour, at,
      coalesce(lead(at) over (partition by cluster_id order by at), bounds.ends) as until
    from points, bounds
  ),
  days as (
    select cluster_id, status, nodes, vcpu, usd_per_hour, day::date as day,
      extract(epoch from least(until, (day + interval '1 day') at time zone 'utc') - greatest(at, day at time zone 'utc')) as seconds
    from spans cross join lateral
      generate_series(date_trunc('day', at at time zone 'utc'), until at time zone 'utc', interval '1 day') as day
    where status <> 'DESTROYED' and until > at
  )
  select day, cluster_id, status, sum(seconds) as seconds, sum(seconds * nodes) as node_seconds,
    sum(seconds * vcpu) as vcpu_seconds, sum(seconds * usd_per_hour) as usd_seconds,
    row_number() over (partition by day, cluster_id, status = 'DESTROY_FAILED' order by status) = 1 as is_first
  from days where seconds > 0 group by day, cluster_id, status`

export const valuesOf = ({ from, to }: Window): [string, string] => [from.toISOString(), to.toISOString()]
