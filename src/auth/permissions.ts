// The one table of who may do what. It becomes the condition of the query that fetches the thing, so that what a
// caller may not see does not exist for it; what is not in the table is denied.
import { and, eq, inArray, or, sql, type SQL } from 'drizzle-orm'
import { clusters } from '../db/schema.ts'
import { AppError } from '../errors.ts'
import { nameOf, type Actor, type Role } from './principal.ts'

export type Action =
  | 'cluster.create'
  | 'cluster.read'
  | 'cluster.destroy'
  | 'cluster.credentials'
  | 'cluster.abandon'
  | 'job.read'
  | 'job.cancel'
  | 'job.retry'
  | 'profile.read'
  | 'finding.read'
  | 'role-binding.read'
  | 'role-binding.write'
  | 'token.read'
  | 'token.write'
  | 'audit.read'

/** own: the caller is the cluster's owner, in the team; team: any of the team's; any: whatever team the binding names. */
type Reach = 'own' | 'team'
type Grants = Partial<Record<Role, Reach>>

const everyRole: Grants = { requester: 'team', team_admin: 'team', platform_admin: 'team', auditor: 'team' }
const owners: Grants = { requester: 'own', team_admin: 'team', platform_admin: 'team' }

const table: Record<Action, Grants> = {
  'cluster.create': { requester: 'team', team_admin: 'team', platform_admin: 'team' },
  'cluster.read': everyRole,
  'cluster.destroy': owners,
  'cluster.credentials': owners,
  'cluster.abandon': { platform_admin: 'team' },
  'job.read': everyRole,
  'job.cancel': owners,
  'job.retry': owners,
  'profile.read': everyRole,
  'finding.read': { platform_admin: 'team', auditor: 'team' },
  'role-binding.read': { team_admin: 'team', platform_admin: 'team' },
  'role-binding.write': { team_admin: 'team', platform_admin: 'team' },
  'token.read': everyRole,
  'token.write': everyRole,
  'audit.read': { platform_admin: 'team', auditor: 'team' },
}

const writes = new Set<Action>([
  'cluster.create',
  'cluster.destroy',
  'cluster.credentials',
  'cluster.abandon',
  'job.cancel',
  'job.retry',
  'role-binding.write',
  'token.write',
])

// Two roles reach beyond the team of their binding.
const reachesEveryTeam = (role: Role) => role === 'platform_admin' || role === 'auditor'

/** The condition on `clusters` under which the actor may take the action. */
export function clusterScope(by: Actor, action: Action): SQL {
  if (by.kind === 'system') return sql`true`
  if (lacksScope(by, action)) return sql`false`
  const conditions = by.bindings.flatMap(({ role, team }) => {
    const reach = table[action][role]
    if (reach === undefined) return []
    const inTeam = team === '*' || reachesEveryTeam(role) ? undefined : inArray(clusters.team, [team])
    const asOwner = reach === 'own' ? eq(clusters.owner, nameOf(by)) : undefined
    return [and(inTeam, asOwner) ?? sql`true`]
  })
  return or(...conditions) ?? sql`false`
}

/** Throws FORBIDDEN unless the actor may take the action in the team. */
export function requireInTeam(by: Actor, action: Action, team: string): void {
  if (by.kind === 'system') return
  const allowed = by.bindings.some(
    (binding) =>
      table[action][binding.role] !== undefined &&
      (binding.team === '*' || binding.team === team || reachesEveryTeam(binding.role)),
  )
  if (!allowed || lacksScope(by, action))
    throw new AppError('FORBIDDEN', `${nameOf(by)} may not ${action.replace('.', ' ')} in team "${team}"`)
}

/** Throws FORBIDDEN unless some binding of the actor allows the action. */
export function requireAnywhere(by: Actor, action: Action): void {
  if (by.kind === 'system') return
  if (lacksScope(by, action) || !by.bindings.some((binding) => table[action][binding.role] !== undefined))
    throw new AppError('FORBIDDEN', `${nameOf(by)} has no role that may ${action.replace('.', ' ')}`)
}

/** Whether the actor may act for somebody else in the team: name another owner. */
export function mayActForOthers(by: Actor, team: string): boolean {
  return (
    by.kind === 'system' ||
    by.bindings.some(
      ({ role, team: bound }) =>
        role === 'platform_admin' || (role === 'team_admin' && (bound === '*' || bound === team)),
    )
  )
}

function lacksScope(by: Exclude<Actor, { kind: 'system' }>, action: Action): boolean {
  return !by.scopes.includes(writes.has(action) ? 'write' : 'read')
}
