// The policy: every violation with its place, what is allowed, and the nearest that would do; and what it accepts is what
// the installer takes, whatever the strings are.
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { clusterRequest, type ClusterRequest } from '../src/clusters/request.ts'
import type { Platform } from '../src/vocabulary.ts'
import { buildInstallConfig, renderInstallConfig } from '../src/install-config/install-config.ts'
import { lintInstallConfig } from '../src/install-config/lint.ts'
import { readSshKey, sshKeyProblem } from '../src/install-config/ssh-key.ts'
import { effectiveTags, tagBudget } from '../src/install-config/tags.ts'
import type { Holdings } from '../src/policy/decision.ts'
import { decide } from '../src/policy/policy.ts'
import type { Profile } from '../src/profiles/profile.ts'
import { loadCatalog, profileNamed } from '../src/profiles/catalog.ts'
import { parseProfile } from '../src/profiles/profile-file.ts'
import { ROOT } from './harness.ts'
import * as keyModule from './ssh-keys.ts'

const keys = { ...keyModule }

const catalog = loadCatalog(join(ROOT, 'profiles'))
const idle: Holdings = {
  team: 'research',
  quota: {},
  usage: { clusters: 0, vcpu: 0, installs: 0, usdThisMonth: 0, profileUsdThisMonth: 0 },
  now: new Date('2026-03-10T00:00:00Z'),
}
const ask = (more: Partial<ClusterRequest>, profile = 'aws-standard'): ClusterRequest => ({
  name: 'demo',
  platform: profileNamed(catalog, profile).platform,
  profile,
  ...more,
})
const profileWith = (more: Partial<Profile>, name = 'aws-standard'): Profile => ({
  ...profileNamed(catalog, name),
  ...more,
})
const strict = profileWith({
  access: { teams: ['research'] },
  tags: {
    fixed: { environment: 'test' },
    defaults: { purpose: 'trial' },
    required: ['ticket'],
    userKeys: ['ticket', 'purpose', 'x-*'],
    patterns: { ticket: '[A-Z]+-[0-9]+' },
  },
})
const fixedTime = profileWith({ lifecycle: { ...profileNamed(catalog, 'aws-standard').lifecycle, requesterMayChoose: false } }) // prettier-ignore

type Case = [what: string, request: ClusterRequest, profile: Profile, violation: Record<string, unknown>]
const of = (name: string) => profileNamed(catalog, name)
const AMAZON =
  'a key has 1 to 128 and a value 1 to 256 characters, each a letter, a digit, a space or one of _ . : / = + @ -'

