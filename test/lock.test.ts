// The lock of a cluster: one taker, a fence on every write, no live lock broken.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordStage } from '../src/jobs/attempts.ts'
import { claimJob, openWait } from '../src/jobs/claim.ts'
import { settleDeadJob, settleJob } from '../src/jobs/settle.ts'
import { fenced, leaseMs, LockLost, renewLock } from '../src/jobs/lock.ts'
import { startLockWatch } from '../src/jobs/lock-watch.ts'
import type { Delivery } from '../src/queue/queue.ts'
import { uuidOf } from '../src/ids.ts'
import { openDatabase } from '../src/db/client.ts'
import { startWorker } from '../src/worker/worker.ts'
import { openProxy } from './chaos/proxy.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())

/** A job as the queue hands it out, without a worker that runs it. */
async function deliver(name: string): Promise<Delivery> {
  const { job } = await h.requestCluster(name)
  await h.rows(
    `update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now() where id = '${uuidOf(job.id)}'`,
  )
  return { jobId: job.id, queueId: uuidOf(job.id), retryCount: 0, retryLimit: 20 }
}
const redeliver = async (delivery: Delivery): Promise<Delivery> => {
  await h.rows(
    `update pgboss.job set state = 'active', retry_count = ${delivery.retryCount + 1} where id = '${delivery.queueId}'`,
  )
  return { ...delivery, retryCount: delivery.retryCount + 1 }
}

it('goes to one of twenty that claim at once', async () => {
  const delivery = await deliver('contended')
  const claims = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => claimJob(h.app, delivery, `w${index}`)),
  )
  expect(claims.filter((claim) => claim.status === 'fulfilled' && claim.value !== undefined)).toHaveLength(1)
  expect(await h.rows(`select count(*)::int as n from job_attempts where job_id = '${delivery.jobId}'`)).toEqual([
    { n: 1 },
  ])
})

it('is not broken while it lives: the second delivery goes back to the queue', async () => {
  const delivery = await deliver('alive')
  expect(await claimJob(h.app, delivery, 'first')).toBeDefined()
  expect(await claimJob(h.app, await redeliver(delivery), 'second')).toBeUndefined()
  expect(
    await h.rows(`select state, start_after > now() as later from pgboss.job where id = '${delivery.queueId}'`),
  ).toEqual([{ state: 'retry', later: true }])
})

it('unrenewed for a lease goes to the next, and every write of the first is refused', async () => {
  const delivery = await deliver('taken')
  const first = await claimJob(h.app, delivery, 'first')
  if (!first) throw new Error('not claimed')
  await h.freeLocks()
  const second = await claimJob(h.app, await redeliver(delivery), 'second')
  if (!second) throw new Error('not claimed')
  expect(second.lock.fence).toBeGreaterThan(first.lock.fence)
  await expect(renewLock(h.app.db, h.app.queue, first.lock, first.delivery, 30)).rejects.toThrow(LockLost)
  await expect(
    recordStage(h.app.db, first.lock, {
      team: 'default',
      stage: 'bootstrap',
      progressPercent: 50,
      run: { attempt: 1, startedAt: new Date().toISOString(), stages: { bootstrap: 1 } },
    }),
  ).rejects.toThrow(LockLost)
  await expect(fenced(h.app.db, first.lock, async () => undefined)).rejects.toThrow(LockLost)
  await expect(settleJob(h.app, first, { kind: 'succeeded' })).rejects.toThrow(LockLost)
  const attempts = await h.rows(
    `select number, outcome, reason from job_attempts where job_id = '${delivery.jobId}' order by number`,
  )
  expect(attempts).toEqual([
    { number: 1, outcome: 'LOST', reason: 'WORKER_LOST' },
    { number: 2, outcome: null, reason: null },
  ])
  await settleJob(h.app, second, { kind: 'succeeded', changes: { readyAt: new Date() } })
  expect(await h.rows(`select status from clusters where name = 'taken'`)).toEqual([{ status: 'READY' }])
})

