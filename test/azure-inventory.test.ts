// What is still there of a cluster in Azure, by tag, by name and by group, against a server that is strict and one that fails.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openAzureInventory } from '../src/clouds/azure/inventory.ts'
import { neededActions } from '../src/clouds/azure/permissions.ts'
import { describeAnswer, type InventoryQuery, isProvedEmpty, type Place } from '../src/clouds/inventory.ts'
import { foundIn, whyNot } from './answers.ts'
import {
  emptySubscription,
  startAzureServer,
  SUBSCRIPTION,
  type AzureFault,
  type AzureServer,
  type AzureThing,
  type AzureZone,
  type Tags,
} from './azure-server.ts'

const infraId = 'demo-abcde'
const group = `${infraId}-rg`
const owned: Tags = { [`kubernetes.io_cluster.${infraId}`]: 'owned' }
const capzOwned: Tags = { [`sigs.k8s.io_cluster-api-provider-azure_cluster_${infraId}`]: 'owned' }
const ours: Tags = { 'OCPCTL-Cluster-Id': 'clu_01' }
const place: Place = { platform: 'azure', region: 'westeurope', name: 'demo', baseDomain: 'example.com' }
const query: InventoryQuery = { ...place, clusterId: 'clu_01', infraIds: [infraId], records: 'all' }

const baseZone = (...records: AzureZone['records']): AzureZone => ({
  name: 'example.com',
  group: 'dns',
  isPrivate: false,
  records,
})

let server: AzureServer
beforeAll(async () => {
  server = await startAzureServer()
})
afterAll(() => server.close())
beforeEach(() => {
  Object.assign(server.subscription, emptySubscription(), { zones: [baseZone()] })
})
afterEach(() => {
  server.requests.length = 0
  server.faults.length = 0
})

const open = (timeoutMs = 10_000) =>
  openAzureInventory({
    environment: {},
    timeoutMs,
    instead: {
      resourceManager: server.endpoint,
      signIn: async () => ({ subscriptionId: SUBSCRIPTION, token: async () => 'loopback' }),
    },
  })
const find = (changes: Partial<InventoryQuery> = {}) => open().find({ ...query, ...changes })
async function findNames(changes: Partial<InventoryQuery> = {}): Promise<string[]> {
  const answer = await find(changes)
  return foundIn(answer).map(({ name }) => name)
}
async function reasonWith(...faults: AzureFault[]): Promise<string> {
  server.faults.splice(0, Infinity, ...faults)
  const answer = await find()
  return whyNot('azure', answer)
}
const fault = (how: AzureFault['how'], path: string, times = 99): AzureFault => ({ how, path, times })

const kinds = [
  'Microsoft.Compute/virtualMachines',
  'Microsoft.Compute/disks',
  'Microsoft.Compute/snapshots',
  'Microsoft.Compute/images',
  'Microsoft.Compute/galleries',
  'Microsoft.ManagedIdentity/userAssignedIdentities',
  'Microsoft.Network/loadBalancers',
  'Microsoft.Network/natGateways',
  'Microsoft.Network/networkInterfaces',
  'Microsoft.Network/networkSecurityGroups',
  'Microsoft.Network/publicIPAddresses',
  'Microsoft.Network/routeTables',
  'Microsoft.Network/virtualNetworks',
  'Microsoft.Storage/storageAccounts',
  'Microsoft.Unheard/things',
]
const thing = (type: string, changes: Partial<AzureThing> = {}): AzureThing => ({
  type,
  name: 'thing',
  group,
  ...changes,
})

/** A cluster whose names begin alike: another that is called as our infraID, one that is longer, one that is shorter. */
function putNeighbours() {
  for (const other of ['demo-abcde-zzzzz', 'demo-abcdef', 'demo-abcd', 'my-demo-abcde']) {
    const tags = { [`kubernetes.io_cluster.${other}`]: 'owned', 'ocpctl-cluster-id': 'clu_02' }
    server.subscription.groups.push({ name: `${other}-rg`, tags })
    const names = [`${other}-master-0`, `${other}-nsg`, `cluster${other.replaceAll('-', '')}`]
    server.subscription.things.push(
      ...kinds.map((type, n) => thing(type, { name: names[n % 3] ?? other, group: `${other}-rg`, tags })),
      // What a neighbour's operators forgot to tag is still in its group.
      thing('Microsoft.Compute/disks', { name: `${other}-data`, group: `${other}-rg` }),
    )
    server.subscription.deletedVaults.push({ name: `${other}-kv`, group: `${other}-rg`, tags })
  }
}

