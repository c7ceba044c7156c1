// Credentials for several accounts: in which forms an entry may be, what of it a child and an inventory see, and what
// becomes of clusters whose entry is not there.
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs' // prettier-ignore
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { App } from '../src/app.ts'
import { openCloudCredentials } from '../src/clouds/access.ts'
import { awsCredentialsOf } from '../src/clouds/aws/credentials.ts'
import { openAwsInventory } from '../src/clouds/aws/inventory.ts'
import { openAzureInventory } from '../src/clouds/azure/inventory.ts'
import { openInventoryByEntry } from '../src/clouds/by-entry.ts'
import { openGcpInventory } from '../src/clouds/gcp/inventory.ts'
import { openIbmCloudInventory } from '../src/clouds/ibmcloud/inventory.ts'
import { describeUnanswered, isProvedEmpty, type InventoryAnswer, type InventoryQuery, type Place } from '../src/clouds/inventory.ts' // prettier-ignore
import { openInventory } from '../src/clouds/by-platform.ts'
import { readConfig } from '../src/config.ts'
import { createHttp } from '../src/http/app.ts'
import { openInstaller } from '../src/installer/openshift-install.ts'
import { startWorker } from '../src/worker/worker.ts'
import { startAwsServer } from './aws-server.ts'
import { SUBSCRIPTION } from './azure-server.ts'
import { emptyProject, startGcpServer } from './gcp-server.ts'
import { eventually, openHarness, ROOT, type Harness } from './harness.ts'
import { API_KEY, REGION, startIbmCloudServer } from './ibmcloud-server.ts'

