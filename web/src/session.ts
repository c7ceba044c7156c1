// Who is signed in. The cookie is out of reach for scripts, so the API is asked.
import { useQuery, type QueryClient } from '@tanstack/react-query'
import { api, Problem, take, type Schemas } from './api'
import { stopLive } from './live'

export type Caller = Schemas['Caller']
export type Role = Caller['bindings'][number]['role']

export const useCaller = () =>
  useQuery({ queryKey: ['whoami'], queryFn: () => take(api.GET('/api/v1/whoami')), staleTime: 60_000 })

export const nameOf = ({ principal }: Caller): string => `${principal.type}:${principal.id}`

/** For people: the name that the issuer gave, or the last part of an ARN. */
export function shortName(principal: string): string {
  const id = principal.slice(principal.indexOf(':') + 1)
  return id.startsWith('arn:') ? (id.split('/').at(-1) ?? id) : id.length > 24 ? `…${id.slice(-8)}` : id
}

export const hasRole = (caller: Caller | undefined, ...roles: Role[]): boolean =>
  caller?.bindings.some(({ role }) => roles.includes(role)) ?? false

export const isWriting = (caller: Caller | undefined): boolean => caller?.scopes.includes('write') ?? false

export const useSignIn = () =>
  useQuery({ queryKey: ['sign-in'], queryFn: () => take(api.GET('/api/v1/session')), staleTime: Infinity })

/** Where one comes from, to go back there. */
export function goToSignIn(): void {
  if (location.pathname === '/sign-in') return
  const here = location.pathname + location.search + location.hash
  location.replace(`/sign-in${here === '/' ? '' : `?to=${encodeURIComponent(here)}`}`)
}

export async function signOut(queries: QueryClient): Promise<void> {
  stopLive()
  await take(api.DELETE('/api/v1/session'))
  queries.clear()
  location.assign('/sign-in')
}

export const isSignedOut = (error: unknown): boolean => error instanceof Problem && error.status === 401
