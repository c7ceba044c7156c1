import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { runDiagnose } from '../src/commands/diagnose.ts'
import { catalogue } from '../src/diagnosis/catalog.ts'
import { readLog } from '../src/diagnosis/evidence.ts'
import { diagnose } from '../src/diagnosis/diagnosis.ts'
import { wordsOf } from '../src/diagnosis/words.ts'

type Case = { reason: string; log: string; exitCode?: number; command?: string }
type Known = Case & { name: string; infrastructure?: boolean; says?: string }
type NearMiss = Case & { not: string; why: string }

const read = (name: string): unknown =>
  parse(readFileSync(new URL(`fixtures/logs/${name}.yaml`, import.meta.url), 'utf8'))
// The files are ours, and every field is used by a test below.
const known = ['aws', 'other-clouds', 'installer', 'field'].flatMap((name) => read(name) as Known[])
const nearMisses = read('near-misses') as NearMiss[]

// What the field calls them. Dashboards and retry rules are keyed by these, so none may go or change.
const REQUIRED = `AWSInsufficientCapacity AWSEC2QuotaExceeded AWSNATGatewayLimitExceeded AWSVPCLimitExceeded
  S3BucketsLimitExceeded LoadBalancerLimitExceeded EIPAddressLimitExceeded VcpuLimitExceeded Gp3VolumeLimitExceeded
  TooManyRoute53Zones AWSIAMRoleTagLimitExceeded AWSSubnetTagLimitExceeded AWSSubnetInsufficientIPSpace
  AWSSubnetDoesNotExist AWSVPCDoesNotExist MissingPublicSubnetForZone PrivateSubnetInMultipleZones
  InvalidInstallConfigSubnet AWSUnableToFindMatchingRouteTable TargetGroupNotFound ErrorCreatingNetworkLoadBalancer
  NATGatewayFailed InconsistentTerraformResult AWSAPIRateLimitExceeded AWSRoute53Timeout DNSAlreadyExists
  NoMatchingRoute53Zone MultipleRoute53ZonesFound PendingVerification AWSAccountIsBlocked InvalidCredentials
  AWSInsufficientPermissions AWSDeniedBySCP AWSAccessDeniedSLR DefaultEbsKmsKeyInsufficientPermissions
  S3AccessControlListNotSupported InvalidAWSTags ErrorDeletingIAMRole InstallerFailedToDestroyResources
  UserInitiatedShutdown GCPInvalidProjectID GCPInstanceTypeNotFound GCPPreconditionFailed GCPQuotaSSDTotalGBExceeded
  GCPComputeQuotaExceeded GCPServiceAccountQuotaExceeded LibvirtSSHKeyPermissionDenied LibvirtConnectionFailed
  ProxyTimeout ProxyInvalidCABundle KubeAPIWaitTimeout KubeAPIWaitFailed BootstrapFailed GenericBootstrapFailed
  NoWorkerNodesReady MonitoringOperatorStillUpdating IngressOperatorDegraded AuthenticationOperatorDegraded
  GeneralOperatorDegraded GeneralClusterOperatorsStillUpdating InstallConfigNetworkAuthFail
  InstallConfigNetworkBadCACert FallbackQuotaExceeded FallbackResourceLimitExceeded FallbackInvalidInstallConfig
  FallbackInstancesFailedToBecomeReady AttemptDeadlineExceeded UnknownError InvalidInstallConfig`.split(/\s+/)

