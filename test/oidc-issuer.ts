// An OpenID Connect issuer on loopback with real keys, which can be rotated, lost, or answered wrongly.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose'

type Key = { kid: string; alg: string; privateKey: CryptoKey; jwk: JWK }
export type Issuer = {
  url: string
  /** The keys that it publishes. */
  keys: Key[]
  asked: string[]
  /** Answered to everything instead. */
  broken: { status: number; body: string; headers?: Record<string, string> } | undefined
  addKey: (kid: string, alg?: string) => Promise<Key>
  token: (claims: JWTPayload, options?: { key?: Key; header?: Record<string, unknown> }) => Promise<string>
  close: () => Promise<void>
}

export async function startIssuer(audience: string): Promise<Issuer> {
  const issuer: Issuer = { url: '', keys: [], asked: [], broken: undefined, addKey, token, close }
  const server = createServer((request, response) => {
    issuer.asked.push(request.url ?? '')
    const isDiscovery = request.url === '/.well-known/openid-configuration'
    const answer = isDiscovery
      ? { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` }
      : { keys: issuer.keys.map(({ jwk }) => jwk) }
    const { status, body, headers = {} } = issuer.broken ?? { status: 200, body: JSON.stringify(answer) }
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listens on TCP

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
