// Submitting: one transaction, one answer, a lease on the name, and every mistake told at once.
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { purgeKeys } from '../src/idempotency.ts'
import { openHarness, ROOT, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())

const body = (name: string, more = {}) => ({ name, platform: 'aws', profile: 'aws-minimal-test', ...more })
const countOf = async (name: string) =>
  (await h.rows<{ n: number }>(`select count(*)::int as n from clusters where name = '${name}'`))[0]?.n

describe('a request', () => {
  it('writes cluster, job, audit, answer and queue entry together', async () => {
    const answer = await h.call('POST', '/clusters', { key: 'together', body: body('together') })
    expect(answer.status).toBe(202)
    expect(answer.headers.get('location')).toBe(`/api/v1/clusters/${answer.body.cluster.id}`)
    const [row] = await h.rows(`select
      (select count(*)::int from jobs where cluster_id = c.id) as jobs,
      (select count(*)::int from audit_events where cluster_id = c.id) as audits,
      (select count(*)::int from idempotency_keys where key = 'together' and status = 202) as answers,
      (select count(*)::int from pgboss.job where singleton_key = c.id) as queued
      from clusters c where name = 'together'`)
    expect(row).toEqual({ jobs: 1, audits: 2, answers: 1, queued: 1 })
  })

  it('leaves nothing at all when one part fails', async () => {
    const queue = { ...h.app.queue, enqueue: () => { throw new Error('no queue') } } // prettier-ignore
    const { createHttp } = await import('../src/http/app.ts')
    const http = createHttp({ ...h.app, queue })
    const answer = await http.request('/api/v1/clusters', {
      method: 'POST',
      headers: { authorization: `Bearer ${h.admin}`, 'content-type': 'application/json', 'idempotency-key': 'half' },
      body: JSON.stringify(body('half')),
    })
    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('no queue')
    expect(await countOf('half')).toBe(0)
    expect(await h.rows(`select * from idempotency_keys where key = 'half'`)).toEqual([])
  })

  it('sent twice at the same instant with one key gives one cluster and two identical answers', async () => {
    const twice = () => h.call('POST', '/clusters', { key: 'twice', body: body('twice') })
    const [first, second] = await Promise.all([twice(), twice()])
    expect([first.status, second.status]).toEqual([202, 202])
    expect(first.body).toEqual(second.body)
    expect([first, second].filter((answer) => answer.headers.has('idempotency-replayed'))).toHaveLength(1)
    expect(await countOf('twice')).toBe(1)
  })

  it('is refused when its key came with another body, from the same caller only', async () => {
    await h.call('POST', '/clusters', { key: 'mine', body: body('mine') })
    expect(await h.call('POST', '/clusters', { key: 'mine', body: body('other') })).toMatchObject({
      status: 422,
      body: { code: 'IDEMPOTENCY_KEY_REUSED' },
    })
    const somebody = await h.tokenFor([{ team: 'default', role: 'requester' }])
    expect((await h.call('POST', '/clusters', { key: 'mine', body: body('theirs'), token: somebody })).status).toBe(202)
  })

  it('without a key is refused and told what to send', async () => {
    expect(await h.call('POST', '/clusters', { body: body('keyless') })).toMatchObject({
      status: 400,
      body: { code: 'IDEMPOTENCY_KEY_MISSING', detail: expect.stringContaining('Idempotency-Key') },
    })
  })

  it('may use an expired key again', async () => {
    await h.call('POST', '/clusters', { key: 'aged', body: body('aged') })
    await h.rows(`update idempotency_keys set expires_at = now() - interval '1 s' where key = 'aged'`)
    expect((await h.call('POST', '/clusters', { key: 'aged', body: body('aged-2') })).status).toBe(202)
  })

  it('has a key that is forgotten a day later, in batches', async () => {
    await h.rows(`insert into idempotency_keys (principal, key, request_hash, expires_at)
      select 'p', 'k' || n, 'x', now() - interval '1 s' from generate_series(1, 5001) n`)
    const [before] = await h.rows<{ n: number }>(`select count(*)::int as n from idempotency_keys`)
    expect(await purgeKeys(h.app.db)).toBe(5001)
    const [after] = await h.rows<{ n: number }>(`select count(*)::int as n from idempotency_keys`)
    expect([before?.n, after?.n]).toEqual([(after?.n ?? 0) + 5001, expect.any(Number)])
    expect(after?.n).toBeGreaterThan(0)
  })

  it('is told all that is wrong with it, each with its place', async () => {
    const answer = await h.call('POST', '/clusters', {
      key: 'wrong',
      body: body('wrong', {
        platform: 'ibmcloud',
        version: '4.1.0',
        region: 'mars',
        ttlHours: 100,
        tags: { 'kubernetes.io/x': 'y', empty: '' },
      }),
    })
    expect(answer).toMatchObject({ status: 422, body: { code: 'POLICY_VIOLATION' } })
    expect(answer.body.errors.map((error: { pointer: string }) => error.pointer)).toEqual([
      '/platform',
      '/ttlHours',
      '/version',
      '/region',
      '/tags/kubernetes.io~1x',
      '/tags/empty',
    ])
    expect(answer.body.errors[1]).toEqual({
      pointer: '/ttlHours',
      detail: '100 hours is longer than aws-minimal-test allows; at most 72',
      allowed: { min: 1, max: 72 },
      nearest: 72,
    })
  })

  it.each([
    ['no JSON', '{', ''],
    ['an unknown key', { ...body('x'), sudo: true }, '/sudo'],
    ['a bad name', body('-x'), '/name'],
    ['a dotted name', body('a.b'), '/name'],
    ['a name of 22 characters', body('a'.repeat(22)), '/name'],
    ['a fractional TTL', body('x', { ttlHours: 1.5 }), '/ttlHours'],
    ['a TTL of nothing', body('x', { ttlHours: 0 }), '/ttlHours'],
    ['a broken SSH key', body('x', { sshPublicKey: 'ssh-rsa AAAA\nmore: yes' }), '/sshPublicKey'],
    ['tags that are no strings', body('x', { tags: { a: 1 } }), '/tags/a'],
  ])('with %s answers 400 with the place', async (_, bad, pointer) => {
    const answer = await h.call('POST', '/clusters', { key: 'bad', body: bad })
    expect(answer).toMatchObject({ status: 400, body: { code: 'BAD_INPUT', requestId: expect.any(String) } })
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    if (pointer) expect(answer.body.errors[0].pointer).toBe(pointer)
  })

  it('for an unknown profile is told which there are', async () => {
    expect(await h.call('POST', '/clusters', { key: 'np', body: body('np', { profile: 'gold' }) })).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('aws-minimal-test') },
    })
  })

  it('waits its turn on the name: a second cluster of one name is refused until the first is destroyed', async () => {
    await h.requestCluster('leased')
    expect(await h.call('POST', '/clusters', { key: 'leased-2', body: body('leased') })).toMatchObject({
      status: 409,
      body: { code: 'NAME_TAKEN', detail: expect.stringContaining('PENDING') },
    })
  })

  it('of fifty at once for one name, one wins', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        h.call('POST', '/clusters', { key: `rush-${index}`, body: body('rush') }),
      ),
    )
    expect(answers.filter((answer) => answer.status === 202)).toHaveLength(1)
    expect(answers.filter((answer) => answer.status === 409)).toHaveLength(49)
  })
})