describe('the catalogue', () => {
  const ids = catalogue.map(({ reason }) => reason)

  test('has every reason that the field uses, each once', () => {
    expect(REQUIRED.filter((id) => !ids.includes(id))).toEqual([])
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
  })

  test('has a case for every reason and every pattern', () => {
    const cased = new Set(known.map(({ reason }) => reason))
    expect(ids.filter((id) => !cased.has(id))).toEqual([])
    const lines = known.map(({ reason, log }) => {
      const { errors, others, earlierErrors } = readLog(log, { fromLastStart: false })
      return { reason, said: [...errors, ...others, ...earlierErrors].map(({ said }) => said) }
    })
    const unused = catalogue.flatMap(({ reason, patterns }) =>
      patterns
        .filter(
          (pattern) => !lines.some((line) => line.reason === reason && line.said.some((said) => pattern.test(said))),
        )
        .map((pattern) => `${reason} ${pattern}`),
    )
    expect(unused).toEqual([])
  })

  test('a line that a pattern matches has one of its words', () => {
    const said = known.flatMap(({ log }) => log.split('\n'))
    for (const pattern of catalogue.flatMap(({ patterns }) => patterns))
      for (const line of said.filter((text) => pattern.test(text)))
        expect(
          wordsOf(pattern).some((word) => line.toLowerCase().includes(word)),
          `${pattern} ${line}`,
        ).toBe(true)
  })

  test('says of every reason what to do, and nothing that contradicts it', () => {
    for (const { reason, remedy, retry, patterns } of catalogue) {
      expect(remedy, reason).toMatch(/^[A-Z][^\n]{20,400}$/)
      expect(retry.delaySeconds > 0, reason).toBe(retry.worthwhile)
      for (const pattern of patterns) expect(pattern.flags, `${reason} ${pattern}`).toBe('i')
    }
  })
})

describe('a known failure', () => {
  test.each(known)('$reason: $name', ({ log, exitCode, command, reason, infrastructure, says }) => {
    const diagnosis = diagnose({ log, exitCode, command })
    expect(diagnosis).toMatchObject({ reason, fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) })
    if (infrastructure !== undefined) expect(diagnosis.infrastructureMayExist).toBe(infrastructure)
    if (says !== undefined) expect(diagnosis.remedy).toContain(says)
  })
})

describe('a near miss', () => {
  test('is told apart in enough ways', () => expect(nearMisses.length).toBeGreaterThanOrEqual(40))

  test.each(nearMisses)('is not $not: $why', ({ log, exitCode, command, reason, not }) => {
    expect(reason).not.toBe(not)
    expect(diagnose({ log, exitCode, command }).reason).toBe(reason)
  })
})

describe('the form of a log', () => {
  const said = 'Error: creating EC2 VPC: VpcLimitExceeded: The maximum number of VPCs has been reached.'
  const noise = 'Creating infrastructure resources...'
  const forms: Record<string, string> = {
    'the log file': `time="2025-03-04T10:00:00Z" level=info msg="${noise}"\ntime="2025-03-04T10:00:01Z" level=error msg="${said}\\n\\tstatus code: 400"\n`,
    'stderr without a terminal': `level=info msg=${noise}\nlevel=error msg=${said}\n`,
    'stderr of older installers': `level=info msg="${noise}"\nlevel=error msg="${said}"\n`,
    'a terminal': `INFO ${noise}         \nERROR ${said} \n`,
    'a terminal with seconds': `INFO[0001] ${noise}\nERRO[0002] ${said}\n`,
    colours: `\u001b[36mINFO\u001b[0m ${noise}\n\u001b[31mERROR\u001b[0m ${said}\n`,
    'ends of lines as Windows writes them': `level=info msg=${noise}\r\nlevel=error msg=${said}\r\n`,
    'a time in front, as pods and CI keep it': `2025-03-04T10:00:00.123456789Z level=info msg=${noise}\n2025-03-04T10:00:01.123456789Z level=error msg=${said}\n`,
    'two times in front of a terminal': `2024-01-31 22:23:55  2024-01-31T16:53:46Z INFO ${noise}\n2024-01-31 22:23:55  2024-01-31T16:53:46Z ERROR ${said}\n`,
    'the name of a container in front': `[pod/demo-install/hive] time="2025-03-04T10:00:00Z" level=info msg="${noise}"\n[pod/demo-install/hive] time="2025-03-04T10:00:01Z" level=error msg="${said}" installID=abc\n`,
    'what was said, without levels': `${noise}\n${said}\n`,
    'the cause below the fatal line': `level=info msg=${noise}\nlevel=fatal msg=failed to apply Terraform: exit status 1\n\n${said}\n`,
  }

  test.each(Object.entries(forms))('%s', (_, log) => {
    const diagnosis = diagnose({ log, exitCode: 4 })
    expect(diagnosis.reason).toBe('AWSVPCLimitExceeded')
    expect(diagnosis.evidence).toHaveLength(1)
    expect(diagnosis.evidence[0]?.line).toBe(log.split('\n').findIndex((line) => line.includes('VpcLimitExceeded')) + 1)
    expect(diagnosis.evidence[0]?.text).toMatch(/^Error: creating EC2 VPC: VpcLimitExceeded/)
  })

  test('is all that its fingerprint does not depend on', () => {
    const [first, ...others] = Object.entries(forms)
      .filter(([name]) => !/below|the log file/.test(name))
      .map(([, log]) => diagnose({ log }).fingerprint)
    for (const other of others) expect(other).toBe(first)
  })

  test('a message of several lines is one message, and the place of its answer is told', () => {
    const log = [
      'level=fatal msg=could not retrieve base domains: Get https://dns.example.com: oauth2: cannot fetch token: 400 Bad Request',
      'level=fatal msg=Response: {"error":"invalid_client"}',
      'level=fatal msg=Error: creating EC2 Subnet: something else',
    ].join('\n')
    const { reason, evidence } = diagnose({ log })
    expect(reason).toBe('InvalidCredentials')
    expect(evidence).toEqual([{ line: 1, text: expect.stringContaining('oauth2: cannot fetch token') }])
    const oneLine =
      'level=fatal msg="oauth2: cannot fetch token: 400 Bad Request\\nResponse: {\\"error\\":\\"invalid_grant\\"}"\n'
    expect(diagnose({ log: oneLine }).reason).toBe('InvalidCredentials')
  })

  test('two messages are not one', () => {
    const log =
      'level=error msg=Error: deleting a load balancer\nlevel=error msg=Error: InternalFailure of something else\n'
    expect(diagnose({ log }).reason).not.toBe('ErrorCreatingNetworkLoadBalancer')
  })

  test('the end of an endless line is read', () => {
    const log = `level=error msg="${'failed to '.repeat(400_000)}VpcLimitExceeded: The maximum number of VPCs"\n`
    const { reason, evidence } = diagnose({ log })
    expect(reason).toBe('AWSVPCLimitExceeded')
    expect(evidence[0]?.text.length).toBeLessThanOrEqual(500)
  })

  test('evidence is short, shows the place, and is at most five lines', () => {
    const log = `level=error msg=${'x '.repeat(4000)}VpcLimitExceeded ${'y '.repeat(4000)}\n`.repeat(9)
    const { evidence } = diagnose({ log })
    expect(evidence).toHaveLength(5)
    for (const { text } of evidence) {
      expect(text.length).toBeLessThanOrEqual(500)
      expect(text).toContain('VpcLimitExceeded')
    }
  })
})

