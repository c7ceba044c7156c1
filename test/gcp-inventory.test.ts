import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openGcpInventory } from '../src/clouds/gcp/inventory.ts'
import { type InventoryAnswer, type InventoryQuery, isProvedEmpty, type Owned } from '../src/clouds/inventory.ts'
import { foundIn, whyNot } from './answers.ts'
import { emptyProject, startGcpServer, type Fault, type GcpServer, type Project, type Thing } from './gcp-server.ts'

const infraId = 'demo-abcde'
const query: InventoryQuery = {
  clusterId: 'clu_01',
  platform: 'gcp',
  region: 'us-central1',
  infraIds: [infraId],
  name: 'demo',
  baseDomain: 'example.com',
  records: 'all',
  project: 'p1',
}
const uid = createHash('md5').update(infraId).digest('hex').slice(0, 16)
const balancer = `a${'0123456789abcdef'.repeat(2).slice(0, 31)}`
const link = (path: string, project = 'p1') => `https://www.googleapis.com/compute/v1/projects/${project}/${path}`
const network = link(`global/networks/${infraId}-network`)
const owned = { [`kubernetes-io-cluster-${infraId}`]: 'owned' }

let server: GcpServer
let p1: Project
beforeAll(async () => {
  server = await startGcpServer()
})
afterAll(() => server.close())
beforeEach(() => {
  p1 = emptyProject()
  for (const name of Object.keys(server.projects)) Reflect.deleteProperty(server.projects, name)
  server.projects['p1'] = p1
  server.pages.size = 2
  server.faults.length = server.requests.length = server.signIns.length = 0
})

const open = (environment: Record<string, string> = server.environment) =>
  openGcpInventory({ environment, endpoint: server.endpoint })
const find = (changes: Partial<InventoryQuery> = {}) => open().find({ ...query, ...changes })
const idsOf = (answer: InventoryAnswer) => foundIn(answer).map(({ id }) => id.replace('projects/p1/', ''))
const findIds = async (changes: Partial<InventoryQuery> = {}) => idsOf(await find(changes))
const reasonOf = (answer: Pick<InventoryAnswer, 'notChecked'>) => whyNot('gcp', answer)
async function reasonWith(...faults: Fault[]) {
  // While its network stands, the parts of that are asked for as well.
  if (faults.some(({ permission }) => PARTS.some((list) => permission === `compute.${list}.list`))) putNetwork()
  server.faults.push(...faults)
  return reasonOf(await find()).replace(/; found already: network .*/, '')
}

const regional = { scope: 'regions/us-central1' }
const named: Record<string, Thing> = {
  instances: { name: `${infraId}-master-0` },
  disks: { name: `${infraId}-master-0` },
  addresses: { name: `${infraId}-cluster-ip`, ...regional },
  forwardingRules: { name: `${infraId}-api-internal`, ...regional },
  targetPools: { name: `${infraId}-pool`, ...regional },
  instanceGroups: { name: `${infraId}-master-us-central1-a` },
  backendServices: { name: `${infraId}-api-internal`, ...regional },
  healthChecks: { name: `${infraId}-api-internal`, scope: 'global' },
  routers: { name: `${infraId}-router`, ...regional },
  networkEndpointGroups: { name: `${infraId}-neg` },
  targetTcpProxies: { name: `${infraId}-apiserver`, scope: 'global' },
  resourcePolicies: { name: `${infraId}-snapshots`, ...regional },
  firewalls: { name: `${infraId}-api` },
  networks: { name: `${infraId}-network` },
  images: { name: `${infraId}-rhcos-image` },
  snapshots: { name: `${infraId}-master-0-us-central1-a-1` },
  routes: { name: `${infraId}-route` },
  httpHealthChecks: { name: `${infraId}-api` },
}
const kinds = Object.keys(named)
const putNetwork = () => (p1.compute['networks'] ??= []).push(named['networks'] as Thing) // its key
/** What goes before its network, and is not there without it. */
const PARTS = ['routers', 'routes', 'firewalls']
const ownNetwork = `global/networks/${infraId}-network`
const idOf = (list: string, { name, scope }: Thing, isGlobal = /^(firewalls|networks|images|snapshots|routes|httpHealthChecks)$/.test(list)) => `${scope ?? (isGlobal ? 'global' : 'zones/us-central1-a')}/${list}/${name}` // prettier-ignore