const dirs: string[] = []
const newDir = () => {
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-credentials-'))
  dirs.push(dir)
  return dir
}
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
})
let home: string
beforeEach(() => {
  home = newDir()
})
function put(path: string, text: string, mode = 0o600): string {
  const file = join(home, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}
const told = (platform: Place['platform'], answer: InventoryAnswer) =>
  isProvedEmpty(answer) ? 'empty' : describeUnanswered(platform, answer)
const open = (environment: Record<string, string> = {}) => openCloudCredentials(home, environment)
const why = async (reading: Promise<unknown>): Promise<string> =>
  reading.then(() => 'it was read', (error: Error) => error.message) // prettier-ignore

const principal = {
  subscriptionId: SUBSCRIPTION.toUpperCase(),
  tenantId: 't',
  clientId: 'c',
  clientSecret: 'the-secret-of-azure',
}
const INI = '[default]\naws_access_key_id = AKIAFIRST\naws_secret_access_key = first-secret\n'

describe('the forms of an entry', () => {
  it.each<[string, 'aws' | 'azure' | 'gcp' | 'ibmcloud', Record<string, string>, Record<string, string>, string[]]>([
    [
      'osServicePrincipal.json',
      'azure',
      { 'prod.json': JSON.stringify(principal) },
      { AZURE_AUTH_LOCATION: '=prod.json' },
      ['the-secret-of-azure'],
    ],
    [
      'the same in a secret',
      'azure',
      { 'prod/osServicePrincipal.json': JSON.stringify(principal) },
      { AZURE_AUTH_LOCATION: '=prod/osServicePrincipal.json' },
      ['the-secret-of-azure'],
    ],
    [
      'a key of Google',
      'gcp',
      { prod: '{"type":"service_account","private_key":"PEM-PEM","private_key_id":"k1"}' },
      { GOOGLE_APPLICATION_CREDENTIALS: '=prod' },
      ['PEM-PEM'],
    ],
    [
      'the credentials of AWS',
      'aws',
      { prod: INI },
      { AWS_SHARED_CREDENTIALS_FILE: '=prod', AWS_CONFIG_FILE: '=prod', AWS_PROFILE: 'default' },
      ['first-secret'],
    ],
    [
      'a folder of AWS',
      'aws',
      { 'prod/credentials': INI, 'prod/config': '[profile prod]\nrole_arn = arn:x\nsource_profile = default\n' },
      { AWS_SHARED_CREDENTIALS_FILE: '=prod/credentials', AWS_CONFIG_FILE: '=prod/config', AWS_PROFILE: 'prod' },
      ['first-secret'],
    ],
    [
      'a role of AWS with a token file',
      'aws',
      { 'prod/config': '[profile only]\nrole_arn = arn:x\nweb_identity_token_file = /t\n', 'prod/token': 'eyJ' },
      { AWS_SHARED_CREDENTIALS_FILE: '=prod/config', AWS_CONFIG_FILE: '=prod/config', AWS_PROFILE: 'only' },
      [],
    ],
    [
      'lines of variables',
      'aws',
      { 'prod.env': '# a comment\nexport AWS_ACCESS_KEY_ID=AKIA\nAWS_SECRET_ACCESS_KEY="se=cret"\n' },
      { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'se=cret' },
      ['se=cret'],
    ],
    [
      'a secret of AWS',
      'aws',
      { 'prod/aws_access_key_id': 'AKIA', 'prod/aws_secret_access_key': 'secret\n' },
      { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'secret' },
      ['secret'],
    ],
    [
      'a variable of IBM Cloud',
      'ibmcloud',
      { prod: 'IC_API_KEY=the-key-of-ibm' },
      { IC_API_KEY: 'the-key-of-ibm' },
      ['the-key-of-ibm'],
    ],
    [
      'a secret of IBM Cloud',
      'ibmcloud',
      { 'prod/ibmcloud_api_key': 'the-key-of-ibm' },
      { IC_API_KEY: 'the-key-of-ibm' },
      ['the-key-of-ibm'],
    ],
    [
      'the file that IBM Cloud gives',
      'ibmcloud',
      { 'prod.json': '{"name":"k","apikey":"the-key-of-ibm"}' },
      { IC_API_KEY: 'the-key-of-ibm' },
      ['the-key-of-ibm'],
    ],
    [
      'an API key alone',
      'ibmcloud',
      { prod: 'abcdefghij-klmnopqrst_uvwxyz0123456789ABCDEF\n' },
      { IC_API_KEY: 'abcdefghij-klmnopqrst_uvwxyz0123456789ABCDEF' },
      ['abcdefghij-klmnopqrst_uvwxyz0123456789ABCDEF'],
    ],
  ])('%s', async (_form, platform, files, environment, secrets) => {
    // prettier-ignore
    for (const [path, text] of Object.entries(files)) put(path, text)
    const expected = Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [
        name,
        value.startsWith('=') ? join(home, value.slice(1)) : value,
      ]),
    )
    const access = await open().open(platform, 'prod')
    expect(access.environment).toEqual(expected)
    expect(access.secrets).toEqual(secrets)
    expect(access.entry?.exposed).toEqual([])
  })

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'is missing',
      { other: INI },
      /entry "prod" of aws cannot be used: there is no .*prod\. Put it \(back\) as .*prod$/,
    ],
    ['stands twice', { prod: INI, 'prod.json': '{}' }, /prod and prod\.json in .* have one name/],
    ['is of another cloud', { prod: JSON.stringify(principal) }, /holds credentials of azure/],
    ['is of two clouds', { 'prod/credentials': INI, 'prod/apikey': 'k' }, /is of (aws|ibmcloud) and of (aws|ibmcloud)/],
    ['is nothing that is known', { prod: 'hello world' }, /holds nothing that is known: it takes osServicePrincipal/],
    ['is broken JSON', { prod: '{"apikey": "s3cr3t-value' }, /begins as JSON and is none/],
    ['has half a key', { prod: 'AWS_ACCESS_KEY_ID=AKIA' }, /lacks one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/],
    [
      'has a variable of something else',
      { prod: 'AWS_ACCESS_KEY_ID=AKIA\nDATABASE_URL=s3cr3t-value' },
      /has DATABASE_URL, which is none of/,
    ],
    [
      'has profiles of which none is meant',
      { prod: '[a]\naws_access_key_id=x\n[b]\naws_access_key_id=y\n' },
      /has the profiles a, b: name one default, or prod/,
    ],
    [
      'starts a program',
      { prod: '[default]\ncredential_process = /bin/s3cr3t-value\n' },
      /has credential_process, which leads to/,
    ],
    [
      "takes the worker's variables",
      { prod: '[default]\nrole_arn = a\ncredential_source = Environment\n' },
      /credential_source = Environment, which/,
    ],
    [
      'has keys beside a file',
      { 'prod/credentials': INI, 'prod/aws_access_key_id': 'x', 'prod/aws_secret_access_key': 'y' },
      /only one of both can count/,
    ],
    [
      'has two of a kind',
      { 'prod/a.json': '{"apikey":"x"}', 'prod/b.json': '{"apikey":"y"}' },
      /says again what another file/,
    ],
  ])('one that %s is refused, and no value of it is told', async (_what, files, told) => {
    // prettier-ignore
    for (const [path, text] of Object.entries(files)) put(path, text)
    const message = await why(open().open('aws', 'prod'))
    expect(message).toMatch(told)
    expect(message).not.toMatch(/s3cr3t|AKIA|first-secret/)
  })

  it('without the directory, it says which variable is missing', async () => {
    expect(await why(openCloudCredentials(undefined, {}).open('gcp', 'prod'))).toContain('OCPCTL_CLOUD_CREDENTIALS, the directory') // prettier-ignore
    expect(await openCloudCredentials(undefined, {}).list()).toEqual({ entries: [], problems: [] })
    expect((await openCloudCredentials(join(home, 'nowhere'), {}).list()).problems).toEqual([expect.stringContaining('cannot be read')]) // prettier-ignore
  })

  it('a mounted secret is followed when Kubernetes changes it', async () => {
    put('prod/..1/apikey', 'the-first-key')
    put('prod/..2/apikey', 'the-second-key')
    symlinkSync('..1', join(home, 'prod/..data'))
    symlinkSync('..data/apikey', join(home, 'prod/apikey'))
    const credentials = open()
    expect((await credentials.open('ibmcloud', 'prod')).environment).toEqual({ IC_API_KEY: 'the-first-key' })
    symlinkSync('..2', join(home, 'prod/..next'))
    renameSync(join(home, 'prod/..next'), join(home, 'prod/..data'))
    expect((await credentials.open('ibmcloud', 'prod')).environment).toEqual({ IC_API_KEY: 'the-second-key' })
    rmSync(join(home, 'prod/..2'), { recursive: true })
    expect(await why(credentials.open('ibmcloud', 'prod'))).toContain('apikey leads nowhere')
  })

  it('it tells of files that others may read or write', async () => {
    put('open', INI, 0o644)
    put('loose', INI, 0o660)
    put('group', INI, 0o640)
    const { entries } = await open().list()
    expect(entries.map(({ name, exposed }) => [name, exposed])).toEqual([
      ['group', []],
      ['loose', [`${join(home, 'loose')} can be written by others (0660)`]],
      ['open', [`${join(home, 'open')} can be read by everybody on the host (0644)`]],
    ])
  })

  it('of the environment, each cloud gets its own part', async () => {
    const environment = { AWS_PROFILE: 'a', AZURE_AUTH_LOCATION: 'b', GOOGLE_CREDENTIALS: 'c', IC_API_KEY: 'the-key-of-ibm', OCPCTL_SECRETS_KEY: 'd', HOME: '/h' } // prettier-ignore
    const of = async (platform: 'aws' | 'gcp' | 'ibmcloud') =>
      (await open(environment).open(platform, undefined)).environment
    expect(await of('aws')).toEqual({ AWS_PROFILE: 'a', HOME: '/h' })
    expect(await of('gcp')).toEqual({ GOOGLE_CREDENTIALS: 'c', HOME: '/h' })
    expect(await of('ibmcloud')).toEqual({ IC_API_KEY: 'the-key-of-ibm', HOME: '/h' })
  })
})

