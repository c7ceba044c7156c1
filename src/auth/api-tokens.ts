// API tokens: 256 random bits, stored as a hash. The secret is shown once, when the token is made.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { and, eq, gt, inArray, isNull, or, sql } from 'drizzle-orm'
import { alias, type AnyPgColumn } from 'drizzle-orm/pg-core'
import { writeAudit } from '../audit/audit.ts'
import type { Config } from '../config.ts'
import type { Db, Reader, Transaction } from '../db/client.ts'
import { keyset, type PageRequest } from '../db/page.ts'
import { AppError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Log } from '../observability/log.ts'
import { hasAdministrator, keepAnAdministrator } from './administrators.ts'
import { isAllowedForAll, requireAnywhere } from './permissions.ts'
import { type Actor, type Caller, nameOf, type Principal, principalName, type Scope } from './principal.ts'
import { apiTokens, rbacMappings } from './tables.ts'

const PREFIX = 'ocp_'
const DAY_MS = 24 * 3_600_000

export const newSecret = (): string => PREFIX + randomBytes(32).toString('base64url')

export const hashOfSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex')

const prefixOf = (secret: string) => secret.slice(0, 8)

export type NewToken = { name: string; principal?: Principal; scopes: Scope[]; expiresAt?: Date; secret?: string }

/** Without a principal the token stands for itself. Returns the secret, which is not stored. */
export async function createToken(
  tx: Transaction,
  by: Actor,
  input: NewToken,
): Promise<{ id: string; secret: string }> {
  const id = newId('tok')
  const secret = input.secret ?? newSecret()
  const principal = input.principal ?? { type: 'token', id }
  await tx.insert(apiTokens).values({
    id,
    name: input.name,
    principalType: principal.type,
    principal: principal.id,
    secretHash: hashOfSecret(secret),
    prefix: prefixOf(secret),
    scopes: input.scopes,
    expiresAt: input.expiresAt,
    createdBy: nameOf(by),
  })
  writeAudit(tx, by, {
    action: 'token.create',
    detail: {
      tokenId: id,
      name: input.name,
      scopes: input.scopes,
      standsFor: principalName(principal),
      expiresAt: input.expiresAt?.toISOString() ?? null,
    },
  })
  return { id, secret }
}

export type TokenRow = typeof apiTokens.$inferSelect

/**
 * A caller gets its own tokens, a platform administrator gets all. Newest first, one row more than the page asks for.
 */
export async function listTokens(
  db: Reader,
  by: Caller,
  createdBy: string | undefined,
  page: PageRequest,
): Promise<TokenRow[]> {
  requireAnywhere(by, 'token.read')
  const filter = createdBy === undefined ? undefined : eq(apiTokens.createdBy, createdBy)
  const condition = and(ruled(by, 'token.read'), filter, isNull(apiTokens.revokedAt))
  const { where, orderBy, limit } = keyset(apiTokens.id, page, condition)
  return db.select().from(apiTokens).where(where).orderBy(orderBy).limit(limit)
}

export type TokenRequest = {
  name: string
  scopes: Scope[]
  expiresInDays: number
  /**
   * caller: the token may do what its maker may. itself: it is a principal of its own, without rights until a role is
   * bound to it.
   */
  standsFor: 'caller' | 'itself'
}

/**
 * Throws FORBIDDEN when the token would have a scope that the caller's own credential lacks, BAD_INPUT when it could do
 * nothing.
 */
export async function requestToken(
  tx: Transaction,
  by: Caller,
  request: TokenRequest,
): Promise<{ row: TokenRow; secret: string }> {
  requireAnywhere(by, 'token.write')
  const lacking = request.scopes.filter((scope) => !by.scopes.includes(scope))
  if (lacking.length > 0) throw new AppError('FORBIDDEN', `your own credential has not the scope ${lacking.join(', ')}`)
  if (request.standsFor === 'itself') requireAnywhere(by, 'role-binding.write')
  else if (by.tokenId !== undefined && by.principal.id !== by.tokenId)
    throw new AppError('FORBIDDEN', `a token of ${nameOf(by)} makes no others of it: sign in as yourself`)
  else if (!by.bindings.some(({ via }) => principalName(via) === nameOf(by)))
    throw new AppError('BAD_INPUT', 'a token of yours would have no role: yours come from groups, which it is not in', [
      { pointer: '/standsFor', detail: `have a role bound to ${nameOf(by)}, or ask for one that stands for itself` },
    ])
  const { id, secret } = await createToken(tx, by, {
    name: request.name,
    scopes: request.scopes,
    expiresAt: new Date(Date.now() + request.expiresInDays * DAY_MS),
    ...(request.standsFor === 'caller' ? { principal: by.principal } : {}),
  })
  const [row] = await tx.select().from(apiTokens).where(eq(apiTokens.id, id))
  if (!row) throw new Error('the token was not inserted')
  return { row, secret }
}

