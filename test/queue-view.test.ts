// What an operator sees of queue, workers and dead letters, and what anybody sees of a cluster's past.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { claimJob } from '../src/jobs/claim.ts'
import { newId, uuidOf } from '../src/ids.ts'
import { nameOfWorker, WAITS_FOR_WORKER } from '../src/workers/workers.ts'
import { schedules } from '../src/schedules.ts'
import { openHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())

const get = async (path: string) => (await h.call('GET', `/api/v1${path}`)).body
/** As the queue hands it to a worker of this process. */
const claim = async (jobId: string) => {
  await h.rows(`update pgboss.job set state = 'active', started_on = now() where id = '${uuidOf(jobId)}'`)
  const delivery = { jobId, queueId: uuidOf(jobId), retryCount: 0, retryLimit: 20 }
  const claimed = await claimJob(h.app, delivery, nameOfWorker)
  if (!claimed) throw new Error('not claimed')
  return claimed
}

it('says what waits, for how long and for what, and what each worker does', async () => {
  const running = await h.requestCluster('runs')
  const { lock } = await claim(running.job.id)
  const { job: destroy } = await h.destroy(running.cluster.id)
  await h.requestCluster('free')
  const held = await h.requestCluster('no-store')
  await h.rows(`update clusters set status_reason = 'it waits to begin: no store' where id = '${held.cluster.id}'`)
  const unfit = await h.requestCluster('unfit')
  await h.rows(
    `update clusters set status_reason = '${WAITS_FOR_WORKER} like no other' where id = '${unfit.cluster.id}'`,
  )
  const later = await h.requestCluster('later')
  await h.rows(`update jobs set status = 'RETRYING', retry_at = now() + interval '1 hour' where id = '${later.job.id}'`)
  const limited = await h.requestCluster('limited')
  await h.rows(`update jobs set status = 'RETRYING', retry_at = now() + interval '1 hour', reason = 'AWSEC2QuotaExceeded', message = 'no more VPCs' where id = '${limited.job.id}'`) // prettier-ignore

  const queue = await get('/queue')
  const shown = queue.queues.map(({ name }: { name: string }) => name)
  const made = await h.rows<{ name: string }>(`select name from pgboss.queue where not starts_with(name, '__')`)
  expect(shown.toSorted()).toEqual(made.map(({ name }) => name).filter((name) => !Object.hasOwn(schedules, name)).toSorted()) // prettier-ignore
  expect(queue.isWhole).toBe(true)
  const count = (type: string, status: string) =>
    queue.jobs.find((each: { type: string; status: string }) => each.type === type && each.status === status)?.count
  expect([count('CREATE', 'RUNNING'), count('CREATE', 'PENDING'), count('DESTROY', 'PENDING')]).toEqual([1, 3, 1])
  expect(queue.clusters[0]).toMatchObject({ clusterId: running.cluster.id, clusterName: 'runs', count: 2 })
  const blocked = Object.fromEntries(queue.blocked.map((each: { by: string }) => [each.by, each]))
  expect(Object.keys(blocked).toSorted()).toEqual(['lock', 'quota', 'retry', 'store', 'worker'])
  expect(blocked['lock']).toMatchObject({ count: 1, jobs: [{ jobId: destroy.id, byJobId: running.job.id, worker: nameOfWorker }] }) // prettier-ignore
  expect(blocked['store'].jobs).toMatchObject([{ jobId: held.job.id, detail: 'it waits to begin: no store' }])
  expect(blocked['worker'].jobs).toMatchObject([{ jobId: unfit.job.id }])
  expect(blocked['retry'].jobs).toMatchObject([{ jobId: later.job.id, retryAt: expect.any(String) }])
  expect(blocked['quota'].jobs).toMatchObject([{ jobId: limited.job.id, detail: 'no more VPCs' }])
  expect(queue).toMatchObject({ failing: [], deadLetters: [] })
  await h.rows(`delete from job_locks where attempt_id = '${lock.attemptId}'`)
  const turn = (await get('/queue')).blocked.find(({ by }: { by: string }) => by === 'turn')
  expect(turn.jobs).toMatchObject([{ jobId: destroy.id, byJobId: running.job.id, worker: null }])
})

