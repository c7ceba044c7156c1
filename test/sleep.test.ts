// A cluster sleeps and wakes: what is stopped and started in which order, what is approved, what it costs, how it fails.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../src/ids.ts'
import { makeRequest } from '../src/kubernetes/simulated/certificates.ts'
import type { SimulatedState } from '../src/kubernetes/simulated/cluster.ts'
import { readAsked, refusalOf, type Asked, type KnownMachine, type NodeRequest } from '../src/kubernetes/signing-requests.ts' // prettier-ignore
import { wakeBy } from '../src/policy/sleep.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

describe('how long a cluster may sleep', () => {
  const day = (n: number) => new Date(Date.UTC(2026, 0, 1 + n))
  it.each([
    ['4.20.3', day(0), day(10), day(100)],
    ['4.18.0', day(0), day(10), day(100)],
    ['4.17.9', day(0), day(10), day(40)],
    ['4.20.3', day(0), day(300), day(364)],
  ])('of %s, installed at %s and asleep since %s', (version, installed, asleep, expected) => {
    expect(wakeBy(version, installed, asleep)).toEqual(expected)
  })
})

describe('a signing request is approved', () => {
  const node = 'ip-10-0-0-1.ec2.internal'
  const machines: KnownMachine[] = [
    { name: 'm-1', isGoing: false, node, addresses: [node, '10.0.0.1'] },
    { name: 'm-2', isGoing: false, node: 'other', addresses: ['other', '10.0.0.2'] },
  ]
  const asked: Asked = { commonName: `system:node:${node}`, organizations: ['system:nodes'], dnsNames: [], addresses: [], other: [] } // prettier-ignore
  const bootstrapper = 'system:serviceaccount:openshift-machine-config-operator:node-bootstrapper'
  const client = { signerName: 'kubernetes.io/kube-apiserver-client-kubelet', username: bootstrapper, groups: [], usages: ['digital signature', 'client auth'] } // prettier-ignore
  const serving = { signerName: 'kubernetes.io/kubelet-serving', username: `system:node:${node}`, groups: ['system:nodes', 'system:authenticated'], usages: ['digital signature', 'key encipherment', 'server auth'] } // prettier-ignore
  const of = (spec: object): NodeRequest => ({ metadata: { name: 'csr-1', uid: 'u' }, spec: { request: '', ...spec } as NodeRequest['spec'], status: {} }) // prettier-ignore
  const names = { dnsNames: [node], addresses: ['10.0.0.1'] }

  it('of the bootstrapper for a machine, and of a node for its own names', () => {
    expect(refusalOf(of(client), asked, machines)).toBeUndefined()
    expect(refusalOf(of(serving), { ...asked, ...names }, machines)).toBeUndefined()
  })

  it.each<[string, object, Partial<Asked>, RegExp]>([
    ['for no node', client, { commonName: 'system:admin' }, /which is no node/],
    ['for masters', client, { organizations: ['system:nodes', 'system:masters'] }, /group system:nodes alone/],
    ['for a node without a machine', client, { commonName: 'system:node:stranger' }, /0 machines are the node/],
    ['for a client that serves', { ...client, usages: ['client auth', 'server auth'] }, {}, /its usages are/],
    ['by somebody else', { ...client, username: 'system:serviceaccount:shop:builder' }, {}, /not the bootstrapper/],
    ['for a client with names', client, { dnsNames: ['api.demo.example.com'] }, /has no names/],
    ['to serve by another node', { ...serving, username: 'system:node:other' }, names, /not the node itself/],
    [
      'to serve what is not its own',
      serving,
      { ...names, dnsNames: [node, 'api.demo.example.com'] },
      /has not api\.demo/,
    ],
    ['to serve an address of another', serving, { ...names, addresses: ['10.0.0.2'] }, /has not 10\.0\.0\.2/],
    ['to serve nothing', serving, {}, /names nothing/],
    ['to serve a URL', serving, { ...names, other: ['url https://x'] }, /it names url/],
  ])('but not %s', (_, spec, more, why) => {
    expect(refusalOf(of(spec), { ...asked, ...more }, machines)).toMatch(why)
  })

  it('is read as it was signed', async () => {
    expect(await readAsked(await makeRequest(node, 'serving'))).toEqual({ ...asked, dnsNames: [node], addresses: ['10.0.0.1'] }) // prettier-ignore
    expect(await readAsked(await makeRequest(node, 'client'))).toEqual(asked)
    await expect(readAsked(Buffer.from('nothing').toString('base64'))).rejects.toThrow()
  })
})

