// What is told of an account of IBM Cloud, against a double of it.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { kinds } from '../src/clouds/ibmcloud/vpc.ts'
import { openIbmCloudInventory } from '../src/clouds/ibmcloud/inventory.ts'
import type { IbmCloudInventoryOptions } from '../src/clouds/ibmcloud/session.ts'
import { type InventoryQuery, isProvedEmpty, type Owned, type Resource } from '../src/clouds/inventory.ts'
import { foundIn, whyNot } from './answers.ts'
import {
  API_KEY,
  DNS_SERVICES,
  emptyAccount,
  ids,
  INTERNET_SERVICES,
  paths,
  REGION,
  service,
  startIbmCloudServer,
  type IbmCloudFault,
  type IbmCloudServer,
  type Row,
} from './ibmcloud-server.ts'

const infraId = 'demo-abcde'
const query: InventoryQuery = {
  clusterId: 'clu_01',
  platform: 'ibmcloud',
  region: REGION,
  infraIds: [infraId],
  name: 'demo',
  baseDomain: 'example.com',
  records: 'all',
}
const CLUSTER_TAG = `kubernetes-io-cluster-${infraId}:owned`
const OURS = { id: 'our-group' }
const OTHERS = { id: 'default' }

let server: IbmCloudServer
beforeAll(async () => {
  server = await startIbmCloudServer()
})
afterAll(() => server.close())
beforeEach(() => {
  Object.assign(server.account, emptyAccount())
  server.faults.length = 0
  server.requests.length = 0
})

const open = (options: Partial<IbmCloudInventoryOptions> = {}) =>
  openIbmCloudInventory({ environment: { IC_API_KEY: API_KEY }, endpoints: server.endpoints, ...options })
const find = (changes: Partial<InventoryQuery> = {}) => open().find({ ...query, ...changes })
async function findAll(changes: Partial<InventoryQuery> = {}): Promise<Resource[]> {
  const answer = await find(changes)
  return foundIn(answer)
}
const findIds = async (changes: Partial<InventoryQuery> = {}) => (await findAll(changes)).map(({ id }) => id)
/** As it is some minutes later, when the index knows of it. */
const put = (path: string, ...rows: Row[]) => {
  server.account.things[path]?.push(...rows)
  const { type = '' } = kinds.find((each) => each.path === path) ?? {}
  for (const { id, name, user_tags: tags = [] } of rows)
    server.account.indexed.push({
      crn: `crn:v1:bluemix:public:is:${REGION}:a/1::${type}:${id}`,
      name,
      type,
      region: REGION,
      tags: tags as string[], // as they are put
    })
}
const thing = (name: string, more: Record<string, unknown> = {}): Row => ({
  id: `id-${name}`,
  name,
  resource_group: OTHERS,
  ...more,
})
const putRecords = (guid: string, ...records: [string, string, string][]) =>
  server.account.zones[guid]?.[0]?.records.push(...records.map(([name, type, target]) => ({ name, type, target })))
const fault = (at: RegExp, how: IbmCloudFault['how'], times = Infinity) => server.faults.push({ at, how, times })
async function reasonWith(at: RegExp, how: IbmCloudFault['how']): Promise<string> {
  fault(at, how)
  const answer = await find()
  return whyNot('ibmcloud', answer)
}

/** Each kind once, without anything but its name that tells whose it is. */
const putCluster = (id: string) => {
  for (const path of paths) put(path, thing(`${id}-${path.replaceAll(/[_/]/g, '-')}`))
  server.account.instances.push(
    service(`${id}-cos`, `guid-${id}`, ids.storage),
    service(`${id}-image-registry`, `guid-${id}-gone`, ids.storage, { state: 'pending_reclamation' }),
  )
  server.account.groups.push({ id: `group-${id}`, name: id })
  server.account.serviceIds.push({ id: `ServiceId-${id}`, name: `${id}-registry` })
  server.account.policies.push(authorization(`policy-${id}`, `guid-${id}`))
}
const authorization = (id: string, guid: string) => ({
  id,
  type: 'authorization',
  subjects: [
    {
      attributes: [
        { name: 'serviceName', value: 'is' },
        { name: 'resourceType', value: 'image' },
      ],
    },
  ],
  resources: [
    {
      attributes: [
        { name: 'serviceName', value: 'cloud-object-storage' },
        { name: 'serviceInstance', value: guid },
      ],
    },
  ],
})

