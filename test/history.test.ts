// What people who wait are told: from the installations that this service has made, and from the queue.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MOST_PLACES, openHistory } from '../src/jobs/history.ts'
import { openHarness, type Harness } from './harness.ts'

let h: Harness
let ready = { cluster: { id: '' }, job: { id: '' } }
beforeAll(async () => {
  h = await openHarness()
  const worker = await h.startWorker()
  ready = await h.requestCluster('first')
  await h.reach(ready.cluster.id, 'READY')
  await worker.drain(0)
})
afterAll(() => h.close())

/** As many installations as there are minutes, each of which took so long; `changes` are of the cluster. */
const copy = async (minutes: number[], changes = '{}', stages = '{}') => {
  await h.rows(`
    with made as (
      select n, m, 'x' || floor(random() * 1e12)::bigint || '-' || n as tag
      from unnest(array[${minutes.join()}]::float8[]) with ordinality as u (m, n)
    ), copies as (
      insert into clusters select (jsonb_populate_record(c, '${changes}'::jsonb || jsonb_build_object(
        'id', 'clu_' || md5(tag), 'name', left(md5(tag), 20), 'ready_at', now() - make_interval(hours => n::int)))).*
      from clusters c, made where c.id = '${ready.cluster.id}' returning id
    )
    insert into jobs select (jsonb_populate_record(j, jsonb_build_object('id', 'job_' || md5(tag), 'cluster_id', 'clu_' || md5(tag),
      'params', jsonb_build_object('run', '{"attempt":1,"startedAt":"2026-01-01T00:00:00Z"}'::jsonb || jsonb_build_object('stages', '${stages}'::jsonb)),
      'started_at', now() - make_interval(hours => n::int) - make_interval(secs => m * 60)))).*
    from jobs j, made where j.id = '${ready.job.id}' and exists (select from copies)`)
}
const history = () => openHistory(h.app.db)
const kind = { platform: 'aws', profile: 'aws-minimal-test', region: 'us-east-1', version: '4.20.3' } as const

it('a job keeps when each of its stages began', async () => {
  const { body } = await h.call('GET', `/jobs/${ready.job.id}`)
  const began = body.outlook.stages.filter(({ beganAt }: { beganAt: string | null }) => beganAt !== null)
  const names = began.map(({ stage }: { stage: string }) => stage)
  expect(names).toEqual(expect.arrayContaining(['manifests', 'infrastructure', 'bootstrap', 'initialize', 'complete']))
  const times = began.map(({ beganAt }: { beganAt: string }) => beganAt)
  expect(times).toEqual(times.toSorted())
  expect(body.outlook).toMatchObject({
    expected: { basis: 'version', count: 1 },
    slowerThanPercent: null,
    retries: null,
  })
})

it('what is rare is judged by what is like it', async () => {
  const seen = (await h.rows<typeof kind>('select platform, profile, region, version from clusters limit 1'))[0] ?? kind
  await copy([10, 20, 30, 40], '{"region":"eu-west-1"}')
  // Too few of a kind, so those of the profile: the first one took no time.
  expect(await history().installsLike({ ...seen, region: 'eu-west-1' })).toMatchObject({
    basis: 'profile',
    minutes: { length: 5 },
  })
  expect(await history().installsLike({ ...seen, profile: 'aws-other' })).toMatchObject({
    basis: 'platform',
    minutes: { length: 5 },
  })
  expect(await history().installsLike({ ...seen, platform: 'gcp', profile: 'gcp-other' })).toBeUndefined()
  await copy(
    Array.from({ length: 11 }, (_, n) => 30 + n),
    '{"region":"eu-west-1"}',
    '{"manifests":1,"api":61,"complete":721}',
  )
  const like = await history().installsLike({ ...seen, region: 'eu-west-1' })
  expect(like).toMatchObject({ basis: 'version', minutes: { length: 15 } })
  expect(like?.stages.get('api')).toEqual(Array.from({ length: 11 }, () => 11))
})

