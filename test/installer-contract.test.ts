// The contract of openshift-install, a test per rule, against the simulator as a real child process.
// TEST_INSTALLER=/path/to/openshift-install runs the part that needs no cloud against a real binary.
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { config, filesUnder, infraIdOf, Installer, read, until, type Settings } from './fixtures/installer/installer.ts'

const simulator = path.resolve(import.meta.dirname, '../bin/openshift-install-sim')
const realInstaller = process.env['TEST_INSTALLER']

const it = test.extend<{ newInstaller: (settings?: Settings, executable?: string) => Installer }>({
  // oxlint-disable-next-line no-empty-pattern -- Vitest reads the fixture's needs from the pattern
  newInstaller: async ({}, use) => {
    const made: Installer[] = []
    await use((settings, executable = simulator) => {
      const installer = new Installer(executable, settings)
      made.push(installer)
      return installer
    })
    for (const installer of made) await installer.remove()
  },
})

describe.concurrent('any installer', () => {
  const executable = realInstaller ?? simulator

  it('version tells name, version, commit, release image and architecture on stdout', async ({ newInstaller }) => {
    const { code, stdout } = await newInstaller({}, executable).run('version')
    expect(code).toBe(0)
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(/^\S+ v?4\.\d+\.\S+$/)
    expect(lines[1]).toMatch(/^built from commit [0-9a-f]{40}$/)
    expect(lines[2]).toMatch(/^release image \S+@sha256:[0-9a-f]{64}$/)
    expect(lines[3]).toMatch(/^release architecture \w+$/)
  })

  it.for([
    { args: ['conjure'], text: String.raw`unknown command \"conjure\"` },
    { args: ['version', '--quickly'], text: 'unknown flag: --quickly' },
    { args: ['destroy', 'cluster', '--dir'], text: 'flag needs an argument: --dir' },
    { args: ['destroy', 'cluster', '--log-level=loud'], text: 'not a valid logrus Level' },
  ])('bad usage exits with 1: $args', async ({ args, text }, { newInstaller }) => {
    const { code, stdout, stderr } = await newInstaller({}, executable).run(...args)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(text)
  })

  it('--dir is taken as a word of its own or after =', async ({ newInstaller }) => {
    const installer = newInstaller({}, executable)
    await installer.run('destroy', 'cluster', '--dir', 'one')
    await installer.run('destroy', 'cluster', '--dir=two')
    expect(filesUnder(installer.root).map((file) => path.relative(installer.root, file))).toEqual(
      expect.arrayContaining(['one/.openshift_install.log', 'two/.openshift_install.log']),
    )
  })

  it('destroy without metadata.json exits with 1', async ({ newInstaller }) => {
    const installer = newInstaller({}, executable)
    const { code, stderr } = await installer.run('destroy', 'cluster', '--dir', installer.newDir('d'))
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /failed while preparing to destroy cluster: open .*metadata\.json: no such file or directory/,
    )
  })

  it('destroy without a platform in metadata.json exits with 1', async ({ newInstaller }) => {
    const installer = newInstaller({}, executable)
    const dir = installer.newDir('d')
    fs.writeFileSync(path.join(dir, 'metadata.json'), '{"clusterName":"c1","infraID":"c1-abcde"}')
    const { code, stderr } = await installer.run('destroy', 'cluster', '--dir', dir)
    expect(code).toBe(1)
    expect(stderr).toContain('no platform configured in metadata')
  })

  it('human output goes to stderr without a time; the log file has times', async ({ newInstaller }) => {
    const installer = newInstaller({}, executable)
    const dir = installer.newDir('d', 'metadata: [')
    const { stdout, stderr } = await installer.run('create', 'manifests', '--dir', dir)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^level=fatal msg=/m)
    const log = read(dir, '.openshift_install.log')
    expect(log).toMatch(
      /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)" level=debug msg="OpenShift Installer v?4\./,
    )
    expect(log).toContain('Built from commit ')
  })

  it.for<[rule: string, text: string, named: string]>([
    ['not YAML', 'metadata: [', 'install-config.yaml'],
    ['unknown platform', config({ platform: { moon: {} } }), 'platform'],
    ['no platform', config({ platform: {} }), 'platform'],
    ['no name', config({ metadata: {} }), 'metadata.name'],
    ['a name that is no DNS name', config({ metadata: { name: 'C_1' } }), 'metadata.name'],
    ['a name of more than 54 characters', config({ metadata: { name: 'c'.repeat(55) } }), 'metadata.name'],
    [
      'a GCP name that starts with a digit',
      config({ metadata: { name: '1c' }, platform: { gcp: { projectID: 'p', region: 'r' } } }),
      'metadata.name',
    ],
    ['a pull secret that is no JSON', config({ pullSecret: 'secret' }), 'pullSecret'],
    ['a pull secret without auths', config({ pullSecret: '{"auths":{}}' }), 'pullSecret'],
    ['no control plane', config({ controlPlane: { name: 'master', replicas: 0 } }), 'controlPlane.replicas'],
    [
      'a network that is no CIDR',
      config({ networking: { machineNetwork: [{ cidr: '10.0.0.1/16' }] } }),
      'machineNetwork',
    ],
    ['networks that overlap', config({ networking: { serviceNetwork: ['10.0.0.0/16'] } }), 'networking'],
    [
      'a reserved user tag',
      config({ platform: { aws: { region: 'us-east-1', userTags: { Name: 'x' } } } }),
      'userTags',
    ],
    ['no region', config({ platform: { aws: {} } }), 'region'],
  ])('a bad install-config exits with 3: %s', async ([, text, named], { newInstaller }) => {
    const installer = newInstaller({}, executable)
    const { code, stderr } = await installer.run('create', 'manifests', '--dir', installer.newDir('d', text))
    expect(code).toBe(3)
    expect(stderr).toContain('failed to load asset "Install Config": failed to create install config: ')
    expect(stderr).toContain(named)
  })
})