describe('an account without a trace of the cluster', () => {
  it('is verified and empty', async () => {
    expect(await find()).toSatisfy(isProvedEmpty)
  })

  it('is empty beside clusters whose names are alike', async () => {
    for (const other of ['demo-abcdef', 'demo-abcd', 'my-demo-abcde', 'demo-abcd2']) putCluster(other)
    put('images', thing(`${infraId}-rhcos`, { visibility: 'public' }))
    putRecords(
      INTERNET_SERVICES.crn,
      ['api.demo2.example.com', 'CNAME', 'x'],
      ['api.demo.example.com.example.com', 'A', '1'],
    )
    expect(await find()).toSatisfy(isProvedEmpty)
  })

  it('takes few questions', async () => {
    await find()
    expect(server.requests.length).toBeLessThanOrEqual(18)
  })
})

describe('what was left behind is found', () => {
  it.each(paths)('in %s, by its name alone', async (path) => {
    const left = thing(`${infraId}-x`)
    put(path, thing('other-1'), thing('other-2'), left, thing('other-3'))
    expect(await findIds()).toEqual([left.id])
  })

  it('of a whole cluster, on every page, and nothing of its neighbours', async () => {
    for (const id of ['demo-abcd', infraId, 'demo-abcdef']) putCluster(id)
    const answer = await find()
    const names = foundIn(answer).map(({ name }) => name)
    expect(names).toHaveLength(paths.length + 4)
    expect(names.filter((name) => name !== `policy-${infraId}` && !`${name}-`.startsWith(`${infraId}-`))).toEqual([])
    expect(answer.lingering).toMatchObject([{ name: `${infraId}-image-registry`, billable: false }])
  })

  it.each<[string, string, Record<string, unknown>]>([
    ['its resource group', 'volumes', { resource_group: OURS }],
    ['its network', 'security_groups', { vpc: { id: 'our-vpc' } }],
    ['its subnets', 'load_balancers', { subnets: [{ id: 'our-subnet' }] }],
    ['its machine', 'volumes', { volume_attachments: [{ instance: { id: 'our-machine' } }] }],
    ['its machine’s interface', 'floating_ips', { target: { id: 'our-interface' } }],
    ['its volume', 'snapshots', { source_volume: { id: 'our-volume' } }],
    ['its tag', 'volumes', { user_tags: ['env:x', CLUSTER_TAG] }],
    ['our tag', 'snapshots', { user_tags: ['ocpctl-cluster-id:clu_01'] }],
  ])('though its name tells nothing, by %s', async (_, path, more) => {
    server.account.groups.push({ ...OURS, name: infraId })
    put('vpcs', { ...thing(`${infraId}-vpc`), id: 'our-vpc' })
    const renamed = { vpc: { id: 'our-vpc' }, resource_group: OURS, network_interfaces: [{ id: 'our-interface' }] }
    put('subnets', { ...thing('renamed', renamed), id: 'our-subnet' })
    put('instances', { ...thing('renamed', renamed), id: 'our-machine' })
    put('volumes', { ...thing(`${infraId}-v`), id: 'our-volume' })
    put(path, thing(`${infraId}-known`, { resource_group: OURS }))
    const before = await findIds()
    put(path, thing('pvc-1', more), thing('pvc-2', { user_tags: ['kubernetes-io-cluster-demo-abcdef:owned'] }))
    expect((await findIds()).filter((id) => !before.includes(id))).toEqual(['id-pvc-1'])
  })

  it('in its resource group, though the index does not know of it', async () => {
    server.account.groups.push({ ...OURS, name: infraId })
    for (const path of paths)
      server.account.things[path]?.push(thing(path, { resource_group: OURS }), thing(`x-${path}`))
    const found = await findIds()
    expect(found.filter((id) => id.startsWith('id-')).toSorted()).toEqual(paths.map((path) => `id-${path}`).toSorted())
  })

  it('a disk that the cluster’s own objects named, by id or name, and no other disk', async () => {
    put('volumes', thing('pvc-1'), thing('pvc-2'), thing('x'))
    put('snapshots', thing('pvc-1'))
    expect(await findIds()).toEqual([])
    expect((await findIds({ disks: ['pvc-2', 'id-x'] })).toSorted()).toEqual(['id-pvc-2', 'id-x'])
  })

  it('a load balancer that the cluster made for a service', async () => {
    put('load_balancers', thing(`kube-${infraId}-0123`), thing('kube-demo-abcdef-0123'))
    expect(await findIds()).toEqual([`id-kube-${infraId}-0123`])
  })

  it('but nothing of a network of the profile’s own', async () => {
    put('vpcs', { ...thing('shared-vpc'), id: 'shared' })
    put('subnets', { ...thing('shared-subnet', { vpc: { id: 'shared' } }), id: 's' })
    put('instances', thing(`${infraId}-master-0`, { vpc: { id: 'shared' }, network_interfaces: [{ id: 'nic' }] }))
    expect(await findIds()).toEqual([`id-${infraId}-master-0`])
  })

  it('what only the index knows, in whatever region and of whatever kind', async () => {
    const crn = (place: string, rest = ':share:1', of = 'is') => `crn:v1:bluemix:public:${of}:${place}:a/1:${rest}`
    const item = (id: string, name: string, tags: string[] = []) => ({ crn: id, name, type: 'x', region: 'r', tags })
    server.account.indexed = [
      item(crn(REGION), `${infraId}-share`),
      item(crn('us-south-1', ':volume:v'), 'pvc-3', [CLUSTER_TAG]),
      item(crn('global', 'g:future:x', 'new-service'), `${infraId}-y`),
      // What the lists know better: these are gone.
      item(crn(`${REGION}-2`, ':volume:v'), `${infraId}-v`),
      item(crn('global', 'gone:bucket:b', 'cloud-object-storage'), `${infraId}-image-registry-b`),
      item(crn('global', ':resource-group:g', 'resource-controller'), infraId),
      item(crn(REGION), 'demo-abcdef-share'),
    ]
    expect(await findAll()).toMatchObject([
      { type: 'future', region: 'global' },
      { type: 'share', name: `${infraId}-share`, region: REGION },
      { type: 'volume', name: 'pvc-3', region: 'us-south' },
    ])
  })

  it('all that is in its resource group, of whatever service', async () => {
    server.account.groups.push({ ...OURS, name: infraId })
    server.account.instances.push(service('db', 'guid-db', 'catalog-db', { resource_group_id: OURS.id }))
    expect((await findAll()).map(({ name }) => name)).toEqual([infraId, 'db'])
  })
})

