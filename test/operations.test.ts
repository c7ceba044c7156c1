// One verb over many clusters: what is shown before is what is done, to those clusters alone, by the right of who asked,
// once each wherever a worker dies.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startOperations } from '../src/cron/operations.ts'
import { newId } from '../src/ids.ts'
import { forgetOperations } from '../src/operations/commands.ts'
import { runOperation } from '../src/operations/run.ts'
import { eventually, exitOf, openHarness, ROOT, type Harness } from './harness.ts'

type Preview = {
  matched: number
  allowed: number
  effects: { effect: string; count: number; samples: { name: string }[] }[]
  refusals: { code: string; count: number; samples: { name: string; detail: string }[] }[]
  usdPerHour: number
  usdAdded: number
}
type Item = { clusterId: string; name: string; outcome: string; effect: string | null; code: string | null; detail: string | null; jobId: string | null } // prettier-ignore

let h: Harness
let sample = ''
const never = new AbortController().signal

beforeAll(async () => {
  const profilesDir = mkdtempSync(join(tmpdir(), 'profiles-'))
  cpSync(join(ROOT, 'profiles'), profilesDir, { recursive: true })
  writeFileSync(join(profilesDir, 'quotas.yaml'), 'teams:\n  narrow: { concurrentInstalls: 2 }\n  poor: { usdPerMonth: 100 }\n') // prettier-ignore
  h = await openHarness({ profilesDir })
  sample = (await h.requestCluster('sample', { team: 'sample' })).cluster.id
})
afterAll(() => h.close())

/** Rows as those of a request, without a job. Their ids follow each other. */
async function make(team: string, names: string[], fields: Record<string, string> = {}): Promise<string[]> {
  const ids = names.map(() => newId('clu'))
  const of = { id: 'n.id', name: 'n.name', team: `'${team}'`, status: `'READY'`, ...fields }
  const keys = Object.keys(of)
  const { rows } = await h.app.db.$client.query<{ columns: string }>(
    `select string_agg(column_name, ', ') as columns from information_schema.columns
     where table_schema = 'public' and table_name = 'clusters' and column_name <> all($1)`,
    [keys],
  )
  const same = rows[0]?.columns ?? ''
  await h.app.db.$client.query(
    `insert into clusters (${keys.join(', ')}, ${same}) select ${Object.values(of).join(', ')}, ${same}
     from unnest($1::text[], $2::text[]) as n (id, name), (select * from clusters where id = '${sample}') c`.replaceAll(
      `, ${same}\n     from`,
      `, ${same.replaceAll(/(\w+)/g, 'c.$1')} from`,
    ),
    [ids, names],
  )
  return ids
}

const post = (body: object, { token = h.admin, key = newId('evt'), query = '' } = {}) =>
  h.call('POST', `/api/v1/operations${query}`, { body, token, key })
const preview = async (body: object, token = h.admin): Promise<Preview> => {
  const { status, body: shown } = await post(body, { token, query: '?dryRun=true' })
  expect(status, JSON.stringify(shown)).toBe(200)
  return shown
}
const ask = async (body: object, token = h.admin): Promise<string> => {
  const { status, body: shown } = await post(body, { token })
  expect(status, JSON.stringify(shown)).toBe(202)
  return shown.id
}
const show = async (id: string, token = h.admin) => (await h.call('GET', `/api/v1/operations/${id}`, { token })).body
const itemsOf = async (id: string, query = '', token = h.admin): Promise<Item[]> =>
  (await h.call('GET', `/api/v1/operations/${id}/items?limit=200${query}`, { token })).body.items
/** Has it run as often as it takes. */
const finish = async (id: string) => {
  while ((await show(id)).status !== 'ENDED') await runOperation(h.app, id, never)
}
const done = async (body: object, token = h.admin) => {
  const id = await ask(body, token)
  await finish(id)
  expect(await show(id)).toMatchObject({ status: 'ENDED', pending: 0 })
  return { id, items: await itemsOf(id) }
}
/** By what was shown or done: how often. */
const countsShown = ({ effects, refusals }: Preview) =>
  Object.fromEntries([...effects.map(({ effect, count }) => [effect, count]), ...refusals.map(({ code, count }) => [code, count])]) // prettier-ignore
