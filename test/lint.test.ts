// Every rule of the lint, with the sentence that a person reads; and the command.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { Platform } from '../src/vocabulary.ts'
import { buildInstallConfig } from '../src/install-config/install-config.ts'
import { lintInstallConfig, type Finding } from '../src/install-config/lint.ts'
import { loadCatalog, profileNamed } from '../src/profiles/catalog.ts'
import { pointerOf } from '../src/profiles/yaml-file.ts'
import { ROOT } from './harness.ts'
import { ED25519, RSA_1024 } from './ssh-keys.ts'

const catalog = loadCatalog(join(ROOT, 'profiles'))

/** A good install-config of a platform, as what a person would have written. */
function goodConfig(platform: Platform = 'aws'): Draft {
  const profile = profileNamed(catalog, `${platform}-standard`)
  return structuredClone(
    buildInstallConfig({
      name: 'demo',
      baseDomain: 'example.com',
      region: profile.regions.default,
      workerReplicas: 3,
      profile,
      tags: { team: 'a' },
      pullSecret: '{"auths":{"quay.io":{"auth":"YTpi"}}}',
    }),
  )
}

type Draft = Record<string, any> // eslint-disable-line -- each case breaks another part
type Case = [
  what: string,
  change: (config: Draft) => void,
  rule: string,
  severity: Finding['severity'],
  pointer: string,
  detail: string,
  platform?: Platform,
]

const cidr =
  (field: string, value: string): Case[1] =>
  (config) => {
    if (field === 'service') config['networking'].serviceNetwork = [value]
    else if (field === 'machine') config['networking'].machineNetwork = [{ cidr: value }]
    else config['networking'].clusterNetwork = [{ cidr: value, hostPrefix: 23 }]
  }
const set =
  (path: string, value: unknown): Case[1] =>
  (config) => {
    const steps = path.split('.')
    const last = steps.pop() ?? ''
    let place = config
    for (const step of steps) place = place[step] ??= {}
    if (value === undefined) delete place[last]
    else place[last] = value
  }
const all =
  (...changes: Case[1][]): Case[1] =>
  (config) =>
    changes.forEach((change) => change(config))

