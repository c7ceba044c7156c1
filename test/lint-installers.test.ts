// The lint as the installers read: what they take though it looks odd, what the releases differ in, and the command.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { buildInstallConfig } from '../src/install-config/install-config.ts'
import { lintInstallConfig } from '../src/install-config/lint.ts'
import { sshLineRefusal } from '../src/install-config/ssh-key.ts'
import { parseProfile } from '../src/profiles/profile-file.ts'
import { pointerOf, readInstallerYaml } from '../src/profiles/yaml-file.ts'
import type { Platform } from '../src/vocabulary.ts'
import { ROOT } from './harness.ts'
import { all, azureNetwork, CERTIFICATE, cidr, dual, goodConfig, join, mirror, set, subnets, tags, tech, type Change } from './install-configs.ts' // prettier-ignore
import { ECDSA_256, ED25519, RSA_1024, RSA_2048 } from './ssh-keys.ts'

const errorsIn = (config: unknown, version?: string) =>
  lintInstallConfig(config, version)
    .filter(({ severity }) => severity === 'error')
    .map(({ rule, path: at, detail }) => `${rule} ${pointerOf(at)} ${detail}`)
const spoilt = (change: Change, platform: Platform = 'aws') => {
  const config = goodConfig(platform)
  change(config)
  return config
}

