// Which principal has which role in which team. A team administrator rules its own team and cannot give more than it
// has; the last platform administrator cannot be removed.
import { and, eq, inArray, ne, sql, type SQL } from 'drizzle-orm'
import { writeAudit } from '../audit/audit.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { rbacMappings } from '../db/schema.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import { requireAnywhere } from './permissions.ts'
import { nameOf, type Actor, type PrincipalType, type Role } from './principal.ts'

export type BindingRow = typeof rbacMappings.$inferSelect
export type NewBinding = {
  principalType: PrincipalType
  principal: string
  team: string
  role: Role
  notes?: string | undefined
}

const TEAM_ROLES: Role[] = ['requester', 'team_admin']
const LAST_ADMIN_LOCK = 7_262_500_004

/** One row more than the page asks for, newest first. */
export async function listBindings(db: Reader, by: Actor, page: PageRequest): Promise<BindingRow[]> {
  requireAnywhere(by, 'role-binding.read')
  const { where, orderBy, limit } = keyset(rbacMappings.id, page, ruled(by))
  return db.select().from(rbacMappings).where(where).orderBy(orderBy).limit(limit)
}

/** Throws FORBIDDEN, or CONFLICT when the binding exists. */
export async function createBinding(tx: Transaction, by: Actor, input: NewBinding): Promise<BindingRow> {
  requireRule(by, input.team, input.role)
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
  await writeAudit(tx, by, { action: 'role-binding.create', detail: { bindingId: row.id, ...input } })
  return row
}

/** Throws NOT_FOUND, FORBIDDEN, or CONFLICT when no platform administrator would be left. */
export async function updateBinding(
  tx: Transaction,
  by: Actor,
  id: string,
  changes: { enabled?: boolean | undefined; notes?: string | null | undefined },
): Promise<BindingRow> {
  const before = await bindingFor(tx, by, id)
  if (changes.enabled === false) await keepAnAdministrator(tx, before)
  const [row] = await tx.update(rbacMappings).set(changes).where(eq(rbacMappings.id, id)).returning()
  if (!row) throw new Error(`${id} vanished while it was locked`)
  const shown = ({ enabled, notes }: BindingRow) => ({ enabled, notes })
  await writeAudit(tx, by, {
    action: 'role-binding.update',
    detail: { bindingId: id, before: shown(before), after: shown(row) },
  })
  return row
}

/** Throws as updateBinding. */
export async function deleteBinding(tx: Transaction, by: Actor, id: string): Promise<void> {
  const { principalType, principal, team, role, ...rest } = await bindingFor(tx, by, id)
  await keepAnAdministrator(tx, { principalType, principal, team, role, ...rest })
  await tx.delete(rbacMappings).where(eq(rbacMappings.id, id))
  await writeAudit(tx, by, {
    action: 'role-binding.delete',
    detail: { bindingId: id, principalType, principal, team, role },
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

const isPlatformAdmin = (by: Actor) => by.kind === 'system' || by.bindings.some(({ role }) => role === 'platform_admin')

/** The bindings that the actor rules. */
function ruled(by: Actor): SQL | undefined {
  if (isPlatformAdmin(by) || by.kind === 'system') return undefined
  const teams = by.bindings.filter(({ role }) => role === 'team_admin').map(({ team }) => team)
  if (teams.includes('*')) return ne(rbacMappings.team, '*')
  return inArray(rbacMappings.team, teams)
}

function requireRule(by: Actor, team: string, role: Role): void {
  requireAnywhere(by, 'role-binding.write')
  if (isPlatformAdmin(by) || by.kind === 'system') return
  const rules = by.bindings.some(
    (binding) => binding.role === 'team_admin' && (binding.team === '*' || binding.team === team),
  )
  if (!rules || team === '*') throw new AppError('FORBIDDEN', `${nameOf(by)} is no administrator of team "${team}"`)
  if (!TEAM_ROLES.includes(role))
    throw new AppError('FORBIDDEN', `only a platform administrator gives or takes the role ${role}`)
}

async function keepAnAdministrator(tx: Transaction, binding: BindingRow): Promise<void> {
  if (binding.role !== 'platform_admin' || !binding.enabled) return
  // Two that take each other's role at once must not both succeed.
  await tx.execute(sql`select pg_advisory_xact_lock(${LAST_ADMIN_LOCK})`)
  const [other] = await tx
    .select({ id: rbacMappings.id })
    .from(rbacMappings)
    .where(
      and(eq(rbacMappings.role, 'platform_admin'), eq(rbacMappings.enabled, true), ne(rbacMappings.id, binding.id)),
    )
    .limit(1)
  if (!other) throw new AppError('CONFLICT', 'this is the last platform administrator: name another one first')
}