describe.skipIf(realInstaller !== undefined)('asset directory', { concurrent: true }, () => {
  it('install-config.yaml is consumed on read', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    const { stderr } = await installer.run('create', 'manifests', '--dir', dir)
    expect(stderr).toContain('level=info msg=Consuming Install Config from target directory')
    expect(fs.existsSync(path.join(dir, 'install-config.yaml'))).toBe(false)
  })

  it('install-config.yaml stays when it is refused', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config({ pullSecret: '{}' }))
    await installer.run('create', 'cluster', '--dir', dir)
    expect(fs.existsSync(path.join(dir, 'install-config.yaml'))).toBe(true)
    expect(installer.resources()).toEqual([])
  })

  it('create install-config makes it again from the state', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'manifests', '--dir', dir)
    await installer.run('create', 'install-config', '--dir', dir)
    expect(parse(read(dir, 'install-config.yaml'))).toEqual(JSON.parse(config()))
  })

  it('the state file maps Go type names, holds the pull secret, and is not for everyone', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'manifests', '--dir', dir)
    const text = read(dir, '.openshift_install_state.json')
    expect(Object.keys(JSON.parse(text) as object)).toContain('*installconfig.ClusterID')
    expect(text).toContain('c2VjcmV0')
    expect(fs.statSync(path.join(dir, '.openshift_install_state.json')).mode & 0o007).toBe(0)
  })

  it('create ignition-configs consumes the manifests and leaves all that a destroy needs, without a cloud resource', async ({
    newInstaller,
  }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'manifests', '--dir', dir)
    fs.writeFileSync(path.join(dir, 'manifests/mine.yaml'), 'kind: Mine\n')
    expect((await installer.run('create', 'ignition-configs', '--dir', dir)).code).toBe(0)
    const names = filesUnder(dir).map((file) => path.relative(dir, file))
    expect(names.sort()).toEqual([
      '.openshift_install.log',
      '.openshift_install_state.json',
      'auth/kubeadmin-password',
      'auth/kubeconfig',
      'bootstrap.ign',
      'master.ign',
      'metadata.json',
      'worker.ign',
    ])
    expect(read(dir, 'auth/kubeadmin-password')).toMatch(/^\w{5}(-\w{5}){3}$/)
    const kubeconfig = parse(read(dir, 'auth/kubeconfig')) as { clusters: { cluster: { server: string } }[] }
    expect(kubeconfig.clusters[0]?.cluster.server).toBe('https://api.c1.example.com:6443')
    expect(read(dir, 'bootstrap.ign')).toContain('/opt/openshift/manifests/mine.yaml')
    expect(installer.resources()).toEqual([])
  })

  it.for<[platform: string, block: Record<string, unknown>, expected: (infra: string, uuid: string) => unknown]>([
    [
      'aws',
      { region: 'us-east-1' },
      (infra, uuid) => ({
        region: 'us-east-1',
        identifier: [
          { [`kubernetes.io/cluster/${infra}`]: 'owned' },
          { openshiftClusterID: uuid },
          { [`sigs.k8s.io/cluster-api-provider-aws/cluster/${infra}`]: 'owned' },
        ],
        clusterDomain: 'c1.example.com',
      }),
    ],
    [
      'azure',
      { region: 'westeurope', baseDomainResourceGroupName: 'dns' },
      () => ({
        armEndpoint: '',
        cloudName: 'AzurePublicCloud',
        region: 'westeurope',
        resourceGroupName: '',
        baseDomainResourceGroupName: 'dns',
        baseDomainName: 'example.com',
      }),
    ],
    [
      'gcp',
      { region: 'europe-west1', projectID: 'p1' },
      () => ({ region: 'europe-west1', projectID: 'p1', privateZoneProjectID: 'p1' }),
    ],
    [
      'ibmcloud',
      { region: 'eu-de' },
      (infra) => ({
        accountID: expect.any(String),
        baseDomain: 'example.com',
        cisInstanceCRN: expect.any(String),
        region: 'eu-de',
        resourceGroupName: infra,
      }),
    ],
  ])(
    'metadata.json is one line in the form of the platform: %s',
    async ([platform, block, expected], { newInstaller }) => {
      const installer = newInstaller()
      const dir = installer.newDir('d', config({ platform: { [platform]: block } }))
      await installer.run('create', 'ignition-configs', '--dir', dir)
      const text = read(dir, 'metadata.json')
      const metadata = JSON.parse(text) as { infraID: string; clusterID: string }
      expect(text).not.toContain('\n')
      expect(metadata).toEqual({
        clusterName: 'c1',
        clusterID: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
        infraID: expect.stringMatching(/^c1-[a-z0-9]{5}$/),
        [platform]: expected(metadata.infraID, metadata.clusterID),
        featureSet: '',
        customFeatureSet: null,
      })
    },
  )

  it('metadata.json has what the destroyer of the version needs', async ({ newInstaller }) => {
    const endpoints = [{ name: 'ec2', url: 'https://ec2.example.com' }]
    const sharedVpc = {
      region: 'europe-west1',
      projectID: 'p1',
      network: 'net',
      networkProjectID: 'host',
      dns: { privateZone: { name: 'zone', projectID: 'zones' } },
    }
    const metadataOf = async (version: string, platform: Record<string, unknown>) => {
      const installer = newInstaller({ env: { OCPCTL_SIM_VERSION: version } })
      const dir = installer.newDir('d', config({ platform }))
      await installer.run('create', 'ignition-configs', '--dir', dir)
      return JSON.parse(read(dir, 'metadata.json')) as Record<string, unknown>
    }
    expect(await metadataOf('4.20.3', { aws: { region: 'us-east-1', serviceEndpoints: endpoints } })).toMatchObject({
      aws: { serviceEndpoints: endpoints },
    })
    expect((await metadataOf('4.21.0', { gcp: sharedVpc }))['gcp']).toEqual({
      region: 'europe-west1',
      projectID: 'p1',
      networkProjectID: 'host',
      privateZoneDomain: 'c1.example.com.',
      privateZoneProjectID: 'zones',
      firewallRulesManagement: 'Managed',
    })
    expect(
      await metadataOf('4.18.9', { azure: { region: 'westeurope', baseDomainResourceGroupName: 'dns' } }),
    ).not.toHaveProperty('azure.baseDomainName')
  })

  it('names each folder that got manifests', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    const { stderr } = await installer.run('create', 'manifests', '--dir', dir)
    expect(stderr).toContain(`Manifests created in: ${dir}/manifests, ${dir}/openshift and ${dir}/cluster-api`)
  })

  it('a field that the version does not know is thrown away with a warning', async ({ newInstaller }) => {
    const vpc = config({ platform: { aws: { region: 'us-east-1', vpc: { subnets: [{ id: 'subnet-1' }] } } } })
    const of = async (version: string) => {
      const installer = newInstaller({ env: { OCPCTL_SIM_VERSION: version } })
      return installer.run('create', 'manifests', '--dir', installer.newDir('d', vpc))
    }
    expect(await of('4.18.9')).toMatchObject({ code: 0, stderr: expect.stringContaining('unknown field "vpc"') })
    expect((await of('4.19.0')).stderr).not.toContain('unknown field')
  })

  it('refuses FIPS with 3, unless it is the FIPS build on a host in FIPS mode', async ({ newInstaller }) => {
    const run = async (env: Record<string, string>) => {
      const installer = newInstaller({ env })
      return installer.run('create', 'manifests', '--dir', installer.newDir('d', config({ fips: true })))
    }
    const refused = await run({})
    expect(refused.code).toBe(3)
    expect(refused.stderr).toContain('fips: Forbidden: target cluster is in FIPS mode')
    expect((await run({ OCPCTL_SIM_FIPS: 'true' })).code).toBe(0)
  })

  it.for([
    ['aws', { region: 'us-east-1' }, 'creating AWS session: EOF'],
    ['azure', { region: 'westeurope', baseDomainResourceGroupName: 'dns' }, 'creating Azure session: '],
    ['gcp', { region: 'europe-west1', projectID: 'p1' }, 'failed to load credentials: EOF'],
    ['ibmcloud', { region: 'eu-de' }, "'ApiKey' property is required"],
  ] as const)(
    'asks for credentials that it lacks, and ends with 3: %s',
    async ([name, block, text], { newInstaller }) => {
      const installer = newInstaller({
        faults: '[{ command: create manifests, stage: validate, action: no-credentials }]',
      })
      const dir = installer.newDir('d', config({ platform: { [name]: block } }))
      const { code, stdout, stderr } = await installer.run('create', 'manifests', '--dir', dir)
      expect(code).toBe(3)
      expect(stdout).toContain('?')
      expect(stderr).toContain('failed to create install config: ')
      expect(stderr).toContain(text)
    },
  )
})

