// There is always a platform administrator who can sign in.
import { and, arrayContains, eq, gt, inArray, isNull, not, or, sql, type SQL } from 'drizzle-orm'
import type { Config } from '../config.ts'
import type { Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import type { PrincipalType, Role } from '../vocabulary.ts'
import { apiTokens, rbacMappings } from './tables.ts'

/**
 * Whether an administrator stays without those that `leaving` names. It must have the role, and a way to sign in that
 * is open here.
 */
export async function hasAdministrator(config: Config, tx: Transaction, leaving?: SQL): Promise<boolean> {
  const isLiving = and(
    isNull(apiTokens.revokedAt),
    or(isNull(apiTokens.expiresAt), gt(apiTokens.expiresAt, sql`now()`)),
    arrayContains(apiTokens.scopes, ['read', 'write']),
  )
  const [found] = await tx
    .select({ id: rbacMappings.id })
    .from(rbacMappings)
    .leftJoin(apiTokens, and(eq(rbacMappings.principalType, 'token'), eq(apiTokens.id, rbacMappings.principal)))
    .where(
      and(
        eq(rbacMappings.role, 'platform_admin'),
        rbacMappings.enabled,
        leaving && not(leaving),
        or(inArray(rbacMappings.principalType, waysIn(config)), isLiving),
      ),
    )
    .limit(1)
  return found !== undefined
}

/**
 * Must be called before the rows that `leaving` names go. Throws CONFLICT unless another platform administrator stays.
 */
export async function keepAnAdministrator(config: Config, tx: Transaction, role: Role, leaving: SQL): Promise<void> {
  if (role !== 'platform_admin') return
  // When two administrators take each other's role at once, only one of them may succeed.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended('last administrator', 0))`)
  if (!(await hasAdministrator(config, tx, leaving)))
    throw new AppError('CONFLICT', 'this is the last platform administrator who can sign in: name another one first')
}

/** The ways to sign in beside tokens. */
function waysIn({ awsIam, oidc }: Config): PrincipalType[] {
  return [
    ...(awsIam ? (['iam_user', 'iam_role', 'iam_group'] as const) : []),
    ...(oidc ? (['oidc_subject', 'oidc_group'] as const) : []),
  ]
}
