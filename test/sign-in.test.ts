// Who signs in with AWS or OpenID Connect, and who does not: real signatures, real keys, and every way to bend them.
import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { exportSPKI, importJWK, SignJWT, UnsecuredJWT, type CryptoKey } from 'jose'
import { readArn } from '../src/auth/arn.ts'
import { AWS_TOKEN_PREFIX, openAwsIam, readToken } from '../src/auth/aws-iam.ts'
import { openOidc } from '../src/auth/oidc.ts'
import { AppError } from '../src/errors.ts'
import { createHttp } from '../src/http/app.ts'
import { openLog } from '../src/observability/log.ts'
import { makeAwsToken } from '../src/commands/token.ts'
import { openHarness, type Harness } from './harness.ts'
import { startIssuer, type Issuer } from './oidc-issuer.ts'
import { startSts, type StsServer } from './sts-server.ts'

const SERVER_ID = 'ocpctl.example.test'
const AUDIENCE = 'ocpctl'
const ACCOUNT = '123456789012'
const ALICE = `arn:aws:iam::${ACCOUNT}:user/people/alice`
const ROLE = `arn:aws:iam::${ACCOUNT}:role/pipeline`
const log = openLog('silent')

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => 'let in',
    (error: unknown) => (error instanceof AppError ? `${error.code} ${error.message}` : Promise.reject(error)),
  )

