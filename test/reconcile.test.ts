// What should agree and does not is found, repaired or shown, and resolved; what agrees is left alone.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openDatabase } from '../src/db/client.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../src/artifacts/store.ts'
import { createToken } from '../src/auth/api-tokens.ts'
import type { Actor } from '../src/auth/principal.ts'
import { newId, uuidOf } from '../src/ids.ts'
import { claimJob } from '../src/jobs/claim.ts'
import { listFindings } from '../src/reconcile/findings.ts'
import { reconcile } from '../src/reconcile/reconcile.ts'
import { openHarness, type Harness } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await openHarness()
})
afterEach(() => h.close())

const SETUP: Actor = { kind: 'system', name: 'setup' }
const NOTHING = { filed: 0, repaired: 0, resolved: 0, skipped: [] }

/** As if all that stands had been there for ten minutes more. */
async function age(): Promise<void> {
  await h.rows(`update clusters set updated_at = updated_at - interval '10 minutes'`)
  await h.rows(`update jobs set created_at = created_at - interval '10 minutes'`)
  await h.rows(`update pgboss.job set created_on = created_on - interval '10 minutes',
    completed_on = completed_on - interval '10 minutes' where name = 'cluster-jobs'`)
}
type Row = { type: string; subject: string; cluster_id: string | null; detail: string; repair: string | null }
const findings = (where = 'resolved_at is null') =>
  h.rows<Row>(`select type, subject, cluster_id, detail, repair from findings where ${where} order by id`)
const audit = async (action: string) =>
  (await h.rows<{ n: number }>(`select count(*)::int as n from audit_events where action = '${action}'`))[0]?.n
const stateOf = async (jobId: string) =>
  (await h.rows<{ state: string }>(`select state from pgboss.job where id = '${uuidOf(jobId)}'`))[0]?.state
const statusOf = async (clusterId: string) => (await h.call('GET', `/clusters/${clusterId}`)).body.status
const jobOf = async (jobId: string) => (await h.call('GET', `/jobs/${jobId}`)).body
const setState = (jobId: string, state: string) =>
  h.rows(`update pgboss.job set state = '${state}',
    completed_on = case when '${state}' in ('completed', 'cancelled', 'failed') then now() end
    where id = '${uuidOf(jobId)}'`)
/** Ends the job behind the queue's back. */
const endJob = (jobId: string) => h.rows(`update jobs set status = 'CANCELLED', ended_at = now() where id = '${jobId}'`)
/** Two passes at once find one thing; the later of them may see already that it is well again. */
async function repairsOnce(): Promise<void> {
  const [one, two] = await Promise.all([reconcile(h.app), reconcile(h.app)])
  expect([one.filed + two.filed, one.repaired + two.repaired]).toEqual([1, 1])
  expect([...one.skipped, ...two.skipped]).toEqual([])
}
/** The next pass finds all well and resolves what the last one told. */
async function resolves(count: number): Promise<void> {
  await age()
  const open = (await findings()).length
  expect(await reconcile(h.app)).toEqual({ ...NOTHING, resolved: open })
  expect(await findings()).toEqual([])
  expect(await reconcile(h.app)).toEqual(NOTHING)
  expect(await audit('finding.resolve')).toBe(count)
}