const countsDone = (items: Item[]) => {
  const counts: Record<string, number> = {}
  for (const { effect, code } of items) counts[effect ?? code ?? ''] = (counts[effect ?? code ?? ''] ?? 0) + 1
  return counts
}
const failJobs = (ids: string[], type = 'CREATE') =>
  h.rows(`insert into jobs (id, cluster_id, type, status, max_attempts, requested_by, ended_at)
    select 'job_' || substr(id, 5), id, '${type}', 'FAILED', 3, 'test', now() from clusters where id in (${ids.map((id) => `'${id}'`).join()})`) // prettier-ignore

it('does what it showed, with each verb, and says of each cluster what came of it or why nothing did', async () => {
  const team = 'all'
  const [mine = ''] = await make(team, ['ready-1'])
  await make(team, ['held'], { protected: 'true', protected_until: `now() + interval '5 days'`, protected_reason: `'a fair'` }) // prettier-ignore
  await make(team, ['gone'], { status: `'DESTROYED'`, destroyed_at: 'now()' })
  const failed = await make(team, ['failed-1', 'failed-2'], { status: `'FAILED'` })
  await failJobs(failed)
  const stuck = await make(team, ['stuck'], { status: `'DESTROY_FAILED'` })
  await failJobs(stuck, 'DESTROY')
  await h.requestCluster('waits', { team })
  const filter = { team }

  const retry = await preview({ verb: 'retry', filter })
  expect(countsShown(retry)).toEqual({ 'create-again': 2, 'destroy-again': 1, NOT_IN_STATE: 3 })
  expect(retry.refusals[0]?.samples.map(({ name, detail }) => `${name}: ${detail}`)).toContain(
    'waits: the job is PENDING; only a FAILED one can be retried',
  )
  const retried = await done({ verb: 'retry', filter })
  expect(countsDone(retried.items)).toEqual(countsShown(retry))
  const jobId = retried.items.find(({ name }) => name === 'failed-1')?.jobId
  expect((await h.call('GET', `/jobs/${jobId}`)).body).toMatchObject({ type: 'CREATE', status: 'PENDING' })

  const extend = await preview({ verb: 'extend', hours: 30, filter })
  expect(countsShown(extend)).toEqual({ 'end-later': 5, NOT_IN_STATE: 1 })
  expect(extend.usdAdded).toBeCloseTo(4 * 0.84 * 6, 0) // what is protected ends no later
  const extended = await done({ verb: 'extend', hours: 30, filter })
  expect(countsDone(extended.items)).toEqual(countsShown(extend))
  expect(await preview({ verb: 'extend', hours: 1, ids: [mine] })).toMatchObject({ effects: [{ effect: 'end-earlier', count: 1 }] }) // prettier-ignore
  expect(countsShown(await preview({ verb: 'extend', hours: 100, ids: [mine] }))).toEqual({ POLICY_VIOLATION: 1 })

  const cancel = await preview({ verb: 'cancel', filter })
  expect(countsShown(cancel)).toEqual({ 'create-cancelled': 3, 'destroy-cancelled': 1, NOT_IN_STATE: 2 })
  const destroy = await preview({ verb: 'destroy', filter })
  expect(countsShown(destroy)).toEqual({ 'destroy-begins': 4, 'destroy-under-way': 1, CONFLICT: 1 })
  expect(destroy).toMatchObject({ matched: 6, allowed: 5, usdPerHour: 4.2 })
  expect(destroy.refusals[0]?.samples[0]?.detail).toMatch(/^the cluster is protected until .* \(a fair\)/)
  const destroyed = await done({ verb: 'destroy', filter })
  expect(countsDone(destroyed.items)).toEqual(countsShown(destroy))
  expect(destroyed.items.find(({ name }) => name === 'held')).toMatchObject({ outcome: 'REFUSED', code: 'CONFLICT' })

  const afterwards = await preview({ verb: 'cancel', filter })
  expect(countsShown(afterwards)).toEqual({ 'destroy-cancelled': 5, NOT_IN_STATE: 1 })
  expect(countsDone((await done({ verb: 'cancel', filter })).items)).toEqual(countsShown(afterwards))
  expect(countsShown(await preview({ verb: 'destroy', filter: { ...filter, status: ['DESTROYED'] } }))).toEqual({ NOT_IN_STATE: 1 }) // prettier-ignore
})