describe('an unknown failure', () => {
  const terraform = `level=info msg=Creating infrastructure resources...
level=error
level=error msg=Error: creating a flux capacitor: it lost its charge
level=error
level=error msg=  with module.masters.flux_capacitor.master[0],
level=error msg=  on master/main.tf line 20, in resource "flux_capacitor" "master":
level=error msg=  20: resource "flux_capacitor" "master" {
level=error msg=}
level=error msg=--------------------------------------------------------------------------------
level=fatal msg=failed to fetch Cluster: failed to generate asset "Cluster": failed to create cluster: failed to apply Terraform: exit status 1
`

  test('is shown by the lines that tell, with its stage', () => {
    const { reason, evidence, remedy, stage } = diagnose({ log: terraform, exitCode: 4 })
    expect(reason).toBe('UnknownError')
    expect(evidence.map(({ line }) => line)).toEqual([3, 10])
    expect(stage).toBe('while the infrastructure was made')
    expect(remedy).toMatch(/^It failed while the infrastructure was made\. /)
  })

  test.each([
    [
      'Azure says NewThing',
      `level=error msg=PUT https://management.azure.com/subscriptions/1
level=error msg=RESPONSE 200: 200 OK
level=error msg=ERROR CODE: NewThing`,
    ],
    [
      'Azure says InnerThing',
      String.raw`level=error msg=Error: autorest/azure: Service returned an error. Code="DeploymentFailed" Message="x" Details=[{"code":"Conflict","message":"{\"error\":{\"code\":\"InnerThing\"}}"}]`,
    ],
    ['Google says oddReason', 'level=error msg=Error: creating it: googleapi: Error 400: It is odd., oddReason'],
    [
      'AWS says OddParameter.Odd',
      'level=error msg=failed to create cluster: operation error EC2: CreateOdd, https response error StatusCode: 400, RequestID: 1, api error OddParameter.Odd: no',
    ],
    [
      'AWS says OddThing',
      'level=error msg=Error: creating EC2 Thing: OddThing: no\nlevel=error msg=\tstatus code: 400, request id: 1',
    ],
    [
      'IBM Cloud says odd_thing',
      'level=error msg=Error: [ERROR] creating it at https://us-south.iaas.cloud.ibm.com: {"errors":[{"code":"odd_thing","message":"no"}]}',
    ],
  ])('is told by the code of the cloud: %s', (says, log) => {
    const { remedy, retry } = diagnose({ log, exitCode: 4 })
    expect(remedy).toContain(`${says}.`)
    expect(retry.worthwhile).toBe(false)
  })

  test('of the machines is shown with what the controllers and conditions say', () => {
    const log = `level=info msg=Network infrastructure is ready
level=debug msg=	RESPONSE 400: 400 Bad Request
level=debug msg=	ERROR CODE: OddMachine
level=warning msg=Condition VMRunning has status: "False", reason: "VMProvisionFailed", message: "it is odd"
level=error msg=failed to create cluster: failed to provision control-plane machines within 15m0s
`
    const { reason, remedy, evidence } = diagnose({ log, exitCode: 4 })
    expect(reason).toBe('FallbackInstancesFailedToBecomeReady')
    expect(remedy).toMatch(/^Azure says OddMachine\. /)
    expect(evidence.map(({ line }) => line)).toEqual([4, 3, 5])
  })
})

