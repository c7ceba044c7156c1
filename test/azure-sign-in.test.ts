// Who asks Azure, by the package that signs in, against an authority on loopback that checks who it is.
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { readCredentials } from '../src/clouds/azure/credentials.ts'
import { openAzureInventory } from '../src/clouds/azure/inventory.ts'
import { cloudOf, openSignIn, type AzureCloud } from '../src/clouds/azure/sign-in.ts'
import { whyNot } from './answers.ts'
import { ROOT } from './harness.ts'

const certificate = join(ROOT, 'test/fixtures/loopback.pem')
const trusted = getCACertificates('default')
const tenantId = '33333333-2222-3333-4444-555555555555'
const ids = { subscriptionId: 'SUB', tenantId, clientId: 'client' }

let server: Server
let cloud: AzureCloud
let home: string
let file: string
let asked: URLSearchParams[]
let refusal: { error: string; error_description: string } | undefined

beforeAll(async () => {
  const pem = await readFile(certificate, 'utf8')
  setDefaultCACertificates([...trusted, pem])
  server = createServer({ key: pem, cert: pem }, (request, response) => {
    void answer(request.url ?? '', request).then(({ status, body }) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const authority = `https://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
  cloud = { authority, resourceManager: 'https://arm.example', scope: 'https://arm.example/.default' }
  home = await mkdtemp(join(tmpdir(), 'ocpctl-azure-'))
  file = join(home, 'principal.json')
})
afterAll(async () => {
  setDefaultCACertificates(trusted)
  server.closeAllConnections()
  server.close()
  await rm(home, { recursive: true })
})
beforeEach(() => {
  asked = []
  refusal = undefined
})

async function answer(url: string, body: AsyncIterable<Buffer>): Promise<{ status: number; body: unknown }> {
  const { authority } = cloud
  if (url.startsWith(`/${tenantId}/v2.0/.well-known/openid-configuration`))
    return {
      status: 200,
      body: {
        issuer: `${authority}/${tenantId}/v2.0`,
        authorization_endpoint: `${authority}/${tenantId}/oauth2/v2.0/authorize`,
        token_endpoint: `${authority}/${tenantId}/oauth2/v2.0/token`,
        jwks_uri: `${authority}/${tenantId}/keys`,
      },
    }
  if (!url.startsWith(`/${tenantId}/oauth2/v2.0/token`)) return { status: 404, body: {} }
  asked.push(new URLSearchParams(Buffer.concat(await Array.fromAsync(body)).toString()))
  if (refusal) return { status: 401, body: refusal }
  return { status: 200, body: { token_type: 'Bearer', expires_in: 3600, access_token: `token-${asked.length}` } }
}

const signal = AbortSignal.timeout(60_000)
async function signIn(environment: Record<string, string>) {
  const { subscriptionId, token } = await openSignIn({ HOME: home, ...environment })(cloud)
  return { subscriptionId, token: await token(signal, false) }
}

it.each<[string, () => Promise<Record<string, string>>, Record<string, unknown>]>([
  [
    'a secret in the file',
    async () => {
      await writeFile(file, JSON.stringify({ ...ids, clientSecret: 'hush' }))
      return { AZURE_AUTH_LOCATION: file, AZURE_CLIENT_SECRET: 'other' }
    },
    { client_secret: 'hush' },
  ],
  [
    'a certificate in the file',
    async () => {
      await writeFile(file, JSON.stringify({ ...ids, clientCertificate: certificate }))
      return { AZURE_AUTH_LOCATION: file }
    },
    { client_assertion: expect.stringMatching(/^ey/) },
  ],
])('by %s', async (_, put, expected) => {
  expect(await signIn(await put())).toEqual({ subscriptionId: 'sub', token: 'token-1' })
  expect(Object.fromEntries(asked[0] ?? [])).toMatchObject({
    grant_type: 'client_credentials',
    client_id: 'client',
    scope: 'https://arm.example/.default',
    ...expected,
  })
})

it('once for many questions, and anew when the token is refused or the file is another', async () => {
  const put = (clientSecret: string) => writeFile(file, JSON.stringify({ ...ids, clientSecret }))
  await put('one')
  const open = openSignIn({ AZURE_AUTH_LOCATION: file })
  const token = async (isRefused: boolean) => (await open(cloud)).token(signal, isRefused)
  expect([await token(false), await token(false)]).toEqual(['token-1', 'token-1'])
  expect(await token(true)).toBe('token-2')
  await put('two')
  expect(await token(false)).toBe('token-3')
  expect(asked.map((each) => each.get('client_secret'))).toEqual(['one', 'one', 'two'])
})

it('a refusal is told in one line, and the secret is not', async () => {
  refusal = { error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret.\r\nTrace ID: 1 hush' }
  await writeFile(file, JSON.stringify({ ...ids, clientSecret: 'hush' }))
  const told = signIn({ AZURE_AUTH_LOCATION: file })
  await expect(told).rejects.toThrow(
    /^signing in at https:\/\/127.0.0.1:\d+ failed: .*AADSTS7000215: Invalid client secret\.$/,
  )
})

it('nobody is said to ask, so nothing is verified', async () => {
  const find = async (environment: Record<string, string>) => {
    const inventory = openAzureInventory({ environment: { HOME: home, ...environment } })
    const place = { platform: 'azure', region: 'westeurope', name: 'demo', baseDomain: 'example.com' } as const
    const answer = await inventory.findRecords(place)
    return whyNot('azure', answer)
  }
  const variables = { AZURE_SUBSCRIPTION_ID: 's', AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 'x' }
  for (const environment of [{}, variables])
    expect(await find(environment)).toMatch(/there is no .*osServicePrincipal.json \(sign-in\)$/)
  for (const text of ['{', '{"subscriptionId":"s"}', '{"subscriptionId":"s","tenantId":"t","clientSecret":"hush"}']) {
    await writeFile(file, text)
    expect(await find({ AZURE_AUTH_LOCATION: file })).toMatch(/principal.json is no JSON with subscriptionId, tenantId/)
  }
  expect(await find({ AZURE_AUTH_LOCATION: home })).toContain(`${home} cannot be read`)
})

it('each cloud has its own authority and host, and one that is closed has none', () => {
  expect(cloudOf()).toEqual(cloudOf('AzurePublicCloud'))
  expect(cloudOf('AzureUSGovernmentCloud').resourceManager).toBe('https://management.usgovcloudapi.net')
  expect(cloudOf('AzureChinaCloud').authority).toBe('https://login.chinacloudapi.cn')
  expect(() => cloudOf('AzureGermanCloud')).toThrow('AzureGermanCloud')
})

it('without a secret it is the identity of the machine, as for the installer', async () => {
  await writeFile(file, JSON.stringify({ subscriptionId: 'sub', tenantId }))
  expect(await readCredentials({ AZURE_AUTH_LOCATION: file })).toEqual({ subscriptionId: 'sub', tenantId })
})