describe('AWS', () => {
  let sts: StsServer
  let h: Harness

  beforeAll(async () => {
    sts = await startSts()
    sts.users.set('AKIAALICE', { secret: 'alice secret', arn: ALICE })
    sts.users.set('ASIAROLE', {
      secret: 'role secret',
      arn: `arn:aws:sts::${ACCOUNT}:assumed-role/pipeline/build-17`,
      sessionToken: 'session/token+of==role',
    })
    sts.users.set('AKIAROOT', { secret: 'root', arn: `arn:aws:iam::${ACCOUNT}:root` })
    sts.users.set('ASIAFED', { secret: 'fed', arn: `arn:aws:sts::${ACCOUNT}:federated-user/bob` })
    h = await openHarness({
      environment: { OCPCTL_AWS_IAM_SERVER_ID: SERVER_ID, OCPCTL_AWS_STS_ENDPOINTS: sts.origin },
    })
  })
  afterAll(async () => {
    await h.close()
    await sts.close()
  })
  beforeEach(() => {
    sts.requests.length = 0
    sts.answer = undefined
  })
  afterEach(() => vi.useRealTimers())

  type Options = { key?: string; secret?: string; serverId?: string; endpoint?: string; life?: number; signedAt?: Date }
  const token = ({
    key = 'AKIAALICE',
    secret,
    serverId = SERVER_ID,
    endpoint = sts.origin,
    life,
    signedAt,
  }: Options = {}) => {
    const user = sts.users.get(key)
    return makeAwsToken({
      serverId,
      endpoint,
      region: 'eu-west-1',
      credentials: {
        accessKeyId: key,
        secretAccessKey: secret ?? user?.secret ?? 'x',
        ...(user?.sessionToken ? { sessionToken: user.sessionToken } : {}),
      },
      ...(life === undefined ? {} : { expiresInSeconds: life }),
      ...(signedAt === undefined ? {} : { signedAt }),
    })
  }
  const urlOf = (made: string) => Buffer.from(made.slice(AWS_TOKEN_PREFIX.length), 'base64url').toString()
  const tokenOf = (url: string) => AWS_TOKEN_PREFIX + Buffer.from(url).toString('base64url')
  const edited = async (edit: (url: URL) => void, options?: Options) => {
    const url = new URL(urlOf(await token(options)))
    edit(url)
    return tokenOf(url.href)
  }
  const whoami = (bearer: string) => h.call('GET', '/api/v1/whoami', { token: bearer })

  it('a user is its ARN, a role its role with the session in the audit trail; roles are bound to either', async () => {
    expect((await whoami(await token())).body).toMatchObject({
      principal: { type: 'iam_user', id: ALICE },
      session: null,
      scopes: ['read', 'write'],
      bindings: [],
    })
    const role = await token({ key: 'ASIAROLE' })
    expect((await whoami(role)).body).toMatchObject({
      principal: { type: 'iam_role', id: ROLE },
      session: 'session:build-17',
    })
    const body = { principalType: 'iam_role', principal: ROLE, team: 'red', role: 'requester' }
    expect((await h.call('POST', '/api/v1/role-bindings', { body })).status).toBe(201)
    const request = { name: 'by-role', platform: 'aws', profile: 'aws-minimal-test' }
    const made = await h.call('POST', '/clusters', { token: role, key: 'k', body: request })
    expect(made).toMatchObject({ status: 202, body: { cluster: { team: 'red', owner: `iam_role:${ROLE}` } } })
    const trail = await h.call('GET', `/api/v1/audit-events?cluster=${made.body.cluster.id}&action=cluster.request`)
    expect(trail.body.items).toMatchObject([{ actor: `iam_role:${ROLE}`, session: 'session:build-17' }])
  })

  it('the command makes a token from the credentials at hand, and prints nothing else', async () => {
    const made = spawnSync(process.execPath, ['src/main.ts', 'token', 'aws'], {
      env: {
        PATH: process.env['PATH'] ?? '',
        OCPCTL_AWS_IAM_SERVER_ID: SERVER_ID,
        AWS_ENDPOINT_URL_STS: sts.origin,
        AWS_ACCESS_KEY_ID: 'AKIAALICE',
        AWS_SECRET_ACCESS_KEY: 'alice secret',
      },
      encoding: 'utf8',
    })
    expect(made).toMatchObject({ status: 0, stderr: '' })
    expect(made.stdout).toMatch(/^ocpctl-aws-v1\.[\w-]+\n$/)
    expect(made.stdout).not.toContain(Buffer.from('alice secret').toString('base64url'))
    expect((await whoami(made.stdout.trim())).body.principal).toEqual({ type: 'iam_user', id: ALICE })
  })

  it('STS is asked once a token, also by many at once, with the id of this server and no credential of it', async () => {
    // No other test signs one at this moment.
    const made = await token({ signedAt: new Date(Date.now() - 60_000) })
    const answers = await Promise.all(Array.from({ length: 20 }, () => whoami(made)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    await whoami(made)
    expect(sts.requests).toHaveLength(1)
    expect(sts.requests[0]).toMatchObject({ method: 'GET', headers: { 'x-ocpctl-server-id': SERVER_ID } })
    expect(Object.keys(sts.requests[0]?.headers ?? {})).not.toContain('authorization')
  })

  it.each<[string, () => Promise<string>]>([
    ['a signature with another secret', () => token({ secret: 'guessed' })],
    ['an unknown key', () => token({ key: 'AKIANOBODY' })],
    ['a token for another server', () => token({ serverId: 'other.example.test' })],
    [
      'a token signed for another host',
      async () =>
        tokenOf(urlOf(await token({ endpoint: 'http://localhost:1' })).replace('http://localhost:1', sts.origin)),
    ],
    ['a changed signature', () => edited((url) => url.searchParams.set('X-Amz-Signature', '0'.repeat(64)))],
    ['a later date', () => edited((url) => url.searchParams.set('X-Amz-Date', compact(new Date(Date.now() + 60_000))))],
    ['a longer life', () => edited((url) => url.searchParams.set('X-Amz-Expires', '899'))],
    [
      'the key of somebody else',
      () =>
        edited((url) =>
          url.searchParams.set(
            'X-Amz-Credential',
            (url.searchParams.get('X-Amz-Credential') ?? '').replace('AKIAALICE', 'AKIAROOT'),
          ),
        ),
    ],
    [
      'a session without its token',
      () => edited((url) => url.searchParams.delete('X-Amz-Security-Token'), { key: 'ASIAROLE' }),
    ],
  ])('STS refuses %s', async (_name, make) => {
    const answer = await whoami(await make())
    expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } })
    expect(answer.body.detail).toMatch(
      /STS says (SignatureDoesNotMatch: it is for another server id, or the secret key is wrong|InvalidClientTokenId)$/,
    )
    expect(sts.requests).toHaveLength(1)
  })

  it.each<[string, RegExp, () => Promise<string>]>([
    ['another host', /evil.example.* is no STS endpoint/, () => edited((url) => (url.host = 'evil.example'))],
    ['another port', /no STS endpoint/, () => edited((url) => (url.port = '1'))],
    ['another scheme', /no STS endpoint/, () => edited((url) => (url.protocol = 'https:'))],
    ['a user in the URL', /more than a request/, () => edited((url) => (url.username = 'sts.amazonaws.com'))],
    ['a fragment', /more than a request/, () => edited((url) => (url.hash = 'x'))],
    ['a path', /path/, () => edited((url) => (url.pathname = '/latest/meta-data'))],
    ['another action', /action/, () => edited((url) => url.searchParams.set('Action', 'AssumeRole'))],
    ['two actions', /Action, once/, () => edited((url) => url.searchParams.append('Action', 'AssumeRole'))],
    [
      'a semicolon between parameters',
      /percent-encoded/,
      async () => tokenOf(`${urlOf(await token())};Action=AssumeRole`),
    ],
    ['another version', /version/, () => edited((url) => url.searchParams.set('Version', '2010-01-01'))],
    ['a parameter more', /must not have/, () => edited((url) => url.searchParams.set('RoleArn', ROLE))],
    ['no signature', /X-Amz-Signature, once/, () => edited((url) => url.searchParams.delete('X-Amz-Signature'))],
    [
      'another algorithm',
      /algorithm/,
      () => edited((url) => url.searchParams.set('X-Amz-Algorithm', 'AWS4-ECDSA-P256-SHA256')),
    ],
    [
      'the server id not signed',
      /x-ocpctl-server-id is not signed/,
      () => edited((url) => url.searchParams.set('X-Amz-SignedHeaders', 'host')),
    ],
    [
      'the host not signed',
      /host is not signed/,
      () => edited((url) => url.searchParams.set('X-Amz-SignedHeaders', 'x-ocpctl-server-id')),
    ],
    ['an expired token', /expired/, () => token({ signedAt: new Date(Date.now() - 16 * 60_000) })],
    [
      'an old token with a long life',
      /X-Amz-Expires/,
      () => token({ life: 3600, signedAt: new Date(Date.now() - 16 * 60_000) }),
    ],
    ['a life without end', /X-Amz-Expires/, () => edited((url) => url.searchParams.set('X-Amz-Expires', '1e9'))],
    ['a token of the future', /future/, () => token({ signedAt: new Date(Date.now() + 10 * 60_000) })],
    ['no date', /no time/, () => edited((url) => url.searchParams.set('X-Amz-Date', 'yesterday'))],
    ['an odd spelling', /plain form/, async () => tokenOf(urlOf(await token()).replace('http://', 'HTTP://'))],
    ['a tab in the host', /plain form/, async () => tokenOf(urlOf(await token()).replace('127.0', '127\t.0'))],
    ['no URL', /no URL/, async () => tokenOf('not a url')],
    ['no base64url', /base64url/, async () => `${AWS_TOKEN_PREFIX}!!`],
    ['nothing', /base64url/, async () => AWS_TOKEN_PREFIX],
    ['more than a token has', /longer than/, async () => (await token()) + 'A'.repeat(12 * 1024)],
  ])('with %s nobody is asked, and nobody let in', async (_name, words, make) => {
    const answer = await whoami(await make())
    expect(answer).toMatchObject({ status: 401, body: { detail: expect.stringMatching(words) } })
    expect(sts.requests).toEqual([])
  })

  it.each([
    ['https://sts.amazonaws.com', true],
    ['https://sts.eu-central-1.amazonaws.com', true],
    ['https://sts-fips.us-east-1.amazonaws.com', true],
    ['https://sts.us-gov-west-1.amazonaws.com', true],
    ['https://sts.cn-north-1.amazonaws.com.cn', true],
    ['http://sts.amazonaws.com', false],
    ['https://sts.amazonaws.com:8443', false],
    ['https://sts.amazonaws.com.evil.example', false],
    ['https://evil-sts.amazonaws.com', false],
    ['https://sts.s3.amazonaws.com', false],
    ['https://sts.s3-us-west-2.amazonaws.com', false],
    ['https://sts.us-east-1.elb.amazonaws.com', false],
    ['https://sts.us-east-1.amazonaws.com.cn', false],
    ['https://sts.eu-central-1.amazonaws.com.', false],
    ['https://169.254.169.254', false],
    ['https://localhost', false],
  ])('unless told otherwise, %s is an endpoint of STS: %s', async (endpoint, isAllowed) => {
    const read = () => readToken(tokenSync, {})
    const tokenSync = await token({ endpoint })
    if (isAllowed) expect(read().url.origin).toBe(endpoint)
    else expect(read).toThrow(/no STS endpoint|plain form/)
  })

  it('a token counts no longer than it says, also when it is known already', async () => {
    const made = await token({ life: 60 })
    expect((await whoami(made)).status).toBe(200)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    expect(await whoami(made)).toMatchObject({ status: 401, body: { detail: expect.stringMatching(/expired/) } })
  })

  it('no redirect is followed', async () => {
    const elsewhere = await startSts()
    sts.answer = () => ({ status: 302, headers: { location: `${elsewhere.origin}/latest/meta-data` } })
    expect(await whoami(await token({ life: 101 }))).toMatchObject({
      status: 401,
      body: { detail: expect.stringMatching(/302/) },
    })
    expect(elsewhere.requests).toEqual([])
    await elsewhere.close()
  })

  it.each([
    ['an error of its own', { status: 500 }],
    ['too many requests', { status: 429 }],
    ['an answer without end', { status: 200, body: 'x'.repeat(20_000) }],
    ['an answer that is none', { status: 200, body: '{"GetCallerIdentityResponse":{}}' }],
    ['a page', { status: 200, body: '<html>' }],
  ])('when STS has %s, the service is unavailable, and asks again the next time', async (name, answer) => {
    sts.answer = () => answer
    const made = await token({ life: 200 + name.length })
    expect(await whoami(made)).toMatchObject({ status: 503, body: { code: 'UNAVAILABLE' } })
    sts.answer = undefined
    expect((await whoami(made)).status).toBe(200)
  })

  it('an address whose tokens fail sixty times a minute is asked about no more, but for those that were good', async () => {
    const http = createHttp({
      ...h.app,
      config: { ...h.app.config, rateLimit: { perMinute: 0, addressPerMinute: 6000 } },
    })
    const from = (address: string) => ({ incoming: { socket: { remoteAddress: address }, headers: {} } })
    const ask = async (bearer: string, address = '192.0.2.1') =>
      (await http.request('/api/v1/whoami', { headers: { authorization: `Bearer ${bearer}` } }, from(address))).status
    const [good, later] = [await token({ life: 500 }), await token({ life: 501 })]
    expect(await ask(good)).toBe(200)
    for (let n = 0; n < 60; n++) expect(await ask(`${AWS_TOKEN_PREFIX}${n}`)).toBe(401)
    expect(await ask(later)).toBe(429)
    expect(await ask(good)).toBe(200)
    expect(await ask(later, '192.0.2.2')).toBe(200)
    // Who comes with something else asks nobody else, and is not shut out.
    expect([await ask(h.admin), await ask('wrong')]).toEqual([200, 401])
  })

  it('a role is bound by its ARN with or without its path, which AWS leaves out of sessions', async () => {
    const body = {
      principalType: 'iam_role',
      principal: `arn:aws:iam::${ACCOUNT}:role/aws-reserved/sso.amazonaws.com/eu-west-1/pipeline`,
      team: 'sso',
      role: 'requester',
    }
    expect((await h.call('POST', '/api/v1/role-bindings', { body })).status).toBe(201)
    const { bindings } = (await whoami(await token({ key: 'ASIAROLE', life: 502 }))).body
    expect(bindings).toContainEqual(expect.objectContaining({ team: 'sso', via: `iam_role:${body.principal}` }))
  })

  it('only accounts that are named sign in, when any is', async () => {
    const iam = openAwsIam({
      serverId: SERVER_ID,
      accounts: ['999999999999'],
      stsEndpoints: [sts.origin],
      groupOwners: async () => new Set(),
      iam: {},
      log,
    })
    expect(await refusal(iam.identityOf(await token({ life: 400 })))).toMatch(/of no account that signs in here/)
  })

  it.each(['AKIAROOT', 'ASIAFED'])('%s is neither a user nor a role', async (key) => {
    expect(await whoami(await token({ key }))).toMatchObject({
      status: 401,
      body: { detail: expect.stringMatching(/users and roles/) },
    })
  })

  it('what STS says beside its code reaches nobody', async () => {
    expect(JSON.stringify((await whoami(await token({ secret: 'no' }))).body)).not.toContain('private words')
  })

  it('groups of users are those of IAM, of their own account alone', async () => {
    const mine = `arn:aws:iam::${ACCOUNT}:group/admins`
    sts.groups.set('alice', [mine, 'arn:aws:iam::999999999999:group/admins', mine.replace('aws', 'aws-cn')])
    const bound = new Set<string>()
    const iam = openAwsIam({
      serverId: SERVER_ID,
      stsEndpoints: [sts.origin],
      groupOwners: async () => bound,
      iam: { endpoint: sts.origin, region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } },
      log,
    })
    expect((await iam.identityOf(await token({ life: 300 }))).groups).toEqual([])
    bound.add(`aws:${ACCOUNT}`)
    expect((await iam.identityOf(await token({ life: 301 }))).groups).toEqual([{ type: 'iam_group', id: mine }])
    expect((await iam.identityOf(await token({ life: 302, key: 'ASIAROLE' }))).groups).toEqual([])
  })

  it.each([
    [`arn:aws:sts::${ACCOUNT}:assumed-role/pipeline/build-17`, `iam_role:${ROLE}`, 'build-17'],
    [
      `arn:aws:sts::${ACCOUNT}:assumed-role/team/blue/pipeline/i-0abc`,
      `iam_role:arn:aws:iam::${ACCOUNT}:role/team/blue/pipeline`,
      'i-0abc',
    ],
    [`arn:aws-cn:sts::${ACCOUNT}:assumed-role/r/s@x`, `iam_role:arn:aws-cn:iam::${ACCOUNT}:role/r`, 's@x'],
    [ALICE, `iam_user:${ALICE}`, undefined],
    [`arn:aws:iam::${ACCOUNT}:root`, undefined, undefined],
    [`arn:aws:sts::${ACCOUNT}:assumed-role/only`, undefined, undefined],
    [`arn:aws:iam::12:user/a`, undefined, undefined],
    [`arn:aws:iam::${ACCOUNT}:user/a\nb`, undefined, undefined],
  ])('%s is %s', (arn, name, session) => {
    const read = readArn(arn)
    expect(read && `${read.principal.type}:${read.principal.id}`).toBe(name)
    expect(read?.session).toBe(session)
  })

  it.each([
    ['iam_role', `arn:aws:sts::${ACCOUNT}:assumed-role/pipeline/build-17`, ROLE],
    ['iam_user', ROLE, undefined],
    ['iam_group', 'admins', undefined],
    ['token', 'tok_01k0000000e0000000000000000', undefined],
  ])('nobody can be bound as %s %s', async (principalType, principal, nearest) => {
    const body = { principalType, principal, team: 'red', role: 'requester' }
    const answer = await h.call('POST', '/api/v1/role-bindings', { body })
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/principal' }] } })
    expect(answer.body.errors[0].nearest).toBe(nearest)
  })
})

