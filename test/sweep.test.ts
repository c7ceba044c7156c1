// Before a cluster is destroyed, what its own controllers made is taken away inside it; and nothing that happens there
// keeps it from being destroyed.
import { spawn, type ChildProcess } from 'node:child_process'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { sealOutputs } from '../src/clusters/outputs.ts'
import { clusterOutputs } from '../src/clusters/tables.ts'
import { eventually, exitOf, openHarness, ROOT, type Harness } from './harness.ts'
import { startKubernetesServer, type KubernetesServer } from './kubernetes-server.ts'
import { kubeconfigOf } from './pki.ts'

let h: Harness
let server: KubernetesServer
beforeAll(async () => {
  h = await openHarness({ concurrency: 12, leaseSeconds: 10 })
  server = await startKubernetesServer({ cloudDir: h.cloudDir })
  h.setFaults([{ cluster: 'never', stage: 'stability', action: 'fail', exitCode: 1, log: 'VcpuLimitExceeded' }])
  await h.startWorker()
})
afterAll(async () => {
  await h.close()
  await server.stop()
})

const hostOf = (name: string) => `api.${name}.clusters.example.com`
const ready = async (name: string, at = h, apis = server) => {
  const asked = await at.requestCluster(name)
  await at.reach(asked.cluster.id, 'READY')
  return { id: asked.cluster.id, api: apis.serve(hostOf(name)) }
}
const left = (name: string, at = h) => at.resources().filter((file) => file.startsWith(`${name}-`))
const logOf = async (jobId: string, at = h): Promise<string> =>
  (await at.call('GET', `/jobs/${jobId}/log`)).body.items.map((line: { message: string }) => line.message).join('\n')
const deletions = (name: string) => server.requests.filter((line) => line.startsWith(`DELETE ${hostOf(name)}`))
const destroyed = async (id: string) => {
  const { job } = await h.destroy(id)
  await h.reach(id, 'DESTROYED')
  return { log: await logOf(job.id), job: (await h.call('GET', `/jobs/${job.id}`)).body }
}