describe('a run that has not ended', () => {
  const waits =
    'time="2026-01-01T10:00:00Z" level=info msg="Waiting up to 45m0s (until 10:45AM UTC) for bootstrapping to complete..."\n'

  test('is no failure, and says what it waits for', () => {
    const { reason, remedy, retry } = diagnose({ log: `${waits}level=debug msg=Bootstrap status: bootstrapping\n` })
    expect(reason).toBe('NotEnded')
    expect(remedy).toContain('it waits for bootstrapping to complete since 2026-01-01T10:00:00Z')
    expect(retry.worthwhile).toBe(false)
  })

  test('has ended when it was stopped from outside, and the wait is told', () => {
    const { reason, remedy } = diagnose({ log: waits, exitCode: 137 })
    expect(reason).toBe('AttemptDeadlineExceeded')
    expect(remedy).toContain('It waited for bootstrapping to complete since 2026-01-01T10:00:00Z.')
  })

  test('began anew after its files were made', () => {
    const files = 'level=info msg=Manifests created in: cluster-api, manifests and openshift\n'
    expect(diagnose({ log: files }).reason).toBe('None')
    expect(diagnose({ log: files + waits }).reason).toBe('NotEnded')
  })

  test('has ended when its last stage failed', () => {
    expect(diagnose({ log: `${waits}level=error msg=the moon is in the way\n` }).reason).toBe('UnknownError')
  })
})

describe('what the exit code adds', () => {
  const begun = 'level=info msg=Creating infrastructure resources...\n'
  const unknown = 'level=error msg=the moon is in the way\n'

  test.each([
    [0, 'None', false],
    [1, 'UnknownError', true],
    [2, 'UnknownError', true],
    [3, 'InvalidInstallConfig', false],
    [4, 'UnknownError', true],
    [5, 'GenericBootstrapFailed', true],
    [6, 'GeneralClusterOperatorsStillUpdating', true],
    [7, 'GeneralClusterOperatorsStillUpdating', true],
    [8, 'AttemptDeadlineExceeded', true],
    [42, 'UnknownError', true],
    [124, 'AttemptDeadlineExceeded', true],
    [137, 'AttemptDeadlineExceeded', true],
    [143, 'AttemptDeadlineExceeded', true],
  ])('%i alone is %s', (exitCode, reason, infrastructureMayExist) => {
    expect(diagnose({ log: unknown, exitCode })).toMatchObject({ reason, infrastructureMayExist })
  })

  test('a known reason outlives being killed', () => {
    const log = `${begun}level=debug msg=	failed to create vpc: VpcLimitExceeded: The maximum number of VPCs\n`
    expect(diagnose({ log, exitCode: 137 }).reason).toBe('AWSVPCLimitExceeded')
  })

  test('infrastructure is never denied once it was begun, but for an install-config error', () => {
    for (const { log, exitCode } of known.filter((one) => one.exitCode !== 0 && one.exitCode !== 3))
      expect(diagnose({ log: begun + log, exitCode: exitCode ?? 1 }).infrastructureMayExist).toBe(true)
    expect(diagnose({ log: '', exitCode: 3 }).infrastructureMayExist).toBe(false)
  })

  test('0 after a fatal line is not believed, as of old installers', () => {
    expect(
      diagnose({ log: 'level=fatal msg=waiting for Kubernetes API: context deadline exceeded', exitCode: 0 }).reason,
    ).toBe('KubeAPIWaitTimeout')
  })

  test('a failure that was waited out is none', () => {
    const log = `${begun}level=error msg=failed to initialize the cluster: timed out\nlevel=info msg=Install complete!\n`
    expect(diagnose({ log }).reason).toBe('None')
    expect(diagnose({ log: `${log}level=info msg=Uninstallation complete!\n` }).infrastructureMayExist).toBe(true)
    expect(
      diagnose({ log: `level=fatal msg=timed out\n${begun}level=info msg=Install complete!\n`, exitCode: 0 }).reason,
    ).toBe('None')
  })
})