/**
 * Ends the token at once in every process. Throws NOT_FOUND unless the caller made it or is a platform administrator,
 * CONFLICT when it belongs to the last administrator.
 */
export async function revokeToken(config: Config, tx: Transaction, by: Caller, id: string): Promise<void> {
  requireAnywhere(by, 'token.write')
  const [row] = await tx
    .update(apiTokens)
    .set({ revokedAt: sql`now()` })
    .where(and(eq(apiTokens.id, id), ruled(by, 'token.write'), isNull(apiTokens.revokedAt)))
    .returning()
  if (!row) throw new AppError('NOT_FOUND', `there is no token ${id} of yours`)
  const its = and(eq(rbacMappings.principalType, 'token'), eq(rbacMappings.principal, id))
  const isAdministrator = and(its, eq(rbacMappings.role, 'platform_admin'), rbacMappings.enabled)
  if (its && (await tx.$count(rbacMappings, isAdministrator)) > 0)
    await keepAnAdministrator(config, tx, 'platform_admin', its)
  writeAudit(tx, by, {
    action: 'token.revoke',
    detail: { tokenId: id, name: row.name, createdBy: row.createdBy },
  })
}

const ruled = (by: Caller, action: 'token.read' | 'token.write') =>
  isAllowedForAll(by, action) ? undefined : eq(apiTokens.createdBy, nameOf(by))

const parent = alias(apiTokens, 'parent')
const isLiving = (token: { revokedAt: AnyPgColumn; expiresAt: AnyPgColumn }) =>
  and(isNull(token.revokedAt), or(isNull(token.expiresAt), gt(token.expiresAt, sql`now()`)))
const earlier = (a: Date | null, b: Date | null) => (a === null || (b !== null && b < a) ? b : a)

export type KnownToken = { id: string; principal: Principal; scopes: Scope[]; expiresAt: Date | null }

/**
 * Finds the token of a secret. It is not found when it, or the token that it stands for, is revoked or expired. It is
 * looked up by its prefix, and its hash is compared in constant time.
 */
export async function findToken(db: Reader, secret: string): Promise<KnownToken | undefined> {
  const rows = await db
    .select({ token: apiTokens, parent })
    .from(apiTokens)
    .leftJoin(parent, and(eq(apiTokens.principalType, 'token'), eq(parent.id, apiTokens.principal)))
    .where(and(eq(apiTokens.prefix, prefixOf(secret)), isLiving(apiTokens), or(isNull(parent.id), isLiving(parent))))
  const hash = Buffer.from(hashOfSecret(secret))
  const [row] = rows
    .filter(({ token }) => timingSafeEqual(Buffer.from(token.secretHash), hash))
    .map(({ token, parent: of }) => ({ ...token, expiresAt: earlier(token.expiresAt, of?.expiresAt ?? null) }))
  if (!row) return undefined
  return {
    id: row.id,
    principal: { type: row.principalType, id: row.principal },
    scopes: row.scopes.filter((scope) => scope === 'read' || scope === 'write'),
    expiresAt: row.expiresAt,
  }
}

/** Whether all of these tokens count still, and those that they stand for. */
export async function areLiving(db: Reader, ids: string[]): Promise<boolean> {
  const living = await db
    .select({ id: apiTokens.id })
    .from(apiTokens)
    .leftJoin(parent, and(eq(apiTokens.principalType, 'token'), eq(parent.id, apiTokens.principal)))
    .where(and(inArray(apiTokens.id, ids), isLiving(apiTokens), or(isNull(parent.id), isLiving(parent))))
  return living.length === ids.length
}

/**
 * Makes the first platform administrator when there is none, or gives the role to the given secret. Returns the secret
 * only when it was made here: it cannot be shown again.
 */
export async function ensureAdministrator(config: Config, db: Db, log: Log): Promise<string | undefined> {
  const given = config.adminToken
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(7262500003)`)
    if (given === undefined) {
      if (await hasAdministrator(config, tx)) return undefined
    } else if ((await tx.$count(apiTokens, eq(apiTokens.secretHash, hashOfSecret(given)))) > 0) {
      if (!(await findToken(tx, given)))
        log.warn('OCPCTL_ADMIN_TOKEN is revoked or over, and lets nobody in: set another, or none')
      return undefined
    }
    const by: Actor = { kind: 'system', name: 'setup' }
    const { id, secret } = await createToken(tx, by, {
      name: 'first administrator',
      scopes: ['read', 'write'],
      ...(given === undefined ? {} : { secret: given }),
    })
    const bindingId = newId('rbm')
    await tx.insert(rbacMappings).values({
      id: bindingId,
      principalType: 'token',
      principal: id,
      team: '*',
      role: 'platform_admin',
      notes: 'made at first start',
      createdBy: 'system:setup',
    })
    writeAudit(tx, by, {
      action: 'role-binding.create',
      detail: { bindingId, role: 'platform_admin', team: '*' },
    })
    return given === undefined ? secret : undefined
  })
}