describe('a subscription without a trace of the cluster', () => {
  it('is verified and empty', async () => {
    expect(await find()).toSatisfy(isProvedEmpty)
  })

  it('is empty beside clusters whose names begin alike', async () => {
    putNeighbours()
    expect(await find()).toSatisfy(isProvedEmpty)
  })

  it('is empty though a network of somebody else was shared with the cluster', async () => {
    const tags = { [`kubernetes.io_cluster.${infraId}`]: 'shared' }
    server.subscription.things.push(thing('Microsoft.Network/virtualNetworks', { name: 'brought', group: 'net', tags }))
    expect(await find()).toSatisfy(isProvedEmpty)
  })
})

describe('what was left behind is found', () => {
  it('a whole cluster, each resource once, on every page, and nothing of a neighbour', async () => {
    putNeighbours()
    server.subscription.groups.push({ name: group, tags: owned })
    server.subscription.things.push(...kinds.map((type, n) => thing(type, { name: `${infraId}-${n}`, tags: owned })))
    server.subscription.zones.push({ name: 'demo.example.com', group, isPrivate: true, tags: owned, records: [] })
    const answer = await find()
    const found = foundIn(answer)
    expect(found).toHaveLength(kinds.length + 2)
    expect(found).toContainEqual({
      id: server.groupId(group).toLowerCase(),
      type: 'resource-group',
      name: group,
      region: 'westeurope',
      key: 'tag',
      usdPerHour: 0,
      link: `https://portal.azure.com/#resource${server.groupId(group).toLowerCase()}`,
    })
    expect(found.map(({ type }) => type)).toEqual(
      expect.arrayContaining([...kinds.map((type) => type.toLowerCase()), 'microsoft.network/privatednszones']),
    )
  })

  it.each(kinds)('%s, when only its tag is left, or only its name, or only where it is', async (type) => {
    const isAccount = type.endsWith('storageAccounts')
    for (const left of [
      { group: 'elsewhere', tags: owned },
      { group: 'elsewhere', tags: capzOwned },
      { group: 'elsewhere', tags: ours },
      { group: 'elsewhere', name: isAccount ? 'clusterdemoabcdex' : `${infraId}-lost` },
      { group },
      { group: group.toUpperCase() },
    ]) {
      server.subscription.things = [thing(type, left)]
      expect(await findNames()).toEqual([left.name ?? 'thing'])
    }
  })

  it('an empty group, by its name or its tag; while it is being deleted it lingers', async () => {
    for (const left of [
      { name: group },
      { name: group.toUpperCase() },
      { name: 'oddly-named', tags: capzOwned },
      { name: `${infraId}-oidc` },
    ]) {
      server.subscription.groups = [left]
      expect(await findNames()).toEqual([left.name.toLowerCase()])
      server.subscription.groups = [{ ...left, state: 'Deleting' }]
      const answer = await find()
      expect(answer).toSatisfy(isProvedEmpty)
      expect(answer.lingering).toMatchObject([{ name: left.name.toLowerCase(), billable: false, usdPerHour: 0 }])
    }
    server.subscription.things = [thing('Microsoft.Compute/disks', { group: `${infraId}-oidc` })]
    expect(await findNames()).toEqual(['thing'])
  })

  it('with its key, when it was made, its price, and where the portal shows it', async () => {
    const createdTime = '2026-01-02T03:04:05.0000000Z'
    server.subscription.things = [
      thing('Microsoft.Compute/disks', { tags: owned, createdTime }),
      thing('Microsoft.Compute/virtualMachines', { name: `${infraId}-m`, group: 'elsewhere' }),
      thing('Microsoft.Odd/things', { group }),
    ]
    const { found, account, zones } = await find()
    expect(found).toMatchObject([
      { key: 'tag', madeAt: '2026-01-02T03:04:05.000Z', usdPerHour: 0.0164 },
      { key: 'name', usdPerHour: 0.192 },
      { key: 'relation' },
    ])
    expect(found[2]).not.toHaveProperty('usdPerHour')
    expect(found[1]?.link).toBe(`https://portal.azure.com/#resource${found[1]?.id}`)
    expect([account, zones]).toEqual([
      SUBSCRIPTION,
      [expect.stringMatching(/^example.com \(.*dnszones.example.com\)$/)],
    ])
    const [inChina] = (await find({ azure: { cloud: 'AzureChinaCloud' } })).found
    expect(inChina?.link).toMatch(/^https:\/\/portal\.azure\.cn\/#resource\/subscriptions\//)
  })

  it('a group that the list does not have yet', async () => {
    server.subscription.groups = [{ name: group, isLate: true }]
    expect(await findNames()).toEqual([group])
  })

  it('a part of a resource, and a disk that is held by a machine of ours', async () => {
    server.subscription.things = [
      thing('Microsoft.Network/privateDnsZones/virtualNetworkLinks', {
        group: 'elsewhere',
        name: `demo.example.com/${infraId}-network-link`,
      }),
      thing('Microsoft.Compute/disks', {
        group: 'elsewhere',
        name: 'pvc-1',
        managedBy: `${server.groupId(group)}/providers/Microsoft.Compute/virtualMachines/m`,
      }),
    ]
    expect(await findNames()).toEqual(['pvc-1', `demo.example.com/${infraId}-network-link`])
  })

  it('a disk that the cluster’s own objects named, but not what another cluster has tagged', async () => {
    const tags = { 'kubernetes.io_cluster.demo-abcdef': 'owned' }
    server.subscription.things = [
      thing('Microsoft.Compute/disks', { group: 'elsewhere', name: 'PVC-1' }),
      thing('Microsoft.Compute/disks', { group: 'elsewhere', name: 'pvc-2' }),
      thing('Microsoft.Compute/disks', { group: 'elsewhere', name: 'pvc-3', tags }),
      thing('Microsoft.Network/loadBalancers', { group: 'elsewhere', name: 'pvc-1' }),
    ]
    expect(await findNames()).toEqual([])
    expect(await findNames({ disks: ['pvc-1', 'pvc-3'] })).toEqual(['pvc-1'])
  })

  it('what each of several infraIDs left', async () => {
    server.subscription.groups = [{ name: group }, { name: 'demo-fghij-rg' }]
    expect(await findNames({ infraIds: [infraId, 'demo-fghij'], clusterId: undefined })).toEqual([
      group,
      'demo-fghij-rg',
    ])
    expect(await findNames({ infraIds: ['demo-fghij'], clusterId: undefined })).toEqual(['demo-fghij-rg'])
  })

  it('a key vault that is deleted and not yet gone lingers, and costs nothing', async () => {
    server.subscription.deletedVaults = [
      { name: 'kv', group },
      { name: 'kv2', group: 'elsewhere', tags: owned },
      { name: 'kv3', group: 'elsewhere' },
    ]
    const answer = await find()
    expect(answer).toSatisfy(isProvedEmpty)
    expect(answer.lingering?.map(({ name, billable }) => [name, billable])).toEqual([
      ['kv', false],
      ['kv2', false],
    ])
  })
})

describe('the answer is not verified', () => {
  it.each(neededActions)('without %s, which is named', async (action) => {
    server.subscription.permissions = [{ actions: neededActions.filter((each) => each !== action), notActions: [] }]
    expect(await reasonWith()).toContain(`(${action})`)
    server.subscription.permissions = [{ actions: ['*'], notActions: [action.toUpperCase()] }]
    expect(await reasonWith()).toContain(`(${action})`)
  })

  it('though a list is empty because the caller may not see what is in it', async () => {
    server.subscription.things = [thing('Microsoft.Compute/snapshots', { tags: owned })]
    server.subscription.permissions = [{ actions: ['*/read'], notActions: ['Microsoft.Compute/snapshots/read'] }]
    expect(await reasonWith()).toContain('Microsoft.Compute/snapshots/read')
    server.subscription.permissions.push({ actions: ['Microsoft.Compute/*'], notActions: [] })
    expect(await findNames()).toEqual(['thing'])
  })

  it.each([
    '/resourcegroups',
    '/resources',
    '/permissions',
    '/dnsZones',
    '/privateDnsZones',
    '/all',
    '/deletedVaults',
    `/resourcegroups/${group}`,
  ])('when %s is refused, or answers in an unknown form', async (path) => {
    expect(await reasonWith(fault('deny', path))).toMatch(/AuthorizationFailed: .*\(.*Microsoft\.Loopback/)
    expect(await reasonWith(fault('form', path))).toContain('the answer ')
  })

  it.each(['/resourcegroups', '/resources', '/permissions', '/dnsZones', '/privateDnsZones', '/deletedVaults'])(
    'when there is no %s, which is not the same as an empty list',
    async (path) => {
      server.subscription.zones.push({ ...baseZone(), name: 'com' })
      expect(await reasonWith({ how: '404', path, times: 1 })).not.toBe('verified')
    },
  )

  it('when nothing comes in time', async () => {
    server.faults.push(fault('stall', '/resources'))
    const answer = await open(300).find(query)
    expect(describeAnswer('azure', answer)).toContain('no answer within 0.3 s')
  })
})

it('limits and broken connections are waited out', async () => {
  server.subscription.groups = [{ name: group }, ...Array.from({ length: 4 }, (_, n) => ({ name: `g${n}` }))]
  server.subscription.things = kinds.map((type) => thing(type))
  for (const how of ['throttle', 'cut'] as const) {
    server.faults.push(fault(how, '/resourcegroups', 1), fault(how, '/resources', 1))
    expect(await findNames()).toHaveLength(kinds.length + 1)
  }
})
