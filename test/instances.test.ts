// What the power over machines keeps to on every cloud: the same cases for each of the four doubles. Then the simulated
// cloud, by its files and through the doubles.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openCloudCredentials } from '../src/clouds/access.ts'
import { openAwsInstances } from '../src/clouds/aws/power.ts'
import { openAzureInstances } from '../src/clouds/azure/power.ts'
import { openInstancesByEntry } from '../src/clouds/by-entry.ts'
import { openInstances } from '../src/clouds/by-platform.ts'
import { instancesOfSimulator } from '../src/clouds/doubles.ts'
import { openGcpInstances } from '../src/clouds/gcp/power.ts'
import { openIbmCloudInstances } from '../src/clouds/ibmcloud/power.ts'
import { isNamedBy, type Instance, type Instances, type InstancesQuery } from '../src/clouds/instances.ts'
import { readFaults } from '../src/simulator/faults.ts'
import { readInstallConfig } from '../src/simulator/install-config.ts'
import { planResources, type StartFault } from '../src/simulator/resources.ts'
import { platforms, type Platform } from '../src/vocabulary.ts'
import { emptyAccount, startAwsServer } from './aws-server.ts'
import { emptySubscription, startAzureServer, SUBSCRIPTION } from './azure-server.ts'
import { startCloudDoubles } from './doubles/server.ts'
import { openWorld } from './doubles/world.ts'
import { emptyProject, startGcpServer } from './gcp-server.ts'
import { API_KEY, emptyAccount as emptyIbmAccount, REGION, startIbmCloudServer } from './ibmcloud-server.ts'
import type { Machine } from './machines.ts'

const infraId = 'demo-abcde'
/** `owner`: the infraID that its tag, label or group names. */
type Put = Machine & { name: string; owner?: string }

/** A double with an account in which only machines are. */
type Cloud = {
  query: InstancesQuery
  open: () => Instances
  close: () => Promise<void>
  empty: () => void
  put: (machine: Put) => void
  /** A machine that has nothing but its name. */
  putBare: (name: string) => void
  machine: (name: string) => Machine
  take: (name: string) => void
  /** Its words for a machine that was stopped as we stop it, and for one on its way there. */
  stopped: string
  stopping: string
  zone: string
  setLag: (lists: number) => void
  refuse: (what: 'list' | 'stop') => void
  throttle: (what: 'list' | 'stop') => void
  /** The orders that came, by machine where they are for one. */
  orders: () => number
  /** What it takes to stop. */
  permission: string
  /** It tells at once that it has no machine to give, and not by the next list. */
  tellsCapacityAtOnce: boolean
}

const place = { name: 'demo', baseDomain: 'example.com', clusterId: 'clu_01', infraIds: [infraId] }
const take = <T>(all: T[], isMeant: (each: T) => boolean) => void all.splice(all.findIndex(isMeant), 1)
const orThrow = <T>(found: T | undefined): T => {
  if (!found) throw new Error('it was never put')
  return found
}

async function startAws(): Promise<Cloud> {
  const server = await startAwsServer()
  const { account, credentials, faults, requests, lag } = server
  const all = () => (account.ec2['instance'] ??= [])
  const isOrder = ({ action }: { action: string }) => /^(Stop|Start|Terminate)Instances$/.test(action)
  const push = (how: 'deny' | 'throttle', times: number) => (what: 'list' | 'stop') =>
    void faults.push({ how, times, action: what === 'list' ? 'ec2:DescribeInstances' : 'ec2:StopInstances' })
  return {
    query: { ...place, platform: 'aws', region: 'eu-west-1' },
    open: () => openAwsInstances({ endpoint: server.endpoint, credentials, timeoutMs: 30_000 }),
    close: async () => server.close(),
    empty() {
      Object.assign(account, emptyAccount())
      faults.length = requests.length = lag.lists = 0
    },
    put: ({ name, owner = infraId, ...machine }) =>
      void all().push({ id: `i-${name}`, tags: { Name: name, [`kubernetes.io/cluster/${owner}`]: 'owned' }, machineType: 'm6i.xlarge', zone: 'eu-west-1a', ...machine }), // prettier-ignore
    putBare: (name) => void all().push({ id: `i-${name}`, tags: { Name: name } }),
    machine: (name) => orThrow(all().find(({ tags }) => tags['Name'] === name)),
    take: (name) => take(all(), ({ tags }) => tags['Name'] === name),
    stopped: 'stopped',
    stopping: 'stopping',
    zone: 'eu-west-1a',
    setLag: (lists) => void (lag.lists = lists),
    refuse: push('deny', 999),
    throttle: push('throttle', 1),
    orders: () => requests.filter(isOrder).length,
    permission: 'ec2:StopInstances',
    tellsCapacityAtOnce: true,
  }
}

