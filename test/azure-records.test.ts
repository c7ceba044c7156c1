// Records under a cluster's domain in Azure, whether this is the right subscription, and what an installation owns.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openAzureInventory } from '../src/clouds/azure/inventory.ts'
import { type InventoryQuery, isProvedEmpty, type Owned, type Place } from '../src/clouds/inventory.ts'
import { openInventory } from '../src/clouds/by-platform.ts'
import { foundIn, whyNot } from './answers.ts'
import {
  emptySubscription,
  startAzureServer,
  SUBSCRIPTION,
  type AzureServer,
  type AzureZone,
  type Tags,
} from './azure-server.ts'

const infraId = 'demo-abcde'
const group = `${infraId}-rg`
const owned: Tags = { [`kubernetes.io_cluster.${infraId}`]: 'owned' }
const neighbours: Tags = { 'kubernetes.io_cluster.demo-zzzzz': 'owned', 'ocpctl-cluster-id': 'clu_02' }
const place: Place = { platform: 'azure', region: 'westeurope', name: 'demo', baseDomain: 'example.com' }
const query: InventoryQuery = { ...place, clusterId: 'clu_01', infraIds: [infraId], records: 'all' }

const zone = (changes: Partial<AzureZone> = {}): AzureZone => ({
  name: 'example.com',
  group: 'dns',
  isPrivate: false,
  records: [],
  ...changes,
})
const privateZone = (changes: Partial<AzureZone> = {}) =>
  zone({ name: 'demo.example.com', group, isPrivate: true, ...changes })
const a = (name: string, metadata?: Tags): AzureZone['records'][number] => ({
  name,
  type: 'A',
  ...(metadata && { metadata }),
})
const publicRecords = [a('api.demo'), a('*.apps.demo')]

let server: AzureServer
beforeAll(async () => {
  server = await startAzureServer()
})
afterAll(() => server.close())
beforeEach(() => {
  Object.assign(server.subscription, emptySubscription(), { zones: [zone()] })
})
afterEach(() => {
  server.requests.length = 0
  server.faults.length = 0
})

const open = (subscriptionId = SUBSCRIPTION) =>
  openAzureInventory({
    environment: {},
    timeoutMs: 10_000,
    instead: {
      resourceManager: server.endpoint,
      signIn: async () => ({ subscriptionId, token: async () => 'loopback' }),
    },
  })
async function findNames(changes: Partial<InventoryQuery> = {}): Promise<string[]> {
  const answer = await open().find({ ...query, ...changes })
  return foundIn(answer).map(({ name }) => name)
}
async function reasonOf(changes: Partial<InventoryQuery>, subscriptionId?: string): Promise<string> {
  const answer = await open(subscriptionId).find({ ...query, ...changes })
  return whyNot('azure', answer)
}
const idOf = (name: string, type = 'a', at = 'dnszones/example.com', of = 'dns') =>
  `${server.groupId(of)}/providers/Microsoft.Network/${at}/${type}/${name}`.toLowerCase()

