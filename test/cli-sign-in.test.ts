// Signing in from the command line: a real issuer, a browser that is a few requests, AWS, tokens, several servers.
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Provider } from 'oidc-provider'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { openHome, serve, type Home } from './cli.ts'
import { eventually, openHarness, type Harness } from './harness.ts'
import { startSts, type StsServer } from './sts-server.ts'

const ACCOUNT = '123456789012'
const SERVER_ID = 'ocpctl.test'

let issuer: { url: string; server: Server }
let sts: StsServer
let h: Harness
let url: string
let home: Home
beforeAll(async () => {
  issuer = await startProvider()
  sts = await startSts()
  sts.users.set('AKIAALICE', { secret: 'alice secret', arn: `arn:aws:iam::${ACCOUNT}:user/alice` })
  h = await openHarness({
    environment: {
      OCPCTL_OIDC_ISSUER: issuer.url,
      OCPCTL_OIDC_AUDIENCE: 'ocpctl',
      OCPCTL_AWS_IAM_SERVER_ID: SERVER_ID,
      OCPCTL_AWS_STS_ENDPOINTS: sts.origin,
    },
  })
  ;({ url } = await serve(h))
})
afterAll(async () => {
  await h.close()
  await sts.close()
  issuer.server.closeAllConnections()
  issuer.server.close()
})
beforeEach(() => {
  home = openHome()
})
afterEach(() => home.remove())

/** Its ID tokens live so briefly that each command has to get another one. */
async function startProvider(): Promise<typeof issuer> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // listens on TCP
  const provider = new Provider(address, {
    clients: [
      {
        client_id: 'ocpctl',
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
        response_types: ['code'],
      },
    ],
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    pkce: { required: () => true },
    ttl: {
      IdToken: 45,
      AccessToken: 600,
      DeviceCode: 600,
      Grant: 600,
      Interaction: 600,
      RefreshToken: 600,
      Session: 600,
    },
    rotateRefreshToken: true,
    findAccount: (_, accountId) => ({ accountId, claims: async () => ({ sub: accountId }) }),
  })
  const answer = provider.callback()
  server.on('request', (request, response) => void answer(request, response))
  return { url: address, server }
}

/** A person with a browser: follows, and fills in every form, until there is none. Returns what is read at the end. */
async function browse(start: string): Promise<string> {
  const jar = new Map<string, string>()
  let address = start
  let form: URLSearchParams | undefined
  for (;;) {
    const answer = await fetch(address, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { method: 'POST', body: form } : {}),
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value === '') jar.delete(name)
      else jar.set(name, value)
    }
    const text = await answer.text()
    const location = answer.headers.get('location')
    const action = /<form[^>]* action="([^"]+)"/.exec(text)?.[1]
    form = undefined
    if (location !== null) address = new URL(location, address).href
    else if (action === undefined) return text
    else {
      form = new URLSearchParams()
      for (const [input] of text.matchAll(/<input[^>]*>/g)) {
        const [name, value] = ['name', 'value'].map((key) => new RegExp(` ${key}="([^"]*)"`).exec(input)?.[1])
        if (name !== undefined) form.set(name, value ?? 'alice')
      }
      address = new URL(action.replaceAll('&amp;', '&'), address).href
    }
  }
}

const file = () => join(home.dir, 'config/ocpctl/config.yaml')
const kept = () => parse(readFileSync(file(), 'utf8'))
const principal = async (...args: string[]) => (await home.json('whoami', ...args)).principal
const alice = { type: 'oidc_subject', id: 'alice' }

describe('the server', () => {
  it('says whom it believes, to everybody', async () => {
    expect(await (await fetch(`${url}/.well-known/ocpctl.json`)).json()).toEqual({
      commandLine: {
        path: '/downloads/ocpctl.mjs',
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        sizeBytes: expect.any(Number),
      },
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      oidc: { issuer: issuer.url, audience: 'ocpctl', clientId: 'ocpctl' },
      aws: { serverId: SERVER_ID },
    })
  })
})

