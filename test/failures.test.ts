// What goes wrong is told, tried again when that is worth it, and leaves nothing.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeSnapshot } from '../src/artifacts/snapshot.ts'
import { clusterArtifacts } from '../src/clusters/infra-tables.ts'
import { createHttp } from '../src/http/app.ts'
import { newId } from '../src/ids.ts'
import { startWorker } from '../src/worker/worker.ts'
import type { Inventory, Resource } from '../src/clouds/inventory.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

// All faults of this file at once, by cluster name, so that the tests can run side by side.
const faults = [
  {
    cluster: 'quota',
    stage: 'machines',
    action: 'fail',
    log: 'VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 32 allows',
  },
  { cluster: 'second', stage: 'machines', attempt: 1, action: 'fail', log: 'VcpuLimitExceeded' },
  { cluster: 'flaky', stage: 'network', attempt: 1, action: 'fail', log: 'Throttling: Rate exceeded' },
  { cluster: 'slow', stage: 'initialize', attempt: 1, action: 'fail' },
  { cluster: 'kept', stage: 'machines', action: 'fail', log: 'InsufficientVolumeCapacity: VcpuLimitExceeded' },
  { cluster: 'stubborn', stage: 'bootstrap', action: 'hang', ignoreSigint: true },
  { cluster: 'swept', stage: 'bootstrap', attempt: 1, action: 'throttle', factor: 20_000 },
  { cluster: 'stopped', stage: 'bootstrap', action: 'hang' },
  { cluster: 'sticky', command: 'destroy cluster', action: 'leave', type: 'vpc' },
  { cluster: 'sticky-2', command: 'destroy cluster', action: 'leave', type: 'subnet', times: 1 },
  { cluster: 'none-fail', stage: 'network', action: 'fail', log: 'VcpuLimitExceeded' },
  { cluster: 'none-fail', command: 'destroy cluster', stage: 'instances', action: 'fail' },
  { cluster: 'none-hang', stage: 'network', action: 'fail', log: 'VcpuLimitExceeded' },
  { cluster: 'none-hang', command: 'destroy cluster', stage: 'instances', action: 'hang' },
  { cluster: 'leftover', stage: 'machines', action: 'fail', log: 'VcpuLimitExceeded' },
  { cluster: 'leftover', command: 'destroy cluster', action: 'leave', type: 'vpc', times: 1 },
]

let h: Harness
beforeAll(async () => {
  h = await openHarness({ concurrency: 12 })
  h.setFaults(faults)
  await h.startWorker()
})
afterAll(() => h.close())

const job = async (id: string) => (await h.call('GET', `/jobs/${id}`)).body
const cluster = async (id: string) => (await h.call('GET', `/clusters/${id}`)).body
const left = (name: string) => h.resources().filter((file) => file.startsWith(`${name}-`))
const commands = (name: string) =>
  h
    .journal()
    .filter((line) => line.event === 'start' && line.cluster === name)
    .map((line) => line.command)
const post = (path: string, body?: unknown) =>
  h.call('POST', path, { key: crypto.randomUUID(), ...(body === undefined ? {} : { body }) })
const stageOf = (jobId: string, stage: string) =>
  eventually(async () => (await job(jobId)).attempts.at(-1)?.stage === stage)