describe('the fingerprint', () => {
  const print = (message: string, more = '') =>
    diagnose({ log: `level=fatal msg=${message}\n${more}`, exitCode: 4 }).fingerprint

  test.each([
    [
      'infraIDs',
      'cannot find demo-x7k2p-master-0 in demo-x7k2p-rg',
      'cannot find other-bq9zt-master-2 in other-bq9zt-rg',
    ],
    [
      'uuids and request ids',
      'refused, RequestID: 0b1f2e3d-1111-2222-3333-444444444444',
      'refused, RequestID: 9a8b7c6d-5555-6666-7777-888888888888',
    ],
    ['ARNs', 'cannot tag arn:aws:iam::123456789012:role/demo', 'cannot tag arn:aws:iam::210987654321:role/other-one'],
    ['times and durations', 'at 2025-03-04T10:00:00Z after 15m0s', 'at 2026-11-30T23:59:59.123Z after 20m1s'],
    ['addresses', 'dial tcp 203.0.113.7:6443: refused', 'dial tcp 198.51.100.23:6443: refused'],
    ['hexadecimal', 'container 4f3a9bd0c1 exited', 'container 00ffee12ab exited'],
    ['domains', 'lookup api.demo.example.com: strange', 'lookup api.other.clusters.example.org: strange'],
    [
      'cluster names',
      'Get "https://api.demo.example.com:6443/version": zone of demo is odd',
      'Get "https://api.other.example.org:6443/version": zone of other is odd',
    ],
    ['paths', 'open /home/me/dir-one/metadata: odd', 'open /work/attempts/metadata: odd'],
    [
      'encoded messages',
      'denied. Encoded authorization failure message: AbCdEfGh',
      'denied. Encoded authorization failure message: ZyXwVuTs-qQ',
    ],
    ['masks', 'login with *** failed oddly', 'login with ****** failed oddly'],
  ])('does not see %s', (_, one, two) => {
    expect(one).not.toBe(two)
    expect(print(one)).toBe(print(two))
  })

  test('does not see how often, nor in which order, nor among what', () => {
    const lines = ['level=error msg=first oddity\n', 'level=error msg=second oddity\n']
    const base = print('end', lines.join(''))
    expect(print('end', [...lines, ...lines].toReversed().join(''))).toBe(base)
    expect(print('end', `level=debug msg=noise\n${lines.join('level=info msg=more noise\n')}`)).toBe(base)
  })

  test('tells unknown failures apart', () => {
    const prints = [
      'the moon is in the way',
      'the sun is in the way',
      'platform.aws.region is odd',
      'platform.aws.zones is odd',
      'ERROR CODE: SomethingNew',
      'ERROR CODE: SomethingElse',
      'AADSTS50034: no',
      'AADSTS90072: no',
      'aws_instance.master is odd',
      'aws_subnet.public is odd',
    ].map((message) => print(message))
    expect(new Set(prints).size).toBe(prints.length)
  })

  test('tells reasons apart, and is there without a log', () => {
    expect(diagnose({ log: '', exitCode: 1 }).fingerprint).not.toBe(diagnose({ log: '', exitCode: 5 }).fingerprint)
  })
})

