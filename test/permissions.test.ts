// Every operation of the API, as every kind of caller. The operations come from docs/openapi.json: one that is not in the
// table below fails.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { and, inArray } from 'drizzle-orm'
import fc from 'fast-check'
import type { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openAccess, type Access } from '../src/auth/access.ts'
import { actions, clusterScope, explain, requireInTeam } from '../src/auth/permissions.ts'
import type { Caller } from '../src/auth/principal.ts'
import { rbacMappings } from '../src/auth/tables.ts'
import { clusters } from '../src/clusters/tables.ts'
import { roles } from '../src/vocabulary.ts'
import { openEvents, type Events } from '../src/events.ts'
import { newId } from '../src/ids.ts'
import { eventually, openHarness, ROOT, type Harness } from './harness.ts'

const methods = ['get', 'put', 'post', 'delete', 'patch']
const { paths } = JSON.parse(readFileSync(join(ROOT, 'docs/openapi.json'), 'utf8')) as {
  paths: Record<string, Record<string, unknown>> // the shape of OpenAPI
}
const operations = Object.entries(paths).flatMap(([path, item]) =>
  Object.keys(item).flatMap((method) => (methods.includes(method) ? [`${method.toUpperCase()} ${path}`] : [])),
)

// Of team red, unless said otherwise. The cluster in question is owned by "owner".
const callers = [
  'nobody', // sends no token
  'revoked',
  'unbound', // a token without a role
  'disabled', // a platform administrator whose binding is switched off
  'reader', // a platform administrator's token with the scope "read" alone
  'owner', // a requester, of its own cluster
  'teammate', // a requester, of somebody else's
  'team_admin',
  'stranger', // a requester of team blue
  'blue_admin', // a team administrator of team blue
  'auditor',
  'platform_admin',
] as const
type Who = (typeof callers)[number]

type Case = {
  path?: (at: { clusterId: string; jobId: string }, who: Who) => string | Promise<string>
  body?: object | ((who: Who) => object)
  headers?: Record<string, string>
  /** In the order of the callers above. */
  expected: number[]
}

const open = callers.map(() => 200)
const seen = [401, 401, 404, 404, 200, 200, 200, 200, 404, 404, 200, 200]
const listed = [401, 401, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]
const offered = [401, 401, 403, 403, 200, 200, 200, 200, 200, 200, 200, 200]
const operating = [401, 401, 403, 403, 200, 403, 403, 403, 403, 403, 403, 200]
const audited = [401, 401, 403, 403, 200, 403, 403, 403, 403, 403, 200, 200]
/** Nobody but a platform administrator who may write. */
const administering = (status: number) => [401, 401, ...callers.slice(3).map(() => 403), status]
/** Whoever may get so far is told that the state forbids it. */
const owners = (status: number) => [401, 401, 404, 404, 403, status, 403, status, 404, 404, 403, status]
const anyOwn = (status: number) => [401, 401, 403, 403, 403, ...callers.slice(5).map(() => status)]

/** Of all webhooks that one rules: also those who rule none of them. */
const ruling = (own: number, other: number) => [401, 401, 403, 403, 200, 403, 403, own, 403, other, 403, 200]
/** Of a webhook of team red. */
const rulingOne = (status: number) => [401, 401, 403, 403, 403, 403, 403, status, 403, 404, 403, status]

let h: Harness
const tokens: Partial<Record<Who, string>> = {}
let bindingId = ''
let tokenId = ''

const newBinding = async (team = 'red') => {
  const body = { principalType: 'oidc_group', principal: newId('evt'), team, role: 'requester' }
  return (await h.call('POST', '/api/v1/role-bindings', { body })).body.id as string // of this operation's answer
}

let webhookId = ''
const newWebhook = async () => {
  const body = { team: 'red', url: 'https://hooks.example.com/' }
  return (await h.call('POST', '/api/v1/webhooks', { body })).body.id as string // of this operation's answer
}
const ofWebhook = (rest: string) => () => `/api/v1/webhooks/${webhookId}${rest}`

/** Of the owner's own operation. */
const asked = [401, 401, 403, 403, 200, 200, 404, 404, 404, 404, 200, 200]
const ofOperation = (rest: string) => async () => {
  const body = { verb: 'destroy', filter: { owner: 'nobody' } }
  const answer = await h.call('POST', '/api/v1/operations', { token: tokens.owner ?? '', key: newId('evt'), body })
  return `/api/v1/operations/${answer.body.id}${rest}`
}

