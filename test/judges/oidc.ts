// Sign-in with OpenID Connect against an issuer that others wrote.
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openOidc } from '../../src/auth/oidc.ts'
import { openLog } from '../../src/observability/log.ts'
import { installNode, openVerdict, startProgram, type Judge } from './judge.ts'

const AUDIENCE = 'https://ocpctl.example'

// Signs with every kind of key that OpenID providers use, and gives JWTs of RFC 9068 for our audience.
const ISSUER = `
import { generateKeyPairSync } from 'node:crypto'
import Provider from 'oidc-provider'
const [port] = process.argv.slice(2)
const keys = [['rsa', { modulusLength: 2048 }], ['ec', { namedCurve: 'P-256' }], ['ed25519', {}]]
const issuer = 'http://127.0.0.1:' + port
const algorithms = ['RS256', 'PS256', 'ES256', 'Ed25519']
const client = (id, more) => ({ client_id: id, client_secret: process.env.CLIENT_SECRET, grant_types: ['client_credentials'], response_types: [], redirect_uris: [], ...more })
const provider = new Provider(issuer, {
  jwks: { keys: keys.map(([kind, options]) => ({ ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), use: 'sig' })) },
  clients: algorithms.map((algorithm) => client(algorithm)),
  extraTokenClaims: (context, token) => (token.clientId ? { groups: ['platform', 'on-call'], preferred_username: 'ada' } : {}),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (context, audience, client) => ({ scope: 'api', audience, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: client.clientId } } }),
    },
  },
})
provider.listen(Number(port), '127.0.0.1')
`

export const oidc: Judge = {
  name: 'oidc-provider 9.13.3, sign-in',
  async judge(dir) {
    const home = await installNode(dir, 'oidc-provider@9.13.3')
    writeFileSync(join(home, 'issuer.mjs'), ISSUER)
    const secret = randomUUID()
    const issuer = await startProgram(process.execPath, (port) => [join(home, 'issuer.mjs'), String(port)], { CLIENT_SECRET: secret }) // prettier-ignore
    const verdict = openVerdict()
    const { hold } = verdict
    const log = openLog('silent')
    const signIn = openOidc({ issuer: issuer.url, audience: AUDIENCE, groupsClaim: 'groups', log })
    const tokenOf = async (client: string, resource: string) => {
      const authorization = `Basic ${Buffer.from(`${client}:${secret}`).toString('base64')}`
      const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'api', resource })
      const answer = (await (
        await fetch(`${issuer.url}/token`, { method: 'POST', headers: { authorization }, body })
      ).json()) as { access_token: string } // RFC 6749
      return answer.access_token
    }
    const endOf = (token: string, at = signIn) => at.identityOf(token).then(({ principal, groups, session }) => JSON.stringify({ principal, groups, session }), (error: Error) => error.message) // prettier-ignore
    try {
      for (const algorithm of ['RS256', 'PS256', 'ES256', 'Ed25519']) {
        const token = await tokenOf(algorithm, AUDIENCE)
        const { alg } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { alg: string } // RFC 7515
        const end = await endOf(token)
        const wanted = {
          principal: { type: 'oidc_subject', id: algorithm },
          groups: ['platform', 'on-call'].map((id) => ({ type: 'oidc_group', id })),
          session: 'name:ada',
        }
        hold(`a token signed with ${algorithm} signs in`, alg === algorithm && end === JSON.stringify(wanted), end) // prettier-ignore
        const cut = await endOf(`${token.slice(0, -8)}AAAAAAAA`)
        hold(`one whose signature is changed does not`, /signature verification failed/.test(cut), cut)
      }
      const token = await tokenOf('RS256', AUDIENCE)
      const elsewhere = await endOf(await tokenOf('RS256', 'https://other.example'))
      hold('a token for somebody else does not sign in', /"aud"/.test(elsewhere), elsewhere)
      const [head, body = '', signature] = token.split('.')
      const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as object // RFC 7519
      const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'eve' })).toString('base64url')
      const forgery = await endOf([head, forged, signature].join('.'))
      hold('a token whose claims are changed does not', /signature verification failed/.test(forgery), forgery)
      const slash = openOidc({ issuer: `${issuer.url}/`, audience: AUDIENCE, groupsClaim: 'groups', log })
      const other = await endOf(token, slash)
      hold('an issuer under another name is not this one', /cannot be asked/.test(other), other)
      const none = openOidc({ issuer: issuer.url, audience: AUDIENCE, groupsClaim: 'roles', log })
      const grouped = await endOf(token, none)
      hold('groups are read from the claim that is named', grouped.includes('"groups":[]'), grouped)
    } finally {
      await issuer.stop()
    }
    return verdict
  },
}
