// What there is to do, and what each job waits for. It looks at the oldest jobs alone, so that a long queue costs no
// more than one of some thousands; how long it is in all, pg-boss has counted.
import type { App } from '../app.ts'
import { requireAnywhere } from '../auth/permissions.ts'
import type { Actor } from '../auth/principal.ts'
import { catalogue } from '../diagnosis/catalog.ts'
import { IS_FOR } from '../intake/pauses.ts'
import type { QueueDepth } from '../queue/queue.ts'
import type { JobStatus, JobType } from '../vocabulary.ts'
import { WAITS_FOR_WORKER } from '../workers/workers.ts'

/** Of each status. */
const LOOKED_AT = 2000
const CLUSTERS_SHOWN = 10
const EXAMPLES = 20
/** The reasons that are a limit of the cloud account. A quota of a team refuses a request, so nothing waits for it. */
const LIMITS = catalogue.filter(({ category }) => category === 'quota').map(({ reason }) => reason)

/**
 * What keeps a job from being begun though a worker has room. `lock`: another job works on its cluster. `turn`: an
 * earlier job of its cluster comes first. `paused`: an operator has paused what it is. `quota`: its last try met a limit of
 * the cloud account, and the next has its time. `retry`: its next try has its time, for another reason. `worker`: no worker
 * that is here is able. `store`: the artifact store cannot keep its state.
 */
export const blockers = ['lock', 'turn', 'paused', 'quota', 'retry', 'worker', 'store'] as const
export type Blocker = (typeof blockers)[number]

export type BlockedJob = {
  jobId: string
  type: JobType
  clusterId: string
  clusterName: string
  createdAt: string
  /** The job that holds the lock, or comes first. */
  byJobId: string | null
  worker: string | null
  retryAt: string | null
  detail: string | null
}
export type Backlog = {
  queues: QueueDepth[]
  /** Whether all jobs that are not over were looked at for what follows. */
  isWhole: boolean
  jobs: { type: JobType; status: JobStatus; count: number; oldestAt: string }[]
  /** Those with the most. */
  clusters: { clusterId: string; clusterName: string; count: number; oldestAt: string }[]
  blocked: { by: Blocker; count: number; oldestAt: string; jobs: BlockedJob[] }[]
}

type Judged = Omit<Backlog, 'queues' | 'isWhole' | 'blocked'> & {
  most: number
  blocked: (BlockedJob & { by: Blocker; count: number; oldestAt: string })[]
}

/** Throws FORBIDDEN. */
export async function readBacklog({ db, queue }: Pick<App, 'db' | 'queue'>, by: Actor): Promise<Backlog> {
  requireAnywhere(by, 'queue.read')
  const [queues, { rows }] = await Promise.all([
    queue.listDepths(),
    db.$client.query<Judged>({ name: 'backlog', text: BACKLOG, values: [`${WAITS_FOR_WORKER}%`, LIMITS] }),
  ])
  const [judged] = rows
  if (!judged) throw new Error('a read without a condition gives one row')
  const { jobs, clusters, most, blocked } = judged
  return {
    queues,
    isWhole: most < LOOKED_AT,
    jobs,
    clusters,
    blocked: [...Map.groupBy(blocked, (each) => each.by)].map(([by, all]) => ({
      by,
      count: all[0]?.count ?? 0,
      oldestAt: all[0]?.oldestAt ?? '',
      jobs: all.map(({ by: _by, count: _count, oldestAt: _oldestAt, ...job }) => job),
    })),
  }
}

/** Oldest first along the index jobs_status, which alone has this order. */
const oldest = (status: JobStatus) => `
  (select id, cluster_id, type, status, created_at, retry_at, paused_by, reason, message from jobs
   where status between '${status}' and '${status}' order by status, id limit ${LOOKED_AT})`
const iso = (column: string) => `to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
const listOf = (rows: string) => `(select coalesce(json_agg(r), '[]') from (${rows}) r)`

const BACKLOG = `
  with looked as (${oldest('PENDING')} union all ${oldest('RETRYING')} union all ${oldest('RUNNING')}),
  judged as materialized (
    select j.*, c.name as cluster_name, holder.job_id as holder, holder.worker, earlier.id as earlier, c.status_reason, pause.told,
      case
        when j.status = 'RUNNING' then null
        when holder.job_id is not null then 'lock'
        when earlier.id is not null then 'turn'
        when pause.told is not null then 'paused'
        when j.retry_at > now() then case when j.reason = any($2) then 'quota' else 'retry' end
        when c.status in ('PENDING', 'CREATING', 'DESTROYING') and c.status_reason like $1 then 'worker'
        when j.type = 'CREATE' and c.status = 'PENDING' and c.status_reason is not null and j.paused_by is null then 'store'
      end as blocked_by
    from looked j join clusters c on c.id = j.cluster_id
    left join job_locks holder on holder.cluster_id = j.cluster_id and holder.job_id <> j.id
    left join lateral (
      select id from jobs o where o.cluster_id = j.cluster_id and o.status in ('PENDING', 'RUNNING', 'RETRYING') and o.id < j.id
      order by id limit 1) earlier on true
    left join lateral (
      select p.reason || ', until ' || ${iso('p.ends_at')} as told from intake_pauses p where p.ends_at > now() and ${IS_FOR}
        and case when j.type = 'CREATE' then p.kind = 'creates' and (j.status = 'PENDING' or j.paused_by is not null)
          else p.kind = 'destroys' and j.type in ('DESTROY', 'JANITOR_DESTROY') end
      order by p.ends_at desc limit 1) pause on true
  ),
  ranked as (
    select *, row_number() over (partition by blocked_by order by id) as place,
      count(*) over (partition by blocked_by) as all_of_it, min(created_at) over (partition by blocked_by) as oldest
    from judged where blocked_by is not null
  )
  select
    (select coalesce(max(n), 0)::int from (select count(*) as n from looked group by status) counts) as most,
    ${listOf(`select type, status, count(*)::int, ${iso('min(created_at)')} as "oldestAt" from judged group by 1, 2 order by 1, 2`)} as jobs,
    ${listOf(`select cluster_id as "clusterId", cluster_name as "clusterName", count(*)::int, ${iso('min(created_at)')} as "oldestAt"
      from judged group by 1, 2 order by 3 desc, 1 limit ${CLUSTERS_SHOWN}`)} as clusters,
    ${listOf(`select blocked_by as by, all_of_it::int as count, ${iso('oldest')} as "oldestAt", id as "jobId", type,
      cluster_id as "clusterId", cluster_name as "clusterName", ${iso('created_at')} as "createdAt",
      coalesce(holder, earlier) as "byJobId", worker, ${iso('retry_at')} as "retryAt",
      case when blocked_by in ('worker', 'store') then status_reason when blocked_by in ('retry', 'quota') then message when blocked_by = 'paused' then told end as detail
      from ranked where place <= ${EXAMPLES} order by blocked_by, id`)} as blocked`