describe.concurrent('an install', () => {
  it.concurrent('that fails for a reason no retry helps is not tried again, tells who must do what, and leaves nothing', async () => {
    const asked = await h.requestCluster('quota')
    await h.reach(asked.cluster.id, 'FAILED')
    const shown = await job(asked.job.id)
    expect(shown).toMatchObject({
      status: 'FAILED',
      reason: 'VcpuLimitExceeded',
      actor: 'platform-team',
      remedy: expect.stringContaining('vCPU'),
      attempts: [{ number: 1, exitCode: 4, fingerprint: expect.any(String) }],
    })
    expect(await cluster(asked.cluster.id)).toMatchObject({
      statusReason: expect.stringMatching(/^VcpuLimitExceeded: .*What it made was destroyed\.$/),
      lastFailure: { reason: 'VcpuLimitExceeded' },
    })
    expect(left('quota')).toEqual([])
  })

  it.concurrent('that was throttled is destroyed and tried again with a new infraID', async () => {
    const asked = await h.requestCluster('flaky')
    await h.reach(asked.cluster.id, 'READY')
    const { attempts } = await job(asked.job.id)
    expect(attempts).toMatchObject([{ outcome: 'FAILED', reason: 'AWSAPIRateLimitExceeded' }, { outcome: 'SUCCEEDED' }])
    expect(attempts[0].infraId).not.toBe(attempts[1].infraId)
    expect(left('flaky').every((file) => file.startsWith(attempts[1].infraId))).toBe(true)
  })

  it.concurrent('that timed out after its bootstrap is waited for once more before it counts as failed', async () => {
    const asked = await h.requestCluster('slow')
    await h.reach(asked.cluster.id, 'READY')
    expect((await job(asked.job.id)).attempts).toHaveLength(1)
    expect(commands('slow')).toEqual([
      'create manifests',
      'create ignition-configs',
      'create cluster',
      'wait-for install-complete',
    ])
  })

  it.concurrent('keeps what it made when that was asked for, until the cluster is destroyed', async () => {
    const asked = await h.requestCluster('kept', { preserveOnFailure: true })
    await h.reach(asked.cluster.id, 'FAILED')
    expect((await cluster(asked.cluster.id)).statusReason).toContain('was kept, as asked')
    expect(left('kept').length).toBeGreaterThan(0)
    await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROYED')
    expect(left('kept')).toEqual([])
  })

  it.concurrent('that failed can be asked for again', async () => {
    const asked = await h.requestCluster('second')
    await h.reach(asked.cluster.id, 'FAILED')
    const answer = await post(`/jobs/${asked.job.id}/retry`)
    expect(answer).toMatchObject({ status: 202, body: { cluster: { status: 'PENDING' }, job: { type: 'CREATE' } } })
    await h.reach(asked.cluster.id, 'READY')
    expect(await post(`/jobs/${answer.body.job.id}/retry`)).toMatchObject({
      status: 409,
      body: { code: 'NOT_IN_STATE' },
    })
    expect(await post(`/jobs/${asked.job.id}/retry`)).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('came after') },
    })
  })
})

describe.concurrent('a cancel', () => {
  it.concurrent('of a waiting job ends it at once', async () => {
    const idle = await openHarness()
    try {
      const { cluster: asked, job: waiting } = await idle.requestCluster('waiting')
      const answer = await idle.call('POST', `/jobs/${waiting.id}/cancel`, { key: 'c' })
      expect(answer).toMatchObject({ status: 202, body: { status: 'CANCELLED' } })
      expect((await idle.call('GET', `/clusters/${asked.id}`)).body).toMatchObject({
        status: 'FAILED',
        statusReason: expect.stringContaining('cancelled: by token:'),
      })
      expect(await idle.rows(`select state from pgboss.job where name = 'cluster-jobs'`)).toEqual([
        { state: 'cancelled' },
      ])
      expect(await idle.call('POST', `/jobs/${waiting.id}/cancel`, { key: 'd' })).toMatchObject({ status: 409 })
      const retry = await idle.call('POST', `/jobs/${waiting.id}/retry`, { key: 'e' })
      expect(retry).toMatchObject({ status: 409 })
    } finally {
      await idle.close()
    }
  })

  it.concurrent('of a running install stops it, takes away what it made, and says so', async () => {
    const asked = await h.requestCluster('stopped')
    await stageOf(asked.job.id, 'bootstrap')
    expect(await post(`/jobs/${asked.job.id}/cancel`)).toMatchObject({ status: 202, body: { status: 'RUNNING' } })
    await h.reach(asked.cluster.id, 'FAILED')
    expect(await job(asked.job.id)).toMatchObject({ status: 'CANCELLED', attempts: [{ outcome: 'CANCELLED' }] })
    expect((await cluster(asked.cluster.id)).statusReason).toBe('Cancelled. What it made was destroyed.')
    expect(left('stopped')).toEqual([])
    const ended = h
      .journal()
      .filter((line) => line.event === 'end')
      .map((line) => line.exitCode)
    expect(ended).toContain(8)
  })

  it.concurrent('kills an installer that ignores SIGINT after a grace', { timeout: 120_000 }, async () => {
    const asked = await h.requestCluster('stubborn')
    await stageOf(asked.job.id, 'bootstrap')
    await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROYED')
    expect(left('stubborn')).toEqual([])
  })
})

