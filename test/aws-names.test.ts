// Zones and records of a cluster on AWS: whose they are, in which account they are, and what stood there before.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openAwsInventory } from '../src/clouds/aws/inventory.ts'
import { type InventoryQuery, isProvedEmpty } from '../src/clouds/inventory.ts'
import { ownNames } from '../src/clouds/names.ts'
import { foundIn, whyNot } from './answers.ts'
import { emptyAccount, startAwsServer } from './aws-server.ts'
import type { Account, AwsServer, Zone } from './aws-server.ts'

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
const subnets = ['subnet-1', 'subnet-2', 'subnet-3']
const role = 'arn:aws:iam::111111111111:role/zones'
const privately: Partial<InventoryQuery> = { isPrivate: true, subnets, hostedZone: 'ZB' }
const records = (...names: string[]) => names.map((name) => ({ name: `${name}.example.com.`, type: 'A' }))
const brought: Zone = {
  id: 'ZB',
  name: 'example.com.',
  isPrivate: true,
  records: records('api-int.demo', '*.apps.demo', 'api-int.other', 'vault'),
}
const base: Zone = { id: 'Z1', name: 'example.com.', isPrivate: false, records: [] }

let server: AwsServer
beforeAll(async () => {
  server = await startAwsServer()
})
afterAll(() => server.close())
beforeEach(() => {
  Object.assign(server.account, emptyAccount(), {
    ec2: { subnet: subnets.map((id) => ({ id, tags: {} })) },
    zones: [base],
  } satisfies Partial<Account>)
})
afterEach(() => {
  server.faults.length = 0
})

const open = () => openAwsInventory({ endpoint: server.endpoint, credentials: server.credentials })
const find = (changes: Partial<InventoryQuery> = {}) => open().find({ ...query, ...changes })
async function findIds(changes: Partial<InventoryQuery> = {}): Promise<string[]> {
  const answer = await find(changes)
  return foundIn(answer).map(({ id }) => id)
}
const why = async (changes: Partial<InventoryQuery>) => whyNot('aws', await find(changes))

describe('a private cluster', () => {
  it('is verified in an account without the public zone, by the subnets of its profile', async () => {
    server.account.zones = [{ ...brought, records: [] }]
    expect(await find(privately)).toSatisfy(isProvedEmpty)
  })

  it('is not verified in an account that has not all of these subnets, or has them in another region', async () => {
    server.account.zones = [brought, base]
    server.account.ec2['subnet']?.pop()
    expect(await why(privately)).toContain('this account has not the subnets subnet-3 of the profile')
    server.account.ec2['subnet'] = subnets.map((id) => ({ id, tags: {}, region: 'us-east-1' }))
    expect(await why(privately)).toContain('this account has not the subnets subnet-1, subnet-2, subnet-3')
  })

  it('without subnets of its own is known by the public zone, or not at all', async () => {
    server.account.zones = [{ ...brought, records: [] }]
    const changes = { ...privately, subnets: undefined }
    expect(await why(changes)).toContain('this account has no public zone example.com, and the profile names')
    server.account.zones.push(base)
    expect(await find(changes)).toSatisfy(isProvedEmpty)
  })
})

describe('a zone that the profile brings', () => {
  it('is never left, and of its records only those under the domain of the cluster are', async () => {
    server.account.zones = [base, brought]
    expect(await findIds(privately)).toEqual(['ZB/*.apps.demo.example.com/A', 'ZB/api-int.demo.example.com/A'])
    server.account.zones = [base, { ...brought, name: 'demo.example.com.' }]
    const arn = 'arn:aws:route53:::hostedzone/ZB'
    server.account.tagged.push({ arn, tags: { 'ocpctl-cluster-id': 'clu_01' }, region: 'us-east-1' })
    expect(await findIds(privately)).toEqual(['ZB/*.apps.demo.example.com/A', 'ZB/api-int.demo.example.com/A'])
  })

  it('and that this account has not, is not verified', async () => {
    expect(await why(privately)).toContain('this account has not the zone ZB of the profile')
  })

  it('of another account is looked into with the role', async () => {
    server.account.zonesOfOthers[role] = [brought]
    expect(await findIds({ ...privately, hostedZoneRole: role })).toEqual([
      'ZB/*.apps.demo.example.com/A',
      'ZB/api-int.demo.example.com/A',
    ])
  })

  it('of another account is not verified when the role is refused, or does not see the zone', async () => {
    const changes = { ...privately, hostedZoneRole: role }
    expect(await why(changes)).toContain('lacks the permission (sts:AssumeRole)')
    server.account.zonesOfOthers[role] = [{ ...brought, id: 'ZX' }]
    expect(await why(changes)).toContain('(route53:ListResourceRecordSets)')
    server.account.zonesOfOthers[role] = [brought]
    server.faults.push({ how: 'empty', times: 99, action: 'sts:AssumeRole' })
    expect(await why(changes)).toContain('(sts:AssumeRole)')
  })
})

