// Who may see and do what: deny by default, and what you may not see is not there.
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { idempotencyKeys } from '../src/idempotency.ts'
import { createHttp } from '../src/http/app.ts'
import { createServer } from '../src/http/server.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

let h: Harness
let clusterId: string
let jobId: string
const tokens: Record<string, string> = {}

beforeAll(async () => {
  h = await openHarness()
  const owner = await h.tokenFor([{ team: 'red', role: 'requester' }])
  tokens['owner'] = owner
  tokens['teammate'] = await h.tokenFor([{ team: 'red', role: 'requester' }])
  tokens['team_admin'] = await h.tokenFor([{ team: 'red', role: 'team_admin' }])
  tokens['stranger'] = await h.tokenFor([{ team: 'blue', role: 'team_admin' }])
  tokens['auditor'] = await h.tokenFor([{ team: '*', role: 'auditor' }])
  tokens['platform_admin'] = h.admin
  tokens['reader'] = await h.tokenFor([{ team: '*', role: 'platform_admin' }], { scopes: ['read'] })
  tokens['nobody'] = await h.tokenFor([])
  const answer = await h.call('POST', '/clusters', {
    token: owner,
    key: 'k',
    body: { name: 'guarded', platform: 'aws', profile: 'aws-minimal-test' },
  })
  clusterId = answer.body.cluster.id
  jobId = answer.body.job.id
})
afterAll(() => h.close())

const sees = ['owner', 'teammate', 'team_admin', 'auditor', 'platform_admin', 'reader']

it.each(['owner', 'teammate', 'team_admin', 'stranger', 'auditor', 'platform_admin', 'reader', 'nobody'])(
  '%s sees a cluster and its jobs only if it may',
  async (who) => {
    const token = tokens[who] ?? ''
    const expected = sees.includes(who) ? 200 : 404
    for (const path of [
      `/clusters/${clusterId}`,
      `/clusters/${clusterId}/jobs`,
      `/jobs/${jobId}`,
      `/jobs/${jobId}/log`,
    ])
      expect((await h.call('GET', path, { token })).status, path).toBe(expected)
    expect((await h.call('GET', '/clusters', { token })).body.items).toHaveLength(expected === 200 ? 1 : 0)
    expect((await h.call('GET', '/jobs', { token })).body.items).toHaveLength(expected === 200 ? 1 : 0)
  },
)

it.each([
  ['teammate', 403],
  ['stranger', 404],
  ['auditor', 403],
  ['reader', 403],
  ['nobody', 404],
])('%s may not destroy it, nor read its credentials', async (who, status) => {
  const token = tokens[who] ?? ''
  expect((await h.call('POST', `/clusters/${clusterId}/destroy`, { token, key: 'd' })).status).toBe(status)
  for (const path of ['outputs', 'kubeconfig'])
    expect((await h.call('GET', `/clusters/${clusterId}/${path}`, { token })).status, path).toBe(status)
  expect((await h.call('POST', `/clusters/${clusterId}/kubeadmin-password`, { token })).status).toBe(status)
  expect((await h.call('GET', `/clusters/${clusterId}`)).body.status).toBe('PENDING')
})

it.each([
  ['owner', { team: 'blue' }, 403],
  ['owner', { owner: 'somebody' }, 403],
  ['team_admin', { owner: 'somebody' }, 202],
  ['auditor', {}, 403],
  ['reader', {}, 403],
  ['nobody', {}, 403],
])('%s asks for a cluster with %j and gets %i', async (who, more, status) => {
  const body = { name: `by-${who.replace('_', '-')}`, platform: 'aws', profile: 'aws-minimal-test', ...more }
  expect((await h.call('POST', '/clusters', { token: tokens[who] ?? '', key: 'by', body })).status).toBe(status)
})

it('the owner may destroy it', async () => {
  expect(
    (await h.call('POST', `/clusters/${clusterId}/destroy`, { token: tokens['owner'] ?? '', key: 'mine' })).status,
  ).toBe(202)
})

it.each([undefined, 'Bearer', 'Bearer nonsense', 'Basic YTpi', `Bearer ${'x'.repeat(9000)}`])(
  'no one comes in with %s',
  async (authorization) => {
    const headers = { authorization: authorization ?? '' }
    const answer = await h.call('GET', '/clusters', { headers })
    expect(answer).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } })
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  },
)

