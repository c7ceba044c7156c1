// The console as the API process serves it: its files, its policy, and the session that a browser gets.
import { brotliDecompressSync } from 'node:zlib'
import type { OpenAPIHono } from '@hono/zod-openapi'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createHttp } from '../src/http/app.ts'
import type { Env } from '../src/http/env.ts'
import { runOperation } from '../src/operations/run.ts'
import { startIssuer, type Issuer } from './oidc-issuer.ts'
import { openHarness, type Harness } from './harness.ts'

const SAME = { 'sec-fetch-site': 'same-origin' }
let h: Harness
let issuer: Issuer
/** Two processes of the API on one database. */
let http: OpenAPIHono<Env>
let other: OpenAPIHono<Env>

beforeAll(async () => {
  issuer = await startIssuer('ocpctl')
  await issuer.addKey('one')
  h = await openHarness({ environment: { OCPCTL_OIDC_ISSUER: issuer.url, OCPCTL_OIDC_AUDIENCE: 'ocpctl' } })
  http = createHttp(h.app)
  other = createHttp(h.app)
})
afterAll(async () => {
  await h.close()
  await issuer.close()
})

const signIn = (token: string, headers: Record<string, string> = SAME, url = '/api/v1/session') =>
  http.request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ token }),
  })
const cookieOf = (response: Response) => response.headers.get('set-cookie')?.split(';')[0] ?? ''
const sessionFor = async (token: string) => cookieOf(await signIn(token))
const asSession = (cookie: string, path: string, init: RequestInit = {}, of = http) =>
  of.request(path, { ...init, headers: { ...(init.headers as Record<string, string>), cookie } })
const whoami = (cookie: string, of = http) => asSession(cookie, '/api/v1/whoami', {}, of)

it('every page is the same file, under a policy without exceptions', async () => {
  for (const path of ['/', '/clusters', '/clusters/clu_1', '/request', '/jobs/job_1', '/sign-in', '/tokens']) {
    const response = await http.request(path)
    expect([path, response.status]).toEqual([path, 200])
    expect(response.headers.get('cache-control')).toBe('no-cache')
    expect(response.headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    )
  }
  expect((await http.request('/nothing')).status).toBe(404)
  expect((await http.request('/assets/nothing.js')).status).toBe(404)
})

it('its files have their content in their name, are kept for ever, and come compressed', async () => {
  const page = await (await http.request('/')).text()
  const files = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path = '']) => path)
  expect(files.length).toBeGreaterThanOrEqual(2)
  for (const path of files) {
    const plain = await http.request(path)
    expect(plain.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    const packed = await http.request(path, { headers: { 'accept-encoding': 'gzip, br' } })
    expect(packed.headers.get('content-encoding')).toBe('br')
    const bytes = Buffer.from(await packed.arrayBuffer())
    expect(brotliDecompressSync(bytes).equals(Buffer.from(await plain.arrayBuffer()))).toBe(true)
  }
})

it('a token is changed for a cookie that no script and no other site can use', async () => {
  const local = (await signIn(h.admin)).headers.get('set-cookie') ?? ''
  expect(local).toMatch(/^ocpctl-session=/)
  expect(local).toMatch(/; HttpOnly/)
  expect(local).toMatch(/; SameSite=Strict/)
  expect(local).not.toMatch(/; Secure/)
  expect(local).not.toContain(h.admin)
  expect(Buffer.from(local.split(/[=;]/)[1] ?? '', 'base64url').toString('latin1')).not.toContain(h.admin)
  const far = (await signIn(h.admin, SAME, 'https://ocpctl.example.com/api/v1/session')).headers.get('set-cookie') ?? ''
  expect(far).toMatch(/^__Host-ocpctl-session=/)
  expect(far).toMatch(/; Secure/)
  const until = Date.parse(/Expires=([^;]+)/.exec(local)?.[1] ?? '')
  expect(until).toBeLessThanOrEqual(Date.now() + 12 * 3_600_000)
  expect(until).toBeGreaterThan(Date.now() + 11 * 3_600_000)
})

