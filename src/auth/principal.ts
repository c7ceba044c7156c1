// Who acts. A person or pipeline has a principal and its bindings. The service's own scheduled work is an actor too.
import type { PrincipalType, Role } from '../vocabulary.ts'

export type Scope = 'read' | 'write'

export type Principal = Readonly<{ type: PrincipalType; id: string }>
/**
 * team `*` means every team. `via` is the principal that the role was given to: the caller's own, or one of its groups.
 */
export type Binding = Readonly<{ id: string; team: string; role: Role; via: Principal }>
/** Where a request came from, for the audit trail. `operationId`: of the operation that acts in the caller's name. */
export type Origin = Readonly<{
  requestId: string
  address: string | undefined
  agent: string | undefined
  operationId?: string
  /** Of the request, for the jobs that it opens. */
  traceparent?: string
}>

/** The identity that a credential proves. */
export type Identity = Readonly<{
  principal: Principal
  /** The groups whose bindings also count for the caller. */
  groups: readonly Principal[]
  /**
   * Several may share the principal; this says which of them it is, with its kind: `token:…`, `session:…`, `name:…`.
   * Only for the audit trail.
   */
  session: string | undefined
  /** The id of the API token that was sent, if any. */
  tokenId: string | undefined
  scopes: readonly Scope[]
}>

export type Caller = Identity & Readonly<{ kind: 'caller'; bindings: readonly Binding[]; origin: Origin }>
export type System = Readonly<{
  kind: 'system'
  name:
    | 'worker'
    | 'janitor'
    | 'off-hours'
    | 'reconciler'
    | 'setup'
    | 'dead-letters'
    | 'key-rotation'
    | 'later-look'
    | 'recovery'
    | 'teller'
}>
export type Actor = Caller | System

/** The stable text by which rows name an actor. */
export function nameOf(by: Actor): string {
  return by.kind === 'system' ? `system:${by.name}` : principalName(by.principal)
}

export const principalName = (principal: Principal): string => `${principal.type}:${principal.id}`