const table: Record<string, Case> = {
  'GET /healthz': { expected: open },
  'GET /readyz': { expected: open },
  'GET /metrics': { expected: audited },
  'POST /api/v1/clusters': {
    body: (who: Who) => ({
      name: `m-${who.replace('_', '-')}`,
      platform: 'aws',
      profile: 'aws-minimal-test',
      team: 'red',
    }),
    expected: [401, 401, 403, 403, 403, 202, 202, 202, 403, 403, 403, 202],
  },
  'GET /api/v1/clusters': { expected: listed },
  'GET /api/v1/clusters/{id}': { expected: seen },
  'POST /api/v1/clusters/{id}/destroy': { expected: owners(202) },
  'GET /api/v1/clusters/{id}/jobs': { expected: seen },
  'GET /api/v1/clusters/{id}/outputs': { expected: owners(409) },
  'GET /api/v1/clusters/{id}/kubeconfig': { expected: owners(409) },
  'POST /api/v1/clusters/{id}/kubeadmin-password': { expected: owners(409) },
  'POST /api/v1/clusters/{id}/abandon': {
    body: { reason: 'it cannot be destroyed' },
    expected: [401, 401, 404, 404, 403, 403, 403, 403, 404, 404, 403, 409],
  },
  // Within the profile's bounds, and so that the cluster outlives the test.
  'POST /api/v1/clusters/{id}/extend': { body: { hours: 5 }, expected: owners(200) },
  // It is not READY.
  'POST /api/v1/clusters/{id}/scale-workers': { body: { replicas: 3 }, expected: owners(409) },
  'POST /api/v1/clusters/{id}/hibernate': { body: {}, expected: owners(409) },
  'POST /api/v1/clusters/{id}/resume': { body: {}, expected: owners(409) },
  // Its profile lets no cluster have off-hours.
  'PUT /api/v1/clusters/{id}/off-hours': {
    body: { zone: 'UTC', awake: ['Mon-Fri 07:00-19:00'] },
    expected: owners(422),
  },
  'DELETE /api/v1/clusters/{id}/off-hours': { expected: owners(200) },
  'POST /api/v1/clusters/{id}/off-hours/override': { body: { skipNext: true }, expected: owners(409) },
  'PUT /api/v1/clusters/{id}/protection': {
    body: { reason: 'a demonstration', until: '2001-01-01T00:00:00+02:00' },
    expected: [401, 401, 404, 404, 403, 403, 403, 422, 404, 404, 403, 422],
  },
  'DELETE /api/v1/clusters/{id}/protection': { expected: [401, 401, 404, 404, 403, 403, 403, 409, 404, 404, 403, 409] },
  'POST /api/v1/clusters/adopt': {
    body: { clusterId: 'clu_01k0000000e000000000000000' },
    expected: [401, 401, 403, 403, 403, 403, 403, 403, 403, 403, 403, 404],
  },
  'GET /api/v1/clusters/{id}/artifacts': { expected: owners(200) },
  'GET /api/v1/clusters/{id}/artifacts/{artifactId}/content': {
    path: ({ clusterId }) => `/api/v1/clusters/${clusterId}/artifacts/art_01k0000000e0000000000000000/content`,
    expected: owners(404),
  },
  'GET /api/v1/events/stream': { expected: listed },
  'GET /api/v1/jobs': { expected: listed },
  'GET /api/v1/jobs/{id}': { expected: seen },
  'GET /api/v1/jobs/{id}/log': { expected: seen },
  'GET /api/v1/jobs/{id}/log/stream': { expected: seen },
  'POST /api/v1/jobs/{id}/cancel': { expected: owners(202) },
  'POST /api/v1/jobs/{id}/retry': { expected: owners(409) },
  'POST /api/v1/operations': {
    body: { verb: 'extend', hours: 5, filter: { owner: 'nobody' } },
    expected: [401, 401, 403, 403, 403, 202, 202, 202, 202, 202, 403, 202],
  },
  'GET /api/v1/operations': { expected: offered },
  'GET /api/v1/operations/{id}': { path: ofOperation(''), expected: asked },
  'GET /api/v1/operations/{id}/items': { path: ofOperation('/items'), expected: asked },
  'GET /api/v1/findings': { expected: audited },
  'GET /api/v1/leaks': { expected: audited },
  'GET /api/v1/usage': { expected: listed },
  'GET /api/v1/usage/forecast': { expected: listed },
  'GET /api/v1/usage/samples': {
    path: ({ clusterId }) => `/api/v1/usage/samples?clusterId=${clusterId}`,
    expected: seen,
  },
  // As said of nothing: the links themselves are in notices.test.ts.
  'GET /links/{token}': { path: () => '/links/none', expected: callers.map(() => 404) },
  'POST /links/{token}': { path: () => '/links/none', expected: callers.map(() => 404) },
  'GET /api/v1/webhooks': { expected: ruling(200, 200) },
  'POST /api/v1/webhooks': {
    body: { team: 'red', url: 'https://hooks.example.com/' },
    expected: [401, 401, 403, 403, 403, 403, 403, 201, 403, 403, 403, 201],
  },
  'PATCH /api/v1/webhooks/{id}': { path: ofWebhook(''), body: { enabled: true }, expected: rulingOne(200) },
  'DELETE /api/v1/webhooks/{id}': {
    path: async () => `/api/v1/webhooks/${await newWebhook()}`,
    expected: rulingOne(204),
  },
  'POST /api/v1/webhooks/{id}/test': { path: ofWebhook('/test'), expected: rulingOne(202) },
  'GET /api/v1/webhooks/{id}/deliveries': {
    path: ofWebhook('/deliveries'),
    expected: [401, 401, 403, 403, 200, 403, 403, 200, 403, 404, 403, 200],
  },
  'POST /api/v1/webhooks/{id}/redeliver': {
    path: ofWebhook('/redeliver'),
    body: { since: new Date().toISOString() },
    expected: rulingOne(202),
  },
  'POST /api/v1/retention': {
    path: () => '/api/v1/retention?dryRun=true',
    expected: [401, 401, 403, 403, 403, 403, 403, 403, 403, 403, 403, 200],
  },
  'GET /api/v1/clusters/{id}/timeline': { expected: seen },
  // Nothing of it was destroyed, so there is none.
  'GET /api/v1/clusters/{id}/emptiness': { expected: seen.map((status) => (status === 200 ? 404 : status)) },
  'GET /.well-known/ocpctl-keys.json': { expected: open },
  'GET /api/v1/queue': { expected: operating },
  'GET /api/v1/workers': { expected: operating },
  'POST /api/v1/queue/dead-letters/retry': {
    body: {},
    expected: [401, 401, 403, 403, 403, 403, 403, 403, 403, 403, 403, 202],
  },
  // Of what there is not.
  'POST /api/v1/workers/{id}/drain': {
    path: () => `/api/v1/workers/${newId('wrk')}/drain`,
    expected: administering(404),
  },
  'DELETE /api/v1/workers/{id}/drain': {
    path: () => `/api/v1/workers/${newId('wrk')}/drain`,
    expected: administering(404),
  },
  'POST /api/v1/findings/{id}/resolve': {
    path: () => `/api/v1/findings/${newId('fnd')}/resolve`,
    body: { reason: 'it is well' },
    expected: administering(404),
  },
  'POST /api/v1/findings/{id}/accept': {
    path: () => `/api/v1/findings/${newId('fnd')}/accept`,
    body: { reason: 'it is known' },
    expected: administering(404),
  },
  'GET /api/v1/intake': { expected: offered },
  'PUT /api/v1/intake': { body: { kind: 'creates', paused: false }, expected: administering(200) },
  'POST /api/v1/clusters/{id}/lock/release': {
    expected: [401, 401, 404, 404, 403, 403, 403, 403, 404, 404, 403, 409],
  },
  'GET /api/v1/schedules': { expected: operating },
  'POST /api/v1/schedules/{name}/run': {
    path: () => '/api/v1/schedules/purge-idempotency-keys/run',
    expected: [401, 401, 403, 403, 403, 403, 403, 403, 403, 403, 403, 202],
  },
  'GET /api/v1/profiles': { expected: offered },
  'GET /api/v1/profiles/{name}': { path: () => '/api/v1/profiles/aws-minimal-test', expected: offered },
  'GET /api/v1/whoami': { expected: listed },
  'GET /api/v1/session': { expected: open },
  'POST /api/v1/session': {
    body: (who: Who) => ({ token: tokens[who] ?? 'none' }),
    headers: { 'sec-fetch-site': 'same-origin' },
    expected: [401, 401, ...callers.slice(2).map(() => 201)],
  },
  // Without a session there is nothing to end.
  'DELETE /api/v1/session': { expected: callers.map(() => 204) },
  'GET /api/v1/api-tokens': { expected: offered },
  'POST /api/v1/api-tokens': { body: { name: 'matrix' }, expected: anyOwn(201) },
  'DELETE /api/v1/api-tokens/{id}': {
    path: () => `/api/v1/api-tokens/${tokenId}`,
    expected: [401, 401, 403, 403, 403, 404, 404, 404, 404, 404, 404, 204],
  },
  'GET /api/v1/role-bindings': { expected: [401, 401, 403, 403, 200, 403, 403, 200, 403, 200, 403, 200] },
  'POST /api/v1/role-bindings': {
    body: (who: Who) => ({ principalType: 'oidc_group', principal: who, team: 'red', role: 'requester' }),
    expected: [401, 401, 403, 403, 403, 403, 403, 201, 403, 403, 403, 201],
  },
  'PATCH /api/v1/role-bindings/{id}': {
    path: () => `/api/v1/role-bindings/${bindingId}`,
    body: { notes: 'seen' },
    expected: [401, 401, 403, 403, 403, 403, 403, 200, 403, 404, 403, 200],
  },
  'DELETE /api/v1/role-bindings/{id}': {
    path: async () => `/api/v1/role-bindings/${await newBinding()}`,
    expected: [401, 401, 403, 403, 403, 403, 403, 204, 403, 404, 403, 204],
  },
  'GET /api/v1/audit-events': { expected: audited },
  'GET /api/v1/audit-events/verify': { expected: audited },
  'GET /api/v1/audit-events/export': { expected: audited },
}