it('counts quotas as they fill up', async () => {
  const failed = await make('narrow', ['n-1', 'n-2', 'n-3', 'n-4'], { status: `'FAILED'` })
  await failJobs(failed)
  const filter = { team: 'narrow' }
  const shown = await preview({ verb: 'retry', filter })
  expect(countsShown(shown)).toEqual({ 'create-again': 2, QUOTA_EXCEEDED: 2 })
  const { items } = await done({ verb: 'retry', filter })
  expect(countsDone(items)).toEqual(countsShown(shown))
  // The same ones, too.
  expect(items.filter(({ code }) => code !== null).map(({ name }) => name).toSorted()).toEqual(shown.refusals[0]?.samples.map(({ name }) => name).toSorted()) // prettier-ignore

  await make('poor', Array.from({ length: 8 }, (_, n) => `poor-${n}`), { destroy_at: `now() + interval '1 hour'`, usd_per_hour: '10' }) // prettier-ignore
  const longer = { verb: 'extend', hours: 3, filter: { team: 'poor' } }
  const first = countsShown(await preview(longer))
  expect(countsDone((await done(longer)).items)).toEqual(first)
})

it('is over what the caller may see, and does what it may do', async () => {
  const token = await h.tokenFor([{ team: 'shared', role: 'requester' }])
  const me = (await h.call('GET', '/api/v1/whoami', { token })).body.principal
  const owner = `'${me.type}:${me.id}'`
  const [own = ''] = await make('shared', ['own'], { owner })
  await make('shared', ['of-another'])
  const [hidden = ''] = await make('other', ['hidden'], { owner })
  const shown = await preview({ verb: 'destroy', filter: { status: ['READY'] } }, token)
  expect(countsShown(shown)).toEqual({ 'destroy-begins': 1, FORBIDDEN: 1 })
  expect(shown.refusals[0]?.samples[0]).toMatchObject({ name: 'of-another', detail: expect.stringContaining('to its own alone') }) // prettier-ignore
  const unknown = await post({ verb: 'destroy', ids: [own, hidden] }, { token })
  expect(unknown.status).toBe(404)
  expect(unknown.body.errors).toEqual([{ pointer: '/ids/1', detail: `there is no cluster ${hidden} that you may see` }])

  const { id, items } = await done({ verb: 'destroy', filter: { status: ['READY'] } }, token)
  expect(items.map(({ name, outcome }) => `${name} ${outcome}`).toSorted()).toEqual(['of-another REFUSED', 'own DONE'])
  expect(await h.rows(`select actor, detail ->> 'operationId' as operation from audit_events where action = 'cluster.startDestroy' and cluster_id = '${own}'`)).toEqual([{ actor: `${me.type}:${me.id}`, operation: id }]) // prettier-ignore
  expect(await h.rows(`select job_id from operation_items where cluster_id = '${own}'`)).toEqual(await h.rows(`select id as job_id from jobs where cluster_id = '${own}'`)) // prettier-ignore
  // What one may no longer see is not shown either.
  await h.rows(`update clusters set team = 'other' where id = '${own}'`)
  expect((await itemsOf(id, '', token)).map(({ name }) => name)).toEqual(['of-another'])
  const { body } = await h.call('GET', '/api/v1/operations', { token })
  expect(body.items.map((each: { id: string }) => each.id)).toEqual([id])
})

