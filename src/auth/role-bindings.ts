// Which principal has which role in which team. A team administrator rules its own team and cannot give more than it
// has. The last platform administrator cannot be removed.
import { and, eq, inArray, isNull, ne, or, type SQL } from 'drizzle-orm'
import { writeAudit } from '../audit/audit.ts'
import type { Config } from '../config.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { PrincipalType, Role } from '../vocabulary.ts'
import { keepAnAdministrator } from './administrators.ts'
import { readArn } from './arn.ts'
import { isAllowedForAll, isAllowedInTeam, requireAnywhere } from './permissions.ts'
import { type Actor, type Caller, nameOf, type Principal } from './principal.ts'
import { apiTokens, rbacMappings } from './tables.ts'

export type BindingRow = typeof rbacMappings.$inferSelect
export type NewBinding = {
  principalType: PrincipalType
  principal: string
  team: string
  role: Role
  notes?: string | undefined
}

const TEAM_ROLES: Role[] = ['requester', 'team_admin']

/** One row more than the page asks for, newest first. */
export async function listBindings(db: Reader, by: Actor, page: PageRequest): Promise<BindingRow[]> {
  requireAnywhere(by, 'role-binding.read')
  const { where, orderBy, limit } = keyset(rbacMappings.id, page, ruled(by))
  return db.select().from(rbacMappings).where(where).orderBy(orderBy).limit(limit)
}

/** The caller's bindings that are switched off. */
export async function listDisabled(db: Reader, by: Caller): Promise<BindingRow[]> {
  const mine = [by.principal, ...by.groups].map(({ type, id }) =>
    and(eq(rbacMappings.principalType, type), eq(rbacMappings.principal, id)),
  )
  return db
    .select()
    .from(rbacMappings)
    .where(and(or(...mine), eq(rbacMappings.enabled, false)))
    .limit(50)
}

/** Throws BAD_INPUT when nobody can ever be the principal, FORBIDDEN, or CONFLICT when the binding exists. */
export async function createBinding(tx: Transaction, by: Actor, input: NewBinding): Promise<BindingRow> {
  requireRule(by, input.team, input.role)
  if (input.team !== '*' && !TEAM_ROLES.includes(input.role))
    throw new AppError('BAD_INPUT', `the role ${input.role} is for all teams`, [
      { pointer: '/team', detail: 'it is not kept to one team: give "*"', allowed: ['*'], nearest: '*' },
    ])
  await requirePrincipal(tx, { type: input.principalType, id: input.principal })
  const [row] = await tx
    .insert(rbacMappings)
    .values({ id: newId('rbm'), ...input, createdBy: nameOf(by) })
    .onConflictDoNothing()
    .returning()
  if (!row)
    throw new AppError(
      'CONFLICT',
      `${input.principalType}:${input.principal} has the role ${input.role} in "${input.team}" already`,
    )
  writeAudit(tx, by, { action: 'role-binding.create', detail: { bindingId: row.id, ...input } })
  return row
}

/** Throws NOT_FOUND, FORBIDDEN, or CONFLICT when no platform administrator would be left. */
export async function updateBinding(
  config: Config,
  tx: Transaction,
  by: Actor,
  id: string,
  changes: { enabled?: boolean | undefined; notes?: string | null | undefined },
): Promise<BindingRow> {
  const before = await bindingFor(tx, by, id)
  if (changes.enabled === false && before.enabled)
    await keepAnAdministrator(config, tx, before.role, eq(rbacMappings.id, id))
  const [row] = await tx.update(rbacMappings).set(changes).where(eq(rbacMappings.id, id)).returning()
  if (!row) throw new Error(`${id} vanished while it was locked`)
  const shown = ({ enabled, notes }: BindingRow) => ({ enabled, notes })
  writeAudit(tx, by, {
    action: 'role-binding.update',
    detail: { bindingId: id, before: shown(before), after: shown(row) },
  })
  return row
}

/** Throws as updateBinding. */
export async function deleteBinding(config: Config, tx: Transaction, by: Actor, id: string): Promise<void> {
  const before = await bindingFor(tx, by, id)
  const { principalType, principal, team, role, enabled, notes } = before
  if (before.enabled) await keepAnAdministrator(config, tx, role, eq(rbacMappings.id, id))
  await tx.delete(rbacMappings).where(eq(rbacMappings.id, id))
  writeAudit(tx, by, {
    action: 'role-binding.delete',
    detail: { bindingId: id, before: { principalType, principal, team, role, enabled, notes } },
  })
}

async function bindingFor(tx: Transaction, by: Actor, id: string): Promise<BindingRow> {
  requireAnywhere(by, 'role-binding.read')
  const [row] = await tx
    .select()
    .from(rbacMappings)
    .where(and(eq(rbacMappings.id, id), ruled(by)))
    .for('update')
  if (!row) throw new AppError('NOT_FOUND', `there is no role binding ${id} that you may see`)
  requireRule(by, row.team, row.role)
  return row
}

/** The bindings that the actor rules. */
function ruled(by: Actor): SQL | undefined {
  if (by.kind === 'system' || isAllowedForAll(by, 'role-binding.read')) return undefined
  const teams = by.bindings.filter(({ role }) => role === 'team_admin').map(({ team }) => team)
  if (teams.includes('*')) return ne(rbacMappings.team, '*')
  return inArray(rbacMappings.team, teams)
}

function requireRule(by: Actor, team: string, role: Role): void {
  requireAnywhere(by, 'role-binding.write')
  if (isAllowedForAll(by, 'role-binding.write')) return
  if (team === '*' || !isAllowedInTeam(by, 'role-binding.write', team))
    throw new AppError('FORBIDDEN', `${nameOf(by)} is no administrator of team "${team}"`)
  if (!TEAM_ROLES.includes(role))
    throw new AppError('FORBIDDEN', `only a platform administrator gives or takes the role ${role}`)
}

async function requirePrincipal(tx: Transaction, { type, id }: Principal): Promise<void> {
  const wrong = (detail: string, nearest?: string) =>
    new AppError('BAD_INPUT', `${type}:${id} can be nobody`, [
      { pointer: '/principal', detail, ...(nearest === undefined ? {} : { nearest }) },
    ])
  if (type === 'token') {
    // The row is locked in share mode. Somebody who revokes the token must wait, and then sees the binding.
    const [token] = await tx
      .select({ id: apiTokens.id })
      .from(apiTokens)
      .where(and(eq(apiTokens.id, id), eq(apiTokens.principal, id), isNull(apiTokens.revokedAt)))
      .for('share')
    if (!token)
      throw wrong('there is no such token that stands for itself: make one with "standsFor": "itself", and give its id')
  } else if (type.startsWith('iam_')) {
    const named = readArn(id)?.principal
    if (named?.type !== type || named.id !== id)
      throw wrong(`give the ARN of an ${type.replace('iam_', 'IAM ')}`, named?.type === type ? named.id : undefined)
  }
}