it('a revoked, expired or unbound token ends at once', async () => {
  const token = await h.tokenFor([{ team: 'red', role: 'team_admin' }])
  expect((await h.call('GET', `/clusters/${clusterId}`, { token })).status).toBe(200)
  await h.rows(`update rbac_mappings set enabled = false where id = (select max(id) from rbac_mappings)`)
  await eventually(async () => (await h.call('GET', `/clusters/${clusterId}`, { token })).status === 404)
  await h.rows(`update api_tokens set expires_at = now() where id = (select max(id) from api_tokens)`)
  await eventually(async () => (await h.call('GET', `/clusters/${clusterId}`, { token })).status === 401)
})

it('secrets of tokens are not in the database', async () => {
  const stored = JSON.stringify(await h.rows('select * from api_tokens'))
  for (const token of Object.values(tokens)) expect(stored).not.toContain(token.slice(8))
})

it('a token has each scope at most once', async () => {
  for (const scopes of [['read', 'read'], Array<string>(1000).fill('write'), []])
    expect(await h.call('POST', '/api/v1/api-tokens', { body: { name: 'scoped', scopes } })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/scopes' }] },
    })
})

it('a token is made once for a key, and its secret is not in the stored answer', async () => {
  const ask = () => h.call('POST', '/api/v1/api-tokens', { body: { name: 'once' }, key: 'token-once' })
  const [first, second] = await Promise.all([ask(), ask()])
  expect(first.status).toBe(201)
  expect(second.body).toEqual(first.body)
  const [stored] = await h.rows<{ body: unknown }>(`select body from idempotency_keys where key = 'token-once'`)
  expect(stored?.body).toEqual({ sealed: expect.any(String) })
  expect(JSON.stringify(stored)).not.toContain(first.body.secret.slice(8))
  expect(await h.rows(`select count(*)::int as n from api_tokens where name = 'once'`)).toEqual([{ n: 1 }])
})

it('a read-only token of the same caller is not given the answers to what the caller wrote', async () => {
  const owner = tokens['owner'] ?? ''
  const { body } = await h.call('POST', '/api/v1/api-tokens', { token: owner, body: { name: 'reader' } })
  const ask = (token: string) =>
    h.call('POST', '/api/v1/api-tokens', { token, key: 'k1', body: { name: 'w', scopes: ['write'] } })
  expect((await ask(owner)).body.secret).toMatch(/^ocp_/)
  expect((await ask(body.secret)).status).toBe(403)
  const trail = await h.call('GET', `/api/v1/audit-events?action=access.denied`)
  expect(trail.body.items[0]).toMatchObject({ actor: expect.stringMatching(/^token:/), session: `token:${body.id}` })
})

it('a stream ends when its token is revoked, or its role taken away', async () => {
  const http = createHttp(h.app)
  const request = { name: 'streamed', platform: 'aws', profile: 'aws-minimal-test' }
  const { body } = await h.call('POST', '/clusters', { token: tokens['owner'] ?? '', key: 'streamed', body: request })
  for (const table of ['api_tokens', 'rbac_mappings'] as const) {
    const token = await h.tokenFor([{ team: 'red', role: 'requester' }])
    const headers = { authorization: `Bearer ${token}` }
    const response = await http.request(`/api/v1/jobs/${body.job.id}/log/stream`, { headers })
    expect(response.status).toBe(200)
    const change = table === 'api_tokens' ? 'set revoked_at = now()' : 'set enabled = false'
    await h.rows(`update ${table} ${change} where id = (select max(id) from ${table})`)
    // It is at its end, or this would wait for ever.
    expect(await response.text()).toMatch(
      table === 'api_tokens' ? /event: refused\ndata: .*UNAUTHENTICATED/ : /event: refused\ndata: .*NOT_FOUND/,
    )
  }
})

it('whoami tells principal, scopes and bindings', async () => {
  expect((await h.call('GET', '/api/v1/whoami', { token: tokens['team_admin'] ?? '' })).body).toMatchObject({
    principal: { type: 'token' },
    scopes: ['read', 'write'],
    bindings: [{ team: 'red', role: 'team_admin' }],
  })
})