describe('a cluster', () => {
  let h: Harness
  beforeAll(async () => {
    h = await openHarness({ concurrency: 8 })
    await h.startWorker()
  })
  afterAll(() => h.close())

  async function install(name: string, platform = 'aws'): Promise<string> {
    const { cluster } = await h.requestCluster(name, { platform, profile: `${platform}-standard` })
    await h.reach(cluster.id, 'READY')
    return cluster.id
  }
  const ask = (id: string, verb: string, more = {}) => h.call('POST', `/clusters/${id}/${verb}`, { key: newId('evt'), body: {}, ...more }) // prettier-ignore
  const get = async (id: string) => (await h.call('GET', `/clusters/${id}`)).body
  const jobOf = async (id: string) => {
    const [{ id: jobId }] = (await h.call('GET', `/clusters/${id}/jobs?limit=1`)).body.items
    return (await h.call('GET', `/jobs/${jobId}`)).body
  }
  const infraOf = (name: string) => readdirSync(join(h.cloudDir, 'resources')).find((each) => each.startsWith(`${name}-`)) ?? '' // prettier-ignore
  const machinesOf = (name: string) => {
    const home = join(h.cloudDir, 'resources', infraOf(name))
    return readdirSync(home)
      .map((file) => ({ path: join(home, file), resource: JSON.parse(readFileSync(join(home, file), 'utf8')) }))
      .filter(({ resource }) => ['instance', 'virtual-machine'].includes(resource.type))
  }
  const states = (name: string) => [...new Set(machinesOf(name).map(({ resource }) => resource.machine?.state))]
  const stateOf = (name: string) => {
    const path = join(h.cloudDir, 'kubernetes', `${infraOf(name)}.json`)
    return { path, state: JSON.parse(readFileSync(path, 'utf8')) as SimulatedState }
  }
  const setFault = (name: string, start: object, of = /worker/) => {
    for (const { path, resource } of machinesOf(name))
      if (of.test(resource.name)) writeFileSync(path, JSON.stringify({ ...resource, machine: { ...resource.machine, start } })) // prettier-ignore
  }

  it.each(['aws', 'azure', 'gcp', 'ibmcloud'])('sleeps and wakes on %s, and costs less meanwhile', async (platform) => {
    const name = `sleeps-${platform}`
    const id = await install(name, platform)
    expect(await ask(id, 'hibernate', { body: { reason: 'the weekend' } })).toMatchObject({ status: 202, body: { cluster: { status: 'HIBERNATING' }, job: { type: 'HIBERNATE' } } }) // prettier-ignore
    await h.reach(id, 'HIBERNATED')
    expect(states(name)).toEqual(['stopped'])
    const asleep = await get(id)
    expect(new Date(asleep.wakeBy).getTime() - new Date(asleep.hibernatedAt).getTime()).toBe(90 * 86_400_000)
    expect(stateOf(name).state.healthChecks).toEqual([{ name: 'workers', isPaused: true }])
    const [sample] = await h.rows<{ status: string; usd: number }>(`select status, usd_per_hour::float8 as usd from usage_samples where cluster_id = '${id}' order by at desc limit 1`) // prettier-ignore
    expect(sample).toMatchObject({ status: 'HIBERNATED' })
    expect(sample?.usd).toBeLessThan(asleep.usdPerHour)

    expect(await ask(id, 'resume')).toMatchObject({ status: 202, body: { cluster: { status: 'RESUMING' } } })
    await h.reach(id, 'READY')
    expect(states(name)).toEqual(['running'])
    expect(await get(id)).toMatchObject({ hibernatedAt: null, wakeBy: null, statusReason: null })
    const job = await jobOf(id)
    expect(job).toMatchObject({ type: 'RESUME', status: 'SUCCEEDED', attempts: [{ stage: 'operators' }] })
    // Each node had lost both its certificates.
    const approved = await h.rows<{ node: string }>(`select detail ->> 'commonName' as node from audit_events where cluster_id = '${id}' and action = 'cluster.approve-signing-request'`) // prettier-ignore
    expect(approved).toHaveLength(machinesOf(name).length * 2)
    expect(stateOf(name).state.healthChecks).toEqual([{ name: 'workers', isPaused: false }])
    expect(await h.rows(`select from cluster_sleeps where cluster_id = '${id}'`)).toEqual([])
  })

  it('that sleeps is destroyed without being woken', async () => {
    const id = await install('destroyed-asleep')
    await ask(id, 'hibernate')
    await h.reach(id, 'HIBERNATED')
    await h.destroy(id)
    await h.reach(id, 'DESTROYED')
    expect(h.resources().filter((file) => file.startsWith('destroyed-asleep'))).toEqual([])
    expect(await h.rows(`select from cluster_sleeps where cluster_id = '${id}'`)).toEqual([])
  })

  it('is turned by nobody while its job is under way, and by those who may', async () => {
    const id = await install('turned')
    expect(await ask(id, 'resume')).toMatchObject({ status: 409 })
    await ask(id, 'hibernate')
    expect(await ask(id, 'hibernate')).toMatchObject({ status: 409 })
    expect(await ask(id, 'scale-workers', { body: { replicas: 4 } })).toMatchObject({ status: 409 })
    await h.reach(id, 'HIBERNATED')
    const reader = await h.tokenFor([{ team: '*', role: 'auditor' }])
    expect(await ask(id, 'resume', { token: reader })).toMatchObject({ status: 403 })
  })

  it('whose machine starts only when it is told again wakes', async () => {
    const id = await install('straggler')
    await ask(id, 'hibernate')
    await h.reach(id, 'HIBERNATED')
    setFault('straggler', { fault: 'no-start', times: 3 })
    await ask(id, 'resume')
    await h.reach(id, 'READY')
    expect(states('straggler')).toEqual(['running'])
  })

  // These wait for the least times that a simulation is given, at the same time.
  it.concurrent(
    'for which the cloud has no room stays on its way, says so, and is woken again',
    { timeout: 180_000 },
    async () => {
      const id = await install('no-room')
      await ask(id, 'hibernate')
      await h.reach(id, 'HIBERNATED')
      setFault('no-room', { fault: 'no-capacity', times: 1e9 }, /master-0$/)
      const { body } = await ask(id, 'resume')
      await expectEnd(body.job.id, { status: 'FAILED', reason: 'NoCapacity' })
      expect(await get(id)).toMatchObject({ status: 'RESUMING', statusReason: expect.stringContaining('NoCapacity'), actions: expect.arrayContaining(['resume', 'hibernate', 'destroy']) }) // prettier-ignore
      setFault('no-room', { fault: 'no-capacity', times: 0 }, /master-0$/)
      // It was never awake, so going back to sleep gives it no more time.
      const { wakeBy: before } = await get(id)
      await ask(id, 'hibernate')
      await h.reach(id, 'HIBERNATED')
      expect(await get(id)).toMatchObject({ wakeBy: before })
      await ask(id, 'resume')
      await h.reach(id, 'READY')
    },
  )

  it.concurrent(
    'whose workers find no room is woken with others in another zone, when that is asked for',
    { timeout: 180_000 },
    async () => {
      const id = await install('elsewhere')
      await ask(id, 'hibernate')
      await h.reach(id, 'HIBERNATED')
      setFault('elsewhere', { fault: 'no-capacity', times: 1e9 }, /worker-us-east-1a/)
      const { body } = await ask(id, 'resume')
      await expectEnd(body.job.id, { status: 'FAILED', reason: 'NoCapacity', message: expect.stringContaining('replaceWorkers') }) // prettier-ignore
      const replaced = machinesOf('elsewhere').filter(({ resource }) => resource.name.includes('worker-us-east-1a'))
      expect(replaced).toHaveLength(1)
      await ask(id, 'resume', { body: { replaceWorkers: true } })
      await h.reach(id, 'READY')
      const names = machinesOf('elsewhere').map(({ resource }) => resource.name)
      expect(names.filter((name) => name.includes('us-east-1a'))).toEqual([])
      expect(names.filter((name) => name.includes('worker'))).toHaveLength(3)
      expect(states('elsewhere')).toEqual(['running'])
    },
  )

  it.concurrent('is told by what the fault file names within it', { timeout: 180_000 }, async () => {
    h.setFaults([
      { cluster: 'inside-*', action: 'autoscale', machine: '*-us-east-1a' },
      { cluster: 'stays-bad', action: 'stay-degraded' },
    ])
    const scaled = await install('inside-1')
    expect(await ask(scaled, 'scale-workers', { body: { replicas: 4 } })).toMatchObject({ status: 409, body: { detail: expect.stringContaining('us-east-1a') } }) // prettier-ignore
    const id = await install('stays-bad')
    h.setFaults([])
    await ask(id, 'hibernate')
    await h.reach(id, 'HIBERNATED')
    const { body } = await ask(id, 'resume')
    await expectEnd(body.job.id, { status: 'FAILED', reason: 'OperatorsNotSettled', message: expect.stringContaining('degraded: after the start') }) // prettier-ignore
    // It can be used all the same, and is turned either way.
    expect(await get(id)).toMatchObject({ status: 'RESUMING' })
    await ask(id, 'hibernate')
    await h.reach(id, 'HIBERNATED')
  })

  async function expectEnd(jobId: string, end: object): Promise<void> {
    await eventually(async () => (await h.call('GET', `/jobs/${jobId}`)).body.endedAt !== null)
    expect((await h.call('GET', `/jobs/${jobId}`)).body).toMatchObject(end)
  }
})
