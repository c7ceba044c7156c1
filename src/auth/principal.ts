// Who acts. A person or pipeline carries a principal and its bindings; the service's own clock-driven work is an actor too.
import type { PrincipalType, Role } from '../vocabulary.ts'

export type Scope = 'read' | 'write'

export type Principal = Readonly<{ type: PrincipalType; id: string }>
/** team `*` means every team; `via` is the principal that it is given to: the caller's own, or a group of it. */
export type Binding = Readonly<{ id: string; team: string; role: Role; via: Principal }>
/** Where a request came from, for the audit trail. */
export type Origin = Readonly<{ requestId: string; address: string | undefined; agent: string | undefined }>

/** Who a credential proves its bearer to be. */
export type Identity = Readonly<{
  principal: Principal
  /** Whose bindings count for it too. */
  groups: readonly Principal[]
  /** Which of those who share the principal it is, with its kind: `token:…`, `session:…`, `name:…`. For the audit trail alone. */
  session: string | undefined
  /** Of the API token that it came with, if any. */
  tokenId: string | undefined
  scopes: readonly Scope[]
}>

export type Caller = Identity & Readonly<{ kind: 'caller'; bindings: readonly Binding[]; origin: Origin }>
export type System = Readonly<{
  kind: 'system'
  name: 'worker' | 'janitor' | 'reconciler' | 'setup' | 'dead-letters' | 'key-rotation' | 'later-look' | 'recovery'
}>
export type Actor = Caller | System

/** The stable text by which rows name an actor. */
export function nameOf(by: Actor): string {
  return by.kind === 'system' ? `system:${by.name}` : principalName(by.principal)
}

export const principalName = (principal: Principal): string => `${principal.type}:${principal.id}`
