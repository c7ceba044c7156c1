// A database that has lost what it had acknowledged: a fail-over to a standby that lagged, or the restore of an older dump.
// What the cloud and the artifact store still know comes back, and nothing is left behind.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeSnapshot } from '../src/artifacts/snapshot.ts'
import { newId } from '../src/ids.ts'
import { reconcile } from '../src/reconcile/reconcile.ts'
import { recoverLost } from '../src/commands/recover.ts'
import { startWorker, type Worker } from '../src/worker/worker.ts'
import { listOpenEntries } from '../src/clusters/ledger.ts'
import { adoptUnlessKnown } from '../src/clusters/adopt.ts'
import { tellOfLoss } from '../src/worker/aftermath.ts'
import type { Operation } from '../src/worker/operation.ts'
import { eventually, exitOf, openHarness, ROOT, type Harness } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await openHarness({ speed: 100_000, leaseSeconds: 10 })
})
afterEach(() => h.close())

/** As if no commit about the cluster had ever been. */
async function forget(clusterId: string): Promise<void> {
  const ofJobs = `(select id from jobs where cluster_id = '${clusterId}')`
  for (const statement of [
    `delete from job_locks where cluster_id = '${clusterId}'`,
    `delete from pgboss.job where singleton_key = '${clusterId}'`,
    `delete from job_log_chunks where job_id in ${ofJobs}`,
    ...['cluster_outputs', 'cluster_artifacts', 'infra_ledger', 'emptiness_certificates'].map(
      (table) => `delete from ${table} where cluster_id = '${clusterId}'`,
    ),
    `delete from job_attempts where job_id in ${ofJobs}`,
    `delete from jobs where cluster_id = '${clusterId}'`,
    `delete from clusters where id = '${clusterId}'`,
  ])
    await h.rows(statement)
}

async function install(name: string): Promise<string> {
  const { cluster } = await h.requestCluster(name)
  await h.reach(cluster.id, 'READY')
  return cluster.id
}
const destroy = async (id: string) => {
  await h.destroy(id)
  await h.reach(id, 'DESTROYED')
}
const openInfraIds = async () =>
  (await h.rows<{ id: string }>('select infra_id as id from infra_ledger where empty_at is null')).map(({ id }) => id)
const adopt = (clusterId: string, options: { dryRun?: boolean; key?: string } = {}) =>
  h.call('POST', `/clusters/adopt${options.dryRun ? '?dryRun=true' : ''}`, {
    body: { clusterId },
    key: options.key ?? newId('evt'),
  })

describe('a ledger entry that was lost', () => {
  it('under an install is put back by it, before the cluster is READY', async () => {
    let lost: Promise<unknown> | undefined
    const worker: Worker = await startWorker({
      ...h.app,
      onStep: (step) => {
        if (step === 'create:infrastructure-begun')
          lost ??= h.rows('update clusters set infra_id = null').then(() => h.rows('delete from infra_ledger'))
      },
    })
    // Slow enough that there are stages after the loss.
    h.setFaults([{ cluster: 'tail', stage: 'network', action: 'throttle', factor: 50 }])
    const id = await install('tail')
    await lost
    const [cluster] = await h.rows<{ infra: string }>(`select infra_id as infra from clusters where id = '${id}'`)
    expect(cluster?.infra).toMatch(/^tail-/)
    expect(await openInfraIds()).toEqual([cluster?.infra])
    await destroy(id)
    expect(h.resources()).toEqual([])
    await worker.drain(0)
  })

  it.each(['its entry', 'its entry and the rows of its snapshots'])(
    'of a READY cluster, %s, is found in the artifact store by its destroy',
    async (what) => {
      await h.startWorker()
      const id = await install('gone')
      await h.rows('delete from infra_ledger')
      if (what !== 'its entry') await h.rows('delete from cluster_artifacts')
      await destroy(id)
      expect(h.resources()).toEqual([])
      expect(await openInfraIds()).toEqual([])
      expect(await h.rows('select infra_id, attempt_id from infra_ledger')).toMatchObject([{ attempt_id: null }])
    },
  )

  it.each(['', ' and its attempts'])(
    'of a finished install whose job begins again is found, lost with its snapshots%s, and the install is kept rather than made twice',
    async (more) => {
      const first = await h.startWorker()
      const id = await install('twice')
      // A delivery that is still ending would end the one below, which has its id.
      await first.drain(60_000)
      const [before] = await h.rows<{ infra: string }>('select infra_id as infra from clusters')
      // As a dump from the moment when its first attempt had just begun would have it.
      await h.rows(`update clusters set status = 'CREATING', ready_at = null, infra_id = null`)
      await h.rows(`update jobs set status = 'RUNNING', ended_at = null`)
      await h.rows(`delete from infra_ledger`)
      await h.rows(`delete from cluster_artifacts`)
      await h.rows(`delete from cluster_outputs`)
      if (more) await h.rows('delete from job_log_chunks').then(() => h.rows('delete from job_attempts'))
      const [job] = await h.rows<{ id: string }>('select id from jobs')
      await h.rows(`delete from pgboss.job where name = 'cluster-jobs'`)
      await h.app.db.transaction(async (tx) =>
        h.app.queue.enqueue(tx, [{ id: job?.id ?? '', clusterId: id, type: 'CREATE' }]),
      )
      await h.startWorker()
      await h.reach(id, 'READY')
      expect(await openInfraIds()).toEqual([before?.infra])
      expect(await h.rows('select infra_id as infra from clusters')).toEqual([before])
      expect(
        h.journal().filter(({ event, command }) => event === 'start' && command === 'create cluster'),
      ).toHaveLength(1)
      expect((await h.call('GET', `/clusters/${id}/kubeconfig`)).status).toBe(200)
      await destroy(id)
      expect(h.resources()).toEqual([])
    },
  )
})