describe('an open job without a live queue entry', () => {
  it('is put into the queue again, once, by two passes at once, and then runs', async () => {
    const { cluster, job } = await h.requestCluster('lost')
    await h.rows(`delete from pgboss.job where id = '${uuidOf(job.id)}'`)
    expect(await reconcile(h.app)).toEqual(NOTHING) // younger than the grace
    await age()
    await repairsOnce()
    expect(await findings('true')).toMatchObject([
      { type: 'job-without-queue-entry', subject: job.id, cluster_id: cluster.id, repair: 'put into the queue again' },
    ])
    expect(await stateOf(job.id)).toBe('created')
    expect([await audit('finding.file'), await audit('finding.repair')]).toEqual([1, 1])
    await resolves(1)
    await h.startWorker()
    expect(await h.reach(cluster.id, 'READY')).toBe('READY')
  })

  it.each(['completed', 'cancelled', 'failed'])('ends FAILED when the queue has it as %s', async (state) => {
    const { cluster, job } = await h.requestCluster('stranded')
    await setState(job.id, state)
    if (state === 'failed') {
      expect(await reconcile(h.app)).toEqual(NOTHING) // the dead-letter worker has its time
    }
    await age()
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1, repaired: 1 })
    expect(await jobOf(job.id)).toMatchObject({ status: 'FAILED', reason: 'WORKER_LOST' })
    expect(await statusOf(cluster.id)).toBe('FAILED')
    await resolves(1)
    await h.startWorker()
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
  })

  it('of a destroy ends so that the destroy is tried again', async () => {
    const { cluster } = await h.requestCluster('stuck')
    const { job } = await h.destroy(cluster.id)
    await setState(job.id, 'completed')
    await age()
    expect(await reconcile(h.app)).toMatchObject({ filed: 1, repaired: 1 })
    expect(await h.rows('select status, destroy_retry_at > now() as again from clusters')).toEqual([
      { status: 'DESTROY_FAILED', again: true },
    ])
    await resolves(1)
  })

  it('is only told while its worker holds the lock, and repaired when the lock has expired', async () => {
    const { delivery, cluster } = await deliver('held')
    await claimJob(h.app, delivery, 'holder')
    await setState(delivery.jobId, 'cancelled')
    await age()
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1 })
    expect(await findings()).toMatchObject([{ detail: expect.stringContaining('holder still holds'), repair: null }])
    expect((await jobOf(delivery.jobId)).status).toBe('RUNNING')
    await h.freeLocks()
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, repaired: 1 })
    expect(await jobOf(delivery.jobId)).toMatchObject({ status: 'FAILED', attempts: [{ outcome: 'LOST' }] })
    expect(await h.rows('select * from job_locks')).toEqual([])
    expect(await statusOf(cluster.id)).toBe('FAILED')
    await resolves(1)
  })
})

it('an open job that a destroy superseded ends CANCELLED, and the destroy goes on', async () => {
  const { delivery, cluster } = await deliver('superseded')
  await claimJob(h.app, delivery, 'gone')
  await h.destroy(cluster.id)
  await setState(delivery.jobId, 'completed')
  await h.freeLocks()
  await age()
  expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1, repaired: 1 })
  expect(await jobOf(delivery.jobId)).toMatchObject({ status: 'CANCELLED' })
  expect(await statusOf(cluster.id)).toBe('DESTROYING')
  await h.startWorker()
  await h.reach(cluster.id, 'DESTROYED')
})

describe('a queue entry without an open job', () => {
  it.each([
    ['created', 'cancelled'],
    ['retry', 'cancelled'],
    ['failed', undefined],
  ])('that is %s is taken away, so that its cluster is free', async (state, after) => {
    const { cluster, job } = await h.requestCluster('over')
    await endJob(job.id)
    await h.rows(`update clusters set status = 'FAILED'`)
    await setState(job.id, state)
    expect(await reconcile(h.app)).toEqual(NOTHING)
    await age()
    await repairsOnce()
    expect(await stateOf(job.id)).toBe(after)
    expect(await findings('true')).toMatchObject([
      { type: 'queue-entry-without-job', subject: job.id, detail: expect.stringContaining('its job is CANCELLED') },
    ])
    await resolves(1)
    await h.startWorker()
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
  })

  it('that a worker has is not touched', async () => {
    const { job } = await h.requestCluster('active')
    await endJob(job.id)
    await h.rows(`update clusters set status = 'FAILED'`)
    await setState(job.id, 'active')
    await age()
    expect(await reconcile(h.app)).toEqual(NOTHING)
    expect(await stateOf(job.id)).toBe('active')
  })

  it('is taken away too when neither job nor cluster were ever ours', async () => {
    for (const data of ['{}', `{"jobId": "${newId('job')}"}`])
      await h.rows(`insert into pgboss.job (name, data, singleton_key, policy)
        values ('cluster-jobs', '${data}', '${newId('clu')}', 'key_strict_fifo')`)
    await age()
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 2, repaired: 2 })
    expect((await findings()).map((finding) => finding.detail)).toEqual([
      expect.stringContaining('does not exist'),
      expect.stringContaining('does not exist'),
    ])
    await resolves(2)
  })
})

