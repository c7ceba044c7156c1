// The existing tokens and roles. Each process remembers them until it hears of a change. The database announces every
// change, whoever makes it. While a process cannot hear, it remembers nothing.
import { and, eq, inArray, isNull, lt, or, sql } from 'drizzle-orm'
import { LRUCache } from 'lru-cache'
import type { Db, Reader } from '../db/client.ts'
import type { Events } from '../events.ts'
import type { Log } from '../observability/log.ts'
import { findToken, hashOfSecret, type KnownToken } from './api-tokens.ts'
import { readArn, withoutPath } from './arn.ts'
import { type Binding, type Principal, principalName } from './principal.ts'
import { apiTokens, rbacMappings } from './tables.ts'

/** A connection that dies silently is noticed no earlier, so a change may go unnoticed for this long at worst. */
const LONGEST_MS = 5000
const REMEMBERED = 10_000
const USE_NOTED_EVERY_MS = 60_000

/**
 * A caller that holds a transaction passes it as reader. Waiting for a second connection could mean waiting for itself.
 */
export type Access = {
  tokenOf: (secret: string, reader?: Reader) => Promise<KnownToken | undefined>
  /** Only the enabled bindings. */
  bindingsOf: (principals: readonly Principal[], reader?: Reader) => Promise<readonly Binding[]>
  /**
   * Partition and account of the IAM groups that have a role. Only users of these accounts need be asked for groups.
   */
  iamGroupOwners: () => Promise<ReadonlySet<string>>
  /** For a caller that has just made a change and must not wait for word of it. */
  forget: () => void
}

export function openAccess(db: Db, events: Events, log: Log, longestMs = LONGEST_MS): Access {
  const memory = new LRUCache<string, { value: unknown }>({ max: REMEMBERED, ttl: longestMs })
  const usesNoted = new LRUCache<string, true>({ max: REMEMBERED, ttl: USE_NOTED_EVERY_MS })
  let changes = 0
  const forget = () => {
    changes++
    memory.clear()
  }
  events.on('access', 'all', forget)
  events.onGap(forget)

  async function remembered<T>(key: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
    const known = memory.get(key)
    if (known) return known.value as T // each key is read by one function alone
    const before = changes
    const value = await read()
    // A value that was read before a change is not kept. Absent values are not kept either, since they could be asked
    // for without end.
    if (value !== undefined && changes === before && events.isListening()) memory.set(key, { value })
    return value
  }

  function noteUse(tokenId: string): void {
    if (usesNoted.has(tokenId)) return
    usesNoted.set(tokenId, true)
    const isOld = or(isNull(apiTokens.lastUsedAt), lt(apiTokens.lastUsedAt, sql`now() - interval '1 minute'`))
    db.update(apiTokens)
      .set({ lastUsedAt: sql`now()` })
      .where(and(eq(apiTokens.id, tokenId), isOld))
      .catch((error: unknown) => log.warn({ err: error, tokenId }, 'the use of a token was not noted'))
  }

  return {
    forget,
    async tokenOf(secret, reader = db) {
      const token = await remembered(`token ${hashOfSecret(secret)}`, () => findToken(reader, secret))
      if (!token || (token.expiresAt !== null && token.expiresAt.getTime() <= Date.now())) return undefined
      noteUse(token.id)
      return token
    },
    async bindingsOf(principals, reader = db) {
      const key = JSON.stringify(principals.map(principalName).toSorted())
      return (await remembered(`bindings ${key}`, () => findBindings(reader, principals))) ?? []
    },
    async iamGroupOwners() {
      const found = await remembered('iam groups', async () => {
        const rows = await db
          .selectDistinct({ arn: rbacMappings.principal })
          .from(rbacMappings)
          .where(and(eq(rbacMappings.principalType, 'iam_group'), rbacMappings.enabled))
        return new Set(rows.flatMap(({ arn }) => readArn(arn)?.owner ?? []))
      })
      return found ?? new Set()
    },
  }
}

async function findBindings(db: Reader, principals: readonly Principal[]): Promise<Binding[]> {
  const byType = Map.groupBy(principals, ({ type }) => type)
  // Index rbac_mappings_binding: each type with its names.
  const named = [...byType].map(([type, of]) => {
    const isRole = type === 'iam_role'
    const names = of.map(({ id }) => (isRole ? withoutPath(id) : id))
    const name = isRole ? sql`regexp_replace(${rbacMappings.principal}, ':role/.*/', ':role/')` : rbacMappings.principal
    return and(eq(rbacMappings.principalType, type), inArray(sql`${name}`, names))
  })
  const rows = await db
    .select()
    .from(rbacMappings)
    .where(and(or(...named), rbacMappings.enabled))
    .orderBy(rbacMappings.id)
  return rows.map(({ id, team, role, principalType, principal }) => ({
    id,
    team,
    role,
    via: { type: principalType, id: principal },
  }))
}
