// What the gauges are reckoned from. No statement reads what is over: destroyed clusters and ended jobs stand in none of
// the indexes that are used here, so the cost grows with what lives.
import type { App } from '../app.ts'
import type { Db } from '../db/client.ts'
import type { Reading, Readings } from '../observability/metrics.ts'
import type { Queue } from '../queue/queue.ts'
import { turnTypes } from '../vocabulary.ts'
import { ALIVE_SECONDS } from '../workers/workers.ts'

const MOST_TEAMS = 200
/** What nobody works off is counted so far. */
const MOST_COUNTED = 100_000

type Row = Record<string, string | number | null>

/** By statement; every column that is no label is a gauge. */
export async function readGauges({ db, queue, config }: Pick<App, 'db' | 'queue' | 'config'>): Promise<Readings> {
  // One after another: they need no more than one connection, and nobody waits for them.
  const living = await read<Living>(db, LIVING)
  const jobs = await read<{ type: string; state: string; count: number }>(db, JOBS)
  const [waiting] = await read<{ seconds: number }>(db, OLDEST)
  const [locks] = await read<{ oldest: number; unrenewed: number; workers: number; slots: number; busy: number }>(db, LOCKS, [config.leaseSeconds, ALIVE_SECONDS]) // prettier-ignore
  const findings = await read<{ kind: string; platform: string; count: number }>(db, FINDINGS)
  const [leaks] = await read<{ usd: number }>(db, LEAKS)
  const [audit] = await read<{ count: number }>(db, counted('audit_unsealed'))
  const [notices] = await read<{ count: number }>(db, counted('notices where not is_published'))
  return {
    ...ofClusters(living),
    ...ofSchedules(await queue.listSuccesses(db)),
    ocpctl_queue_depth: jobs.map(({ count, ...labels }) => ({ labels, value: count })),
    ocpctl_queue_oldest_seconds: one(waiting?.seconds),
    ocpctl_queue_entries: ofQueues(await queue.listDepths()),
    ocpctl_workers: one(locks?.workers),
    ocpctl_worker_slots: [
      { labels: { state: 'busy' }, value: locks?.busy ?? 0 },
      { labels: { state: 'free' }, value: Math.max(0, (locks?.slots ?? 0) - (locks?.busy ?? 0)) },
    ],
    ocpctl_lock_oldest_seconds: one(locks?.oldest),
    ocpctl_lock_unrenewed_seconds: one(locks?.unrenewed),
    ocpctl_findings: findings.map(({ count, ...labels }) => ({ labels, value: count })),
    ocpctl_leak_usd_per_hour: one(leaks?.usd),
    ocpctl_audit_unsealed: one(audit?.count),
    ocpctl_notices_pending: one(notices?.count),
  }
}

const one = (value: number | null | undefined): Reading[] => [{ labels: {}, value: value ?? 0 }]

async function read<T extends Row>({ $client }: Db, text: string, values: unknown[] = []): Promise<T[]> {
  return (await $client.query<T>(text, values)).rows
}

type Living = {
  platform: string
  status: string
  team: string
  count: number
  usd: number
  past_end: number
  unproved: number
}

function ofClusters(living: readonly Living[]): Readings {
  const spent = new Map<string, number>()
  for (const { team, usd } of living) spent.set(team, (spent.get(team) ?? 0) + usd)
  const named = new Set(
    [...spent]
      .toSorted(([a, usd], [b, more]) => more - usd || a.localeCompare(b))
      .slice(0, MOST_TEAMS)
      .map(([team]) => team),
  )
  const sum = (of: 'past_end' | 'unproved') => living.reduce((all, row) => all + row[of], 0)
  return {
    ocpctl_clusters: summed(living, ({ platform, status, count }) => [{ platform, status }, count]),
    ocpctl_cluster_usd_per_hour: summed(living, ({ platform, team, usd }) => [
      { platform, team: named.has(team) ? team : 'other' },
      usd,
    ]),
    ocpctl_clusters_past_end: one(sum('past_end')),
    ocpctl_destroy_unproved: one(sum('unproved')),
  }
}

function summed(
  rows: readonly Living[],
  of: (row: Living) => [labels: Record<string, string>, value: number],
): Reading[] {
  const all = new Map<string, Reading>()
  for (const [labels, value] of rows.map(of)) {
    const key = JSON.stringify(labels)
    all.set(key, { labels, value: (all.get(key)?.value ?? 0) + value })
  }
  return [...all.values()]
}

