// The one table of who may do what. It becomes the condition of the query that fetches the thing, so that a thing that
// the caller may not see does not exist for it. What is not in the table is denied.
import { and, eq, or, sql, type SQL } from 'drizzle-orm'
import { clusters } from '../clusters/tables.ts'
import { AppError } from '../errors.ts'
import type { Role } from '../vocabulary.ts'
import { type Actor, type Binding, type Caller, nameOf, principalName, type Scope } from './principal.ts'

/** own: what the caller owns in the team of the binding; team: all that the team has; any: what any team has. */
type Reach = 'own' | 'team' | 'any'
/** says: the action in words, before the name of the thing. */
type Rule = { says: string; needs: Scope } & Partial<Record<Role, Reach>>

const seers = { requester: 'team', team_admin: 'team', platform_admin: 'any', auditor: 'any' } as const
const owners = { requester: 'own', team_admin: 'team', platform_admin: 'any' } as const

const table = {
  'cluster.create': {
    says: 'ask for clusters',
    needs: 'write',
    requester: 'team',
    team_admin: 'team',
    platform_admin: 'any',
  },
  'cluster.create-for-another': {
    says: 'ask for clusters of somebody else',
    needs: 'write',
    team_admin: 'team',
    platform_admin: 'any',
  },
  'cluster.read': { says: 'see cluster', needs: 'read', ...seers },
  'cluster.destroy': { says: 'destroy cluster', needs: 'write', ...owners },
  'cluster.scale': { says: 'change the workers of cluster', needs: 'write', ...owners },
  'cluster.sleep': { says: 'let sleep or wake cluster', needs: 'write', ...owners },
  'cluster.extend': { says: 'move the end of cluster', needs: 'write', ...owners },
  'cluster.protect': { says: 'protect cluster', needs: 'write', team_admin: 'team', platform_admin: 'any' },
  'cluster.credentials': { says: 'read the credentials of cluster', needs: 'write', ...owners },
  'cluster.abandon': { says: 'abandon cluster', needs: 'write', platform_admin: 'any' },
  'cluster.adopt': { says: 'take back clusters that the database has lost', needs: 'write', platform_admin: 'any' },
  'job.read': { says: 'see jobs of cluster', needs: 'read', ...seers },
  'job.cancel': { says: 'cancel jobs of cluster', needs: 'write', ...owners },
  'job.retry': { says: 'retry jobs of cluster', needs: 'write', ...owners },
  'operation.read': {
    says: 'see operations over many clusters',
    needs: 'read',
    requester: 'own',
    team_admin: 'own',
    platform_admin: 'any',
    auditor: 'any',
  },
  'profile.read': { says: 'see profiles', needs: 'read', ...seers },
  'finding.read': { says: 'see findings', needs: 'read', platform_admin: 'any', auditor: 'any' },
  'finding.resolve': { says: 'resolve or accept findings', needs: 'write', platform_admin: 'any' },
  'role-binding.read': { says: 'see role bindings', needs: 'read', team_admin: 'team', platform_admin: 'any' },
  'role-binding.write': { says: 'give or take roles', needs: 'write', team_admin: 'team', platform_admin: 'any' },
  'token.read': {
    says: 'see API tokens',
    needs: 'read',
    requester: 'own',
    team_admin: 'own',
    auditor: 'own',
    platform_admin: 'any',
  },
  'token.write': {
    says: 'make or revoke API tokens',
    needs: 'write',
    requester: 'own',
    team_admin: 'own',
    auditor: 'own',
    platform_admin: 'any',
  },
  'usage.read': { says: 'see the usage', needs: 'read', ...seers },
  'webhook.read': { says: 'see webhooks', needs: 'read', team_admin: 'team', platform_admin: 'any' },
  'webhook.write': { says: 'make or change webhooks', needs: 'write', team_admin: 'team', platform_admin: 'any' },
  'retention.apply': { says: 'remove what is kept of clusters', needs: 'write', platform_admin: 'any' },
  'metrics.read': { says: 'read the metrics', needs: 'read', platform_admin: 'any', auditor: 'any' },
  'queue.read': { says: 'see the queue and the workers', needs: 'read', platform_admin: 'any' },
  'queue.retry': { says: 'retry dead letters', needs: 'write', platform_admin: 'any' },
  'worker.drain': { says: 'drain workers', needs: 'write', platform_admin: 'any' },
  'lock.release': { says: 'release the lock of cluster', needs: 'write', platform_admin: 'any' },
  'intake.read': { says: 'see what is paused', needs: 'read', ...seers },
  'intake.write': { says: 'pause or resume creates and destroys', needs: 'write', platform_admin: 'any' },
  'schedule.read': { says: 'see schedules', needs: 'read', platform_admin: 'any' },
  'schedule.run': { says: 'run schedules', needs: 'write', platform_admin: 'any' },
  'audit.read': { says: 'read the audit trail', needs: 'read', platform_admin: 'any', auditor: 'any' },
} as const satisfies Record<string, Rule>

export type Action = keyof typeof table
export const actions = Object.keys(table) as [Action, ...Action[]] // its keys are its type

type Grant = { reach: Reach; team: string }
const ruleOf = (action: Action): Rule => table[action]