describe('DNS records', () => {
  const at = (zone: string, name: string, type = 'CNAME') => `${zone}/${name}.demo.example.com/${type}`

  it('are found in both kinds of zones, though all else has gone', async () => {
    for (const crn of [INTERNET_SERVICES.crn, DNS_SERVICES.guid])
      putRecords(
        crn,
        ['api.demo.example.com', 'CNAME', 'gone'],
        ['*.apps.Demo.example.com', 'CNAME', 'gone'],
        ['api.demo2.example.com', 'A', '1'],
      )
    putRecords(DNS_SERVICES.guid, ['api-int.demo.example.com', 'A', '10.0.0.1'])
    expect((await findIds()).sort()).toEqual(
      [
        at('example.com:z2', '*.apps'),
        at('example.com:z2', 'api'),
        at('example.com:z2', 'api-int', 'A'),
        at('z1', '*.apps'),
        at('z1', 'api'),
      ].sort(),
    )
  })

  it('are found in every zone that the domain is under, by the installer’s names alone', async () => {
    server.account.zones[INTERNET_SERVICES.crn]?.push({
      id: 'z3',
      name: 'com',
      records: ['api', 'www'].map((name) => ({ name: `${name}.demo.example.com`, type: 'A', target: '1.2.3.4' })),
    })
    expect(await findIds()).toEqual([at('z3', 'api', 'A')])
  })

  it('of a name that may be another cluster’s count when they point to a load balancer of ours', async () => {
    put('load_balancers', thing(`${infraId}-lb`, { hostname: 'AB12-eu-de.lb.appdomain.cloud' }))
    putRecords(
      INTERNET_SERVICES.crn,
      ['api.demo.example.com', 'CNAME', 'ab12-eu-de.lb.appdomain.cloud'],
      ['*.apps.demo.example.com', 'CNAME', 'other'],
    )
    expect(await findIds({ records: 'own' })).toEqual([at('z1', 'api'), `id-${infraId}-lb`])
    const unclear = await find({ records: 'unclear' })
    expect(unclear.found.map(({ id }) => id)).toEqual([at('z1', 'api'), `id-${infraId}-lb`])
    expect(whyNot('ibmcloud', unclear)).toContain(at('z1', '*.apps'))
  })

  it('that stood before are not ours, and are told before a create', async () => {
    putRecords(
      INTERNET_SERVICES.crn,
      ['www.demo.example.com', 'A', '1.2.3.4'],
      ['api-int.demo.example.com', 'CNAME', 'x'],
    )
    const told = await open().findRecords(query)
    expect(told.notChecked).toEqual([])
    expect(told.found.map(({ id }) => id)).toEqual([at('z1', 'www', 'A'), at('z1', 'api-int')])
    expect(told.taken.map(({ id }) => id)).toEqual([at('z1', 'api-int')])
    expect(await findIds({ stoodBefore: told.found.map(({ id }) => id) })).toEqual([])
  })

  it.each([false, true])('an account without the base domain is the wrong one; private: %s', async (isPrivate) => {
    server.account.zones[isPrivate ? DNS_SERVICES.guid : INTERNET_SERVICES.crn] = []
    const reason = 'this account has no zone example.com'
    expect(whyNot('ibmcloud', await find({ isPrivate }))).toContain(reason)
    expect(whyNot('ibmcloud', await open().findRecords({ ...query, isPrivate }))).toContain(reason)
    expect(await findAll({ isPrivate: !isPrivate })).toEqual([])
  })
})

