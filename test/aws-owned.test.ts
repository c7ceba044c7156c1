// What is the cluster's on AWS by its tags, what lingers or holds it, and all that an installation owns.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openAwsInventory } from '../src/clouds/aws/inventory.ts'
import { describeAnswer, type InventoryQuery, isProvedEmpty, type Owner } from '../src/clouds/inventory.ts'
import { openInventory } from '../src/clouds/by-platform.ts'
import { newId } from '../src/ids.ts'
import { reconcile } from '../src/reconcile/reconcile.ts'
import { foundIn, whyNot } from './answers.ts'
import { emptyAccount, iamArn, startAwsServer } from './aws-server.ts'
import type { Account, AwsServer, Tags } from './aws-server.ts'
import { openHarness } from './harness.ts'

const region = 'eu-west-1'
const query: InventoryQuery = {
  clusterId: 'clu_01',
  platform: 'aws',
  region,
  infraIds: ['demo-abcde'],
  name: 'demo',
  baseDomain: 'example.com',
  records: 'all',
}
const owned: Tags = { 'kubernetes.io/cluster/demo-abcde': 'owned' }
const foreign: Tags = { 'kubernetes.io/cluster/demo-zzzzz': 'owned', 'ocpctl-cluster-id': 'clu_02' }
const zone = { id: 'Z1', name: 'example.com.', isPrivate: false, records: [] }

let server: AwsServer
beforeAll(async () => {
  server = await startAwsServer()
})
afterAll(() => server.close())
beforeEach(() => {
  Object.assign(server.account, emptyAccount(), { zones: [zone] } satisfies Partial<Account>)
})
afterEach(() => {
  server.requests.length = 0
  server.faults.length = 0
  server.unfiltered.clear()
})

const open = () => openAwsInventory({ endpoint: server.endpoint, credentials: server.credentials })
const arnOf = (service: string, resource: string, at = region) => `arn:aws:${service}:${at}:000000000000:${resource}`
const tag = (arn: string, tags: Tags = owned, at = region) => server.account.tagged.push({ arn, tags, region: at })
const shown = (resources: { type: string; id: string }[] = []) => resources.map(({ type, id }) => `${type} ${id}`)
async function find() {
  const answer = await open().find(query)
  return { ...answer, ids: foundIn(answer).map(({ id }) => id) }
}

describe('whose something is', () => {
  it('a role and a user are found by their tag, whatever their names, with a few calls', async () => {
    const many = Array.from({ length: 40 }, (_, n) => ({ name: `noise-${n}`, tags: foreign }))
    server.account.roles = [...many, { name: 'odd', tags: owned }]
    server.account.users = [...many, { name: 'odd', tags: { 'ocpctl-cluster-id': 'clu_01' } }]
    expect((await find()).ids).toEqual([iamArn('role', 'odd'), iamArn('user', 'odd')])
    const calls = server.requests.filter(({ action }) => action === 'GetAccountAuthorizationDetails')
    expect(calls).toHaveLength(41) // pages of two
  })

  it('a role that only has the network of the cluster shared is not its own', async () => {
    server.account.roles = [{ name: 'brought', tags: { 'kubernetes.io/cluster/demo-abcde': 'shared' } }]
    expect((await find()).ids).toEqual([])
  })

  it("what a server lists without minding the filter is not the cluster's", async () => {
    server.account.ec2 = {
      natGateway: [{ id: 'nat-1', tags: owned }, { id: 'nat-2', tags: foreign }], // prettier-ignore
      vpc: [{ id: 'vpc-2', tags: foreign }],
    }
    tag(arnOf('ec2', 'natgateway/nat-1'))
    tag(arnOf('ec2', 'volume/vol-2'), foreign)
    tag(arnOf('elasticfilesystem', 'file-system/fs-2'), foreign)
    for (const action of ['ec2:DescribeNatGateways', 'ec2:DescribeVpcs', 'tag:GetResources'])
      server.unfiltered.add(action)
    expect((await find()).ids).toEqual(['nat-1'])
  })
})