beforeAll(async () => {
  h = await openHarness()
  tokens.revoked = await h.tokenFor([{ team: '*', role: 'platform_admin' }])
  await h.rows(`update api_tokens set revoked_at = now() where id = (select max(id) from api_tokens)`)
  tokens.unbound = await h.tokenFor([])
  tokens.disabled = await h.tokenFor([{ team: '*', role: 'platform_admin' }])
  await h.rows(`update rbac_mappings set enabled = false where id = (select max(id) from rbac_mappings)`)
  tokens.reader = await h.tokenFor([{ team: '*', role: 'platform_admin' }], { scopes: ['read'] })
  tokens.owner = await h.tokenFor([{ team: 'red', role: 'requester' }])
  tokens.teammate = await h.tokenFor([{ team: 'red', role: 'requester' }])
  tokens.team_admin = await h.tokenFor([{ team: 'red', role: 'team_admin' }])
  tokens.stranger = await h.tokenFor([{ team: 'blue', role: 'requester' }])
  tokens.blue_admin = await h.tokenFor([{ team: 'blue', role: 'team_admin' }])
  tokens.auditor = await h.tokenFor([{ team: 'red', role: 'auditor' }])
  tokens.platform_admin = h.admin
  bindingId = await newBinding()
  webhookId = await newWebhook()
  tokenId = (await h.call('POST', '/api/v1/api-tokens', { body: { name: 'of the administrator' } })).body.id
})
afterAll(() => h.close())