it('the session is the caller of its token, and no more than it', async () => {
  const reader = await h.tokenFor([{ team: '*', role: 'auditor' }], { scopes: ['read'] })
  const cookie = await sessionFor(reader)
  const me = await (await whoami(cookie)).json()
  const itself = (await h.call('GET', '/api/v1/whoami', { token: reader })).body
  expect(me).toEqual(itself)
  const asked = await asSession(cookie, '/api/v1/api-tokens', {
    method: 'POST',
    headers: { ...SAME, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'x', scopes: ['write'] }),
  })
  expect(asked.status).toBe(403)
})

it('with a cookie nothing changes but for a page of the same origin', async () => {
  const cookie = await sessionFor(h.admin)
  const body = JSON.stringify({ name: 'mine' })
  const post = (headers: Record<string, string>) =>
    asSession(cookie, '/api/v1/api-tokens', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })
  for (const site of [undefined, 'none', 'same-site', 'cross-site']) {
    const answer = await post(site === undefined ? {} : { 'sec-fetch-site': site })
    expect([site, answer.status]).toEqual([site, 403])
    expect((await signIn(h.admin, site === undefined ? {} : { 'sec-fetch-site': site })).status).toBe(403)
  }
  expect((await post(SAME)).status).toBe(201)
  // A program that sends a header is no browser's victim.
  expect((await post({ authorization: `Bearer ${h.admin}` })).status).toBe(201)
})

it('signing out ends it in every process, for whoever kept the cookie too', async () => {
  const cookie = await sessionFor(h.admin)
  expect((await whoami(cookie, other)).status).toBe(200)
  const out = await asSession(cookie, '/api/v1/session', { method: 'DELETE', headers: SAME })
  expect(out.status).toBe(204)
  expect(out.headers.get('set-cookie')).toMatch(/^ocpctl-session=; Max-Age=0/)
  expect((await whoami(cookie)).status).toBe(401)
  expect((await whoami(cookie, other)).status).toBe(401)
  expect((await asSession(cookie, '/api/v1/session', { method: 'DELETE', headers: SAME })).status).toBe(204)
})

it('what it asked to be done to many clusters ends with it, too', async () => {
  const ids = [(await h.requestCluster('many-1')).cluster.id, (await h.requestCluster('many-2')).cluster.id]
  const ask = async (cookie: string, id = '') => {
    const answer = await asSession(cookie, '/api/v1/operations', {
      method: 'POST',
      headers: { ...SAME, 'content-type': 'application/json', 'idempotency-key': id },
      body: JSON.stringify({ verb: 'cancel', ids: [id] }),
    })
    return ((await answer.json()) as { id: string }).id // of this operation's answer
  }
  const outcomeOf = async (id: string) => {
    await runOperation(h.app, id, new AbortController().signal)
    const { body } = await h.call('GET', `/api/v1/operations/${id}/items`)
    return body.items[0].code ?? body.items[0].effect
  }
  const cookie = await sessionFor(h.admin)
  const [first, second] = [await ask(cookie, ids[0]), await ask(cookie, ids[1])]
  expect(await outcomeOf(first)).toBe('create-cancelled')
  await asSession(cookie, '/api/v1/session', { method: 'DELETE', headers: SAME })
  expect(await outcomeOf(second)).toBe('UNAUTHENTICATED')
})

it('it ends with its token, with its own row, and in twelve hours', async () => {
  const token = await h.tokenFor([{ team: 'red', role: 'requester' }])
  const [first, second] = [await sessionFor(token), await sessionFor(token)]
  const mine = (await (await asSession(first, '/api/v1/api-tokens')).json()) as {
    items: { id: string; name: string }[]
  }
  expect(mine.items.map(({ name }) => name)).toEqual(['console session', 'console session'])
  const [newest] = mine.items
  await asSession(first, `/api/v1/api-tokens/${newest?.id}`, { method: 'DELETE', headers: SAME })
  expect([(await whoami(first)).status, (await whoami(second)).status]).toEqual([200, 401])
  await h.rows(`update api_tokens set revoked_at = now() where id = '${(await me(first)).principal.id}'`)
  h.app.authenticators.access.forget()
  expect((await whoami(first)).status).toBe(401)
  const late = await sessionFor(h.admin)
  await h.rows(`update api_tokens set expires_at = now() where name = 'console session'`)
  h.app.authenticators.access.forget()
  expect((await whoami(late)).status).toBe(401)
})