const cases: Case[] = [
  [
    'a disabled profile',
    ask({}),
    profileWith({ enabled: false }),
    { pointer: '/profile', detail: 'profile aws-standard is disabled' },
  ],
  [
    'another platform',
    ask({ platform: 'gcp' }),
    of('aws-standard'),
    { pointer: '/platform', detail: 'profile aws-standard is for aws, not gcp', allowed: ['aws'], nearest: 'aws' },
  ],
  [
    'a name with two dashes in a row',
    ask({ name: 'xn--demo' }),
    of('aws-standard'),
    {
      pointer: '/name',
      detail: '"xn--demo" has two dashes in a row, with which every installation fails: leave one',
    },
  ],
  [
    "another team's profile",
    ask({}),
    profileWith({ access: { teams: ['sales'] } }),
    { pointer: '/profile', detail: 'profile aws-standard is for sales, not for team "research"' },
  ],
  [
    'a long life',
    ask({ ttlHours: 200 }),
    of('aws-standard'),
    {
      pointer: '/ttlHours',
      detail: '200 hours is longer than aws-standard allows; at most 168',
      allowed: { min: 1, max: 168 },
      nearest: 168,
    },
  ],
  [
    'a life of its own choice',
    ask({ ttlHours: 5 }),
    fixedTime,
    {
      pointer: '/ttlHours',
      detail: 'clusters of aws-standard live 24 hours: leave it out',
      allowed: [24],
      nearest: 24,
    },
  ],
  [
    'a version that is not offered',
    ask({ version: '4.19.14' }),
    of('aws-standard'),
    {
      pointer: '/version',
      detail: '4.19.14 is not offered by aws-standard; it offers 4.18.27, 4.19.15, 4.20.x',
      allowed: ['4.18.27', '4.19.15', '4.20.x'],
      nearest: '4.19.15',
    },
  ],
  [
    'a misspelt region',
    ask({ region: 'us-est-1' }),
    of('aws-standard'),
    {
      pointer: '/region',
      detail: 'us-est-1 is not offered by aws-standard; it offers us-east-1, us-east-2, us-west-2, eu-west-1',
      allowed: ['us-east-1', 'us-east-2', 'us-west-2', 'eu-west-1'],
      nearest: 'us-east-1',
    },
  ],
  [
    'another domain',
    ask({ baseDomain: 'evil.example.com' }),
    of('aws-standard'),
    {
      pointer: '/baseDomain',
      detail: 'evil.example.com is not offered by aws-standard; it offers clusters.example.com',
      allowed: ['clusters.example.com'],
      nearest: 'clusters.example.com',
    },
  ],
  [
    'many workers',
    ask({ workerReplicas: 20 }),
    of('aws-standard'),
    {
      pointer: '/workerReplicas',
      detail: '20 workers are not what aws-standard allows; from 2 to 10',
      allowed: { min: 2, max: 10 },
      nearest: 10,
    },
  ],
  [
    'workers where there are none',
    ask({ workerReplicas: 1 }, 'aws-minimal-test'),
    of('aws-minimal-test'),
    {
      pointer: '/workerReplicas',
      detail: 'aws-minimal-test has 0 workers, not 1',
      allowed: { min: 0, max: 0 },
      nearest: 0,
    },
  ],
  [
    'off-hours',
    ask({ offHours: { zone: 'Europe/Berlin', awake: ['Mon-Fri 07:00-19:00'] } }),
    of('aws-standard'),
    {
      pointer: '/offHours',
      detail: 'aws-standard lets no cluster have off-hours: leave them out, or take a profile that does',
    },
  ],
  [
    'a weak SSH key',
    ask({ sshPublicKey: keys.RSA_1024 }),
    of('aws-standard'),
    {
      pointer: '/sshPublicKey',
      detail: 'is an RSA key of 1024 bits; at least 2048 are needed, such as ssh-keygen -t rsa -b 4096 makes',
    },
  ],
  [
    'Ed25519 in FIPS',
    ask({ sshPublicKey: keys.ED25519 }, 'aws-fips'),
    of('aws-fips'),
    {
      pointer: '/sshPublicKey',
      detail: 'is an Ed25519 key, which FIPS does not allow: take an RSA key, or ecdsa-sha2-nistp256',
    },
  ],
  [
    'a digit first on gcp',
    ask({ name: '1st' }, 'gcp-standard'),
    of('gcp-standard'),
    { pointer: '/name', detail: 'a name on gcp begins with a letter' },
  ],
  [
    'a reserved name on azure',
    ask({ name: 'windows-x' }, 'azure-standard'),
    of('azure-standard'),
    { pointer: '/name', detail: `Azure reserves a word in "windows-x" for its owner's products: take another name` },
  ],
  [
    'our own tag',
    ask({ tags: { 'ocpctl-owner': 'me' } }),
    of('aws-standard'),
    { pointer: '/tags/ocpctl-owner', detail: 'the key "ocpctl-owner" is reserved' },
  ],
  [
    "the cloud's own tag",
    ask({ tags: { 'kubernetes.io/x': 'y' } }),
    of('aws-standard'),
    { pointer: '/tags/kubernetes.io~1x', detail: 'the key "kubernetes.io/x" is reserved on aws' },
  ],
  [
    'a tag that aws refuses',
    ask({ tags: { a: 'b;c' } }),
    of('aws-standard'),
    { pointer: '/tags/a', detail: `is no tag of aws: ${AMAZON}` },
  ],
  [
    'a tag with a newline',
    ask({ tags: { a: 'b\nc: d' } }),
    of('aws-standard'),
    { pointer: '/tags/a', detail: `is no tag of aws: ${AMAZON}` },
  ],
  [
    'a fixed tag',
    ask({ tags: { environment: 'prod' } }),
    of('aws-standard'),
    {
      pointer: '/tags/environment',
      detail: 'aws-standard sets this tag to "test"',
      allowed: ['test'],
      nearest: 'test',
    },
  ],
  [
    'a tag that the profile does not take',
    ask({ tags: { tiket: 'A-1' } }),
    strict,
    {
      pointer: '/tags/tiket',
      detail: 'aws-standard takes the tags ticket, purpose, x-* only',
      allowed: ['ticket', 'purpose', 'x-*'],
      nearest: 'ticket',
    },
  ],
  [
    'a tag that does not match',
    ask({ tags: { ticket: 'A-1 or so' } }),
    strict,
    { pointer: '/tags/ticket', detail: '"A-1 or so" does not match [A-Z]+-[0-9]+' },
  ],
  ['a missing tag', ask({}), strict, { pointer: '/tags', detail: 'the tag "ticket" is required by aws-standard' }],
  [
    'too many tags on azure',
    ask({ tags: { a: '1', b: '2', c: '3' } }, 'azure-standard'),
    of('azure-standard'),
    { pointer: '/tags', detail: '3 tags are too many; at most 2 with azure-standard', allowed: { max: 2 } },
  ],
  [
    'two keys that azure takes for one',
    ask({ tags: { Environment: 'test' } }, 'azure-standard'),
    of('azure-standard'),
    { pointer: '/tags/Environment', detail: 'azure takes this key for the same as another: environment, Environment' },
  ],
  [
    'a label in capitals',
    ask({ tags: { Team: 'x' } }, 'gcp-standard'),
    of('gcp-standard'),
    {
      pointer: '/tags/Team',
      detail:
        'is no tag of gcp: a key has at most 63 lower-case letters, digits, _ and -, beginning with a letter; a value has 1 to 63 of the same',
    },
  ],
]