it('every operation of the document is in the table, and no other', () => {
  expect(operations.length).toBeGreaterThan(30)
  expect(Object.keys(table).toSorted()).toEqual(operations.toSorted())
})

let made = 0
describe.each(operations)('%s', (operation) => {
  it.each(callers.map((who, index) => [who, table[operation]?.expected[index]] as const))(
    'as %s: %i',
    async (who, status) => {
      const wanted = table[operation]
      const [method = '', template = ''] = operation.split(' ')
      const at = { clusterId: '', jobId: '' }
      if (template.includes('{id}') || template.endsWith('/samples')) {
        const request = { name: `c${made++}`, platform: 'aws', profile: 'aws-minimal-test' }
        const answer = await h.call('POST', '/clusters', {
          token: tokens.owner ?? '',
          key: newId('evt'),
          body: request,
        })
        Object.assign(at, { clusterId: answer.body.cluster.id, jobId: answer.body.job.id })
      }
      const path = wanted?.path
        ? await wanted.path(at, who)
        : template.replace('{id}', template.includes('/jobs/{id}') ? at.jobId : at.clusterId)
      // A stream would go on until the job ends.
      if (path.endsWith('/stream'))
        await h.rows(`update jobs set status = 'CANCELLED', ended_at = now() where id = '${at.jobId}'`)
      const body: unknown = typeof wanted?.body === 'function' ? wanted.body(who) : wanted?.body
      const answer = await h.call(method, path, {
        key: newId('evt'),
        ...(body === undefined ? {} : { body }),
        ...(who === 'nobody' ? {} : { token: tokens[who] ?? '' }),
        headers: { ...wanted?.headers, ...(who === 'nobody' ? { authorization: '' } : {}) },
      })
      expect(answer.status, JSON.stringify(answer.body)).toBe(status)
      if (status === 401) expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    },
  )
})