describe('what lingers after its deletion', () => {
  const arns = ['vpc-peering-connection/pcx-1', 'prefix-list/pl-1', 'spot-instances-request/sir-1']
  const tagAll = () => [...arns.map((each) => arnOf('ec2', each)), arnOf('kms', 'key/k-1')].forEach((arn) => tag(arn))
  const put = ([peering, prefixList, spotRequest, key]: [string, string, string, string]) => {
    server.account.ec2 = {
      peering: [{ id: 'pcx-1', tags: owned, state: peering }],
      prefixList: [{ id: 'pl-1', tags: owned, state: prefixList }],
      spotRequest: [{ id: 'sir-1', tags: owned, state: spotRequest }],
    }
    server.account.keys = [{ id: 'k-1', state: key }]
  }

  it('is not left, by the word of its own service; a key that waits costs nothing, and is told', async () => {
    tagAll()
    put(['deleted', 'delete-complete', 'cancelled', 'PendingDeletion'])
    const answer = await find()
    expect(answer.ids).toEqual([])
    expect(answer.lingering).toMatchObject(
      ['k-1', 'pl-1', 'sir-1', 'pcx-1'].map((id) => ({ id, billable: false, usdPerHour: 0 })),
    )
    server.account.ec2 = {}
    server.account.keys = []
    expect(await open().find(query)).toSatisfy(isProvedEmpty)
  })

  it('is left while it stands', async () => {
    tagAll()
    put(['active', 'create-complete', 'open', 'Enabled'])
    expect((await find()).ids).toEqual(['k-1', 'pl-1', 'sir-1', 'pcx-1'])
  })

  it.each(['kms:DescribeKey', 'ec2:DescribeManagedPrefixLists', 'ec2:DescribeVpcPeeringConnections'])(
    'is not verified when %s is refused or does not answer as AWS does',
    async (action) => {
      tagAll()
      put(['deleted', 'delete-complete', 'cancelled', 'PendingDeletion'])
      for (const how of ['deny', '404'] as const) {
        server.faults.splice(0, Infinity, { how, times: 99, action })
        expect(whyNot('aws', await open().find(query))).toContain(`(${action})`)
      }
    },
  )
})

describe('what holds the networks of the cluster', () => {
  it("is named: instances, interfaces and endpoints of others, and not what is the cluster's", async () => {
    const vpc = 'vpc-1'
    server.account.ec2 = {
      vpc: [{ id: vpc, tags: owned }],
      natGateway: [{ id: 'nat-1', tags: owned }],
      instance: [
        { id: 'i-1', tags: owned, vpc },
        { id: 'i-2', tags: {}, vpc },
        { id: 'i-3', tags: {}, vpc, state: 'terminated' },
        { id: 'i-4', tags: {}, vpc: 'vpc-2' },
      ],
      networkInterface: [
        { id: 'eni-1', tags: {}, vpc, instance: 'i-1' },
        { id: 'eni-2', tags: {}, vpc, instance: 'i-2' },
        { id: 'eni-3', tags: {}, vpc, description: 'AWS Lambda VPC ENI-report' },
        { id: 'eni-4', tags: {}, vpc, description: 'Interface for NAT Gateway nat-1' },
        { id: 'eni-5', tags: {}, vpc, description: 'ELB net/demo-abcde-int/0123' },
        { id: 'eni-6', tags: {}, vpc, description: 'VPC Endpoint Interface vpce-2', interfaceType: 'vpc_endpoint' },
        { id: 'eni-7', tags: {}, vpc: 'vpc-2' },
      ],
      vpcEndpoint: [
        { id: 'vpce-1', tags: owned, vpc },
        { id: 'vpce-2', tags: foreign, vpc },
      ],
    }
    server.account.balancers = [{ arn: arnOf('elasticloadbalancing', 'loadbalancer/net/demo-abcde-int/0123'), tags: owned }] // prettier-ignore
    const answer = await find()
    expect(shown(answer.holders)).toEqual(['instance i-2', 'network-interface eni-3', 'vpc-endpoint vpce-2'])
    expect(answer.ids).not.toContain('i-2')
    expect(describeAnswer('aws', answer)).toContain(
      'vpc vpc-1, vpc-endpoint vpce-1; its network is held by what has no tag of the cluster: instance i-2, network-interface eni-3 (AWS Lambda VPC ENI-report), vpc-endpoint vpce-2',
    )
  })

  it("is not asked where the network is not the cluster's", async () => {
    server.account.ec2 = { instance: [{ id: 'i-1', tags: owned, vpc: 'vpc-9' }, { id: 'i-2', tags: {}, vpc: 'vpc-9' }] } // prettier-ignore
    expect(await find()).not.toHaveProperty('holders')
  })
})