/** A job as the queue hands it out, without a worker that runs it. */
async function deliver(name: string) {
  const { cluster, job } = await h.requestCluster(name)
  await setState(job.id, 'active')
  await h.rows(`update pgboss.job set started_on = now(), heartbeat_on = now() + interval '1 h'`)
  return { cluster, delivery: { jobId: job.id, queueId: uuidOf(job.id), retryCount: 0, retryLimit: 20 } }
}

describe('an expired lock', () => {
  it('is told when no worker has freed it, and freed by the first that has seen it for a lease', async () => {
    const { delivery } = await deliver('late')
    await claimJob(h.app, delivery, 'gone')
    await h.rows(`update job_locks set expires_at = now() - interval '2 minutes'`)
    expect(await reconcile(h.app)).toEqual(NOTHING)
    await h.rows(`update job_locks set expires_at = now() - interval '20 minutes'`)
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1 })
    expect(await findings()).toMatchObject([{ type: 'lock-without-worker', repair: null }])
    expect(await h.rows('select * from job_locks')).toHaveLength(1)
    await h.freeLocks()
    expect(await h.rows('select * from job_locks')).toEqual([])
    await resolves(1)
  })
})

describe('a cluster on its way without a job', () => {
  it('to DESTROYED gets a new destroy job, one, and is destroyed', async () => {
    const { cluster } = await h.requestCluster('forgotten')
    const { job } = await h.destroy(cluster.id)
    await endJob(job.id)
    await setState(job.id, 'completed')
    await age()
    await repairsOnce()
    expect(await findings('true')).toMatchObject([
      { type: 'cluster-without-job', subject: cluster.id, repair: expect.stringMatching(/^opened job_/) },
    ])
    expect(await h.rows(`select type, requested_by from jobs where status = 'PENDING'`)).toEqual([
      { type: 'JANITOR_DESTROY', requested_by: 'system:reconciler' },
    ])
    await resolves(1)
    await h.startWorker()
    await h.reach(cluster.id, 'DESTROYED')
  })

  it.each(['PENDING', 'CREATING'])('to READY from %s is FAILED', async (status) => {
    const { cluster, job } = await h.requestCluster('forlorn')
    await endJob(job.id)
    await setState(job.id, 'completed')
    await h.rows(`update clusters set status = '${status}'`)
    await age()
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1, repaired: 1 })
    expect((await h.call('GET', `/clusters/${cluster.id}`)).body).toMatchObject({
      status: 'FAILED',
      statusReason: expect.stringContaining('nothing was left that would build it'),
    })
    await resolves(1)
  })

  it('to another number of workers is READY, with those that there came to be', async () => {
    const { cluster, job } = await h.requestCluster('adrift')
    await endJob(job.id)
    await setState(job.id, 'completed')
    await h.rows(`update clusters set status = 'SCALING'`)
    await age()
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1, repaired: 1 })
    expect((await h.call('GET', `/clusters/${cluster.id}`)).body).toMatchObject({
      status: 'READY',
      statusReason: expect.stringContaining('nothing was left that would change its workers'),
    })
    await resolves(1)
  })

  it.each(['HIBERNATING', 'RESUMING'])('that did not get there is left to whoever says which: %s', async (status) => {
    const { job } = await h.requestCluster('adrift')
    await endJob(job.id)
    await setState(job.id, 'completed')
    await h.rows(`update clusters set status = '${status}'`)
    await age()
    expect(await reconcile(h.app)).toEqual(NOTHING)
  })
})