it('a list has what the caller may see, and nothing else', async () => {
  const teams = async (who: Who) => {
    const { body } = await h.call('GET', '/clusters?limit=200', { token: tokens[who] ?? '' })
    return new Set((body.items as { team: string }[]).map(({ team }) => team)) // of this operation's answer
  }
  const request = { name: 'blue-one', platform: 'aws', profile: 'aws-minimal-test' }
  await h.call('POST', '/clusters', { token: tokens.stranger ?? '', key: 'blue', body: request })
  expect(await teams('unbound')).toEqual(new Set())
  expect(await teams('disabled')).toEqual(new Set())
  expect(await teams('teammate')).toEqual(new Set(['red']))
  expect(await teams('blue_admin')).toEqual(new Set(['blue']))
  expect(await teams('auditor')).toEqual(new Set(['red', 'blue']))
})

describe('why and why not', () => {
  const ask = async (who: Who, query: string) =>
    (await h.call('GET', `/api/v1/whoami?${query}`, { token: tokens[who] ?? '' })).body

  it('is told with the binding that decides', async () => {
    const request = { name: 'why', platform: 'aws', profile: 'aws-minimal-test' }
    const { body } = await h.call('POST', '/clusters', { token: tokens.owner ?? '', key: 'why', body: request })
    const query = `for=cluster.destroy&clusterId=${body.cluster.id}`
    expect((await ask('owner', query)).explanation).toMatchObject({
      allowed: true,
      because: 'the role requester in team "red" allows it',
      bindings: [{ role: 'requester', team: 'red', allows: true }],
    })
    expect((await ask('teammate', query)).explanation).toMatchObject({
      allowed: false,
      because: `the role requester may do it to its own alone, and this is of ${body.cluster.owner}`,
    })
    expect((await ask('auditor', query)).explanation.because).toBe(
      'the role auditor may not; it takes requester or team_admin or platform_admin',
    )
    expect((await ask('reader', query)).explanation.because).toMatch(/no scope "write"/)
    expect((await ask('stranger', query)).code).toBe('NOT_FOUND')
    expect((await ask('disabled', 'for=cluster.create&team=red')).explanation).toMatchObject({
      allowed: false,
      because: 'no role is bound to you: ask an administrator of your team',
      bindings: [{ role: 'platform_admin', allows: false, because: 'this binding is switched off' }],
    })
    expect((await ask('stranger', 'for=cluster.create&team=red')).explanation.because).toBe(
      'the role requester is for team "blue" alone',
    )
    expect((await ask('owner', 'for=cluster.explode')).code).toBe('BAD_INPUT')
  })

  it('says what the query does, of any bindings, scopes and owners', async () => {
    const [row] = await h.app.db.select().from(clusters).limit(1)
    if (!row) throw new Error('the matrix made clusters')
    const kinds = ['red', 'blue'].flatMap((team) => ['token:me', 'token:you'].map((owner) => ({ team, owner })))
    const rows = kinds.map((kind, index) => ({ ...row, ...kind, id: newId('clu'), name: `p${index}` }))
    await h.app.db.insert(clusters).values(rows)
    const ids = rows.map(({ id }) => id)
    const binding = fc.record({
      id: fc.constant('rbm_x'),
      team: fc.constantFrom('red', 'blue', '*'),
      role: fc.constantFrom(...roles),
      via: fc.constant({ type: 'token', id: 'me' } as const),
    })
    const scopes = fc.subarray(['read', 'write'] as const)
    await fc.assert(
      fc.asyncProperty(
        fc.array(binding, { maxLength: 3 }),
        scopes,
        fc.constantFrom(...actions),
        async (bindings, has, action) => {
          const by: Caller = {
            kind: 'caller',
            principal: { type: 'token', id: 'me' },
            groups: [],
            session: undefined,
            tokenId: undefined,
            scopes: has,
            bindings,
            origin: { requestId: 'r', address: undefined, agent: undefined },
          }
          const found = await h.app.db
            .select({ id: clusters.id })
            .from(clusters)
            .where(and(inArray(clusters.id, ids), clusterScope(by, action)))
          const said = rows.filter((each) => explain(by, action, each).allowed).map(({ id }) => id)
          expect(found.map(({ id }) => id).toSorted()).toEqual(said.toSorted())
          for (const team of ['red', 'blue'])
            expect(passes(() => requireInTeam(by, action, team))).toBe(explain(by, action, { team }).allowed)
        },
      ),
      { numRuns: 300 },
    )
  })
})

