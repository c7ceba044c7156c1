import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { openAwsInventory } from '../src/clouds/aws/inventory.ts'
import { type InventoryAnswer, type InventoryQuery, isProvedEmpty, type Resource } from '../src/clouds/inventory.ts'
import { openInventory, openUnverifiedInventory } from '../src/clouds/by-platform.ts'
import { foundIn, whyNot } from './answers.ts'
import { emptyAccount, iamArn, startAwsServer } from './aws-server.ts'
import type { Account, AwsFault, AwsServer, Tags } from './aws-server.ts'

const region = 'eu-west-1'
const infraId = 'demo-abcde'
const query: InventoryQuery = {
  clusterId: 'clu_01',
  platform: 'aws',
  region,
  infraIds: [infraId],
  name: 'demo',
  baseDomain: 'example.com',
  records: 'all',
}
const owned: Tags = { [`kubernetes.io/cluster/${infraId}`]: 'owned', Name: 'demo-thing' }
const capiOwned: Tags = { [`sigs.k8s.io/cluster-api-provider-aws/cluster/${infraId}`]: 'owned' }
const ours: Tags = { 'ocpctl-cluster-id': 'clu_01' }
const foreign: Tags = { 'kubernetes.io/cluster/demo-abcdef': 'owned', 'ocpctl-cluster-id': 'clu_02' }
const baseZone: Account['zones'][number] = { id: 'Z9', name: 'example.com.', isPrivate: false, records: [] }

const ec2Types = {
  instance: 'instance',
  volume: 'volume',
  snapshot: 'snapshot',
  image: 'image',
  address: 'elastic-ip',
  natGateway: 'nat-gateway',
  networkInterface: 'network-interface',
  vpcEndpoint: 'vpc-endpoint',
  securityGroup: 'security-group',
  internetGateway: 'internet-gateway',
  routeTable: 'route-table',
  subnet: 'subnet',
  dhcpOptions: 'dhcp-options',
  vpc: 'vpc',
}

let server: AwsServer
beforeAll(async () => {
  server = await startAwsServer()
})
afterAll(() => server.close())
beforeEach(() => {
  Object.assign(server.account, emptyAccount(), { zones: [baseZone] } satisfies Partial<Account>)
})
afterEach(() => {
  vi.restoreAllMocks()
  server.requests.length = 0
  server.faults.length = 0
})

const openOurs = (timeoutMs?: number) =>
  openAwsInventory({ endpoint: server.endpoint, credentials: server.credentials, ...(timeoutMs && { timeoutMs }) })
const untagged = (...names: string[]) => names.map((name) => ({ name, tags: {} }))
const find = (changes: Partial<InventoryQuery> = {}) => openOurs().find({ ...query, ...changes })

async function findResources(changes: Partial<InventoryQuery> = {}): Promise<Resource[]> {
  const answer = await find(changes)
  return foundIn(answer)
}
const findIds = async (changes: Partial<InventoryQuery> = {}) => (await findResources(changes)).map(({ id }) => id)

async function reasonWith(faults: AwsFault[], timeoutMs?: number): Promise<string> {
  server.faults.splice(0, Infinity, ...faults)
  const answer = await openOurs(timeoutMs).find(query)
  return whyNot('aws', answer)
}

const ec2Arn = (resource: string, at = region) => `arn:aws:ec2:${at}:000000000000:${resource}`
const elbArn = (resource: string) => `arn:aws:elasticloadbalancing:${region}:000000000000:${resource}`
const tag = (arn: string, tags: Tags = owned, at = region) => server.account.tagged.push({ arn, tags, region: at })