it('a delivery that reaches a worker which is leaving goes back, and costs no attempt', async () => {
  const delivery = await deliver('late')
  const taken = Promise.withResolvers<(delivery: Delivery) => Promise<void>>()
  const queue = { ...h.app.queue, work: async (_: object, handle: (delivery: Delivery) => Promise<void>) => taken.resolve(handle) } // prettier-ignore
  const worker = await startWorker({ ...h.app, queue })
  await worker.drain(0)
  await (
    await taken.promise
  )(delivery)
  expect(await h.rows(`select state, start_after <= now() as due, retry_limit as "retryLimit" from pgboss.job where id = '${delivery.queueId}'`)).toEqual([{ state: 'retry', due: true, retryLimit: delivery.retryLimit + 1 }]) // prettier-ignore
  expect((await h.call('GET', `/jobs/${delivery.jobId}`)).body).toMatchObject({ status: 'PENDING', attempts: [] })
})

describe('a lock watch', () => {
  const LEASE_MS = 30_000
  const watchWith = (clock: { ms: number }) => {
    const watch = startLockWatch(h.app, () => clock.ms)
    watch.stop() // only the test says when it looks
    return watch
  }
  /** Looks as often as it does by itself. */
  const lookFor = async (watch: { look: () => Promise<void> }, clock: { ms: number }, ms: number) => {
    for (const until = clock.ms + ms; clock.ms < until; clock.ms += LEASE_MS / 6) await watch.look()
  }
  const holders = () => h.rows<{ job: string }>('select job_id as job from job_locks')
  const entryOf = async (delivery: Delivery) =>
    (await h.rows(`select state, start_after <= now() as due from pgboss.job where id = '${delivery.queueId}'`))[0]

  it('believes no clock of the database, and frees a lock that it has seen unrenewed for a lease', async () => {
    await h.rows('delete from job_locks')
    const delivery = await deliver('watched')
    const claim = await claimJob(h.app, delivery, 'watched')
    if (!claim) throw new Error('not claimed')
    const clock = { ms: 1_000_000 }
    const watch = watchWith(clock)
    await h.rows(`update job_locks set expires_at = now() - interval '1 hour'`)
    await lookFor(watch, clock, LEASE_MS)
    expect(await holders()).toEqual([{ job: delivery.jobId }])
    await renewLock(h.app.db, h.app.queue, claim.lock, delivery, 30)
    await lookFor(watch, clock, LEASE_MS)
    expect(await holders()).toEqual([{ job: delivery.jobId }])
    await h.rows(`update job_locks set expires_at = now() + interval '1 hour'`)
    await lookFor(watch, clock, LEASE_MS)
    expect(await holders()).toEqual([{ job: delivery.jobId }])
    await watch.look()
    expect(await holders()).toEqual([])
    expect(await entryOf(delivery)).toEqual({ state: 'retry', due: true })
    expect((await h.call('GET', `/jobs/${delivery.jobId}`)).body.attempts).toMatchObject([{ outcome: 'LOST' }])
  })

  it('waits for most of a lease again after it was frozen itself', async () => {
    await h.rows('delete from job_locks')
    const delivery = await deliver('rebooted')
    await claimJob(h.app, delivery, 'forgotten')
    const clock = { ms: 1_000_000 }
    const watch = watchWith(clock)
    await lookFor(watch, clock, LEASE_MS - 1)
    clock.ms += LEASE_MS
    await watch.look()
    expect(await holders()).toEqual([{ job: delivery.jobId }])
    await lookFor(watch, clock, (LEASE_MS * 2) / 3)
    expect(await holders()).toEqual([{ job: delivery.jobId }])
    await lookFor(watch, clock, LEASE_MS / 3)
    expect(await holders()).toEqual([])
  })

  it('hands out again what a worker took from the queue and never began', async () => {
    const delivery = await deliver('unbegun')
    const clock = { ms: 1_000_000 }
    const watch = watchWith(clock)
    await lookFor(watch, clock, LEASE_MS)
    expect(await entryOf(delivery)).toMatchObject({ state: 'active' })
    await lookFor(watch, clock, 1)
    expect(await entryOf(delivery)).toEqual({ state: 'retry', due: true })
  })
})