const cases: Case[] = [
  ['another API version', set('apiVersion', 'v2'), 'api-version', 'error', '/apiVersion', 'must be v1'],
  ['no name', set('metadata', {}), 'missing', 'error', '/metadata/name', 'is missing'],
  ['replicas as text', set('controlPlane.replicas', '3'), 'form', 'error', '/controlPlane/replicas', 'must be number'],
  [
    'a key that is not known',
    set('sudo', true),
    'unknown-key',
    'warning',
    '/sudo',
    '"sudo" is not known here; the installer passes over it',
  ],
  ['no platform', set('platform', {}), 'platform', 'error', '/platform', 'must name one of aws, azure, gcp, ibmcloud'],
  [
    'two platforms',
    set('platform.gcp', {}),
    'platform',
    'error',
    '/platform',
    'names aws and gcp; one platform is allowed',
  ],
  [
    'a platform that is none',
    set('platform', { mars: {} }),
    'platform',
    'error',
    '/platform/mars',
    'is no platform; there are aws, azure, gcp, ibmcloud',
  ],
  [
    'a name in capitals',
    set('metadata.name', 'Demo'),
    'name',
    'error',
    '/metadata/name',
    '"Demo" is no DNS name: lower-case letters, digits and dashes, beginning and ending with a letter or digit',
  ],
  [
    'a name of 55 characters',
    set('metadata.name', 'a'.repeat(55)),
    'name',
    'error',
    '/metadata/name',
    'has 55 characters; at most 54 are allowed',
  ],
  [
    'a name that begins with a digit',
    set('metadata.name', '1a'),
    'name',
    'error',
    '/metadata/name',
    'a name on gcp begins with a letter',
    'gcp',
  ],
  [
    'a name like google',
    set('metadata.name', 'my-google'),
    'name',
    'error',
    '/metadata/name',
    'Google Cloud refuses names that look like "google"',
    'gcp',
  ],
  [
    'a name that Azure reserves',
    set('metadata.name', 'login-test'),
    'name',
    'error',
    '/metadata/name',
    `Azure reserves a word in "login-test" for its owner's products: take another name`,
    'azure',
  ],
  [
    'a name of 22 characters',
    set('metadata.name', 'a'.repeat(22)),
    'name-long',
    'warning',
    '/metadata/name',
    'has 22 characters; the names of the cloud resources keep 21',
  ],
  [
    'a dotted name',
    set('metadata.name', 'a.b'),
    'name-dots',
    'warning',
    '/metadata/name',
    'holds a dot: a wildcard certificate of the base domain does not cover it',
  ],
  [
    'a base domain that is none',
    set('baseDomain', 'Example.com'),
    'base-domain',
    'error',
    '/baseDomain',
    '"Example.com" is no DNS name in lower case',
  ],
  [
    'a base domain that is too long',
    set('baseDomain', Array.from({ length: 24 }, () => 'abcdefghi').join('.')),
    'base-domain',
    'error',
    '/baseDomain',
    `the cluster's longest host name, console-openshift-console.apps.demo.…, would have 275 characters; DNS allows 253`,
  ],
  [
    'a pull secret that is no JSON',
    set('pullSecret', '{'),
    'pull-secret',
    'error',
    '/pullSecret',
    'is no JSON: give the file from console.redhat.com on one line',
  ],
  [
    'a pull secret without registries',
    set('pullSecret', '{"auths":{}}'),
    'pull-secret',
    'error',
    '/pullSecret',
    'must be a JSON object with at least one registry in "auths"',
  ],
  [
    'a pull secret that is null',
    set('pullSecret', 'null'),
    'pull-secret',
    'error',
    '/pullSecret',
    'must be a JSON object with at least one registry in "auths"',
  ],
  [
    'a registry without auth',
    set('pullSecret', '{"auths":{"quay.io":{}}}'),
    'pull-secret',
    'error',
    '/pullSecret',
    'the entry of quay.io has no "auth"',
  ],
  [
    'no control plane',
    set('controlPlane.replicas', 0),
    'control-plane',
    'error',
    '/controlPlane/replicas',
    'at least one control plane node is needed',
  ],
  [
    'two control plane nodes',
    set('controlPlane.replicas', 2),
    'control-plane',
    'warning',
    '/controlPlane/replicas',
    '2 nodes hold no better quorum than 1: take 1, 3 or 5',
  ],
  [
    'a control plane of another name',
    set('controlPlane.name', 'boss'),
    'pool-name',
    'error',
    '/controlPlane/name',
    'must be master',
  ],
  [
    'a worker pool of another name',
    set('compute.0.name', 'infra'),
    'pool-name',
    'error',
    '/compute/0/name',
    'must be worker (or edge, on AWS Local Zones)',
  ],
  [
    'two worker pools',
    set('compute.1', { name: 'worker' }),
    'pool-name',
    'error',
    '/compute/1/name',
    'there are two pools named worker',
  ],
  [
    'two architectures',
    set('compute.0.architecture', 'arm64'),
    'architecture-mixed',
    'warning',
    '/compute',
    'amd64 and arm64 together need a release with the payload "multi"',
  ],
  [
    'SDN',
    set('networking.networkType', 'OpenShiftSDN'),
    'network-type',
    'error',
    '/networking/networkType',
    'OpenShiftSDN ended with 4.15: take OVNKubernetes',
  ],
  [
    'another network type',
    set('networking.networkType', 'Cilium'),
    'network-type',
    'warning',
    '/networking/networkType',
    'Cilium is not offered: take OVNKubernetes',
  ],
  [
    'the old names of networks',
    set('networking.machineCIDR', '10.0.0.0/16'),
    'network-deprecated',
    'warning',
    '/networking/machineCIDR',
    'is deprecated: say it in machineNetwork, serviceNetwork, clusterNetwork, networkType',
  ],
  [
    'Kuryr',
    set('networking.networkType', 'Kuryr'),
    'network-type',
    'error',
    '/networking/networkType',
    'Kuryr is not offered: take OVNKubernetes',
  ],
  [
    'a network that is none',
    cidr('service', '172.30.0.0'),
    'cidr',
    'error',
    '/networking/serviceNetwork/0',
    '"172.30.0.0" is no network: write it as 10.0.0.0/16',
  ],
  [
    'octal parts',
    cidr('service', '172.030.0.0/16'),
    'cidr',
    'error',
    '/networking/serviceNetwork/0',
    '"172.030.0.0/16" is no network: write it as 10.0.0.0/16',
  ],
  [
    'host bits',
    cidr('machine', '10.0.0.1/16'),
    'cidr',
    'error',
    '/networking/machineNetwork/0/cidr',
    '10.0.0.1/16 has host bits set: the network is 10.0.0.0/16',
  ],
  [
    'an overlap',
    cidr('service', '10.0.128.0/20'),
    'network-overlap',
    'error',
    '/networking/serviceNetwork/0',
    'the service network 10.0.128.0/20 overlaps with the machine network 10.0.0.0/16',
  ],
  [
    "OVN's join network",
    cidr('machine', '100.64.0.0/16'),
    'network-reserved',
    'error',
    '/networking/machineNetwork/0/cidr',
    '100.64.0.0/16 cannot be used: OVN-Kubernetes joins its routers in 100.64.0.0/16',
  ],
  [
    "OVN's transit network",
    cidr('cluster', '100.88.0.0/14'),
    'network-reserved',
    'error',
    '/networking/clusterNetwork/0/cidr',
    '100.88.0.0/14 cannot be used: OVN-Kubernetes connects its zones in 100.88.0.0/16',
  ],
  [
    'link-local',
    cidr('service', '169.254.0.0/20'),
    'network-reserved',
    'error',
    '/networking/serviceNetwork/0',
    '169.254.0.0/20 cannot be used: 169.254.0.0/17 is link-local, and OVN-Kubernetes masquerades in it',
  ],
  [
    "Docker's bridge",
    cidr('service', '172.16.0.0/15'),
    'network-docker',
    'warning',
    '/networking/serviceNetwork/0',
    '172.16.0.0/15 overlaps with 172.17.0.0/16, where container engines put their bridge',
  ],
  [
    'a wide service network',
    cidr('service', '11.0.0.0/8'),
    'service-network-too-wide',
    'error',
    '/networking/serviceNetwork/0',
    '11.0.0.0/8 is too wide for services: a mask of /12 or longer is needed',
  ],
  [
    'two service networks of a kind',
    set('networking.serviceNetwork', ['172.30.0.0/16', '172.31.0.0/16']),
    'service-network-count',
    'error',
    '/networking/serviceNetwork',
    'only one network is allowed for services, or one each of IPv4 and IPv6',
  ],
  [
    'a host prefix wider than its network',
    set('networking.clusterNetwork.0.hostPrefix', 13),
    'host-prefix',
    'error',
    '/networking/clusterNetwork/0/hostPrefix',
    '/13 is wider than the network 10.128.0.0/14 itself',
  ],
  [
    'a host prefix without room',
    set('networking.clusterNetwork.0.hostPrefix', 31),
    'host-prefix',
    'error',
    '/networking/clusterNetwork/0/hostPrefix',
    '/31 leaves a node no address for its pods',
  ],
  [
    'a narrow host prefix',
    set('networking.clusterNetwork.0.hostPrefix', 26),
    'host-prefix-narrow',
    'warning',
    '/networking/clusterNetwork/0/hostPrefix',
    '/26 gives a node 64 pod addresses; a node runs up to 250 pods, for which /23 is usual',
  ],
  [
    'host prefixes that differ',
    set('networking.clusterNetwork.1', { cidr: '10.132.0.0/14', hostPrefix: 24 }),
    'host-prefix-differs',
    'error',
    '/networking/clusterNetwork',
    'all IPv4 cluster networks need the same hostPrefix',
  ],
  [
    'a cluster network that is too small',
    cidr('cluster', '10.128.0.0/21'),
    'cluster-network-too-small',
    'error',
    '/networking/clusterNetwork',
    'there is room for 4 nodes, and the cluster has 6: take a wider network or a longer hostPrefix',
  ],
  [
    'a machine network that is too small',
    cidr('machine', '10.0.0.0/28'),
    'machine-network-too-small',
    'error',
    '/networking/machineNetwork/0/cidr',
    "16 addresses are too few for 6 nodes, the bootstrap machine and the cloud's own: at least 22",
  ],
  [
    'an MTU elsewhere',
    set('networking.clusterNetworkMTU', 1400),
    'mtu',
    'error',
    '/networking/clusterNetworkMTU',
    'the MTU can be chosen on aws only',
    'gcp',
  ],
  [
    'a large MTU',
    set('networking.clusterNetworkMTU', 9001),
    'mtu',
    'error',
    '/networking/clusterNetworkMTU',
    '9001 is out of range: from 1000 to 8901 with OVN-Kubernetes',
  ],
  [
    'Mixed elsewhere',
    all(set('publish', 'Mixed'), set('operatorPublishingStrategy', {})),
    'publish',
    'error',
    '/publish',
    'Mixed is for azure only',
  ],
  [
    'Mixed alone',
    set('publish', 'Mixed'),
    'publish',
    'error',
    '/publish',
    'Mixed needs operatorPublishingStrategy',
    'azure',
  ],
  [
    'a publishing strategy alone',
    set('operatorPublishingStrategy', {}),
    'publish',
    'error',
    '/operatorPublishingStrategy',
    'is for publish: Mixed only',
  ],
  [
    'Mint on Azure',
    set('credentialsMode', 'Mint'),
    'credentials-mode',
    'error',
    '/credentialsMode',
    'azure takes Passthrough, Manual, not Mint',
    'azure',
  ],
  [
    'IBM Cloud without Manual',
    set('credentialsMode', undefined),
    'credentials-mode',
    'error',
    '/credentialsMode',
    'IBM Cloud needs Manual',
    'ibmcloud',
  ],
  [
    'a capability set that is none',
    set('capabilities', { baselineCapabilitySet: 'some' }),
    'capabilities',
    'error',
    '/capabilities/baselineCapabilitySet',
    'must be None, vCurrent or a version from v4.11 on',
  ],
  [
    'an old capability set in a cloud',
    set('capabilities', {
      baselineCapabilitySet: 'v4.12',
      additionalEnabledCapabilities: ['OperatorLifecycleManager'],
    }),
    'capabilities',
    'error',
    '/capabilities/additionalEnabledCapabilities',
    'a cluster in a cloud cannot be without CloudCredential, CloudControllerManager, Ingress',
  ],
  [
    'marketplace alone',
    set('capabilities', {
      baselineCapabilitySet: 'None',
      additionalEnabledCapabilities: ['marketplace', 'CloudCredential', 'CloudControllerManager', 'Ingress'],
    }),
    'capabilities',
    'error',
    '/capabilities/additionalEnabledCapabilities',
    'marketplace needs OperatorLifecycleManager',
  ],
  [
    'a cloud cluster without ingress',
    set('capabilities', { baselineCapabilitySet: 'None', additionalEnabledCapabilities: ['CloudCredential'] }),
    'capabilities',
    'error',
    '/capabilities/additionalEnabledCapabilities',
    'a cluster in a cloud cannot be without CloudControllerManager, Ingress',
  ],
  [
    'gates without a set',
    set('featureGates', ['A=true']),
    'feature-gates',
    'error',
    '/featureGates',
    'need featureSet CustomNoUpgrade',
  ],
  [
    'a feature set',
    set('featureSet', 'TechPreviewNoUpgrade'),
    'feature-set',
    'warning',
    '/featureSet',
    'such a cluster can never be upgraded',
  ],
  [
    'a weak SSH key',
    set('sshKey', RSA_1024),
    'ssh-key',
    'error',
    '/sshKey',
    'is an RSA key of 1024 bits; at least 2048 are needed, such as ssh-keygen -t rsa -b 4096 makes',
  ],
  [
    'Ed25519 with FIPS',
    all(set('sshKey', ED25519), set('fips', true)),
    'ssh-key',
    'error',
    '/sshKey',
    'is an Ed25519 key, which FIPS does not allow: take an RSA key, or ecdsa-sha2-nistp256',
  ],
  ['an empty proxy', set('proxy', { noProxy: 'a' }), 'proxy', 'error', '/proxy', 'needs httpProxy or httpsProxy'],
  [
    'a proxy that is no URL',
    set('proxy', { httpProxy: 'proxy.example.com' }),
    'proxy',
    'error',
    '/proxy/httpProxy',
    'must be a URL such as http://proxy.example.com:3128',
  ],
  [
    'a proxy of another scheme',
    set('proxy', { httpProxy: 'https://proxy' }),
    'proxy',
    'error',
    '/proxy/httpProxy',
    'must begin with http://',
  ],
  [
    'a noProxy with a scheme',
    set('proxy', { httpProxy: 'http://p', noProxy: 'http://x' }),
    'proxy',
    'error',
    '/proxy/noProxy',
    'must be *, or domains, addresses and networks joined by commas',
  ],
  [
    'the old mirrors',
    set('imageContentSources', []),
    'image-sources',
    'warning',
    '/imageContentSources',
    'is deprecated and cannot stand beside imageDigestSources: take imageDigestSources alone',
  ],
  [
    'both kinds of mirrors',
    all(set('imageContentSources', []), set('imageDigestSources', [])),
    'image-sources',
    'error',
    '/imageContentSources',
    'is deprecated and cannot stand beside imageDigestSources: take imageDigestSources alone',
  ],
  [
    'a mirror with a scheme',
    set('imageDigestSources', [{ source: 'quay.io/a', mirrors: ['https://m/a'] }]),
    'image-sources',
    'error',
    '/imageDigestSources/0/mirrors/0',
    'is no repository: host/path without scheme, tag or digest',
  ],
  [
    'a trust policy alone',
    set('additionalTrustBundlePolicy', 'Always'),
    'trust-bundle',
    'warning',
    '/additionalTrustBundlePolicy',
    'does nothing without additionalTrustBundle',
  ],
  [
    'a bundle with a key',
    set('additionalTrustBundle', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'),
    'trust-bundle',
    'error',
    '/additionalTrustBundle',
    'may hold certificates only: there is another kind of PEM block',
  ],
  [
    'a bundle without certificates',
    set('additionalTrustBundle', 'x'),
    'trust-bundle',
    'error',
    '/additionalTrustBundle',
    'holds no certificate in PEM form',
  ],
  [
    'a broken certificate',
    set('additionalTrustBundle', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
    'trust-bundle',
    'error',
    '/additionalTrustBundle',
    'certificate 1 of 1 cannot be read',
  ],
  [
    'no region',
    set('platform.aws.region', undefined),
    'platform-required',
    'error',
    '/platform/aws',
    'region is missing',
  ],
  [
    'no DNS resource group',
    set('platform.azure.baseDomainResourceGroupName', undefined),
    'platform-required',
    'error',
    '/platform/azure',
    'baseDomainResourceGroupName is missing: the resource group of the public DNS zone',
    'azure',
  ],
  [
    'no project',
    set('platform.gcp.projectID', undefined),
    'platform-required',
    'error',
    '/platform/gcp',
    'projectID is missing',
    'gcp',
  ],
  [
    'another load balancer',
    set('platform.aws.lbType', 'ALB'),
    'platform-value',
    'error',
    '/platform/aws/lbType',
    'must be one of Classic, NLB',
  ],
  [
    '26 tags',
    set('platform.aws.userTags', Object.fromEntries(Array.from({ length: 26 }, (_, n) => [`t${n}`, 'x']))),
    'tag-count',
    'error',
    '/platform/aws/userTags',
    '26 are too many; aws has room for 25',
  ],
  [
    '9 tags',
    set('platform.aws.userTags', Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`t${n}`, 'x']))),
    'tag-count',
    'warning',
    '/platform/aws/userTags',
    '9 tags are more than the 8 that an S3 object surely takes: the upload of the bootstrap ignition may be refused',
  ],
  [
    'a tag of the name',
    set('platform.aws.userTags', { NAME: 'x' }),
    'tag',
    'error',
    '/platform/aws/userTags/NAME',
    'the key "NAME" is reserved on aws',
  ],
  [
    'an empty tag',
    set('platform.aws.userTags', { a: '' }),
    'tag',
    'error',
    '/platform/aws/userTags/a',
    'is no tag of aws: a key has 1 to 128 and a value 1 to 256 characters, each a letter, a digit, a space or one of _ . : / = + @ -',
  ],
  [
    'a label in capitals',
    set('platform.gcp.userLabels', [{ key: 'A', value: 'b' }]),
    'tag',
    'error',
    '/platform/gcp/userLabels/0',
    'is no tag of gcp: a key has at most 63 lower-case letters, digits, _ and -, beginning with a letter; a value has 1 to 63 of the same',
    'gcp',
  ],
  [
    'keys that Azure takes for one',
    set('platform.azure.userTags', { a: 'x', A: 'y' }),
    'tag',
    'error',
    '/platform/azure/userTags/A',
    'the key "A" is there twice',
    'azure',
  ],
  [
    'the old subnets',
    set('platform.aws.subnets', ['subnet-1']),
    'deprecated',
    'warning',
    '/platform/aws/subnets',
    'is deprecated: name them in vpc.subnets',
  ],
  [
    'roles on some subnets',
    set('platform.aws.vpc', { subnets: [{ id: 'a', roles: [{ type: 'ClusterNode' }] }, { id: 'b' }] }),
    'aws-subnet-roles',
    'error',
    '/platform/aws/vpc/subnets',
    'either every subnet has roles or none has',
  ],
  [
    'a subnet twice',
    set('platform.aws.vpc', { subnets: [{ id: 'a' }, { id: 'a' }] }),
    'aws-subnets',
    'error',
    '/platform/aws/vpc/subnets',
    'a subnet is named twice',
  ],
  [
    'a hosted zone alone',
    set('platform.aws.hostedZone', 'Z1'),
    'aws-hosted-zone',
    'error',
    '/platform/aws/hostedZone',
    'a private zone of your own needs vpc.subnets of your own',
  ],
  [
    'a zone role alone',
    set('platform.aws.hostedZoneRole', 'arn'),
    'aws-hosted-zone',
    'error',
    '/platform/aws/hostedZoneRole',
    'hostedZoneRole needs hostedZone',
  ],
  [
    'half a network on Azure',
    set('platform.azure.virtualNetwork', 'v'),
    'azure-network',
    'error',
    '/platform/azure',
    'a network of your own needs networkResourceGroupName, virtualNetwork, controlPlaneSubnet, computeSubnet; there is only virtualNetwork',
    'azure',
  ],
  [
    'routing without a network',
    set('platform.azure.outboundType', 'UserDefinedRouting'),
    'azure-network',
    'error',
    '/platform/azure/outboundType',
    'UserDefinedRouting needs a network of your own, where the route is',
    'azure',
  ],
  [
    'a network without subnets',
    set('platform.gcp.network', 'n'),
    'gcp-network',
    'error',
    '/platform/gcp/network',
    'a network of your own needs controlPlaneSubnet and computeSubnet too',
    'gcp',
  ],
  [
    'subnets without a network',
    set('platform.gcp.computeSubnet', 'n'),
    'gcp-network',
    'error',
    '/platform/gcp',
    'subnets of your own need their network',
    'gcp',
  ],
  [
    "another project's network with Mint",
    set('platform.gcp.networkProjectID', 'p'),
    'gcp-network',
    'error',
    '/platform/gcp/networkProjectID',
    "another project's network needs its name in network",
    'gcp',
  ],
  [
    'a VPC without subnets',
    set('platform.ibmcloud.vpcName', 'v'),
    'ibmcloud-network',
    'error',
    '/platform/ibmcloud',
    'vpcName, controlPlaneSubnets and computeSubnets go together or not at all',
    'ibmcloud',
  ],
]