async function startAzure(): Promise<Cloud> {
  const server = await startAzureServer()
  const { subscription, faults, requests, lag } = server
  const type = 'Microsoft.Compute/virtualMachines'
  const push = (how: 'throttle' | 'deny', times: number) => (what: 'list' | 'stop') =>
    void faults.push({ how, times, path: what === 'list' ? '/providers/Microsoft.Compute/virtualMachines' : '/deallocate' }) // prettier-ignore
  return {
    query: { ...place, platform: 'azure', region: 'westeurope' },
    open: () =>
      openAzureInstances({
        environment: {},
        timeoutMs: 30_000,
        instead: {
          resourceManager: server.endpoint,
          signIn: async () => ({ subscriptionId: SUBSCRIPTION, token: async () => 'loopback' }),
        },
      }),
    close: async () => server.close(),
    empty() {
      Object.assign(subscription, emptySubscription(), {
        groups: [{ name: `${infraId}-rg`, tags: { [`kubernetes.io_cluster.${infraId}`]: 'owned' } }, { name: `${infraId}-fghjk-rg` }, { name: 'people' }], // prettier-ignore
      })
      faults.length = requests.length = lag.lists = 0
    },
    put({ name, owner = infraId, ...machine }) {
      subscription.things.push({ type, name, group: `${owner}-rg`, machine: { zone: 'westeurope-1', machineType: 'Standard_D4s_v5', ...machine } }) // prettier-ignore
    },
    putBare: (name) => void subscription.things.push({ type, name, group: 'people' }),
    machine: (name) => (orThrow(subscription.things.find((each) => each.name === name)).machine ??= {}),
    take: (name) => take(subscription.things, (each) => each.name === name),
    stopped: 'deallocated',
    stopping: 'deallocating',
    zone: 'westeurope-1',
    setLag: (lists) => void (lag.lists = lists),
    refuse(what) {
      if (what === 'list') subscription.permissions = [{ actions: ['Microsoft.Authorization/*/read'], notActions: [] }]
      else push('deny', 999)(what)
    },
    throttle: push('throttle', 2),
    orders: () => requests.filter((each) => /^(POST|DELETE) /.test(each)).length,
    permission: 'Microsoft.Compute/virtualMachines/deallocate/action',
    tellsCapacityAtOnce: false,
  }
}

async function startGcp(): Promise<Cloud> {
  const server = await startGcpServer()
  let project = emptyProject()
  const { faults, requests, power } = server
  const all = () => (project.compute['instances'] ??= [])
  const push = (how: 'throttle' | 'deny', times: number) => (what: 'list' | 'stop') =>
    void faults.push({ how, times, permission: `compute.instances.${what}` })
  return {
    query: { ...place, platform: 'gcp', region: 'us-central1', project: 'p1' },
    open: () => openGcpInstances({ environment: server.environment, endpoint: server.endpoint, timeoutMs: 30_000 }),
    close: async () => server.close(),
    empty() {
      project = emptyProject()
      server.projects['p1'] = project
      server.pages.size = 2
      faults.length = requests.length = power.lag = 0
    },
    put: ({ name, owner = infraId, ...machine }) =>
      void all().push({ name, scope: 'zones/us-central1-a', labels: { [`kubernetes-io-cluster-${owner}`]: 'owned' }, machineType: 'n2-standard-4', ...machine }), // prettier-ignore
    putBare: (name) => void all().push({ name }),
    machine: (name) => orThrow(all().find((each) => each.name === name)),
    take: (name) => take(all(), (each) => each.name === name),
    stopped: 'TERMINATED',
    stopping: 'STOPPING',
    zone: 'us-central1-a',
    setLag: (lists) => void (power.lag = lists),
    refuse: push('deny', 999),
    throttle: push('throttle', 2),
    orders: () => requests.filter((each) => /\/(stop|start)$/.test(each)).length,
    permission: 'compute.instances.stop',
    tellsCapacityAtOnce: true,
  }
}

