// Sign-in with an OpenID Connect issuer: in a browser on this host, or with a code on any other device.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import clientPacked from 'packed:openid-client'
import type * as Client from 'openid-client'
import { checkUrl, isLoopback, type Auth } from './contexts.ts'
import { Failure } from './failure.ts'
import { say } from './output.ts'
import { openBrowser } from './browser.ts'
import { reasonOf } from './api.ts'
import { claimsOf } from './session.ts'
import { unpack } from './unpack.ts'

export type Issuer = { issuer: string; clientId: string; audience: string }
type Oidc = Extract<Auth, { kind: 'oidc' }>

const client = await unpack<typeof Client>(clientPacked)

const SCOPES = ['openid', 'profile', 'email', 'groups', 'offline_access']
const BROWSER_MS = 10 * 60_000

/** RFC 8628: the person types a code on another device. */
export async function signInByDevice(issuer: Issuer): Promise<Oidc> {
  const config = await discover(issuer)
  if (config.serverMetadata().device_authorization_endpoint === undefined)
    throw new Failure(
      'usage',
      `${issuer.issuer} does not offer sign-in by a code: use ocpctl login --browser or --token-stdin`,
    )
  return ofIssuer(issuer, async () => {
    const device = await client.initiateDeviceAuthorization(config, { scope: scopeOf(config) })
    say(`Open ${device.verification_uri} on any device and enter the code ${device.user_code}`)
    if (device.verification_uri_complete !== undefined) say(`or open ${device.verification_uri_complete}`)
    return keep(issuer, await client.pollDeviceAuthorizationGrant(config, device))
  })
}

/** RFC 8252: the browser brings the answer to a port of this host; PKCE proves that it is ours. */
export async function signInByBrowser(issuer: Issuer): Promise<Oidc> {
  const config = await discover(issuer)
  const verifier = client.randomPKCECodeVerifier()
  const [state, nonce] = [client.randomState(), client.randomNonce()]
  const scope = scopeOf(config)
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const redirect = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback` // listens on TCP
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: redirect,
    scope,
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    // An issuer gives no refresh token to a program unless the person is asked.
    ...(scope.includes('offline_access') ? { prompt: 'consent' } : {}),
  })
  try {
    say(`Sign in at ${address.href}`)
    openBrowser(address.href)
    const answer = await answerTo(server, redirect, state)
    return await ofIssuer(issuer, async () =>
      keep(
        issuer,
        await client.authorizationCodeGrant(config, answer, {
          pkceCodeVerifier: verifier,
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
        }),
      ),
    )
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

/** Throws Failure when the person has to sign in again. */
export async function refreshTokens(auth: Oidc): Promise<Oidc> {
  const config = await discover(auth)
  try {
    return keep(auth, await client.refreshTokenGrant(config, auth.refreshToken ?? ''))
  } catch (error) {
    if (error instanceof client.ResponseBodyError)
      throw new Failure('notSignedIn', `your sign-in is over (${error.error}): run \`ocpctl login\` again`)
    throw new Failure('unreachable', `${auth.issuer} cannot be asked for another token: ${reasonOf(error)}`)
  }
}

async function discover({ issuer, clientId }: Issuer): Promise<Client.Configuration> {
  checkUrl(issuer)
  const execute = isLoopback(new URL(issuer)) ? [client.allowInsecureRequests] : []
  try {
    return await client.discovery(new URL(issuer), clientId, undefined, client.None(), { execute })
  } catch (error) {
    throw new Failure('unreachable', `the issuer ${issuer} cannot be asked how to sign in: ${reasonOf(error)}`)
  }
}

/** An issuer may refuse all when it does not know one. */
function scopeOf(config: Client.Configuration): string {
  const known = config.serverMetadata().scopes_supported
  return SCOPES.filter((scope) => scope === 'openid' || (known ?? SCOPES.slice(0, 3)).includes(scope)).join(' ')
}

async function ofIssuer<T>({ issuer }: Issuer, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Failure) throw error
    const told =
      error instanceof client.ResponseBodyError || error instanceof client.AuthorizationResponseError
        ? (error.error_description ?? error.error)
        : reasonOf(error)
    throw new Failure('notSignedIn', `${issuer} did not sign you in: ${told}`)
  }
}

/** Which token the server takes depends on the issuer: the one that is for its audience. */
function keep(
  { issuer, clientId, audience, ...before }: Issuer & { refreshToken?: string },
  tokens: Client.TokenEndpointResponse,
): Oidc {
  const token = [tokens.access_token, tokens.id_token].find(
    (each) => each !== undefined && [claimsOf(each)['aud']].flat().includes(audience),
  )
  if (token === undefined)
    throw new Failure(
      'notSignedIn',
      `${issuer} gave no token for the audience "${audience}": the client ${clientId} has to be set up there for it`,
    )
  const refreshToken = tokens.refresh_token ?? before.refreshToken
  return { kind: 'oidc', issuer, clientId, audience, token, ...(refreshToken === undefined ? {} : { refreshToken }) }
}

function answerTo(server: Server, redirect: string, state: string): Promise<URL> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Failure('timeout', 'nobody signed in within 10 minutes: run it again')),
      BROWSER_MS,
    )
    server.on('request', (request, response) => {
      const url = new URL(request.url ?? '/', redirect)
      // Any page of the browser can send something here.
      if (url.pathname !== '/callback' || url.searchParams.get('state') !== state)
        return void response.writeHead(404).end()
      response
        .writeHead(200, {
          'content-type': 'text/plain; charset=utf-8',
          connection: 'close',
          'referrer-policy': 'no-referrer',
        })
        .end('You may close this page and go back to the terminal.\n', () => {
          clearTimeout(timer)
          resolve(url)
        })
    })
  })
}
