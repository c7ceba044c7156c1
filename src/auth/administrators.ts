// There is always a platform administrator who can sign in.
import { and, eq, isNull, not, or, sql, type SQL } from 'drizzle-orm'
import type { Transaction } from '../db/client.ts'
import { apiTokens, rbacMappings } from '../db/schema.ts'
import { AppError } from '../errors.ts'
import type { Role } from './principal.ts'

/**
 * To be called before what `leaving` says goes. Throws CONFLICT unless another platform administrator stays: an enabled
 * binding whose principal is no token that is revoked or over.
 */
export async function keepAnAdministrator(tx: Transaction, { role }: { role: Role }, leaving: SQL): Promise<void> {
  if (role !== 'platform_admin') return
  // Two that take each other's role at once must not both succeed.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('last administrator', 0))`)
  const isLiving = and(
    isNull(apiTokens.revokedAt),
    or(isNull(apiTokens.expiresAt), sql`${apiTokens.expiresAt} > now()`),
  )
  const [other] = await tx
    .select({ id: rbacMappings.id })
    .from(rbacMappings)
    .leftJoin(apiTokens, and(eq(rbacMappings.principalType, 'token'), eq(apiTokens.id, rbacMappings.principal)))
    .where(
      and(
        eq(rbacMappings.role, 'platform_admin'),
        rbacMappings.enabled,
        not(leaving),
        or(sql`${rbacMappings.principalType} <> 'token'`, isLiving),
      ),
    )
    .limit(1)
  if (!other) throw new AppError('CONFLICT', 'this is the last platform administrator: name another one first')
}