describe.concurrent('a destroy', () => {
  it.concurrent('takes away load balancers and disks first, whatever makes them again, and notes the disks', async () => {
    const { id, api } = await ready('furnished')
    api.addService('shop', 'front')
    api.addOperated('shop', 'operated')
    api.addService('openshift-ingress', 'router-default')
    api.put('services', { namespace: 'shop', name: 'internal' }, { type: 'ClusterIP' })
    api.addWorkload('shop', 'db', { replicas: 3 })
    api.addWorkload('openshift-monitoring', 'prometheus')
    expect(left('furnished').filter((file) => file.includes('volume-pvc-'))).toHaveLength(4)

    const { job } = await h.destroy(id)
    await h.reach(id, 'DESTROYED')
    expect(left('furnished')).toEqual([])
    expect(api.things('persistentvolumes')).toEqual([])
    expect(api.things('persistentvolumeclaims')).toEqual([])
    expect(api.things('services').sort()).toEqual([
      '/api/v1/namespaces/openshift-ingress/services/router-default',
      '/api/v1/namespaces/shop/services/internal',
    ])
    const log = await logOf(job.id)
    expect(log).toContain('Taking away inside the cluster: service shop/front')
    expect(log).toContain('claim shop/data-db-2')
    expect(log).toContain('No load balancer or disk of its own making is left in the cluster')
    const [row] = await h.rows<{ params: { disks: string[]; run: { stages: object } } }>(`select params from jobs where id = '${job.id}'`) // prettier-ignore
    expect(row?.params.disks).toHaveLength(8)
    expect(row?.params.disks).toEqual(expect.arrayContaining([expect.stringMatching(/^vol-/), expect.stringMatching(/^pvc-/)])) // prettier-ignore
    expect(row?.params.run.stages).toHaveProperty('sweep')
    const events = await h.rows<{ detail: object }>(`select detail from audit_events where action = 'cluster.sweep' and cluster_id = '${id}'`) // prettier-ignore
    expect(events).toEqual([{ detail: { services: 2, claims: 4, volumes: 4 } }])
  })

  it.concurrent('looks afterwards for disks that no tag leads to, by name, until they are gone', async () => {
    const { id, api } = await ready('kept-disk')
    api.addWorkload('shop', 'db', { policy: 'Retain' })
    const [disk = ''] = left('kept-disk').filter((file) => file.includes('volume-pvc-'))
    const { job } = await h.destroy(id)
    await eventually(async () => (await h.call('GET', `/jobs/${job.id}`)).body.attempts.at(-1)?.outcome === 'FAILED')
    expect(left('kept-disk')).toEqual([disk])
    expect((await h.call('GET', `/jobs/${job.id}`)).body.attempts.at(-1)).toMatchObject({
      reason: 'ResourcesLeft',
      message: expect.stringMatching(/^1 resources are left: volume vol-/),
    })
    expect(deletions('kept-disk')).toEqual([])
  })

  it.concurrent('of a cluster that has nothing of the kind says so, and changes nothing', async () => {
    const { id } = await ready('bare')
    const { log, job } = await destroyed(id)
    expect(log).toContain('The cluster has no load balancer or disk of its own making')
    expect(server.requests.filter((line) => !line.startsWith('GET') && line.includes(hostOf('bare')))).toEqual([])
    expect(job.attempts).toHaveLength(1)
  })

  it.concurrent(
    'goes on when something never goes, says what and why, and takes away the rest',
    { timeout: 60_000 },
    async () => {
      const { id, api } = await ready('stuck')
      api.addService('shop', 'front')
      api.addService('shop', 'odd')
      api.addWorkload('shop', 'db')
      server.stuck.add('/api/v1/namespaces/shop/services/odd')
      const { log } = await destroyed(id)
      expect(log).toMatch(/Gone inside the cluster: .*service shop\/front/)
      expect(log).toContain('Left inside the cluster: service shop/odd (service.kubernetes.io/load-balancer-cleanup)')
      expect(log).not.toMatch(/Left inside the cluster: .*front/)
      expect(left('stuck')).toEqual([])
    },
  )

  it.concurrent('goes on when the API hangs, from the start or in the middle', { timeout: 60_000 }, async () => {
    const [first, later] = await Promise.all([ready('hung'), ready('hangs-later')])
    later.api.addService('shop', 'front')
    server.faults.push({ at: /GET api\.hung\./, how: 'hang', times: 1000 })
    server.faults.push({ at: /DELETE api\.hangs-later\./, how: 'hang', times: 1000 })
    const ends = await Promise.all([destroyed(first.id), destroyed(later.id)])
    expect(ends[0].log).toContain("The cluster's API is not reached: the time is over")
    expect(ends[1].log).toContain('Left inside the cluster: service shop/front')
    expect(ends[1].log).toContain("The cluster's API is not reached any more: the time is over")
  })

  it.concurrent('goes on when the API refuses everything, or one thing', async () => {
    const [all, one] = await Promise.all([ready('refused'), ready('refused-one')])
    server.faults.push({ at: /api\.refused\./, how: 'forbid', times: 1000 })
    one.api.addService('shop', 'front')
    one.api.addService('shop', 'guarded')
    server.faults.push({ at: /DELETE .*refused-one.*guarded/, how: 'forbid', times: 2 })
    server.faults.push({ at: /PATCH .*refused-one.*resourcequotas/, how: 'forbid', times: 1000 })
    const [{ log }] = await Promise.all([destroyed(all.id), destroyed(one.id)])
    expect(log).toContain('The cluster is not swept inside: it answers 403 Forbidden')
    expect(left('refused-one')).toEqual([])
  })

  it.concurrent('asks nothing with a kubeconfig that would run a program, and names the field', async () => {
    const { id } = await ready('wicked')
    const server_ = `https://${hostOf('wicked')}:6443`
    const kubeconfig = kubeconfigOf(server_, server.authority.cert, server.admin).replace('    client-key-data', '    exec: {command: /bin/false}\n    client-key-data') // prettier-ignore
    const { kubeconfigSealed } = sealOutputs(h.app.box, id, { kubeconfig, kubeadminPassword: '', consoleUrl: '' })
    await h.app.db.update(clusterOutputs).set({ kubeconfigSealed }).where(eq(clusterOutputs.clusterId, id))
    const { log } = await destroyed(id)
    expect(log).toContain('The cluster is not swept inside: the kubeconfig is refused: users[0].user.exec would run a program on this host') // prettier-ignore
    expect(server.requests.filter((line) => line.includes(hostOf('wicked')))).toEqual([])
  })

  it.concurrent('of a cluster that never was READY asks nothing of it', async () => {
    const asked = await h.requestCluster('never', { preserveOnFailure: true })
    await h.reach(asked.cluster.id, 'FAILED')
    server.serve(hostOf('never')).addService('shop', 'front')
    await destroyed(asked.cluster.id)
    expect(server.requests.filter((line) => line.includes(hostOf('never')))).toEqual([])
  })

  it.concurrent('can be cancelled meanwhile, and the next one goes on', { timeout: 60_000 }, async () => {
    const { id, api } = await ready('cancelled')
    api.addService('shop', 'front')
    server.faults.push({ at: /DELETE api\.cancelled\./, how: 'hang', times: 1 })
    const { job } = await h.destroy(id)
    await eventually(() => deletions('cancelled').length > 0)
    await h.call('POST', `/jobs/${job.id}/cancel`, { key: 'cancel' })
    await eventually(async () => (await h.call('GET', `/jobs/${job.id}`)).body.status === 'CANCELLED')
    const again = await destroyed(id)
    expect(again.log).toContain('No load balancer or disk of its own making is left in the cluster')
  })
})