/** Everything has the neighbour's names, which begin alike. */
function placeNeighbours(project: Project) {
  for (const other of ['demo-abcdef', 'demo-abc', 'demo']) {
    for (const [list, thing] of Object.entries(named))
      (project.compute[list] ??= []).push({
        ...thing,
        name: thing.name.replace(infraId, other),
        ...(/instances|disks|addresses|forwardingRules|images|snapshots/.test(list)
          ? { labels: { [`kubernetes-io-cluster-${other}`]: 'owned', 'ocpctl-cluster-id': 'clu_02' } }
          : {}),
        ...(list === 'firewalls' ? { targetTags: [`${other}-master`] } : {}),
        ...(list === 'networks' ? {} : { network: link(`global/networks/${other}-network`) }),
      })
    const theirs = `a${createHash('md5').update(other).digest('hex').slice(0, 31)}`
    project.compute['firewalls']?.push({ name: `k8s-fw-${theirs}`, targetTags: [`${other}-worker`] })
    project.compute['healthChecks']?.push({ name: `k8s-${theirs.slice(1, 17)}-node`, scope: 'global' })
    project.accounts.push({ email: `${other}-m@p1.iam.gserviceaccount.com`, displayName: `${other}-master-node` })
    project.members.push(`serviceAccount:${other}-m@p1.iam.gserviceaccount.com`)
    project.buckets.push({ name: `${other}-image-registry` })
    project.shares.push({ name: `${other}x`, labels: { [`kubernetes-io-cluster-${other}`]: 'owned' } })
    project.zones.push({ name: `${other}-private-zone`, dnsName: `${other}x.example.com.`, visibility: 'private' })
  }
}

it('a project without a trace of the cluster is verified and empty, by 22 questions and one sign-in', async () => {
  const inventory = open()
  expect(await inventory.find(query)).toSatisfy(isProvedEmpty)
  expect(server.requests).toHaveLength(22)
  await inventory.find(query)
  expect(server.signIns).toHaveLength(1)
})

it('5,000 resources of others make no more questions', async () => {
  server.pages.size = 500
  for (const [list, thing] of Object.entries(named))
    p1.compute[list] = Array.from({ length: 280 }, (_, n) => ({ ...thing, name: `other-${n}` }))
  p1.compute['instances'] = Array.from({ length: 5000 }, (_, n) => ({ name: `other-${n}` }))
  expect(await find()).toSatisfy(isProvedEmpty)
  expect(server.requests).toHaveLength(22)
})

it('it is empty beside clusters whose names begin alike', async () => {
  placeNeighbours(p1)
  expect(await find()).toSatisfy(isProvedEmpty)
})