const ofQueues = (depths: Awaited<ReturnType<Queue['listDepths']>>): Reading[] =>
  depths.flatMap(({ name: queue, waiting, later, active, failed }) =>
    Object.entries({ waiting: Math.max(0, waiting - later), later, active, failed }).map(([state, value]) => ({
      labels: { queue, state },
      value,
    })),
  )

function ofSchedules(successes: Awaited<ReturnType<Queue['listSuccesses']>>): Readings {
  const of = (value: (success: (typeof successes)[number]) => number): Reading[] =>
    successes.map((success) => ({ labels: { schedule: success.name }, value: value(success) }))
  return {
    ocpctl_schedule_last_success_timestamp_seconds: of(({ endedAt }) => endedAt.getTime() / 1000),
    ocpctl_schedule_run_seconds: of(({ startedAt, endedAt }) => (endedAt.getTime() - startedAt.getTime()) / 1000),
  }
}

const LIVING = `
  select c.platform, c.status, c.team, count(*)::int as count, sum(u.usd_per_hour)::float8 as usd,
    count(*) filter (where c.destroy_at < now() and c.status <> 'DESTROYING' and c.abandoned_at is null
      and (c.protected_until is null or c.protected_until < now()))::int as past_end,
    count(*) filter (where c.status = 'DESTROY_FAILED' and c.abandoned_at is null)::int as unproved
  from clusters c cross join lateral usage_of(
    c.id, c.status, c.control_plane_nodes, c.worker_replicas, c.vcpu, c.usd_per_hour, c.profile_snapshot) u
  where c.status <> 'DESTROYED' group by 1, 2, 3`

const OPEN = `status in ('PENDING', 'RUNNING', 'RETRYING')`
const JOBS = `select type, status as state, count(*)::int as count from jobs where ${OPEN} group by 1, 2`
// Whose turn it is: no lock stands, and no earlier job of the cluster is open.
const OLDEST = `
  select extract(epoch from now() - min(coalesce(j.retry_at, j.created_at)))::float8 as seconds
  from jobs j where j.status in ('PENDING', 'RETRYING') and (j.retry_at is null or j.retry_at <= now())
    and not exists (select from job_locks l where l.cluster_id = j.cluster_id)
    and not exists (select from jobs o where o.cluster_id = j.cluster_id and o.${OPEN} and o.id < j.id)`
/** They have slots of their own. */
const TURNS = turnTypes.map((type) => `'${type}'`).join(', ')
// A worker is named by host and process; a name comes again where a machine gives a new process the number of a dead one.
const LOCKS = `
  with alive as (
    select distinct on (name) name, coalesce((abilities ->> 'slots')::int, 0) as slots from workers
    where seen_at > now() - make_interval(secs => $2) order by name, seen_at desc
  )
  select (select count(*)::int from alive) as workers, (select coalesce(sum(slots), 0)::int from alive) as slots,
    count(*) filter (where worker in (select name from alive) and j.type not in (${TURNS}))::int as busy,
    extract(epoch from now() - min(acquired_at))::float8 as oldest,
    greatest(0, extract(epoch from now() - min(expires_at)) + $1::float8)::float8 as unrenewed
  from job_locks l join jobs j on j.id = l.job_id`
const FINDINGS = `
  select f.type as kind, coalesce(c.platform, '') as platform, count(*)::int as count
  from findings f left join clusters c on c.id = f.cluster_id where f.resolved_at is null and f.accepted_at is null group by 1, 2`
// What resources cost is not known of each of them. The whole cluster's price is what they cost at most.
const LEAKS = `
  with left_behind as (
    select cluster_id, max(usd) as usd from (
      select l.cluster_id, (select sum((r ->> 'usdPerHour')::float8) from jsonb_array_elements(l.resources) r) as usd
      from leak_records l join clusters c on c.id = l.cluster_id where c.status <> 'DESTROYED'
      union all
      select cluster_id, null from findings
      where resolved_at is null and type = 'resources-of-destroyed-cluster' and cluster_id is not null
    ) each group by 1
  )
  select coalesce(sum(coalesce(b.usd, c.usd_per_hour)), 0)::float8 as usd
  from left_behind b join clusters c on c.id = b.cluster_id`
const counted = (of: string) => `select count(*)::int as count from (select from ${of} limit ${MOST_COUNTED}) found`

/** For the test that has PostgreSQL explain them. */
export const statements = [LIVING, JOBS, OLDEST, FINDINGS, LEAKS]
