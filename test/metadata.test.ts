// The guard before every destroy: metadata that names anything but this one cluster is refused.
import { describe, expect, it } from 'vitest'
import { assertSafeMetadata, assertSameMetadata, parseMetadata, UnsafeMetadata } from '../src/installer/metadata.ts'

const infraID = 'c1-x7k2p'
const common = { clusterName: 'c1', clusterID: '11111111-2222-3333-4444-555555555555', infraID }
const maps = [
  { [`kubernetes.io/cluster/${infraID}`]: 'owned' },
  { openshiftClusterID: common.clusterID },
  { [`sigs.k8s.io/cluster-api-provider-aws/cluster/${infraID}`]: 'owned' },
]
const aws = (identifier: unknown, more = {}) => ({ ...common, aws: { region: 'us-east-1', identifier }, ...more })
const check = (value: unknown, platform: 'aws' | 'azure' | 'gcp' | 'ibmcloud' = 'aws') =>
  assertSafeMetadata(parseMetadata(JSON.stringify(value)), { clusterName: 'c1', platform })

describe('metadata', () => {
  it('of each platform passes as the installer writes it', () => {
    expect(() => check(aws(maps))).not.toThrow()
    expect(() => check({ ...common, azure: { resourceGroupName: '', region: 'eastus' } }, 'azure')).not.toThrow()
    expect(() => check({ ...common, azure: { resourceGroupName: `${infraID}-rg` } }, 'azure')).not.toThrow()
    expect(() => check({ ...common, gcp: { region: 'r', projectID: 'p' } }, 'gcp')).not.toThrow()
    expect(() => check({ ...common, ibmcloud: { accountID: 'a' } }, 'ibmcloud')).not.toThrow()
    const sharedVpc = {
      region: 'r',
      projectID: 'p',
      networkProjectID: 'host',
      privateZoneProjectID: 'host',
      privateZoneDomain: 'c1.example.com.',
      firewallRulesManagement: 'Managed',
    }
    expect(() => check({ ...common, gcp: sharedVpc }, 'gcp')).not.toThrow()
    expect(parseMetadata(JSON.stringify({ ...common, gcp: sharedVpc })).gcp).toEqual(sharedVpc)
  })

  it.each([
    ['aws', { region: 'r', identifier: maps, serviceEndpoints: [{ name: 'ec2', url: 'https://elsewhere.example' }] }],
    ['gcp', { region: 'r', projectID: 'p', endpoint: { name: 'psc' } }],
    ['ibmcloud', { accountID: 'a', serviceEndpoints: [{ name: 'IAM', url: 'https://elsewhere.example' }] }],
  ] as const)('that sends the destroyer to other endpoints is refused: %s', (platform, block) => {
    expect(() => check({ ...common, [platform]: block }, platform)).toThrow('endpoints of its own')
  })

  it.each([
    [{ privateZoneProjectID: 'q' }, 'project "q"'],
    [{ privateZoneDomain: 'c2.example.com.' }, 'not of cluster "c1"'],
  ])('whose private zone may be a neighbour’s is refused: %o', (more, text) => {
    expect(() => check({ ...common, gcp: { region: 'r', projectID: 'p', ...more } }, 'gcp')).toThrow(text)
  })

  it.each([
    ['an empty AWS map, which selects the whole account', aws([...maps, {}])],
    ['no AWS map', aws([])],
    ['a map of a fleet', aws([...maps, { ManagedBy: 'x' }])],
    ['a map of another cluster', aws([{ 'kubernetes.io/cluster/c1-aaaaa': 'owned' }])],
    ['a shared map', aws([{ [`kubernetes.io/cluster/${infraID}`]: 'shared' }])],
    ['two keys in one map', aws([{ ...maps[0], ...maps[1] }])],
    ['an empty cluster UUID', aws([{ openshiftClusterID: '' }], { clusterID: '' })],
    ['an empty infraID', aws(maps, { infraID: '' })],
    ['an infraID of six characters', aws(maps, { clusterName: '', infraID: '-x7k2p' })],
    ['an infraID without its random end', aws(maps, { infraID: 'c1-x7k2' })],
    ['an infraID that is a prefix', aws(maps, { infraID: 'c1-' })],
    ['an infraID of another cluster', aws(maps, { infraID: 'c2-x7k2p' })],
    ['another name', aws(maps, { clusterName: 'c2' })],
    ['a block of another platform too', aws(maps, { gcp: { region: 'r', projectID: 'p' } })],
    ['no block of the platform', common],
  ])('with %s is refused', (_, value) => {
    expect(() => check(value)).toThrow(UnsafeMetadata)
  })

  it('of another region than the cluster is refused', () => {
    const metadata = parseMetadata(JSON.stringify(aws(maps)))
    const expected = { clusterName: 'c1', platform: 'aws' } as const
    expect(() => assertSafeMetadata(metadata, { ...expected, region: 'us-east-1' })).not.toThrow()
    expect(() => assertSafeMetadata(metadata, { ...expected, region: 'eu-west-1' })).toThrow(
      'of the region "us-east-1"',
    )
  })

  it('with a shared Azure resource group is refused', () => {
    expect(() => check({ ...common, azure: { resourceGroupName: 'shared-rg' } }, 'azure')).toThrow('shared-rg')
  })

  it('that is broken is refused, and credentials in it are left out', () => {
    expect(() => parseMetadata('{')).toThrow(UnsafeMetadata)
    expect(() => parseMetadata('{}')).toThrow('infraID')
    expect(
      JSON.stringify(parseMetadata(JSON.stringify(aws(maps, { vsphere: { username: 'u', password: 'p' } })))),
    ).not.toMatch(/username|password/)
  })

  it('must be what the ledger has, in whatever order its keys are', () => {
    const ledger = parseMetadata(JSON.stringify(aws(maps)))
    const { aws: block, ...rest } = ledger
    expect(() => assertSameMetadata({ aws: block, ...rest }, ledger)).not.toThrow()
    expect(() => assertSameMetadata({ ...ledger, clusterID: 'other' }, ledger)).toThrow(UnsafeMetadata)
  })
})