const compact = (date: Date) => date.toISOString().replace(/[-:]|\.\d+/g, '')

describe('OpenID Connect', () => {
  let issuer: Issuer
  beforeEach(async () => {
    issuer = await startIssuer(AUDIENCE)
    await issuer.addKey('one')
  })
  afterEach(() => issuer.close())

  const open = (more = {}) =>
    openOidc({ issuer: issuer.url, audience: AUDIENCE, groupsClaim: 'groups', log, keysCooldownMs: 0, ...more })

  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('lets in who has a token signed with %s', async (alg) => {
    const key = await issuer.addKey('other', alg)
    const token = await issuer.token({ groups: ['dev', 'dev', 'ops'], preferred_username: 'Alice' }, { key })
    expect(await open().identityOf(token)).toEqual({
      principal: { type: 'oidc_subject', id: 'alice' },
      groups: [
        { type: 'oidc_group', id: 'dev' },
        { type: 'oidc_group', id: 'ops' },
      ],
      session: 'name:Alice',
      scopes: ['read', 'write'],
      tokenId: undefined,
    })
  })

  const now = () => Math.floor(Date.now() / 1000)
  it.each<[string, RegExp, () => Promise<string>]>([
    ['for another audience', /"aud"/, () => issuer.token({ aud: 'somebody-else' })],
    ['of another issuer', /"iss"/, () => issuer.token({ iss: 'https://evil.example' })],
    ['that is over', /it has expired/, () => issuer.token({ exp: now() - 60 })],
    ['that is not yet', /"nbf"/, () => issuer.token({ nbf: now() + 120 })],
    ['without an end', /"exp"/, () => issuer.token({ exp: undefined })],
    ['without a beginning', /"iat"/, () => issuer.token({ iat: undefined })],
    ['without a subject', /"sub"/, () => issuer.token({ sub: undefined })],
    ['with an empty subject', /"sub"/, () => issuer.token({ sub: '' })],
    ['with a subject of control characters', /"sub"/, () => issuer.token({ sub: 'a\u0000b' })],
    ['with groups that are no list', /"groups"/, () => issuer.token({ groups: 'admins' })],
    [
      'with groups without number',
      /"groups"/,
      () => issuer.token({ groups: Array.from({ length: 501 }, (_, i) => `g${i}`) }),
    ],
    [
      'with an extension that must be understood',
      /Extension Header/,
      () => issuer.token({}, { header: { crit: ['x'], x: 1 } }),
    ],
    ['of another kind', /neither an ID token/, () => issuer.token({}, { header: { typ: 'logout+jwt' } })],
    ['that ends a session', /neither an ID token/, () => issuer.token({ events: {} })],
    ['that is older than a day', /"iat"/, () => issuer.token({ iat: now() - 90_000 })],
    ['of the future', /"iat"/, () => issuer.token({ iat: now() + 3600 })],
    [
      'with a key that nobody published',
      /key/i,
      async () => {
        const key = await issuer.addKey('mine')
        issuer.keys.pop()
        return issuer.token({}, { key })
      },
    ],
    [
      "with another key under the issuer's key id",
      /signature/,
      async () => {
        const key = await issuer.addKey('one')
        issuer.keys.pop()
        return issuer.token({}, { key })
      },
    ],
    [
      'that was changed',
      /signature/,
      async () => {
        const [header, , signature] = (await issuer.token({})).split('.')
        const claims = { iss: issuer.url, aud: AUDIENCE, sub: 'root', iat: now(), exp: now() + 300 }
        return `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature}`
      },
    ],
    [
      'without a signature',
      /"alg"/,
      async () =>
        new UnsecuredJWT({ sub: 'root' })
          .setIssuer(issuer.url)
          .setAudience(AUDIENCE)
          .setIssuedAt()
          .setExpirationTime('5m')
          .encode(),
    ],
    [
      'signed with the public key as a shared secret',
      /"alg"/,
      async () => {
        const publicKey = await importJWK(issuer.keys[0]?.jwk ?? {}, 'RS256', { extractable: true })
        const secret = Buffer.from(await exportSPKI(publicKey as CryptoKey)) // an RSA key
        return new SignJWT({ iss: issuer.url, aud: AUDIENCE, sub: 'root', iat: now(), exp: now() + 300 })
          .setProtectedHeader({ alg: 'HS256', kid: 'one' })
          .sign(secret)
      },
    ],
    [
      'signed with the key that it brings along',
      /key/i,
      async () => {
        const key = await issuer.addKey('mine')
        issuer.keys.pop()
        return issuer.token({}, { key, header: { jwk: key.jwk, jku: `${issuer.url}/evil` } })
      },
    ],
    ['that is not one', /./, async () => 'eyJhbGciOiJSUzI1NiJ9..'],
    [
      'of JSON that is none',
      /./,
      async () => {
        const [header] = (await issuer.token({})).split('.')
        return `${header}.bm90IGpzb24.${createHmac('sha256', 'x').digest('base64url')}`
      },
    ],
  ])('refuses a token %s', async (_name, words, make) => {
    const said = await refusal(open().identityOf(await make()))
    expect(said).toMatch(/^UNAUTHENTICATED the JWT is refused/)
    expect(said).toMatch(words)
  })

  it('bears with clocks that differ by some seconds', async () => {
    expect((await open().identityOf(await issuer.token({ exp: now() - 10 }))).principal.id).toBe('alice')
  })

  it('finds a new key when it meets it, asks no more than it must, and refuses the old one from then on', async () => {
    const oidc = open()
    const old = issuer.keys[0]
    const [first, late] = [await issuer.token({}), await issuer.token({ sub: 'late' }, old ? { key: old } : {})]
    await oidc.identityOf(first)
    await oidc.identityOf(first)
    expect(issuer.asked).toEqual(['/.well-known/openid-configuration', '/keys'])
    await issuer.addKey('two', 'ES256')
    issuer.keys.shift()
    expect((await oidc.identityOf(await issuer.token({ sub: 'bob' }))).principal.id).toBe('bob')
    expect(issuer.asked).toHaveLength(3)
    expect(await refusal(oidc.identityOf(late))).toMatch(/^UNAUTHENTICATED/)
  })

  it('a key that is taken back is believed in no longer than its age allows', async () => {
    const oidc = open({ keysMaxAgeMs: 0 })
    const token = await issuer.token({})
    await oidc.identityOf(token)
    await issuer.addKey('two')
    issuer.keys.shift()
    expect(await refusal(oidc.identityOf(token))).toMatch(/^UNAUTHENTICATED/)
  })

  it('keys that nobody knows do not make it ask without end', async () => {
    const oidc = open({ keysCooldownMs: 60_000 })
    await oidc.identityOf(await issuer.token({}))
    const key = await issuer.addKey('unknown')
    issuer.keys.pop()
    for (let i = 0; i < 10; i++) await refusal(oidc.identityOf(await issuer.token({}, { key })))
    expect(issuer.asked).toHaveLength(2)
  })

  it.each([
    ['fails', { status: 500, body: '' }],
    ['redirects', { status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } }],
    [
      'speaks for another',
      { status: 200, body: JSON.stringify({ issuer: 'https://evil.example', jwks_uri: 'https://evil.example/keys' }) },
    ],
    ['has no keys', { status: 200, body: '{}' }],
    ['is a page', { status: 200, body: '<html>' }],
  ])('when the issuer %s, nobody is let in, and it is asked again', async (_name, broken) => {
    const oidc = open()
    const token = await issuer.token({})
    issuer.broken = broken
    expect(await refusal(oidc.identityOf(token))).toMatch(/^UNAVAILABLE/)
    issuer.broken = undefined
    expect((await oidc.identityOf(token)).principal.id).toBe('alice')
  })

  it('groups carry roles through the whole service, and end with their binding; a token of such a caller would have none', async () => {
    const h = await openHarness({ environment: { OCPCTL_OIDC_ISSUER: issuer.url, OCPCTL_OIDC_AUDIENCE: AUDIENCE } })
    try {
      const token = await issuer.token({ groups: ['red-admins'] })
      const call = (method: string, path: string, body?: unknown) =>
        h.call(method, `/api/v1${path}`, { token, ...(body === undefined ? {} : { body }) })
      expect((await call('GET', '/whoami')).body.bindings).toEqual([])
      const body = { principalType: 'oidc_group', principal: 'red-admins', team: 'red', role: 'team_admin' }
      const { id } = (await h.call('POST', '/api/v1/role-bindings', { body })).body
      expect((await call('GET', '/whoami')).body.bindings).toEqual([
        { id, team: 'red', role: 'team_admin', via: 'oidc_group:red-admins' },
      ])
      expect(await call('POST', '/api-tokens', { name: 'mine' })).toMatchObject({
        status: 400,
        body: { errors: [{ pointer: '/standsFor' }] },
      })
      await h.call('DELETE', `/api/v1/role-bindings/${id}`)
      expect((await call('GET', '/whoami')).body.bindings).toEqual([])
    } finally {
      await h.close()
    }
  })

  it('a service without an issuer says so', async () => {
    const h = await openHarness()
    try {
      for (const token of [await issuer.token({}), `${AWS_TOKEN_PREFIX}abc`])
        expect(await h.call('GET', '/api/v1/whoami', { token })).toMatchObject({
          status: 401,
          body: { detail: expect.stringMatching(/not set up here/) },
        })
    } finally {
      await h.close()
    }
  })
})
