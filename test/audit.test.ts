// The trail: who did what and who tried in vain; nobody changes it unseen.
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest'
import { sealAudit } from '../src/audit/seal.ts'
import { createHttp } from '../src/http/app.ts'
import { openHarness, type Harness } from './harness.ts'

let h: Harness
let auditor: string
const open = async () => {
  h = await openHarness()
  auditor = await h.tokenFor([{ team: '*', role: 'auditor' }], { scopes: ['read'] })
}
const read = (query = '') => h.call('GET', `/api/v1/audit-events${query}`, { token: auditor })
const verify = async () => (await read('/verify')).body
/** What only somebody who owns the database can do. */
const tamper = async (statement: string) => {
  await h.rows('alter table audit_events disable trigger all')
  await h.rows(statement)
  await h.rows('alter table audit_events enable trigger all')
}
const ids = async () => (await h.rows<{ id: string }>('select id from audit_events order by position')).map((r) => r.id)

describe('the trail', () => {
  beforeAll(open)
  afterAll(() => h.close())

  it('is listed newest first and by actor, action, cluster and time, to those who may', async () => {
    const { cluster } = await h.requestCluster('traced')
    const { cluster: other } = await h.requestCluster('other')
    await h.destroy(other.id)
    const all = (await read('?limit=200')).body.items
    expect(all.map((event: { id: string }) => event.id)).toEqual((await ids()).toReversed())
    const { body } = await read(`?cluster=${cluster.id}`)
    expect(body.items.map((event: { action: string }) => event.action)).toEqual(['job.open', 'cluster.request'])
    expect(body.items[1]).toMatchObject({ outcome: 'success', actorKind: 'caller', detail: { name: 'traced' } })
    expect(body.items[1]).not.toHaveProperty('position')
    const [first] = (await read('?action=cluster.request')).body.items.toReversed()
    expect(first.clusterId).toBe(cluster.id)
    expect((await read(`?actor=${encodeURIComponent(first.actor)}&action=cluster.request`)).body.items).toHaveLength(2)
    expect((await read(`?to=${first.at}&cluster=${cluster.id}`)).body.items).toEqual([])
    expect((await read('?from=2099-01-01T00:00:00Z')).body.items).toEqual([])
    expect((await read('?from=yesterday')).status).toBe(400)
    const somebody = await h.tokenFor([{ team: 'default', role: 'team_admin' }])
    for (const path of ['', '/verify', '/export'])
      expect((await h.call('GET', `/api/v1/audit-events${path}`, { token: somebody })).status).toBe(403)
  })

  it('holds what was tried in vain', async () => {
    const { cluster } = await h.requestCluster('guarded')
    const somebody = await h.tokenFor([{ team: 'default', role: 'requester' }])
    const tried = await h.call('POST', `/clusters/${cluster.id}/destroy`, {
      key: 'no',
      token: somebody,
      headers: { 'user-agent': 'test', 'x-request-id': 'req-1' },
    })
    expect(tried.status).toBe(403)
    expect((await read(`?action=access.denied&cluster=${cluster.id}`)).body.items).toEqual([
      expect.objectContaining({
        outcome: 'denied',
        requestId: 'req-1',
        agent: 'test',
        detail: {
          method: 'POST',
          path: `/api/v1/clusters/${cluster.id}/destroy`,
          reason: expect.stringContaining('may not destroy cluster'),
        },
      }),
    ])
  })

  it('is exported as JSON lines, oldest first', async () => {
    await h.rows(`insert into audit_events (id, actor, actor_kind, action, outcome)
      select 'evt_' || lpad(n::text, 26, '0'), 'me', 'system', 'many', 'success' from generate_series(1, 1203) n`)
    const { body, headers } = await read('/export')
    expect(headers.get('content-type')).toBe('application/x-ndjson')
    const lines = body
      .trimEnd()
      .split('\n')
      .map((line: string) => JSON.parse(line).id)
    expect(lines).toEqual((await ids()).toSorted())
    expect(lines.length).toBeGreaterThan(1203)
    expect((await read('/export?action=none')).body).toBe('')

    // One that breaks off in its last batch says so.
    let calls = 0
    let last = Infinity
    const select: typeof h.app.db.select = (...args: []) => {
      if (++calls >= last) throw new Error('select secret from somewhere')
      return h.app.db.select(...args)
    }
    const http = createHttp({ ...h.app, db: Object.assign(Object.create(h.app.db) as typeof h.app.db, { select }) })
    const ask = async () => {
      const request = { headers: { authorization: `Bearer ${auditor}` } }
      return (await (await http.request('/api/v1/audit-events/export', request)).text()).trimEnd().split('\n')
    }
    expect(await ask()).toHaveLength(lines.length)
    last = calls
    calls = 0
    const broken = await ask()
    expect(broken).toHaveLength(1001)
    expect(JSON.parse(broken.at(-1) ?? '')).toEqual({
      error: 'the export broke off: ask again',
      requestId: expect.any(String),
    })
  })
})