describe.concurrent('a destroy', () => {
  it.concurrent(
    'that cannot end is stopped when it stands still, lists what blocks it, and can be abandoned with a record',
    { timeout: 180_000 },
    async () => {
      const asked = await h.requestCluster('sticky')
      await h.reach(asked.cluster.id, 'READY')
      expect(await post(`/clusters/${asked.cluster.id}/abandon`, { reason: 'because I want to' })).toMatchObject({
        status: 409,
      })
      const { job: destroy } = await h.destroy(asked.cluster.id)
      await h.reach(asked.cluster.id, 'DESTROY_FAILED')
      const shown = await cluster(asked.cluster.id)
      expect(shown.statusReason).toMatch(/made no progress; left: .*vpc vpc-/)
      expect(shown.actions).toEqual(['destroy'])
      expect((await job(destroy.id)).attempts).toHaveLength(3)
      const [retry] = await h.rows(
        `select destroy_retry_at > now() + interval '4 minutes' as later, destroy_failures from clusters where name = 'sticky'`,
      )
      expect(retry).toEqual({ later: true, destroy_failures: 1 })

      // Half of it may be gone: no later attempt takes it for an install that only has to be waited for.
      expect(await h.rows(`select bootstrapped_at from infra_ledger where infra_id like 'sticky-_____'`)).toEqual([
        { bootstrapped_at: null },
      ])
      expect(await post(`/clusters/${asked.cluster.id}/abandon`, { reason: 'short' })).toMatchObject({
        status: 400,
        body: { errors: [{ pointer: '/reason' }] },
      })
      const somebody = await h.tokenFor([{ team: 'default', role: 'team_admin' }])
      expect(
        (
          await h.call('POST', `/clusters/${asked.cluster.id}/abandon`, {
            key: 'x',
            token: somebody,
            body: { reason: 'I am not allowed to' },
          })
        ).status,
      ).toBe(403)
      expect(
        await post(`/clusters/${asked.cluster.id}/abandon`, { reason: 'the VPC is peered by another team' }),
      ).toMatchObject({ status: 200, body: { status: 'DESTROY_FAILED', abandonedAt: expect.any(String) } })
      expect(await h.rows(`select reason, jsonb_array_length(resources) > 0 as some from leak_records`)).toEqual([
        { reason: 'the VPC is peered by another team', some: true },
      ])
      expect(
        await h.call('POST', '/clusters', {
          key: 'sticky-again',
          body: { name: 'sticky', platform: 'aws', profile: 'aws-minimal-test' },
        }),
      ).toMatchObject({ status: 409, body: { code: 'NAME_TAKEN' } })
    },
  )

  it.concurrent.each(['fail', 'hang'])('over nothing whose installer does %s ends, and says so', async (action) => {
    const asked = await h.requestCluster(`none-${action}`, { preserveOnFailure: true })
    await h.reach(asked.cluster.id, 'FAILED')
    const destroy = await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROYED')
    expect(await job(destroy.job.id)).toMatchObject({
      status: 'SUCCEEDED',
      message: expect.stringMatching(/but the inventory was verified and empty, twice: 0 resources left$/),
      attempts: [{ outcome: 'SUCCEEDED' }],
    })
  })

  it.concurrent('that failed once is tried again and ends', { timeout: 120_000 }, async () => {
    const asked = await h.requestCluster('sticky-2')
    await h.reach(asked.cluster.id, 'READY')
    await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROYED')
    expect(left('sticky-2')).toEqual([])
  })

  it.concurrent('whose leftovers the installer does not see is not called DESTROYED', async () => {
    const asked = await h.requestCluster('dns')
    await h.reach(asked.cluster.id, 'READY')
    // Somebody deletes the private zone by hand: the public records carry no tag, and the installer finds them no more.
    for (const file of left('dns').filter((name) => name.includes('/hosted-zone-')))
      rmSync(join(h.cloudDir, 'resources', file))
    await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROY_FAILED')
    expect((await cluster(asked.cluster.id)).statusReason).toMatch(/^ResourcesLeft: 2 resources are left: dns-record/)
    for (const file of left('dns')) rmSync(join(h.cloudDir, 'resources', file))
    await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROYED')
  })

  it.concurrent('goes by an older snapshot, or by the ledger alone, when stored state is corrupt or gone', async () => {
    const asked = await h.requestCluster('rotten')
    await h.reach(asked.cluster.id, 'READY')
    const keys = await h.rows<{ key: string }>(
      `select key from cluster_artifacts where cluster_id = '${asked.cluster.id}' order by id desc`,
    )
    const path = (key: string) => join(h.environment['OCPCTL_DATA_DIR'] ?? '', 'artifacts', key)
    const bytes = readFileSync(path(keys[0]?.key ?? ''))
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    writeFileSync(path(keys[0]?.key ?? ''), bytes)
    for (const { key } of keys.slice(1)) rmSync(path(key))
    const { job: destroy } = await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROYED')
    expect(left('rotten')).toEqual([])
    const log = JSON.stringify((await h.call('GET', `/jobs/${destroy.id}/log`)).body)
    expect(log).toContain('cannot be restored')
    expect(log).toContain('the ledger still knows what to destroy')
  })

  it.concurrent('passes over a snapshot that has lost its metadata', async () => {
    const asked = await h.requestCluster('hollow')
    await h.reach(asked.cluster.id, 'READY')
    const [newest] = await h.rows<{ infra_id: string; attempt_id: string }>(
      `select infra_id, attempt_id from cluster_artifacts where cluster_id = '${asked.cluster.id}' order by id desc limit 1`,
    )
    const key = `clusters/${asked.cluster.id}/hollow.sealed`
    const empty = mkdtempSync(join(tmpdir(), 'ocpctl-hollow-'))
    const { sha256, sizeBytes } = await writeSnapshot(h.app.store, h.app.box, { key, dir: empty, context: key })
    rmSync(empty, { recursive: true })
    await h.app.db.insert(clusterArtifacts).values({
      id: newId('art'),
      clusterId: asked.cluster.id,
      attemptId: newest?.attempt_id ?? null,
      infraId: newest?.infra_id ?? null,
      kind: 'snapshot',
      stage: 'complete',
      key,
      sha256,
      sizeBytes,
    })
    await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROYED')
    expect(left('hollow')).toEqual([])
  })

  it.concurrent('of metadata that differs from the ledger is refused, and destroys nothing', async () => {
    const asked = await h.requestCluster('forged')
    await h.reach(asked.cluster.id, 'READY')
    const before = left('forged').length
    await h.rows(
      `update infra_ledger set metadata = jsonb_set(metadata, '{clusterID}', '"other"') where cluster_id = '${asked.cluster.id}'`,
    )
    const { job: destroy } = await h.destroy(asked.cluster.id)
    await h.reach(asked.cluster.id, 'DESTROY_FAILED')
    expect(await job(destroy.id)).toMatchObject({ reason: 'UnsafeMetadata', attempts: [{ number: 1 }] })
    expect(left('forged')).toHaveLength(before)
    expect(commands('forged')).not.toContain('destroy cluster')
  })
})