it('a cluster that is made is told how it compares, when it will be done, and what usually follows', async () => {
  const { cluster, job } = await h.requestCluster('slow', { region: 'eu-west-1' })
  const began = (minutes: number) =>
    h.rows(`update jobs set status = 'RUNNING', started_at = now() - interval '${minutes} minutes',
      params = jsonb_build_object('run', jsonb_build_object('attempt', 1, 'startedAt', now() - interval '${minutes} minutes',
        'stages', '{"manifests":6,"api":60}'::jsonb)) where id = '${job.id}'`)
  const asked = async () => (await h.call('GET', `/clusters/${cluster.id}`)).body
  await began(5)
  const early = await asked()
  expect(early.outlook).toMatchObject({
    queuePlace: null,
    minutes: 5,
    slowerThanPercent: 0,
    expected: { basis: 'version', count: 15, p50Minutes: 34, p90Minutes: 39.6 },
  })
  expect(early.outlook.stages).toContainEqual({ stage: 'api', beganAt: expect.any(String), minutes: 4, p50Minutes: 11, p90Minutes: 11 }) // prettier-ignore
  const leftMinutes = (Date.parse(early.outlook.expectedEndAt) - Date.now()) / 60_000
  expect(leftMinutes).toBeGreaterThan(6)
  expect(leftMinutes).toBeLessThan(7.1)
  await began(39.5)
  expect((await asked()).outlook).toMatchObject({ slowerThanPercent: 87, expectedEndAt: null })
})

it('after a failure it is told how other tries went after the same reason', async () => {
  const ids = await h.rows<{ id: string }>('select id from jobs order by id limit 4')
  const tries = [['FAILED', 'SUCCEEDED'], ['FAILED', 'FAILED', 'SUCCEEDED'], ['LOST', 'FAILED'], ['FAILED']]
  let n = 0
  for (const [index, outcomes] of tries.entries())
    for (const [number, outcome] of outcomes.entries())
      await h.rows(`insert into job_attempts (id, job_id, number, fence, worker, outcome, reason, ended_at) values
        ('att_8${String(n++).padStart(25, '0')}', '${ids[index]?.id}', ${number + 50}, 1, 'w', '${outcome}', 'SomeReason', now())`)
  expect(await history().retriesAfter('CREATE', 'SomeReason')).toEqual({ retried: 4, succeeded: 2 })
  expect(await history().retriesAfter('DESTROY', 'SomeReason')).toBeUndefined()
  const { cluster, job } = await h.requestCluster('fails')
  await h.rows(`update jobs set status = 'FAILED', ended_at = now(), reason = 'SomeReason' where id = '${job.id}'`)
  const { body } = await h.call('GET', `/clusters/${cluster.id}`)
  expect(body.outlook.retries).toEqual({ reason: 'SomeReason', retried: 4, succeeded: 2 })
})

it('a job that waits has a place, and one that waits for its own cluster has none', async () => {
  await h.rows(`update jobs set status = 'SUCCEEDED', ended_at = now() where ended_at is null`)
  const first = await h.requestCluster('w1')
  const second = await h.requestCluster('w2')
  const places = history()
  expect(await places.placeOf(first.job.id)).toBe(1)
  expect(await places.placeOf(second.job.id)).toBe(2)
  expect(await places.nextPlace()).toBe(3)
  await h.rows(`insert into job_locks select cluster_id, j.id, a.id, 1, 'w', now(), now() from jobs j, job_attempts a
    where j.id = '${first.job.id}' and a.job_id = '${ready.job.id}' limit 1`)
  expect(await history().placeOf(first.job.id)).toBeUndefined()
  await h.rows(`delete from job_locks`)
  await h.rows(`insert into jobs select (jsonb_populate_record(j, jsonb_build_object('id', 'job_0' || lpad(n::text, 25, '0')))).*
    from jobs j, generate_series(1, ${MOST_PLACES}) n where j.id = '${first.job.id}'`)
  expect(await history().placeOf(second.job.id)).toBe(MOST_PLACES + 1)
})
