// Who credentials of AWS are, and what IAM says that they may do. IAM judges policies without doing anything; service
// control policies that look at more than the account, and policies of single resources, may decide otherwise.
import type { Access } from '../access.ts'
import { inSession, NotAnswered, ofNobody } from '../asking.ts'
import { inOrder, unknown, type Checkup, type Needs, type Places, type Right } from '../rights.ts'
import { awsCredentialsOf } from './credentials.ts'
import { awsNeeds } from './needed.ts'
import { chunksOf, onePage, openSession, type AwsInventoryOptions, type Session } from './session.ts'

const ACTIONS_AT_ONCE = 100
const ANY_REGION = 'us-east-1'
const SIMULATION = 'iam:SimulatePrincipalPolicy'

/** Throws NotAnswered for credentials that AWS does not know. */
export async function checkAws(access: Access, places: Places, options: AwsInventoryOptions = {}): Promise<Checkup> {
  const regions = [...new Set(places.map(({ region }) => region))]
  const [first = ANY_REGION] = regions
  const place = { platform: 'aws' as const, region: first, name: '', baseDomain: '' }
  return inSession(openSession(ofNobody(place), { ...awsCredentialsOf(access), ...options }), async (session) => {
    const { arn, account } = await findCaller(session)
    const needs = awsNeeds(places)
    return {
      who: arn,
      where: `account ${account}`,
      rights: await judge(session, arn, needs, regions.length > 0 ? regions : [first]),
    }
  })
}

async function findCaller({ ask, clients, sdk: { sts }, stop }: Session) {
  const [caller] = await ask(
    'sts:GetCallerIdentity',
    onePage(() => clients.sts.send(new sts.GetCallerIdentityCommand({}), stop)),
    ({ Arn: arn, Account: account }) => (arn && account ? [{ arn, account }] : undefined),
  )
  return caller ?? { arn: 'nobody', account: 'unknown' }
}

async function judge(session: Session, arn: string, needs: Needs, regions: string[]): Promise<Right[]> {
  try {
    const source = await findPrincipal(session, arn)
    if (source === undefined) return unknown(needs, `IAM judges users and roles, and this is neither: ${arn}`)
    const refused = new Map<string, string[]>()
    for (const region of regions)
      for (const name of await listRefused(session, source, [...needs.keys()], region))
        refused.set(name, [...(refused.get(name) ?? []), region])
    return inOrder(
      [...needs].map(([name, uses]): Right => {
        const where = refused.get(name)
        return where
          ? { name, uses, state: 'missing', why: `refused in ${where.join(', ')}` }
          : { name, uses, state: 'given' }
      }),
    )
  } catch (error) {
    if (!(error instanceof NotAnswered)) throw error
    const why = `IAM does not tell: ${error.message}`
    return unknown(needs, why).map((right) =>
      error.isDenied && right.name === error.permission ? { ...right, state: 'missing' as const } : right,
    )
  }
}

/** undefined: the root of an account, or a federated user. */
async function findPrincipal({ ask, clients, sdk: { iam }, stop }: Session, arn: string): Promise<string | undefined> {
  if (/:iam::\d+:user\//.test(arn)) return arn
  const [, RoleName] = /:assumed-role\/([^/]+)\//.exec(arn) ?? []
  if (RoleName === undefined) return undefined
  // The ARN of a session lacks the path of its role.
  const [role] = await ask(
    'iam:GetRole',
    onePage(() => clients.iam.send(new iam.GetRoleCommand({ RoleName }), stop)),
    ({ Role }) => (Role?.Arn === undefined ? undefined : [Role.Arn]),
  )
  return role
}

async function listRefused(
  { ask, clients, sdk: { iam }, stop }: Session,
  PolicySourceArn: string,
  actions: string[],
  region: string,
): Promise<string[]> {
  // Policies often bind their permissions to regions.
  const ContextEntries = [
    { ContextKeyName: 'aws:RequestedRegion', ContextKeyType: 'string' as const, ContextKeyValues: [region] },
  ]
  const refused: string[] = []
  for (const ActionNames of chunksOf(ACTIONS_AT_ONCE, actions)) {
    const results = await ask(
      SIMULATION,
      iam.paginateSimulatePrincipalPolicy(
        { client: clients.iam },
        { PolicySourceArn, ActionNames, ContextEntries },
        stop,
      ),
      ({ EvaluationResults }) => EvaluationResults,
    )
    const allowed = new Set(
      results.flatMap((each) => (each.EvalDecision === 'allowed' ? (each.EvalActionName ?? []) : [])),
    )
    refused.push(...ActionNames.filter((name) => !allowed.has(name)))
  }
  return refused
}
