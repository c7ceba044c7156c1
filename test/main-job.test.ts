// The product's main job, on real parts: asked for over HTTP, installed, handed out, destroyed, proved empty.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Installer } from '../src/installer/installer.ts'
import { startWorker } from '../src/worker/worker.ts'
import { openHarness, type Harness } from './harness.ts'

describe('the main job', () => {
  let h: Harness
  beforeAll(async () => {
    h = await openHarness()
    await h.startWorker()
  })
  afterAll(() => h.close())

  for (const platform of ['aws', 'ibmcloud'] as const)
    it(`installs a cluster on ${platform}, hands out its kubeconfig, destroys it and leaves nothing`, async () => {
      const { cluster, job } = await h.requestCluster(`main-${platform}`, {
        platform,
        profile: `${platform}-standard`,
        tags: { purpose: 'yes', note: '1.0' },
      })
      await h.reach(cluster.id, 'READY')
      const shown = (await h.call('GET', `/clusters/${cluster.id}`)).body
      expect(shown).toMatchObject({
        status: 'READY',
        infraId: expect.stringMatching(new RegExp(`^main-${platform}-[a-z0-9]{5}$`)),
        actions: ['destroy', 'extend', 'protect', 'scale-workers', 'hibernate'],
        simulated: true,
      })
      expect(shown.attempt).toMatchObject({ stage: 'complete', progressPercent: 100, outcome: 'SUCCEEDED' })
      expect(h.resources().length).toBeGreaterThan(10)

      const outputs = (await h.call('GET', `/clusters/${cluster.id}/outputs`)).body
      expect(outputs.apiUrl).toBe(`https://api.main-${platform}.clusters.example.com:6443`)
      const kubeconfig = await h.call('GET', `/clusters/${cluster.id}/kubeconfig`)
      expect(parse(kubeconfig.body).clusters[0].cluster.server).toBe(outputs.apiUrl)
      const password = (await h.call('POST', `/clusters/${cluster.id}/kubeadmin-password`)).body.password
      expect(password).toMatch(/^\w{5}-\w{5}-\w{5}-\w{5}$/)

      const log = (await h.call('GET', `/jobs/${job.id}/log`)).body.items
      expect(log.map((line: { seq: number }) => line.seq)).toEqual(log.map((_: unknown, index: number) => index + 1))
      expect(log.some((line: { message: string }) => line.message === 'Install complete!')).toBe(true)
      expect(JSON.stringify(log)).not.toContain(password)

      await h.destroy(cluster.id)
      await h.reach(cluster.id, 'DESTROYED')
      expect(h.resources().filter((name) => name.startsWith(`main-${platform}-`))).toEqual([])
      expect(await h.rows(`select * from job_locks where cluster_id = '${cluster.id}'`)).toEqual([])
      expect(
        await h.rows(`select * from infra_ledger where cluster_id = '${cluster.id}' and empty_at is null`),
      ).toEqual([])
    })

  it('keeps every step in the audit trail, credential readings too', async () => {
    const { cluster } = await h.requestCluster('audited')
    await h.reach(cluster.id, 'READY')
    await h.call('GET', `/clusters/${cluster.id}/kubeconfig`)
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
    const actions = await h.rows<{ action: string }>(
      `select action from audit_events where cluster_id = '${cluster.id}' order by position`,
    )
    expect(actions.map((row) => row.action)).toEqual([
      'cluster.request',
      'job.open',
      'cluster.startCreate',
      'job.start',
      'cluster.finishCreate',
      'job.end',
      'cluster.read-kubeconfig',
      'cluster.startDestroy',
      'job.open',
      'job.start',
      'cluster.certify-emptiness',
      'cluster.finishDestroy',
      'job.end',
    ])
  })

  it('stores the state, sealed, at each stage', async () => {
    const { cluster } = await h.requestCluster('stored')
    await h.reach(cluster.id, 'READY')
    const stages = await h.rows<{ stage: string }>(
      `select stage from cluster_artifacts where cluster_id = '${cluster.id}' order by id`,
    )
    const names = stages.map((row) => row.stage)
    expect(names[0]).toBe('ignition-configs')
    expect(names.at(-1)).toBe('complete')
    expect(names.length).toBeGreaterThan(2)
  })

  it('has infraID and state in ledger and store before the cloud is touched', async () => {
    const seen: Promise<unknown[]>[] = []
    const other = await openHarness()
    const watched: Installer = {
      ...other.app.installer,
      start(options) {
        if (options.command === 'create cluster')
          seen.push(
            other.rows(
              `select l.infra_id, a.stage from infra_ledger l join cluster_artifacts a on a.id = l.snapshot_id`,
            ),
          )
        return other.app.installer.start(options)
      },
    }
    const worker = await startWorker({ ...other.app, installer: watched })
    const { cluster } = await other.requestCluster('first')
    await other.reach(cluster.id, 'READY')
    expect(await Promise.all(seen)).toEqual([
      [{ infra_id: expect.stringMatching(/^first-/), stage: 'ignition-configs' }],
    ])
    await worker.drain(0)
    await other.close()
  })

  it('destroys what a failed install made, tells why, and holds the name until it is destroyed', async () => {
    h.setFaults([{ cluster: 'doomed', stage: 'bootstrap', action: 'fail' }])
    const { cluster, job } = await h.requestCluster('doomed')
    await h.reach(cluster.id, 'FAILED')
    const shown = (await h.call('GET', `/clusters/${cluster.id}`)).body
    expect(shown.statusReason).toMatch(/What it made was destroyed/)
    expect((await h.call('GET', `/jobs/${job.id}`)).body).toMatchObject({ status: 'FAILED' })
    expect(h.resources().filter((name) => name.startsWith('doomed-'))).toEqual([])
    const again = await h.call('POST', '/clusters', {
      key: 'again',
      body: { name: 'doomed', platform: 'aws', profile: 'aws-minimal-test' },
    })
    expect(again).toMatchObject({ status: 409, body: { code: 'NAME_TAKEN' } })
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
  })

  it('cancels a running install when its cluster is to be destroyed', async () => {
    h.setFaults([{ cluster: 'impatient', stage: 'initialize', action: 'hang' }])
    const { cluster, job } = await h.requestCluster('impatient')
    await h.reach(cluster.id, 'CREATING')
    await waitForStage(h, job.id, 'initialize')
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
    expect((await h.call('GET', `/jobs/${job.id}`)).body.status).toBe('CANCELLED')
    expect(h.resources().filter((name) => name.startsWith('impatient-'))).toEqual([])
  })
})

async function waitForStage(h: Harness, jobId: string, stage: string) {
  for (;;) {
    const job = (await h.call('GET', `/jobs/${jobId}`)).body
    if (job.attempts.at(-1)?.stage === stage) return
    await new Promise<void>((resolve) => {
      const end = () => (clearTimeout(timer), stop(), resolve())
      const timer = setTimeout(end, 500)
      const stop = h.app.events.on('job', jobId, end)
    })
  }
}