// prettier-ignore
const taken: [what: string, change: Change, platform?: Platform][] = [
  ['an older form of the file', set('apiVersion', 'v1beta4')],
  ['a name that is a number', set('metadata.name', 123)],
  ['a name with "goog" inside', set('metadata.name', 'my-goog'), 'gcp'],
  ['a domain that ends with a dot', set('baseDomain', 'example.com.')],
  ['an empty publish', set('publish', '')],
  ['an empty credentialsMode', set('credentialsMode', ''), 'azure'],
  ['an empty architecture', set('controlPlane.architecture', '')],
  ['an empty hyperthreading', set('compute.0.hyperthreading', '')],
  ['an empty SSH key', set('sshKey', '')],
  ['an empty bundle', set('additionalTrustBundle', '')],
  ['an empty noProxy', set('proxy', { httpProxy: 'http://p', noProxy: '' })],
  ['empty networks', set('networking', { clusterNetwork: [], serviceNetwork: [], machineNetwork: [] })],
  ['no networks', set('networking', undefined)],
  ['an MTU of none', set('networking.clusterNetworkMTU', 0), 'azure'],
  ['an empty cloud', all(set('platform.azure.cloudName', ''), set('platform.azure.outboundType', '')), 'azure'],
  ['keys without a value', all(set('sshKey', null), set('proxy', null), set('additionalTrustBundlePolicy', 'Proxyonly'))],
  ['no pools', all(set('controlPlane', undefined), set('compute', undefined))],
  ['a control plane of another name', set('controlPlane.name', 'boss')],
  ['an edge pool', set('compute.1', { name: 'edge', platform: { aws: { zones: ['us-east-1-bos-1a'] } } })],
  ['tags that are numbers and truth values', set('platform.aws.userTags', { a: 1, b: true, c: 1.5 })],
  ['25 tags', set('platform.aws.userTags', tags(25))],
  ['a network without room for the nodes', cidr('cluster', '10.128.0.0/22')],
  ['a machine network of eight addresses', cidr('machine', '10.0.0.0/29')],
  ['a host prefix of 31', set('networking.clusterNetwork.0.hostPrefix', 31)],
  ["Docker's bridge", cidr('machine', '172.17.0.0/16')],
  ['machines of IPv6', cidr('machine', 'fd00::/48')],
  ['machines of both families', set('networking.machineNetwork', [{ cidr: '10.0.0.0/16' }, { cidr: 'fd00::/48' }]), 'azure'],
  ['both families', dual({})],
  ['a join network elsewhere, which frees its usual place', all(join('192.168.0.0/16'), cidr('machine', '100.64.0.0/16'))],
  ["OVN's place with another type", all(set('networking.networkType', 'Calico'), cidr('machine', '100.64.0.0/16'))],
  ['no host prefix with another type', all(set('networking.networkType', 'Calico'), set('networking.clusterNetwork.0.hostPrefix', undefined))],
  ['small letters of OVN', set('networking.networkType', 'ovnkubernetes')],
  ['the old names of networks alone', set('networking', { type: 'OVNKubernetes', machineCIDR: '10.1.0.0/16', serviceCIDR: '172.31.0.0/16', clusterNetworks: [{ cidr: '10.128.0.0/14', hostSubnetLength: 9 }] })],
  ['Mixed with the usual parts', all(set('publish', 'Mixed'), set('operatorPublishingStrategy', { ingress: 'Internal' }), set('platform.azure.baseDomainResourceGroupName', undefined)), 'azure'],
  ['IBM Cloud without a mode', set('credentialsMode', undefined), 'ibmcloud'],
  ['a pull secret with an empty auth', set('pullSecret', '{"Auths":{"a":{"auth":""},"b":{"credsStore":"x"}}}')],
  ['a proxy at a port that is none', set('proxy', { httpProxy: 'http://p:99999' })],
  ['a proxy with a password', set('proxy', { httpsProxy: 'https://me:se%20cret@10.0.0.9' })],
  ['a noProxy of all kinds', set('proxy', { httpProxy: 'http://p', noProxy: '.example.com,example.org.,10.0.0.1,10.0.0.5/8,fd00::1' })],
  ['mirrors that are empty', all(set('imageContentSources', []), set('imageDigestSources', [{ source: 'quay.io/a/b' }]))],
  ['a registry alone', set('imageDigestSources', [mirror({ source: 'quay.io', mirrors: ['registry:5000', '10.0.0.1:5000/a/b__c'] })])],
  ['a certificate', set('additionalTrustBundle', `# ours\n${CERTIFICATE}${CERTIFICATE}`)],
  ['partitioning that is none', set('cpuPartitioningMode', 'Some')],
  ['one node that starts itself', all(set('controlPlane.replicas', 1), set('compute.0.replicas', 0), set('bootstrapInPlace', { installationDisk: '/dev/sda' }))],
  ['another load balancer', set('platform.aws.lbType', 'ALB')],
  ['a strange id of a subnet', subnets({ id: 'sn-1' })],
  ['a private zone with the old subnets', all(set('platform.aws.subnets', ['subnet-1']), set('platform.aws.hostedZone', 'Z1'))],
  ['an address without https', set('platform.aws.serviceEndpoints', [{ name: 'ec2', url: 'ec2.example.com' }])],
  ['a volume without a size', set('controlPlane.platform.aws.rootVolume', { type: 'io1' })],
  ['a volume with its iops', set('controlPlane.platform.aws.rootVolume', { type: 'GP3', throughput: 1000, iops: 4000 })],
  ['an image in China', all(set('platform.aws.region', 'cn-north-1'), set('platform.aws.amiID', 'ami-1'))],
  ['an image in China at each pool', all(set('platform.aws.region', 'cn-north-1'), set('controlPlane.platform.aws.amiID', 'ami-1'), set('compute.0.platform.aws.amiID', 'ami-1'))],
  ['a host of its own', tech(set('compute.0.platform.aws.hostPlacement', { affinity: 'DedicatedHost', dedicatedHost: [{ id: 'h-0123456789abcdef0' }] }))],
  ['names of ones own', set('platform.aws.userProvisionedDNS', 'Enabled')],
  ['a gate that is open', all(dual({}), set('featureSet', 'CustomNoUpgrade'), set('featureGates', ['AWSDualStackInstall=true']))],
  ['a slow disk for workers', set('compute.0.platform.azure.osDisk', { diskType: 'Standard_LRS' }), 'azure'],
  ['a network of its own', azureNetwork({}), 'azure'],
  ['a network group alone', set('platform.azure.networkResourceGroupName', 'g'), 'azure'],
  ['a zone that is none', set('compute.0.platform.azure.zones', ['a']), 'azure'],
  ['a gateway in each zone', set('platform.azure.outboundType', 'NATGatewayMultiZone'), 'azure'],
  ['no project', set('platform.gcp.projectID', undefined), 'gcp'],
  ['two architectures', set('compute.0.architecture', 'arm64'), 'gcp'],
  ['a tag of no parent', set('platform.gcp.userTags', [{ parentID: 'X', key: 'a', value: 'b' }]), 'gcp'],
  ['confidential computing that moves', set('controlPlane.platform.gcp.confidentialCompute', 'Enabled'), 'gcp'],
  ['disks by the name that Go has for them', set('compute.0.platform.gcp.osDisk', { DiskSizeGB: 16, diskType: 'pd-standard' }), 'gcp'],
  ['a key of IBM Cloud', set('compute.0.platform.ibmcloud.bootVolume', { encryptionKey: 'crn:v1:bluemix:public:kms:us-south:a/1:2:key:3' }), 'ibmcloud'],
  ['hosts of IBM Cloud', all(set('compute.0.platform.ibmcloud.zones', ['us-south-1']), set('compute.0.platform.ibmcloud.dedicatedHosts', [{ profile: 'bx2-host-152x608' }])), 'ibmcloud'],
  ['an address with its version', set('platform.ibmcloud.serviceEndpoints', [{ name: 'VPC', url: 'https://a.example.com/api/v1/' }]), 'ibmcloud'],
]