it('names the workers, with what they run and when it will be done', async () => {
  await h.rows(`update jobs set status = 'SUCCEEDED', ended_at = now() where ended_at is null`)
  await h.rows(`delete from pgboss.job`)
  const { cluster, job } = await h.requestCluster('seen')
  const worker = await h.startWorker()
  await h.reach(cluster.id, 'READY')
  await worker.drain(0)
  const [alive] = (await get('/workers')).items
  expect(alive).toMatchObject({ isAlive: true, slots: 4, busy: 0, jobs: [], version: '0.1.0', pid: process.pid })
  expect(Date.parse(alive.databaseStartedAt)).toBeLessThan(Date.parse(alive.startedAt))
  const next = await h.requestCluster('next')
  await claim(next.job.id)
  await h.rows(`update jobs set started_at = ended_at - interval '30 minutes' where id = '${job.id}'`)
  const [busy] = (await get('/workers')).items
  expect(busy).toMatchObject({ busy: 1, jobs: [{ jobId: next.job.id, clusterName: 'next', attempt: 1, stage: 'claimed', expectedEndAt: expect.any(String) }] }) // prettier-ignore
  await h.rows(`update workers set seen_at = now() - interval '2 minutes'`)
  expect((await get('/workers')).items[0].isAlive).toBe(false)
})

describe('a dead letter', () => {
  const retry = (body: object, { dry = false, key = newId('evt') } = {}) =>
    h.call('POST', `/api/v1/queue/dead-letters/retry${dry ? '?dryRun=true' : ''}`, { body, ...(dry ? {} : { key }) })
  /** As pg-boss leaves it when the last delivery of a job has ended without a settle. */
  const kill = async (name: string) => {
    const made = await h.requestCluster(name)
    await h.rows(`update pgboss.job set state = 'failed', completed_on = now() where id = '${uuidOf(made.job.id)}'`)
    await h.rows(
      `insert into pgboss.job (name, data, retry_limit) select 'cluster-jobs-dead', data, 1000 from pgboss.job where id = '${uuidOf(made.job.id)}'`,
    )
    return made
  }
  /** As a worker ends it. */
  const end = async (jobId: string) => {
    await h.rows(`update jobs set status = 'FAILED', reason = 'WORKER_LOST', ended_at = now() where id = '${jobId}'`)
    await h.rows(`update clusters set status = 'FAILED' where id = (select cluster_id from jobs where id = '${jobId}')`)
    await h.rows(`delete from pgboss.job where id = '${uuidOf(jobId)}'`)
    await h.rows(
      `update pgboss.job set state = 'completed', completed_on = now() where name = 'cluster-jobs-dead' and data ->> 'jobId' = '${jobId}'`,
    )
  }

  it('is done again as a new job when it was ended, and goes on when it was not, once for each key', async () => {
    const ended = await kill('ended')
    await end(ended.job.id)
    const open = await kill('open')
    const done = await kill('done')
    await end(done.job.id)
    await h.destroy(done.cluster.id)
    const listed = (await get('/queue')).deadLetters
    // A destroy came after the third.
    expect(listed.map(({ jobId }: { jobId: string }) => jobId)).toEqual([open.job.id, ended.job.id])

    const wanted = [
      { jobId: open.job.id, result: 'retried', newJobId: null },
      { jobId: ended.job.id, result: 'retried' },
    ]
    const before = await h.rows('select id, status, message from jobs order by id')
    expect(await retry({}, { dry: true })).toMatchObject({ status: 200, body: { items: wanted, left: 0 } })
    expect(await h.rows('select id, status, message from jobs order by id')).toEqual(before)

    const key = newId('evt')
    const first = await retry({}, { key })
    expect(first).toMatchObject({ status: 202, body: { items: wanted, left: 0 } })
    expect((await retry({}, { key })).body).toEqual(first.body)
    expect((await get('/queue')).deadLetters).toEqual([])
    const { newJobId } = first.body.items[1]
    expect(await get(`/jobs/${newJobId}`)).toMatchObject({
      type: 'CREATE',
      status: 'PENDING',
      clusterId: ended.cluster.id,
    })
    const [entry] = await h.rows(
      `select state, retry_limit - retry_count as left from pgboss.job where id = '${uuidOf(open.job.id)}'`,
    )
    expect(entry).toEqual({ state: 'retry', left: 21 })
    const actions = await h.rows(
      `select action from audit_events where job_id in ('${open.job.id}', '${newJobId}') or action like 'queue.%' order by id`,
    )
    expect(actions).toEqual(expect.arrayContaining([{ action: 'job.revive' }, { action: 'queue.retry-dead-letters' }]))
  })

  it('that is none is told, and nothing is done', async () => {
    const real = await kill('real')
    await end(real.job.id)
    const answer = await retry({ jobIds: [real.job.id, newId('job')] })
    expect(answer).toMatchObject({ status: 404, body: { errors: [{ pointer: '/jobIds/1' }] } })
    expect((await get('/queue')).deadLetters).toMatchObject([{ jobId: real.job.id }])
    await retry({})
  })

  it('says why where it cannot, and leaves the others alone', async () => {
    const one = await kill('one')
    await end(one.job.id)
    const other = await kill('other')
    await end(other.job.id)
    // As something that no table of states foresees.
    await h.rows(`update clusters set status = 'READY' where id = '${one.cluster.id}'`)
    expect((await retry({ jobIds: [one.job.id] })).body).toMatchObject({ items: [{ result: 'refused', detail: expect.stringMatching(/the cluster is READY/) }], left: 0 }) // prettier-ignore
    expect((await get('/queue')).deadLetters).toHaveLength(2)
    await h.rows(
      `update pgboss.job set state = 'active', completed_on = null where name = 'cluster-jobs-dead' and data ->> 'jobId' = '${other.job.id}'`,
    )
    await h.rows(`update jobs set status = 'PENDING', ended_at = null where id = '${other.job.id}'`)
    expect((await retry({ jobIds: [other.job.id] })).body.items).toMatchObject([{ result: 'refused', detail: expect.stringMatching(/just now/) }]) // prettier-ignore
  })
})