describe.skipIf(realInstaller !== undefined)('create cluster', { concurrent: true }, () => {
  it('works from a fresh install-config.yaml, and leaves a cluster without its bootstrap resources', async ({
    newInstaller,
  }) => {
    const installer = newInstaller()
    const dir = installer.newDir(
      'd',
      config({ controlPlane: { replicas: 1 }, compute: [{ name: 'worker', replicas: 2 }] }),
    )
    const { code, stdout } = await installer.run('create', 'cluster', '--dir', dir)
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    const names = installer.resources().map(({ name }) => name)
    expect(installer.resources().filter(({ type }) => type === 'instance')).toHaveLength(3)
    expect(names.filter((name) => name.includes('bootstrap'))).toEqual([])
    expect(names).toEqual(expect.arrayContaining(['api.c1.example.com.', '*.apps.c1.example.com.']))
    expect(installer.resources().every(({ simulated }) => simulated)).toBe(true)
  })

  it('keeps the infraID of the steps before it', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'manifests', '--dir', dir)
    await installer.run('create', 'ignition-configs', '--dir', dir)
    const infraID = infraIdOf(dir)
    await installer.run('create', 'cluster', '--dir', dir)
    expect(infraIdOf(dir)).toBe(infraID)
    expect(new Set(installer.resources().map((resource) => resource.infraID))).toEqual(new Set([infraID]))
    expect(fs.existsSync(path.join(dir, 'bootstrap.ign'))).toBe(false)
  })

  it.for([
    { name: 'demo.team_a', isValid: false },
    { name: 'demo.team-a', isValid: true, base: 'demo-team-a' },
    { name: 'a-name-longer-than-the-limit', isValid: true, base: 'a-name-longer-than-th' },
  ])(
    'the infraID is the name with dashes, cut to 21, and five characters: $name',
    async ({ name, isValid, base }, { newInstaller }) => {
      const installer = newInstaller()
      const dir = installer.newDir('d', config({ metadata: { name } }))
      const { code } = await installer.run('create', 'ignition-configs', '--dir', dir)
      expect(code).toBe(isValid ? 0 : 3)
      if (isValid) expect(infraIdOf(dir)).toMatch(new RegExp(`^${base}-[a-z0-9]{5}$`))
    },
  )

  it('all but public DNS records carry the ownership tag and the tags of the user', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    const owned = { [`kubernetes.io/cluster/${infraIdOf(dir)}`]: 'owned', owner: 'ann' }
    for (const { type, tags } of installer.resources()) {
      expect(tags).toEqual(type === 'dns-record' ? {} : expect.objectContaining(owned))
    }
  })

  it('publishes nothing when publish is Internal', async ({ newInstaller }) => {
    const installer = newInstaller()
    await installer.run('create', 'cluster', '--dir', installer.newDir('d', config({ publish: 'Internal' })))
    const types = installer.resources().map(({ type }) => type)
    expect(types).toContain('hosted-zone')
    expect(types).not.toContain('dns-record')
  })

  it('tells its progress in this order, and ends with the way into the cluster', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    const { stderr } = await installer.run('create', 'cluster', '--dir', dir, '--log-level', 'debug')
    const until = String.raw`\(until \d{1,2}:\d\d[AP]M UTC\)`
    const api = String.raw`https://api\.c1\.example\.com:6443`
    const progress = [
      'level=info msg=Consuming Install Config from target directory',
      String.raw`level=info msg=Creating infrastructure resources\.\.\.`,
      `level=info msg=Waiting up to 20m0s ${until} for the Kubernetes API at ${api}\\.\\.\\.`,
      String.raw`level=info msg=API v1\.\S+ up`,
      `level=info msg=Waiting up to 45m0s ${until} for bootstrapping to complete\\.\\.\\.`,
      String.raw`level=info msg=Destroying the bootstrap resources\.\.\.`,
      `level=info msg=Waiting up to 40m0s ${until} for the cluster at ${api} to initialize\\.\\.\\.`,
      String.raw`level=debug msg=Still waiting for the cluster to initialize: Working towards 4\.20\.3: \d+ of 901 done \(\d+% complete\)`,
      `level=info msg=Waiting up to 30m0s ${until} to ensure each cluster operator has finished progressing\\.\\.\\.`,
      'level=info msg=Install complete!',
      "level=info msg=To access the cluster as the system:admin user when using 'oc', run",
      `level=info msg=    export KUBECONFIG=${dir}/auth/kubeconfig`,
      String.raw`level=info msg=Access the OpenShift web-console here: https://console-openshift-console\.apps\.c1\.example\.com`,
      `level=info msg=Login to the console with user: "kubeadmin", and password: "${read(dir, 'auth/kubeadmin-password')}"`,
      'level=debug msg=Time elapsed per stage:',
      String.raw`level=info msg=Time elapsed: 40m\d+s`,
    ]
    expect(stderr).toMatch(new RegExp(progress.map((line) => `^${line}$`).join(String.raw`\n(?:.*\n)*?`), 'm'))
  })

  it('the log file is appended to, has every level, and escapes newlines', async ({ newInstaller }) => {
    const installer = newInstaller({ faults: '[{ stage: initialize, action: fail }]' })
    const dir = installer.newDir('d', config())
    await installer.run('create', 'ignition-configs', '--dir', dir)
    const { stderr } = await installer.run('create', 'cluster', '--dir', dir, '--log-level=error')
    expect(stderr).not.toContain('level=info')
    const lines = read(dir, '.openshift_install.log').trimEnd().split('\n')
    expect(lines.filter((line) => line.includes('msg="OpenShift Installer v4.20.3"'))).toHaveLength(2)
    expect(lines.every((line) => /^time="[^"]+" level=\w+ msg=/.test(line))).toBe(true)
    expect(lines.find((line) => line.includes('not functioning properly'))).toContain(
      String.raw`\nThe cluster should be`,
    )
    expect(lines.some((line) => line.includes('simulated'))).toBe(true)
  })

  it('quotes as Go does, and leaves an empty message out', async ({ newInstaller }) => {
    const installer = newInstaller({
      faults: String.raw`[{ stage: network, action: fail, log: "a \"b\"\tc \e[1m \a \u200b \U000e0001 é" }]`,
    })
    const dir = installer.newDir('d', config())
    const { stderr } = await installer.run('create', 'cluster', '--dir', dir)
    const log = read(dir, '.openshift_install.log')
    expect(log).toContain(String.raw`msg="a \"b\"\tc \x1b[1m \a \u200b \U000e0001 é"`)
    expect(log).toContain(
      String.raw`msg="Condition NetworkInfrastructureReady has status: \"False\", reason: \"NetworkReconciliationFailed\"`,
    )
    expect(stderr).toContain('level=info msg=Condition NetworkInfrastructureReady has status: "False"')
  })

  it('prefixes each line of a message on stderr, and tells bad usage with time and quotes', async ({
    newInstaller,
  }) => {
    const installer = newInstaller({ faults: '[{ stage: initialize, action: fail }]' })
    const { stderr } = await installer.run('create', 'cluster', '--dir', installer.newDir('d', config()))
    expect(stderr).toMatch(/functioning properly\.\nlevel=error msg=The cluster should be/)
    const usage = await installer.run('conjure')
    expect(usage.stderr).toMatch(
      /^time="[^"]+" level=fatal msg="Error executing openshift-install: unknown command \\"/,
    )
  })

  it('the log file holds the password, unless it is not to be printed', async ({ newInstaller }) => {
    const installer = newInstaller()
    const [open, quiet] = [installer.newDir('open', config()), installer.newDir('quiet', config())]
    await installer.run('create', 'cluster', '--dir', open)
    installer.deleteRecords(open)
    await installer.run('create', 'cluster', '--dir', quiet, '--skip-password-print')
    expect(read(open, '.openshift_install.log')).toContain(read(open, 'auth/kubeadmin-password'))
    expect(read(quiet, '.openshift_install.log')).not.toContain(read(quiet, 'auth/kubeadmin-password'))
    expect(read(quiet, '.openshift_install.log')).toContain('Credentials omitted, if necessary verify the')
  })

  it('the router CA is put before the CA of the kubeconfig after success', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'ignition-configs', '--dir', dir)
    const certificates = () => {
      const [, data = ''] = /certificate-authority-data: (\S+)/.exec(read(dir, 'auth/kubeconfig')) ?? []
      return Buffer.from(data, 'base64').toString()
    }
    const before = certificates()
    await installer.run('create', 'cluster', '--dir', dir)
    expect(certificates().endsWith(before)).toBe(true)
    expect(certificates().length).toBeGreaterThan(before.length)
  })

  it.for([
    {
      after: 'infrastructure began',
      leave: '.clusterapi_output/envtest.kubeconfig',
      text: 'local infrastructure provisioning artifacts already exist',
    },
    { after: 'Terraform began', leave: 'terraform.cluster.tfstate', text: 'terraform state files already exist' },
  ])('is refused in the same directory once $after', async ({ leave, text }, { newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'ignition-configs', '--dir', dir)
    fs.mkdirSync(path.dirname(path.join(dir, leave)), { recursive: true })
    fs.writeFileSync(path.join(dir, leave), '')
    const { code, stderr } = await installer.run('create', 'cluster', '--dir', dir)
    expect(code).toBe(1)
    expect(stderr).toContain(text)
    expect(installer.resources()).toEqual([])
  })

  it('is refused with certificates older than 24 hours', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'ignition-configs', '--dir', dir)
    const state = JSON.parse(read(dir, '.openshift_install_state.json')) as { '*tls.RootCA': { NotAfter: string } }
    state['*tls.RootCA'].NotAfter = new Date(Date.now() - 1000).toISOString()
    fs.writeFileSync(path.join(dir, '.openshift_install_state.json'), JSON.stringify(state))
    const { code, stderr } = await installer.run('create', 'cluster', '--dir', dir)
    expect(code).toBe(1)
    expect(stderr).toContain('have expired')
  })

  it.for<[stage: string, code: number, text: string]>([
    ['validate', 3, 'failed to create install config'],
    ['network', 4, 'failed to create cluster'],
    ['machines', 4, 'failed to create cluster: failed to provision control-plane machines'],
    ['api', 5, 'Failed waiting for Kubernetes API'],
    ['bootstrap', 5, 'Bootstrap failed to complete: '],
    ['bootstrap-destroy', 1, 'error destroying bootstrap resources'],
    ['initialize', 6, 'failed to initialize the cluster: '],
    ['stability', 7, 'These cluster operators were not stable: ['],
  ])('a failure at %s exits with %i', async ([stage, code, text], { newInstaller }) => {
    const installer = newInstaller({ faults: `[{ stage: ${stage}, action: fail, log: 'VcpuLimitExceeded: no' }]` })
    const dir = installer.newDir('d', config())
    const result = await installer.run('create', 'cluster', '--dir', dir)
    expect(result.code).toBe(code)
    expect(result.stderr).toContain('level=error msg=VcpuLimitExceeded: no')
    expect(result.stderr).toContain(text)
    const hasBundle = fs.readdirSync(dir).some((name) => /^log-bundle-\d{14}\.tar\.gz$/.test(name))
    expect(hasBundle).toBe(['machines', 'api', 'bootstrap'].includes(stage))
    expect(fs.existsSync(path.join(dir, 'metadata.json'))).toBe(stage !== 'validate')
    expect(installer.resources().length > 0).toBe(!['validate', 'network'].includes(stage))
  })

  it('a failure may leave part of the infrastructure', async ({ newInstaller }) => {
    const installer = newInstaller({ faults: '[{ stage: machines, action: half-create, exitCode: 4 }]' })
    const { code } = await installer.run('create', 'cluster', '--dir', installer.newDir('d', config()))
    expect(code).toBe(4)
    const machines = installer.resources().filter(({ type }) => type === 'instance' || type === 's3-bucket')
    expect(machines.map(({ name }) => name.replace(/^c1-\w+-/, ''))).toHaveLength(3)
  })

  it.for(['SIGINT', 'SIGTERM'] as const)(
    '%s stops it with 8 and leaves the infrastructure',
    async (signal, { newInstaller }) => {
      const installer = newInstaller({ faults: '[{ stage: machines, action: hang }]' })
      const { child, result } = installer.start(['create', 'cluster', '--dir', installer.newDir('d', config())])
      await until(() => installer.resources().some(({ type }) => type === 'instance'))
      child.kill(signal)
      const { code, stderr } = await result
      expect(code).toBe(8)
      expect(stderr).toContain('level=warning msg=Received interrupt signal')
      expect(installer.resources().length).toBeGreaterThan(10)
    },
  )
})