const VERSION = '4.20.3'

/** A directory of programs with one that does this. */
function program(body: string): string {
  const dir = newDir()
  const path = join(dir, `openshift-install-${VERSION}`)
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  writeFileSync(`${path}.sha256`, createHash('sha256').update(`#!/bin/sh\n${body}\n`).digest('hex'))
  writeFileSync(join(dir, 'pull.json'), '{"auths":{"quay.io":{"auth":"YTpi"}}}')
  return dir
}

describe('a child', () => {
  const everything = {
    HOME: '/home/worker',
    AWS_ACCESS_KEY_ID: 'AKIAWORKER',
    AWS_SECRET_ACCESS_KEY: 'secret-of-the-worker',
    AZURE_AUTH_LOCATION: '/worker/azure.json',
    GOOGLE_CREDENTIALS: '{"type":"service_account"}',
    IC_API_KEY: 'key-of-the-worker',
    HTTPS_PROXY: 'http://proxy.example.com',
    OCPCTL_SECRETS_KEY: Buffer.alloc(32).toString('base64'),
    OCPCTL_S3_ACCESS_KEY_ID: 'AKIASTORE',
    OCPCTL_S3_SECRET_ACCESS_KEY: 'secret-of-the-store',
    PATH: process.env['PATH'] ?? '',
  }

  async function environmentOfChild(platform: 'aws' | 'azure', entry: string | undefined) {
    const programs = program('env > "$PWD/seen"')
    const config = readConfig({
      ...everything,
      OCPCTL_INSTALLER: programs,
      OCPCTL_PULL_SECRET_FILE: join(programs, 'pull.json'),
      OCPCTL_CLOUD_CREDENTIALS: home,
    })
    const dir = join(newDir(), 'assets')
    mkdirSync(dir)
    const access = await openCloudCredentials(config.credentialsDir, config.environment).open(platform, entry)
    const run = openInstaller(config).start({
      program: { version: VERSION, fips: false },
      dir,
      access,
      command: 'create manifests',
      untilMs: Number.MAX_SAFE_INTEGER,
      onLine: () => undefined,
      findCut: (_text, limit) => limit,
    })
    expect(await run.exit).toMatchObject({ exitCode: 0 })
    const lines = readFileSync(join(dir, 'seen'), 'utf8').trim().split('\n')
    return {
      dir,
      seen: Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)) as [string, string][]),
    }
  }
  const clouds = /^(AWS|AZURE|ARM|GOOGLE|GCLOUD|CLOUDSDK|IC|IBMCLOUD|OCPCTL)_/
  const cloudNames = (seen: Record<string, string>) => Object.keys(seen).filter((name) => clouds.test(name)).sort() // prettier-ignore

  it('sees the credentials of its entry, no others, and none under its home', async () => {
    const path = put('prod', INI)
    const { seen, dir } = await environmentOfChild('aws', 'prod')
    expect(cloudNames(seen)).toEqual(['AWS_CONFIG_FILE', 'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', 'AWS_PROFILE', 'AWS_SHARED_CREDENTIALS_FILE']) // prettier-ignore
    expect(seen).toMatchObject({ AWS_SHARED_CREDENTIALS_FILE: path, HTTPS_PROXY: 'http://proxy.example.com' })
    expect(JSON.stringify(seen)).not.toMatch(/-of-the-|AKIA/)
    // What is written there is in no snapshot of the directory, and downloads are not made once for each cluster.
    expect(seen['HOME']).toBe(`${dir}.home`)
    expect(readdirSync(`${dir}.home`)).toEqual([])
    expect(seen['XDG_CACHE_HOME']).toBe('/home/worker/.cache')
    expect(readdirSync(dir)).toEqual(['seen'])
  })

  it('without an entry sees those of its own cloud in the environment', async () => {
    const { seen } = await environmentOfChild('azure', undefined)
    expect(cloudNames(seen)).toEqual(['AWS_IGNORE_CONFIGURED_ENDPOINT_URLS', 'AZURE_AUTH_LOCATION'])
    expect(seen['HOME']).toBe('/home/worker')
  })
})