describe('an account without a trace of the cluster', () => {
  it('is verified and empty', async () => {
    expect(await find()).toSatisfy(isProvedEmpty)
  })

  it('is empty beside clusters with similar names', async () => {
    Object.assign(server.account, {
      ec2: { instance: [{ id: 'i-2', tags: foreign }], vpc: [{ id: 'vpc-2', tags: foreign }] },
      classicBalancers: [{ name: 'a2', tags: foreign }],
      balancers: [{ arn: elbArn('loadbalancer/net/demo-abcdef-ext/2'), tags: foreign }],
      roles: untagged('demo-abcdef-master-role', 'my-demo-abcde-role'),
      instanceProfiles: ['demo-abcdef-master-profile'],
      users: [{ name: 'demo-abcdef-registry-x1y2z', tags: foreign }],
      buckets: ['demo-abcdef-image-registry', 'openshift-bootstrap-data-demo-abcdef', 'demo-abcde2'],
      zones: [
        {
          id: 'Z1',
          name: 'example.com.',
          isPrivate: false,
          records: ['api.other', 'api.demo2', 'api.demo-2', '*.apps.demo2', 'api.a.demo', 'demo'].map((name) => ({
            name: `${name}.example.com.`,
            type: 'A',
          })),
        },
        { id: 'Z2', name: 'demo2.example.com.', isPrivate: true, records: [] },
      ],
    } satisfies Partial<Account>)
    tag(ec2Arn('instance/i-2'), foreign)
    expect(await find()).toSatisfy(isProvedEmpty)
  })

  it('is empty though a network of somebody else was shared with the cluster', async () => {
    server.account.ec2 = { subnet: [{ id: 'subnet-1', tags: { [`kubernetes.io/cluster/${infraId}`]: 'shared' } }] }
    expect(await findIds()).toEqual([])
  })
})