it('each is told with its key, when it was made, its price, and where the console shows it', async () => {
  const made = { created_at: '2026-01-02T03:04:05Z' }
  put('instances', thing(`${infraId}-m`, { profile: { name: 'bx2-8x32' }, ...made }))
  put('volumes', thing('pvc-1', { user_tags: [`kubernetes-io-cluster-${infraId}:owned`], capacity: 730 }))
  put('floating_ips', thing('ip', { target: { id: `id-${infraId}-m` } }), thing(`${infraId}-ip`))
  const { found, account, zones } = await find()
  const by = (type: string) => found.find((each) => each.type === type)
  expect(by('instance')).toMatchObject({ key: 'name', usdPerHour: 0.384, madeAt: '2026-01-02T03:04:05.000Z', link: 'https://cloud.ibm.com/infrastructure/compute/vs' }) // prettier-ignore
  expect(by('volume')).toMatchObject({ key: 'tag', usdPerHour: 0.1 })
  expect(found.find(({ name }) => name === 'ip')).toMatchObject({ key: 'relation', usdPerHour: 0.005 })
  expect(account).toBeTruthy()
  expect(zones).toEqual(['example.com (example.com:z2)', 'example.com (z1)'])
})

describe('silence is never emptiness', () => {
  /** Where it has a group of its own, its parts are looked for in there. */
  const putGroup = () => server.account.groups.push({ ...OURS, name: infraId })
  const inGroup = paths.map((path): [RegExp, string] => [new RegExp(`/v1/${path}$`), `Viewer of is/${path}`])
  const lists: [RegExp, string][] = [
    ...inGroup,
    [/resource_groups/, 'Viewer of resource-groups'],
    [/resource_instances/, 'Viewer of cloud-object-storage, Viewer of dns-svcs, Viewer of internet-svcs'],
    [/policies/, 'Viewer of iam-access-management'],
    [/serviceids/, 'Viewer of iam-identity'],
    [/search/, 'Viewer of each service'],
    [/^\/cis.*zones$/, 'Reader of internet-svcs'],
    [/dns_records/, 'Reader of internet-svcs'],
    [/dnszones$/, 'Reader of dns-svcs'],
    [/resource_records/, 'Reader of dns-svcs'],
  ]
  it.each(lists)('a refusal at %s names %s', async (at, role) => {
    if (inGroup.some(([, needed]) => needed === role)) putGroup()
    expect(await reasonWith(at, 'deny')).toContain(`(${role})`)
  })

  it.each(lists)('an answer of another form at %s is none', async (at, role) => {
    if (inGroup.some(([, needed]) => needed === role)) putGroup()
    expect(await reasonWith(at, 'unknown')).toContain(role)
  })

  it('a service that shows nothing to whom it trusts with nothing has not answered', async () => {
    expect(await reasonWith(/resource_groups/, 'hide')).toContain('no resource group is shown')
    server.faults.length = 0
    expect(await reasonWith(/policies/, 'hide')).toContain('no policy is shown')
  })

  it('limits and broken connections are waited out', async () => {
    put('volumes', ...[1, 2, 3, 4, 5].map((n) => thing(`${infraId}-${n}`)))
    fault(/volumes/, 'throttle', 2)
    fault(/token/, 'throttle', 1)
    fault(/volumes/, 'reset', 1)
    expect(await findIds()).toHaveLength(5)
  })

  it('no answer in time is none', async () => {
    fault(/volumes/, 'stall')
    const answer = await open({ timeoutMs: 200 }).find(query)
    expect(whyNot('ibmcloud', answer)).toContain('no answer within 0.2 s')
  })

  it.each([
    [{}, 'there is no API key'],
    [{ IC_API_KEY: 'wrong' }, 'the sign-in answers 400: Provided API key could not be found.'],
  ])('nor is a key that does not count: %o', async (environment, why) => {
    const answer = await open({ environment }).find(query)
    expect(whyNot('ibmcloud', answer)).toContain(`${why} (IC_API_KEY)`)
    expect((await open({ environment }).findRecords(query)).notChecked).toHaveLength(1)
  })
})