function passes(check: () => void): boolean {
  try {
    check()
    return true
  } catch {
    return false
  }
}

describe('what a process remembers of access', () => {
  const subject = { type: 'oidc_subject', id: 'remembered' } as const
  const disable = () => h.rows(`update rbac_mappings set enabled = not enabled where principal = 'remembered'`)
  const forEver = 1e9
  let events: Events
  let access: Access
  const rolesNow = async () => (await access.bindingsOf([subject])).map(({ role }) => role)

  beforeAll(async () => {
    events = await openEvents(h.url, h.app.log)
    access = openAccess(h.app.db, events, h.app.log, forEver)
    const binding = { principalType: subject.type, principal: subject.id, team: 'red', role: 'requester' } as const
    await h.app.db.insert(rbacMappings).values({ id: newId('rbm'), ...binding, createdBy: 'test' })
  })
  afterAll(() => events.close())

  it('takes no statement, and is forgotten at word of a change, whoever makes it', async () => {
    await eventually(async () => (await rolesNow()).length === 1)
    const pool = (h.app.db as unknown as { $client: Pool }).$client // drizzle is opened on a pool
    const asked = vi.spyOn(pool, 'query')
    const statements = async () => {
      const before = asked.mock.calls.length
      expect(await rolesNow()).toEqual(['requester'])
      return asked.mock.calls.length - before
    }
    // Word of the binding itself may still be on its way.
    await eventually(async () => (await statements()) === 0)
    for (let i = 0; i < 100; i++) expect(await statements()).toBe(0)
    asked.mockRestore()
    await disable()
    await eventually(async () => (await rolesNow()).length === 0)
    await disable()
    await eventually(async () => (await rolesNow()).length === 1)
  })

  it('is of a token too: who revokes it, revokes it everywhere', async () => {
    const { body } = await h.call('POST', '/api/v1/api-tokens', { body: { name: 'to be revoked' } })
    const of = async () => (await access.tokenOf(body.secret))?.id
    await eventually(async () => (await of()) === body.id)
    await h.call('DELETE', `/api/v1/api-tokens/${body.id}`)
    await eventually(async () => (await of()) === undefined)
  })

  it('is nothing while it cannot hear', async () => {
    await rolesNow()
    const deaf = new Promise<void>((resolve) => {
      const stop = events.onGap(() => {
        stop()
        resolve()
      })
    })
    await h.rows(`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'ocpctl-events' and datname = current_database()`)
    await deaf
    await disable()
    expect(await rolesNow()).toEqual([])
    await disable()
    expect(await rolesNow()).toEqual(['requester'])
    await eventually(() => events.isListening())
    await disable()
    await eventually(async () => (await rolesNow()).length === 0)
  })

  it('notes the use of a token at most once a minute, and tells nobody', async () => {
    const token = await h.tokenFor([])
    const lastUse = async () =>
      (
        await h.rows<{ at: string | null }>(
          `select last_used_at::text as at from api_tokens where id = (select max(id) from api_tokens)`,
        )
      )[0]?.at
    const heard = vi.fn()
    /** Words come in the order in which they were sent. */
    const hearAll = async (marker: string) => {
      const all = new Promise<void>((resolve) => events.on('job', marker, resolve))
      await h.rows(`select pg_notify('ocpctl_events', 'job ${marker}')`)
      await all
    }
    await h.call('GET', '/api/v1/whoami', { token })
    const first = await eventually(lastUse)
    await hearAll('before')
    const stop = events.on('access', 'all', heard)
    for (let i = 0; i < 5; i++) await h.call('GET', '/api/v1/whoami', { token })
    await h.rows(
      `update api_tokens set last_used_at = last_used_at - interval '2 minutes' where last_used_at is not null`,
    )
    const old = await lastUse()
    const another = openAccess(h.app.db, events, h.app.log)
    await another.tokenOf(token)
    expect(await eventually(async () => ((await lastUse()) === old ? undefined : lastUse()))).not.toBe(first)
    await hearAll('after')
    expect(heard).not.toHaveBeenCalled()
    stop()
  })
})
