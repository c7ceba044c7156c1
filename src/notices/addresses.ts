// Who is reached by mail: a principal whose name is an e-mail address.
import { and, eq } from 'drizzle-orm'
import type { Principal } from '../auth/principal.ts'
import { rbacMappings } from '../auth/tables.ts'
import type { Reader } from '../db/client.ts'
import { principalTypes } from '../vocabulary.ts'

/** Letters that an address needs, and none that a header, or a list of addresses, gives a meaning. */
const ADDRESS = /^[\w.+%'-]{1,64}@(?=.{1,253}$)[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)+$/i

/** The principal of a name such as `user:ada@example.com`. */
export function principalOf(name: string): Principal | undefined {
  const type = principalTypes.find((known) => name.startsWith(`${known}:`))
  return type && { type, id: name.slice(type.length + 1) }
}

export function addressOf(name: string): string | undefined {
  const id = principalOf(name)?.id
  return id !== undefined && ADDRESS.test(id) ? id : undefined
}

/** Those to whom the role is given themselves. Who has it through a group is known only while signed in. */
export async function administratorsOf(db: Reader, team: string): Promise<string[]> {
  const rows = await db
    .select({ type: rbacMappings.principalType, id: rbacMappings.principal })
    .from(rbacMappings)
    .where(
      and(
        eq(rbacMappings.team, team),
        eq(rbacMappings.role, team === '*' ? 'platform_admin' : 'team_admin'),
        rbacMappings.enabled,
      ),
    )
  return rows.map(({ type, id }) => `${type}:${id}`)
}
