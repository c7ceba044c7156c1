// What operators do to one worker, one lock, one finding: with a preview, once for each key, audited.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newId, uuidOf } from '../src/ids.ts'
import { claimJob } from '../src/jobs/claim.ts'
import { findStaleLock } from '../src/jobs/lock-release.ts'
import { renewLock } from '../src/jobs/lock.ts'
import { fileFinding } from '../src/reconcile/findings.ts'
import { openPass } from '../src/reconcile/pass.ts'
import { reconcile } from '../src/reconcile/reconcile.ts'
import { nameOfWorker } from '../src/workers/workers.ts'
import { eventually, exitOf, openHarness, type Harness } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await openHarness({ speed: 1000, leaseSeconds: 10 })
})
afterEach(() => h.close())

const ADMIN = { kind: 'system', name: 'setup' } as const
const post = (
  path: string,
  { dry = false, key = newId('evt'), body }: { dry?: boolean; key?: string; body?: object } = {},
) =>
  h.call('POST', `/api/v1${path}${dry ? '?dryRun=true' : ''}`, { ...(dry ? {} : { key }), ...(body ? { body } : {}) })
const audited = (action: string) =>
  h.rows<{ detail: unknown }>(`select detail from audit_events where action = '${action}'`)
const workers = async () =>
  (await h.call('GET', '/api/v1/workers')).body.items as {
    id: string
    pid: number
    busy: number
    isAlive: boolean
    drain: { isDone: boolean } | null
  }[]
const workerOf = (pid: number | undefined) => eventually(async () => (await workers()).find((each) => each.pid === pid))
const stageOf = async (jobId: string) => (await h.call('GET', `/jobs/${jobId}`)).body.attempts.at(-1)?.stage

describe('a drained worker', () => {
  it('takes no new jobs, finishes what it runs, says so, and takes jobs again', { timeout: 120_000 }, async () => {
    h.setFaults([{ cluster: 'running', stage: 'bootstrap', attempt: 1, action: 'hang' }])
    const child = h.startProcess('work')
    const running = await h.requestCluster('running')
    await eventually(async () => (await stageOf(running.job.id)) === 'bootstrap')
    const { id } = await workerOf(child.pid)
    expect(await post(`/workers/${id}/drain`, { dry: true })).toMatchObject({ status: 200, body: { drain: { by: expect.any(String) }, jobIds: [running.job.id], others: 0 } }) // prettier-ignore
    expect((await workerOf(child.pid)).drain).toBeNull()

    const both = await Promise.all([post(`/workers/${id}/drain`, { key: 'k' }), post(`/workers/${id}/drain`, { key: 'k' })]) // prettier-ignore
    expect(both[0]?.body).toEqual(both[1]?.body)
    expect(await audited('worker.drain')).toHaveLength(1)
    expect(await workerOf(child.pid)).toMatchObject({ busy: 1, drain: { isDone: false } })
    // Another worker gets what comes now; there is none yet.
    const next = await h.requestCluster('next')
    await h.startWorker()
    await h.reach(next.cluster.id, 'READY')
    const [attempt] = await h.rows<{ worker: string }>(
      `select worker from job_attempts where job_id = '${next.job.id}'`,
    )
    expect(attempt?.worker).toBe(nameOfWorker)
    // It still runs its job, and ends it when it is told to.
    await post(`/jobs/${running.job.id}/cancel`)
    await h.reach(running.cluster.id, 'FAILED')
    expect(await workerOf(child.pid)).toMatchObject({ busy: 0, isAlive: true, drain: { isDone: true } })
    expect(child.exitCode).toBeNull()

    const others = (await workers()).filter(({ pid }) => pid === process.pid)
    for (const other of others) await post(`/workers/${other.id}/drain`)
    expect(await h.call('DELETE', `/api/v1/workers/${id}/drain`)).toMatchObject({ status: 200, body: { drain: null } })
    const last = await h.requestCluster('last')
    await h.reach(last.cluster.id, 'READY')
    const [taken] = await h.rows<{ worker: string }>(`select worker from job_attempts where job_id = '${last.job.id}'`)
    expect(taken?.worker).toMatch(new RegExp(`:${child.pid}$`))
  })

  it('that is killed loses nothing: another worker takes over what it ran', { timeout: 120_000 }, async () => {
    h.setFaults([{ cluster: 'orphan', stage: 'bootstrap', attempt: 1, action: 'hang' }])
    const child = h.startProcess('work')
    const { cluster, job } = await h.requestCluster('orphan')
    await eventually(async () => (await stageOf(job.id)) === 'bootstrap')
    const { id } = await workerOf(child.pid)
    await post(`/workers/${id}/drain`)
    child.kill('SIGKILL')
    await exitOf(child)
    await h.startWorker()
    await h.reach(cluster.id, 'READY')
    const outcomes = (await h.call('GET', `/jobs/${job.id}`)).body.attempts.map(
      ({ outcome }: { outcome: string }) => outcome,
    )
    expect(outcomes).toEqual(['LOST', 'SUCCEEDED'])
    await h.rows(`update workers set seen_at = now() - interval '2 minutes' where id = '${id}'`)
    expect(await post(`/workers/${id}/drain`)).toMatchObject({ status: 409, body: { code: 'NOT_IN_STATE' } })
    expect(await post(`/workers/${newId('wrk')}/drain`)).toMatchObject({ status: 404 })
  })
})