describe('records', () => {
  it('of ours are found in every zone that is a suffix, though the group and its private zone are gone', async () => {
    server.subscription.zones = [
      zone({ records: [a('www'), a('api.demo2'), a('api.my-demo'), a('demo'), a('api-int.demo'), ...publicRecords] }),
      zone({ name: 'com', records: [a('api.demo.example'), a('www.demo.example')] }),
      zone({ name: 'example.com', group: 'second', records: [a('api.demo')] }),
      zone({ name: 'ample.com', records: [a('api.demo')] }),
      zone({ name: 'example.com', group: 'inside', isPrivate: true, records: [a('api-int.demo')] }),
    ]
    const answer = await open().find(query)
    expect(foundIn(answer)).toEqual(
      [
        idOf('*.apps.demo'),
        idOf('api-int.demo'),
        idOf('api.demo'),
        idOf('api.demo.example', 'a', 'dnszones/com'),
        idOf('api.demo', 'a', 'dnszones/example.com', 'second'),
        idOf('api-int.demo', 'a', 'privateDnsZones/example.com', 'inside'),
      ]
        .toSorted()
        .map((id) => expect.objectContaining({ id, type: 'dns-record', region: 'global' })),
    )
  })

  it('under the private zone are found, and its start of authority is not called ours', async () => {
    server.subscription.zones.push(privateZone({ records: [a('api'), a('api-int'), a('*.apps')] }))
    expect((await findNames()).toSorted()).toEqual([
      '*.apps.demo.example.com',
      'api-int.demo.example.com',
      'api.demo.example.com',
      'demo.example.com',
    ])
  })

  it('that stood before are not ours, unless they say so', async () => {
    server.subscription.zones = [zone({ records: publicRecords })]
    const stoodBefore = [idOf('api.demo'), idOf('*.apps.demo')]
    expect(await findNames({ stoodBefore })).toEqual([])
    server.subscription.zones = [zone({ records: [a('api.demo', owned)] })]
    expect(await findNames({ stoodBefore })).toEqual(['api.demo.example.com'])
  })

  it('that another cluster has written are not ours, whatever their names', async () => {
    server.subscription.zones = [
      zone({ records: [a('api.demo', neighbours), a('*.apps.demo', neighbours)] }),
      privateZone({ group: 'demo-zzzzz-rg', tags: neighbours, records: [a('api'), a('api-int')] }),
    ]
    server.subscription.groups = [{ name: 'demo-zzzzz-rg', tags: neighbours }]
    for (const records of ['all', 'own', 'unclear'] as const) expect(await findNames({ records })).toEqual([])
  })

  it('of a cluster below this one are not ours', async () => {
    server.subscription.zones = [zone({ records: [a('api.sub.demo'), a('*.apps.sub.demo')] })]
    expect(await findNames()).toEqual([])
  })

  it.each([
    ['their metadata', a('api.demo', owned)],
    ["the service's own metadata", a('api.demo', { 'ocpctl-cluster-id': 'clu_01' })],
    ['a name', { name: 'api.demo', type: 'CNAME', cname: `${infraId}.westeurope.cloudapp.azure.com` }],
    ['a longer name', { name: 'api.demo', type: 'CNAME', cname: `${infraId}-x1.westeurope.cloudapp.azure.com` }],
    [
      'a resource',
      {
        name: 'api.demo',
        type: 'A',
        target: `/subscriptions/${SUBSCRIPTION}/resourceGroups/${group}/providers/Microsoft.Network/publicIPAddresses/p`,
      },
    ],
  ])('that lead to ours by %s are ours, even when the name is another cluster’s by now', async (_, record) => {
    server.subscription.zones = [zone({ records: [record, a('*.apps.demo')] })]
    expect(await findNames({ records: 'own' })).toEqual(['api.demo.example.com'])
  })

  it('that nobody can tell make the whole not verified', async () => {
    server.subscription.zones = [zone({ records: publicRecords })]
    expect(await reasonOf({ records: 'unclear' })).toContain("stands under the cluster's domain")
    server.subscription.zones = [zone({ records: [a('api.demo', owned)] })]
    expect(await findNames({ records: 'unclear' })).toEqual(['api.demo.example.com'])
  })

  it('of a zone that goes while it is read have gone with it', async () => {
    server.subscription.zones.push(privateZone())
    server.faults.push({ how: '404', path: '/ALL', times: 1 })
    expect(await reasonOf({})).toContain('the zone demo.example.com is there, and its records are not')
    server.faults.push({ how: '404', path: '/privatednszones/demo.example.com', times: 2 })
    expect(await findNames()).toEqual(['demo.example.com'])
  })

  it('in a zone that another cluster has tagged are ours, since the zone is everybody’s', async () => {
    server.subscription.zones = [zone({ tags: neighbours, records: publicRecords })]
    expect(await findNames()).toEqual(['*.apps.demo.example.com', 'api.demo.example.com'])
  })
})

describe('what stands before a cluster', () => {
  it('is told, with the names that are taken', async () => {
    server.subscription.zones = [
      zone({ records: [...publicRecords, a('api-int.demo'), a('www.demo')] }),
      privateZone({ group: 'other', records: [a('api-int')] }),
    ]
    const answer = await open().findRecords(place)
    expect(answer.found.map(({ name }) => name.replace('.example.com', '')).toSorted()).toEqual([
      '*.apps.demo',
      'api-int.demo',
      'api-int.demo',
      'api.demo',
      'demo',
      'www.demo',
    ])
    expect(answer.taken.map(({ id }) => id).toSorted()).toEqual(
      [
        idOf('api.demo'),
        idOf('*.apps.demo'),
        idOf('api-int', 'a', 'privateDnsZones/demo.example.com', 'other'),
      ].toSorted(),
    )
  })

  it('is not told when the caller may not read all of it, and what it has no use for does not matter', async () => {
    server.subscription.permissions = [{ actions: ['*/dnsZones/*', '*/privateDnsZones/*'], notActions: [] }]
    expect(await open().findRecords(place)).toEqual({ found: [], taken: [], notChecked: [] })
    server.subscription.permissions = [{ actions: ['*/read'], notActions: ['*/privateDnsZones/*'] }]
    expect(whyNot('azure', await open().findRecords(place))).toContain('Microsoft.Network/privateDnsZones/ALL/read')
  })
})