describe('the installer takes', () => {
  it.each(taken)('%s', (_, change, platform) => {
    expect(errorsIn(spoilt(change, platform), '4.20.3')).toEqual([])
  })

  const samples = path.join(ROOT, 'test/fixtures/install-configs')
  it.each(readdirSync(samples))('%s', (name) => {
    const { value, problems } = readInstallerYaml(name, readFileSync(path.join(samples, name), 'utf8'))
    expect(problems).toEqual([])
    expect(errorsIn(value, '4.20.3')).toEqual([])
  })
})

it('the lint does not stumble, whatever stands in a place, and tells each place once', () => {
  const odd = fc.constantFrom<unknown>(null, '', 'x', '0.0.0.0/0', '::/0', 0, -1, 1.5, 1e21, true, [], [null], {}, { x: null }, [['a']], '__proto__') // prettier-ignore
  const placesIn = (value: unknown, at: string[] = []): string[][] =>
    typeof value !== 'object' || value === null
      ? [at]
      : [at, ...Object.entries(value).flatMap(([key, inside]) => placesIn(inside, [...at, key]))]
  const samples = path.join(ROOT, 'test/fixtures/install-configs')
  const drafts = readdirSync(samples).map((name) => {
    const { value } = readInstallerYaml(name, readFileSync(path.join(samples, name), 'utf8'))
    return { value, places: placesIn(value).filter((at) => at.length > 0) }
  })
  const spoils = fc.array(fc.tuple(fc.nat(), odd), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.constantFrom(...drafts), spoils, ({ value, places }, changes) => {
      const spoilt = Object(structuredClone(value))
      for (const [seed, other] of changes) {
        const at = [...(places[seed % places.length] ?? [])]
        const key = at.pop() ?? ''
        const inside = at.reduce<unknown>((block, step) => Object(block)[step], spoilt)
        if (typeof inside === 'object' && inside !== null) Object.assign(inside, { [key]: structuredClone(other) })
      }
      // No file has a list with gaps.
      const config = JSON.parse(JSON.stringify(spoilt))
      const told = lintInstallConfig(config, '4.20.3').map((finding) => pointerOf(finding.path))
      expect(new Set(told).size).toBe(told.length)
      // What every release refuses, the lint without a version refuses too.
      const refusedBy = (version?: string) => errorsIn(config, version).length > 0
      if (refusedBy()) for (const version of ['4.18', '4.19', '4.20']) expect(refusedBy(version)).toBe(true)
    }),
    { numRuns: 3000 },
  )
})

