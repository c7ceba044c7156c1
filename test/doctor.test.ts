// What the doctor finds out about credentials on each cloud, by questions that make nothing.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { awsCredentialsOf } from '../src/clouds/aws/credentials.ts'
import { openAwsInventory } from '../src/clouds/aws/inventory.ts'
import { proofActions } from '../src/clouds/aws/needed.ts'
import { checkAws } from '../src/clouds/aws/rights.ts'
import { openAzureInventory } from '../src/clouds/azure/inventory.ts'
import { neededActions } from '../src/clouds/azure/permissions.ts'
import { checkAzure } from '../src/clouds/azure/rights.ts'
import { openGcpInventory } from '../src/clouds/gcp/inventory.ts'
import { proofPermissions } from '../src/clouds/gcp/needed.ts'
import { checkGcp } from '../src/clouds/gcp/rights.ts'
import { openIbmCloudInventory } from '../src/clouds/ibmcloud/inventory.ts'
import { checkIbmCloud } from '../src/clouds/ibmcloud/rights.ts'
import { runDoctor, type CloudDoctor } from '../src/commands/doctor.ts'
import { readConfig } from '../src/config.ts'
import type { Platform } from '../src/vocabulary.ts'
import { emptyAccount, startAwsServer, type AwsServer } from './aws-server.ts'
import { emptySubscription, startAzureServer, SUBSCRIPTION, type AzureServer } from './azure-server.ts'
import { emptyProject, startGcpServer, type GcpServer, type Project } from './gcp-server.ts'
import { ROOT } from './harness.ts'
import { API_KEY, emptyAccount as emptyIbmCloud, startIbmCloudServer, type IbmCloudServer } from './ibmcloud-server.ts'

