// Sign-in by a browser at the OpenID Connect issuer: the code flow with PKCE. What it gives is an ID token, which is
// then judged as any JWT is.
import * as client from 'openid-client'
import { AppError } from '../errors.ts'
import type { Log } from '../observability/log.ts'

const ANSWER_SECONDS = 5
const SCOPES = ['openid', 'profile', 'email', 'groups']

export type OidcCodeOptions = { issuer: string; audience: string; clientSecret: string | undefined; log: Log }
/** What must be kept between the two halves, where nobody else can read it. */
export type Begun = { state: string; nonce: string; verifier: string; redirectUri: string }
export type OidcCode = {
  begin: (redirectUri: string) => Promise<{ url: string; begun: Begun }>
  /** `query`: what the issuer sent the browser back with. Throws UNAUTHENTICATED when it refuses. */
  finish: (begun: Begun, query: string) => Promise<string>
}

export function openOidcCode({ issuer, audience, clientSecret, log }: OidcCodeOptions): OidcCode {
  let discovered: Promise<client.Configuration> | undefined

  async function discover(): Promise<client.Configuration> {
    const isPlain = new URL(issuer).protocol === 'http:' // only on this machine, as the configuration requires
    return client.discovery(
      new URL(issuer),
      audience,
      undefined,
      clientSecret === undefined ? client.None() : client.ClientSecretPost(clientSecret),
      { timeout: ANSWER_SECONDS, ...(isPlain ? { execute: [client.allowInsecureRequests] } : {}) },
    )
  }

  async function configuration(): Promise<client.Configuration> {
    discovered ??= discover()
    try {
      return await discovered
    } catch (error) {
      discovered = undefined // asked again by the next
      log.warn({ err: error, issuer }, 'the OpenID Connect issuer cannot be asked')
      throw new AppError('UNAVAILABLE', `the issuer ${issuer} cannot be asked: sign in again in a moment`)
    }
  }

  return {
    async begin(redirectUri) {
      const config = await configuration()
      const { scopes_supported: known = ['openid'] } = config.serverMetadata()
      const begun = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
        redirectUri,
      }
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: SCOPES.filter((scope) => scope === 'openid' || known.includes(scope)).join(' '),
        state: begun.state,
        nonce: begun.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(begun.verifier),
        code_challenge_method: 'S256',
      })
      return { url: url.href, begun }
    },
    async finish({ state, nonce, verifier, redirectUri }, query) {
      const config = await configuration()
      try {
        const tokens = await client.authorizationCodeGrant(config, new URL(query, redirectUri), {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        })
        return tokens.id_token ?? ''
      } catch (error) {
        log.info({ err: error, issuer }, 'a sign-in at the OpenID Connect issuer came to nothing')
        throw new AppError('UNAUTHENTICATED', `the issuer did not sign you in: ${saidBy(error)}`)
      }
    },
  }
}

function saidBy(error: unknown): string {
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError)
    return error.error_description ?? error.error
  return error instanceof Error ? error.message : String(error)
}