describe('a hostile log', () => {
  const words = [
    'libvirt ',
    'gcp.type: Invalid value: ',
    '(MissingQuota) ',
    'failed to create install config ',
    'already exists in ',
    'a-',
    '1.',
    '\\"',
    '/x',
  ]

  test.each(words)('of nothing but "%s" is read in good time', (word) => {
    const line = `level=error msg="${word.repeat(100_000)}"`
    const startedAt = performance.now()
    diagnose({ log: `${line}\n${line.replace('error', 'debug')}\n${line.slice(10)}`, exitCode: 1 })
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  test('of many lines is read in good time', () => {
    const log = 'level=debug msg=E0304 10:02:31.114220 411 controller.go:329] "Reconciler error" quota\n'.repeat(60_000)
    const startedAt = performance.now()
    expect(diagnose({ log: `${log}level=error msg=VpcLimitExceeded`, exitCode: 4 }).reason).toBe('AWSVPCLimitExceeded')
    expect(performance.now() - startedAt).toBeLessThan(1500)
  })
})

describe('the command', () => {
  async function run(args: string[], stdin = '') {
    const out = { stdout: '', stderr: '' }
    const exitCode = await runDiagnose(args, {
      stdin: Readable.from([stdin]),
      stdout: { write: (text) => (out.stdout += text) },
      stderr: { write: (text) => (out.stderr += text) },
    })
    return { ...out, exitCode }
  }
  const log =
    'level=error msg=Error: creating EC2 VPC: VpcLimitExceeded: The maximum number of VPCs has been reached.\n'

  test('answers programs with exactly the diagnosis', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'ocpctl-diagnose-'))
    try {
      await writeFile(join(dir, 'install.log'), log)
      const { stdout, exitCode } = await run([join(dir, 'install.log'), '--json', '--exit-code', '4'])
      expect(exitCode).toBe(0)
      expect(Object.keys(JSON.parse(stdout) as object)).toEqual([
        'reason',
        'category',
        'actor',
        'retry',
        'infrastructureMayExist',
        'remedy',
        'stage',
        'fingerprint',
        'evidence',
      ])
      expect(JSON.parse(stdout)).toEqual(diagnose({ log, exitCode: 4 }))
    } finally {
      await rm(dir, { recursive: true })
    }
  })

  test('answers people plainly, from standard input too', async () => {
    const { stdout, exitCode } = await run(['-'], log)
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^What happened {2}AWSVPCLimitExceeded \(quota\)\n/)
    expect(stdout).toContain('Who acts       the platform team\n')
    expect(stdout).toContain('Try again      not before that is put right\n')
    expect(stdout).toContain('Evidence       line 1: Error: creating EC2 VPC: VpcLimitExceeded')
    expect((await run(['-', '--exit-code=0'], 'Install complete!')).stdout).toBe(
      'No failure: The run ended well; there is nothing to repair.\n',
    )
  })

  test.each([
    [[], /^ocpctl: one log is expected\n\nusage: /],
    [['a', 'b'], /^ocpctl: one log is expected\n\nusage: /],
    [['a', '--frob'], /usage: /],
    [['a', '--exit-code', 'four'], /^ocpctl: --exit-code must be from 0 to 255, not "four"\n\nusage: /],
    [['a', '--exit-code', '256'], /usage: /],
    [['/nowhere/install.log'], /^ocpctl: there is no file \/nowhere\/install\.log\n$/],
    [[tmpdir()], /^ocpctl: \S+ cannot be read: /],
  ])('refuses %j', async (args, message) => {
    expect(await run(args)).toEqual({ exitCode: 2, stdout: '', stderr: expect.stringMatching(message) })
  })
})

describe('a log made to take long', () => {
  // A quadratic search would take hours for these.
  test.each([
    ['blanks', `level=error msg=${' '.repeat(4_000_000)}x`],
    ['a deletion of one long word', `level=info msg=Deleted ${'a'.repeat(4_000_000)}`],
    ['addresses', Array.from({ length: 200 }, (_, n) => `level=error msg=failed: ${`api.c${n}.d${n}.example.com `.repeat(3000)}`).join('\n')], // prettier-ignore
  ])('%s: is diagnosed at once', (_, log) => {
    expect(diagnose({ log, exitCode: 1 }).reason).toMatch(/^\w+$/)
  })
})