describe('what people have tagged for us', () => {
  const offered = [{ platform: 'ibmcloud' as const, region: REGION, baseDomain: 'example.com' }]
  const listOwned = async (places = offered) => {
    const found: Owned[] = []
    for await (const each of open().findOwned?.({ installationId: 'ins_1', offered: places }) ?? []) found.push(each)
    return found
  }
  const tagged = (name: string, installation: string) => ({
    crn: `crn:v1:bluemix:public:is:eu-de-1:a/1::volume:${name}`,
    name,
    type: 'volume',
    region: REGION,
    tags: ['ocpctl-cluster-id:clu_01', `ocpctl-installation-id:${installation}`],
  })

  it('is told with its cluster, and that of another installation is not', async () => {
    server.account.indexed = [tagged('a', 'ins_2'), tagged('b', 'ins_1'), tagged('c', 'ins_1')]
    expect(await listOwned()).toMatchObject(
      ['b', 'c'].map((name) => ({ clusterId: 'clu_01', resource: { name, type: 'volume' } })),
    )
  })

  it('is not told by a wrong account, nor by a search that is refused, nor where nothing is offered', async () => {
    await expect(listOwned([])).rejects.toThrow('no profile offers')
    fault(/search/, 'deny', 1)
    await expect(listOwned()).rejects.toThrow('Viewer of each service')
    server.account.zones = {}
    await expect(listOwned()).rejects.toThrow('this account has no zone')
  })
})