describe('a wrong subscription is not an empty one', () => {
  const network = { resourceGroup: 'net', virtualNetwork: 'brought' }
  const azure = { cloud: 'AzurePublicCloud' }

  it('since it lacks the zone of the base domain', async () => {
    server.subscription.zones = [zone({ name: 'elsewhere.com' }), zone({ isPrivate: true })]
    expect(await reasonOf({})).toContain(`the subscription ${SUBSCRIPTION} has no public zone example.com`)
    server.subscription.zones = [zone()]
    expect(await reasonOf({ azure: { ...azure, baseDomainResourceGroup: 'DNS' } })).toBe('verified')
    expect(await reasonOf({ azure: { ...azure, baseDomainResourceGroup: 'more-dns' } })).toContain('in more-dns')
    expect((await open().findRecords({ ...place, baseDomain: 'other.com' })).notChecked).toHaveLength(1)
  })

  it('since it is not the one that the profile names, or is not there', async () => {
    const other = '99999999-2222-3333-4444-555555555555'
    expect(await reasonOf({ azure: { ...azure, subscription: SUBSCRIPTION.toUpperCase() } })).toBe('verified')
    expect(await reasonOf({ azure: { ...azure, subscription: other } })).toContain(`the profile is of ${other}`)
    expect(await reasonOf({}, other)).toContain(`the credentials see no subscription ${other}`)
  })

  it('since it lacks the network of a private cluster', async () => {
    server.subscription.zones = []
    const isPrivate = true
    expect(await reasonOf({ isPrivate })).toContain('names neither a network nor a subscription')
    expect(await reasonOf({ isPrivate, azure: { ...azure, subscription: SUBSCRIPTION } })).toBe('verified')
    expect(await reasonOf({ isPrivate, azure: { ...azure, network } })).toContain('has not the network brought')
    server.subscription.things = [{ type: 'Microsoft.Network/virtualNetworks', name: 'brought', group: 'net' }]
    expect(await reasonOf({ isPrivate, azure: { ...azure, network } })).toBe('verified')
  })
})

describe('what an installation owns', () => {
  const offered = [place, { ...place, region: 'northeurope' }]
  const listOwned = (installationId: string, places: Omit<Place, 'name'>[] = offered): Promise<Owned[]> =>
    Array.fromAsync(openInventory({ azure: open() }).findOwned?.({ installationId, offered: places }) ?? [])
  const tagsOf = (installation: string) => ({ 'OCPCTL-installation-id': installation, 'ocpctl-cluster-id': 'clu_01' })

  beforeEach(() => {
    server.subscription.groups = ['one', 'two'].map((name) => ({ name, tags: tagsOf(name) }))
    server.subscription.things = ['one', 'two'].flatMap((name) =>
      Array.from({ length: 3 }, (_, n) => ({
        type: 'Microsoft.Compute/disks',
        name: `disk-${name}-${n}`,
        group: name,
        tags: tagsOf(name),
      })),
    )
    server.subscription.things.push({ type: 'Microsoft.Compute/disks', name: 'bare', group: 'one' })
  })

  it('is its own alone, of two in one subscription, and is told once', async () => {
    const found = await listOwned('two')
    expect(found.map(({ resource }) => resource.name)).toEqual(['two', 'disk-two-0', 'disk-two-1', 'disk-two-2'])
    expect(found[0]).toMatchObject({ clusterId: 'clu_01', installationId: 'two', resource: { type: 'resource-group' } })
    server.subscription.groups = [{ name: 'old', tags: { 'ocpctl-cluster-id': 'clu_01' } }]
    expect((await listOwned('two'))[0]).toMatchObject({ clusterId: 'clu_01', installationId: undefined })
  })

  it('is not told when something was refused, in a wrong subscription, or where nobody offers Azure', async () => {
    server.faults.push({ how: 'deny', path: '/resources', times: 1 })
    await expect(listOwned('two')).rejects.toThrow('Microsoft.Loopback/resources/read')
    await expect(listOwned('two', [{ ...place, baseDomain: 'other.com' }])).rejects.toThrow(
      'has no public zone other.com',
    )
    await expect(listOwned('two', [])).rejects.toThrow('no profile offers a cloud')
    await expect(listOwned('two', [{ ...place, azure: { cloud: 'AzureGermanCloud' } }])).rejects.toThrow(
      'AzureGermanCloud',
    )
  })
})

it('a pass over a large subscription takes few calls, little time and little memory', async () => {
  const large = await startAzureServer({ itemsPerPage: 1000 })
  try {
    Object.assign(large.subscription, {
      zones: [zone()],
      groups: Array.from({ length: 900 }, (_, n) => ({ name: `g${n}` })),
      things: Array.from({ length: 5000 }, (_, n) => ({
        type: 'Microsoft.Compute/disks',
        name: `pvc-${n}-of-somebody-else`,
        group: `g${n % 900}`,
        tags: { 'kubernetes.io_cluster.demo-zzzzz': 'owned', purpose: 'x'.repeat(200) },
      })),
    })
    const inventory = openAzureInventory({
      environment: {},
      instead: {
        resourceManager: large.endpoint,
        signIn: async () => ({ subscriptionId: SUBSCRIPTION, token: async () => 'loopback' }),
      },
    })
    expect(await inventory.find(query)).toSatisfy(isProvedEmpty)
    expect(large.requests.length).toBeLessThanOrEqual(25)
  } finally {
    await large.close()
  }
})