describe('a quota', () => {
  let small: Harness
  beforeAll(async () => {
    const dir = mkdtempSync(join(tmpdir(), 'ocpctl-profiles-'))
    cpSync(join(ROOT, 'profiles'), dir, { recursive: true })
    writeFileSync(
      join(dir, 'quotas.yaml'),
      'teams:\n  few: { clusters: 7 }\n  slow: { concurrentInstalls: 1 }\n  poor: { usdPerMonth: 1 }\n',
    )
    writeFileSync(
      join(dir, 'capped.yaml'),
      readFileSync(join(dir, 'aws-minimal-test.yaml'), 'utf8')
        .replace('name: aws-minimal-test', 'name: capped')
        .replace('usdPerHour: 0.84', 'usdPerHour: 1\n  monthlyCeilingUsd: 9.1'),
    )
    small = await openHarness({ profilesDir: dir })
  })
  afterAll(() => small.close())
  const ask = (name: string, team: string, more = {}) =>
    small.call('POST', '/clusters', { key: name, body: body(name, { team, ...more }) })

  it('is never passed by a hundred requests at once, and frees itself when a cluster is gone', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(`few-${index}`, 'few')))
    expect(answers.filter((answer) => answer.status === 202)).toHaveLength(7)
    const refused = answers.filter((answer) => answer.status === 409)
    expect(refused).toHaveLength(93)
    expect(refused[0]?.body).toMatchObject({
      code: 'QUOTA_EXCEEDED',
      errors: [{ pointer: '/team', detail: expect.stringContaining('team "few" holds 7 of 7 clusters') }],
    })
    await small.startWorker()
    const [one] = answers.filter((answer) => answer.status === 202)
    await small.destroy(one?.body.cluster.id)
    await small.reach(one?.body.cluster.id, 'DESTROYED')
    expect((await ask('few-again', 'few')).status).toBe(202)
  })

  it('of a profile holds for all teams together', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        ask(`capped-${index}`, `team-${index}`, { profile: 'capped', ttlHours: 3 }),
      ),
    )
    // Three of three hours fit into 9.1 USD, unless the month is about to end.
    expect(answers.filter((answer) => answer.status === 202).length).toBeGreaterThanOrEqual(3)
    const [spend] = await small.rows<{ usd: number }>(
      `select sum(usd_per_hour * extract(epoch from least(destroy_at,
         (date_trunc('month', now() at time zone 'utc') + interval '1 month') at time zone 'utc') - created_at) / 3600)::float8 as usd
       from clusters where profile = 'capped'`,
    )
    expect(spend?.usd).toBeLessThanOrEqual(9.1)
  })

  it('of installations holds for one that is asked for again', async () => {
    small.setFaults([{ cluster: 'slow-1', stage: 'infrastructure', exitCode: 3, log: 'Error: invalid' }])
    const first = await ask('slow-1', 'slow')
    await small.reach(first.body.cluster.id, 'FAILED')
    small.setFaults([{ cluster: 'slow-2', stage: 'bootstrap', action: 'hang' }])
    expect((await ask('slow-2', 'slow')).status).toBe(202)
    const retry = await small.call('POST', `/jobs/${first.body.job.id}/retry`, { key: 'retry-slow' })
    expect(retry).toMatchObject({
      status: 409,
      body: { code: 'QUOTA_EXCEEDED', detail: expect.stringContaining('1 of 1 installations at once') },
    })
  })

  it('that time cannot cure is told with all else that is wrong', async () => {
    expect(await ask('poor', 'poor', { region: 'mars' })).toMatchObject({
      status: 422,
      body: { code: 'POLICY_VIOLATION', errors: [{ pointer: '/region' }, { pointer: '/team' }] },
    })
  })
})