describe.concurrent('a cloud that cannot be asked', () => {
  it.concurrent('is never called empty: the cluster says that it is not verified', async () => {
    const { openUnverifiedInventory } = await import('../src/clouds/by-platform.ts')
    const { startWorker } = await import('../src/worker/worker.ts')
    const other = await openHarness()
    try {
      const worker = await startWorker({ ...other.app, inventory: openUnverifiedInventory() })
      const asked = await other.requestCluster('unseen', { platform: 'ibmcloud', profile: 'ibmcloud-standard' })
      await other.reach(asked.cluster.id, 'READY')
      await other.destroy(asked.cluster.id)
      await other.reach(asked.cluster.id, 'DESTROY_FAILED')
      const shown = (await other.call('GET', `/clusters/${asked.cluster.id}`)).body
      expect(shown.statusReason).toMatch(/^InventoryNotVerified: IBM Cloud is not verified/)
      expect(shown.lastFailure).toMatchObject({ reason: 'InventoryNotVerified', actor: 'platform-team' })
      await worker.drain(0)
    } finally {
      await other.close()
    }
  })

  it.concurrent('that refuses one question keeps the proof pending, and the API names the permission', async () => {
    const { startWorker } = await import('../src/worker/worker.ts')
    const other = await openHarness()
    const { find } = other.app.inventory
    const denied = { kind: 'ec2:DescribeVpcs', why: 'the caller lacks the permission', isDenied: true as const }
    const disk: Resource = { id: 'disk-9', type: 'disk', name: 'a-disk', region: 'us-east-1', usdPerHour: 0.5 }
    let isRefused = true
    const partly: Inventory['find'] = async (query) => {
      const answer = await find(query)
      return isRefused ? { ...answer, found: [...answer.found, disk], notChecked: [denied] } : answer
    }
    try {
      const worker = await startWorker({ ...other.app, inventory: { ...other.app.inventory, find: partly } })
      const { cluster: asked } = await other.requestCluster('refused')
      await other.reach(asked.id, 'READY')
      const shown = async () => (await other.call('GET', `/clusters/${asked.id}`)).body
      expect(await shown()).toMatchObject({ proof: null })
      await other.destroy(asked.id)
      await other.reach(asked.id, 'DESTROY_FAILED')
      const pending = await shown()
      expect(pending.proof).toMatchObject({ state: 'unknown', found: [disk], foundCount: 1, usdPerHour: 0.5, notChecked: [denied] }) // prettier-ignore
      expect(pending.lastFailure).toMatchObject({
        reason: 'InventoryNotVerified',
        message: 'AWS is not verified: the caller lacks the permission (ec2:DescribeVpcs); found already: disk disk-9',
      })
      expect(pending.destroyedAt).toBeNull()
      isRefused = false
      await other.destroy(asked.id)
      await other.reach(asked.id, 'DESTROYED')
      expect((await shown()).proof).toMatchObject({ state: 'empty', found: [], notChecked: [] })
      await worker.drain(0)
    } finally {
      await other.close()
    }
  })

  it.concurrent('is asked again after its lag: what is told only then is left', async () => {
    const other = await openHarness()
    const disk: Resource = { id: 'disk-9', type: 'disk', name: 'late-disk', region: 'us-east-1' }
    const { find } = other.app.inventory
    let looks = 0
    const late: Inventory['find'] = async (query) => {
      const proving = await other.rows(`select from job_attempts where stage = 'verify' and ended_at is null`)
      return proving.length > 0 && ++looks === 2 ? { found: [disk], checked: ['disks'], notChecked: [] } : find(query)
    }
    try {
      const worker = await startWorker({ ...other.app, inventory: { ...other.app.inventory, find: late } })
      const { cluster: asked } = await other.requestCluster('late')
      await other.reach(asked.id, 'READY')
      await other.destroy(asked.id)
      await other.reach(asked.id, 'DESTROYED')
      const tries = await other.rows(
        `select a.outcome, a.reason, a.message from job_attempts a join jobs j on j.id = a.job_id where j.type = 'DESTROY' order by a.number`,
      )
      expect(tries).toMatchObject([
        { outcome: 'FAILED', reason: 'ResourcesLeft', message: '1 resources are left: disk disk-9' },
        { outcome: 'SUCCEEDED' },
      ])
      await worker.drain(0)
    } finally {
      await other.close()
    }
  })
})