describe('what was left behind is found, on every page, beside neighbours', () => {
  beforeEach(() => placeNeighbours(p1))

  it.each(kinds)('%s, by name', async (list) => {
    const thing = named[list] as Thing // its key
    if (PARTS.includes(list)) putNetwork()
    p1.compute[list]?.push(thing)
    expect((await findIds()).filter((id) => list === 'networks' || id !== ownNetwork)).toEqual([idOf(list, thing)])
  })

  it.each(['instances', 'disks', 'addresses', 'forwardingRules', 'images', 'snapshots'])(
    '%s, by label',
    async (list) => {
      const labels: Record<string, string>[] = [
        owned,
        { [`capg-cluster-${infraId}`]: 'owned' },
        { 'ocpctl-cluster-id': 'clu_01' },
      ]
      const left = labels.map((each, n) => ({ name: `pvc-${n}`, scope: 'global', labels: each }))
      p1.compute[list]?.push(...left)
      expect(await findIds()).toEqual(left.map((each) => idOf(list, each)))
    },
  )

  it.each<[string, Thing]>([
    ['instances', { name: 'custom-worker', networkInterfaces: [{ network }] }],
    ['forwardingRules', { name: 'rule', network, ...regional }],
    ['instanceGroups', { name: 'group', network }],
    ['backendServices', { name: 'backend', network, ...regional }],
    ['networkEndpointGroups', { name: 'neg', network }],
    ['routers', { name: 'router', network, ...regional }],
    ['firewalls', { name: `k8s-fw-${balancer}`, network }],
    ['firewalls', { name: `k8s-fw-${balancer}`, targetTags: [`${infraId}-worker`] }],
    ['snapshots', { name: 'before-upgrade', sourceDisk: link(`zones/us-central1-a/disks/${infraId}-master-0`) }],
    ['targetPools', { name: balancer, instances: [link(`zones/us-central1-a/instances/${infraId}-worker-a-x`)], ...regional }], // prettier-ignore
    ['backendServices', { name: balancer, backends: [{ group: link(`zones/us-central1-a/instanceGroups/k8s-ig--${uid}`) }], ...regional }], // prettier-ignore
    ['httpHealthChecks', { name: `k8s-${uid}-node` }],
    ['instanceGroups', { name: `k8s-ig--${uid}` }],
  ])('%s without such a name: %o', async (list, thing) => {
    if (list === 'instances' || PARTS.includes(list)) putNetwork()
    p1.compute[list]?.push(thing)
    expect((await findIds()).filter((id) => id !== ownNetwork)).toEqual([idOf(list, thing)])
  })

  it('all parts of a load balancer that the cluster made, once one of them is known to be its', async () => {
    putNetwork()
    p1.compute['firewalls']?.push({ name: `k8s-fw-${balancer}`, network })
    for (const list of ['addresses', 'forwardingRules', 'targetPools', 'backendServices', 'healthChecks'])
      p1.compute[list]?.push({ name: balancer, ...regional })
    p1.compute['httpHealthChecks']?.push({ name: balancer })
    expect((await findIds()).toSorted()).toEqual(
      ['addresses', 'backendServices', 'forwardingRules', 'healthChecks', 'targetPools']
        .map((list) => `regions/us-central1/${list}/${balancer}`)
        .concat(`global/firewalls/k8s-fw-${balancer}`, `global/httpHealthChecks/${balancer}`, ownNetwork)
        .toSorted(),
    )
  })

  it('disks that the cluster’s own objects named, forty a question, and no other disk', async () => {
    p1.compute['disks'] = [{ name: 'pvc-1' }, { name: 'pvc-2' }, { name: 'pvc-99' }]
    expect(await findIds()).toEqual([])
    const disks = Array.from({ length: 100 }, (_, n) => `pvc-${n + 2}`)
    expect(await findIds({ disks: [...disks, 'pvc-1" OR "'] })).toEqual([
      'zones/us-central1-a/disks/pvc-2',
      'zones/us-central1-a/disks/pvc-99',
    ])
  })

  it('the subnetworks of its network; and the rules of others hold that network', async () => {
    const subnetworks = [link(`regions/us-central1/subnetworks/${infraId}-master-subnet`)]
    p1.compute['networks']?.push({ name: `${infraId}-network`, subnetworks })
    p1.compute['firewalls']?.push({ name: 'let-me-in', network })
    p1.compute['routes']?.push({ name: 'default-route-1', network })
    expect(await find()).toMatchObject({
      notChecked: [],
      found: [
        { id: `projects/p1/global/networks/${infraId}-network`, type: 'network', name: `${infraId}-network`, region: 'global' }, // prettier-ignore
        { id: `projects/p1/regions/us-central1/subnetworks/${infraId}-master-subnet`, type: 'subnetwork', name: `${infraId}-master-subnet`, region: 'us-central1' }, // prettier-ignore
      ],
      holders: [
        { id: 'projects/p1/global/firewalls/let-me-in', type: 'firewall', name: 'let-me-in', region: 'global' },
      ],
    })
  })

  it('service accounts by either name, what is granted to them, and deleted grants, which linger', async () => {
    const at = 'p1.iam.gserviceaccount.com'
    p1.accounts.push({ email: `${infraId}-m@${at}` }, { email: `x@${at}`, displayName: `${infraId}-openshift-ingress` })
    p1.members.push(`serviceAccount:x@${at}`, `deleted:serviceAccount:${infraId}-w@${at}?uid=1`, `user:a@example.com`)
    const answer = await find()
    expect(idsOf(answer)).toEqual([
      `roles/viewer/serviceAccount:x@${at}`,
      `serviceAccounts/${infraId}-m@${at}`,
      `serviceAccounts/x@${at}`,
    ])
    expect(answer).toMatchObject({ lingering: [{ name: `deleted:serviceAccount:${infraId}-w@${at}?uid=1` }] })
  })

  it('buckets and file shares, by name, by label, and a share by its network', async () => {
    p1.buckets.push({ name: `${infraId}-image-registry` }, { name: 'registry', labels: owned })
    p1.shares.push({ name: 'pvc-1', labels: owned }, { name: 'pvc-2', networks: [{ network: `${infraId}-network` }] })
    expect(await findIds()).toEqual([
      `${infraId}-image-registry`,
      'registry',
      'locations/us-central1-a/instances/pvc-1',
      'locations/us-central1-a/instances/pvc-2',
    ])
  })
})