describe('an inventory', () => {
  const query: InventoryQuery = { platform: 'ibmcloud', region: REGION, name: 'demo', baseDomain: 'example.com', clusterId: 'clu_01', infraIds: ['demo-abcde'], records: 'all' } // prettier-ignore

  it('asks each account with its own entry, read anew each time', async () => {
    const server = await startIbmCloudServer()
    const credentials = open({ IC_API_KEY: 'a-key-of-another-account' })
    const inventory = openInventoryByEntry(credentials, 'ibmcloud', ({ environment }) =>
      openIbmCloudInventory({ environment, endpoints: server.endpoints }),
    )
    put('good', `IC_API_KEY=${API_KEY}`)
    put('bad', 'IC_API_KEY=no-such-key')
    const find = async (name?: string) => told('ibmcloud', await inventory.find({ ...query, credentials: name }))
    const refused = expect.stringContaining('API key could not be found')
    expect(await find('good')).toBe('empty')
    expect(await find('bad')).toEqual(refused)
    expect(await find()).toEqual(refused)
    put('bad', `IC_API_KEY=${API_KEY}`)
    expect(await find('bad')).toBe('empty')
    // One that is taken away is never answered with what was read before.
    rmSync(join(home, 'good'))
    const reason = expect.stringMatching(
      /^IBM Cloud is not verified: .*entry "good" of ibmcloud cannot be used.*Put it \(back\)/,
    )
    expect(await find('good')).toEqual(reason)
    const records = await inventory.findRecords({ ...query, credentials: 'good' })
    expect(describeUnanswered('ibmcloud', records)).toEqual(reason)
    await server.close()
  })

  it('of AWS takes files and keys, and never what lies elsewhere', async () => {
    const server = await startAwsServer()
    server.account.zones = [{ id: 'Z9', name: 'example.com.', isPrivate: false, records: [] }]
    const keys = (id: string) => `[default]\naws_access_key_id = ${id}\naws_secret_access_key = loopback-secret\n`
    put('files', keys(server.credentials.accessKeyId))
    put('keys.env', `AWS_ACCESS_KEY_ID=${server.credentials.accessKeyId}\nAWS_SECRET_ACCESS_KEY=loopback-secret\n`)
    put('empty', '[default]\nregion = eu-west-1\n')
    const credentials = open()
    const inventory = openInventoryByEntry(credentials, 'aws', (access) =>
      openAwsInventory({ endpoint: server.endpoint, ...awsCredentialsOf(access) }),
    )
    const find = async (name: string) =>
      told('aws', await inventory.find({ ...query, platform: 'aws', region: 'eu-west-1', credentials: name }))
    expect(await find('files')).toBe('empty')
    expect(await find('keys')).toBe('empty')
    expect(await find('empty')).toMatch(/^AWS is not verified/)
    // The SDK remembers files, and this one must not be.
    put('files', keys('AKIAREVOKED'))
    expect(await find('files')).toMatch(/^AWS is not verified/)
    await server.close()
  })

  it('looks for what is ours in every account, and one that does not tell hinders no other', async () => {
    const asked: string[] = []
    const credentials = open()
    put('one', `IC_API_KEY=${'1'.repeat(20)}`)
    put('two', `IC_API_KEY=${'2'.repeat(20)}`)
    const ibmcloud = openInventoryByEntry(credentials, 'ibmcloud', ({ environment }) => ({
      find: async () => ({ found: [], checked: [], notChecked: [] }),
      findRecords: async () => ({ found: [], taken: [], notChecked: [] }),
      async *findOwned({ installationId, offered }) {
        asked.push(`${environment['IC_API_KEY']?.[0]} ${offered.map(({ region }) => region).join()}`)
        yield { clusterId: 'clu_1', installationId, resource: { id: 'r', type: 't', name: 'n', region: 'eu' } }
      },
    }))
    const place = { platform: 'ibmcloud' as const, baseDomain: 'example.com' }
    const offered = [
      { ...place, region: 'a', credentials: 'gone' },
      { ...place, region: 'b', credentials: 'one' },
      { ...place, region: 'c', credentials: 'two' },
      { ...place, region: 'd', credentials: 'one' },
    ]
    const found: string[] = []
    const listing = async () => {
      for await (const { clusterId } of openInventory({ ibmcloud }).findOwned?.({ installationId: 'ins_1', offered }) ??
        [])
        found.push(clusterId)
    }
    expect(await why(listing())).toMatch(/entry "gone" of ibmcloud cannot be used/)
    expect(asked).toEqual(['1 b,d', '2 c'])
    expect(found).toHaveLength(2)
  })
})