describe('a request', () => {
  it.each(cases)('with %s is told what is allowed', (_, request, profile, violation) => {
    const decision = decide(request, profile, idle)
    expect(decision.allowed).toBe(false)
    expect(decision.violations).toContainEqual(violation)
  })

  it.each(catalog.list().map(({ name }) => name))(
    'of nothing but the profile %s is allowed when it is enabled',
    (name) => {
      const { violations } = decide(ask({}, name), { ...of(name), enabled: true }, idle)
      expect(violations).toEqual([])
    },
  )

  it('may name any version of a range, a required tag, and tags by their beginning', () => {
    const request = ask({ version: '4.20.17', tags: { ticket: 'OPS-12', 'x-note': 'a b' } })
    expect(decide(request, strict, idle)).toMatchObject({ allowed: true, terms: { version: '4.20.17' } })
  })

  it.each(['v4.20.3', ' 4.20.3 ', '4.20.3+x', '4.20', '4.20.x'])('may not name the version %j', (version) => {
    expect(decide(ask({ version }), of('aws-standard'), idle).allowed).toBe(false)
  })

  it('is decided at once, whatever the pattern of a tag', () => {
    const slow = profileWith({ tags: { ...strict.tags, userKeys: undefined, required: [], patterns: { x: '(a+)+' } } })
    const { violations } = decide(ask({ tags: { x: `${'a'.repeat(200)}!` } }), slow, idle)
    expect(violations).toEqual([expect.objectContaining({ pointer: '/tags/x' })])
  })

  it('is spent on a cost centre of its team, the first of them unless it names one', () => {
    const holdings = { ...idle, quota: { costCenters: ['CC-100', 'CC-200'] } }
    const decided = (costCenter?: string) =>
      decide(ask(costCenter === undefined ? {} : { costCenter }), of('aws-standard'), holdings)
    expect(decided()).toMatchObject({ allowed: true, terms: { costCenter: 'CC-100' } })
    expect(decided('CC-200')).toMatchObject({ allowed: true, terms: { costCenter: 'CC-200' } })
    expect(decided('CC-201').violations).toEqual([
      {
        pointer: '/costCenter',
        detail: 'team "research" does not spend on "CC-201"',
        allowed: ['CC-100', 'CC-200'],
        nearest: 'CC-200',
      },
    ])
    expect(decide(ask({ costCenter: 'any' }), of('aws-standard'), idle)).toMatchObject({
      allowed: true,
      terms: { costCenter: 'any' },
    })
  })

  it('is told of all quotas at once, what there is and what it needs', () => {
    const holdings: Holdings = {
      ...idle,
      quota: { clusters: 3, vcpu: 40, concurrentInstalls: 1, usdPerMonth: 100 },
      usage: { clusters: 3, vcpu: 24, installs: 1, usdThisMonth: 80.5, profileUsdThisMonth: 190 },
    }
    const profile = profileWith({ cost: { ...of('aws-standard').cost, monthlyCeilingUsd: 200 } })
    const decision = decide(ask({}), profile, holdings)
    const end = 'destroy what is no longer used, or ask an administrator for more'
    expect(decision.isOnlyQuota).toBe(true)
    expect(decision.violations).toEqual([
      {
        pointer: '/team',
        detail: `team "research" holds 3 of 3 clusters, and this cluster needs 1: ${end}`,
        allowed: { max: 0 },
      },
      {
        pointer: '/team',
        detail: `team "research" holds 24 of 40 vCPU, and this cluster needs 24: ${end}`,
        allowed: { max: 16 },
      },
      {
        pointer: '/team',
        detail: `team "research" holds 1 of 1 installations at once, and this cluster needs 1: ${end}`,
        allowed: { max: 0 },
      },
      {
        pointer: '/team',
        detail: `team "research" holds 80.5 of 100 USD of this month, and this cluster needs 34.8: ${end}`,
        allowed: { max: 19.5 },
      },
      {
        pointer: '/profile',
        detail: `profile aws-standard holds 190 of 200 USD of this month, and this cluster needs 34.8: ${end}`,
        allowed: { max: 10 },
      },
    ])
    expect(decide(ask({ region: 'x' }), profile, holdings).isOnlyQuota).toBe(false)
  })

  it('is warned near the limit of a month', () => {
    const holdings = { ...idle, quota: { usdPerMonth: 100 }, usage: { ...idle.usage, usdThisMonth: 50 } }
    expect(decide(ask({ tags: { a: 'b' } }), of('aws-standard'), holdings).warnings).toEqual([
      { pointer: '/team', detail: 'team "research" comes to 84.8 of 100 USD this month' },
    ])
  })

  it('costs by its workers, until its end, and in this month only what falls into it', () => {
    const late = { ...idle, now: new Date('2026-03-31T14:00:00Z') }
    const decision = decide(ask({ workerReplicas: 5, ttlHours: 100 }), of('aws-standard'), late)
    expect(decision.cost).toEqual({ usdPerHour: 1.87, usdUntilExpiry: 187, usdThisMonth: 18.7 })
    expect(decision.footprint).toEqual({ nodes: 8, vcpu: 32, loadBalancers: 3, publicAddresses: 4 })
  })
})