describe('a lock', () => {
  /** As the queue hands it to a worker of this process. */
  const claim = async (name: string) => {
    const { cluster, job } = await h.requestCluster(name)
    await h.rows(`update pgboss.job set state = 'active', started_on = now() where id = '${uuidOf(job.id)}'`)
    const claimed = await claimJob(h.app, { jobId: job.id, queueId: uuidOf(job.id), retryCount: 0, retryLimit: 20 }, 'gone:1') // prettier-ignore
    if (!claimed) throw new Error('not claimed')
    return { ...claimed, clusterId: cluster.id }
  }
  /** Each wait is a sixth of the lease, and `during` happens in it. */
  const pace = (during: (look: number) => Promise<unknown> = () => Promise.resolve()) => {
    let [at, looks] = [0, 0]
    return {
      now: () => at,
      wait: async (ms: number) => {
        at += ms
        await during(++looks)
      },
    }
  }

  it('that is renewed is not released; one that stands is, and its job is handed out again', async () => {
    const { lock, clusterId, job, delivery } = await claim('held')
    const renewing = pace((look) =>
      look === 3 ? renewLock(h.app.db, h.app.queue, lock, delivery, 10) : Promise.resolve(),
    )
    await expect(findStaleLock(h.app, ADMIN, clusterId, renewing)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await h.rows('select worker from job_locks')).toEqual([{ worker: 'gone:1' }])
    const path = `/clusters/${clusterId}/lock/release`
    expect(await post(path, { dry: true })).toMatchObject({ status: 200, body: { worker: 'gone:1', jobId: job.id, observedForSeconds: 10 } }) // prettier-ignore

    const both = await Promise.all([post(path, { key: 'k' }), post(path, { key: 'k' })])
    expect(both.map(({ status }) => status)).toEqual([202, 202])
    expect(both[0]?.body).toEqual({ clusterId, jobId: job.id, worker: 'gone:1' })
    expect(await audited('lock.release')).toHaveLength(1)
    expect(await h.rows('select worker from job_locks')).toEqual([])
    await h.startWorker()
    await h.reach(clusterId, 'READY')
    expect(await post(path)).toMatchObject({ status: 409, body: { code: 'NOT_IN_STATE' } })
  }, 60_000)

  it('is not released on the word of a server that was not watched all the time', async () => {
    const { clusterId } = await claim('unwatched')
    let at = 0
    const asleep = { now: () => at, wait: () => Promise.resolve((at += 8000)) }
    await expect(findStaleLock(h.app, ADMIN, clusterId, asleep)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('a finding', () => {
  const find = async (query: string) => (await h.call('GET', `/api/v1/findings?${query}`)).body.items
  const about = { type: 'snapshot-missing', subject: 'demo-x1y2z' } as const
  const file = (detail: string) => h.app.db.transaction((tx) => fileFinding(tx, ADMIN, about, { detail }))

  it('is resolved with a reason, and is a new one when it is seen again', async () => {
    await file('gone')
    const [{ id }] = await find('open=true')
    const body = { reason: 'put back from the backup' }
    expect(await post(`/findings/${id}/resolve`, { dry: true, body })).toMatchObject({ status: 200, body: { id, resolvedReason: body.reason } }) // prettier-ignore
    expect(await find('open=true')).toHaveLength(1)
    const both = await Promise.all([1, 2].map(() => post(`/findings/${id}/resolve`, { key: 'k', body })))
    expect(both[0]?.body).toEqual(both[1]?.body)
    expect(await find('open=true')).toEqual([])
    expect(await audited('finding.resolve')).toMatchObject([{ detail: { finding: id, reason: body.reason } }])
    expect(await post(`/findings/${id}/resolve`, { body })).toMatchObject({ status: 409 })
    expect(await post(`/findings/${newId('fnd')}/accept`, { body })).toMatchObject({ status: 404 })
    expect(await file('gone')).toBe(true)
  })

  it('is accepted with a reason, and stays so until it changes; then it is told of anew', async () => {
    const told = () => h.rows(`select id from notices where type = 'finding.filed'`)
    await file('gone')
    const [{ id }] = await find('open=true')
    const body = { reason: 'it is known' }
    expect(await post(`/findings/${id}/accept`, { body })).toMatchObject({ status: 200, body: { acceptedReason: body.reason, resolvedAt: null } }) // prettier-ignore
    expect(await file('gone')).toBe(false)
    expect(await find('accepted=true')).toMatchObject([{ id, acceptedReason: 'it is known' }])
    expect(await told()).toHaveLength(1)
    expect(await file('gone, and its twin too')).toBe(true)
    expect(await find('open=true&accepted=false')).toMatchObject([{ id, acceptedBy: null, detail: 'gone, and its twin too' }]) // prettier-ignore
    expect(await told()).toHaveLength(2)
  })

  it('that is accepted is not repaired', async () => {
    const { cluster, job } = await h.requestCluster('left')
    const detail = 'it is not as it should be'
    const inspect = () =>
      openPass(h.app, { filed: 0, repaired: 0 }).inspect(
        { type: 'cluster-without-job', subject: cluster.id, clusterId: cluster.id },
        async (tx) => {
          // prettier-ignore
          await tx.$client.query(`update jobs set message = coalesce(message, '') || '!' where id = $1`, [job.id])
          return { detail, repair: 'repaired' }
        },
      )
    const message = async () => (await h.call('GET', `/jobs/${job.id}`)).body.message
    await inspect()
    expect(await message()).toBe('!')
    const [{ id, lastSeenAt }] = await find('open=true')
    await post(`/findings/${id}/accept`, { body: { reason: 'leave it' } })
    await inspect()
    expect(await message()).toBe('!')
    const [seen] = await find('accepted=true')
    expect(Date.parse(seen.lastSeenAt)).toBeGreaterThan(Date.parse(lastSeenAt))
  })

  it('of resources that nobody knows stays open and untouched once it is accepted', async () => {
    const id = newId('clu')
    const dir = join(h.cloudDir, 'resources', 'stray')
    mkdirSync(dir, { recursive: true })
    const tags = { 'ocpctl-cluster-id': id, 'ocpctl-installation-id': h.app.installationId }
    writeFileSync(join(dir, 'vpc-1.json'), JSON.stringify({ id: 'vpc-1', type: 'vpc', name: 'stray', region: 'us-east-1', tags })) // prettier-ignore
    await reconcile(h.app)
    const [found] = await find('open=true')
    expect(found).toMatchObject({ type: 'resources-without-cluster', subject: id })
    await post(`/findings/${found.id}/accept`, { body: { reason: 'kept for the auditors' } })
    await reconcile(h.app)
    expect(await find('accepted=true')).toMatchObject([{ id: found.id, resolvedAt: null }])
    rmSync(dir, { recursive: true })
    await reconcile(h.app)
    expect(await find('open=true')).toEqual([])
  })
})