describe('OpenID Connect', () => {
  it('signs in by a code on another device', async () => {
    const login = home.start(['login', url, '--device'])
    const page = await eventually(() => /or open (\S+)/.exec(login.stderr())?.[1])
    expect(login.stderr()).toMatch(/Open \S+ on any device and enter the code [A-Z]{4}-[A-Z]{4}/)
    await browse(page)
    const { code, stderr } = await login.ended
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stderr).toContain(`signed in to ${url} as oidc_subject alice`)
    expect(await principal()).toEqual(alice)
    expect(statSync(file()).mode & 0o777).toBe(0o600)
    expect(statSync(join(home.dir, 'config/ocpctl')).mode & 0o777).toBe(0o700)
  })

  it('signs in by a browser on this host, with PKCE', async () => {
    const login = home.start(['login', url, '--browser', '--as', 'work'])
    const page = await eventually(() => /Sign in at (\S+)/.exec(login.stderr())?.[1])
    const asked = new URL(page).searchParams
    expect(Object.fromEntries(asked)).toMatchObject({ code_challenge_method: 'S256', response_type: 'code' })
    const redirect = asked.get('redirect_uri') ?? ''
    expect(redirect).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
    // What comes from elsewhere is no answer.
    expect((await fetch(`${redirect}?code=stolen&state=guessed`)).status).toBe(404)
    expect(await browse(page)).toContain('go back to the terminal')
    expect((await login.ended).code).toBe(0)
    expect(await principal()).toEqual(alice)
    expect(kept()).toMatchObject({ current: 'work', contexts: { work: { url, auth: { kind: 'oidc' } } } })
  })

  it('gets another token when the old one ends, once for all that ask at a time', async () => {
    const login = home.start(['login', url, '--device'])
    await browse(await eventually(() => /or open (\S+)/.exec(login.stderr())?.[1]))
    expect((await login.ended).code).toBe(0)
    const [context] = Object.keys(kept().contexts)
    const before = kept().contexts[context ?? ''].auth
    // A refresh token counts once: whoever used it again would be signed out.
    const all = await Promise.all(Array.from({ length: 5 }, () => principal()))
    expect(all).toEqual(all.map(() => alice))
    const after = kept().contexts[context ?? ''].auth
    expect(after.refreshToken).not.toBe(before.refreshToken)
    writeFileSync(
      file(),
      stringify({ ...kept(), contexts: { [context ?? '']: { url, auth: { ...after, refreshToken: 'gone' } } } }),
    )
    const over = await home.run(['whoami'])
    expect(over.code).toBe(4)
    expect(over.stderr).toContain('run `ocpctl login` again')
  })

  it('is not kept when the person refuses, or the issuer is not reached', async () => {
    const nowhere = await home.run(['login', url, '--device', '--issuer', 'http://127.0.0.1:9'])
    expect(nowhere.code).toBe(8)
    const login = home.start(['login', url, '--browser'])
    const page = await eventually(() => /Sign in at (\S+)/.exec(login.stderr())?.[1])
    const asked = new URL(page).searchParams
    await fetch(
      `${asked.get('redirect_uri')}?error=access_denied&state=${asked.get('state')}&iss=${encodeURIComponent(issuer.url)}`,
    )
    const { code, stderr } = await login.ended
    expect([code, stderr.includes('did not sign you in: access_denied')]).toEqual([4, true])
    expect(existsSync(file())).toBe(false)
  })
})