it.concurrent('an entry that an earlier release closed by the word of the installer alone is destroyed all the same', async () => {
  const { cluster } = await h.requestCluster('unbegun')
  await h.reach(cluster.id, 'READY')
  await h.rows(`update infra_ledger set empty_at = now(), not_begun_at = now() where cluster_id = '${cluster.id}'`)
  await h.destroy(cluster.id)
  await h.reach(cluster.id, 'DESTROYED')
  expect(h.resources().filter((name) => name.startsWith('unbegun-'))).toEqual([])
  const ran = h.journal().filter((line) => line.event === 'start' && line.cluster === 'unbegun')
  expect(ran.at(-1)?.command).toBe('destroy cluster')
})

describe.concurrent('a field that the installer throws away', () => {
  it.concurrent('ends the job before the cloud is touched, whatever wrote it', async () => {
    const { startWorker } = await import('../src/worker/worker.ts')
    const other = await openHarness()
    try {
      const { installer } = other.app
      const older = { version: '4.18.27', fips: false }
      const start: typeof installer.start = (options) => installer.start({ ...options, program: older })
      const asked = await other.requestCluster('thrown', { version: '4.19.15' })
      const subnets = '{"aws": {"subnets": [{"id": "subnet-0a1b2c3d", "roles": []}]}}'
      await other.rows(`update clusters set profile_snapshot = profile_snapshot || '${subnets}'`)
      const worker = await startWorker({ ...other.app, installer: { ...installer, start } })
      await other.reach(asked.cluster.id, 'FAILED')
      const shown = (await other.call('GET', `/jobs/${asked.job.id}`)).body
      expect(shown).toMatchObject({
        reason: 'UnknownInstallConfigField',
        actor: 'platform-team',
        attempts: [{ number: 1 }],
      })
      expect(shown.message).toContain('unknown field "vpc"')
      expect(other.journal().map((line) => line.command)).not.toContain('create cluster')
      expect(other.resources()).toEqual([])
      await worker.drain(0)
    } finally {
      await other.close()
    }
  })
})