describe('the releases', () => {
  // prettier-ignore
  it.each<[what: string, change: Change, refuse: string[], rule: string, platform?: Platform]>([
    ['vpc.subnets', subnets({ id: 'a' }), ['4.18'], 'unknown-key'],
    ['a gateway by its old word', set('platform.azure.outboundType', 'NatGateway'), ['4.20'], 'platform-value', 'azure'],
    ['a gateway by its new word', set('platform.azure.outboundType', 'NATGatewaySingleZone'), ['4.18', '4.19'], 'platform-value', 'azure'],
    ['a gateway in a network of its own', all(azureNetwork({}), set('platform.azure.outboundType', 'NatGateway')), ['4.18', '4.19', '4.20'], 'azure-network|platform-value', 'azure'],
    ['two control plane nodes', set('controlPlane.replicas', 2), ['4.19', '4.20'], 'control-plane'],
    ['an arbiter', set('arbiter', { name: 'arbiter', replicas: 1 }), ['4.19', '4.20'], 'control-plane'],
    ['a volume without its iops', set('compute.0.platform.aws.rootVolume', { type: 'io2', size: 100 }), ['4.18', '4.19'], 'aws-volume'],
    ['names of ones own', set('platform.aws.userProvisionedDNS', 'Enabled'), ['4.18', '4.19'], 'feature-gates'],
    ["OVN's join network", cidr('machine', '100.64.0.0/16'), ['4.18', '4.19', '4.20'], 'network-reserved'],
    ['a capability set to come', set('capabilities', { baselineCapabilitySet: 'v4.19' }), ['4.18', '4.19', '4.20'], 'capabilities'],
  ])('that refuse %s are told', (_, change, refuse, rule, platform) => {
    const config = spoilt(change, platform)
    const refusing = ['4.18', '4.19', '4.20'].filter((version) => errorsIn(config, version).length > 0)
    expect(refusing).toEqual(refuse)
    // Without a version, what only some refuse is a warning that names them.
    const [told] = lintInstallConfig(config).filter((finding) => new RegExp(`^(${rule})$`).test(finding.rule))
    expect(told?.severity).toBe(refuse.length === 3 ? 'error' : 'warning')
    expect(told?.installers).toBe(refuse.length === 3 ? '4.18 to 4.20' : refuse.join(' and '))
  })

  it('are read as the nearest that is known', () => {
    const config = spoilt(subnets({ id: 'a' }))
    expect(errorsIn(config, '4.12.1')).toEqual(errorsIn(config, '4.18.27'))
    expect(errorsIn(config, '4.31.0')).toEqual([])
  })

  it("mark a rule of ours, which is none of an installer's", () => {
    const oursIn = (change: Change, version: string) =>
      lintInstallConfig(spoilt(change), version).map(({ rule, ours }) => [rule, ours])
    expect(oursIn(set('metadata.name', 'a--b'), '4.20.3')).toEqual([['name-dashes', true]])
    expect(oursIn(cidr('machine', '100.88.0.0/16'), '4.18.27')).toEqual([['network-reserved', true]])
    expect(oursIn(cidr('machine', '100.88.0.0/16'), '4.20.3')).toEqual([['network-reserved', false]])
  })

  it('get each the form that they know', () => {
    const read = (name: string) => readFileSync(path.join(ROOT, `profiles/${name}.yaml`), 'utf8')
    const built = (text: string, version: string) => {
      const { profile } = parseProfile('p.yaml', text)
      if (!profile) throw new Error('the profile has mistakes')
      const { platform } = buildInstallConfig({ name: 'demo', version, baseDomain: 'example.com', region: 'r', workerReplicas: 3, profile, tags: {}, pullSecret: '{}' }) // prettier-ignore
      return platform
    }
    const ids = [1, 2, 3].map((n) => `subnet-0000000000000000${n}`)
    const old = built(read('aws-private'), '4.18.27')
    expect(old).toMatchObject({ aws: { subnets: ids } })
    expect(JSON.stringify(old)).not.toContain('vpc')
    const newer = built(read('aws-private'), '4.19.15')
    expect(newer).toMatchObject({ aws: { vpc: { subnets: ids.map((id) => ({ id })) } } })
    expect(Object.keys(Object(Object(newer).aws))).not.toContain('subnets')
    const nat = read('azure-standard').replace('azure:\n', 'azure:\n  outboundType: NATGatewaySingleZone\n')
    expect(built(nat, '4.19.15')).toMatchObject({ azure: { outboundType: 'NatGateway' } })
    expect(built(nat, '4.20.3')).toMatchObject({ azure: { outboundType: 'NATGatewaySingleZone' } })
  })
})