it('a settle whose queue delivery is void changes nothing', async () => {
  const delivery = await deliver('void')
  const claim = await claimJob(h.app, delivery, 'only')
  if (!claim) throw new Error('not claimed')
  await redeliver(delivery)
  await expect(settleJob(h.app, claim, { kind: 'succeeded' })).rejects.toThrow(LockLost)
  expect(await h.rows(`select status from clusters where name = 'void'`)).toEqual([{ status: 'CREATING' }])
  expect(await h.rows(`select count(*)::int as n from job_locks where job_id = '${delivery.jobId}'`)).toEqual([
    { n: 1 },
  ])
})

it('a job whose workers died too often ends FAILED, frees its cluster, and can be destroyed', async () => {
  const delivery = await deliver('deadly')
  const claim = await claimJob(h.app, delivery, 'dead')
  await expect(settleDeadJob(h.app, delivery.jobId)).rejects.toThrow('still locked')
  await h.freeLocks()
  await settleDeadJob(h.app, delivery.jobId)
  await settleDeadJob(h.app, delivery.jobId)
  expect((await h.call('GET', `/jobs/${delivery.jobId}`)).body).toMatchObject({
    status: 'FAILED',
    reason: 'WORKER_LOST',
    attempts: [{ outcome: 'LOST' }],
  })
  expect((await h.call('GET', `/clusters/${claim?.cluster.id}`)).body).toMatchObject({
    status: 'FAILED',
    actions: ['destroy', 'extend', 'protect'],
  })
})

it('a cancel that arrives between fetch and claim ends the job before it begins', async () => {
  const delivery = await deliver('early')
  const [cluster] = await h.rows<{ id: string }>(`select id from clusters where name = 'early'`)
  await h.destroy(cluster?.id ?? '')
  expect(await claimJob(h.app, delivery, 'late')).toBeUndefined()
  expect((await h.call('GET', `/jobs/${delivery.jobId}`)).body).toMatchObject({ status: 'CANCELLED', attempts: [] })
  expect((await h.call('GET', `/clusters/${cluster?.id}`)).body.status).toBe('DESTROYING')
})

it('a destroy closes the attempt of a job whose worker died and which nobody has taken again', async () => {
  const delivery = await deliver('abandoned')
  const claim = await claimJob(h.app, delivery, 'dead')
  await h.rows(`update pgboss.job set state = 'retry' where id = '${delivery.queueId}'`)
  await h.freeLocks()
  await h.destroy(claim?.cluster.id ?? '')
  expect((await h.call('GET', `/jobs/${delivery.jobId}`)).body).toMatchObject({
    status: 'CANCELLED',
    attempts: [{ outcome: 'LOST', endedAt: expect.any(String) }],
  })
})

it('a destroy leaves a lock alone that still lives; whoever sees it unrenewed for a lease closes the attempt', async () => {
  const delivery = await deliver('frozen')
  const claim = await claimJob(h.app, delivery, 'frozen')
  await h.rows(`update pgboss.job set state = 'retry' where id = '${delivery.queueId}'`)
  const { job } = await h.destroy(claim?.cluster.id ?? '')
  const attemptOf = async (id: string) => (await h.call('GET', `/jobs/${id}`)).body.attempts[0]
  expect(await attemptOf(delivery.jobId)).toMatchObject({ outcome: null })
  await h.freeLocks()
  expect(await attemptOf(delivery.jobId)).toMatchObject({ outcome: 'LOST' })
  await h.rows(`update pgboss.job set state = 'active', started_on = now() where id = '${uuidOf(job.id)}'`)
  expect(
    await claimJob(h.app, { jobId: job.id, queueId: uuidOf(job.id), retryCount: 0, retryLimit: 20 }, 'next'),
  ).toBeDefined()
})

