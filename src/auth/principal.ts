// Who acts. A person or pipeline carries a principal and its bindings; the service's own clock-driven work is an actor too.
import type { principalTypes, roles } from '../db/schema.ts'

export type PrincipalType = (typeof principalTypes)[number]
export type Role = (typeof roles)[number]
export type Scope = 'read' | 'write'

export type Principal = Readonly<{ type: PrincipalType; id: string }>
/** team `*` means every team. */
export type Binding = Readonly<{ team: string; role: Role }>
/** Where a request came from, for the audit trail. */
export type Origin = Readonly<{ requestId: string; address: string | undefined; agent: string | undefined }>

export type Caller = Readonly<{
  kind: 'caller'
  principal: Principal
  bindings: readonly Binding[]
  scopes: readonly Scope[]
  origin: Origin
}>
export type System = Readonly<{ kind: 'system'; name: 'worker' | 'janitor' | 'reconciler' | 'setup' | 'dead-letters' }>
export type Actor = Caller | System

/** The stable text by which rows name an actor. */
export function nameOf(by: Actor): string {
  return by.kind === 'system' ? `system:${by.name}` : principalName(by.principal)
}

export const principalName = (principal: Principal): string => `${principal.type}:${principal.id}`
