// docs/security.md says what is true: its tests exist, its policies name every call to AWS that the code makes, and its role
// what the inventory of Azure reads.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { sleepActions } from '../src/clouds/azure/needed.ts'
import { neededActions } from '../src/clouds/azure/permissions.ts'
import { sleepPermissions } from '../src/clouds/gcp/needed.ts'
import { ROOT } from './harness.ts'

const text = readFileSync(join(ROOT, 'docs/security.md'), 'utf8')
const documents = [...text.matchAll(/```json\n(.*?)```/gs)].map(([, json = '']) => JSON.parse(json) as unknown)
const policies = documents as { Statement: { Sid?: string; Action: string[] }[] }[] // read below
const actionsOf = (policy = policies[0]) => (policy?.Statement ?? []).flatMap(({ Action }) => Action).toSorted()

const SERVICES: Record<string, string> = {
  ec2: 'ec2',
  elb: 'elasticloadbalancing',
  elbv2: 'elasticloadbalancing',
  iam: 'iam',
  route53: 'route53',
  tagging: 'tag',
  s3: 's3',
  sts: 'sts',
  kms: 'kms',
}
const NAMES: Record<string, string> = {
  's3:ListBuckets': 's3:ListAllMyBuckets',
  's3:ListObjectsV2': 's3:ListBucket',
  's3:HeadObject': 's3:GetObject',
  's3:Upload': 's3:PutObject',
}

/** Every call in a file, as the action of IAM that it needs. */
function callsIn(file: string, service?: string): string[] {
  const source = readFileSync(join(ROOT, 'src', file), 'utf8').replaceAll(/^import .*$/gm, '')
  const calls = [
    ...source.matchAll(/(?:(\w+)\.)?(?:paginate(\w+)\(|(?:new (?:(\w+)\.)?)(\w+)Command\(|new (Upload)\()/g),
  ]
  return calls.map(([, before, paginated, owner, command, upload]) => {
    const name = `${service ?? SERVICES[before ?? owner ?? '']}:${paginated ?? command ?? upload}`
    return NAMES[name] ?? name
  })
}

const unique = (names: string[]) => [...new Set(names)].toSorted()

it('the tests that it names exist', () => {
  const named = unique([...text.matchAll(/`(test\/[\w.-]+)`/g)].map(([, name = '']) => name))
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => !existsSync(join(ROOT, name)))).toEqual([])
})

/** What `doctor` asks for, and what takes things away, is told apart. */
const isAsked = (name: string) => name !== 'removal.ts' && name !== 'rights.ts' && name !== 'needed.ts'
const awsFiles = readdirSync(join(ROOT, 'src/clouds/aws'))
  .filter(isAsked)
  .map((name) => `clouds/aws/${name}`)

/** By which `doctor` knows who asks, and what they may. */
const OF_DOCTOR = ['iam:GetRole', 'iam:SimulatePrincipalPolicy', 'sts:GetCallerIdentity']

it('the policy of a worker allows what the inventory and the store ask, and no more', () => {
  const needed = unique([...awsFiles.flatMap((file) => callsIn(file)), ...callsIn('artifacts/s3.ts', 's3')])
  expect(needed.length).toBeGreaterThan(25)
  // That takes away what an installer leaves.
  expect(actionsOf(policies[1])).toEqual(
    unique([...needed.filter((action) => action !== 'route53:ChangeResourceRecordSets'), ...OF_DOCTOR]),
  )
})

it('the permissions on Google Cloud are those that the inventory asks for', () => {
  const source = readdirSync(join(ROOT, 'src/clouds/gcp'))
    .filter(isAsked)
    .map((name) => readFileSync(join(ROOT, 'src/clouds/gcp', name), 'utf8'))
    .join('')
  const computed = [...source.matchAll(/\blist: '(\w+)'/g)].map(([, list]) => `compute.${list}.list`)
  const others = [...source.matchAll(/'((?:dns|file|iam|resourcemanager|storage)\.\w+\.\w+)'/g)].map(
    ([, name = '']) => name,
  )
  const told = /## Permissions on Google Cloud.*?```\n(.*?)\n```/s.exec(text)?.[1]?.split('\n')
  expect(computed.length).toBeGreaterThan(15)
  expect(told).toEqual(unique([...computed, ...others].filter((name) => name !== 'file.googleapis.com')))
})

it('the roles on IBM Cloud are those that the inventory names in its questions', () => {
  const source = readdirSync(join(ROOT, 'src/clouds/ibmcloud'))
    .map((name) => readFileSync(join(ROOT, 'src/clouds/ibmcloud', name), 'utf8'))
    .join('')
  const named = [...source.matchAll(/['`]((?:Viewer|Reader) of [a-z -]+)/g)].map(([, role = '']) => role)
  const [, section = ''] = /## Roles on IBM Cloud(.*?)\n## /s.exec(text) ?? []
  const told = [...section.matchAll(/^\| (Viewer|Reader) \| `?([a-z -]+?)`?(?: \(.*?\))? +\|/gm)].map(
    ([, role, of]) => `${role} of ${of}`,
  )
  expect(unique(named).length).toBeGreaterThan(8)
  expect(told.toSorted()).toEqual(unique(named))
})

it('the policy of the API allows reading alone', () => {
  expect(actionsOf(policies[0])).toEqual(
    unique([...callsIn('auth/aws-iam.ts', 'iam'), 's3:GetObject', 's3:ListBucket', 'kms:Decrypt']),
  )
})

it('the role for Azure allows what the inventory asks for first, which is all that its questions need', () => {
  const role = documents[2] as { Actions: string[] } // read below
  expect(role.Actions.toSorted()).toEqual(neededActions.toSorted())
  const named = readdirSync(join(ROOT, 'src/clouds/azure')).flatMap((name) =>
    [...readFileSync(join(ROOT, 'src/clouds/azure', name), 'utf8').matchAll(/'(Microsoft\.[\w/]+\/read)'/g)].map(
      ([, action = '']) => action,
    ),
  )
  expect(named.length).toBeGreaterThan(neededActions.length)
  // Nothing is called left for want of it.
  const optional = ['Microsoft.Authorization/roleAssignments/read']
  expect(named.filter((action) => ![...neededActions, ...optional, ...sleepActions].includes(action))).toEqual([])
})

it('what it takes to let clusters sleep is told apart from what is for looking', () => {
  const sleep = policies[1]?.Statement.find(({ Sid }) => Sid === 'LetClustersSleep')
  expect(sleep?.Action.toSorted()).toEqual(unique(callsIn('clouds/aws/power.ts')))
  const azure = documents[3] as { Actions: string[] } // read below
  expect(azure.Actions.toSorted()).toEqual(sleepActions.toSorted())
  const [, , google] = /## Permissions on Google Cloud.*?```\n(.*?)\n```.*?```\n(.*?)\n```/s.exec(text) ?? []
  expect(google?.split('\n')).toEqual(sleepPermissions)
})