describe('tags', () => {
  const cluster = {
    id: 'clu_1',
    name: 'demo',
    owner: 'oidc_subject:José',
    team: 'A Team',
    costCenter: 'CC 1',
    destroyAt: new Date(0),
    installationId: 'ins_1',
  }
  it.each<[Platform, Record<string, string>]>([
    [
      'aws',
      { 'ocpctl-owner': 'oidc_subject:Jos-', 'ocpctl-team': 'A Team', 'ocpctl-expires': '1970-01-01T00:00:00.000Z' },
    ],
    ['azure', { 'ocpctl-owner': 'oidc_subject:Jos-', 'ocpctl-team': 'A-Team', 'ocpctl-cost-center': 'CC-1' }],
    [
      'gcp',
      { 'ocpctl-owner': 'oidc_subject-jos-', 'ocpctl-team': 'a-team', 'ocpctl-expires': '1970-01-01t00-00-00-000z' },
    ],
  ])('of ours fit %s, and no request replaces them or the profile’s', (platform, expected) => {
    const profile = of(`${platform}-standard`)
    const tags = effectiveTags({ tags: { 'ocpctl-owner': 'x', environment: 'prod', mine: 'yes' }, profile }, cluster)
    expect(tags).toMatchObject({ ...expected, environment: 'test', mine: 'yes', 'ocpctl-cluster-id': 'clu_1' })
  })
})