describe('resources with our tag', () => {
  const file = (name: string) => join(h.cloudDir, 'resources', 'stray', `${name}.json`)
  const put = (
    name: string,
    clusterId: string,
    installation: object = { 'ocpctl-installation-id': h.app.installationId },
  ) => {
    mkdirSync(join(h.cloudDir, 'resources', 'stray'), { recursive: true })
    writeFileSync(
      file(name),
      JSON.stringify({
        id: name,
        type: 'vpc',
        name,
        region: 'us-east-1',
        tags: { 'ocpctl-cluster-id': clusterId, ...installation },
      }),
    )
  }

  it('of a DESTROYED cluster are told after a while, and it is destroyed again', async () => {
    const { cluster, job } = await h.requestCluster('ghost')
    await endJob(job.id)
    await setState(job.id, 'completed')
    await h.rows(`update clusters set status = 'DESTROYED', destroyed_at = now()`)
    put('vpc-1', cluster.id)
    put('vpc-2', cluster.id, {})
    expect(await reconcile(h.app)).toEqual(NOTHING)
    await h.rows(`update clusters set destroyed_at = now() - interval '2 hours'`)
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1, repaired: 1 })
    expect(await findings()).toMatchObject([
      {
        type: 'resources-of-destroyed-cluster',
        subject: cluster.id,
        detail: expect.stringContaining('2 resources: vpc vpc-1'),
        repair: 'it is destroyed again',
      },
    ])
    expect(h.resources()).toHaveLength(2)
    expect(await statusOf(cluster.id)).toBe('DESTROYING')
    expect(await audit('cluster.reopenDestroy')).toBe(1)
    await resolves(1)
  })

  it('of a cluster that nobody knows are told, those of a living one are not', async () => {
    const { cluster } = await h.requestCluster('alive')
    put('vpc-3', newId('clu'))
    put('vpc-4', 'not even an id')
    put('vpc-5', cluster.id)
    // It may be of another installation of an earlier release.
    put('vpc-7', newId('clu'), {})
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 2 })
    expect((await findings()).map(({ type, cluster_id }) => [type, cluster_id])).toEqual([
      ['resources-without-cluster', null],
      ['resources-without-cluster', null],
    ])
    rmSync(file('vpc-3'))
    rmSync(file('vpc-4'))
    await resolves(2)
  })

  it('of a cloud that cannot be asked stay as they were, and what it tells before it fails counts', async () => {
    put('vpc-6', newId('clu'))
    await reconcile(h.app)
    const failing = {
      ...h.app.inventory,
      async *findOwned() {
        yield {
          clusterId: 'a',
          installationId: h.app.installationId,
          resource: { id: 'a', type: 'vpc', name: 'a', region: 'a' },
        }
        throw new Error('AccessDenied')
      },
    }
    const mute = { find: h.app.inventory.find, findRecords: h.app.inventory.findRecords }
    expect(await reconcile({ ...h.app, inventory: mute })).toMatchObject({ filed: 0, resolved: 0, skipped: [{}] })
    expect(await findings()).toHaveLength(1)
    expect(await reconcile({ ...h.app, inventory: failing })).toMatchObject({ filed: 1, resolved: 0, skipped: [{}] })
    expect(await findings()).toHaveLength(2)
    rmSync(file('vpc-6'))
    await resolves(2)
  })
})