it('an administrator lets a team in: a token of its own, a role, and out again at once', async () => {
  const json = (token: string, method: string, path: string, body?: unknown) =>
    h.call(method, `/api/v1${path}`, { token, ...(body === undefined ? {} : { body }) })
  const made = await json(h.admin, 'POST', '/api-tokens', {
    name: 'green pipeline',
    scopes: ['read', 'write'],
    standsFor: 'itself',
  })
  expect(made).toMatchObject({
    status: 201,
    body: { secret: expect.stringMatching(/^ocp_/), standsFor: { type: 'token', id: made.body.id } },
  })
  const { id, secret } = made.body
  expect((await json(secret, 'GET', '/clusters')).body.items).toEqual([])
  expect((await json(secret, 'POST', '/api-tokens', { name: 'more' })).status).toBe(403)

  const binding = { principalType: 'token', principal: id, team: 'green', role: 'team_admin' }
  const bound = await json(h.admin, 'POST', '/role-bindings', binding)
  expect(bound).toMatchObject({ status: 201, body: { enabled: true, createdBy: expect.stringMatching(/^token:/) } })
  expect((await json(h.admin, 'POST', '/role-bindings', binding)).status).toBe(409)
  expect((await json(secret, 'GET', '/role-bindings')).body.items).toHaveLength(1)

  // It rules its team, and no more than that.
  for (const [team, role, status] of [
    ['green', 'requester', 201],
    ['red', 'requester', 403],
    ['*', 'requester', 403],
    ['green', 'platform_admin', 403],
    ['green', 'auditor', 403],
  ])
    expect(
      (await json(secret, 'POST', '/role-bindings', { principalType: 'oidc_group', principal: 'green', team, role }))
        .status,
      `${team} ${role}`,
    ).toBe(status)
  const readOnly = await json(secret, 'POST', '/api-tokens', { name: 'dashboard' })
  expect(readOnly.body.scopes).toEqual(['read'])
  expect((await json(readOnly.body.secret, 'POST', '/role-bindings', binding)).status).toBe(403)
  expect((await json(readOnly.body.secret, 'POST', '/api-tokens', { name: 'w', scopes: ['write'] })).status).toBe(403)

  expect((await json(secret, 'DELETE', `/api-tokens/${readOnly.body.id}`)).status).toBe(204)
  expect((await json(readOnly.body.secret, 'GET', '/whoami')).status).toBe(401)
  expect((await json(tokens['stranger'] ?? '', 'DELETE', `/role-bindings/${bound.body.id}`)).status).toBe(404)
  expect((await json(h.admin, 'PATCH', `/role-bindings/${bound.body.id}`, { enabled: false })).body.enabled).toBe(false)
  expect((await json(secret, 'GET', '/whoami')).body.bindings).toEqual([])
  expect((await json(h.admin, 'DELETE', `/role-bindings/${bound.body.id}`)).status).toBe(204)
})

it('the last platform administrator stays, also when two take each other out at once', async () => {
  const other = await openHarness()
  try {
    const second = await other.tokenFor([{ team: '*', role: 'platform_admin' }])
    const admins = (await other.call('GET', '/api/v1/role-bindings')).body.items.filter(
      (item: { role: string }) => item.role === 'platform_admin',
    )
    expect(admins).toHaveLength(2)
    const answers = await Promise.all(
      admins.map((item: { id: string }, index: number) =>
        other.call('DELETE', `/api/v1/role-bindings/${item.id}`, { token: index === 0 ? other.admin : second }),
      ),
    )
    expect(answers.filter((answer) => answer.status === 204)).toHaveLength(1)
    expect(await other.rows(`select count(*)::int as n from rbac_mappings where role = 'platform_admin'`)).toEqual([
      { n: 1 },
    ])
  } finally {
    await other.close()
  }
})

it('the last platform administrator is not revoked either, nor left to others who cannot sign in', async () => {
  const other = await openHarness()
  try {
    const call = (method: string, path: string, body?: unknown) =>
      other.call(method, `/api/v1${path}`, body === undefined ? {} : { body })
    const [mine] = (await call('GET', '/role-bindings')).body.items
    const over = await call('POST', '/api-tokens', { name: 'over', scopes: ['write'], standsFor: 'itself' })
    const binding = { principalType: 'token', principal: over.body.id, team: '*', role: 'platform_admin' }
    expect((await call('POST', '/role-bindings', binding)).status).toBe(201)
    await other.rows(`update api_tokens set expires_at = now() where id = '${over.body.id}'`)
    expect((await call('PATCH', `/role-bindings/${mine.id}`, { enabled: false })).status).toBe(409)
    expect((await call('DELETE', `/role-bindings/${mine.id}`)).status).toBe(409)
    expect((await call('DELETE', `/api-tokens/${mine.principal}`)).status).toBe(409)
    expect((await call('DELETE', `/api-tokens/${over.body.id}`)).status).toBe(204)

    const next = await call('POST', '/api-tokens', { name: 'next', scopes: ['read', 'write'], standsFor: 'itself' })
    expect((await call('POST', '/role-bindings', { ...binding, principal: next.body.id })).status).toBe(201)
    expect((await call('DELETE', `/api-tokens/${mine.principal}`)).status).toBe(204)
    expect((await call('GET', '/whoami')).status).toBe(401)
  } finally {
    await other.close()
  }
})