describe('the reader', () => {
  const read = (text: string) => readInstallerYaml('c.yaml', text)

  it('takes keys in any case, and finds their lines', () => {
    const config = goodConfig()
    const text = stringify(config).replace('baseDomain:', 'BASEDOMAIN:').replace('hostPrefix:', 'hostprefix:')
    const { value, lineOf } = read(text)
    expect(lintInstallConfig(value, '4.20.3')).toEqual([])
    expect(lineOf(['baseDomain'])).toBe(text.split('\n').findIndex((line) => line.startsWith('BASEDOMAIN')) + 1)
  })

  it('takes the first document, whatever the second is', () => {
    const text = `${stringify(goodConfig())}---\nplatform: [\n`
    expect(read(text).problems).toEqual([])
    expect(errorsIn(read(text).value, '4.20.3')).toEqual([])
    expect(errorsIn(read('').value)).not.toEqual([])
  })

  it('reads scalars by YAML 1.1', () => {
    const { value } = read('a: yes\nb: 0123\nc: off\nd: 2026-01-31\ne: 1:30\nf: "yes"\ng: 1_000\nh: ~\n')
    expect(value).toEqual({ a: true, b: 83, c: false, d: '2026-01-31', e: '1:30', f: 'yes', g: 1000, h: null })
    const text = stringify(goodConfig()).replace('name: demo', 'name: 0123').replace('team: a', 'team: on')
    expect(errorsIn(read(`${text}fips: no\n`).value, '4.20.3')).toEqual([])
    expect(errorsIn(read(`${text}hyperthreading: x\ncompute: [{name: worker, hyperthreading: On}]`).value)).not.toEqual(
      [],
    )
  })

  it('refuses a key that is there twice', () => {
    expect(read('a: 1\na: 2\n').problems).toHaveLength(1)
  })

  // prettier-ignore
  it.each<[what: string, line: string, taken: boolean, fips?: boolean]>([
    ['a key', ED25519, true],
    ['a key without a name', ED25519.split(' ').slice(0, 2).join(' '), true],
    ['a key after options', `no-pty,command="echo \\"a b\\"" ${ED25519}`, true],
    ['a key with odd blanks', ` ${ED25519.replaceAll(' ', ' \t ')} \r`, true],
    ['a key under another name', ED25519.replace('ssh-ed25519', 'ssh-rsa'), true],
    ['a short key', RSA_1024, true],
    ['a key of a curve', ECDSA_256, true],
    ['a comment', '# mine', false],
    ['blanks', '   ', false],
    ['half a key', ED25519.slice(0, 60), false],
    ['a key with more behind it', `ssh-ed25519 ${ED25519.split(' ')[1]}AAAA`, false],
    ['an Ed25519 key with FIPS', ED25519, false, true],
    ['an RSA key with FIPS', RSA_2048, true, true],
  ])('of SSH keys, %s', (_, line, isTaken, fips = false) => {
    expect(sshLineRefusal(line, { fips }) === undefined).toBe(isTaken)
  })
})

describe('lint FILE', () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'ocpctl-lint-'))
  const lint = (name: string, text: string, ...options: string[]) => {
    const file = path.join(dir, name)
    writeFileSync(file, text)
    return new Promise<{ code: number; out: string }>((resolve) =>
      execFile(process.execPath, ['src/main.ts', 'lint', ...options, file], { cwd: ROOT }, (error, stdout) =>
        resolve({ code: Number(error?.code ?? 0), out: stdout.replaceAll(`${dir}/`, '') }),
      ),
    )
  }
  const lineOf = (text: string, start: string) => text.split('\n').findIndex((each) => each.startsWith(start)) + 1

  it('prints findings with line, rule and installer, and ends with 1 on errors', async () => {
    const text = stringify(spoilt(all(set('publish', 'Mixed'), set('metadata.name', 'a--b'), subnets({ id: 'a' }))))
    const [name, publish] = [lineOf(text, '  name: a--b'), lineOf(text, 'publish:')]
    const vpc = lineOf(text, '    vpc:')
    const mixed = `bad.yaml:${publish} error /publish Mixed is for azure only`
    const dashes = `bad.yaml:${name} error /metadata/name "a--b" has two dashes in a row, with which every installation fails: leave one`
    expect(await lint('bad.yaml', text, '--version', '4.20.3')).toEqual({
      code: 1,
      out: `${dashes} (name-dashes, our rule for 4.20)\n${mixed} (publish, openshift-install 4.20)\n2 errors, 0 warnings\n`,
    })
    const told = '4.18 does not know "vpc", which came with 4.19, and passes over it: the cluster would get a new VPC instead of yours. Name the ids in platform.aws.subnets' // prettier-ignore
    expect(await lint('bad.yaml', text)).toEqual({
      code: 1,
      out:
        `${dashes} (name-dashes, our rule for 4.18 to 4.20)\n` +
        `bad.yaml:${vpc} warning /platform/aws/vpc ${told} (unknown-key, our rule for 4.18)\n` +
        `${mixed} (publish, openshift-install 4.18 to 4.20)\n2 errors, 1 warnings\n`,
    })
  })

  it('ends with 0 when all is well, and says so of what is no YAML', async () => {
    const good = stringify(goodConfig())
    expect(await lint('good.yaml', good, '--version=4.19')).toEqual({ code: 0, out: '0 errors, 0 warnings\n' })
    const broken = await lint('broken.yaml', 'a: b\n c: "\n')
    expect(broken.code).toBe(1)
    expect(broken.out).toMatch(/^broken\.yaml:\d error .*\(yaml\)\n/)
  })

  it('takes no other version, and no other option', async () => {
    expect(await lint('good.yaml', '', '--version', 'newest')).toEqual({ code: 1, out: '' })
    expect(await lint('good.yaml', '', '--verbose')).toEqual({ code: 1, out: '' })
  })
})