describe('DNS', () => {
  const three = ['api', 'api-int', '*.apps'].map((name) => ({ name: `${name}.demo.example.com.`, type: 'A', rrdatas: ['192.0.2.1'] })) // prettier-ignore
  const base = () => p1.zones[0] as Project['zones'][number] // of an empty project

  it('public records are found though the private zone has gone, and a neighbour’s are not', async () => {
    base().records = [...three, ...['api.xdemo', 'api.demo2', 'api.a.demo'].map((name) => ({ name: `${name}.example.com.`, type: 'A' }))] // prettier-ignore
    p1.zones.push({ name: 'com', dnsName: 'com.', records: three.slice(0, 1) }, { name: 'other', dnsName: 'other.com.', records: three }) // prettier-ignore
    expect((await findIds()).toSorted()).toEqual([
      'managedZones/base/rrsets/*.apps.demo.example.com/A',
      'managedZones/base/rrsets/api-int.demo.example.com/A',
      'managedZones/base/rrsets/api.demo.example.com/A',
      'managedZones/com/rrsets/api.demo.example.com/A',
    ])
  })

  it('the private zone by its name; another one of the domain only when the name is the cluster’s', async () => {
    p1.zones.push({
      name: `${infraId}-private-zone`,
      dnsName: 'demo.example.com.',
      visibility: 'private',
      records: three,
    })
    expect(await findIds({ records: 'own' })).toEqual([`managedZones/${infraId}-private-zone`])
    p1.zones.push({ name: 'z', dnsName: 'demo.example.com.', visibility: 'private' })
    expect(await findIds({ records: 'own' })).toEqual([`managedZones/${infraId}-private-zone`])
    expect(await findIds()).toEqual([`managedZones/${infraId}-private-zone`, 'managedZones/z'])
    expect(await findIds({ stoodBefore: ['projects/p1/managedZones/z'] })).toHaveLength(1)
  })

  it('a record is its own when it points to one of its addresses', async () => {
    base().records = three
    expect(await findIds({ records: 'own' })).toEqual([])
    expect(reasonOf(await find({ records: 'unclear' }))).toContain(
      'it is not known whether it stood before the cluster',
    )
    p1.compute['forwardingRules'] = [{ name: `${infraId}-api`, IPAddress: '192.0.2.1', ...regional }]
    expect(await findIds({ records: 'own' })).toHaveLength(4)
    expect(await findIds({ records: 'unclear' })).toHaveLength(4)
  })

  it('what stands there before is told, with the names that are taken', async () => {
    base().records = [...three, { name: 'x.demo.example.com.', type: 'TXT' }]
    const answer = await open().findRecords(query)
    expect(answer).toMatchObject({ notChecked: [], found: { length: 4 }, taken: [{ name: 'api.demo.example.com' }, { name: '*.apps.demo.example.com' }] }) // prettier-ignore
    const stoodBefore = answer.found.map(({ id }) => id)
    expect(await find({ stoodBefore })).toSatisfy(isProvedEmpty)
  })

  it('a project without the public zone proves nothing, but for a private cluster', async () => {
    p1.zones = []
    expect(reasonOf(await find())).toBe('Google Cloud is not verified: p1 has no public zone example.com (dns.managedZones.list)') // prettier-ignore
    expect(reasonOf(await open().findRecords(query))).toContain('has no public zone example.com')
    expect(reasonOf(await find({ isPrivate: true }))).toBe('verified')
  })
})