it('a platform administrator sees and revokes the tokens of all, anybody else its own', async () => {
  const { body } = await h.call('POST', '/api/v1/api-tokens', { token: tokens['owner'] ?? '', body: { name: 'lost' } })
  const find = async (token: string) => {
    const all = await h.call('GET', `/api/v1/api-tokens?createdBy=${body.createdBy}&limit=200`, { token })
    return (all.body.items as { id: string }[]).some(({ id }) => id === body.id) // of this operation's answer
  }
  expect(await find(tokens['owner'] ?? '')).toBe(true)
  expect(await find(h.admin)).toBe(true)
  expect(await find(tokens['teammate'] ?? '')).toBe(false)
  expect((await h.call('DELETE', `/api/v1/api-tokens/${body.id}`, { token: tokens['team_admin'] ?? '' })).status).toBe(
    404,
  )
  expect((await h.call('DELETE', `/api/v1/api-tokens/${body.id}`)).status).toBe(204)
  expect((await h.call('GET', '/api/v1/whoami', { token: body.secret })).status).toBe(401)
})

describe('somebody who is thrown out', () => {
  it('does not finish what was begun: a body that comes late is of nobody', async () => {
    const server = createServer(createHttp(h.app)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    const token = await h.tokenFor([{ team: '*', role: 'platform_admin' }])
    const body = JSON.stringify({
      principalType: 'oidc_subject',
      principal: 'backdoor',
      team: '*',
      role: 'platform_admin',
    })
    const socket = connect(port, '127.0.0.1')
    let heard = ''
    socket.on('data', (chunk: Buffer) => (heard += chunk.toString()))
    socket.write(
      `POST /api/v1/role-bindings HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n` +
        `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body.slice(0, 10)}`,
    )
    await eventually(async () => {
      const [row] = await h.rows<{ used: boolean }>(
        `select last_used_at is not null as used from api_tokens where id = (select max(id) from api_tokens)`,
      )
      return row?.used
    })
    await h.rows(`update api_tokens set revoked_at = now() where id = (select max(id) from api_tokens)`)
    await eventually(async () => (await h.call('GET', '/api/v1/whoami', { token })).status === 401)
    socket.write(body.slice(10))
    await once(socket, 'close')
    expect(heard).toMatch(/^HTTP\/1.1 401 /)
    expect(await h.rows(`select 1 from rbac_mappings where principal = 'backdoor'`)).toEqual([])
    server.close()
  })

  it('does not finish what waited for another request with its key either', async () => {
    const token = await h.tokenFor([{ team: 'red', role: 'team_admin' }])
    const principal = `token:${(await h.call('GET', '/api/v1/whoami', { token })).body.principal.id}`
    const held = Promise.withResolvers<void>()
    const holds = Promise.withResolvers<void>()
    const holding = h.app.db.transaction(async (tx) => {
      await tx.insert(idempotencyKeys).values({ principal, key: 'held', requestHash: 'x', expiresAt: new Date(0) })
      holds.resolve()
      await held.promise
      throw new Error('never there')
    })
    await holds.promise
    const body = { principalType: 'oidc_group', principal: 'late', team: 'red', role: 'requester' }
    const waiting = h.call('POST', '/api/v1/role-bindings', { token, key: 'held', body })
    await eventually(async () => {
      const [row] = await h.rows<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return row?.n === 1
    })
    await h.rows(`update rbac_mappings set enabled = false where id = (select max(id) from rbac_mappings)`)
    await eventually(async () => (await h.call('GET', '/api/v1/whoami', { token })).body.bindings.length === 0)
    held.resolve()
    await expect(holding).rejects.toThrow('never there')
    expect((await waiting).status).toBe(503)
    expect(await h.rows(`select 1 from rbac_mappings where principal = 'late'`)).toEqual([])
  })

  it('leaves no token behind: what a token made for itself ends with it, and a token of a person makes no others', async () => {
    const post = (token: string, body: object) => h.call('POST', '/api/v1/api-tokens', { token, body })
    const first = await post(h.admin, {
      name: 'first',
      scopes: ['read', 'write'],
      standsFor: 'itself',
      expiresInDays: 1,
    })
    const role = { principalType: 'token', principal: first.body.id, team: 'red', role: 'requester' }
    await h.call('POST', '/api/v1/role-bindings', { body: role })
    const second = await post(first.body.secret, { name: 'second', scopes: ['read', 'write'], expiresInDays: 365 })
    expect((await post(second.body.secret, { name: 'third' })).status).toBe(403)
    expect((await h.call('GET', '/api/v1/whoami', { token: second.body.secret })).status).toBe(200)
    await h.call('DELETE', `/api/v1/api-tokens/${first.body.id}`)
    expect((await h.call('GET', '/api/v1/whoami', { token: second.body.secret })).status).toBe(401)
  })
})

it('nobody is put into a team by a role that its administrator gives', async () => {
  const evil = await h.tokenFor([{ team: 'evil', role: 'team_admin' }])
  const roaming = await h.tokenFor([{ team: '*', role: 'requester' }])
  for (const token of [h.admin, roaming]) {
    const { id } = (await h.call('GET', '/api/v1/whoami', { token })).body.principal
    const body = { principalType: 'token', principal: id, team: 'evil', role: 'requester' }
    expect((await h.call('POST', '/api/v1/role-bindings', { token: evil, body })).status).toBe(201)
    const request = { name: `unsaid-${token === h.admin ? 'a' : 'b'}`, platform: 'aws', profile: 'aws-minimal-test' }
    const made = await h.call('POST', '/clusters', { token, key: 'unsaid', body: request })
    expect(made.body.cluster.team).toBe('default')
  }
})

it('what a stranger tries is in the trail, also where it is told that nothing is there', async () => {
  const stranger = await h.tokenFor([{ team: 'blue', role: 'team_admin' }])
  const { body } = await h.call('GET', '/api/v1/whoami', { token: stranger })
  for (const [method, path] of [
    ['POST', `/clusters/${clusterId}/destroy`],
    ['GET', `/clusters/${clusterId}/kubeconfig`],
    ['POST', `/jobs/${jobId}/cancel`],
    ['GET', `/clusters/${clusterId}`],
    ['POST', '/clusters/clu_01k0000000e0000000000000000/destroy'],
  ] as const)
    expect((await h.call(method, path, { token: stranger, key: 'try' })).status).toBe(404)
  const trail = await h.call('GET', `/api/v1/audit-events?actor=token:${body.principal.id}`)
  const tried = (trail.body.items as { detail: { path: string }; clusterId: string | null; jobId: string | null }[]) // of this operation's answer
    .map((event) => [event.detail.path.split('/').slice(3).join('/'), event.clusterId, event.jobId])
  expect(tried).toEqual([
    [`jobs/${jobId}/cancel`, null, jobId],
    [`clusters/${clusterId}/kubeconfig`, clusterId, null],
    [`clusters/${clusterId}/destroy`, clusterId, null],
  ])
})

it('a name that is taken says no more to a stranger', async () => {
  const request = { name: 'secretive', platform: 'aws', profile: 'aws-minimal-test' }
  await h.call('POST', '/clusters', { token: tokens['owner'] ?? '', key: 'secretive', body: request })
  const says = async (who: string) =>
    (await h.call('POST', '/clusters', { token: tokens[who] ?? '', key: 'again', body: request })).body.detail
  expect(await says('stranger')).toMatch(/is held by a cluster; it is free/)
  expect(await says('teammate')).toMatch(/is held by a cluster that is PENDING; it is free/)
})

it.each(['auditor', 'platform_admin'])('the role %s is not kept to one team', async (role) => {
  const body = { principalType: 'oidc_subject', principal: 'x', team: 'red', role }
  expect(await h.call('POST', '/api/v1/role-bindings', { body })).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '/team', nearest: '*' }] },
  })
})

it.each(['*', 'rеd', 'red​', ' ', '-red', 'a\tb', ''])('no cluster is of the team %j', async (team) => {
  const body = { name: 'odd', platform: 'aws', profile: 'aws-minimal-test', team }
  const answer = await h.call('POST', '/clusters', { key: `odd ${team.length}`.replace(' ', '-'), body })
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/team' }] } })
})