describe('all that an installation owns', () => {
  const ours = (clusterId: string): Tags => ({ 'ocpctl-installation-id': 'ins_1', 'ocpctl-cluster-id': clusterId })
  const offered: Owner['offered'] = [
    { platform: 'aws', region, baseDomain: 'example.com' },
    { platform: 'aws', region: 'eu-central-1', baseDomain: 'example.com' },
    { platform: 'gcp', region: 'europe-west1', baseDomain: 'example.com' },
  ]
  const list = async (places = offered) => {
    const found = []
    for await (const { clusterId, installationId, resource } of open().findOwned?.({
      installationId: 'ins_1',
      offered: places,
    }) ?? [])
      // prettier-ignore
      found.push(`${clusterId} ${installationId} ${resource.type} ${resource.region}`)
    return found
  }

  it('is listed in every offered region and the global one, on every page, and nothing of others', async () => {
    for (const n of [1, 2, 3]) tag(arnOf('ec2', `vpc/vpc-${n}`), ours(`clu_${n}`))
    tag(arnOf('elasticloadbalancing', 'loadbalancer/a', 'eu-central-1'), ours('clu_4'), 'eu-central-1')
    tag('arn:aws:route53:::hostedzone/Z5', ours('clu_5'), 'us-east-1')
    tag(arnOf('ec2', 'vpc/vpc-6'), { ...ours('clu_6'), 'ocpctl-installation-id': 'ins_2' })
    tag(arnOf('ec2', 'vpc/vpc-8'), { 'ocpctl-cluster-id': 'clu_8' })
    tag(arnOf('ec2', 'vpc/vpc-7', 'ap-south-1'), ours('clu_7'), 'ap-south-1')
    server.unfiltered.add('tag:GetResources')
    expect(await list()).toEqual([
      ...[1, 2, 3].map((n) => `clu_${n} ins_1 ec2:vpc ${region}`),
      `clu_8 undefined ec2:vpc ${region}`,
      'clu_4 ins_1 elasticloadbalancing:loadbalancer eu-central-1',
      'clu_5 ins_1 route53:hostedzone global',
    ])
    expect(new Set(server.requests.filter(({ service }) => service === 'tag').map((each) => each.region))).toEqual(
      new Set([region, 'eu-central-1', 'us-east-1']),
    )
  })

  it('is without what its own service says has ended', async () => {
    for (const resource of ['instance/i-1', 'natgateway/nat-1', 'vpc-peering-connection/pcx-1', 'instance/i-2'])
      tag(arnOf('ec2', resource), ours('clu_1'))
    tag(arnOf('kms', 'key/k-1'), ours('clu_1'))
    server.account.ec2 = {
      instance: [{ id: 'i-1', tags: {}, state: 'terminated' }, { id: 'i-2', tags: {}, state: 'stopped' }], // prettier-ignore
      peering: [{ id: 'pcx-1', tags: {}, state: 'deleted' }],
    }
    server.account.keys = [{ id: 'k-1', state: 'PendingDeletion' }]
    expect(await list()).toEqual([`clu_1 ins_1 ec2:instance ${region}`])
  })

  it('is not told when one region refuses, in a wrong account, and where AWS is not offered', async () => {
    tag(arnOf('ec2', 'vpc/vpc-1'), ours('clu_1'))
    server.faults.push({ how: 'deny', times: 1, action: 'tag:GetResources' })
    await expect(list()).rejects.toThrow('lacks the permission (tag:GetResources)')
    server.account.zones = []
    await expect(list()).rejects.toThrow('this account has no public zone example.com')
    await expect(list([{ ...offered[0]!, isPrivate: true, subnets: ['subnet-1'] }])).rejects.toThrow('subnet-1') // eslint-disable-line -- there is one
    await expect(list(offered.slice(2))).rejects.toThrow('no profile offers a region of AWS')
    server.account.ec2 = { subnet: [{ id: 'subnet-1', tags: {} }] }
    expect(await list([{ ...offered[0]!, isPrivate: true, subnets: ['subnet-1'] }])).toHaveLength(1) // eslint-disable-line -- as above
  })

  it('and that no row has is told when all parts are compared, and stays told while AWS refuses', async () => {
    const h = await openHarness()
    try {
      const [place] = h.app.catalog.list().filter(({ platform }) => platform === 'aws')
      server.account.zones = (place?.baseDomains.allowed ?? []).map((name) => ({ ...zone, name: `${name}.` }))
      const orphan = newId('clu')
      const tags = { 'ocpctl-installation-id': h.app.installationId, 'ocpctl-cluster-id': orphan }
      tag('arn:aws:s3:::left-behind', tags, place?.regions.default)
      const app = { ...h.app, inventory: openInventory({ aws: open() }) }
      expect(await reconcile(app)).toEqual({ filed: 1, repaired: 0, resolved: 0, skipped: [] })
      const told = `select type, subject from findings where resolved_at is null`
      expect(await h.rows(told)).toEqual([{ type: 'resources-without-cluster', subject: orphan }])
      server.faults.push({ how: 'deny', times: 1, action: 'tag:GetResources' })
      expect(await reconcile(app)).toMatchObject({ resolved: 0, skipped: [{ reason: expect.stringContaining('tag:GetResources') }] }) // prettier-ignore
      expect(await h.rows(told)).toHaveLength(1)
      server.account.tagged.length = 0
      expect(await reconcile(app)).toMatchObject({ resolved: 1, skipped: [] })
    } finally {
      await h.close()
    }
  })
})