describe('a cluster that was lost', () => {
  it('is shown by a dry run, and adopted with its credentials, its name and its end', async () => {
    await h.startWorker()
    const id = await install('lost')
    const { body: before } = await h.call('GET', `/clusters/${id}`)
    const credentials = (await h.call('GET', `/clusters/${id}/kubeconfig`)).body
    await forget(id)
    expect(await h.call('GET', `/clusters/${id}`)).toMatchObject({ status: 404 })

    expect(await adopt(id, { dryRun: true })).toMatchObject({
      status: 200,
      body: { id, name: 'lost', becomes: 'READY', infraIds: [before.infraId], owner: before.owner },
    })
    expect(await h.call('GET', `/clusters/${id}`)).toMatchObject({ status: 404 })
    const key = newId('evt')
    expect(await adopt(id, { key })).toMatchObject({ status: 201, body: { id, status: 'READY', team: before.team } })
    expect((await adopt(id, { key })).headers.get('idempotency-replayed')).toBe('true')
    expect(await adopt(id)).toMatchObject({ status: 409, body: { code: 'CONFLICT' } })
    expect((await h.call('GET', `/clusters/${id}/kubeconfig`)).body).toEqual(credentials)
    const { destroyAt } = (await h.call('GET', `/clusters/${id}`)).body
    expect(Date.parse(destroyAt)).toBeLessThanOrEqual(Date.parse(before.destroyAt))
    expect(await h.call('POST', '/clusters', { key: newId('evt'), body: { name: 'lost', platform: 'aws', profile: 'aws-minimal-test' } })).toMatchObject({ status: 409, body: { code: 'NAME_TAKEN' } }) // prettier-ignore
    expect(await h.rows(`select detail ->> 'to' as to from audit_events where action = 'cluster.adopt'`)).toEqual([
      { to: 'READY' },
    ])
    await destroy(id)
    expect(h.resources()).toEqual([])
    expect(await adopt(id, { key })).toMatchObject({ status: 201, body: { id, status: 'READY' } })
  })

  it('whose name another one took meanwhile stays as it is, and the other one is not made over it', async () => {
    await h.startWorker()
    const id = await install('name')
    await forget(id)
    const { cluster } = await h.requestCluster('name')
    await h.reach(cluster.id, 'FAILED')
    expect((await h.call('GET', `/clusters/${cluster.id}`)).body).toMatchObject({
      statusReason: expect.stringContaining('DNS records of name.'),
      lastFailure: { reason: 'DNSAlreadyExists' },
    })
    const before = h.resources().length
    expect(await adopt(id)).toMatchObject({ status: 409, body: { code: 'NAME_TAKEN' } })
    await destroy(cluster.id)
    expect(h.resources()).toHaveLength(before)
    expect(await adopt(id)).toMatchObject({ status: 201 })
    await destroy(id)
    expect(h.resources()).toEqual([])
  })

  it('whose name another one took meanwhile comes back by itself when that one is gone', async () => {
    await h.startWorker()
    const id = await install('again')
    const [entry] = await listOpenEntries(h.app.db, id)
    if (!entry) throw new Error('the ledger has no entry')
    await forget(id)
    const { cluster } = await h.requestCluster('again')
    // As the worker whose attempt it was does when it finds its cluster lost.
    const lost = { claim: { cluster: { id } }, infra: entry } as unknown as Operation
    await tellOfLoss(h.app, lost, AbortSignal.timeout(10_000))
    await destroy(cluster.id)
    await h.app.queue.workAdoptions((lostId) => adoptUnlessKnown(h.app, lostId))
    await h.reach(id, 'READY', 'FAILED', 'DESTROYING', 'DESTROYED')
    await destroy(id)
    expect(h.resources()).toEqual([])
  })

  it('is taken back when all parts are compared, which says so', async () => {
    await h.startWorker()
    const id = await install('swept')
    await forget(id)
    expect(await reconcile(h.app)).toMatchObject({ filed: 1, repaired: 1 })
    expect(await h.rows(`select type, subject from findings where resolved_at is null`)).toEqual([
      { type: 'cluster-adopted', subject: id },
    ])
    expect(await h.rows(`select status from clusters where id = '${id}'`)).toEqual([{ status: 'READY' }])
    expect(await reconcile(h.app)).toMatchObject({ filed: 0, resolved: 1 })
    await destroy(id)
    expect(h.resources()).toEqual([])
  })

  it('is taken back by what the store has, where the cloud cannot list what carries our tag', async () => {
    await h.startWorker()
    const [stands, gone] = [await install('stands'), await install('gone')]
    await destroy(gone)
    for (const id of [stands, gone]) await forget(id)
    const { findOwned: _, ...inventory } = h.app.inventory
    const app = { ...h.app, inventory }
    expect(await reconcile(app)).toMatchObject({ filed: 2, repaired: 2, skipped: [{ reason: expect.stringMatching(/cannot list/) }] }) // prettier-ignore
    expect(await h.rows(`select id, status from clusters order by id`)).toEqual([
      { id: stands, status: 'READY' },
      { id: gone, status: 'FAILED' },
    ])
    expect(await reconcile(app)).toMatchObject({ filed: 0, repaired: 0 })
    for (const id of [stands, gone]) await destroy(id)
    expect(h.resources()).toEqual([])
  })

  it('is told by the command from the store alone where the cloud does not tell, which ends with 1', async () => {
    await h.startWorker()
    const id = await install('untold')
    await forget(id)
    const findOwned = () => {
      throw new Error('AccessDenied')
    }
    const lines: string[] = []
    const app = { ...h.app, inventory: { ...h.app.inventory, findOwned } }
    expect(await recoverLost(app, { apply: true }, (line) => lines.push(line))).toBe(1)
    expect(lines).toEqual([
      expect.stringMatching(/^Only the artifact store is looked through: .*AccessDenied$/),
      expect.stringContaining('is READY until'),
    ])
    await destroy(id)
    expect(h.resources()).toEqual([])
  })

  it('is told by the command, which changes nothing unless it is told to', { timeout: 120_000 }, async () => {
    await h.startWorker()
    const id = await install('command')
    await forget(id)
    const recover = async (...options: string[]) => {
      const child = spawn(process.execPath, ['src/main.ts', 'recover', ...options], { cwd: ROOT, env: h.environment })
      const said = text(child.stdout)
      return { code: await exitOf(child), said: await said }
    }
    expect(await recover()).toEqual({
      code: 0,
      said: expect.stringMatching(/command\..*would become READY[^]*--apply/),
    })
    expect(await h.rows('select id from clusters')).toEqual([])
    expect(await recover('--apply')).toEqual({ code: 0, said: expect.stringContaining('is READY until') })
    expect(await recover()).toEqual({ code: 0, said: expect.stringContaining('Whatever carries the tag') })
    expect(await recover('--aply')).toMatchObject({ code: 1 })
    await destroy(id)
  })

  it('comes back though what is stored of another one cannot be read', async () => {
    await h.startWorker()
    const [good, bad] = [await install('good'), await install('bad')]
    const dir = mkdtempSync(join(tmpdir(), 'ocpctl-stored-'))
    writeFileSync(join(dir, 'metadata.json'), '{}')
    const [row] = await h.rows<{ attempt: string }>(`select attempt_id as attempt from cluster_artifacts where cluster_id = '${bad}'`) // prettier-ignore
    const key = `clusters/${bad}/${row?.attempt}/999-complete-abcdef.tar.zst.sealed`
    await writeSnapshot(h.app.store, h.app.box, { key, dir, context: key })
    rmSync(dir, { recursive: true })
    for (const id of [bad, good]) await forget(id)
    const said: string[] = []
    expect(await recoverLost(h.app, { apply: true }, (line) => void said.push(line))).toBe(1)
    expect(said).toEqual(
      expect.arrayContaining([
        expect.stringMatching(`^${bad}: \\d+ resources, and it was not taken back: `),
        expect.stringMatching(`^${good} good\\..* is READY until`),
      ]),
    )
    expect(await h.rows('select id, status from clusters')).toEqual([{ id: good, status: 'READY' }])
  })

  it('under its install is taken back by the worker that still knows it, and what it made is destroyed', async () => {
    h.setFaults([{ cluster: 'half', stage: 'machines', action: 'hang', attempt: 1 }])
    await h.startWorker()
    const { cluster } = await h.requestCluster('half')
    await eventually(() => h.resources().some((file) => file.includes('instance')))
    await forget(cluster.id)
    await eventually(async () => (await h.rows('select id from clusters')).length > 0)
    expect(await h.rows('select id, status from clusters')).toEqual([{ id: cluster.id, status: 'FAILED' }])
    await destroy(cluster.id)
    expect(h.resources()).toEqual([])
    expect(await openInfraIds()).toEqual([])
  })

  it('of which nothing stands any more is not adopted, though the store still has its state', async () => {
    await h.startWorker()
    const id = await install('over')
    await destroy(id)
    await forget(id)
    expect(await adopt(id, { dryRun: true })).toMatchObject({ status: 404 })
    expect(await adopt(id)).toMatchObject({ status: 404 })
  })

  it('that the store does not know is not adopted', async () => {
    const id = newId('clu')
    expect(await adopt(id, { dryRun: true })).toMatchObject({ status: 404 })
    expect(await adopt(id)).toMatchObject({ status: 404 })
  })
})
