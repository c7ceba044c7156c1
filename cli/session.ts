// Where requests go and what proves who sends them.
import { changeContexts, checkUrl, readContexts, type Auth, type Context, type Environment } from './contexts.ts'
import { Failure } from './failure.ts'

export type Session = {
  url: string
  /** The name of the context, when there is one. */
  context: string | undefined
  token: () => Promise<string>
  /** Whether there is another token after the server refused the last one. */
  renew: () => Promise<boolean>
}

/** Longer than a request may be under way. */
const RENEW_BEFORE_SECONDS = 60

/** The flags win over the environment, and the environment wins over the current context. */
export async function openSession(
  environment: Environment,
  flags: { server?: string; context?: string },
): Promise<Session> {
  const {
    server: givenUrl = environment['OCPCTL_URL'] || undefined,
    context: givenName = environment['OCPCTL_CONTEXT'] || undefined,
  } = flags
  const token = environment['OCPCTL_TOKEN'] || undefined
  const { contexts, current } = await readContexts(environment)
  if (givenName !== undefined && !Object.hasOwn(contexts, givenName))
    throw new Failure('usage', `there is no context "${givenName}": ocpctl context list shows them`)
  const url = givenUrl === undefined ? undefined : checkUrl(givenUrl)
  const name =
    givenName ?? (url === undefined ? current : Object.keys(contexts).find((each) => contexts[each]?.url === url))
  const context = name === undefined ? undefined : contexts[name]
  const server = url ?? (context && checkUrl(context.url))
  if (server === undefined)
    throw new Failure(
      'notSignedIn',
      'no server is known: run `ocpctl login https://…`, or set OCPCTL_URL and OCPCTL_TOKEN',
    )
  if (token !== undefined)
    return { url: server, context: undefined, token: async () => token, renew: async () => false }
  if (name === undefined || context?.auth === undefined || context.url !== server)
    throw new Failure(
      'notSignedIn',
      `you are not signed in to ${server}: run \`ocpctl login ${server}\`, or set OCPCTL_TOKEN`,
    )
  return signedIn(environment, name, context, context.auth)
}

function signedIn(environment: Environment, name: string, { url }: Context, first: Auth): Session {
  let auth = first
  const refresh = async (): Promise<boolean> => {
    if (auth.kind !== 'oidc' || auth.refreshToken === undefined) return false
    const { token: stale, refreshToken } = auth
    // A refresh token may count only once. So one process uses it, and the others read what it got.
    await changeContexts(environment, async ({ contexts }) => {
      const kept = contexts[name]
      if (kept?.auth?.kind !== 'oidc') return
      // A token that is made again within the second may be the same.
      if (kept.auth.token === stale && kept.auth.refreshToken === refreshToken) {
        const { refreshTokens } = await import('./oidc.ts')
        kept.auth = await refreshTokens(kept.auth)
      }
      auth = kept.auth
    })
    return auth.kind === 'oidc' && auth.token !== stale
  }
  return {
    url,
    context: name,
    async token() {
      if (auth.kind === 'aws') return (await import('./aws.ts')).makeAwsToken(environment, auth.serverId)
      if (auth.kind === 'oidc' && expiresSoon(auth.token)) await refresh()
      return auth.token
    },
    renew: refresh,
  }
}

function expiresSoon(jwt: string): boolean {
  const { exp } = claimsOf(jwt)
  return typeof exp === 'number' && exp - Date.now() / 1000 < RENEW_BEFORE_SECONDS
}

/** Nothing is proved by them here: the server does that. */
export function claimsOf(jwt: string): Record<string, unknown> {
  try {
    return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown> // an object, or it is no JWT
  } catch {
    return {}
  }
}