describe('the lint', () => {
  it.each(['aws', 'azure', 'gcp', 'ibmcloud'] as const)('finds nothing in a good one of %s', (platform) => {
    expect(lintInstallConfig(goodConfig(platform))).toEqual([])
  })

  it.each(cases)('tells %s', (_, change, rule, severity, pointer, detail, platform) => {
    const config = goodConfig(platform)
    change(config)
    expect(lintInstallConfig(config).map((finding) => ({ ...finding, path: pointerOf(finding.path) }))).toContainEqual({
      severity,
      rule,
      path: pointer,
      detail,
    })
  })

  it('has no rule without its case', () => {
    const home = join(ROOT, 'src/install-config')
    const rules = readdirSync(home)
      .filter((name) => name.startsWith('lint'))
      .flatMap((name) => [...readFileSync(join(home, name), 'utf8').matchAll(/report\(\s*[^,]+,\s*'([a-z-]+)'/g)])
      .map((match) => match[1])
    expect(rules.length).toBeGreaterThan(50)
    const tested = new Set(cases.map(([, , rule]) => rule))
    expect([...new Set(rules)].filter((rule) => !tested.has(rule ?? ''))).toEqual([])
  })

  it('takes a key without a value for one that is not there', () => {
    expect(
      lintInstallConfig({ ...goodConfig(), sshKey: null, proxy: null, additionalTrustBundlePolicy: 'Proxyonly' }),
    ).toEqual([])
  })

  it.each([null, 1, 'x', [], { platform: [] }, { networking: 3, compute: {}, pullSecret: 1, platform: { aws: null } }])(
    'does not stumble over %j',
    (input) => {
      expect(lintInstallConfig(input).some(({ severity }) => severity === 'error')).toBe(true)
    },
  )
})

describe('lint FILE', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-lint-'))
  const lint = (name: string, text: string) => {
    const file = join(dir, name)
    writeFileSync(file, text)
    return new Promise<{ code: number; out: string }>((resolve) =>
      execFile(process.execPath, ['src/main.ts', 'lint', file], { cwd: ROOT }, (error, stdout) =>
        resolve({ code: Number(error?.code ?? 0), out: stdout.replaceAll(`${dir}/`, '') }),
      ),
    )
  }

  it('prints findings with their lines, and ends with 1 on errors', async () => {
    const config = goodConfig()
    config['publish'] = 'Mixed'
    const text = stringify(config)
    const line = text.split('\n').findIndex((each) => each.startsWith('publish:')) + 1
    expect(await lint('bad.yaml', text)).toEqual({
      code: 1,
      out: `bad.yaml:${line} error /publish Mixed is for azure only (publish)\nbad.yaml:${line} error /publish Mixed needs operatorPublishingStrategy (publish)\n2 errors, 0 warnings\n`,
    })
  })

  it('ends with 0 when all is well, and says so of what is no YAML', async () => {
    expect(await lint('good.yaml', stringify(goodConfig()))).toEqual({ code: 0, out: '0 errors, 0 warnings\n' })
    const broken = await lint('broken.yaml', 'a: b\n c: "\n')
    expect(broken.code).toBe(1)
    expect(broken.out).toMatch(/^broken\.yaml:\d error .*\(yaml\)\n/)
  })
})