describe('a seal', () => {
  beforeEach(async () => {
    await open()
    for (const name of ['a', 'b', 'c']) await h.requestCluster(name)
  })
  afterEach(() => h.close())

  it('is put on all that is committed, once, in a chain, by however many at once', async () => {
    expect(await verify()).toMatchObject({ isIntact: true, sealed: 0, unsealed: 8 })
    const runs = await Promise.all([sealAudit(h.app.db), sealAudit(h.app.db), sealAudit(h.app.db)])
    expect(runs.reduce((sum, { sealed }) => sum + sealed, 0)).toBe(8)
    const proof = await verify()
    expect(proof).toMatchObject({ isIntact: true, sealed: 8, unsealed: 0, problems: [], head: runs[0].head })
    await h.requestCluster('d')
    expect(await sealAudit(h.app.db)).toMatchObject({ sealed: 2, head: { number: 10 } })
    expect(await verify()).toMatchObject({ isIntact: true, sealed: 10, unsealed: 0 })
  })

  it('waits for no transaction, and passes over none that ends late', async () => {
    const held = Promise.withResolvers<void>()
    const late = h.app.db.transaction(async (tx) => {
      const { writeAudit } = await import('../src/audit/audit.ts')
      writeAudit(tx, { kind: 'system', name: 'setup' }, { action: 'late' })
      held.resolve()
      await sealAudit(h.app.db)
    })
    await held.promise
    await late
    expect(await verify()).toMatchObject({ isIntact: true, sealed: 8, unsealed: 1 })
    expect(await sealAudit(h.app.db)).toMatchObject({ sealed: 1 })
    expect(await verify()).toMatchObject({ isIntact: true, sealed: 9, unsealed: 0 })
  })

  it.each<[string, string, string]>([
    ['changed', `update audit_events set actor = 'nobody' where id = $1`, 'changed'],
    ['changed in its detail', `update audit_events set detail = detail || '{"team":"x"}' where id = $1`, 'changed'],
    ['changed in its time', `update audit_events set at = at - interval '1 day' where id = $1`, 'changed'],
    ['moved', `update audit_events set position = position + 1000 where id = $1`, 'changed'],
    ['removed', `delete from audit_events where id = $1`, 'removed'],
  ])('names the event that was %s', async (_, statement, kind) => {
    await sealAudit(h.app.db)
    const victim = (await ids())[2] ?? ''
    await tamper(statement.replace('$1', `'${victim}'`))
    expect(await verify()).toMatchObject({
      isIntact: false,
      problems: [{ eventId: victim, kind, detail: expect.stringContaining('seal 3') }],
    })
  })

  it('names an event that was inserted past it, and one that was removed before it', async () => {
    await sealAudit(h.app.db)
    await tamper(`insert into audit_events (id, actor, actor_kind, action, outcome, at)
      values ('evt_00000000000000000000000000', 'me', 'system', 'forged', 'success', now() - interval '1 day')`)
    await h.requestCluster('d')
    const last = (await ids()).at(-1) ?? ''
    await tamper(`delete from audit_events where id = '${last}'`)
    expect((await verify()).problems).toEqual([
      expect.objectContaining({ eventId: 'evt_00000000000000000000000000', kind: 'inserted' }),
      expect.objectContaining({ eventId: last, kind: 'removed' }),
    ])
  })

  it('cannot be taken off by ordinary statements, nor two seals be exchanged unseen', async () => {
    await sealAudit(h.app.db)
    for (const statement of [`update audit_seals set hash = ''`, 'delete from audit_seals', 'truncate audit_seals'])
      await expect(h.rows(statement), statement).rejects.toMatchObject({
        cause: { message: expect.stringMatching(/^audit_seals is append-only/) },
      })
    await h.rows('alter table audit_seals disable trigger all')
    await h.rows(`delete from audit_seals where number = 2`)
    expect((await verify()).problems[0]).toMatchObject({
      kind: 'removed',
      detail: '1 seals are missing before number 3',
    })
  })

  it('comes to all the others when one event holds what it cannot say, and that one is named', async () => {
    await h.rows(`insert into audit_events (id, actor, actor_kind, action, outcome, detail)
      values ('evt_00000000000000000000000000', 'me', 'system', 'odd', 'success', '{"n": 1e999}')`)
    await h.requestCluster('d')
    expect(await sealAudit(h.app.db)).toMatchObject({ sealed: 11 })
    expect((await verify()).problems).toMatchObject([{ eventId: 'evt_00000000000000000000000000', kind: 'inserted' }])
    await expect(
      h.rows(`insert into audit_events (id, at, actor, actor_kind, action, outcome)
        values ('evt_00000000000000000000000001', 'infinity', 'me', 'system', 'odd', 'success')`),
    ).rejects.toMatchObject({ cause: { message: expect.stringContaining('audit_events_at') } })
  })

  it('that is known from elsewhere finds out a chain that was made anew, and a tail that was cut off', async () => {
    const { head } = await sealAudit(h.app.db)
    const withKnown = async ({ number, hash }: typeof head) =>
      (await read(`/verify?number=${number}&hash=${hash}`)).body
    expect(await withKnown(head)).toMatchObject({ isIntact: true })
    await h.rows('alter table audit_seals disable trigger all; alter table audit_events disable trigger all')
    await h.rows(`delete from audit_events where id = (select event_id from audit_seals where number = 8)`)
    await h.rows(`delete from audit_seals where number = 8`)
    expect(await verify()).toMatchObject({ isIntact: true, sealed: 7 })
    expect((await withKnown(head)).problems).toEqual([
      { eventId: null, kind: 'removed', detail: 'the trail ends with seal 7, before yours' },
    ])
    await h.rows(`update audit_events set actor = 'nobody'; delete from audit_seals;
      insert into audit_unsealed select id from audit_events; alter table audit_events enable trigger all`)
    await h.requestCluster('d')
    await sealAudit(h.app.db)
    expect(await verify()).toMatchObject({ isIntact: true })
    expect((await withKnown(head)).problems).toMatchObject([
      { kind: 'changed', detail: expect.stringContaining('seal 8') },
    ])
    const [second] = await h.rows<{ hash: string }>('select hash from audit_seals where number = 2')
    for (const query of ['number=2', `hash=${second?.hash}`])
      expect((await read(`/verify?${query}`)).body).toMatchObject({ isIntact: true })
    for (const query of ['number=999', `hash=${'0'.repeat(64)}`])
      expect((await read(`/verify?${query}`)).body).toMatchObject({ isIntact: false, problems: [{ kind: 'removed' }] })
  })
})