describe('the records under the domain of the cluster', () => {
  it('are its own whatever their names, on every page', async () => {
    const names = ['*.apps', '*.apps2', 'api', 'console.apps', 'deep.down', 'txt'].map((name) => `${name}.demo`)
    server.account.zones = [{ ...base, records: records(...names, 'demo', 'demo2', 'www', 'xdemo') }]
    expect(await findIds()).toEqual(names.map((name) => `Z1/${name}.example.com/A`))
  })

  it('but not those of a cluster whose base domain is below it, nor in zones that the cluster does not write to', async () => {
    server.account.zones = [
      { ...base, records: records('api.a.demo', 'api-int.a.demo', '*.apps.a.demo') },
      { id: 'Z2', name: 'com.', isPrivate: false, records: records('txt.demo', 'api.demo') },
    ]
    expect(await findIds()).toEqual(['Z2/api.demo.example.com/A'])
  })

  it('and that stood before the cluster are not, nor are zones', async () => {
    const own = { id: 'Z2', name: 'demo.example.com.', isPrivate: true, records: [] }
    server.account.zones = [{ ...base, records: records('*.apps.demo', 'vault.demo') }, own]
    const stoodBefore = ['Z1/vault.demo.example.com/A', 'Z2']
    expect(await findIds({ stoodBefore })).toEqual(['Z1/*.apps.demo.example.com/A'])
    expect(await findIds({ stoodBefore: [] })).toEqual([
      'Z1/*.apps.demo.example.com/A',
      'Z1/vault.demo.example.com/A',
      'Z2',
    ])
  })

  it("are not verified when nobody knows what stood before, unless they point to what is the cluster's", async () => {
    const target = 'demo-abcde-ext-0123.elb.eu-west-1.amazonaws.com'
    const pointing = { name: 'api.demo.example.com.', type: 'CNAME', target }
    server.account.zones = [{ ...base, records: [pointing] }]
    expect(await findIds({ records: 'unclear' })).toEqual(['Z1/api.demo.example.com/CNAME'])
    expect(await findIds({ records: 'unclear', stoodBefore: [] })).toHaveLength(1)
    server.account.zones = [{ ...base, records: [pointing, ...records('*.apps.demo')] }]
    expect(await find({ records: 'unclear' })).toMatchObject({ found: [{ name: 'api.demo.example.com' }] })
    expect(await why({ records: 'unclear' })).toContain(
      'dns-record Z1/*.apps.demo.example.com/A stands under the cluster',
    )
    expect(await findIds({ records: 'own' })).toEqual(['Z1/api.demo.example.com/CNAME'])
  })

  it('are its own in a zone that carries its tag', async () => {
    server.account.zones = [base, { id: 'Z2', name: 'demo.example.com.', isPrivate: true, records: records('*.apps.demo') }] // prettier-ignore
    const tags = { 'kubernetes.io/cluster/demo-abcde': 'owned' }
    server.account.tagged.push({ arn: 'arn:aws:route53:::hostedzone/Z2', tags, region: 'us-east-1' })
    for (const kind of ['all', 'own', 'unclear'] as const)
      expect(await findIds({ records: kind })).toEqual(['Z2/*.apps.demo.example.com/A', 'Z2'])
  })
})

describe('before a cluster is made', () => {
  const look = (changes: Partial<InventoryQuery> = {}) => open().findRecords({ ...query, ...changes })
  const taken = async (changes: Partial<InventoryQuery> = {}) => {
    const answer = await look(changes)
    return answer.notChecked.length > 0 ? answer : answer.taken.map(({ id }) => id)
  }

  it('its names are taken by what stands under them, other names are only told', async () => {
    server.account.zones = [{ ...base, records: records('*.apps2.demo', 'vault.demo', 'api-int.demo') }]
    expect(await look()).toMatchObject({
      notChecked: [],
      found: ['api-int', '*.apps2', 'vault'].map((name) => ({
        id: `Z1/${name}.demo.example.com/A`,
        type: 'dns-record',
        name: `${name}.demo.example.com`,
        region: 'global',
      })),
      taken: [],
    })
    for (const name of ['api.demo', '*.apps.demo']) {
      server.account.zones = [{ ...base, records: records(name) }]
      expect(await taken()).toEqual([`Z1/${name}.example.com/A`])
    }
  })

  it('api-int is taken in a private zone, where the installer makes it', async () => {
    server.account.zones = [{ ...brought, records: records('api-int.demo') }]
    expect(await taken(privately)).toEqual(['ZB/api-int.demo.example.com/A'])
    server.account.zones = []
    server.account.zonesOfOthers[role] = [brought]
    expect(await taken({ ...privately, hostedZoneRole: role })).toEqual([
      'ZB/api-int.demo.example.com/A',
      'ZB/*.apps.demo.example.com/A',
    ])
  })

  it('a refusal is not a free name', async () => {
    server.faults.push({ how: 'deny', times: 9, action: 'route53:ListResourceRecordSets' })
    expect(whyNot('aws', await look())).toContain('lacks the permission (route53:ListResourceRecordSets)')
  })
})

it("the name of an application under a wildcard is no other cluster's", () => {
  const standing = [
    '*.apps2.demo.x',
    'api.apps2.demo.x',
    'api.apps.demo.x',
    'api.b.demo.x',
    '*.apps.b.demo.x',
    'c.b.demo.x',
  ]
  expect(standing.filter(ownNames('demo.x', standing))).toEqual([
    '*.apps2.demo.x',
    'api.apps2.demo.x',
    'api.apps.demo.x',
    'c.b.demo.x',
  ])
})