describe('AWS', () => {
  const identity = () => ({
    AWS_ACCESS_KEY_ID: 'AKIAALICE',
    AWS_SECRET_ACCESS_KEY: 'alice secret',
    AWS_ENDPOINT_URL_STS: sts.origin,
  })

  it('signs in with the credentials at hand, and keeps none of them', async () => {
    const { code, stderr } = await home.run(['login', url, '--aws'], { environment: identity() })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const { stdout } = await home.run(['whoami', '-o', 'json'], { environment: identity() })
    expect(JSON.parse(stdout).principal).toEqual({ type: 'iam_user', id: `arn:aws:iam::${ACCOUNT}:user/alice` })
    expect(readFileSync(file(), 'utf8')).not.toMatch(/AKIA|secret/)
    expect((await home.run(['token'], { environment: identity() })).stdout).toMatch(/^ocpctl-aws-v1\.\S+\n$/)
  })

  it('says what is missing without them', async () => {
    const { code, stderr } = await home.run(['login', url, '--aws'], { environment: { PATH: home.dir } })
    expect([code, stderr.includes('set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')]).toEqual([4, true])
  })
})

describe('tokens and contexts', () => {
  it('takes a token from standard input, and keeps none that does not let one in', async () => {
    const refused = await home.run(['login', url, '--token-stdin'], { stdin: 'ocp_nonsense\n' })
    expect([refused.code, existsSync(file())]).toEqual([4, false])
    expect((await home.run(['login', url, '--token-stdin'], { stdin: '' })).code).toBe(2)
    expect((await home.run(['login', url, '--token-stdin'], { stdin: `${h.admin}\n` })).code).toBe(0)
    expect((await principal()).type).toBe('token')
    expect((await home.run(['logout'])).code).toBe(0)
    expect(readFileSync(file(), 'utf8')).not.toContain(h.admin)
    expect((await home.run(['whoami'])).code).toBe(4)
  })

  it('gives the token of a server to no other', async () => {
    const asked: (string | undefined)[] = []
    const other = createServer((request, response) => {
      asked.push(request.headers.authorization)
      response.end('{}')
    }).listen(0, '127.0.0.1')
    await once(other, 'listening')
    const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}` // listens on TCP
    await home.run(['login', url, '--token-stdin'], { stdin: h.admin })
    for (const args of [['whoami', '--server', elsewhere], ['whoami']])
      expect((await home.run(args, { environment: args.length === 1 ? { OCPCTL_URL: elsewhere } : {} })).code).toBe(4)
    expect(asked).toEqual([])
    other.close()
  })

  it('knows several servers, and takes the one that is said', async () => {
    const [red, blue] = [
      await h.tokenFor([{ team: 'red', role: 'requester' }]),
      await h.tokenFor([{ team: 'blue', role: 'auditor' }]),
    ]
    await home.run(['login', url, '--token-stdin', '--as', 'red'], { stdin: red })
    await home.run(['login', url, '--token-stdin', '--as', 'blue'], { stdin: blue })
    const team = async (...args: string[]) => (await home.json('whoami', ...args)).bindings[0].team
    expect(await team()).toBe('blue')
    expect(await team('--context', 'red')).toBe('red')
    expect((await home.run(['context', 'use', 'red'])).code).toBe(0)
    expect(await team()).toBe('red')
    expect(await team('--context', 'blue')).toBe('blue')
    expect((await home.json('context', 'list')).items).toEqual([
      { name: 'red', url, signedInBy: 'token', current: true },
      { name: 'blue', url, signedInBy: 'token', current: false },
    ])
    expect((await home.run(['context', 'remove', 'red'])).code).toBe(0)
    expect((await home.run(['whoami', '--context', 'red'])).code).toBe(2)
    expect((await home.run(['whoami'])).code).toBe(4)
  })

  it('refuses plain HTTP but on this host, and a password in a URL', async () => {
    for (const bad of [
      'http://ocpctl.example.com',
      'ftp://127.0.0.1',
      'https://user:secret@ocpctl.example.com',
      'ocpctl',
    ]) {
      const { code, stderr } = await home.run(['login', bad, '--token-stdin'], { stdin: h.admin })
      expect({ bad, code }).toEqual({ bad, code: 2 })
      expect(stderr).not.toContain('secret@')
    }
  })
})