describe('the account that a profile names', () => {
  const at: Omit<Place, 'platform'> = { region: REGION, name: 'demo', baseDomain: 'example.com' }

  it('Azure: the subscription of the credentials', async () => {
    const instead = {
      resourceManager: 'http://127.0.0.1:1',
      signIn: async () => ({ subscriptionId: SUBSCRIPTION, token: async () => 'loopback' }),
    }
    const mismatch = (subscription?: string) =>
      openAzureInventory({ environment: {}, instead }).findMismatch?.({ ...at, platform: 'azure', azure: { cloud: 'AzurePublicCloud', subscription } }) // prettier-ignore
    expect(await mismatch()).toBeUndefined()
    expect(await mismatch(SUBSCRIPTION)).toBeUndefined()
    expect(await mismatch('99999999-2222-3333-4444-555555555555')).toMatch(/credentials are of the subscription 1111.*profile is of 9999/) // prettier-ignore
  })

  it('Google Cloud: the project', async () => {
    const server = await startGcpServer()
    server.projects['p1'] = emptyProject()
    const inventory = openGcpInventory({ environment: server.environment, endpoint: server.endpoint })
    const mismatch = (project: string) => inventory.findMismatch?.({ ...at, platform: 'gcp', project })
    expect(await mismatch('p1')).toBeUndefined()
    expect(await mismatch('p2')).toMatch(/see no project p2 \(gcp\.project/)
    server.faults.push({ how: 'deny', permission: 'resourcemanager.projects.get', times: 1 })
    expect(await mismatch('p1')).toMatch(/lack resourcemanager\.projects\.get/)
    server.close()
  })

  it('IBM Cloud: the account, before anything is believed, and the resource group', async () => {
    const server = await startIbmCloudServer()
    const inventory = openIbmCloudInventory({ environment: { IC_API_KEY: API_KEY }, endpoints: server.endpoints })
    const place = (ibmcloud: Place['ibmcloud']): Place => ({ ...at, platform: 'ibmcloud', ibmcloud })
    expect(await inventory.findMismatch?.(place({}))).toBeUndefined()
    expect(await inventory.findMismatch?.(place({ account: 'a1b2c3', resourceGroup: 'Default' }))).toBeUndefined()
    expect(await inventory.findMismatch?.(place({ resourceGroup: 'team' }))).toMatch(/account a1b2c3 shows no resource group team/) // prettier-ignore
    const wrong = place({ account: 'ffffff' })
    const told = 'the API key is of the account a1b2c3, and the profile is of ffffff'
    expect(await inventory.findMismatch?.(wrong)).toContain(told)
    const query = { ...wrong, clusterId: 'clu_1', infraIds: ['demo-abcde'], records: 'all' as const }
    expect(describeUnanswered(query.platform, await inventory.find(query))).toContain(told)
    expect(describeUnanswered(query.platform, await inventory.findRecords(wrong))).toContain(told)
    await server.close()
  })
})

describe('a worker', () => {
  let h: Harness
  let profiles: string
  const write = (text: string) => writeFileSync(join(profiles, 'aws-minimal-test.yaml'), text)
  const profile = readFileSync(join(ROOT, 'profiles/aws-minimal-test.yaml'), 'utf8')
  beforeAll(async () => {
    profiles = newDir()
    write(`${profile}credentials: prod\n`)
    h = await openHarness({ profilesDir: profiles })
  })
  afterAll(() => h.close())

  /** The simulator, as a program that reads no variable of the simulation, and tells which credentials it sees. */
  function appWith(more: Partial<App> = {}): App {
    const programs = program(
      `echo "$AWS_ACCESS_KEY_ID $1 $2" >> ${home}.seen\n` +
        `echo "level=info msg=the key is $AWS_SECRET_ACCESS_KEY" >> "$4/.openshift_install.log"\n` +
        `OCPCTL_SIM_VERSION=${VERSION} OCPCTL_SIM_CLOUD=${h.cloudDir} OCPCTL_SIM_SPEED=1000000 exec ${process.execPath} ${ROOT}/bin/openshift-install-sim "$@"`,
    )
    const config = readConfig({
      ...h.environment,
      OCPCTL_INSTALLER: programs,
      OCPCTL_PULL_SECRET_FILE: join(programs, 'pull.json'),
      OCPCTL_CLOUD_CREDENTIALS: home,
    })
    const credentials = openCloudCredentials(config.credentialsDir, config.environment)
    return { ...h.app, config, installer: openInstaller(config), credentials, ...more }
  }
  const reasonOf = (id: string, told: string) =>
    eventually(async () => {
      const [row] = await h.rows<{ status: string; status_reason: string | null }>(`select status, status_reason from clusters where id = '${id}'`) // prettier-ignore
      return row?.status_reason?.includes(told) ? row : undefined
    })
  const hurry = async () => {
    await h.rows(`update pgboss.job set start_after = now() where state = 'retry'`)
    h.app.queue.wake()
  }

  it(
    'takes the jobs of clusters whose entry it has, and destroys with the one that made them',
    { timeout: 120_000 },
    async () => {
      const app = appWith()
      const warned: string[] = []
      const log = new Proxy(h.app.log, { get: (of, key) => (key === 'warn' ? (text: unknown) => warned.push(String(text)) : Reflect.get(of, key)) }) // prettier-ignore
      const worker = await startWorker({ ...app, log })
      expect(warned.join('\n')).toContain('the profile aws-minimal-test names the credentials entry "prod", which is not in OCPCTL_CLOUD_CREDENTIALS here') // prettier-ignore
      const ready = async () => (await createHttp(h.app).request('/readyz')).json()
      expect(await ready()).toMatchObject({
        ready: true,
        degraded: [{ part: 'credentials', detail: expect.stringContaining('no worker has the credentials entry "prod" of aws, so clusters of the profile aws-minimal-test wait') }], // prettier-ignore
      })
      const { cluster, job } = await h.requestCluster('waits', { version: VERSION })
      const waiting = 'it waits for a worker with the credentials entry "prod" of aws'
      expect(await reasonOf(cluster.id, waiting)).toMatchObject({ status: 'PENDING' })
      expect(existsSync(`${home}.seen`)).toBe(false)

      put('prod.env', 'AWS_ACCESS_KEY_ID=AKIAPROD\nAWS_SECRET_ACCESS_KEY=a-secret-of-prod\n')
      await hurry()
      await h.reach(cluster.id, 'READY')
      expect(new Set(readFileSync(`${home}.seen`, 'utf8').trim().split('\n').map((line) => line.split(' ')[0]))).toEqual(new Set(['AKIAPROD'])) // prettier-ignore
      const { body: lines } = await h.call('GET', `/jobs/${job.id}/log`)
      expect(JSON.stringify(lines)).toContain('the key is ***')
      expect(JSON.stringify(lines)).not.toContain('a-secret-of-prod')

      // The profile names another entry by now, and the cluster's own is away.
      write(`${profile}credentials: other\n`)
      h.app.catalog.refresh()
      renameSync(join(home, 'prod.env'), join(home, '.prod'))
      put('other.env', 'AWS_ACCESS_KEY_ID=AKIAOTHER\nAWS_SECRET_ACCESS_KEY=other-secret\n')
      rmSync(`${home}.seen`)
      await h.destroy(cluster.id)
      await hurry()
      expect(await reasonOf(cluster.id, waiting)).toMatchObject({ status: 'DESTROYING' })
      expect(await h.rows(`select 1 from job_attempts a join jobs j on j.id = a.job_id where j.type = 'DESTROY'`)).toEqual([]) // prettier-ignore
      expect(JSON.stringify(await ready())).toContain('with which alone waits can be destroyed: put it back')

      renameSync(join(home, '.prod'), join(home, 'prod.env'))
      await hurry()
      await eventually(async () => (await h.rows(`select from job_attempts where stage = 'verify'`)).length > 0)
      expect(await h.rows(`select status_reason from clusters where id = '${cluster.id}'`)).toEqual([
        { status_reason: null },
      ])
      expect(h.resources()).toEqual([])
      expect(readFileSync(`${home}.seen`, 'utf8')).toBe('AKIAPROD destroy cluster\n')
      expect(JSON.stringify(await ready())).not.toContain('with which alone')
      await worker.drain(0)
    },
  )

  it('makes nothing in another account than the profile names', { timeout: 60_000 }, async () => {
    write(`${profile}credentials: prod\n`)
    h.app.catalog.refresh()
    put('prod.env', 'AWS_ACCESS_KEY_ID=AKIAPROD\nAWS_SECRET_ACCESS_KEY=a-secret-of-prod\n')
    const inventory = { ...h.app.inventory, findMismatch: async () => 'the credentials are of the account 1' }
    const worker = await startWorker(appWith({ inventory }))
    const { cluster } = await h.requestCluster('elsewhere', { version: VERSION })
    await h.reach(cluster.id, 'FAILED')
    const { body } = await h.call('GET', `/clusters/${cluster.id}`)
    expect(body.statusReason).toMatch(/^WrongCloudAccount: .*account 1\. Nothing was made/)
    expect(h.journal().filter((line) => line.cluster === 'elsewhere')).toEqual([])
    await worker.drain(0)
  })
})