let aws: AwsServer
let azure: AzureServer
let gcp: GcpServer
let ibmcloud: IbmCloudServer
let project: Project
let home: string
let profiles: string
let doctors: Record<Platform, CloudDoctor>
const dirs: string[] = []
const newDir = () => {
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-doctor-'))
  dirs.push(dir)
  return dir
}
beforeAll(async () => {
  ;[aws, azure, gcp, ibmcloud] = await Promise.all([startAwsServer(), startAzureServer(), startGcpServer(), startIbmCloudServer()]) // prettier-ignore
  const instead = {
    resourceManager: azure.endpoint,
    signIn: async () => ({ subscriptionId: SUBSCRIPTION, token: async () => 'loopback' }),
  }
  const { endpoint } = aws
  const { endpoints } = ibmcloud
  doctors = {
    aws: { check: (access, places) => checkAws(access, places, { endpoint }), open: (access) => openAwsInventory({ endpoint, ...awsCredentialsOf(access) }) }, // prettier-ignore
    azure: { check: (access, places) => checkAzure(access, places, { instead }), open: ({ environment }) => openAzureInventory({ environment, instead }) }, // prettier-ignore
    gcp: { check: (access, places) => checkGcp(access, places, { endpoint: gcp.endpoint }), open: ({ environment }) => openGcpInventory({ environment, endpoint: gcp.endpoint }) }, // prettier-ignore
    ibmcloud: { check: (access, places) => checkIbmCloud(access, places, { endpoints }), open: ({ environment }) => openIbmCloudInventory({ environment, endpoints }) }, // prettier-ignore
  }
})
afterAll(async () => {
  gcp.close()
  await Promise.all([aws.close(), azure.close(), ibmcloud.close()])
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => {
  home = newDir()
  profiles = newDir()
  Object.assign(aws.account, emptyAccount())
  Object.assign(azure.subscription, emptySubscription(), { permissions: [{ actions: ['*'], notActions: [] }] })
  project = emptyProject()
  gcp.projects['p1'] = project
  Object.assign(ibmcloud.account, emptyIbmCloud())
  for (const server of [aws, azure, gcp, ibmcloud]) server.faults.length = server.requests.length = 0
})

const put = (name: string, text: string) => writeFileSync(join(home, name), text, { mode: 0o600 })
const entries: Record<Platform, () => void> = {
  aws: () => put('aws-a', `AWS_ACCESS_KEY_ID=${aws.credentials.accessKeyId}\nAWS_SECRET_ACCESS_KEY=loopback-secret\n`),
  azure: () =>
    put(
      'azure-a.json',
      JSON.stringify({ subscriptionId: SUBSCRIPTION, tenantId: 't', clientId: 'c', clientSecret: 'x' }),
    ),
  gcp: () => put('gcp-a.json', JSON.stringify({ ...gcp.key, project_id: 'p1' })),
  ibmcloud: () => put('ibm-a', `IC_API_KEY=${API_KEY}`),
}
/** A profile of the project's own, changed. */
function offer(platform: Platform, entry: string, change: (text: string) => string = (text) => text): void {
  const text = readFileSync(join(ROOT, `profiles/${platform}-minimal-test.yaml`), 'utf8')
  writeFileSync(join(profiles, `${platform}.yaml`), `${change(text)}\ncredentials: ${entry}\n`)
}

async function run(...options: string[]) {
  let text = ''
  const config = () => readConfig({ OCPCTL_CLOUD_CREDENTIALS: home, OCPCTL_PROFILES: profiles, HOME: home })
  const code = await runDoctor(options, config, doctors, (more) => (text += more))
  return { code, text }
}
/** By profile, since what the machine itself has is examined otherwise too. */
async function examine(platform: Platform) {
  const { code, text } = await run('--profile', `${platform}-minimal-test`, '--json')
  const [examined] = JSON.parse(text).credentials
  const namesOf = (state: string) => examined.rights?.filter((right: { state: string }) => right.state === state).map((right: { name: string }) => right.name) // prettier-ignore
  return { code, ...examined, missing: namesOf('missing'), unknown: namesOf('unknown'), given: namesOf('given') }
}

describe('AWS', () => {
  beforeEach(() => {
    entries.aws()
    offer('aws', 'aws-a')
  })

  it('all is given: who it is, and nothing was made', async () => {
    const told = await examine('aws')
    expect(told).toMatchObject({ code: 0, entry: 'aws-a', profiles: ['aws-minimal-test'], who: 'arn:aws:iam::000000000000:user/ocpctl', where: 'account 000000000000', missing: [], unknown: [], problems: [] }) // prettier-ignore
    expect(told.given).toEqual(expect.arrayContaining(['ec2:CreateVpc', 'iam:GetAccountAuthorizationDetails', 'ec2:DeleteVpc'])) // prettier-ignore
    expect(new Set(aws.requests.map(({ action }) => action))).toEqual(new Set(['GetCallerIdentity', 'SimulatePrincipalPolicy'])) // prettier-ignore
  })

  it('names what is missing, what for, and in which regions', async () => {
    aws.account.refused.push('ec2:RunInstances@eu-west-1', 's3:ListAllMyBuckets')
    const { code, rights } = await examine('aws')
    expect(code).toBe(1)
    expect(rights.filter(({ state }: { state: string }) => state === 'missing')).toEqual([
      { name: 'ec2:RunInstances', uses: ['install'], state: 'missing', why: 'refused in eu-west-1' },
      {
        name: 's3:ListAllMyBuckets',
        uses: ['proof'],
        state: 'missing',
        why: expect.stringContaining('us-east-1, us-east-2'),
      },
    ])
    const { text } = await run('--profile', 'aws-minimal-test')
    expect(text).toContain('  missing: ec2:RunInstances (install): refused in eu-west-1\n')
    expect(text).toMatch(/not all is well\n$/)
  })

  it('names what is missing to let clusters sleep', async () => {
    aws.account.refused.push('ec2:StartInstances')
    const { rights } = await examine('aws')
    expect(rights.filter(({ state }: { state: string }) => state === 'missing')).toMatchObject([
      { name: 'ec2:StartInstances', uses: ['sleep'] },
    ])
  })

  it('of a role, its policies are judged', async () => {
    aws.account.caller = 'arn:aws:sts::000000000000:assumed-role/deployer/i-1'
    aws.account.roles.push({ name: 'deployer', tags: {} })
    expect(await examine('aws')).toMatchObject({ code: 0, missing: [], unknown: [] })
  })

  it('where IAM does not tell, nothing is called given', async () => {
    aws.faults.push({ how: 'deny', action: 'iam:SimulatePrincipalPolicy', times: 1 })
    const told = await examine('aws')
    expect(told).toMatchObject({ code: 1, missing: ['iam:SimulatePrincipalPolicy'], given: [] })
    expect(told.unknown).toContain('ec2:RunInstances')
    aws.account.caller = 'arn:aws:iam::000000000000:root'
    expect(await examine('aws')).toMatchObject({ code: 0, given: [], missing: [] })
  })

  it('with a network of its own a profile needs less', async () => {
    offer('aws', 'aws-a', (text) => `${text.replace(/allowed: \[us-east-1.*\]/, 'allowed: [us-east-1]')}\naws: { subnets: [{ id: subnet-0a1b2c3d }] }\n`) // prettier-ignore
    const { given } = await examine('aws')
    expect(given).toContain('tag:UntagResources')
    expect(given).not.toContain('ec2:CreateVpc')
  })

  it('credentials that AWS does not know are told, and no secret', async () => {
    put('aws-a', 'AWS_ACCESS_KEY_ID=AKIAREVOKED\nAWS_SECRET_ACCESS_KEY=a-revoked-secret\n')
    const { code, text } = await run('--profile', 'aws-minimal-test')
    expect(code).toBe(1)
    expect(text).toMatch(/wrong: .*MissingAuthenticationToken/)
    expect(text).not.toContain('a-revoked-secret')
  })

  it('its list of what proof needs is that of the document', () => {
    const policy = /"Sid": "ProveThatNothingIsLeft".*?"Action": (\[.*?\])/s.exec(readFileSync(join(ROOT, 'docs/security.md'), 'utf8')) // prettier-ignore
    expect(proofActions.toSorted()).toEqual((JSON.parse(policy?.[1] ?? '[]') as string[]).toSorted())
  })
})

describe('Azure', () => {
  beforeEach(() => {
    entries.azure()
    offer('azure', 'azure-a')
  })

  it('tells what is given in the whole subscription, and names the rest', async () => {
    expect(await examine('azure')).toMatchObject({ code: 0, who: 'the application c', where: `subscription ${SUBSCRIPTION}`, missing: [], unknown: [] }) // prettier-ignore
    azure.subscription.permissions = [
      { actions: ['*'], notActions: ['Microsoft.Authorization/*/Delete', 'Microsoft.Authorization/*/Write'] },
    ]
    expect(await examine('azure')).toMatchObject({
      code: 1,
      missing: ['Microsoft.Authorization/roleAssignments/delete', 'Microsoft.Authorization/roleAssignments/write'],
    })
    expect((await examine('azure')).given).toEqual(expect.arrayContaining(neededActions))
    azure.subscription.permissions[0]?.notActions.push('Microsoft.Compute/virtualMachines/deallocate/*')
    expect((await examine('azure')).missing).toContain('Microsoft.Compute/virtualMachines/deallocate/action')
  })

  it('what it cannot ask is not known', async () => {
    azure.faults.push({ how: 'deny', path: '/permissions', times: 99 })
    const told = await examine('azure')
    expect(told.given).toEqual([])
    expect(told.unknown.length).toBeGreaterThan(80)
  })

  it("another subscription than the profile's is told", async () => {
    offer('azure', 'azure-a', (text) => text.replace(/^azure:$/m, 'azure:\n  subscription: 99999999-2222-4333-8444-555555555555')) // prettier-ignore
    const told = await examine('azure')
    expect(told).toMatchObject({ code: 1, problems: [expect.stringContaining('azure-minimal-test: the credentials are of the subscription')] }) // prettier-ignore
  })
})

describe('Google Cloud', () => {
  beforeEach(() => {
    entries.gcp()
    offer('gcp', 'gcp-a', (text) => text.replace(/project: .*/, 'project: p1'))
  })

  it('asks of each permission, also when one is not known there', async () => {
    const told = await examine('gcp')
    expect(told).toMatchObject({ code: 0, who: 'worker@p1.iam.gserviceaccount.com', where: 'project p1', missing: [], unknown: ['serviceusage.quotas.get'] }) // prettier-ignore
    project.allowed = told.given.filter(
      (name: string) => name !== 'compute.networks.delete' && name !== 'dns.managedZones.list',
    )
    expect(await examine('gcp')).toMatchObject({ code: 1, missing: ['compute.networks.delete', 'dns.managedZones.list'] }) // prettier-ignore
  })

  it('a project that is not seen is told', async () => {
    Reflect.deleteProperty(gcp.projects, 'p1')
    const told = await examine('gcp')
    expect(told).toMatchObject({ code: 1, given: [], problems: [expect.stringContaining('see no project p1')] })
  })

  it('a key that Google does not accept is told once, and nothing of the project', async () => {
    put(
      'gcp-a.json',
      JSON.stringify({ ...gcp.key, client_email: 'nobody@p1.iam.gserviceaccount.com', project_id: 'p1' }),
    )
    const told = await examine('gcp')
    expect(told).toMatchObject({ code: 1, problems: [expect.stringMatching(/^the credentials are not accepted/)] })
    expect(told.missing).toBeUndefined()
  })

  it('its list of what proof needs is that of the document', () => {
    const told = /## Permissions on Google Cloud.*?```\n(.*?)\n```/s.exec(readFileSync(join(ROOT, 'docs/security.md'), 'utf8')) // prettier-ignore
    expect(proofPermissions).toEqual(told?.[1]?.split('\n'))
  })
})

describe('IBM Cloud', () => {
  beforeEach(() => {
    entries.ibmcloud()
    offer('ibmcloud', 'ibm-a', (text) => text.replace(/regions:\n {2}allowed: .*\n {2}default: .*/, 'regions:\n  allowed: [eu-de]\n  default: eu-de')) // prettier-ignore
  })

  it('reads what can be read, and says that the rest cannot be known', async () => {
    const told = await examine('ibmcloud')
    expect(told).toMatchObject({ code: 0, where: 'account a1b2c3', missing: [] })
    expect(told.given).toContain('Viewer of is/volumes')
    expect(told.unknown).toContain('Administrator and Manager of is')
    expect(told.unknown).toContain('Operator of is/instances')
    ibmcloud.faults.push({ at: /\/volumes$/, how: 'deny', times: 1 })
    expect(await examine('ibmcloud')).toMatchObject({ code: 1, missing: ['Viewer of is/volumes'] })
    expect(ibmcloud.requests.filter((request) => !/^GET |identity\/token$|resources\/search$/.test(request))).toEqual(
      [],
    )
  })

  it('a key of no account is told', async () => {
    put('ibm-a', 'IC_API_KEY=no-such-key')
    expect(await examine('ibmcloud')).toMatchObject({
      code: 1,
      problems: [expect.stringContaining('could not be found')],
    })
  })
})

describe('the command', () => {
  it('examines each entry once, names those that cannot be used, and goes on with the others', async () => {
    entries.ibmcloud()
    put('broken', 'hello world')
    offer('ibmcloud', 'gone')
    const { code, text } = await run()
    expect(code).toBe(1)
    expect(text).toContain(`${join(home, 'broken')} holds nothing that is known`)
    expect(text).toMatch(/ibmcloud, entry gone\n {2}profiles: ibmcloud-minimal-test\n {2}wrong: the credentials entry "gone" of ibmcloud cannot be used/) // prettier-ignore
    expect(text).toMatch(/ibmcloud, entry ibm-a: the API key, account a1b2c3\n {2}profiles: none/)
  })

  it('refuses what it does not know', async () => {
    offer('ibmcloud', 'gone')
    await expect(run('--what')).rejects.toThrow('usage: doctor [--profile NAME] [--json]')
    await expect(run('--profile', 'nobody')).rejects.toThrow('there is no profile "nobody"')
  })
})