describe('what was left behind is found', () => {
  it('all kinds of EC2, by each owner tag, though the tagging API misses them', async () => {
    const expected = Object.entries(ec2Types).flatMap(([kind, type]) => {
      const left = [owned, capiOwned, ours].map((tags, n) => ({ id: `${kind}-${n}`, tags }))
      server.account.ec2[kind] = [...left, { id: `${kind}-foreign`, tags: foreign }]
      return left.map(({ id, tags }) => ({ id, type, name: tags['Name'] ?? id, region }))
    })
    const found = await findResources()
    expect(found).toHaveLength(expected.length)
    expect(found).toMatchObject(expected.toSorted((a, b) => (`${a.type} ${a.id}` < `${b.type} ${b.id}` ? -1 : 1)))
  })

  it('of EC2 and the load balancers by its name alone, but not when a tag says whose it is', async () => {
    const named = { Name: `${infraId}-lost` }
    const ofAnother = { ...named, [`kubernetes.io/cluster/${infraId}-fghij`]: 'owned' }
    for (const kind of Object.keys(ec2Types))
      server.account.ec2[kind] = [
        { id: `${kind}-1`, tags: named },
        { id: `${kind}-2`, tags: ofAnother },
        { id: `${kind}-3`, tags: { Name: `${infraId}2-lost` } },
      ]
    server.account.classicBalancers = [`${infraId}-x`, `${infraId}2`].map((name) => ({ name, tags: {} }))
    server.account.balancers = [{ arn: elbArn(`loadbalancer/net/${infraId}-int/1`), tags: {} }]
    server.account.targetGroups = [{ arn: elbArn(`targetgroup/${infraId}-a/1`), tags: ofAnother }]
    const found = await findResources()
    expect(found.map(({ key }) => key)).toEqual(found.map(() => 'name'))
    expect(found.map(({ id }) => id).toSorted()).toEqual(
      [
        ...Object.keys(ec2Types).map((kind) => `${kind}-1`),
        `${infraId}-x`,
        elbArn(`loadbalancer/net/${infraId}-int/1`),
      ].toSorted(),
    )
  })

  it('a load balancer by its tag alone, in the cluster’s network and in the one that was brought, and nobody else’s is asked for', async () => {
    const at = (name: string, vpc: string, tags = {}) => ({ arn: elbArn(`loadbalancer/net/${name}/1`), vpc, tags })
    server.account.ec2['vpc'] = [
      { id: 'vpc-1', tags: owned },
      { id: 'vpc-3', tags: {} },
    ]
    server.account.ec2['subnet'] = [{ id: 'subnet-2', vpc: 'vpc-2', tags: {} }]
    server.account.balancers = [at('a1', 'vpc-1', owned), at('a2', 'vpc-2', owned), at('a3', 'vpc-3', owned)]
    server.account.targetGroups = ['vpc-1', 'vpc-3', 'vpc-gone'].map((vpc, n) => ({
      arn: elbArn(`targetgroup/k8s-${n}/1`),
      vpc,
      tags: owned,
    }))
    const found = await findIds({ subnets: ['subnet-2'] })
    expect(found.map((id) => id.slice(id.lastIndexOf(':') + 1)).toSorted()).toEqual([
      'loadbalancer/net/a1/1',
      'loadbalancer/net/a2/1',
      'targetgroup/k8s-0/1',
      'targetgroup/k8s-2/1',
      'vpc-1',
    ])
    const asked = server.requests.filter(({ action }) => action === 'DescribeTags')
    expect(asked.map(({ service }) => service).toSorted()).toEqual([
      'ec2',
      'elasticloadbalancing',
      'elasticloadbalancing',
    ])
  })

  it('with its key, when it was made, its price, and where the console shows it', async () => {
    server.account.ec2 = {
      instance: [{ id: 'i-1', tags: owned, made: '2026-01-02T03:04:05.000Z', size: 'm6i.2xlarge' }],
      volume: [{ id: 'vol-1', tags: owned, made: '2026-01-02T03:04:05.000Z', size: '730' }],
      peering: [],
    }
    const link = `https://console.aws.amazon.com/ec2/home?region=${region}#`
    expect(await findResources()).toEqual([
      { id: 'i-1', type: 'instance', name: 'demo-thing', region, key: 'tag', madeAt: '2026-01-02T03:04:05.000Z', usdPerHour: 0.384, link: `${link}InstanceDetails:instanceId=i-1` }, // prettier-ignore
      { id: 'vol-1', type: 'volume', name: 'demo-thing', region, key: 'tag', madeAt: '2026-01-02T03:04:05.000Z', usdPerHour: 0.1, link: `${link}VolumeDetails:volumeId=vol-1` }, // prettier-ignore
    ])
    expect((await findResources({ region: 'us-gov-west-1' }))[0]?.link).toMatch(
      /^https:\/\/console\.amazonaws-us-gov\.com\//,
    )
    expect((await findResources({ region: 'cn-north-1' }))[0]?.link).toMatch(/^https:\/\/console\.amazonaws\.cn\//)
  })

  it('and it is told what was asked, in which account and in which zones', async () => {
    server.account.roles = [{ name: 'somebody', tags: {} }]
    const answer = await find()
    expect(answer).toMatchObject({ notChecked: [], account: '000000000000', zones: ['example.com (Z9)'] })
    expect(answer.checked).toEqual(expect.arrayContaining(['ec2:DescribeTags', 'route53:ListResourceRecordSets', 's3:ListAllMyBuckets'])) // prettier-ignore
  })

  it.each<[string, Partial<Account>, Omit<Resource, 'region'>]>([
    [
      'a classic load balancer',
      { classicBalancers: [{ name: 'a1b2', tags: owned }] },
      { id: 'a1b2', type: 'load-balancer', name: 'a1b2' },
    ],
    [
      'a network load balancer',
      { balancers: [{ arn: elbArn(`loadbalancer/net/${infraId}-ext/1`), tags: capiOwned }] },
      { id: elbArn(`loadbalancer/net/${infraId}-ext/1`), type: 'load-balancer', name: `${infraId}-ext` },
    ],
    [
      'a target group',
      { targetGroups: [{ arn: elbArn('targetgroup/apiserver/1'), tags: ours }] },
      { id: elbArn('targetgroup/apiserver/1'), type: 'target-group', name: 'apiserver' },
    ],
    [
      'a registry bucket',
      { buckets: [`${infraId}-image-registry-eu-west-1-x`] },
      { id: `${infraId}-image-registry-eu-west-1-x`, type: 's3-bucket', name: `${infraId}-image-registry-eu-west-1-x` },
    ],
    [
      'a bootstrap bucket',
      { buckets: [`openshift-bootstrap-data-${infraId}`] },
      { id: `openshift-bootstrap-data-${infraId}`, type: 's3-bucket', name: `openshift-bootstrap-data-${infraId}` },
    ],
  ])('%s', async (_, left, expected) => {
    Object.assign(server.account, left)
    expect(await findResources()).toMatchObject([{ ...expected, region }])
  })

  it.each<[string, Partial<Account>, string, string]>([
    ['a role', { roles: untagged(`${infraId}-master-role`) }, 'iam-role', 'role'],
    [
      'an instance profile',
      { instanceProfiles: [`${infraId}-worker-profile`] },
      'instance-profile',
      'instance-profile',
    ],
    ['a user', { users: [{ name: `${infraId}-registry-x1y2z`, tags: {} }] }, 'iam-user', 'user'],
  ])('%s', async (_, left, type, arnType) => {
    Object.assign(server.account, left)
    const [found, ...others] = await findResources()
    expect(others).toEqual([])
    expect(found).toMatchObject({ id: iamArn(arnType, found?.name ?? ''), type, name: found?.name, region: 'global' })
  })

  it('a user whose name holds only the first twenty characters of a long infraID, by its tag', async () => {
    const long = 'a-name-of-21-letters1-abcde'
    server.account.users = [
      { name: 'a-name-of-21-letters-registry-x1y2z', tags: { [`kubernetes.io/cluster/${long}`]: 'owned' } },
      { name: 'a-name-of-21-letters-registry-other', tags: foreign },
    ]
    expect(await findIds({ infraIds: [long] })).toEqual([iamArn('user', 'a-name-of-21-letters-registry-x1y2z')])
  })

  it('public DNS records, which carry no tags, in the zone of the base domain and of its parents', async () => {
    const records = ['api', 'api-int', '*.apps'].map((name) => ({ name: `${name}.demo.example.com.`, type: 'A' }))
    const others = ['a', 'api.demo1', 'api.demo2', 'zz'].map((name) => ({ name: `${name}.example.com.`, type: 'A' }))
    server.account.zones = [
      { id: 'Z0', name: 'elsewhere.com.', isPrivate: false, records: [] },
      { id: 'Z1', name: 'example.com.', isPrivate: false, records: [...others, ...records] },
      { id: 'Z2', name: 'com.', isPrivate: false, records: records.slice(0, 1) },
    ]
    expect(await findResources()).toMatchObject(
      ['Z1/*.apps', 'Z1/api-int', 'Z1/api', 'Z2/api'].map((id) => ({
        id: `${id}.demo.example.com/A`,
        type: 'dns-record',
        name: `${id.slice(3)}.demo.example.com`,
        region: 'global',
      })),
    )
  })

  it('the private zone of its domain', async () => {
    server.account.zones.push({ id: 'Z1', name: 'demo.example.com.', isPrivate: true, records: [] })
    expect(await findResources()).toMatchObject([
      { id: 'Z1', type: 'hosted-zone', name: 'demo.example.com', region: 'global' },
    ])
  })

  it('without any infraID, by the cluster id and DNS names', async () => {
    server.account.ec2 = { volume: [{ id: 'vol-1', tags: ours }] }
    server.account.roles = untagged('some-role')
    server.account.zones = [
      { id: 'Z1', name: 'example.com.', isPrivate: false, records: [{ name: 'api.demo.example.com.', type: 'CNAME' }] },
    ]
    expect(await findIds({ infraIds: [] })).toEqual(['Z1/api.demo.example.com/CNAME', 'vol-1'])
  })

  it('of every infraID that the cluster ever had', async () => {
    server.account.roles = untagged('demo-abcde-master-role', 'demo-fghij-master-role', 'demo-klmno-master-role')
    expect(await findIds({ infraIds: [infraId, 'demo-fghij'] })).toEqual([
      iamArn('role', 'demo-abcde-master-role'),
      iamArn('role', 'demo-fghij-master-role'),
    ])
  })

  it('on every page', async () => {
    const five = [1, 2, 3, 4, 5]
    const noise = five.map((n) => `noise-${n}`)
    Object.assign(server.account, {
      ec2: { instance: five.map((n) => ({ id: `i-${n}`, tags: owned })) },
      classicBalancers: [...noise, 'classic'].map((name) => ({ name, tags: name === 'classic' ? owned : {} })),
      balancers: five.map((n) => ({ arn: elbArn(`loadbalancer/net/lb/${n}`), tags: n === 5 ? owned : {} })),
      targetGroups: five.map((n) => ({ arn: elbArn(`targetgroup/tg/${n}`), tags: n === 5 ? owned : {} })),
      roles: untagged(...noise, `${infraId}-role`),
      instanceProfiles: [...noise, `${infraId}-profile`],
      users: untagged(...noise, `${infraId}-user`),
      buckets: five.map((n) => `${infraId}-bucket-${n}`),
      zones: [
        ...noise.map((name) => ({ id: name, name: `${name}.`, isPrivate: false, records: [] })),
        {
          id: 'Z1',
          name: 'example.com.',
          isPrivate: false,
          records: ['_a.demo', '0.demo', '1.demo', '*.apps.demo', 'api.demo'].map((name) => ({
            name: `${name}.example.com.`,
            type: 'A',
          })),
        },
      ],
    } satisfies Partial<Account>)
    for (const n of five) tag(`arn:aws:elasticfilesystem:${region}:000000000000:file-system/fs-${n}`)
    expect(await findIds()).toEqual([
      'Z1/*.apps.demo.example.com/A',
      'Z1/0.demo.example.com/A',
      'Z1/1.demo.example.com/A',
      'Z1/_a.demo.example.com/A',
      'Z1/api.demo.example.com/A',
      ...five.map((n) => `arn:aws:elasticfilesystem:${region}:000000000000:file-system/fs-${n}`),
      iamArn('role', `${infraId}-role`),
      iamArn('user', `${infraId}-user`),
      ...five.map((n) => `i-${n}`),
      iamArn('instance-profile', `${infraId}-profile`),
      elbArn('loadbalancer/net/lb/5'),
      'classic',
      ...five.map((n) => `${infraId}-bucket-${n}`),
      elbArn('targetgroup/tg/5'),
    ])
  })
})

describe('what the tagging API lists', () => {
  it('counts once when the service has it too', async () => {
    server.account.ec2 = { volume: [{ id: 'vol-1', tags: { ...owned, ...capiOwned, ...ours } }] }
    tag(ec2Arn('volume/vol-1'), { ...owned, ...capiOwned, ...ours })
    expect(await findIds()).toEqual(['vol-1'])
  })

  it('does not count when its service says that it is gone', async () => {
    server.account.ec2 = {
      instance: [{ id: 'i-1', tags: owned, state: 'terminated' }],
      natGateway: [{ id: 'nat-1', tags: owned, state: 'deleted' }],
      vpcEndpoint: [{ id: 'vpce-1', tags: owned, state: 'Deleted' }],
      image: [{ id: 'ami-1', tags: owned, state: 'deregistered' }],
    }
    for (const resource of ['instance/i-1', 'natgateway/nat-1', 'vpc-endpoint/vpce-1', 'volume/vol-1', 'vpc/vpc-1'])
      tag(ec2Arn(resource))
    for (const resource of ['loadbalancer/a1', 'loadbalancer/net/x/1', 'listener/net/x/1/2', 'targetgroup/t/1'])
      tag(elbArn(resource))
    tag('arn:aws:s3:::demo-bucket')
    for (const type of ['role', 'user', 'instance-profile']) tag(iamArn(type, 'x'), owned, 'us-east-1')
    tag('arn:aws:route53:::hostedzone/Z1', owned, 'us-east-1')
    expect(await find()).toSatisfy(isProvedEmpty)
  })

  it('counts while it is on its way out', async () => {
    server.account.ec2 = {
      instance: [{ id: 'i-1', tags: owned, state: 'shutting-down' }],
      natGateway: [{ id: 'nat-1', tags: owned, state: 'deleting' }],
    }
    expect(await findIds()).toEqual(['i-1', 'nat-1'])
  })

  it('counts when its service has it, though without a tag or a name that tells', async () => {
    Object.assign(server.account, {
      ec2: { volume: [{ id: 'vol-1', tags: {} }], natGateway: [{ id: 'nat-1', tags: {} }] },
      classicBalancers: [{ name: 'a1', tags: {} }],
      balancers: [{ arn: elbArn('loadbalancer/net/x/1'), tags: {} }],
      roles: untagged('x'),
      buckets: ['a-bucket', 'a-bucket-2'],
      zones: [baseZone, { id: 'Z1', name: 'vpc.internal.', isPrivate: true, records: [] }],
    } satisfies Partial<Account>)
    tag(ec2Arn('volume/vol-1'))
    tag(ec2Arn('natgateway/nat-1'))
    tag(elbArn('loadbalancer/a1'))
    tag(elbArn('listener/net/x/1/2'))
    tag('arn:aws:s3:::a-bucket')
    tag(iamArn('role', 'x'), owned, 'us-east-1')
    tag('arn:aws:route53:::hostedzone/Z1', owned, 'us-east-1')
    expect((await findIds()).toSorted()).toEqual(
      ['vol-1', 'nat-1', 'a1', elbArn('loadbalancer/net/x/1'), 'a-bucket', iamArn('role', 'x'), 'Z1'].toSorted(),
    )
  })

  it('a disk that the cluster’s own objects named, without a tag, and no other disk', async () => {
    const volume = ['vol-0a1', 'vol-0b2', 'vol-0c3'].map((id) => ({ id, tags: {} }))
    Object.assign(server.account, { ec2: { volume } } satisfies Partial<Account>)
    expect(await findIds()).toEqual([])
    expect(await findIds({ disks: ['vol-0b2', 'pvc-1', 'vol-0d4'] })).toEqual(['vol-0b2'])
  })

  it('counts when nobody can tell: another kind, another region, no ARN', async () => {
    tag(ec2Arn('launch-template/lt-1'))
    tag(ec2Arn('volume/vol-1', 'us-east-1'), owned, 'us-east-1')
    tag(iamArn('oidc-provider', 'x'), ours, 'us-east-1')
    tag('something')
    expect(await findResources()).toMatchObject(
      [
        { id: ec2Arn('launch-template/lt-1'), type: 'ec2:launch-template', region },
        { id: ec2Arn('volume/vol-1', 'us-east-1'), type: 'ec2:volume', region: 'us-east-1' },
        { id: iamArn('oidc-provider', 'x'), type: 'iam:oidc-provider', region: 'global' },
        { id: 'something', type: 'unknown', name: 'something', region: 'global' },
      ].map((each) => ({ ...each, name: each.id })),
    )
  })
})

describe('how AWS is asked', () => {
  it('in the region of the cluster, and where its global services answer', async () => {
    await find()
    const regionsOf = (service: string) =>
      [...new Set(server.requests.filter((each) => each.service === service).map((each) => each.region))].toSorted()
    expect(regionsOf('tag')).toEqual([region, 'us-east-1'])
    expect(regionsOf('ec2')).toEqual([region])
    expect(regionsOf('iam')).toEqual(['us-east-1'])
    expect(regionsOf('route53')).toEqual(['us-east-1'])
    server.requests.length = 0
    await find({ region: 'us-gov-east-1' })
    expect(regionsOf('tag')).toEqual(['us-gov-east-1', 'us-gov-west-1'])
  })

  it('again when it is throttled', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0) // with which the SDK spreads its waiting, from none to twenty seconds
    server.account.roles = untagged(`${infraId}-role`)
    const faults = [
      'tag:GetResources',
      'ec2:DescribeTags',
      'elasticloadbalancing:DescribeTargetGroups',
      'iam:GetAccountAuthorizationDetails',
      's3:ListAllMyBuckets',
      'route53:ListHostedZones',
    ].map((action): AwsFault => ({ how: 'throttle', times: 1, action }))
    server.faults.push(...faults)
    expect(await findIds()).toEqual([iamArn('role', `${infraId}-role`)])
    expect(faults.map(({ times }) => times)).toEqual([0, 0, 0, 0, 0, 0])
  })

  it('past what has gone between its being listed and asked for', async () => {
    const gone = { tags: owned, isGone: true }
    Object.assign(server.account, {
      classicBalancers: [
        { name: 'a1', tags: owned },
        { name: 'a2', ...gone },
      ],
      balancers: [
        { arn: elbArn('loadbalancer/net/x/1'), tags: owned },
        { arn: elbArn('loadbalancer/net/y/2'), ...gone },
      ],
      targetGroups: [
        { arn: elbArn('targetgroup/x/1'), tags: owned },
        { arn: elbArn('targetgroup/y/2'), ...gone },
      ],
      zones: [{ id: 'Z1', name: 'example.com.', isPrivate: false, isGone: true, records: [] }],
    } satisfies Partial<Account>)
    expect(await findIds()).toEqual(['a1', elbArn('loadbalancer/net/x/1'), elbArn('targetgroup/x/1')])
  })
})

