// Sessions of the console. A browser holds a sealed cookie, and no token. A session is a row of api_tokens, so it is
// listed, ends and is revoked as a token is, in every process at once. It never outlives the token that it was made with.
import { and, eq, isNull, lt, sql } from 'drizzle-orm'
import { writeAudit } from '../audit/audit.ts'
import type { Reader, Transaction } from '../db/client.ts'
import { AppError } from '../errors.ts'
import { SecretUnreadable, type SecretBox } from '../secrets.ts'
import type { Access } from './access.ts'
import { createToken } from './api-tokens.ts'
import { type Caller, type Identity, nameOf, principalName } from './principal.ts'
import { apiTokens } from './tables.ts'

const LONGEST_MS = 12 * 3_600_000
const CONTEXT = 'console session'
const NAME = 'console session'

/** Exactly one of token and identity is there. */
export type Session = Readonly<{
  id: string
  /** Of its own row. */
  secret: string
  /** The API token that it was made with, which must stay good. */
  token?: string
  /** What another credential proved. Those are good for minutes, and the session goes on. */
  identity?: Identity
}>

/**
 * The groups of an identity are those that have a role now, since a cookie has little room. Roles are read at each
 * request all the same.
 */
export async function startSession(
  tx: Transaction,
  by: Caller,
  token: string | undefined,
  tokenExpiresAt: Date | null,
): Promise<{ session: Session; expiresAt: Date }> {
  const endsAt = Date.now() + LONGEST_MS
  const expiresAt = new Date(Math.min(endsAt, tokenExpiresAt?.getTime() ?? endsAt))
  await tx
    .delete(apiTokens)
    .where(and(eq(apiTokens.createdBy, nameOf(by)), eq(apiTokens.name, NAME), lt(apiTokens.expiresAt, sql`now()`)))
  const { principal, groups, session: called, tokenId, scopes } = by
  const { id, secret } = await createToken(tx, by, { name: NAME, principal, scopes: [...scopes], expiresAt })
  if (token !== undefined) return { session: { id, secret, token }, expiresAt }
  const given = new Set(by.bindings.map(({ via }) => principalName(via)))
  const identity = {
    principal,
    groups: groups.filter((group) => given.has(principalName(group))),
    session: called,
    tokenId,
    scopes,
  }
  return { session: { id, secret, identity }, expiresAt }
}

/** Ends the session at once in every process. It may be over already. */
export async function endSession(tx: Transaction, by: Caller, { id }: Session): Promise<void> {
  const ended = await tx
    .update(apiTokens)
    .set({ revokedAt: sql`now()` })
    .where(and(eq(apiTokens.id, id), isNull(apiTokens.revokedAt)))
    .returning({ id: apiTokens.id })
  if (ended.length > 0) writeAudit(tx, by, { action: 'token.revoke', detail: { tokenId: id, name: NAME } })
}

export const sealSession = (box: SecretBox, session: Session): string =>
  box.seal(JSON.stringify(session), CONTEXT).toString('base64url')

/** undefined: the text is none of ours, or was sealed with a key that is gone. */
export function openSession(box: SecretBox, text: string): Session | undefined {
  try {
    return JSON.parse(box.open(Buffer.from(text, 'base64url'), CONTEXT).toString()) as Session // sealed above
  } catch (error) {
    if (error instanceof SecretUnreadable) return undefined
    throw error
  }
}

/** Throws UNAUTHENTICATED when the session, or the token that it was made with, counts no longer. */
export async function requireSession(access: Access, { secret, token }: Session, reader?: Reader): Promise<void> {
  const found = await Promise.all([secret, ...(token === undefined ? [] : [token])].map((each) => access.tokenOf(each, reader))) // prettier-ignore
  if (found.includes(undefined)) throw new AppError('UNAUTHENTICATED', 'the session is over: sign in again')
}