describe('an SSH key', () => {
  it.each([
    ['RSA_2048', 'ssh-rsa', 2048],
    ['RSA_1024', 'ssh-rsa', 1024],
    ['ED25519', 'ssh-ed25519', 256],
    ['ECDSA_256', 'ecdsa-sha2-nistp256', 256],
    ['ECDSA_384', 'ecdsa-sha2-nistp384', 384],
    ['ECDSA_521', 'ecdsa-sha2-nistp521', 521],
  ] as const)('%s is read as %s of %s bits', (name, kind, bits) => {
    expect(readSshKey(keys[name])).toEqual({ kind, bits })
  })

  it.each([
    ['hello', 'must be one line of an OpenSSH public key, such as "ssh-ed25519 AAAA… you@host"'],
    [
      'ssh-dss AAAA',
      '"ssh-dss" is no kind of key that the nodes take; they take ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, ecdsa-sha2-nistp521',
    ],
    [keys.ED25519.slice(0, 60), 'is cut off or not what its first word says: copy the whole line of the .pub file'],
    [
      keys.ED25519.replace('ssh-ed25519 ', 'ssh-rsa '),
      'is cut off or not what its first word says: copy the whole line of the .pub file',
    ],
    [
      `${keys.ED25519}\nssh-rsa AAAA`,
      'must be one line of an OpenSSH public key, such as "ssh-ed25519 AAAA… you@host"',
    ],
  ])('%j is refused', (line, problem) => {
    expect(sshKeyProblem(line, { fips: false })).toBe(problem)
  })
})

const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.constantFrom(...['yes', 'no', '1.0', '0x10', '1e3', 'null', '~', '&a', '*a', '!!int 1', "'", '"', 'a: b', '- a']),
  fc.constantFrom(
    ...['# c', '{', '[', '|', '>', '%', '@', '`', '\n\nx: y', ' ', '', '😀', '\u0000', '\u2028', '\ufeff'],
  ),
  fc.constantFrom(
    ...['2026-11-24', '<<', '__proto__', 'constructor', '---', '...', '\t', '\r\n', 'true', '.inf', '0o7'],
  ),
)