describe('what is not told is never taken for empty', () => {
  it.each([
    'tag:GetResources',
    'ec2:DescribeTags',
    'elasticloadbalancing:DescribeTargetGroups',
    'iam:GetAccountAuthorizationDetails',
  ])('access to %s denied: the missing permission is named', async (action) => {
    expect(await reasonWith([{ how: 'deny', times: 99, action }])).toBe(
      `AWS is not verified: arn:aws:iam::000000000000:user/ocpctl lacks the permission (${action})`,
    )
  })

  it('access to the kind of what stands denied', async () => {
    for (const kind of Object.keys(ec2Types)) server.account.ec2[kind] = [{ id: `${kind}-1`, tags: owned }]
    await find()
    const kinds = new Set(server.requests.flatMap(({ service, action }) => service === 'ec2' && action !== 'DescribeTags' ? [`ec2:${action}`] : [])) // prettier-ignore
    expect(kinds.size).toBe(Object.keys(ec2Types).length)
    expect(await reasonWith([...kinds].map((action) => ({ how: 'deny', times: 99, action })))).toContain(
      [...kinds].toSorted().join(', '),
    )
  })

  it('everything denied: every permission is named at once', async () => {
    const reason = await reasonWith([{ how: 'deny', times: 999 }])
    const asked = new Set(server.requests.map(({ service, action }) => `${service}:${action}`))
    expect(asked.size).toBe(8)
    expect(reason).toBe(
      `AWS is not verified: arn:aws:iam::000000000000:user/ocpctl lacks the permission (${[...asked].toSorted().join(', ')})`,
    )
  })

  it('some denied, one of them by a policy above the account', async () => {
    const reason = await reasonWith([
      { how: 'deny', times: 99, action: 'tag:GetResources' },
      { how: 'deny', times: 99, action: 'iam:GetAccountAuthorizationDetails' },
      { how: 'deny-by-policy', times: 99, action: 'ec2:DescribeTags' },
    ])
    expect(reason).toBe(
      'AWS is not verified: arn:aws:iam::000000000000:user/ocpctl is denied by a service control policy (ec2:DescribeTags); ' +
        'arn:aws:iam::000000000000:user/ocpctl lacks the permission (iam:GetAccountAuthorizationDetails, tag:GetResources)',
    )
  })

  it.each(['deny', '404'] as const)('what is asked of a single resource: %s', async (how) => {
    Object.assign(server.account, {
      classicBalancers: [{ name: 'a1', tags: owned }],
      targetGroups: [{ arn: elbArn('targetgroup/t/1'), tags: owned }],
      zones: [{ id: 'Z1', name: 'example.com.', isPrivate: false, records: [] }],
    } satisfies Partial<Account>)
    for (const action of ['elasticloadbalancing:DescribeTags', 'route53:ListResourceRecordSets']) {
      server.faults.splice(0, Infinity, { how, times: 99, action })
      expect(whyNot('aws', await find())).toContain(`(${action})`)
    }
  })

  it('an account without the zone that would hold the public records, as a wrong account is', async () => {
    for (const zones of [[], [{ ...baseZone, isPrivate: true }], [{ ...baseZone, name: 'com.' }]]) {
      server.account.zones = zones
      expect(await reasonWith([])).toBe(
        'AWS is not verified: this account has no public zone example.com (route53:ListHostedZones)',
      )
    }
  })

  it('credentials expired', async () => {
    const reason = await reasonWith([{ how: 'expired', times: 999 }])
    expect(reason).toMatch(/^AWS is not verified: the credentials are not accepted, /)
    expect(reason).toContain('ExpiredToken')
  })

  it('credentials of nobody', async () => {
    const answer = await openAwsInventory({
      endpoint: server.endpoint,
      credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' },
    }).find(query)
    expect(whyNot('aws', answer)).toContain('credentials are not accepted')
  })

  const protocols = [
    'tag:GetResources',
    'ec2:DescribeTags',
    'ec2:DescribeInstances',
    'ec2:DescribeAddresses',
    'elasticloadbalancing:DescribeLoadBalancers',
    's3:ListAllMyBuckets',
    'route53:ListHostedZones',
  ]
  it.each(['empty', 'html'] as const)('an answer that is %s', async (how) => {
    server.account.ec2 = Object.fromEntries(['instance', 'address'].map((kind) => [kind, [{ id: 'x-1', tags: owned }]]))
    for (const action of protocols)
      expect(await reasonWith([{ how, times: 99, action }])).toMatch(
        new RegExp(`^AWS is not verified: .* \\(${action}\\)$`),
      )
  })

  it.each(['404', '501'] as const)('%s', async (how) => {
    expect(await reasonWith([{ how, times: 999 }])).toMatch(/^AWS is not verified: /)
  })

  it('silence, for as long as was allowed', async () => {
    expect(await reasonWith([{ how: 'stall', times: 999, action: 'iam:GetAccountAuthorizationDetails' }], 200)).toMatch(
      // Beside it may stand whatever else this machine was too slow for.
      /^AWS is not verified: no answer within 0\.2 s \(.+\)$/,
    )
  })

  it('throttled for as long as was allowed', async () => {
    expect(
      await reasonWith([{ how: 'throttle', times: 999, action: 'iam:GetAccountAuthorizationDetails' }], 200),
    ).toMatch(
      // Beside it may stand whatever else this machine was too slow for.
      /^AWS is not verified: no answer within 0\.2 s \(.+\)$/,
    )
  })

  it('nobody at the endpoint', async () => {
    const closed = await startAwsServer()
    await closed.close()
    const inventory = openAwsInventory({ endpoint: closed.endpoint, credentials: closed.credentials, timeoutMs: 200 })
    expect(await inventory.find(query)).not.toSatisfy(isProvedEmpty)
  })
})

describe('clouds side by side', () => {
  const answerOf = (id: string): InventoryAnswer => ({
    found: [{ id, type: 'x', name: 'x', region }],
    checked: ['x'],
    notChecked: [],
  })
  const refuse = async () => ({ found: [], taken: [], notChecked: [{ kind: 'x', why: 'not asked here' }] })
  const aws = { find: async () => answerOf('aws'), findRecords: refuse }
  const simulated = { find: async () => answerOf('simulated'), findRecords: refuse }

  it.each(['azure', 'gcp', 'ibmcloud'] as const)('%s is not verified, in plain words', async (platform) => {
    for (const inventory of [openUnverifiedInventory(), openInventory({ aws })])
      expect(whyNot(platform, await inventory.find({ ...query, platform }))).toMatch(
        /^(Azure|Google Cloud|IBM Cloud) is not verified: /,
      )
  })

  it('a platform is asked of its own inventory, and of the simulated one where there is one', async () => {
    expect(await openInventory({ aws }).find(query)).toEqual(answerOf('aws'))
    expect(await openInventory({ simulated, aws }).find({ ...query, platform: 'gcp' })).toEqual(answerOf('simulated'))
    expect(await openInventory({}).find(query)).not.toSatisfy(isProvedEmpty)
  })
})