describe.concurrent('a work directory', () => {
  it.concurrent(
    'that vanishes under an install costs an attempt and leaves nothing',
    { timeout: 120_000 },
    async () => {
      const asked = await h.requestCluster('swept')
      await stageOf(asked.job.id, 'bootstrap')
      rmSync(
        join(
          h.environment['OCPCTL_DATA_DIR'] ?? '',
          'work',
          (await h.rows<{ id: string }>(`select id from job_attempts where job_id = '${asked.job.id}'`))[0]?.id ?? '',
        ),
        { recursive: true },
      )
      await h.reach(asked.cluster.id, 'READY')
      const { attempts } = await job(asked.job.id)
      expect(attempts.at(-1)).toMatchObject({ outcome: 'SUCCEEDED' })
      expect(left('swept').every((file) => file.startsWith(attempts.at(-1).infraId))).toBe(true)
    },
  )
})

describe.concurrent('what a failed clean-up left', () => {
  it.concurrent("is on the janitor's list, and is gone when it has been there", { timeout: 120_000 }, async () => {
    const { destroyDueClusters } = await import('../src/cron/janitor.ts')
    const asked = await h.requestCluster('leftover')
    await h.reach(asked.cluster.id, 'FAILED')
    expect((await cluster(asked.cluster.id)).statusReason).toContain(
      'could not be destroyed yet and will be tried again',
    )
    expect(left('leftover').length).toBeGreaterThan(0)
    await h.rows(
      `update clusters set destroy_retry_at = now() where id = '${asked.cluster.id}' and destroy_retry_at is not null`,
    )
    await destroyDueClusters(h.app)
    await h.reach(asked.cluster.id, 'DESTROYED')
    expect(left('leftover')).toEqual([])
  })
})