it('a connection whose BEGIN fails, or that dies within, is not kept: the pool never runs dry', async () => {
  const proxy = await openProxy(Number(new URL(h.url).port))
  const through = new URL(h.url)
  through.hostname = '127.0.0.1'
  through.port = String(proxy.port)
  const pool = { min: 0, max: 2, lifetimeSeconds: 3600, idleSeconds: 60, probeSeconds: 60 }
  const database = openDatabase(through.href, { ...pool, log: h.app.log, name: 'dry' })
  for (let round = 0; round < 4; round++) {
    expect((await database.db.execute('select 1 as one')).rows).toEqual([{ one: 1 }])
    proxy.blackHole()
    const lost = database.db.transaction((tx) => tx.execute('select 1'))
    proxy.cut()
    await expect(lost).rejects.toThrow()
    proxy.heal()
  }
  await database.close()
  await proxy.close()
})

it('audit rows cannot be changed, removed or truncated, by the owner of the table either', async () => {
  for (const statement of [`update audit_events set actor = 'me'`, 'delete from audit_events', 'truncate audit_events'])
    await expect(h.app.db.execute(statement), statement).rejects.toMatchObject({
      cause: { message: expect.stringContaining('append-only') },
    })
})

it('the database itself refuses a second lock, a second open attempt and a state that does not exist', async () => {
  const delivery = await deliver('strict')
  const claim = await claimJob(h.app, delivery, 'w')
  if (!claim) throw new Error('not claimed')
  const { clusterId, attemptId } = claim.lock
  for (const statement of [
    `insert into job_locks (cluster_id, job_id, attempt_id, fence, worker, expires_at) select cluster_id, job_id, attempt_id, 1, 'x', now() from job_locks where cluster_id = '${clusterId}'`,
    `insert into job_attempts (id, job_id, number, fence, worker) values ('att_x', '${delivery.jobId}', 9, 1, 'x')`,
    `update clusters set status = 'SLEEPING' where id = '${clusterId}'`,
    `update clusters set status = 'DESTROYED' where id = '${clusterId}'`,
    `update jobs set status = 'SUCCEEDED' where id = '${delivery.jobId}'`,
    `update job_attempts set outcome = 'FAILED' where id = '${attemptId}'`,
  ])
    await expect(h.app.db.execute(statement), statement).rejects.toThrow()
})

it('a connection that dies inside a transaction fails it, and nothing else', async () => {
  const died = h.app.db.transaction(async (tx) => {
    const { rows } = await tx.execute<{ pid: number }>('select pg_backend_pid() as pid')
    await h.rows(`select pg_terminate_backend(${rows[0]?.pid})`)
    await eventually(
      async () => (await h.rows(`select 1 from pg_stat_activity where pid = ${rows[0]?.pid}`)).length === 0,
    )
    await tx.execute('select 1')
  })
  await expect(died).rejects.toThrow()
  expect(await h.rows('select 1 as one')).toEqual([{ one: 1 }])
})

it('a server that may have lost locks gets no new one for a lease', async () => {
  const seconds = 30
  const wait = await openWait(h.app.db, seconds)
  const delivery = await deliver('restarted-server')
  const [{ server } = { server: '' }] = await h.rows<{ server: string }>(
    `select pg_postmaster_start_time()::text || ' ' || (select timeline_id from pg_control_checkpoint()) as server`,
  )
  // The server of the tests has just been started, or has not.
  expect(wait(server)).toBeLessThanOrEqual(leaseMs(seconds))
  const before = wait(server)
  expect(wait('another server')).toBeGreaterThan(leaseMs(seconds) - 1000)
  expect(wait('another server')).toBeGreaterThanOrEqual(before - 1000)
  expect(await claimJob(h.app, delivery, 'w', () => 5000)).toBeUndefined()
  expect(await h.rows(`select state, start_after > now() as waits, retry_limit as "retryLimit" from pgboss.job where id = '${delivery.queueId}'`)).toEqual([{ state: 'retry', waits: true, retryLimit: delivery.retryLimit + 1 }]) // prettier-ignore
  expect((await h.call('GET', `/jobs/${delivery.jobId}`)).body).toMatchObject({ status: 'PENDING', attempts: [] })
})