describe('a dry run', () => {
  it('knows how long the last installations of its kind took', async () => {
    const other = await openHarness()
    try {
      await other.startWorker()
      const { cluster } = await other.requestCluster('timed')
      await other.reach(cluster.id, 'READY')
      await other.rows(`update jobs set started_at = now() - interval '40 minutes' where type = 'CREATE'`)
      await other.rows(`update clusters set ready_at = now()`)
      const { body: shown } = await other.call('POST', '/clusters?dryRun=true', { body: body('next') })
      const minutes = { p50Minutes: 40, p90Minutes: 40, samples: 1 }
      expect(shown.expectedDuration).toMatchObject({ ...minutes, basis: 'version' })
      const elsewhere = { body: body('next', { region: 'us-west-2' }) }
      const { body: there } = await other.call('POST', '/clusters?dryRun=true', elsewhere)
      expect(there).toMatchObject({ expectedDuration: { ...minutes, basis: 'profile' }, queuePlace: 1 })
    } finally {
      await other.close()
    }
  })

  it('shows decision, install-config without secrets, tags and cost, and writes nothing', async () => {
    const answer = await h.call('POST', '/clusters?dryRun=true', {
      body: body('dry', { ttlHours: 10, tags: { note: 'a: "b"\nc: d'.replace(/[\n"]/g, ' ') } }),
    })
    expect(answer).toMatchObject({
      status: 200,
      body: {
        allowed: true,
        violations: [],
        usdPerHour: 0.84,
        usdUntilExpiry: 8.4,
        footprint: { nodes: 3, vcpu: 12, loadBalancers: 3, publicAddresses: 4 },
        expectedDuration: null,
      },
    })
    const config = parse(answer.body.installConfig)
    expect(config).toMatchObject({
      apiVersion: 'v1',
      metadata: { name: 'dry' },
      baseDomain: 'clusters.example.com',
      controlPlane: { replicas: 3 },
    })
    expect(config.platform.aws.userTags).toMatchObject({ note: 'a:  b  c: d', 'ocpctl-team': 'default' })
    expect(config.pullSecret).toBe('{"auths":{"masked":{"auth":"***"}}}')
    expect(await countOf('dry')).toBe(0)
  })

  it('of a request that is not allowed says so', async () => {
    expect(
      (await h.call('POST', '/clusters?dryRun=true', { body: body('dry', { ttlHours: 100 }) })).body,
    ).toMatchObject({ allowed: false, violations: [{ pointer: '/ttlHours' }] })
  })
})

describe('lists', () => {
  it('page without skipping or repeating while others are written', async () => {
    const token = await h.tokenFor([{ team: 'pages', role: 'requester' }])
    const ask = (index: number) =>
      h.call('POST', '/clusters', { key: `page-${index}`, token, body: body(`page-${index}`) })
    for (let index = 0; index < 9; index++) await ask(index)
    const seen: string[] = []
    let cursor = ''
    for (let page = 0; ; page++) {
      const answer = await h.call('GET', `/clusters?limit=2${cursor}`, { token })
      seen.push(...answer.body.items.map((item: { name: string }) => item.name))
      await ask(100 + page)
      if (answer.body.nextCursor === null) break
      cursor = `&cursor=${answer.body.nextCursor}`
    }
    expect(seen).toEqual(Array.from({ length: 9 }, (_, index) => `page-${8 - index}`))
  })

  it('filter by status, team, owner, platform, profile, region and part of the name', async () => {
    await h.requestCluster('filter-me', { team: 'filters', owner: 'somebody@example.com', region: 'us-west-2' })
    const names = async (query: string) =>
      (await h.call('GET', `/clusters?team=filters&${query}`)).body.items.map((item: { name: string }) => item.name)
    for (const query of [
      'status=PENDING',
      'status=READY&status=PENDING',
      'owner=somebody%40example.com',
      'platform=aws',
      'profile=aws-minimal-test',
      'region=us-west-2',
      'q=lter-m',
    ])
      expect(await names(query), query).toEqual(['filter-me'])
    for (const query of ['status=READY', 'owner=x', 'platform=gcp', 'profile=x', 'region=us-east-1', 'q=%25'])
      expect(await names(query), query).toEqual([])
    expect((await h.call('GET', '/clusters?cursor=zzz')).status).toBe(400)
    expect((await h.call('GET', '/clusters?limit=201')).status).toBe(400)
  })
})