it('is over the clusters that matched when it was asked for, and answers the same key once', async () => {
  const filter = { team: 'fixed', q: 'fix' }
  await make('fixed', ['fix-1', 'fix-2', 'other'])
  const body = { verb: 'destroy', filter, expected: 2 }
  const first = await post(body, { key: 'fixed' })
  await make('fixed', ['fix-3'])
  const again = await post(body, { key: 'fixed' })
  expect(again).toMatchObject({ status: 202, body: first.body })
  expect(again.headers.get('idempotency-replayed')).toBe('true')
  expect((await post({ ...body, expected: 3 }, { key: 'fixed' })).body.code).toBe('IDEMPOTENCY_KEY_REUSED')
  expect(await post(body)).toMatchObject({ status: 409, body: { code: 'CONFLICT', detail: expect.stringContaining('3 clusters match now, and not 2') } }) // prettier-ignore
  await finish(first.body.id)
  expect((await itemsOf(first.body.id)).map(({ name }) => name)).toEqual(['fix-2', 'fix-1'])
  expect(await h.rows(`select name from clusters where team = 'fixed' and status = 'READY' order by name`)).toEqual([{ name: 'fix-3' }, { name: 'other' }]) // prettier-ignore
  expect(await show(first.body.id)).toMatchObject({ total: 2, done: 2, refused: 0, failed: 0, status: 'ENDED', filter })
})

it('refuses what says too little, too much, or is of too many', async () => {
  const refused = async (body: object) => {
    const { status, body: problem } = await post(body)
    return `${status} ${problem.code} ${problem.errors?.[0]?.pointer ?? ''}`
  }
  expect(await refused({ verb: 'destroy', filter: {} })).toBe('400 BAD_INPUT /filter')
  expect(await refused({ verb: 'destroy' })).toBe('400 BAD_INPUT /ids')
  expect(await refused({ verb: 'destroy', filter: { team: 'x' }, hours: 3 })).toBe('400 BAD_INPUT /hours')
  expect(await refused({ verb: 'extend', filter: { team: 'x' } })).toBe('400 BAD_INPUT /hours')
  expect((await h.call('POST', '/api/v1/operations', { body: { verb: 'cancel', filter: { team: 'x' } } })).body.code).toBe('IDEMPOTENCY_KEY_MISSING') // prettier-ignore
  await make(
    'crowd',
    Array.from({ length: 10_001 }, (_, n) => `crowd-${n}`),
    { profile_snapshot: `'{}'` },
  )
  const crowd = { verb: 'destroy', filter: { team: 'crowd' } }
  expect((await post(crowd, { query: '?dryRun=true' })).body).toMatchObject({ status: 422, code: 'TOO_MANY' })
  const [one] = await h.rows<{ name: string }>(`delete from clusters where name = 'crowd-0' returning name`)
  expect(one?.name).toBe('crowd-0')
  expect(await preview(crowd)).toMatchObject({ matched: 10_000, allowed: 10_000, usdPerHour: 8400 })
  expect(await show(await ask(crowd))).toMatchObject({ total: 10_000, pending: 10_000, status: 'PENDING' })
})

it('ends with the right of who asked: the rest is refused', async () => {
  const token = await h.tokenFor([{ team: 'taken', role: 'team_admin' }])
  const { principal } = (await h.call('GET', '/api/v1/whoami', { token })).body
  const ids = await make('taken', ['t-1', 't-2', 't-3'])
  const [first, second] = [
    await ask({ verb: 'extend', hours: 2, ids }, token),
    await ask({ verb: 'destroy', ids }, token),
  ]
  // Items are done from the newest cluster on.
  const stop = new AbortController()
  const unhear = h.app.events.on('cluster', ids[2] ?? '', () => stop.abort())
  await runOperation(h.app, first, stop.signal)
  unhear()
  expect(await show(first)).toMatchObject({ status: 'RUNNING', done: 1, pending: 2 })
  await h.rows(`update rbac_mappings set role = 'requester' where principal = '${principal.id}'`)
  await eventually(async () => (await h.app.authenticators.access.bindingsOf([principal]))[0]?.role === 'requester')
  await finish(first)
  await h.rows(`update api_tokens set revoked_at = now() where id = '${principal.id}'`)
  await finish(second)
  const outcomes = async (id: string) => (await itemsOf(id)).map(({ outcome, code }) => `${outcome} ${code ?? ''}`)
  expect(await outcomes(first)).toEqual(['DONE ', 'REFUSED FORBIDDEN', 'REFUSED FORBIDDEN'])
  expect(await outcomes(second)).toEqual(ids.map(() => 'REFUSED UNAUTHENTICATED'))
  expect(await show(first)).toMatchObject({ status: 'ENDED', done: 1, refused: 2 })
  expect((await itemsOf(first, '&outcome=DONE')).map(({ name }) => name)).toEqual(['t-3'])
})