it(
  'is swept again after its worker died in the middle, and by nobody once the destroyer has begun',
  { timeout: 120_000 },
  async () => {
    const other = await openHarness({ speed: 3000, leaseSeconds: 10 })
    const apis = await startKubernetesServer({ cloudDir: other.cloudDir })
    const workers: ChildProcess[] = []
    onTestFinished(async () => {
      for (const worker of workers) worker.kill('SIGKILL')
      await Promise.all(workers.map(exitOf))
      await other.close()
      await apis.stop()
    })
    const start = (deaths: object) => {
      const args = ['test/worker-process.ts', JSON.stringify(deaths)]
      const worker = spawn(process.execPath, args, { cwd: ROOT, env: other.environment, stdio: ['ignore', 'ignore', 'inherit'] }) // prettier-ignore
      workers.push(worker)
      return worker
    }
    const outcomes = async (jobId: string) =>
      (await other.call('GET', `/jobs/${jobId}`)).body.attempts.map((each: { outcome: string }) => each.outcome)

    const first = start({})
    const swept = await ready('dies-in-sweep', other, apis)
    const after = await ready('dies-after', other, apis)
    for (const { api } of [swept, after]) api.addWorkload('shop', 'db')
    apis.faults.push({ at: /DELETE api\.dies-in-sweep/, how: 'hang', times: 1 })
    const inSweep = await other.destroy(swept.id)
    await eventually(() => apis.requests.some((line) => line.startsWith('DELETE api.dies-in-sweep')))
    first.kill('SIGKILL')
    await exitOf(first)
    const second = start({ 'dies-after': [{ attempt: 1, step: 'destroy:restored' }] })
    await other.reach(swept.id, 'DESTROYED')
    expect(await outcomes(inSweep.job.id)).toEqual(['LOST', 'SUCCEEDED'])

    const later = await other.destroy(after.id)
    await exitOf(second)
    const before = apis.requests.length
    expect(apis.requests.some((line) => line.startsWith('DELETE api.dies-after'))).toBe(true)
    start({})
    await other.reach(after.id, 'DESTROYED')
    expect(apis.requests.length).toBe(before)
    expect(await outcomes(later.job.id)).toEqual(['LOST', 'SUCCEEDED'])
    for (const name of ['dies-in-sweep', 'dies-after']) expect(left(name, other)).toEqual([])
  },
)
