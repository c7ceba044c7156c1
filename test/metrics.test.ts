// What /metrics tells: the process's own counts, and the gauges of the database that one process reckons for all.
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { reckonGauges, startGauges } from '../src/gauges/gauges.ts'
import { statements } from '../src/gauges/readings.ts'
import { createMetricsHttp, formatFor } from '../src/http/metrics.ts'
import { createServer } from '../src/http/server.ts'
import { newId } from '../src/ids.ts'
import { metricList } from '../src/observability/metric-list.ts'
import { openMetrics, type Metrics } from '../src/observability/metrics.ts'
import { traceOfJob } from '../src/observability/trace-context.ts'
import { eventually, exitOf, hear, openHarness, type Harness } from './harness.ts'
import { findPromtool } from './promtool.ts'
import { openTestApp } from './test-app.ts'

const NAMES = 10_000

let h: Harness
beforeAll(async () => {
  h = await openHarness({ speed: 1_000_000 })
})
afterAll(() => h.close())

/** The value of a series, given as it is written. */
const valueOf = (text: string, series: string): number | undefined => {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.split(' ')[1])
}
const seriesOf = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
const scrape = async (accept = 'text/plain') => {
  const { status, headers, body } = await h.call('GET', '/metrics', { headers: { accept } })
  expect(status).toBe(200)
  return { type: headers.get('content-type'), text: String(body) }
}
/** Reckons the gauges and serves them here. */
async function gauges(): Promise<string> {
  const stop = startGauges(h.app)
  try {
    const before = await stamp()
    await reckonGauges(h.app)
    return await eventually(async () => {
      const { text } = await scrape()
      const now = valueOf(text, 'ocpctl_gauges_timestamp_seconds')
      return now !== undefined && now > before && text
    })
  } finally {
    stop()
  }
}
const stamp = async () => {
  const [row] = await h.rows<{ at: number }>('select extract(epoch from now())::float8 as at')
  return (row?.at ?? 0) - 0.001
}

