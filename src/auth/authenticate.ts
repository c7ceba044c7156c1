// Turns a bearer credential into a caller with its bindings, or throws UNAUTHENTICATED. Deny by default.
import { and, eq } from 'drizzle-orm'
import type { Reader } from '../db/client.ts'
import { rbacMappings } from '../db/schema.ts'
import { AppError } from '../errors.ts'
import { findTokenPrincipal } from './api-tokens.ts'
import type { Caller, Origin } from './principal.ts'

export async function authenticate(db: Reader, authorization: string | undefined, origin: Origin): Promise<Caller> {
  const secret = /^Bearer ([\x21-\x7e]{1,8192})$/i.exec(authorization ?? '')?.[1]
  if (secret === undefined) throw new AppError('UNAUTHENTICATED', 'send the header "Authorization: Bearer <API token>"')
  const token = await findTokenPrincipal(db, secret)
  if (!token) throw new AppError('UNAUTHENTICATED', 'the token is unknown, expired or revoked')
  const bindings = await db
    .select({ team: rbacMappings.team, role: rbacMappings.role })
    .from(rbacMappings)
    .where(
      and(
        eq(rbacMappings.principalType, token.principal.type),
        eq(rbacMappings.principal, token.principal.id),
        eq(rbacMappings.enabled, true),
      ),
    )
  return { kind: 'caller', principal: token.principal, bindings, scopes: token.scopes, origin }
}