describe('the newest snapshot of what may own resources', () => {
  type Stored = { id: string; key: string; verified_at: Date | null }
  let newest: Stored
  let path: string
  let bytes: Buffer
  const readNewest = async () => {
    const [row] = await h.rows<Stored>(`select id, key, verified_at from cluster_artifacts
      where kind = 'snapshot' and infra_id = (select infra_id from infra_ledger) order by id desc limit 1`)
    if (!row) throw new Error('there is no snapshot')
    return row
  }
  beforeEach(async () => {
    const worker = await h.startWorker()
    const { cluster } = await h.requestCluster('kept')
    await h.reach(cluster.id, 'READY')
    await worker.drain(10_000)
    newest = await readNewest()
    path = join(fileURLToPath(h.app.config.artifactsUrl), newest.key)
    bytes = readFileSync(path)
  })
  const later = () => h.rows(`update cluster_artifacts set verified_at = now() - interval '2 days'`)

  it('is read whole once a day', async () => {
    expect(newest.verified_at).toBeNull()
    expect(await reconcile(h.app)).toEqual(NOTHING)
    const first = (await readNewest()).verified_at
    expect(first).not.toBeNull()
    expect(await reconcile(h.app)).toEqual(NOTHING)
    expect((await readNewest()).verified_at).toEqual(first)
    expect(await h.rows('select id from cluster_artifacts where verified_at is not null')).toHaveLength(1)
  })

  it('that is gone is told in every pass until it is back', async () => {
    await reconcile(h.app)
    rmSync(path)
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1 })
    expect(await reconcile(h.app)).toEqual(NOTHING)
    expect(await findings()).toMatchObject([{ type: 'snapshot-missing', subject: newest.id, repair: null }])
    writeFileSync(path, bytes)
    await resolves(1)
  })

  it('of another size is corrupt at once, of other bytes when it is read', async () => {
    await reconcile(h.app)
    writeFileSync(path, bytes.subarray(1))
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1 })
    writeFileSync(path, bytes)
    await resolves(1)
    const changed = Buffer.from(bytes)
    changed[100] = (changed[100] ?? 0) ^ 1
    writeFileSync(path, changed)
    expect(await reconcile(h.app)).toEqual(NOTHING)
    await later()
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, filed: 1 })
    expect(await reconcile(h.app)).toEqual(NOTHING) // read again, as it is not verified
    expect(await findings()).toMatchObject([
      { type: 'snapshot-corrupt', subject: newest.id, detail: expect.stringContaining('SHA-256') },
    ])
    writeFileSync(path, bytes)
    expect(await reconcile(h.app)).toEqual({ ...NOTHING, resolved: 1 })
  })

  it('is not missing when the store does not answer, which the pass says and goes on', async () => {
    rmSync(path)
    await reconcile(h.app)
    writeFileSync(path, bytes)
    const down = () => Promise.reject(new StoreUnavailable('no route to the bucket'))
    const { job } = await h.requestCluster('meanwhile')
    await setState(job.id, 'completed')
    await age()
    for (const store of [
      { ...h.app.store, check: down },
      { ...h.app.store, find: down },
      { ...h.app.store, get: down },
    ])
      expect((await reconcile({ ...h.app, store })).skipped).toEqual([
        { types: ['snapshot-missing', 'snapshot-corrupt'], reason: expect.stringContaining('no route to the bucket') },
      ])
    expect((await findings()).map((finding) => finding.type)).toEqual(['snapshot-missing'])
    expect((await jobOf(job.id)).status).toBe('FAILED')
  })

  it('no longer matters once the ledger entry is closed', async () => {
    rmSync(path)
    await reconcile(h.app)
    await h.rows('update infra_ledger set empty_at = now()')
    await resolves(1)
  })
})

it('files nothing about a busy system in which all is well', { timeout: 120_000 }, async () => {
  await h.startWorker()
  const asked = await Promise.all([0, 1, 2, 3, 4, 5].map((index) => h.requestCluster(`busy-${index}`)))
  const done = new AbortController()
  const use = async ({ cluster }: { cluster: { id: string } }, index: number) => {
    // Some are destroyed while they are being built.
    if (index > 1) await h.reach(cluster.id, 'READY')
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
  }
  const watch = async () => {
    let passes = 0
    for (; !done.signal.aborted; passes++) {
      await age() // nothing is spared for being young
      expect(await Promise.all([reconcile(h.app), reconcile(h.app)])).toEqual([NOTHING, NOTHING])
    }
    return passes
  }
  const [passes] = await Promise.all([watch(), Promise.all(asked.map(use)).finally(() => done.abort())])
  expect(passes).toBeGreaterThan(3)
  expect(await h.rows('select * from findings')).toEqual([])
})