async function startIbm(): Promise<Cloud> {
  const server = await startIbmCloudServer()
  const { account, endpoints, faults, requests, lag } = server
  const all = () => (account.things['instances'] ??= [])
  const push = (how: 'throttle' | 'deny', times: number) => (what: 'list' | 'stop') =>
    void faults.push({ how, times, at: what === 'list' ? /\/v1\/instances$/ : /\/actions$/ })
  return {
    query: { ...place, platform: 'ibmcloud', region: REGION },
    open: () => openIbmCloudInstances({ environment: { IC_API_KEY: API_KEY }, endpoints, timeoutMs: 30_000 }),
    close: async () => server.close(),
    empty() {
      Object.assign(account, emptyIbmAccount())
      account.groups.push({ id: `g-${infraId}`, name: infraId }, { id: `g-${infraId}-fghjk`, name: `${infraId}-fghjk` })
      faults.length = requests.length = lag.lists = 0
    },
    put: ({ name, owner = infraId, ...machine }) =>
      void all().push({ id: `id-${name}`, name, resource_group: { id: `g-${owner}` }, vpc: { id: `v-${owner}`, name: `${owner}-vpc` }, zone: 'eu-de-1', machineType: 'bx2-4x16', ...machine }), // prettier-ignore
    // Where a profile brings network and group, only the name tells.
    putBare: (name) => void all().push({ id: `id-${name}`, name, resource_group: { id: 'default' } }),
    machine: (name) => orThrow(all().find((each) => each.name === name)),
    take: (name) => take(all(), (each) => each.name === name),
    stopped: 'stopped',
    stopping: 'stopping',
    zone: 'eu-de-1',
    setLag: (lists) => void (lag.lists = lists),
    refuse: push('deny', 999),
    throttle: push('throttle', 2),
    orders: () => requests.filter((each) => /\/actions$|^DELETE/.test(each)).length,
    permission: 'Operator of is/instances',
    tellsCapacityAtOnce: false,
  }
}

const masters = [0, 1, 2].map((n) => `${infraId}-master-${n}`)
const workers = ['a', 'b'].map((zone) => `${infraId}-worker-${zone}-x2z4b`)
const names = [...masters, ...workers]
const outcomesOf = (ordered: { outcome: string }[]) => ordered.map(({ outcome }) => outcome)
const allAccepted = names.map(() => 'accepted')