function grantOf(binding: Binding, action: Action): Grant | undefined {
  const reach = ruleOf(action)[binding.role]
  return reach && { reach, team: reach === 'any' ? '*' : binding.team }
}

/** What the caller's bindings allow it. Nothing when its credential lacks the scope. */
function grantsOf(by: Caller, action: Action): Grant[] {
  if (lacksScope(by, action)) return []
  return by.bindings.flatMap((binding) => grantOf(binding, action) ?? [])
}

const lacksScope = (by: Caller, action: Action) => !by.scopes.includes(ruleOf(action).needs)
const isIn = (grant: Grant, team: string) => grant.team === '*' || grant.team === team

/** The condition on `clusters` under which the actor may take the action. */
export function clusterScope(by: Actor, action: Action): SQL {
  if (by.kind === 'system') return sql`true`
  const conditions = grantsOf(by, action).map(({ reach, team }) => {
    const inTeam = team === '*' ? undefined : eq(clusters.team, team)
    const asOwner = reach === 'own' ? eq(clusters.owner, nameOf(by)) : undefined
    return and(inTeam, asOwner) ?? sql`true`
  })
  return or(...conditions) ?? sql`false`
}

export function isAllowedInTeam(by: Actor, action: Action, team: string): boolean {
  return by.kind === 'system' || grantsOf(by, action).some((grant) => isIn(grant, team))
}

/** Whether the actor may take the action on a thing of this team and owner. */
export function isAllowedOn(
  by: Actor,
  action: Action,
  { team, owner }: { team: string; owner: string | null },
): boolean {
  if (by.kind === 'system') return true
  return grantsOf(by, action).some((grant) => isIn(grant, team) && (grant.reach !== 'own' || owner === nameOf(by)))
}

/** The teams in which the actor may take the action on everything. */
export function teamsOf(by: Actor, action: Action): string[] | 'all' {
  if (by.kind === 'system') return 'all'
  const teams = grantsOf(by, action).flatMap(({ reach, team }) => (reach === 'own' ? [] : [team]))
  return teams.includes('*') ? 'all' : [...new Set(teams)]
}

/** Throws FORBIDDEN unless the actor may take the action in the team. */
export function requireInTeam(by: Actor, action: Action, team: string): void {
  if (!isAllowedInTeam(by, action, team)) throw denial(by, action, { team })
}

/** Throws FORBIDDEN unless some binding of the actor allows the action. */
export function requireAnywhere(by: Actor, action: Action): void {
  if (by.kind === 'caller' && grantsOf(by, action).length === 0) throw denial(by, action)
}

/** Whether the actor may take the action on things that are not its own, in every team. */
export function isAllowedForAll(by: Actor, action: Action): boolean {
  return by.kind === 'system' || grantsOf(by, action).some(({ reach }) => reach === 'any')
}

export type Target = { team?: string; owner?: string; name?: string }

/** The error that says why the action is denied. */
export function denial(by: Actor, action: Action, target: Target = {}): AppError {
  const why = by.kind === 'caller' ? `: ${explain(by, action, target).because}` : ''
  return new AppError('FORBIDDEN', `${nameOf(by)} may not ${described(action, target)}${why}`)
}

export type Explanation = {
  action: Action
  allowed: boolean
  because: string
  bindings: { id: string; role: Role; team: string; via: string; allows: boolean; because: string }[]
}

/**
 * Explains in words what the functions above decide. Without a target: whether the caller may do it anywhere at all.
 */
export function explain(by: Caller, action: Action, target: Target = {}): Explanation {
  const bindings = by.bindings.map((binding) => {
    const because = refusal(by, binding, action, target)
    return {
      id: binding.id,
      role: binding.role,
      team: binding.team,
      via: principalName(binding.via),
      allows: because === undefined,
      because: because ?? `the role ${binding.role} in ${teamName(binding.team)} allows it`,
    }
  })
  const says = (allowed: boolean, because: string) => ({ action, allowed, because, bindings })
  if (lacksScope(by, action))
    return says(false, `your credential has no scope "${ruleOf(action).needs}", which it takes`)
  const granting = bindings.find(({ allows }) => allows)
  if (granting) return says(true, granting.because)
  if (bindings.length === 0) return says(false, `no role is bound to you: ask an administrator of your team`)
  return says(false, [...new Set(bindings.map(({ because }) => because))].join('; '))
}

function refusal(by: Caller, binding: Binding, action: Action, { team, owner }: Target): string | undefined {
  const grant = grantOf(binding, action)
  if (!grant) {
    const able = Object.keys(ruleOf(action)).filter((name) => name !== 'needs' && name !== 'says')
    return `the role ${binding.role} may not; it takes ${able.join(' or ')}`
  }
  if (team !== undefined && !isIn(grant, team)) return `the role ${binding.role} is for team "${binding.team}" alone`
  if (grant.reach === 'own' && owner !== undefined && owner !== nameOf(by))
    return `the role ${binding.role} may do it to its own alone, and this is of ${owner}`
  return undefined
}

function described(action: Action, { name, team }: Target): string {
  const { says } = ruleOf(action)
  if (name !== undefined) return `${says} ${name}`
  const plain = says.replace(/cluster$/, 'clusters')
  return team === undefined ? plain : `${plain} in ${teamName(team)}`
}
const teamName = (team: string) => (team === '*' ? 'every team' : `team "${team}"`)
