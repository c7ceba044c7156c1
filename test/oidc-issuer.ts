// An OpenID Connect issuer on loopback with real keys, which can be rotated, lost, or answered wrongly.
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose'

type Key = { kid: string; alg: string; privateKey: CryptoKey; jwk: JWK }
export type Issuer = {
  url: string
  /** The keys that it publishes. */
  keys: Key[]
  asked: string[]
  /** The claims of whoever signs in with a browser. */
  person: JWTPayload
  /** Answered to everything instead. */
  broken: { status: number; body: string; headers?: Record<string, string> } | undefined
  addKey: (kid: string, alg?: string) => Promise<Key>
  token: (claims: JWTPayload, options?: { key?: Key; header?: Record<string, unknown> }) => Promise<string>
  close: () => Promise<void>
}

export async function startIssuer(audience: string): Promise<Issuer> {
  const issuer: Issuer = { url: '', keys: [], asked: [], person: {}, broken: undefined, addKey, token, close }
  const codes = new Map<string, URLSearchParams>()
  const server = createServer((request, response) => {
    issuer.asked.push(request.url ?? '')
    const { pathname, searchParams } = new URL(request.url ?? '', issuer.url)
    if (pathname === '/authorize') {
      // Whoever comes here is known, and agrees.
      const code = randomUUID()
      codes.set(code, searchParams)
      const back = new URL(searchParams.get('redirect_uri') ?? '')
      back.search = new URLSearchParams({ code, state: searchParams.get('state') ?? '', iss: issuer.url }).toString()
      return void response.writeHead(303, { location: back.href }).end()
    }
    if (pathname === '/token')
      return void exchange(request).then(
        (answer) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer)),
        () => response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}'),
      )
    const isDiscovery = pathname === '/.well-known/openid-configuration'
    const answer = isDiscovery
      ? {
          issuer: issuer.url,
          jwks_uri: `${issuer.url}/keys`,
          authorization_endpoint: `${issuer.url}/authorize`,
          token_endpoint: `${issuer.url}/token`,
          scopes_supported: ['openid', 'profile'],
          authorization_response_iss_parameter_supported: true,
        }
      : { keys: issuer.keys.map(({ jwk }) => jwk) }
    const { status, body, headers = {} } = issuer.broken ?? { status: 200, body: JSON.stringify(answer) }
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listens on TCP

  /** A code is good once, and only for whoever has the verifier of its challenge. */
  async function exchange(request: IncomingMessage) {
    const form = new URLSearchParams(await text(request))
    const asked = codes.get(form.get('code') ?? '')
    codes.delete(form.get('code') ?? '')
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    if (asked?.get('code_challenge') !== challenge || asked.get('redirect_uri') !== form.get('redirect_uri'))
      throw new Error('the code is not for this caller')
    const nonce = asked.get('nonce')
    return {
      access_token: randomUUID(),
      token_type: 'Bearer',
      id_token: await token({ ...issuer.person, ...(nonce === null ? {} : { nonce }) }),
    }
  }

  async function addKey(kid: string, alg = 'RS256'): Promise<Key> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const key = { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
    issuer.keys.push(key)
    return key
  }

  async function token(
    claims: JWTPayload,
    { key = issuer.keys.at(-1), header = {} }: { key?: Key; header?: Record<string, unknown> } = {},
  ) {
    if (!key) throw new Error('the issuer has no key')
    const now = Math.floor(Date.now() / 1000)
    return new SignJWT({ iss: issuer.url, aud: audience, sub: 'alice', iat: now, exp: now + 300, ...claims })
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header })
      .sign(key.privateKey, { crit: { x: true } })
  }

  async function close() {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return issuer
}