describe.each([
  ['AWS', startAws],
  ['Azure', startAzure],
  ['Google Cloud', startGcp],
  ['IBM Cloud', startIbm],
])('%s', (_, start) => {
  let cloud: Cloud
  let power: Instances
  beforeAll(async () => {
    cloud = await start()
  })
  afterAll(() => cloud.close())
  beforeEach(() => {
    cloud.empty()
    power = cloud.open()
    for (const name of names) cloud.put({ name })
  })

  const list = async (): Promise<Instance[]> => {
    const { instances, notChecked } = await power.list(cloud.query)
    expect(notChecked).toEqual([])
    return instances
  }
  const statesOf = (instances: Instance[]) => instances.map(({ state }) => state)
  const stateOf = async (name: string) => (await list()).find((each) => each.name === name)?.state
  const all = async (state: string) => expect(statesOf(await list())).toEqual(names.map(() => state))

  it('every page is read, and each machine is told with its zone, type and role', async () => {
    const told = await list()
    expect(told.map(({ name, role }) => [name, role])).toEqual([
      ...masters.map((name) => [name, 'control-plane']),
      ...workers.map((name) => [name, 'worker']),
    ])
    for (const each of told)
      expect(each).toMatchObject({ state: 'running', isSpot: false, zone: cloud.zone, machineType: expect.stringMatching(/4|xlarge/) }) // prettier-ignore
  })

  it('all stop, and start; what is so already is accepted and asks nothing', async () => {
    const machines = await list()
    expect(outcomesOf(await power.stop(cloud.query, machines))).toEqual(allAccepted)
    expect(names.map((name) => cloud.machine(name).state)).toEqual(names.map(() => cloud.stopped))
    await all('stopped')
    const before = cloud.orders()
    expect(outcomesOf(await power.stop(cloud.query, machines))).toEqual(allAccepted)
    expect(cloud.orders()).toBe(before)
    expect(outcomesOf(await power.start(cloud.query, machines))).toEqual(allAccepted)
    await all('running')
    expect(outcomesOf(await power.start(cloud.query, machines))).toEqual(allAccepted)
  })

  it('nothing of a cluster whose infraID begins alike is listed or touched, whatever is asked', async () => {
    const neighbours = [`${infraId}-fghjk-master-0`, `${infraId}-fghjk-worker-a-x2z4b`]
    for (const name of neighbours) cloud.put({ name, owner: `${infraId}-fghjk` })
    cloud.put({ name: `${infraId}f-master-0`, owner: `${infraId}f` })
    cloud.putBare(`${infraId}-fghjk-master-1`)
    cloud.putBare('bastion')
    const told = await list()
    expect(told.map(({ name }) => name)).toEqual(names)
    const [first] = told
    const idOf = (name: string) => ({ id: first?.id.replace(masters[0] ?? '', name) ?? '' })
    const strangers = [...neighbours, `${infraId}f-master-0`, `${infraId}-fghjk-master-1`, 'bastion'].map(idOf)
    for (const verb of ['stop', 'start', 'terminate'] as const)
      expect(outcomesOf(await power[verb](cloud.query, strangers))).toEqual(strangers.map(() => 'gone'))
    expect(cloud.orders()).toBe(0)
    await power.stop(cloud.query, [...told, ...strangers])
    for (const name of [...neighbours, `${infraId}f-master-0`, 'bastion']) expect(cloud.machine(name).state).toBeUndefined() // prettier-ignore
  })

  it('what is asked too much is asked again', async () => {
    cloud.throttle('list')
    const machines = await list()
    cloud.throttle('stop')
    expect(outcomesOf(await power.stop(cloud.query, machines))).toEqual(allAccepted)
    await all('stopped')
  })

  it('a list that is refused is no empty list, and nothing is done by it', async () => {
    const machines = await list()
    cloud.refuse('list')
    const { notChecked } = await power.list(cloud.query)
    expect(notChecked).toContainEqual(expect.objectContaining({ isDenied: true }))
    const ordered = await power.stop(cloud.query, machines)
    expect(outcomesOf(ordered)).toEqual(names.map(() => 'refused'))
    expect(ordered[0]?.why).toContain('is not verified')
    expect(cloud.orders()).toBe(0)
  })

  it('an order that is refused names what is missing', async () => {
    const machines = await list()
    cloud.refuse('stop')
    for (const each of await power.stop(cloud.query, machines))
      expect(each).toMatchObject({ outcome: 'refused', isDenied: true, why: expect.stringContaining(cloud.permission) })
    await all('running')
  })

  it('one that is gone, whether before the list or after it, and one that refuses keep nobody from the others', async () => {
    const machines = await list()
    cloud.take(names[1] ?? '')
    cloud.machine(names[2] ?? '').isGone = true
    cloud.machine(names[3] ?? '').isProtected = true
    const ordered = await power.stop(cloud.query, machines)
    expect(ordered.map(({ id }) => id)).toEqual(machines.map(({ id }) => id))
    expect(outcomesOf(ordered)).toEqual(['accepted', 'gone', 'gone', 'refused', 'accepted'])
    expect(await stateOf(names[4] ?? '')).toBe('stopped')
  })

  it('one that there is no machine for is told apart, and starts once there is one', async () => {
    const machines = await list()
    await power.stop(cloud.query, machines)
    const short = cloud.machine(names[1] ?? '')
    short.start = { fault: 'no-capacity', times: 2 }
    for (const _ of [1, 2]) {
      const ordered = await power.start(cloud.query, machines)
      const told = (await list()).find(({ name }) => name === names[1])
      expect(told?.state).toBe('stopped')
      if (cloud.tellsCapacityAtOnce)
        expect(ordered[1]).toMatchObject({ outcome: 'no-capacity', why: expect.any(String) }) // prettier-ignore
      else expect(told?.lacksCapacity).toBe(true)
      expect(outcomesOf(ordered).filter((outcome) => outcome === 'accepted').length).toBeGreaterThan(3)
    }
    expect(statesOf(await list()).filter((state) => state === 'running')).toHaveLength(4)
    expect(outcomesOf(await power.start(cloud.query, machines))).toEqual(allAccepted)
    await all('running')
    expect((await list()).filter(({ lacksCapacity }) => lacksCapacity)).toEqual([])
  })

  it('a straggler is started by asking again', async () => {
    const machines = await list()
    await power.stop(cloud.query, machines)
    cloud.machine(names[4] ?? '').start = { fault: 'no-start', times: 1 }
    expect(outcomesOf(await power.start(cloud.query, machines))).toEqual(allAccepted)
    expect(await stateOf(names[4] ?? '')).toBe('stopped')
    const before = cloud.orders()
    await power.start(cloud.query, machines)
    expect(cloud.orders()).toBe(before + 1)
    await all('running')
  })

  it('a state that is told late asks once more, which does no harm', async () => {
    const machines = await list()
    cloud.setLag(2)
    await power.stop(cloud.query, machines)
    await all('running')
    expect(outcomesOf(await power.stop(cloud.query, machines))).toEqual(allAccepted)
    await all('stopped')
  })

  it('one on its way to a stop is not started yet', async () => {
    const [first] = await list()
    cloud.machine(names[0] ?? '').state = cloud.stopping
    const id = first?.id ?? ''
    expect(outcomesOf(await power.start(cloud.query, [{ id }]))).toEqual(['not-yet'])
    expect(outcomesOf(await power.stop(cloud.query, [{ id }]))).toEqual(['accepted'])
    expect(cloud.orders()).toBe(0)
  })

  it('a spot machine is told as one; on AWS it can only be terminated', async () => {
    const isAws = cloud.query.platform === 'aws'
    cloud.put({ name: `${infraId}-worker-c-spot2`, isSpot: true })
    const machines = await list()
    const spot = machines.find(({ isSpot: is }) => is)
    expect(spot).toMatchObject({ name: `${infraId}-worker-c-spot2`, ...(isAws ? { cannotStop: 'spot' } : {}) })
    const ordered = await power.stop(cloud.query, machines)
    expect(outcomesOf(ordered)).toEqual([...allAccepted, isAws ? 'cannot-stop' : 'accepted'])
    expect(outcomesOf(await power.terminate(cloud.query, spot ? [spot] : []))).toEqual(['accepted'])
    const after = await list()
    expect(after.filter(({ state }) => state !== 'terminated').map(({ name }) => name)).toEqual(names)
    expect(outcomesOf(await power.terminate(cloud.query, spot ? [spot] : []))).toEqual(['gone'])
    expect(await power.stop(cloud.query, [])).toEqual([])
  })
})