describe.concurrent('the store', () => {
  it.concurrent('refuses: no cluster is begun while readyz knows it, and one that stands is destroyed', async () => {
    const other = await openHarness()
    try {
      const secret = 'kept-to-itself'
      let problem: string | undefined
      const store = {
        ...other.app.store,
        check: async () => {
          if (problem !== undefined) throw new Error(problem)
        },
      }
      const config = { ...other.app.config, environment: { OCPCTL_S3_SECRET_ACCESS_KEY: secret } }
      const app = { ...other.app, store, config }
      const worker = await startWorker(app)
      const { cluster: standing } = await other.requestCluster('standing')
      await other.reach(standing.id, 'READY')
      problem = `SignatureDoesNotMatch of ${secret}`
      expect((await createHttp(app).request('/readyz')).status).toBe(503)
      expect((await createHttp(app).request('/readyz?for=requests')).status).toBe(200)
      const { cluster: held } = await other.requestCluster('held')
      const shown = async () => (await other.call('GET', `/clusters/${held.id}`)).body
      const { status, statusReason } = await eventually(async () => {
        const now = await shown()
        return now.statusReason !== null && now
      })
      expect([status, statusReason]).toEqual([
        'PENDING',
        expect.stringMatching(/^it waits to begin: the artifact store does not work: SignatureDoesNotMatch of /),
      ])
      expect(statusReason).not.toContain(secret)
      await other.destroy(standing.id)
      await other.reach(standing.id, 'DESTROYED')
      expect(await other.rows(`select 1 from job_attempts a join jobs j on j.id = a.job_id where j.cluster_id = '${held.id}'`)).toEqual([]) // prettier-ignore
      problem = undefined
      await other.reach(held.id, 'READY')
      expect((await shown()).statusReason).toBeNull()
      await worker.drain(0)
    } finally {
      await other.close()
    }
  })

  it.concurrent('down: no cluster is begun without its stored state, and it goes on when the store is back', async () => {
    const { openStore } = await import('../src/artifacts/store.ts')
    const other = await openHarness()
    try {
      let isDown = true
      const real = openStore(other.app.config.artifactsUrl)
      const store = {
        ...real,
        put: async (...args: Parameters<typeof real.put>) =>
          isDown ? (args[1].destroy(), Promise.reject(new Error('the store is down'))) : real.put(...args),
      }
      const worker = await startWorker({ ...other.app, store })
      const asked = await other.requestCluster('dark')
      await eventually(async () =>
        JSON.stringify((await other.call('GET', `/jobs/${asked.job.id}/log`)).body).includes(
          'could not be stored and is tried again',
        ),
      )
      const reason = async () => (await other.call('GET', `/clusters/${asked.cluster.id}`)).body.statusReason
      await eventually(async () => (await reason()) === 'it waits, since its state cannot be stored: the store is down')
      expect(other.journal().map((line) => line.command)).not.toContain('create cluster')
      isDown = false
      await other.reach(asked.cluster.id, 'READY')
      expect(await reason()).toBeNull()
      isDown = true
      await other.destroy(asked.cluster.id)
      await other.reach(asked.cluster.id, 'DESTROYED')
      expect(other.resources()).toEqual([])
      await worker.drain(0)
    } finally {
      await other.close()
    }
  })
})

it('no work directory is left behind', async () => {
  await eventually(() => readdirSync(join(h.environment['OCPCTL_DATA_DIR'] ?? '', 'work')).length === 0)
})