describe.skipIf(realInstaller !== undefined)('wait-for', { concurrent: true }, () => {
  it('a bootstrapped cluster goes on by itself: after a killed installer, install-complete needs only the kubeconfig', async ({
    newInstaller,
  }) => {
    const installer = newInstaller({ faults: '[{ stage: bootstrap-destroy, action: crash }]' })
    const dir = installer.newDir('d', config())
    expect((await installer.run('create', 'cluster', '--dir', dir)).signal).toBe('SIGKILL')
    const restored = installer.newDir('restored')
    fs.cpSync(path.join(dir, 'auth'), path.join(restored, 'auth'), { recursive: true })
    const bootstrap = await installer.run('wait-for', 'bootstrap-complete', '--dir', restored)
    expect(bootstrap.code).toBe(0)
    expect(bootstrap.stderr).toContain('It is now safe to remove the bootstrap resources')
    const { code, stderr } = await installer.run('wait-for', 'install-complete', '--dir', restored)
    expect(code).toBe(0)
    expect(stderr).toContain('msg=Install complete!')
    expect(installer.resources().map(({ name }) => name)).toContain('*.apps.c1.example.com.')
  })

  it.for<[stage: string, bootstrapCode: number, text: string]>([
    ['network', 5, 'Failed waiting for Kubernetes API'],
    ['bootstrap', 5, 'timed out waiting for the condition'],
  ])(
    'without a finished bootstrap it times out with 5 and 6: killed at %s',
    async ([stage, code, text], { newInstaller }) => {
      const installer = newInstaller({ faults: `[{ stage: ${stage}, action: crash }]` })
      const dir = installer.newDir('d', config())
      await installer.run('create', 'cluster', '--dir', dir)
      const bootstrap = await installer.run('wait-for', 'bootstrap-complete', '--dir', dir)
      expect(bootstrap.code).toBe(code)
      expect(bootstrap.stderr).toContain(text)
      expect((await installer.run('wait-for', 'install-complete', '--dir', dir)).code).toBe(6)
    },
  )

  it('fails with 7 when the operators are not stable', async ({ newInstaller }) => {
    const installer = newInstaller({
      faults:
        '[{ stage: initialize, action: fail }, { command: wait-for install-complete, stage: stability, action: fail }]',
    })
    const dir = installer.newDir('d', config())
    expect((await installer.run('create', 'cluster', '--dir', dir)).code).toBe(6)
    expect((await installer.run('wait-for', 'install-complete', '--dir', dir)).code).toBe(7)
  })

  it('fails with 1 without a kubeconfig', async ({ newInstaller }) => {
    const installer = newInstaller()
    const { code, stderr } = await installer.run('wait-for', 'install-complete', '--dir', installer.newDir('d'))
    expect(code).toBe(1)
    expect(stderr).toContain('auth/kubeconfig: no such file or directory')
  })
})