describe('what one cloud alone has', () => {
  it('on Azure a machine that is off and not deallocated costs as before, and stopping it deallocates it', async () => {
    const cloud = await startAzure()
    cloud.empty()
    cloud.put({ name: names[0] ?? '', state: 'stopped' })
    const power = cloud.open()
    const { instances } = await power.list(cloud.query)
    expect(instances[0]).toMatchObject({ state: 'other', told: 'ProvisioningState/succeeded, PowerState/stopped' })
    expect(outcomesOf(await power.stop(cloud.query, instances))).toEqual(['accepted'])
    expect(cloud.machine(names[0] ?? '').state).toBe('deallocated')
    await cloud.close()
  })

  it('on Azure a machine that the list of states has not is asked for itself', async () => {
    const cloud = await startAzure()
    cloud.empty()
    for (const name of names) cloud.put({ name, ...(name === names[1] ? { isNew: true } : {}) })
    const { instances, notChecked } = await cloud.open().list(cloud.query)
    expect(notChecked).toEqual([])
    expect(instances.map(({ name, state }) => [name, state])).toEqual(names.map((name) => [name, 'running']))
    await cloud.close()
  })

  it('where the credentials of a place are missing, nothing is told and nothing is done', async () => {
    const power = openInstancesByEntry(openCloudCredentials(undefined, {}), 'aws', () => openAwsInstances())
    const query = { ...place, platform: 'aws', region: 'eu-west-1', credentials: 'gone' } as const
    expect(await power.list(query)).toMatchObject({ instances: [], notChecked: [{ kind: 'credentials' }] })
    expect(await power.stop(query, [{ id: 'i-1' }])).toMatchObject([{ id: 'i-1', outcome: 'refused', why: expect.stringContaining('"gone"') }]) // prettier-ignore
  })

  it('on Google Cloud a machine with local disks is not stopped', async () => {
    const cloud = await startGcp()
    cloud.empty()
    cloud.put({ name: names[0] ?? '', hasLocalDisk: true })
    const power = cloud.open()
    const { instances } = await power.list(cloud.query)
    expect(instances[0]).toMatchObject({ cannotStop: 'local-disk' })
    expect(await power.stop(cloud.query, instances)).toMatchObject([{ outcome: 'cannot-stop', why: expect.stringContaining('local disks') }]) // prettier-ignore
    await cloud.close()
  })

  it("on IBM Cloud, in a group of the profile's own, the name tells", async () => {
    const cloud = await startIbm()
    cloud.empty()
    for (const name of [names[0] ?? '', `${infraId}-fghjk-master-1`, 'bastion']) cloud.putBare(name)
    const { instances } = await cloud.open().list({ ...cloud.query, ibmcloud: { resourceGroup: 'Default' } })
    expect(instances.map(({ name }) => name)).toEqual([names[0]])
    await cloud.close()
  })

  it('a name belongs to the infraID before the one that it begins with', () => {
    const isOurs = (name: string) => isNamedBy([infraId], name)
    for (const name of ['master-0', 'worker-eu-west-1a-x2z4b', 'infra-b-x2z4b', 'master-x2z4b-0', 'bootstrap'])
      expect(isOurs(`${infraId}-${name}`), name).toBe(true)
    for (const name of ['fghjk-master-0', 'x-fghjk-worker-a-x2z4b', 'fghjk-bootstrap'])
      expect(isOurs(`${infraId}-${name}`), name).toBe(false)
    expect(isOurs(`${infraId}f-master-0`)).toBe(false)
  })
})