describe('the text', () => {
  const parse = (metrics: Metrics) => ({ text: metrics.render('text'), open: metrics.render('openmetrics') })

  it('is what Prometheus reads, in either format', () => {
    const metrics = openMetrics()
    metrics.add('ocpctl_jobs_total', { type: 'CREATE', outcome: 'FAILED', reason: 'a "quoted"\\\nreason' }, 2)
    metrics.observe('ocpctl_job_wait_seconds', { type: 'CREATE' }, 5, 'f'.repeat(32))
    metrics.observe('ocpctl_job_wait_seconds', { type: 'CREATE' }, 99_999)
    const { text, open } = parse(metrics)
    const jobs = String.raw`ocpctl_jobs_total{type="CREATE",outcome="FAILED",reason="a \"quoted\"\\\nreason"} 2`
    expect(text).toContain(`# TYPE ocpctl_jobs_total counter\n${jobs}\n`)
    expect(open).toContain(`# TYPE ocpctl_jobs counter\n${jobs}\n`)
    const buckets = (of: string) => of.match(/ocpctl_job_wait_seconds_bucket\{.*?"\} \d+.*/g)
    expect(buckets(text)?.slice(0, 3)).toEqual([
      'ocpctl_job_wait_seconds_bucket{type="CREATE",le="1"} 0',
      'ocpctl_job_wait_seconds_bucket{type="CREATE",le="5"} 1',
      'ocpctl_job_wait_seconds_bucket{type="CREATE",le="15"} 1',
    ])
    expect(buckets(text)?.at(-1)).toBe('ocpctl_job_wait_seconds_bucket{type="CREATE",le="+Inf"} 2')
    expect(buckets(open)?.[1]).toMatch(/le="5\.0"\} 1 # \{trace_id="f{32}"\} 5 \d+\.\d{3}$/)
    expect(text).toContain('ocpctl_job_wait_seconds_sum{type="CREATE"} 100004\nocpctl_job_wait_seconds_count{type="CREATE"} 2\n') // prettier-ignore
    expect(text).not.toMatch(/UNIT|EOF|trace_id/)
    expect(open).toContain('# UNIT ocpctl_job_wait_seconds seconds\n')
    expect(open.endsWith('\n# EOF\n')).toBe(true)
  })

  it('leaves out what another version reckoned and this one does not know', () => {
    const metrics = openMetrics()
    metrics.setGauges({
      ocpctl_of_tomorrow: [{ labels: {}, value: 1 }],
      ocpctl_workers: [{ labels: { host: 'new' }, value: 1 }],
      ocpctl_audit_unsealed: [{ labels: {}, value: 7 }],
    })
    expect(seriesOf(metrics.render('text'))).toEqual(['ocpctl_audit_unsealed 7'])
  })

  it.each([
    ['application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1', 'openmetrics'],
    ['application/openmetrics-text; version=1.0.0; charset=utf-8', 'openmetrics'],
    ['application/openmetrics-text', 'openmetrics'],
    ['application/openmetrics-text;version=2.0.0', 'text'],
    ['application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5', 'text'],
    ['text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
    ['*/*', 'text'],
    ['', 'text'],
  ])('is negotiated: %s', (accept, format) => {
    expect(formatFor(accept)).toBe(format)
  })
})

it('counts what a create and a destroy are', { timeout: 120_000 }, async () => {
  await h.startWorker()
  const { cluster, job } = await h.requestCluster('counted')
  await h.reach(cluster.id, 'READY')
  await h.destroy(cluster.id)
  await h.reach(cluster.id, 'DESTROYED')
  const series = 'ocpctl_jobs_total{type="DESTROY",outcome="SUCCEEDED",reason=""}'
  const { text, type } = await eventually(async () => {
    const scraped = await scrape()
    return valueOf(scraped.text, series) === 1 && scraped
  })
  expect(type).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(valueOf(text, 'ocpctl_jobs_total{type="CREATE",outcome="SUCCEEDED",reason=""}')).toBe(1)
  for (const of of ['wait_seconds_count{type="CREATE"}', 'run_seconds_count{type="CREATE",outcome="SUCCEEDED"}'])
    expect(valueOf(text, `ocpctl_job_${of}`)).toBe(1)
  for (const status of ['PENDING', 'CREATING', 'READY', 'DESTROYING', 'DESTROYED'])
    expect(valueOf(text, `ocpctl_cluster_transitions_total{platform="aws",status="${status}"}`)).toBe(1)
  for (const stage of ['bootstrap', 'initialize'])
    expect(valueOf(text, `ocpctl_job_stage_seconds_count{platform="aws",stage="${stage}"}`)).toBe(1)
  expect(valueOf(text, 'ocpctl_log_lines_total{level="info"}')).toBeGreaterThan(10)
  expect(valueOf(text, 'ocpctl_snapshot_bytes_sum')).toBeGreaterThan(1000)
  expect(valueOf(text, 'http_server_request_duration_seconds_count{http_request_method="POST",http_route="/api/v1/clusters/{id}/destroy",http_response_status_code="202"}')).toBe(1) // prettier-ignore

  const open = await scrape('application/openmetrics-text; version=1.0.0')
  expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
  expect(open.text).toContain(traceOfJob({ id: job.id, traceparent: null }).traceId)
  // Nothing is counted of what is taken back.
  await expect(
    h.app.db.transaction(async (tx) => {
      tx.observed.push(({ metrics }) => metrics.add('ocpctl_lease_lost_total', {}))
      await tx.$client.query('select 1')
      throw new Error('taken back')
    }),
  ).rejects.toThrow('taken back')
  expect(valueOf((await scrape()).text, 'ocpctl_lease_lost_total')).toBeUndefined()
  // What breaks in the telling takes nothing back.
  const kept = await h.app.db.transaction(async (tx) => {
    tx.observed.push(() => {
      throw new Error('no metrics today')
    })
    return 'kept'
  })
  expect(kept).toBe('kept')
})

it('tells what the database knows', async () => {
  const ids = []
  for (const name of ['past', 'kept', 'unproved', 'given-up', 'lives'])
    ids.push((await h.requestCluster(name, { team: name })).cluster.id)
  const [past, kept, unproved, givenUp, lives] = ids
  for (const id of ids) await h.reach(id, 'READY')
  const set = (id: string | undefined, changes: string) => h.rows(`update clusters set ${changes} where id = '${id}'`)
  await set(past, `destroy_at = now() - interval '1 hour'`)
  await set(
    kept,
    `destroy_at = now() - interval '1 hour', protected = true, protected_until = now() + interval '1 hour'`,
  )
  await set(unproved, `status = 'DESTROY_FAILED'`)
  await set(givenUp, `status = 'DESTROY_FAILED', abandoned_at = now(), destroy_at = now() - interval '1 hour'`)
  await h.rows(`insert into leak_records (id, cluster_id, infra_ids, resources, reason, recorded_by)
    values ('${newId('lek')}', '${givenUp}', '{}', '[{"usdPerHour": 0.25}, {"usdPerHour": 0.5}]', 'x', 'y')`)
  await h.rows(`insert into findings (id, type, subject, cluster_id, detail) values
    ('${newId('fnd')}', 'snapshot-missing', 'a', '${lives}', 'x'), ('${newId('fnd')}', 'resources-without-cluster', 'b', null, 'x')`)
  await h.rows(`insert into job_locks (cluster_id, job_id, attempt_id, fence, worker, acquired_at, expires_at)
    select cluster_id, j.id, a.id, 1, 'gone:1', now() - interval '2 hours', now() - interval '1 hour'
    from jobs j join job_attempts a on a.job_id = j.id where cluster_id = '${lives}'`)
  await h.rows(`insert into audit_unsealed (event_id) select 'evt_' || n from generate_series(1, 30) n`)
  const text = await gauges()
  const value = (series: string) => valueOf(text, series)
  expect(value('ocpctl_clusters{platform="aws",status="READY"}')).toBe(3)
  expect(value('ocpctl_clusters{platform="aws",status="DESTROY_FAILED"}')).toBe(2)
  expect(text).not.toContain('status="DESTROYED"} 0')
  expect(value('ocpctl_clusters_past_end')).toBe(1)
  expect(value('ocpctl_destroy_unproved')).toBe(1)
  const [price] = await h.rows<{ usd: number }>(`select usd_per_hour as usd from clusters where id = '${lives}'`)
  expect(value('ocpctl_cluster_usd_per_hour{platform="aws",team="lives"}')).toBeCloseTo(price?.usd ?? 0, 6)
  expect(value('ocpctl_leak_usd_per_hour')).toBeCloseTo(0.75, 6)
  expect(value('ocpctl_findings{kind="snapshot-missing",platform="aws"}')).toBe(1)
  expect(value('ocpctl_findings{kind="resources-without-cluster",platform=""}')).toBe(1)
  expect(value('ocpctl_lock_oldest_seconds')).toBeGreaterThanOrEqual(7200)
  expect(value('ocpctl_lock_unrenewed_seconds')).toBeGreaterThanOrEqual(3600 + 30)
  expect(value('ocpctl_workers')).toBe(1)
  expect(value('ocpctl_worker_slots{state="free"}')).toBe(4)
  expect(value('ocpctl_audit_unsealed')).toBeGreaterThanOrEqual(30)
  expect(value('ocpctl_queue_entries{queue="cluster-jobs",state="active"}')).toBeDefined()
  expect(value('ocpctl_db_connections_max{pool="main"}')).toBeUndefined() // the pools are opened by the wiring
  await h.rows(
    `delete from job_locks; delete from audit_unsealed where event_id ~ '^evt_\\d+$'; delete from findings; delete from leak_records`,
  )
})

it('tells what waits, and whose turn it is', async () => {
  const { cluster } = await h.requestCluster('waits', { team: 'waits' })
  await h.reach(cluster.id, 'READY')
  const make = (id: string, status: string, minutes: number, more = 'null') =>
    h.rows(`insert into jobs (id, cluster_id, type, status, max_attempts, requested_by, created_at, retry_at)
      values ('${id}', '${cluster.id}', 'DESTROY', '${status}', 1, 'x', now() - interval '${minutes} minutes', ${more})`)
  await make('job_a', 'RETRYING', 90, `now() + interval '1 hour'`)
  await make('job_b', 'PENDING', 60)
  expect(valueOf(await gauges(), 'ocpctl_queue_oldest_seconds')).toBe(0)
  await h.rows(`delete from jobs where id = 'job_a'`)
  const text = await gauges()
  expect(valueOf(text, 'ocpctl_queue_oldest_seconds')).toBeGreaterThanOrEqual(3600)
  expect(valueOf(text, 'ocpctl_queue_depth{type="DESTROY",state="PENDING"}')).toBe(1)
  await h.rows(`delete from jobs where id = 'job_b'`)
})

it('counts the jobs that it takes from workers that are gone', async () => {
  const { cluster, job } = await h.requestCluster('taken')
  await h.reach(cluster.id, 'READY')
  await h.rows(`update jobs set status = 'RUNNING', ended_at = null where id = '${job.id}'`)
  await h.rows(`insert into job_locks (cluster_id, job_id, attempt_id, fence, worker, expires_at)
    select cluster_id, '${job.id}', id, 1, 'gone:1', now() from (select a.id, j.cluster_id from job_attempts a
    join jobs j on j.id = a.job_id where j.id = '${job.id}' limit 1) x`)
  await h.freeLocks()
  expect(valueOf((await scrape()).text, 'ocpctl_takeovers_total{reason="lock"}')).toBe(1)
})

describe('however many names there are', () => {
  it(`of ${NAMES} teams, reasons and routes no more than some hundreds are series`, { timeout: 120_000 }, async () => {
    await h.rows(`set session_replication_role = replica; insert into clusters (id, name, base_domain, platform, version, profile, profile_hash, owner, profile_snapshot,
        team, region, status, requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, usd_per_hour)
      select 'clu_many' || n, 'm-' || n, base_domain, platform, version, 'profile-' || n, profile_hash, 'owner-' || n, profile_snapshot,
        'team-' || n, region, 'READY', requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, n
      from (select * from clusters limit 1) c, generate_series(1, ${NAMES}) n; set session_replication_role = origin`)
    for (let n = 0; n < NAMES; n++) {
      h.app.metrics.add('ocpctl_jobs_total', { type: 'CREATE', outcome: 'FAILED', reason: `Reason${n}` })
      h.app.metrics.observe('ocpctl_job_stage_seconds', { platform: 'aws', stage: `stage-${n}` }, 1)
    }
    for (let n = 0; n < NAMES; n += 100)
      await Promise.all(
        Array.from({ length: 100 }, async (_, index) => h.call(index % 2 ? 'GET' : 'POST', `/api/v1/${n + index}/x`)),
      )
    const text = await gauges()
    const count = (name: string) => seriesOf(text).filter((line) => line.startsWith(`${name}{`)).length
    expect(count('ocpctl_cluster_usd_per_hour')).toBe(201)
    const named = Array.from({ length: 200 }, (_, index) => NAMES - index).reduce((sum, n) => sum + n, 0)
    expect(valueOf(text, 'ocpctl_cluster_usd_per_hour{platform="aws",team="other"}')).toBeGreaterThanOrEqual((NAMES * (NAMES + 1)) / 2 - named) // prettier-ignore
    expect(valueOf(text, `ocpctl_cluster_usd_per_hour{platform="aws",team="team-${NAMES}"}`)).toBe(NAMES)
    expect(count('ocpctl_jobs_total')).toBeLessThan(260)
    expect(valueOf(text, 'ocpctl_jobs_total{type="CREATE",outcome="FAILED",reason="other"}')).toBeGreaterThan(NAMES - 260) // prettier-ignore
    expect(count('ocpctl_job_stage_seconds_count')).toBeLessThan(280)
    expect(count('http_server_request_duration_seconds_count')).toBeLessThan(50)
    expect(text).not.toMatch(/profile-\d|owner-\d/)
    expect(seriesOf(text).length).toBeLessThan(6000)

    // Of what lives alone: the statements go by the indexes that leave out what is over.
    await h.rows(
      `set session_replication_role = replica; update clusters set status = 'DESTROYED', destroyed_at = now() where id ~ '^clu_many\\d*[1-9]$' or id ~ '^clu_many\\d*[1-9]0$'; set session_replication_role = origin`,
    )
    await h.rows(`insert into jobs (id, cluster_id, type, status, max_attempts, requested_by, ended_at)
      select 'job_many' || n, 'clu_many' || n, 'CREATE', 'SUCCEEDED', 1, 'x', now() from generate_series(1, ${NAMES}) n`)
    await h.rows('vacuum analyze clusters, jobs, findings, leak_records')
    const isOpen = (line: string) => /Seq Scan on (clusters|jobs)\b/.test(line)
    for (const statement of statements) {
      const plan = await h.rows<{ 'QUERY PLAN': string }>(`explain ${statement}`)
      expect(plan.map((line) => line['QUERY PLAN']).filter(isOpen)).toEqual([])
    }
  })
})

it('is reckoned by one process, and a scrape asks the database nothing', { timeout: 120_000 }, async () => {
  await h.rows(`update gauges set claimed_at = now() - interval '1 hour', reckoned_at = now() - interval '1 hour'`)
  const asked: string[] = []
  const spy = (app: Harness['app']) => {
    const send = app.db.$client.query.bind(app.db.$client) // its own, called as it is
    app.db.$client.query = ((...args: unknown[]) => {
      const [of] = args as [{ name?: string; text?: string } | string]
      asked.push(typeof of === 'string' ? of : (of.name ?? of.text ?? ''))
      return Reflect.apply(send, undefined, args)
    }) as Pool['query']
  }
  const others = await Promise.all(Array.from({ length: 3 }, () => openTestApp(h.app.config, h.url)))
  for (const { app } of others) spy(app)
  const stops = others.map(({ app }) => startGauges(app))
  try {
    const texts = await Promise.all(
      others.map(({ app }) => eventually(() => /^ocpctl_gauges_timestamp_seconds .*$/m.exec(app.metrics.render('text'))?.[0])), // prettier-ignore
    )
    expect(new Set(texts).size).toBe(1)
    expect(asked.filter((name) => name === 'keep gauges')).toHaveLength(1)
    expect(asked.filter((name) => name === 'turn of gauges')).toHaveLength(3)
    asked.length = 0
    const server = createServer(createMetricsHttp(others[0]?.app.metrics ?? openMetrics())).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
    for (let n = 0; n < 20; n++) expect(await (await fetch(`${at}/metrics`)).text()).toContain('ocpctl_clusters{')
    expect((await fetch(`${at}/healthz`)).status).toBe(200)
    expect((await fetch(`${at}/api/v1/clusters`)).status).toBe(404)
    expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(405)
    expect(asked).toEqual([])
    server.closeAllConnections()
    server.close()
  } finally {
    for (const stop of stops) stop()
    for (const { close } of others) await close()
  }
})

it('is served by a worker, and promtool finds nothing to say against it', { timeout: 120_000 }, async () => {
  const worker = h.startProcess('work', { OCPCTL_METRICS_PORT: '0', OCPCTL_LOG_LEVEL: 'info' })
  let said = ''
  hear(worker, (text) => (said += text))
  const url = await eventually(() => /"url":"([^"]+)","msg":"metrics are served"/.exec(said)?.[1])
  const text = await eventually(async () => {
    const scraped = await (await fetch(url)).text()
    return scraped.includes('ocpctl_gauges_timestamp_seconds ') && scraped
  })
  expect(valueOf(text, 'ocpctl_db_connections_max{pool="leases"}')).toBe(2)
  expect(valueOf(text, 'process_resident_memory_bytes')).toBeGreaterThan(1e7)
  expect(text).toContain('ocpctl_build_info{version="')
  worker.kill('SIGTERM')
  expect(await exitOf(worker)).toBe(0)

  // With a series of each metric.
  const metrics = openMetrics()
  for (const [name, { type, labels }] of Object.entries(metricList)) {
    const given = Object.fromEntries(labels.map((label) => [label, 'x'])) as never // any labels will do
    if (type === 'histogram') metrics.observe(name as never, given, 3)
    else metrics.collect(() => ({ [name]: [{ labels: given, value: 1 }] }))
  }
  const { status, stdout, stderr } = spawnSync(findPromtool(), ['check', 'metrics'], {
    input: metrics.render('text'),
    encoding: 'utf8',
  })
  expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' })
})