const me = async (cookie: string) =>
  (await (await whoami(cookie)).json()) as { principal: { id: string }; groups: unknown[] } // of this operation's answer

it('a cookie that somebody has changed, or made, is none', async () => {
  const cookie = await sessionFor(h.admin)
  const [name = '', value = ''] = cookie.split('=')
  const bytes = Buffer.from(value, 'base64url')
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 20) ^ 1, bytes.length - 20)
  for (const text of [bytes.toString('base64url'), value.slice(0, -4), '', 'x', JSON.stringify({ secret: h.admin })])
    expect((await whoami(`${name}=${encodeURIComponent(text)}`)).status).toBe(401)
})

/** As a browser goes: from the console to the issuer and back. */
async function signInAtIssuer(
  to: string,
  { change = (url: URL) => url, cookie }: { change?: (url: URL) => URL; cookie?: string } = {},
) {
  const start = await http.request(`/sign-in/oidc?to=${encodeURIComponent(to)}`)
  const kept = cookie ?? cookieOf(start)
  const atIssuer = await fetch(start.headers.get('location') ?? '', { redirect: 'manual' })
  const back = change(new URL(atIssuer.headers.get('location') ?? ''))
  return { start, back, end: await http.request(back.pathname + back.search, { headers: { cookie: kept } }) }
}
const sessionIn = (response: Response) =>
  response.headers
    .getSetCookie()
    .find((each) => each.startsWith('ocpctl-session='))
    ?.split(';')[0] ?? ''

it('with an issuer one signs in there, and comes back to where one was', async () => {
  await h.call('POST', '/api/v1/role-bindings', {
    body: { principalType: 'oidc_group', principal: 'red', team: 'red', role: 'team_admin' },
  })
  issuer.person = { sub: 'alice', groups: ['red', 'without-a-role'], preferred_username: 'alice@example.com' }
  const { start, end } = await signInAtIssuer('/clusters?view=failed')
  const asked = new URL(start.headers.get('location') ?? '').searchParams
  expect(asked.get('code_challenge_method')).toBe('S256')
  expect(start.headers.get('set-cookie')).toMatch(/^ocpctl-sign-in=.*HttpOnly; SameSite=Lax/)
  expect(end.status).toBe(303)
  expect(end.headers.get('location')).toBe('/clusters?view=failed')
  const cookie = sessionIn(end)
  const caller = await (await whoami(cookie)).json()
  expect(caller).toMatchObject({
    principal: { type: 'oidc_subject', id: 'alice' },
    groups: [{ type: 'oidc_group', id: 'red' }],
    session: 'name:alice@example.com',
    bindings: [{ role: 'team_admin', team: 'red' }],
  })
  // Roles are read anew, also for a session that lasts for hours.
  await h.rows(`update rbac_mappings set enabled = false where principal = 'red'`)
  h.app.authenticators.access.forget()
  expect(await (await whoami(cookie)).json()).toMatchObject({ bindings: [] })
})

it('a sign-in that somebody else began, or changed, or that leads away, comes to nothing', async () => {
  issuer.person = { sub: 'mallory' }
  const refusals = [
    await signInAtIssuer('/', { cookie: 'ocpctl-sign-in=none' }),
    await signInAtIssuer('/', { change: (url) => (url.searchParams.set('state', 'another'), url) }),
    await signInAtIssuer('/', { change: (url) => (url.searchParams.set('code', 'another'), url) }),
    await signInAtIssuer('/', { change: (url) => (url.searchParams.set('iss', 'https://evil.example.com'), url) }),
  ]
  for (const { end } of refusals) {
    expect(end.headers.get('location')).toBe('/sign-in?problem=unauthenticated')
    expect(sessionIn(end)).toBe('')
  }
  for (const to of ['https://evil.example.com/', '//evil.example.com/', '/\\evil.example.com/', 'javascript:alert(1)'])
    expect((await signInAtIssuer(to)).end.headers.get('location')).toBe('/')
})