describe.each(platforms)('the simulated cloud on %s', (platform: Platform) => {
  let cloudDir: string
  let doubles: Awaited<ReturnType<typeof startCloudDoubles>> | undefined
  beforeEach(() => {
    cloudDir = mkdtempSync(join(tmpdir(), 'ocpctl-power-'))
  })
  afterEach(async () => {
    await doubles?.close()
    doubles = undefined
    rmSync(cloudDir, { recursive: true })
  })

  const install = (start?: StartFault) => {
    const settings = { aws: { region: 'eu-west-1' }, azure: { region: 'eastus', baseDomainResourceGroupName: 'clusters-dns' }, gcp: { region: 'us-central1', projectID: 'clusters-test' }, ibmcloud: { region: 'us-south' } }[platform] // prettier-ignore
    const config = readInstallConfig({
      apiVersion: 'v1',
      metadata: { name: 'demo' },
      baseDomain: 'clusters.example.com',
      controlPlane: { replicas: 3, platform: { [platform]: { type: 'big-one' } } },
      compute: [{ replicas: 2 }],
      platform: { [platform]: settings },
      pullSecret: '{"auths":{"registry.example":{}}}',
    })
    const identity = { infraID: infraId, uuid: 'u' }
    const plan = planResources(config, identity, false, (role) => (role === 'master-1' ? start : undefined))
    const dir = join(cloudDir, 'resources', infraId)
    mkdirSync(dir, { recursive: true })
    for (const { file, resource } of [...plan.network, ...plan.machines, ...plan.initialize])
      if (!file.includes('bootstrap')) writeFileSync(join(dir, file), JSON.stringify(resource))
    return { platform, region: config.region, project: 'clusters-test', ...place } satisfies InstancesQuery
  }
  const statesInFiles = () =>
    readdirSync(join(cloudDir, 'resources', infraId))
      .map((file) => JSON.parse(readFileSync(join(cloudDir, 'resources', infraId, file), 'utf8')))
      .flatMap(({ machine }) => machine?.state ?? [])

  it.each(['by its files', 'through the doubles'])('sleeps and wakes, %s', async (way) => {
    const query = install({ fault: 'no-start', times: 1 })
    if (way !== 'by its files') doubles = await startCloudDoubles(openWorld(cloudDir), { itemsPerPage: 2 })
    const power = openInstances(instancesOfSimulator({ cloudDir, doubles: doubles?.origin }))
    const { instances, notChecked } = await power.list(query)
    expect(notChecked).toEqual([])
    expect(instances.map(({ role }) => role).sort()).toEqual(['control-plane', 'control-plane', 'control-plane', 'worker', 'worker']) // prettier-ignore
    expect(instances.find(({ name }) => name.endsWith('master-0'))).toMatchObject({ machineType: 'big-one', zone: expect.stringContaining(query.region) }) // prettier-ignore
    expect(outcomesOf(await power.stop(query, instances))).toEqual(instances.map(() => 'accepted'))
    expect(statesInFiles()).toEqual(instances.map(() => 'stopped'))
    await power.start(query, instances)
    expect(statesInFiles().filter((state) => state === 'stopped')).toHaveLength(1)
    await power.start(query, instances)
    expect(statesInFiles()).toEqual(instances.map(() => 'running'))
    expect(await power.terminate(query, instances.slice(0, 1))).toMatchObject([{ outcome: 'accepted' }])
    expect(statesInFiles()).toHaveLength(4)
  })

  it.each(['by its files', 'through the doubles'])('lacks a machine for a while, %s', async (way) => {
    const query = install({ fault: 'no-capacity', times: 1 })
    if (way !== 'by its files') doubles = await startCloudDoubles(openWorld(cloudDir))
    const power = openInstances(instancesOfSimulator({ cloudDir, doubles: doubles?.origin }))
    const { instances } = await power.list(query)
    await power.stop(query, instances)
    const ordered = await power.start(query, instances)
    const { instances: after } = await power.list(query)
    const lacking = after.find(({ name }) => name.endsWith('master-1'))
    expect(lacking?.state).toBe('stopped')
    expect(lacking?.lacksCapacity === true || ordered.some(({ outcome }) => outcome === 'no-capacity')).toBe(true)
    await power.start(query, instances)
    expect((await power.list(query)).instances.filter(({ state }) => state !== 'running')).toEqual([])
  })
})

it('faults of starts are rules of the simulator, for machines by their role', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'ocpctl-power-')), 'faults.yaml')
  const read = (rules: object[], command = 'create cluster') => {
    writeFileSync(file, JSON.stringify(rules))
    return readFaults(file, command, 'demo', () => 1)
  }
  const { startFaultOf } = await read([
    { action: 'no-start', machine: 'master-*', times: 2 },
    { action: 'no-capacity', machine: 'worker-*' },
  ])
  expect(startFaultOf('master-0')).toEqual({ fault: 'no-start', times: 2 })
  expect(startFaultOf('worker-eu-west-1a-x2z4b')).toEqual({ fault: 'no-capacity', times: Number.MAX_SAFE_INTEGER })
  expect(startFaultOf('bootstrap')).toBeUndefined()
  await expect(read([{ action: 'no-start', stage: 'machines' }])).rejects.toThrow('no-start takes no stage')
  await expect(read([{ action: 'no-start', command: 'destroy cluster' }])).rejects.toThrow('is for command: create cluster') // prettier-ignore
  rmSync(dirname(file), { recursive: true })
})