it('goes on past a cluster with which it breaks', async () => {
  await make('odd', ['odd-1', 'odd-3'])
  await make('odd', ['odd-2'], { profile_snapshot: `'{}'` })
  const { id, items } = await done({ verb: 'extend', hours: 5, filter: { team: 'odd' } })
  expect(items.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual(['odd-2 FAILED', 'odd-3 DONE', 'odd-1 DONE'])
  expect(items[0]).toMatchObject({ code: 'INTERNAL', detail: `something went wrong; the log has it under ${id}` })
  expect(await show(id)).toMatchObject({ done: 2, failed: 1 })
})

it('does each item once, with two workers at it', async () => {
  const ids = await make(
    'pair',
    Array.from({ length: 30 }, (_, n) => `pair-${n}`),
  )
  const id = await ask({ verb: 'extend', hours: 5, ids })
  await Promise.all([runOperation(h.app, id, never), runOperation(h.app, id, never)])
  await finish(id)
  expect(await show(id)).toMatchObject({ status: 'ENDED', done: 30 })
  expect(await h.rows(`select count(*)::int as count, min(end_revision) as least, max(end_revision) as most from clusters where team = 'pair'`)).toEqual([{ count: 30, least: 2, most: 2 }]) // prettier-ignore
})

it.each(['before', 'after'])(
  'survives kill -9 of its worker %s the commit of an item: none is done twice or left out',
  { timeout: 120_000 },
  async (point) => {
    const team = `dies-${point}`
    await make(team, Array.from({ length: 5 }, (_, n) => `${team}-${n}`)) // prettier-ignore
    await h.rows(`delete from pgboss.job where name = 'operations'`)
    const id = await ask({ verb: 'extend', hours: 5, filter: { team } })
    const child = spawn(process.execPath, ['test/die-in.ts', 'operate', point], { cwd: ROOT, env: h.environment })
    expect(await exitOf(child)).toBe('SIGKILL')
    expect(await show(id)).toMatchObject({ status: 'RUNNING', done: point === 'after' ? 1 : 0 })
    // As if the time that a run may take were over.
    await h.rows(`update pgboss.job set started_on = started_on - interval '1 minute' where name = 'operations' and state = 'active'`) // prettier-ignore
    const stop = await startOperations(h.app)
    await eventually(async () => (await show(id)).status === 'ENDED')
    await stop()
    expect(await show(id)).toMatchObject({ done: 5, refused: 0, failed: 0 })
    const revisions = await h.rows<{ n: number }>(`select end_revision as n from clusters where team = '${team}'`)
    expect(revisions.map(({ n }) => n)).toEqual([2, 2, 2, 2, 2])
    expect(await h.rows(`select cluster_id from audit_events where action = 'cluster.extend' and detail ->> 'operationId' = '${id}'`)).toHaveLength(5) // prettier-ignore
  },
)

it('is kept for a month', async () => {
  const [old, young] = [await ask({ verb: 'cancel', filter: { team: 'none' } }), await ask({ verb: 'cancel', ids: [sample] })] // prettier-ignore
  for (const id of [old, young]) await finish(id)
  await h.rows(`update operations set ended_at = now() - interval '31 days' where id = '${old}'`)
  expect(await forgetOperations(h.app)).toBe(1)
  expect((await h.call('GET', `/api/v1/operations/${old}`)).status).toBe(404)
  expect(await itemsOf(young)).toMatchObject([{ name: 'sample', outcome: 'DONE' }])
})