describe('to operators', () => {
  it('findings are listed by type and state, newest first, page by page', async () => {
    const { cluster, job } = await h.requestCluster('shown')
    await h.rows(`update pgboss.job set state = 'cancelled' where id = '${uuidOf(job.id)}'`)
    await age()
    await reconcile(h.app)
    await resolves(1)
    for (let index = 0; index < 5; index++)
      await h.rows(`insert into findings (id, type, subject, detail)
        values ('${newId('fnd')}', 'resources-without-cluster', 'x${index}', 'told')`)
    const list = async (query: string) => (await h.call('GET', `/api/v1/findings${query}`)).body
    expect((await list('?open=false')).items).toMatchObject([
      {
        type: 'job-without-queue-entry',
        subject: job.id,
        clusterId: cluster.id,
        clusterName: 'shown',
        repair: expect.any(String),
        resolvedAt: expect.any(String),
      },
    ])
    expect((await list('?open=true')).items.map((item: { subject: string }) => item.subject)).toEqual([
      'x4',
      'x3',
      'x2',
      'x1',
      'x0',
    ])
    expect((await list('?type=job-without-queue-entry')).items).toHaveLength(1)
    expect((await list('?type=job-without-queue-entry&open=true')).items).toEqual([])
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await list(`?limit=4${cursor ? `&cursor=${cursor}` : ''}`)
      seen.push(...page.items.map((item: { id: string }) => item.id))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(
      (await h.rows<{ id: string }>('select id from findings order by id desc')).map((row) => row.id),
    )
    for (const query of ['?type=nonsense', '?open=maybe', '?cursor=x'])
      expect((await h.call('GET', `/api/v1/findings${query}`)).status).toBe(400)
  })

  it('leaks are listed with what they are of', async () => {
    const { cluster } = await h.requestCluster('leaky')
    const [of] = await h.rows<object>('select team, owner, requested_by as "requestedBy" from clusters')
    const priced = { key: 'tag', usdPerHour: 0.2, link: 'https://example.com/i-1', madeAt: '2026-01-02T03:04:05.000Z' }
    const left = [
      { id: 'vpc-1', type: 'vpc', name: 'v', region: 'us-east-1' },
      { id: 'i-1', type: 'instance', name: 'i', region: 'us-east-1', ...priced },
      { id: 'i-2', type: 'instance', name: 'i', region: 'us-east-1', usdPerHour: 0.1 },
    ]
    for (const resources of [`'${JSON.stringify(left)}'`, 'null'])
      await h.rows(`insert into leak_records (id, cluster_id, infra_ids, resources, reason, recorded_by)
        values ('${newId('lek')}', '${cluster.id}', '{leaky-abcde}', ${resources}, 'gave up', 'somebody')`)
    expect((await h.call('GET', '/api/v1/leaks')).body).toMatchObject({
      items: [
        { clusterName: 'leaky', resources: null, usdPerHour: null },
        {
          clusterName: 'leaky',
          ...of,
          infraIds: ['leaky-abcde'],
          resources: left,
          usdPerHour: 0.3,
          reason: 'gave up',
        },
      ],
      nextCursor: null,
    })
    const [unseen, seen] = (await h.call('GET', '/api/v1/leaks')).body.items
    expect(unseen.ageHours).toBeLessThan(1)
    expect(seen.ageHours).toBeCloseTo((Date.now() - Date.parse('2026-01-02T03:04:05.000Z')) / 3_600_000, 0)
  })

  it.each(['/api/v1/findings', '/api/v1/leaks'])('%s is for platform administrators and auditors', async (path) => {
    for (const [role, status] of [
      ['platform_admin', 200],
      ['auditor', 200],
      ['team_admin', 403],
      ['requester', 403],
    ] as const) {
      const token = await h.tokenFor([{ team: 'red', role }], { scopes: ['read'] })
      expect((await h.call('GET', path, { token })).status, role).toBe(status)
    }
    const unbound = await h.app.db.transaction((tx) => createToken(tx, SETUP, { name: 'none', scopes: ['read'] }))
    expect((await h.call('GET', path, { token: unbound.secret })).status).toBe(403)
  })
})