describe('a network of another project', () => {
  const shared = { network: 'vpc', networkProject: 'host' }

  it('is looked into for rules and zones, by 25 questions', async () => {
    const vpc = link('global/networks/vpc', 'host')
    const host = { ...emptyProject(), zones: [{ name: `${infraId}-private-zone`, dnsName: 'demo.example.com.', visibility: 'private' }] } // prettier-ignore
    host.compute = {
      networks: [{ name: 'vpc' }],
      firewalls: [
        { name: 'allow-demo', network: vpc, targetTags: [`${infraId}-worker`] },
        { name: 'allow-all', network: vpc },
      ],
    }
    server.projects['host'] = host
    expect(await find(shared)).toMatchObject({
      found: [
        { id: 'projects/host/global/firewalls/allow-demo' },
        { id: `projects/host/managedZones/${infraId}-private-zone` },
      ],
    })
    expect(server.requests).toHaveLength(25)
  })

  it('must be there', async () => {
    server.projects['host'] = emptyProject()
    expect(reasonOf(await find(shared))).toBe('Google Cloud is not verified: the project host has not the network vpc of the profile (compute.networks.list)') // prettier-ignore
  })
})

const permissions = [
  ...kinds.map((list) => `compute.${list}.list`),
  'iam.serviceAccounts.list',
  'resourcemanager.projects.getIamPolicy',
  'storage.buckets.list',
  'file.instances.list',
  'dns.managedZones.list',
  'dns.resourceRecordSets.list',
]

it('each is told with its key, when it was made, its price, and where the console shows it', async () => {
  p1.compute['instances'] = [{ name: `${infraId}-m`, machineType: 'zones/us-central1-a/machineTypes/n2-standard-8', creationTimestamp: '2026-01-02T03:04:05.678-07:00' }] // prettier-ignore
  p1.compute['disks'] = [{ name: 'pvc-1', labels: owned, sizeGb: '730' }]
  putNetwork()
  p1.compute['firewalls'] = [{ name: 'k8s-fw-a', network }]
  p1.compute['routers'] = [{ name: `${infraId}-router`, ...regional }]
  const { found, account, zones, notChecked } = await find()
  expect(found).toMatchObject([
    { type: 'disk', key: 'tag', usdPerHour: 0.1, link: expect.stringMatching(/^https:\/\/console\.cloud\.google\.com\/compute\/disksDetail\/zones\/[^/]+\/disks\/pvc-1\?project=p1$/) }, // prettier-ignore
    { type: 'firewall', key: 'relation', usdPerHour: 0 },
    { type: 'instance', key: 'name', usdPerHour: 0.384, madeAt: '2026-01-02T10:04:05.678Z' },
    { type: 'network', key: 'name' },
    { type: 'router', key: 'name' },
  ])
  expect(found[4]).not.toHaveProperty('usdPerHour')
  expect({ account, zones, notChecked }).toEqual({
    account: 'p1',
    zones: ['example.com (projects/p1/managedZones/base)'],
    notChecked: [],
  })
})

describe('what is not told is never taken for empty', () => {
  it.each(permissions)('without %s it is not verified, and the permission is named', async (permission) => {
    expect(await reasonWith({ how: 'deny', permission, times: 99 })).toBe(
      `Google Cloud is not verified: it answers 403: forbidden: Required '${permission}' permission for 'projects/p1' (${permission})`,
    )
  })

  it.each(permissions.filter((name) => !name.endsWith('getIamPolicy')))(
    'nor when %s leaves out a place',
    async (permission) => {
      expect(await reasonWith({ how: 'partial', permission, times: 1 })).toBe(
        `Google Cloud is not verified: the answer leaves out zones/us-central1-f (${permission})`,
      )
    },
  )

  it.each(permissions)('nor when the answer to %s has an unknown form', async (permission) => {
    expect(await reasonWith({ how: 'form', permission, times: 1 })).toContain(`(${permission})`)
  })

  it.each(['throttle', 'busy', 'reset'] as const)('after %s it is asked again', async (how) => {
    p1.compute['disks'] = [1, 2, 3].map((n) => ({ name: `${infraId}-${n}` }))
    expect(await findIds()).toHaveLength(3)
    server.faults.push(...['compute.disks.list', 'dns.managedZones.list'].map((permission) => ({ how, permission, times: how === 'reset' ? 1 : 2 }))) // prettier-ignore
    expect(await findIds()).toHaveLength(3)
    expect(server.faults.map(({ times }) => times)).toEqual([0, 0])
  })

  it('a zone that warns of being out of reach is no empty zone, nor is a project that is not there an empty one', async () => {
    expect(await reasonWith({ how: 'scope', permission: 'compute.disks.list', times: 1 })).toBe(
      'Google Cloud is not verified: the answer is not whole: UNREACHABLE (compute.disks.list)',
    )
    expect(reasonOf(await find({ project: 'gone' }))).toContain('the answer has no list')
    expect(reasonOf(await find({ project: undefined }))).toContain('the profile names no project')
  })

  it('Filestore that was never switched on has nothing; any other service must be', async () => {
    server.faults.push({ how: 'off', permission: 'file.instances.list', times: 99 })
    expect(await find()).toSatisfy(isProvedEmpty)
    server.faults.push({ how: 'off', permission: 'storage.buckets.list', times: 99 })
    expect(reasonOf(await find())).toContain('file.googleapis.com is switched off')
  })
})

