// Profiles: every mistake with its file, line and place; read again when they change; kept by the clusters made from them.
import { mkdirSync, symlinkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync, cpSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { loadCatalog, tellProblem, watchCatalog } from '../src/profiles/catalog.ts'
import { vcpuByName } from '../src/profiles/footprint.ts'
import { parseProfile } from '../src/profiles/profile-file.ts'
import { eventually, openHarness, ROOT, type Harness } from './harness.ts'

const SHIPPED = join(ROOT, 'profiles')
const read = (name: string) => readFileSync(join(SHIPPED, `${name}.yaml`), 'utf8')
const good = read('aws-standard')

describe('a profile', () => {
  it('of those that are shipped is valid, and there is one for each need', () => {
    const names = loadCatalog(SHIPPED)
      .list()
      .map((profile) => profile.name)
    expect(names).toEqual(readdirSync(SHIPPED).filter((name) => name.endsWith('.yaml')).map((name) => name.slice(0, -5)).sort()) // prettier-ignore
    expect(names.length).toBeGreaterThanOrEqual(10)
  })

  it.each<[what: string, text: string, at: string, path: string, detail: string]>([
    [
      'an unknown key',
      good.replace('displayName:', 'colour: red\ndisplayName:'),
      'colour',
      '/colour',
      '"colour" is not a key of a profile here',
    ],
    [
      'an unknown key inside',
      good.replace('  min: 2', '  min: 2\n  mix: 3'),
      '  mix',
      '/workers/mix',
      '"mix" is not a key of a profile here',
    ],
    ['a missing key', good.replace(/^displayName.*\n/m, ''), '#', '/displayName', 'is missing'],
    ['a wrong type', good.replace('min: 2', 'min: two'), '  min', '/workers/min', 'must be of type number'],
    [
      'an unknown platform',
      good.replace('platform: aws', 'platform: mars').replace('credentialsMode: Mint\n', ''),
      'platform',
      '/platform',
      'must be one of aws, azure, gcp, ibmcloud',
    ],
    [
      'a default that is not allowed',
      good.replace('default: us-east-1', 'default: mars-1'),
      '  default: mars',
      '/regions/default',
      'must be one of the allowed values',
    ],
    [
      'a default version out of range',
      good.replace('default: 4.20.3', 'default: 4.21.0'),
      '  default: 4.21',
      '/versions/default',
      'must be one of the allowed values',
    ],
    [
      'a range as default',
      good.replace('default: 4.20.3', 'default: 4.20.x'),
      '  default: 4.20.x',
      '/versions/default',
      'must be a full version such as 4.20.3',
    ],
    [
      'two control plane nodes',
      good.replace('replicas: 3', 'replicas: 2'),
      '  replicas: 2',
      '/controlPlane/replicas',
      'must be 1, 3 or 5',
    ],
    [
      'too few workers',
      good.replace('min: 2', 'min: 4'),
      '  replicas: 3\n  min',
      '/workers/replicas',
      'must lie between min and max',
    ],
    [
      'a default TTL above the longest',
      good.replace('maxTtlHours: 168', 'maxTtlHours: 2'),
      '  defaultTtlHours',
      '/lifecycle/defaultTtlHours',
      'must not be above maxTtlHours',
    ],
    [
      'a choice of time that is none',
      good.replace('maxTtlHours: 168', 'maxTtlHours: 168\n  requesterMayChoose: false'),
      '  maxTtlHours',
      '/lifecycle/maxTtlHours',
      'must be defaultTtlHours when the requester may not choose',
    ],
    [
      'a credentials mode that the platform lacks',
      good
        .replace('platform: aws', 'platform: azure')
        .replace('m6i.xlarge', 'Standard_D4s_v5')
        .replace('m6i.xlarge', 'Standard_D4s_v5')
        .replace('tags:', 'azure:\n  baseDomainResourceGroup: dns\ntags:'),
      'credentialsMode',
      '/credentialsMode',
      'azure takes Passthrough, Manual, not Mint',
    ],
    [
      "another platform's block",
      `${good}gcp:\n  project: p\n`,
      'gcp',
      '/gcp',
      'is for profiles of gcp; this one is of aws',
    ],
    [
      'no project on gcp',
      read('gcp-standard').replace('gcp:\n  project: clusters-test\n', ''),
      '#',
      '/gcp',
      'is missing: gcp.project at least',
    ],
    [
      'zones of several regions',
      good.replace('  min: 2', '  zones: [us-east-1a]\n  min: 2'),
      '  zones',
      '/workers/zones',
      'belong to one region: let the profile offer one region only',
    ],
    [
      'a small disk',
      good.replace('  min: 2', '  rootVolume: { sizeGiB: 50 }\n  min: 2'),
      '  rootVolume',
      '/workers/rootVolume/sizeGiB',
      'must be at least 100: RHCOS and its images need them',
    ],
    [
      'a machine type that tells nothing',
      good.replace('instanceType: m6i.xlarge', 'instanceType: m6i.metal'),
      '  instanceType: m6i.metal',
      '/controlPlane/instanceType',
      'the name m6i.metal does not tell how many vCPU a node has: add controlPlane.vcpu',
    ],
    [
      'networks that overlap',
      `${good}networking:\n  machineNetwork:\n    - 10.128.0.0/16\n`,
      '    - 10.128',
      '/networking/clusterNetwork/0/cidr',
      'the cluster network 10.128.0.0/14 overlaps with the machine network 10.128.0.0/16',
    ],
    [
      'a network that is too small for all its workers',
      `${good}networking:\n  clusterNetwork:\n    - cidr: 10.128.0.0/20\n      hostPrefix: 23\n`,
      '  clusterNetwork',
      '/networking/clusterNetwork',
      'there is room for 8 nodes, and the cluster has 13: take a wider network or a longer hostPrefix',
    ],
    [
      'a proxy with a password',
      `${good}proxy:\n  http: http://me:secret@proxy:3128\n`,
      '  http',
      '/proxy/http',
      'must be a URL without user and password: profiles are shown to everybody',
    ],
    [
      'a tag that its cloud refuses',
      good.replace('environment: test', 'environment: "tést"'),
      '  fixed',
      '/tags/fixed/environment',
      'is no tag of aws: a key has 1 to 128 and a value 1 to 256 characters, each a letter, a digit, a space or one of _ . : / = + @ -',
    ],
    [
      'a default tag that does not match',
      good.replace('tags:\n', 'tags:\n  defaults: { ticket: x }\n  patterns: { ticket: "[A-Z]+-[0-9]+" }\n'),
      '  defaults',
      '/tags/defaults/ticket',
      'does not match [A-Z]+-[0-9]+',
    ],
    [
      'a pattern that is none',
      good.replace('tags:\n', 'tags:\n  patterns: { ticket: "(" }\n'),
      '  patterns',
      '/tags/patterns/ticket',
      'must be a regular expression as RE2 has them: no look-around, no back-references',
    ],
    [
      'a private zone without subnets',
      `${good}aws:\n  hostedZone: Z1\n`,
      '  hostedZone:',
      '/aws/hostedZone',
      'a private zone of your own needs subnets of your own',
    ],
    [
      'roles of subnets that an old release does not know',
      read('aws-private').replace('00001\n', `00001\n      roles: [ClusterNode]\n`),
      '      roles',
      '/aws/subnets/0/roles',
      'means nothing before 4.19: leave the roles out, or take 4.18.27 out of versions.allowed',
    ],
    [
      'gateways that old releases do not have',
      read('azure-standard').replace('azure:\n', 'azure:\n  outboundType: NATGatewayMultiZone\n'),
      '  outboundType',
      '/azure/outboundType',
      'means nothing before 4.20: take NATGatewaySingleZone, or take 4.18.27, 4.19.15 out of versions.allowed',
    ],
    [
      'a size of a volume that the old releases refuse',
      good.replace('  min: 2', '  rootVolume: { sizeGiB: 100, type: io2 }\n  min: 2'),
      '  rootVolume',
      '/workers/rootVolume',
      'must be a positive number with io2; or take 4.18.27, 4.19.15 out of versions.allowed, which alone refuse it',
    ],
    [
      "another region's zone",
      read('gcp-standard')
        .replace(/regions:\n.*\n/, 'regions:\n  allowed: [us-central1]\n')
        .replace('  min: 2', '  zones: [us-central1-a, us-east1-b]\n  min: 2'),
      '  zones',
      '/workers/zones/1',
      '"us-east1-b" is no zone of us-central1',
    ],
    [
      'credentials that IBM Cloud does not make',
      read('ibmcloud-standard').replace('credentialsMode: Manual\n', ''),
      '#',
      '/credentialsMode',
      'IBM Cloud needs Manual, with the credentials made before',
    ],
    [
      'networks of nodes without an address for a pod',
      `${good}networking:\n  clusterNetwork:\n    - cidr: 10.128.0.0/20\n      hostPrefix: 31\n`,
      '      hostPrefix',
      '/networking/clusterNetwork/0/hostPrefix',
      '/31 leaves a node no address for its pods',
    ],
    [
      'a capability that is none',
      `${good}features:\n  capabilities:\n    additional: [Tea]\n`,
      '    additional',
      '/features/capabilities/additional/0',
      'there is no capability "Tea"; there are baremetal, marketplace, openshift-samples, MachineAPI, Console, Insights, Storage, CSISnapshot, NodeTuning, ImageRegistry, Build, DeploymentConfig, OperatorLifecycleManager, CloudCredential, Ingress, CloudControllerManager, OperatorLifecycleManagerV1',
    ],
    [
      'a date that is none',
      good.replace(/pricedAt: .*/, 'pricedAt: yesterday'),
      '  pricedAt',
      '/cost/pricedAt',
      'must be a date such as 2026-01-31',
    ],
  ])('with %s is told file, line and place', (_, text, at, path, detail) => {
    const { problems, profile } = parseProfile('p.yaml', text)
    expect(profile).toBeUndefined()
    const line = `\n${text}`.split(`\n${at}`)[0]?.split('\n').length
    const told = problems.find((problem) => problem.path === path)
    expect({ ...told, line: undefined }).toEqual({ file: 'p.yaml', line: undefined, path, detail })
    // What a file leaves to a default has no line of its own: the nearest above it is told.
    if (!path.startsWith('/networking/clusterNetwork/0')) expect(told?.line).toBe(line)
  })

  it.each([
    [
      'our own tag',
      good.replace('environment: test', 'OCPCTL-Owner: me'),
      'is one of ours, which every cluster carries',
    ],
    [
      'more tags than azure has room for',
      read('azure-standard').replace('environment: test', 'a: b, c: d, e: f, g: h'),
      '11 are too many; azure has room for 10',
    ],
    [
      'a broken pattern for a default',
      good.replace('tags:\n', 'tags:\n  defaults: { x: y }\n  patterns: { x: "[" }\n'),
      'must be a regular expression as RE2 has them: no look-around, no back-references',
    ],
    [
      'a password alone in its proxy',
      `${good}proxy:\n  http: http://:secret@proxy:3128\n`,
      'must be a URL without user and password: profiles are shown to everybody',
    ],
    [
      'a private key in its bundle',
      `${good}trustBundle: |\n  -----BEGIN PRIVATE KEY-----\n  AAAA\n`,
      'may hold certificates only: there is another kind of PEM block',
    ],
    [
      'a size of Azure that counts otherwise',
      read('azure-standard').replace('Standard_D4s_v5', 'Standard_DS3_v2'),
      'the name Standard_DS3_v2 does not tell how many vCPU a node has: add controlPlane.vcpu',
    ],
  ])('with %s is refused', (_, text, detail) => {
    const { problems, profile } = parseProfile('p.yaml', text)
    expect(profile).toBeUndefined()
    expect(problems.map((problem) => problem.detail)).toContain(detail)
  })

  it('tells no more than it must of what is in a broken file', () => {
    const { problems } = parseProfile('p.yaml', 'a: "x" c2VjcmV0\n')
    expect(JSON.stringify(problems)).not.toContain('c2VjcmV0')
    expect(parseProfile('p.yaml', '['.repeat(20_000)).problems.length).toBeLessThanOrEqual(20)
  })

  it('with many mistakes is told them all', () => {
    const bad = good.replace('min: 2', 'min: 4').replace('default: us-east-1', 'default: mars-1').replace('aws\n', 'aws\nx: y\n') // prettier-ignore
    expect(parseProfile('p.yaml', bad).problems.map(({ path }) => path)).toEqual(['/regions/default', '/workers/replicas', '/x']) // prettier-ignore
  })

  it.each([
    ['broken YAML', `${good}\n\tx`],
    ['two keys of one name', `${good}name: b\n`],
    [
      'aliases of aliases',
      `a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`,
    ],
    ['nothing', ''],
    ['a list', '- a'],
    ['a number', '1'],
  ])(
    // prettier-ignore
    'that is %s is told and not taken',
    (_, text) => {
      const { problems, profile } = parseProfile('p.yaml', text)
      expect(profile).toBeUndefined()
      expect(problems.length).toBeGreaterThan(0)
    },
  )

  it.each<[Parameters<typeof vcpuByName>[0], string, number | undefined]>([
    ['aws', 'm6i.large', 2],
    ['aws', 'm6i.xlarge', 4],
    ['aws', 'c7g.16xlarge', 64],
    ['aws', 'm6i.metal', undefined],
    ['aws', 't3.medium', undefined],
    ['azure', 'Standard_D4s_v5', 4],
    ['azure', 'Standard_E16as_v5', 16],
    ['azure', 'Standard_B4ms', 4],
    ['azure', 'Standard_F8s_v2', 8],
    ['azure', 'Standard_DS3_v2', undefined],
    ['azure', 'Standard_D13', undefined],
    ['gcp', 'n2-standard-8', 8],
    ['gcp', 'custom-6-20480', 6],
    ['gcp', 'e2-medium', undefined],
    ['ibmcloud', 'bx2-4x16', 4],
    ['ibmcloud', 'bx2d-16x64', 16],
  ])('of %s with %s has %s vCPU a node', (platform, type, vcpu) => {
    expect(vcpuByName(platform, type)).toBe(vcpu)
  })
})

describe('the catalogue', () => {
  let dir: string
  let stamp = 0
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ocpctl-profiles-'))
    write('a.yaml', named('a'))
    write('b.yaml', named('b'))
  })
  const named = (name: string) => good.replace('name: aws-standard', `name: ${name}`)
  // A size of its own each time: two writes within one tick of the clock look alike.
  const write = (file: string, text: string) => writeFileSync(join(dir, file), `${text}#${'x'.repeat(++stamp)}\n`)

  it('tells all mistakes of all files at the start', () => {
    write('a.yaml', named('a').replace('min: 2', 'min: 4'))
    write('b.yaml', named('b').replace('default: us-east-1', 'default: x'))
    expect(() => loadCatalog(dir)).toThrow(
      /the profiles have mistakes:\n {2}.*a\.yaml:\d+ \/workers\/replicas .*\n {2}.*b\.yaml:\d+ \/regions\/default /,
    )
    expect(() => loadCatalog(join(dir, 'no'))).toThrow(/cannot be read: correct OCPCTL_PROFILES/)
  })

  it('takes new, changed and deleted files, and keeps the last good version of a broken one', () => {
    const catalog = loadCatalog(dir)
    expect(catalog.refresh()).toBe(false)
    write('c.yaml', named('c'))
    write('a.yaml', named('a').replace('Standard on AWS', 'Another'))
    expect(catalog.refresh()).toBe(true)
    expect(catalog.list().map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    expect(catalog.find('a')?.displayName).toBe('Another')

    write('a.yaml', 'broken: "')
    rmSync(join(dir, 'b.yaml'))
    expect(catalog.refresh()).toBe(true)
    expect(catalog.find('a')?.displayName).toBe('Another')
    expect(catalog.find('b')).toBeUndefined()
    expect(catalog.problems().map(tellProblem)).toEqual([expect.stringMatching(/a\.yaml:\d /)])

    write('a.yaml', named('a'))
    expect(catalog.refresh()).toBe(true)
    expect(catalog.problems()).toEqual([])
    expect(catalog.find('a')?.displayName).toBe('Standard on AWS')
  })

  it('keeps what it has while the directory is gone, and tells it once', () => {
    const catalog = loadCatalog(dir)
    rmSync(dir, { recursive: true })
    expect(catalog.refresh()).toBe(true)
    expect(catalog.refresh()).toBe(false)
    expect(catalog.list()).toHaveLength(2)
    expect(catalog.problems()).toEqual([expect.objectContaining({ detail: expect.stringContaining('cannot be read') })])
  })

  it('is read again by itself, and says so in the log', async () => {
    const catalog = loadCatalog(dir)
    const said: unknown[][] = []
    const say = (...words: unknown[]) => void said.push(words)
    const stop = watchCatalog(catalog, { info: say, error: say }, 5)
    write('a.yaml', 'broken: "')
    await eventually(() => said.length === 1)
    write('a.yaml', named('a'))
    await eventually(() => said.length === 2)
    stop()
    expect(said).toEqual([
      [
        { problems: expect.arrayContaining([expect.stringMatching(/a\.yaml:\d /)]) },
        'the profiles have mistakes; the last good version of each file is served',
      ],
      [{ profiles: 2 }, 'the profiles were read again'],
    ])
  })

  it('passes over what is no file, what vanishes, and what editors leave', () => {
    const catalog = loadCatalog(dir)
    symlinkSync('nowhere', join(dir, '.#a.yaml'))
    symlinkSync('nowhere', join(dir, 'gone.yaml'))
    mkdirSync(join(dir, 'old.yaml'))
    write('c.yaml', named('c'))
    expect(catalog.refresh()).toBe(true)
    expect(catalog.list().map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    expect(catalog.problems().map(({ file }) => basename(file))).toEqual(['gone.yaml', 'old.yaml'])
    expect(catalog.refresh()).toBe(false)
  })

  it('leaves a name to the file that had it', () => {
    const catalog = loadCatalog(dir)
    write('0-copy.yaml', named('b').replace('Standard on AWS', 'A copy'))
    catalog.refresh()
    write('a.yaml', named('a'))
    catalog.refresh()
    expect(catalog.find('b')?.displayName).toBe('Standard on AWS')
    expect(catalog.problems().map(tellProblem)).toEqual([
      expect.stringMatching(/0-copy\.yaml:1 \/name "b" is the name of another profile too/),
    ])
  })

  it('refuses two profiles of one name', () => {
    write('b.yaml', named('a'))
    expect(() => loadCatalog(dir)).toThrow('"a" is the name of another profile too')
  })

  it('reads quotas beside the profiles', () => {
    write('quotas.yaml', 'default: { clusters: 5, vcpu: 100 }\nteams:\n  big: { clusters: 50 }\n')
    const catalog = loadCatalog(dir)
    expect(catalog.quotaOf('small')).toEqual({ clusters: 5, vcpu: 100 })
    expect(catalog.quotaOf('big')).toEqual({ clusters: 50, vcpu: 100 })
    expect(catalog.quotaOf('constructor')).toEqual({ clusters: 5, vcpu: 100 })
    write('quotas.yaml', 'default: { clusters: -1 }\nteam: {}\n')
    catalog.refresh()
    expect(catalog.problems().map(({ line, path }) => [line, path])).toEqual([[1, '/default/clusters'], [2, '/team']]) // prettier-ignore
    expect(catalog.quotaOf('small')).toEqual({ clusters: 5, vcpu: 100 })
    rmSync(join(dir, 'quotas.yaml'))
    expect(catalog.refresh()).toBe(true)
    expect(catalog.refresh()).toBe(false)
    expect(catalog.quotaOf('small')).toEqual({ clusters: 5, vcpu: 100 })
    expect(catalog.problems()).toEqual([expect.objectContaining({ detail: expect.stringContaining('still hold') })])
    write('quotas.yaml', 'default: {}\n')
    catalog.refresh()
    expect(catalog.quotaOf('small')).toEqual({})
    expect(catalog.problems()).toEqual([])
  })
})

describe('a cluster', () => {
  let h: Harness
  let dir: string
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ocpctl-profiles-'))
    cpSync(SHIPPED, dir, { recursive: true })
    h = await openHarness({ profilesDir: dir })
    await h.startWorker()
  })
  afterAll(() => h.close())

  it('goes its way when its profile is disabled, broken or deleted, and a broken file shows in readyz', async () => {
    const file = join(dir, 'aws-standard.yaml')
    const { cluster } = await h.requestCluster('kept', { profile: 'aws-standard', workerReplicas: 4 })
    writeFileSync(file, good.replace('platform: aws', 'platform: aws\nenabled: false'))
    h.app.catalog.refresh()
    const ask = (name: string) =>
      h.call('POST', '/clusters', { key: name, body: { name, platform: 'aws', profile: 'aws-standard' } })
    expect((await ask('late')).body.errors).toEqual([
      { pointer: '/profile', detail: 'profile aws-standard is disabled' },
    ])
    await h.reach(cluster.id, 'READY')
    expect((await h.call('GET', `/clusters/${cluster.id}`)).body).toMatchObject({ workerReplicas: 4, vcpu: 28 })

    writeFileSync(file, 'x')
    h.app.catalog.refresh()
    expect(await h.call('GET', '/readyz')).toMatchObject({
      status: 200,
      // The worker has yet to tell what it has read.
      body: { ready: true, degraded: expect.arrayContaining([{ part: 'profiles', detail: expect.stringContaining('aws-standard.yaml:1') }]) }, // prettier-ignore
    })
    rmSync(file)
    h.app.catalog.refresh()
    expect((await ask('later')).status).toBe(404)
    await h.destroy(cluster.id)
    await h.reach(cluster.id, 'DESTROYED')
    expect(h.resources()).toEqual([])
  })

  it('has the profile as it was, and its hash', async () => {
    const { cluster } = await h.requestCluster('hashed')
    const [row] = await h.rows<{ name: string; hash: string }>(
      `select profile_snapshot ->> 'name' as name, profile_hash as hash from clusters where id = '${cluster.id}'`,
    )
    expect(row).toEqual({ name: 'aws-minimal-test', hash: expect.stringMatching(/^[0-9a-f]{64}$/) })
  })
})
