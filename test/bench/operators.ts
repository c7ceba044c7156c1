// What operators look at, and the previews of what they do: at 10,000 clusters with 2,000 jobs that are not over, and at
// 1,000,000 with 200,000.
import { newId } from '../../src/ids.ts'
import { medianOf, newRequest, query, rateOf, startServer, type Ground, type Server } from './ground.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const CALLS = 5

type Place = { server: Server; ids: Record<'cluster' | 'job' | 'failed' | 'worker' | 'finding' | 'held', string> }
type Ask = (place: Place) => Promise<string>

const dry = (method: string, path: (ids: Place['ids']) => string, body?: object): Ask =>
  ({ server, ids }) => server.call(method, `/api/v1${path(ids)}?dryRun=true`, body) // prettier-ignore
const pause = { kind: 'creates', paused: true, reason: 'bench', until: new Date(Date.now() + 3_600_000).toISOString() }

const asks: Record<string, Ask> = {
  'the queue view': ({ server }) => server.call('GET', '/api/v1/queue'),
  'the workers': ({ server }) => server.call('GET', '/api/v1/workers'),
  'a timeline': ({ server, ids }) => server.call('GET', `/api/v1/clusters/${ids.cluster}/timeline`),
  'preview of a pause for all': dry('PUT', () => '/intake', pause),
  'preview of a pause for a team': dry('PUT', () => '/intake', { ...pause, team: 'team-7' }),
  'preview of a cancel': dry('POST', ({ job }) => `/jobs/${job}/cancel`),
  'preview of a retry': dry('POST', ({ failed }) => `/jobs/${failed}/retry`),
  'preview of dead letters': dry('POST', () => '/queue/dead-letters/retry', {}),
  'preview of a drain': dry('POST', ({ worker }) => `/workers/${worker}/drain`),
  'preview of a lock released': dry('POST', ({ held }) => `/clusters/${held}/lock/release`),
  'preview of a finding resolved': dry('POST', ({ finding }) => `/findings/${finding}/resolve`, { reason: 'bench' }),
  'preview of a schedule run': dry('POST', () => '/schedules/move-logs/run'),
}

export async function measureOperators(ground: Ground, report: Report): Promise<void> {
  const places: Place[] = []
  try {
    places.push(await openPlace(ground, 'few', 10_000, 2000))
    places.push(await openPlace(ground, 'many', 1_000_000, 200_000))
    for (const [name, ask] of Object.entries(asks)) {
      // They alternate, so that whatever else the machine does is met by both.
      const rates: number[][] = places.map(() => [])
      for (let round = 0; round <= ROUNDS; round++)
        for (const [index, place] of places.entries()) {
          const rate = await rateOf(() => ask(place), 1, CALLS)
          if (round > 0) rates[index]?.push(rate.perSecond) // the first one warms
        }
      const [few = 0, many = 0] = rates.map((each) => 1 / medianOf(each))
      report.figure(`${name}, 10 000 clusters and 2 000 jobs`, few * 1000, 'ms')
      report.ratio(`${name}, 1 000 000 and 200 000 / 10 000 and 2 000`, many / few, '≤ 2')
    }
  } finally {
    for (const { server } of places) await server.stop()
  }
}

async function openPlace(ground: Ground, size: string, clusters: number, jobs: number): Promise<Place> {
  const database = await ground.createDatabase(`operators_${size}`)
  const server = await startServer(ground, database)
  const request = async () =>
    JSON.parse(await server.call('POST', '/api/v1/clusters', newRequest())) as { cluster: { id: string }; job: { id: string } } // prettier-ignore
  const waiting = await request()
  const failed = await request()
  const held = await request()
  await query(database, FILL(clusters, jobs))
  const ids = {
    cluster: waiting.cluster.id,
    job: waiting.job.id,
    failed: failed.job.id,
    held: held.cluster.id,
    worker: newId('wrk'),
    finding: newId('fnd'),
  }
  const attempt = newId('att')
  await query(database, `update jobs set status = 'FAILED', ended_at = now() where id = '${failed.job.id}'`)
  await query(database, `update clusters set status = 'FAILED' where id = '${failed.cluster.id}'`)
  await query(database, `insert into job_attempts (id, job_id, number, fence, worker) values ('${attempt}', '${held.job.id}', 1, 1, 'host:1')`) // prettier-ignore
  await query(database, `insert into job_locks (cluster_id, job_id, attempt_id, fence, worker, expires_at) values ('${held.cluster.id}', '${held.job.id}', '${attempt}', 1, 'host:1', now())`) // prettier-ignore
  await query(database, `insert into workers (id, name, abilities, seen_at) values ('${ids.worker}', 'host:1', '{"simulated":true,"versions":[],"fips":{"hostInFipsMode":false,"versions":[]},"clouds":[]}', now() + interval '1 day')`) // prettier-ignore
  await query(database, `insert into findings (id, type, subject, detail) values ('${ids.finding}', 'snapshot-missing', 'x', 'gone')`) // prettier-ignore
  for (const table of ['clusters', 'jobs', 'audit_events', 'pgboss.job'])
    await query(database, `vacuum analyze ${table}`)
  return { server, ids }
}

/** Clusters of a thousand teams, an audit event for each, and for the newest of them a job that waits, with its entry. */
const FILL = (clusters: number, jobs: number) => `
  set session_replication_role = replica; -- without what triggers write for each
  insert into clusters (id, name, base_domain, platform, version, profile, profile_hash, owner, profile_snapshot, team, region,
    status, destroyed_at, requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, usd_per_hour)
  select 'clu_00' || to_char(n, 'FM000000000000000000000000'), 'c-' || n, base_domain, platform, version, profile, profile_hash, owner,
    '{}', 'team-' || n % 1000, region, case when n <= ${jobs} then 'PENDING' else 'DESTROYED' end,
    case when n > ${jobs} then now() - interval '40 days' end, requested_by, request, request_tags, effective_tags, ttl_hours,
    now() + interval '20 hours', usd_per_hour
  from (select * from clusters order by id desc limit 1) c, generate_series(1, ${clusters}) n;
  insert into audit_events (id, actor, actor_kind, action, cluster_id, outcome, detail)
  select 'evt_00' || to_char(n, 'FM000000000000000000000000'), 'bench', 'caller', 'cluster.request', 'clu_00' || to_char(n, 'FM000000000000000000000000'), 'success', '{}'
  from generate_series(1, ${clusters}) n;
  insert into jobs (id, cluster_id, type, status, max_attempts, requested_by, retry_at)
  select 'job_00' || to_char(n, 'FM000000000000000000000000'), 'clu_00' || to_char(n, 'FM000000000000000000000000'), 'CREATE',
    case when n % 10 = 0 then 'RETRYING' else 'PENDING' end, 3, 'bench', case when n % 10 = 0 then now() + interval '1 hour' end
  from generate_series(1, ${jobs}) n;
  insert into pgboss.job (name, data, singleton_key, policy, retry_limit, expire_seconds, deletion_seconds, keep_until)
  select 'cluster-jobs', json_build_object('jobId', id), cluster_id, 'key_strict_fifo', 20, 80000, 80000, now() + interval '1 year' from jobs
  where id like 'job_00%'`