describe('install-config.yaml', () => {
  it('parses back to what was built, whatever the strings are', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...catalog.list()),
        hostile,
        hostile,
        fc.dictionary(hostile, hostile, { maxKeys: 5 }),
        (profile, sshPublicKey, pullSecret, tags) => {
          const input = { name: 'demo', version: '4.20.3', baseDomain: 'example.com', region: 'r', workerReplicas: 3, profile, tags, sshPublicKey, pullSecret } // prettier-ignore
          const text = renderInstallConfig(input)
          const built = JSON.parse(JSON.stringify(buildInstallConfig(input)))
          expect(parse(text)).toEqual(built)
          // The installer's own reader is of YAML 1.1.
          expect(parse(text, { version: '1.1' })).toEqual(built)
          expect(renderInstallConfig(input)).toBe(text)
        },
      ),
      { numRuns: 300 },
    )
  })

  it(
    'of ten thousand random requests is what the installer takes whenever the policy allows it',
    { timeout: 120_000 },
    () => {
      const profiles = catalog.list().map((profile) => ({ ...profile, enabled: true }))
      const text = (likely: string[]) => fc.option(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...likely) }, hostile), { nil: undefined, freq: 3 }) // prettier-ignore
      const name = fc.oneof(
        fc.stringMatching(/^[a-z0-9](-?[a-z0-9]){0,10}$/),
        fc.constantFrom('google', 'xbox1', '1a', 'a'),
      )
      const tag = fc.oneof(
        { weight: 12, arbitrary: fc.stringMatching(/^[a-z][a-z0-9_-]{0,10}$/) },
        fc.constantFrom('Team', 'a b', 'environment', 'Name'),
        hostile,
      )
      const requests = fc.oneof(
        ...profiles.map((profile) =>
          fc.record(
            {
              name,
              profile: fc.constant(profile.name),
              version: text(['4.20.3', '4.20.9', '4.18.27', '4.19.15']),
              region: text(profile.regions.allowed),
              baseDomain: text(['clusters.example.com']),
              ttlHours: fc.option(fc.integer({ min: 1, max: profile.lifecycle.maxTtlHours + 10 }), { nil: undefined }),
              workerReplicas: fc.option(fc.integer({ min: profile.workers.min, max: profile.workers.max + 1 }), {
                nil: undefined,
                freq: 2,
              }),
              owner: hostile,
              team: hostile,
              sshPublicKey: fc.option(
                fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...Object.values(keys)) }, hostile),
                { nil: undefined },
              ),
              tags: fc.option(
                fc.dictionary(
                  tag,
                  fc.oneof({ weight: 9, arbitrary: fc.stringMatching(/^[a-z0-9-]{1,12}$/) }, hostile),
                  {
                    maxKeys: 3,
                  },
                ),
                { nil: undefined },
              ),
            },
            { requiredKeys: ['name', 'profile'] },
          ),
        ),
      )
      let accepted = 0
      fc.assert(
        fc.property(requests, (draft) => {
          const profile = profiles.find((each) => each.name === draft.profile)
          if (!profile) throw new Error('no such profile')
          const { success, data: request } = clusterRequest.safeParse({ ...draft, platform: profile.platform })
          if (!success) return
          const decision = decide(request, profile, idle)
          if (!decision.allowed) {
            expect(
              decision.violations.every(({ pointer, detail }) => pointer.startsWith('/') && detail.length > 5),
            ).toBe(true)
            return
          }
          accepted++
          const { terms } = decision
          const owner = request.owner ?? 'somebody'
          const tags = effectiveTags(
            { tags: request.tags ?? {}, profile },
            { id: 'clu_01k0000000e0000000000000000', name: request.name, owner, team: request.team ?? 't', costCenter: null, destroyAt: new Date(0), installationId: 'ins_1' }, // prettier-ignore
          )
          expect(Object.keys(tags).length).toBeLessThanOrEqual(tagBudget[profile.platform])
          const input = { ...terms, name: request.name, profile, tags, sshPublicKey: request.sshPublicKey, pullSecret: '{"auths":{"quay.io":{"auth":"x"}}}' } // prettier-ignore
          const config = parse(renderInstallConfig(input))
          expect(config).toEqual(JSON.parse(JSON.stringify(buildInstallConfig(input))))
          expect(lintInstallConfig(config, terms.version).filter(({ severity }) => severity === 'error')).toEqual([])
        }),
        { numRuns: 10_000 },
      )
      // About a thousand get so far. With few it would prove little.
      expect(accepted).toBeGreaterThan(500)
    },
  )

  it.each(['no', 'on', 'y', 'off', '0b11', '1e3', '0o7', '1-30', '007'])('keeps the name %s a string', (name) => {
    const input = { name, version: '4.20.3', baseDomain: 'example.com', region: 'r', workerReplicas: 3, profile: of('aws-standard'), tags: { [name]: name }, pullSecret: '{}' } // prettier-ignore
    for (const version of ['1.1', '1.2'] as const) {
      const config = parse(renderInstallConfig(input), { version })
      expect(config.metadata).toEqual({ name })
      expect(config.platform.aws.userTags).toEqual({ [name]: name })
    }
  })

  it('has every key that a profile can set', () => {
    const text = [
      'name: full',
      'displayName: Full',
      'description: All of it.',
      'platform: aws',
      'credentialsMode: Manual',
      'versions: { allowed: [4.20.x], default: 4.20.3 }',
      'regions: { allowed: [us-east-1], default: us-east-1 }',
      'baseDomains: { allowed: [example.com], default: example.com }',
      'controlPlane: { replicas: 3, instanceType: m7g.xlarge, zones: [us-east-1a], architecture: arm64, rootVolume: { sizeGiB: 200, type: io2, iops: 4000 } }',
      'workers: { replicas: 3, min: 3, max: 9, instanceType: m7g.xlarge, architecture: arm64 }',
      'lifecycle: { defaultTtlHours: 24, maxTtlHours: 72 }',
      'networking: { clusterNetwork: [{ cidr: 10.128.0.0/15, hostPrefix: 23 }, { cidr: 10.130.0.0/15, hostPrefix: 23 }], machineNetwork: [10.1.0.0/16, 10.2.0.0/16], serviceNetwork: 172.20.0.0/16, mtu: 8800 }',
      'features: { fips: true, private: true, featureSet: TechPreviewNoUpgrade, capabilities: { baseline: v4.18, additional: [Console] } }',
      'proxy: { http: "http://proxy.example.com:3128", noProxy: ".example.com,10.0.0.0/8" }',
      'imageMirrors: [{ source: quay.io/openshift, mirrors: [mirror.example.com/openshift] }]',
      'cost: { usdPerHour: 1, reckoned: somehow }',
      'aws: { imdsv2: true, subnets: [{ id: subnet-1, roles: [ClusterNode, BootstrapNode, IngressControllerLB, ControlPlaneInternalLB] }], hostedZone: Z1, hostedZoneRole: "arn:aws:iam::1:role/dns", lbType: NLB }',
    ].join('\n')
    const { profile, problems } = parseProfile('full.yaml', text)
    expect(problems).toEqual([])
    if (!profile) return
    const input = { name: 'demo', version: '4.20.3', baseDomain: 'example.com', region: 'us-east-1', workerReplicas: 4, profile, tags: { a: 'b' }, sshPublicKey: keys.ECDSA_256, pullSecret: '{}' } // prettier-ignore
    expect(parse(renderInstallConfig(input))).toEqual({
      apiVersion: 'v1',
      metadata: { name: 'demo' },
      baseDomain: 'example.com',
      credentialsMode: 'Manual',
      controlPlane: {
        name: 'master',
        replicas: 3,
        architecture: 'arm64',
        platform: {
          aws: {
            type: 'm7g.xlarge',
            zones: ['us-east-1a'],
            rootVolume: { size: 200, type: 'io2', iops: 4000 },
            metadataService: { authentication: 'Required' },
          },
        },
      },
      compute: [
        {
          name: 'worker',
          replicas: 4,
          architecture: 'arm64',
          platform: { aws: { type: 'm7g.xlarge', metadataService: { authentication: 'Required' } } },
        },
      ],
      networking: {
        networkType: 'OVNKubernetes',
        clusterNetwork: [
          { cidr: '10.128.0.0/15', hostPrefix: 23 },
          { cidr: '10.130.0.0/15', hostPrefix: 23 },
        ],
        serviceNetwork: ['172.20.0.0/16'],
        machineNetwork: [{ cidr: '10.1.0.0/16' }, { cidr: '10.2.0.0/16' }],
        clusterNetworkMTU: 8800,
      },
      platform: {
        aws: {
          region: 'us-east-1',
          propagateUserTags: true,
          userTags: { a: 'b' },
          lbType: 'NLB',
          hostedZone: 'Z1',
          hostedZoneRole: 'arn:aws:iam::1:role/dns',
          vpc: {
            subnets: [
              {
                id: 'subnet-1',
                roles: ['ClusterNode', 'BootstrapNode', 'IngressControllerLB', 'ControlPlaneInternalLB'].map((type) => ({ type })), // prettier-ignore
              },
            ],
          },
        },
      },
      publish: 'Internal',
      fips: true,
      featureSet: 'TechPreviewNoUpgrade',
      capabilities: { baselineCapabilitySet: 'v4.18', additionalEnabledCapabilities: ['Console'] },
      proxy: { httpProxy: 'http://proxy.example.com:3128', noProxy: '.example.com,10.0.0.0/8' },
      imageDigestSources: [{ source: 'quay.io/openshift', mirrors: ['mirror.example.com/openshift'] }],
      pullSecret: '{}',
      sshKey: keys.ECDSA_256,
    })
  })
})