describe.skipIf(realInstaller !== undefined)('destroy', { concurrent: true }, () => {
  it('removes the cluster and its files, and leaves the log', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    const { code, stderr } = await installer.run('destroy', 'cluster', '--dir', dir)
    expect(code).toBe(0)
    expect(stderr).toMatch(/msg=Time elapsed: 6m\d+s\nlevel=info msg=Uninstallation complete!\n$/)
    expect(fs.readdirSync(dir)).toEqual(['.openshift_install.log'])
    expect(fs.readdirSync(path.join(installer.cloud, 'resources'))).toEqual([])
    expect(fs.readdirSync(path.join(installer.cloud, 'clusters'))).toEqual([])
  })

  it('a failure exits with 1 and removes nothing of the directory, so that it can run again', async ({
    newInstaller,
  }) => {
    const installer = newInstaller({
      faults: '[{ command: destroy cluster, stage: network, attempt: 1, action: fail }]',
    })
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    const names = fs.readdirSync(dir)
    expect((await installer.run('destroy', 'cluster', '--dir', dir)).code).toBe(1)
    expect(fs.readdirSync(dir)).toEqual(names)
    expect((await installer.run('destroy', 'cluster', '--dir', dir)).code).toBe(0)
    expect(installer.resources()).toEqual([])
  })

  it.for<[platform: string, block: Record<string, unknown>]>([
    ['aws', { region: 'us-east-1' }],
    ['azure', { region: 'westeurope', baseDomainResourceGroupName: 'dns' }],
    ['gcp', { region: 'europe-west1', projectID: 'p1' }],
    ['ibmcloud', { region: 'eu-de' }],
  ])('needs only metadata.json, and leaves the neighbours alone: %s', async ([platform, block], { newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config({ platform: { [platform]: block } }))
    const neighbour = installer.newDir('n', config({ metadata: { name: 'c2' }, platform: { [platform]: block } }))
    await installer.run('create', 'cluster', '--dir', dir)
    await installer.run('create', 'cluster', '--dir', neighbour)
    const count = installer.resources().length
    const restored = installer.newDir('restored')
    fs.copyFileSync(path.join(dir, 'metadata.json'), path.join(restored, 'metadata.json'))
    expect((await installer.run('destroy', 'cluster', '--dir', restored)).code).toBe(0)
    expect(new Set(installer.resources().map(({ infraID }) => infraID))).toEqual(new Set([infraIdOf(neighbour)]))
    expect(installer.resources()).toHaveLength(count / 2)
  })

  it('takes over what an installer that died left half made', async ({ newInstaller }) => {
    const installer = newInstaller({ faults: '[{ stage: machines, action: crash }]' })
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    expect(installer.resources().length).toBeGreaterThan(0)
    expect((await installer.run('destroy', 'cluster', '--dir', dir)).code).toBe(0)
    expect(installer.resources()).toEqual([])
  })

  it.for<
    [rule: string, platform: string, block: Record<string, unknown>, bad: Record<string, unknown>, isTaken: boolean]
  >([
    [
      'AWS: an empty map selects everything',
      'aws',
      { region: 'r' },
      { infraID: 'c9-abcde', aws: { identifier: [{}] } },
      true,
    ],
    [
      'AWS: any of the maps is enough',
      'aws',
      { region: 'r' },
      { aws: { identifier: [{ x: 'y' }, { 'red-hat-managed': 'true' }] } },
      true,
    ],
    ['AWS: an empty list is refused', 'aws', { region: 'r' }, { infraID: 'c9-abcde', aws: { identifier: [] } }, false],
    [
      'IBM Cloud: an empty infraID matches every name',
      'ibmcloud',
      { region: 'r' },
      { infraID: '', ibmcloud: { region: 'r' } },
      true,
    ],
    [
      'IBM Cloud: a short infraID matches its neighbours',
      'ibmcloud',
      { region: 'r' },
      { infraID: 'c', ibmcloud: { region: 'r' } },
      true,
    ],
    [
      'Azure: the named resource group goes whole',
      'azure',
      { region: 'r', baseDomainResourceGroupName: 'dns', resourceGroupName: 'shared' },
      { infraID: 'c9-abcde', azure: { resourceGroupName: 'shared' } },
      true,
    ],
  ])('trusts metadata.json, %s', async ([, platform, block, bad, isTaken], { newInstaller }) => {
    const installer = newInstaller()
    const tagged = platform === 'ibmcloud' ? block : { ...block, userTags: { 'red-hat-managed': 'true' } }
    await installer.run(
      'create',
      'cluster',
      '--dir',
      installer.newDir('n', config({ platform: { [platform]: tagged } })),
    )
    const count = installer.resources().length
    const dir = installer.newDir('bad')
    fs.writeFileSync(path.join(dir, 'metadata.json'), JSON.stringify(bad))
    const { code } = await installer.run('destroy', 'cluster', '--dir', dir)
    expect(code).toBe(isTaken ? 0 : 1)
    const left = installer.resources().filter(({ type }) => type !== 'dns-record')
    expect(left.length < count / 2).toBe(isTaken)
  })

  it('removes the public records that are named as in its private zone, also those of a neighbour of the same name', async ({
    newInstaller,
  }) => {
    const installer = newInstaller({ faults: '[{ stage: api, attempt: 2, action: crash }]' })
    const [first, second] = [installer.newDir('first', config()), installer.newDir('second', config())]
    await installer.run('create', 'cluster', '--dir', first)
    // As two that began at one instant: neither saw the other's records.
    const putBack = installer.deleteRecords(first)
    await installer.run('create', 'cluster', '--dir', second)
    putBack()
    await installer.run('destroy', 'cluster', '--dir', second)
    expect(new Set(installer.resources().map(({ infraID }) => infraID))).toEqual(new Set([infraIdOf(first)]))
    expect(installer.resources().filter(({ type }) => type === 'dns-record')).toEqual([])
  })

  it('leaves the public records when somebody has deleted the private zone', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    installer.deleteResource(infraIdOf(dir), 'hosted-zone-private.json')
    expect((await installer.run('destroy', 'cluster', '--dir', dir)).code).toBe(0)
    expect(installer.resources().map(({ type }) => type)).toEqual(['dns-record', 'dns-record'])
  })

  it('goes on for ever over what it cannot delete, and dies of a signal as a Go program does', async ({
    newInstaller,
  }) => {
    const installer = newInstaller({ faults: '[{ command: destroy cluster, action: leave, type: vpc, times: 1 }]' })
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    const { child, result } = installer.start(['destroy', 'cluster', '--dir', dir])
    await until(() => read(dir, '.openshift_install.log').split('DependencyViolation').length > 3)
    expect(installer.resources().map(({ type }) => type)).toEqual(['vpc'])
    child.kill('SIGINT')
    expect(await result).toMatchObject({ code: null, signal: 'SIGINT' })
    expect(fs.existsSync(path.join(dir, 'metadata.json'))).toBe(true)
    expect((await installer.run('destroy', 'cluster', '--dir', dir)).code).toBe(0)
  })

  it('may go on for ever over nothing', async ({ newInstaller }) => {
    const installer = newInstaller({ faults: '[{ command: destroy cluster, action: loop }]' })
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    const { child, result } = installer.start(['destroy', 'cluster', '--dir', dir])
    await until(() => installer.resources().length === 0)
    child.kill('SIGTERM')
    expect(await result).toMatchObject({ code: null, signal: 'SIGTERM' })
    expect(fs.existsSync(path.join(dir, 'metadata.json'))).toBe(true)
  })

  it('without the state file the cluster goes and the files stay', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    const bare = installer.newDir('bare')
    fs.copyFileSync(path.join(dir, 'metadata.json'), path.join(bare, 'metadata.json'))
    const { code, stderr } = await installer.run('destroy', 'cluster', '--dir', bare)
    expect(code).toBe(0)
    expect(installer.resources()).toEqual([])
    expect(fs.readdirSync(bare)).toEqual(['.openshift_install.log', 'metadata.json'])
    expect(stderr).toMatch(/msg=Deleted id=vpc-\w+ subnet=subnet-\w+ resourceType=vpc\n/)
  })

  it('destroy bootstrap removes the bootstrap resources alone', async ({ newInstaller }) => {
    const installer = newInstaller({ faults: '[{ stage: bootstrap, action: fail }]' })
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    const count = installer.resources().length
    expect((await installer.run('destroy', 'bootstrap', '--dir', dir)).code).toBe(0)
    expect(installer.resources()).toHaveLength(count - 2)
  })
})