it('all that carries the tag of the installation is told, whatever its cluster', async () => {
  const labels = (installation: string) => ({ 'ocpctl-installation-id': installation, 'ocpctl-cluster-id': 'clu_77' })
  p1.compute['disks'] = ['ins_1', 'ins_2'].map((id) => ({ name: `pvc-${id}`, labels: labels(id) }))
  p1.buckets = ['ins_1', 'ins_2'].map((id) => ({ name: `bucket-${id}`, labels: labels(id) }))
  p1.zones.push({ name: 'z', dnsName: 'a.example.com.', visibility: 'private', labels: labels('ins_1') })
  const owner = { installationId: 'ins_1', offered: [query] }
  const list = (): Promise<Owned[]> => Array.fromAsync(open().findOwned?.(owner) ?? [])
  const found = await list()
  expect(found.map(({ resource }) => resource.name).toSorted()).toEqual(['bucket-ins_1', 'pvc-ins_1', 'z'])
  expect(new Set(found.map(({ clusterId, installationId }) => `${clusterId} ${installationId}`))).toEqual(new Set(['clu_77 ins_1'])) // prettier-ignore
  server.faults.push({ how: 'deny', permission: 'compute.snapshots.list', times: 99 })
  await expect(list()).rejects.toThrow('(compute.snapshots.list)')
})

describe('signing in', () => {
  const withKey = (changes: object) => open({ GOOGLE_CREDENTIALS: JSON.stringify({ ...server.key, ...changes }) })
  const refused = async (changes: object) => reasonOf(await withKey(changes).find(query))

  it.each([
    ['a user', { type: 'authorized_user', client_id: 'c1', client_secret: 's1', refresh_token: 'r1' }],
    [
      'a federated identity',
      {
        type: 'external_account',
        audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        credential_source: { file: '' },
      },
    ],
  ])('%s, from a file, where the file says', async (_, key) => {
    const dir = await mkdtemp(join(tmpdir(), 'ocpctl-gcp-'))
    await writeFile(join(dir, 'subject'), 'from-the-issuer')
    const at = `${server.endpoint}/token`
    const text = JSON.stringify({ ...key, token_uri: at, token_url: at, ...('credential_source' in key ? { credential_source: { file: join(dir, 'subject') } } : {}) }) // prettier-ignore
    await writeFile(join(dir, 'key'), text)
    const answer = await open({ GOOGLE_APPLICATION_CREDENTIALS: join(dir, 'key') }).find(query)
    await rm(dir, { recursive: true })
    expect(answer).toSatisfy(isProvedEmpty)
  })

  it('never sends a key over what others can read', async () => {
    expect(await refused({ token_uri: 'http://example.com/token' })).toContain('token_uri http://example.com/token is not https') // prettier-ignore
  })

  it('says what is wrong with a key, without showing it', async () => {
    expect(await refused({ private_key: 'secret' })).toContain('the private key of worker@p1.iam.gserviceaccount.com cannot be read') // prettier-ignore
    expect(await refused({ client_email: undefined })).toContain('the key file of type service_account lacks client_email') // prettier-ignore
    expect(await refused({ client_email: 'nobody@p1.iam.gserviceaccount.com' })).toContain('the credentials are not accepted: 127.0.0.1') // prettier-ignore
  })
})