it("a cluster's past is one list, in order, which pages neither skip nor repeat", async () => {
  await h.rows(`delete from pgboss.job`)
  await h.rows(`update jobs set status = 'SUCCEEDED', ended_at = now() where ended_at is null`)
  const { cluster } = await h.requestCluster('past')
  const worker = await h.startWorker()
  await h.reach(cluster.id, 'READY')
  await h.call('POST', `/clusters/${cluster.id}/extend`, { body: { hours: 5 }, key: newId('evt') })
  await h.rows(
    `insert into cluster_warnings (cluster_id, end_revision, mark) values ('${cluster.id}', 1, '24h'), ('${cluster.id}', 1, '2h')`,
  )
  await h.destroy(cluster.id)
  await h.reach(cluster.id, 'DESTROYED')
  await worker.drain(0)
  const all = (await get(`/clusters/${cluster.id}/timeline?limit=200`)).items as { id: string; at: string; kind: string; says: string; by: string | null }[] // prettier-ignore
  const states = all.flatMap(({ kind, says }) => (kind === 'state' ? [says] : []))
  expect(states.toReversed()).toEqual(['PENDING → CREATING', 'CREATING → READY', 'READY → DESTROYING', 'DESTROYING → DESTROYED']) // prettier-ignore
  expect(all.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['job', 'attempt', 'warning', 'action']))
  expect(all.find(({ says }) => says.startsWith('asked for, until'))?.by).toMatch(/^token:/)
  expect(all.filter(({ says }) => /^(CREATE|DESTROY), attempt 1: SUCCEEDED after/.test(says))).toHaveLength(2)
  expect(all.filter(({ kind }) => kind === 'warning')).toHaveLength(2)
  expect(all.map(({ id }) => id)).toEqual([...new Set(all.map(({ id }) => id))].toSorted().toReversed())

  const paged: string[] = []
  for (let cursor = ''; ;) {
    const page = await get(`/clusters/${cluster.id}/timeline?limit=3${cursor}`)
    paged.push(...page.items.map(({ id }: { id: string }) => id))
    if (page.nextCursor === null) break
    cursor = `&cursor=${page.nextCursor}`
  }
  expect(paged).toEqual(all.map(({ id }) => id))
  const wrong = await h.call('GET', `/clusters/${cluster.id}/timeline?cursor=tml_zzzzzzzzzzzzzzzzzzzzzzzzzz`)
  expect(wrong).toMatchObject({ status: 400, body: { errors: [{ pointer: '/cursor' }] } })
})