describe.skipIf(realInstaller !== undefined)('gather and analyze', { concurrent: true }, () => {
  it('gather bootstrap makes a log bundle, which analyze reads when it is the only one', async ({ newInstaller }) => {
    const installer = newInstaller({
      faults: '[{ stage: network, action: fail, attempt: 2 }, { stage: machines, action: hang }]',
    })
    const dir = installer.newDir('d', config())
    expect((await installer.run('analyze', '--dir', dir)).code).toBe(1)
    const { child, result } = installer.start(['create', 'cluster', '--dir', dir])
    await until(() => installer.resources().some(({ name }) => name.endsWith('-bootstrap')))
    child.kill('SIGKILL')
    await result
    expect((await installer.run('gather', 'bootstrap', '--dir', dir)).code).toBe(0)
    const { code, stderr } = await installer.run('analyze', '--dir', dir)
    expect(code).toBe(0)
    expect(stderr).toContain('level=error msg=')
    fs.writeFileSync(path.join(dir, 'log-bundle-20200101000000.tar.gz'), '')
    expect((await installer.run('analyze', '--dir', dir)).code).toBe(1)
  })
})

// What the driver's own tests rely on, beyond the contract of the real program.
describe.skipIf(realInstaller !== undefined)('simulation', { concurrent: true }, () => {
  it('version comes from the environment, else from the name, and says that it is simulated', async ({
    newInstaller,
  }) => {
    const given = await newInstaller({ env: { OCPCTL_SIM_VERSION: '4.18.9' } }).run('version')
    expect(given.stdout).toMatch(/^\S+ 4\.18\.9\n[^]*simulated/)
    const installer = newInstaller()
    const link = path.join(installer.root, 'openshift-install-4.19.1')
    fs.symlinkSync(simulator, link)
    const named = await newInstaller({}, link).run('version')
    expect(named.stdout).toMatch(/openshift-install-4\.19\.1 4\.19\.1\n/)
  })

  it('the journal tells start, infrastructure and end of each run', async ({ newInstaller }) => {
    const installer = newInstaller()
    const dir = installer.newDir('d', config())
    await installer.run('create', 'cluster', '--dir', dir)
    const infraID = infraIdOf(dir)
    await installer.run('destroy', 'cluster', '--dir', dir)
    const entries = installer.journal().filter(({ event }) => event !== 'alive')
    expect(entries).toMatchObject([
      { event: 'start', command: 'create cluster', dir, cluster: 'c1', infraID: null },
      { event: 'infrastructure', cluster: 'c1', infraID },
      { event: 'end', exitCode: 0 },
      { event: 'start', command: 'destroy cluster', dir, cluster: 'c1', infraID },
      { event: 'end', exitCode: 0 },
    ])
    expect(new Set(entries.map(({ run }) => run)).size).toBe(2)
  })

  it('a killed run leaves heartbeats and no end', async ({ newInstaller }) => {
    const installer = newInstaller({ speed: 60 })
    const { child, result } = installer.start(['create', 'cluster', '--dir', installer.newDir('d', config())])
    await until(() => installer.journal().filter(({ event }) => event === 'alive').length >= 2)
    child.kill('SIGKILL')
    await result
    expect(installer.journal().map(({ event }) => event)).toEqual(
      expect.arrayContaining(['start', 'infrastructure', 'alive']),
    )
    expect(installer.journal().at(-1)?.event).toBe('alive')
    const made = installer.resources().length
    expect(made).toBeGreaterThan(0)
    expect(made).toBeLessThan(30)
  })

  it('a fault is for a name or glob, a command and an attempt, and the first matching rule wins', async ({
    newInstaller,
  }) => {
    const installer = newInstaller({
      faults: `
        - { cluster: other, stage: network, action: fail }
        - { cluster: 'c?', stage: network, attempt: [1, 3], action: fail, exitCode: 9 }
        - { cluster: 'c*', stage: network, attempt: 1, action: fail }`,
    })
    const codes: (number | null)[] = []
    for (const name of ['one', 'two', 'three']) {
      const dir = installer.newDir(name, config())
      codes.push((await installer.run('create', 'cluster', '--dir', dir)).code)
      installer.deleteRecords(dir)
    }
    expect(codes).toEqual([9, 0, 9])
  })

  it('ignoreSigint holds against both signals, and SIGKILL ends it', async ({ newInstaller }) => {
    const installer = newInstaller({ faults: '[{ stage: network, action: hang, ignoreSigint: true }]' })
    const { child, result } = installer.start(['create', 'cluster', '--dir', installer.newDir('d', config())])
    const beats = () => installer.journal().filter(({ event }) => event === 'alive').length
    await until(() => beats() >= 1)
    child.kill('SIGINT')
    child.kill('SIGTERM')
    const seen = beats()
    await until(() => beats() > seen)
    child.kill('SIGKILL')
    expect((await result).signal).toBe('SIGKILL')
  })

  it('crash with 2 shows a panic and logs nothing', async ({ newInstaller }) => {
    const installer = newInstaller({ faults: '[{ stage: api, action: crash, exitCode: 2 }]' })
    const dir = installer.newDir('d', config())
    const { code, stderr } = await installer.run('create', 'cluster', '--dir', dir)
    expect(code).toBe(2)
    expect(stderr).toMatch(/^panic: [^]*goroutine 1 \[running\]:/m)
    expect(read(dir, '.openshift_install.log')).not.toContain('panic')
  })

  it('throttle logs rate limits and goes on', async ({ newInstaller }) => {
    const installer = newInstaller({ faults: '[{ stage: network, action: throttle, factor: 2 }]' })
    const { code, stderr } = await installer.run('create', 'cluster', '--dir', installer.newDir('d', config()))
    expect(code).toBe(0)
    expect(stderr).toContain('Throttling: Rate exceeded')
    expect(stderr).toMatch(/msg=Time elapsed: 45m\d+s/)
  })

  it.for<[rules: string, named: string]>([
    ['{ a: [', 'is not YAML'],
    ['{ stage: api }', 'a list of rules'],
    ['[{ stage: api, action: explode }]', 'rule 1: action must be one of'],
    ['[{ stage: dns, action: fail }]', 'rule 1: stage must be one of'],
    ['[{ command: create world, stage: api, action: fail }]', 'rule 1: command must be one of'],
    ['[{ stage: api, action: hang, exitCode: 4 }]', 'rule 1: unknown key exitCode for hang'],
    ['[{ action: fail }]', 'rule 1: fail needs a stage'],
    ['[{ command: destroy cluster, action: leave }]', 'rule 1: leave needs the type'],
    ['[{ stage: api, action: half-create }]', 'rule 1: half-create is for'],
  ])('a bad fault file exits with 2 and says what is wrong: %s', async ([faults, named], { newInstaller }) => {
    const installer = newInstaller({ faults })
    const { code, stderr } = await installer.run('create', 'cluster', '--dir', installer.newDir('d', config()))
    expect(code).toBe(2)
    expect(stderr).toContain(named)
  })

  it('a missing cloud or a bad speed exits with 2', async ({ newInstaller }) => {
    const homeless = newInstaller({ env: { OCPCTL_SIM_CLOUD: '' } })
    const { code, stderr } = await homeless.run('create', 'cluster', '--dir', homeless.newDir('d', config()))
    expect(code).toBe(2)
    expect(stderr).toContain('OCPCTL_SIM_CLOUD')
    const still = newInstaller({ env: { OCPCTL_SIM_SPEED: '0' } })
    expect((await still.run('create', 'manifests', '--dir', still.newDir('d', config()))).code).toBe(2)
  })

  it('goes on when nobody reads its stderr', async ({ newInstaller }) => {
    const installer = newInstaller({ closeStderr: true })
    const { code } = await installer.run('create', 'cluster', '--dir', installer.newDir('d', config()))
    expect(code).toBe(0)
  })
})