it('reads no large table whole', { timeout: 120_000 }, async () => {
  await fill(20_000)
  const worker = await h.startWorker()
  const { cluster } = await h.requestCluster('one')
  await h.reach(cluster.id, 'READY')
  await worker.drain(10_000)
  const cases = await Promise.all(['two', 'three', 'four'].map((name) => h.requestCluster(name)))
  const [lost, over, stranded] = cases.map(({ job }) => job.id)
  await h.rows(`delete from pgboss.job where id = '${uuidOf(lost ?? '')}'`)
  await endJob(over ?? '')
  await setState(stranded ?? '', 'completed')
  await age()
  await h.rows('analyze')

  // Every statement of a pass in which each check has something to do, and of the lists.
  const said: { text: string; params: unknown[] }[] = []
  const { db, pool, close } = openDatabase(h.url, { ...h.app.config.pool, log: h.app.log, name: 'heard' })
  pool.on('connect', (client) => {
    const send = client.query.bind(client) as (...args: unknown[]) => Promise<unknown> // as drizzle and we call it
    const hear = (config: string | { text: string; values?: unknown[] }, values?: unknown[], ...rest: unknown[]) => {
      if (typeof config !== 'string') said.push({ text: config.text, params: values ?? config.values ?? [] })
      return send(config, values, ...rest)
    }
    Object.assign(client, { query: hear })
  })
  try {
    const summary = await reconcile({ ...h.app, db })
    expect(summary).toMatchObject({ filed: 4, repaired: 4, skipped: [] })
    for (const isOpen of [true, undefined]) await listFindings(db, SETUP, { isOpen }, { limit: 50 })
    const plans: string[] = []
    for (const { text, params } of said) {
      if (!/^\s*(with|select|update|delete|insert)\b/i.test(text)) continue
      const { rows } = await pool.query(`explain (format json) ${text}`, params)
      const plan = rows[0]['QUERY PLAN'][0].Plan as Plan // PostgreSQL's own shape
      const scans = nodesOf(plan).filter((node) => node['Relation Name'] !== undefined)
      for (const scan of scans) plans.push(`${scan['Relation Name']}: ${scan['Node Type']} ${scan['Index Name'] ?? ''}`)
    }
    expect(new Set(plans.map((plan) => plan.split(':')[0]))).toContain('infra_ledger')
    // These have a row for each job that runs, and each queue that there is.
    const small = /^(job_locks|queue):/
    expect(plans.filter((plan) => plan.includes('Seq Scan') && !small.test(plan))).toEqual([])
  } finally {
    await close()
  }
})

type Plan = { 'Node Type': string; 'Relation Name'?: string; 'Index Name'?: string; Plans?: Plan[] }
const nodesOf = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]

/** So many destroyed clusters with all that they leave in the database. */
async function fill(count: number): Promise<void> {
  await h.requestCluster('pattern')
  const id = (prefix: string) => `'${prefix}_' || lpad(n::text, 26, '0')`
  const columns = (
    await h.rows<{ name: string }>(
      `select attname as name from pg_attribute where attrelid = 'clusters'::regclass and attnum > 0
        and attname not in ('id', 'name', 'status', 'destroyed_at')`,
    )
  ).map((row) => `"${row.name}"`)
  const many = `generate_series(1, ${count}) as n`
  await h.rows(`insert into clusters (id, name, status, destroyed_at, ${columns.join(', ')})
    select ${id('clu')}, 'd-' || n, 'DESTROYED', now() - interval '9 days', ${columns.join(', ')}
    from clusters, ${many} where name = 'pattern'`)
  await h.rows(`insert into jobs (id, cluster_id, type, status, max_attempts, requested_by, ended_at)
    select ${id('job')}, ${id('clu')}, 'DESTROY', 'SUCCEEDED', 3, 'x', now() from ${many}`)
  await h.rows(`insert into job_attempts (id, job_id, number, fence, worker, outcome, ended_at)
    select ${id('att')}, ${id('job')}, 1, n, 'w', 'SUCCEEDED', now() from ${many}`)
  await h.rows(`insert into infra_ledger (infra_id, cluster_id, attempt_id, metadata, snapshot_id, empty_at)
    select 'd-' || n, ${id('clu')}, ${id('att')}, '{}', 'x', now() from ${many}`)
  await h.rows(`insert into cluster_artifacts (id, cluster_id, attempt_id, infra_id, kind, stage, key, sha256, size_bytes)
    select ${id('art')}, ${id('clu')}, ${id('att')}, 'd-' || n, 'snapshot', 's', 'k' || n, 'x', 1 from ${many}`)
  await h.rows(`insert into findings (id, type, subject, detail, resolved_at)
    select ${id('fnd')}, 'job-without-queue-entry', ${id('job')}, 'd', now() from ${many}`)
  await h.rows(`insert into pgboss.job (name, data, singleton_key, policy, state, completed_on)
    select 'cluster-jobs', '{}', ${id('clu')}, 'key_strict_fifo', 'completed', now() from ${many}`)
  await h.rows(`delete from pgboss.job where state = 'created'`)
  await h.rows(`update jobs set status = 'CANCELLED', ended_at = now() where status = 'PENDING'`)
  await h.rows(`update clusters set status = 'FAILED' where name = 'pattern'`)
}
