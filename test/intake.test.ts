// Creates and destroys that an operator has paused: accepted, told why, kept, and begun when it is over. What runs goes on.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { destroyDueClusters } from '../src/cron/janitor.ts'
import { newId, uuidOf } from '../src/ids.ts'
import { releasePaused } from '../src/intake/commands.ts'
import { eventually, exitOf, openHarness, type Answer, type Harness } from './harness.ts'

let h: Harness
beforeEach(async () => {
  h = await openHarness({ leaseSeconds: 10 })
})
afterEach(() => h.close())

const JANITOR = { kind: 'system', name: 'janitor' } as const
const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString()
const set = (body: object, { query = '', key }: { query?: string; key?: string } = {}): Promise<Answer> =>
  h.call('PUT', `/api/v1/intake${query}`, { body, ...(key === undefined ? {} : { key }) })
const pause = async (kind: string, more: object = {}) => {
  const answer = await set({ kind, paused: true, reason: 'the cloud is ill', until: inHours(2), ...more })
  expect(answer.status, JSON.stringify(answer.body)).toBe(200)
  return answer.body
}
const resume = (kind: string, more: object = {}) => set({ kind, paused: false, ...more })
const release = () => releasePaused(h.app, JANITOR)
const clusterOf = async (id: string) => (await h.call('GET', `/clusters/${id}`)).body
const entryOf = async (jobId: string) =>
  (
    await h.rows<{ state: string; retryCount: number; left: number; waits: number }>(
      `select state::text, retry_count as "retryCount", retry_limit - retry_count as left,
         extract(epoch from start_after - now())::int as waits from pgboss.job where id = '${uuidOf(jobId)}'`,
    )
  )[0]
/** A worker has looked at it, and left it in the queue until the end of the pause. */
const held = (jobId: string) =>
  eventually(async () => ((await entryOf(jobId))?.state === 'retry' ? entryOf(jobId) : false))
const blockedBy = async (by: string) =>
  (await h.call('GET', '/api/v1/queue')).body.blocked.find((each: { by: string }) => each.by === by)

it('a paused create is accepted, says why, is looked at once, and begins when the pause is taken back', async () => {
  await h.startWorker()
  await pause('creates')
  const body = { name: 'waits', platform: 'aws', profile: 'aws-minimal-test' }
  const preview = await h.call('POST', '/clusters?dryRun=true', { body })
  expect(preview.body.warnings).toContainEqual({ pointer: '', detail: expect.stringMatching(/creates are paused until .*: the cloud is ill/) }) // prettier-ignore
  const asked = await h.call('POST', '/clusters', { body, key: 'one' })
  expect(asked).toMatchObject({ status: 202, body: { cluster: { status: 'PENDING', statusReason: expect.stringMatching(/paused until/) } } }) // prettier-ignore
  const { cluster, job } = asked.body
  const entry = await held(job.id)
  // It costs none of its deliveries, and nobody asks for it again before the end.
  expect(entry).toMatchObject({ retryCount: 0, left: 21 })
  expect(entry?.waits).toBeGreaterThan(7100)
  expect(await blockedBy('paused')).toMatchObject({ count: 1, jobs: [{ jobId: job.id, detail: expect.stringMatching(/^the cloud is ill, until /) }] }) // prettier-ignore
  expect((await h.call('GET', `/jobs/${job.id}`)).body.attempts).toEqual([])
  // Destroys are not paused.
  const other = await h.requestCluster('unwanted')
  await h.destroy(other.cluster.id)
  await h.reach(other.cluster.id, 'DESTROYED')
  expect(await entryOf(job.id)).toMatchObject({ state: 'retry', retryCount: 0 })

  expect((await resume('creates')).body).toMatchObject({ isChanged: true, items: [], jobs: { waiting: 1, running: 0 } })
  expect(await release()).toBe(1)
  await h.reach(cluster.id, 'READY')
  expect((await clusterOf(cluster.id)).statusReason).toBeNull()
  expect(await blockedBy('paused')).toBeUndefined()
})

it('a pause is for whom it names alone; of two, the later end counts; one that is replaced is judged anew', async () => {
  await h.startWorker()
  await pause('creates', { team: 'blue' })
  await pause('creates', { platform: 'gcp' })
  const free = await h.requestCluster('free', { team: 'red' })
  const blue = await h.requestCluster('blue', { team: 'blue' })
  await h.reach(free.cluster.id, 'READY')
  await held(blue.job.id)
  await pause('creates', { platform: 'aws', until: inHours(1) })
  const now = await pause('creates', { team: 'blue', until: inHours(0.5), reason: 'shorter' })
  expect(now).toMatchObject({ isChanged: true, jobs: { waiting: 1 } })
  expect(await release()).toBe(1)
  const again = await eventually(async () => {
    const entry = await entryOf(blue.job.id)
    return entry?.retryCount === 1 && entry.state === 'retry' && entry
  })
  expect(Math.abs(again.waits - 3600)).toBeLessThan(60)
  expect((await clusterOf(blue.cluster.id)).statusReason).toMatch(/creates of platform aws are paused/)
})

it('ends by itself: then the queue hands the job out, and the pause is gone and audited', async () => {
  await pause('creates')
  const { cluster, job } = await h.requestCluster('patient')
  await h.startWorker()
  await held(job.id)
  // As if two hours had passed: for the pause, and for the entry in the queue.
  await h.rows(`update intake_pauses set ends_at = now()`)
  await h.rows(`update pgboss.job set start_after = now() where id = '${uuidOf(job.id)}'`)
  await h.reach(cluster.id, 'READY')
  expect(await release()).toBe(0)
  expect((await h.call('GET', '/api/v1/intake')).body.items).toEqual([])
  expect(await h.rows('select id from intake_pauses')).toEqual([])
  expect(await h.rows(`select detail ->> 'why' as why from audit_events where action = 'intake.resume'`)).toEqual([{ why: 'its time is over' }]) // prettier-ignore
})

it('a paused destroy waits, also that of an end that came, and the janitor asks once', async () => {
  await h.startWorker()
  const made = await Promise.all(['asked', 'ended'].map((name) => h.requestCluster(name)))
  for (const { cluster } of made) await h.reach(cluster.id, 'READY')
  const [asked, ended] = made.map(({ cluster }) => cluster.id)
  await pause('destroys', { profile: 'aws-minimal-test' })
  const { cluster, job } = await h.destroy(asked ?? '')
  expect(cluster).toMatchObject({ status: 'DESTROYING', statusReason: expect.stringMatching(/destroys of profile aws-minimal-test are paused/) }) // prettier-ignore
  await h.rows(`update clusters set destroy_at = now() - interval '1 minute' where id = '${ended}'`)
  await destroyDueClusters(h.app)
  await destroyDueClusters(h.app)
  const jobs = await h.rows<{ id: string }>(
    `select id from jobs where cluster_id = '${ended}' and type = 'JANITOR_DESTROY'`,
  )
  expect(jobs).toHaveLength(1)
  await held(job.id)
  await held(jobs[0]?.id ?? '')
  await eventually(async () => (await clusterOf(ended ?? '')).statusReason?.includes('the cloud is ill'))
  expect(await blockedBy('paused')).toMatchObject({ count: 2 })
  expect(h.journal().filter(({ command }) => command === 'destroy cluster')).toEqual([])
  await resume('destroys', { profile: 'aws-minimal-test' })
  await release()
  await h.reach(asked ?? '', 'DESTROYED')
  await h.reach(ended ?? '', 'DESTROYED')
  expect(h.resources()).toEqual([])
})

it('a preview changes nothing; the same key is answered once; two at one moment make one pause', async () => {
  await h.requestCluster('one')
  const body = { kind: 'creates', paused: true, reason: 'look first', until: inHours(1) }
  expect((await set(body, { query: '?dryRun=true' })).body).toMatchObject({ isChanged: true, jobs: { waiting: 1, running: 0, isWhole: true }, items: [{ kind: 'creates', platform: null, reason: 'look first' }] }) // prettier-ignore
  expect((await h.call('GET', '/api/v1/intake')).body.items).toEqual([])
  const both = await Promise.all([set(body, { key: 'same' }), set(body, { key: 'same' })])
  expect(both[0]?.body).toEqual(both[1]?.body)
  const more = await Promise.all([set(body, { key: 'a' }), set(body, { key: 'b' })])
  expect(more.map((answer) => answer.body.isChanged)).toEqual([false, false])
  expect((await h.call('GET', '/api/v1/intake')).body.items).toHaveLength(1)
  expect(await h.rows(`select count(*)::int as n from audit_events where action = 'intake.pause'`)).toEqual([{ n: 1 }])
})

it('refuses what would pause nothing, for ever, or without a word', async () => {
  const body = { kind: 'creates', paused: true, reason: 'r', until: inHours(1) }
  const refusals: [object, number, RegExp][] = [
    [{ ...body, reason: undefined }, 400, /"\/reason"/],
    [{ ...body, until: undefined }, 400, /"\/until"/],
    [{ kind: 'creates', paused: false, until: inHours(1) }, 400, /"\/until"/],
    [{ ...body, team: 'a', platform: 'aws' }, 400, /one of platform, profile and team/],
    [{ ...body, until: inHours(-1) }, 422, /within 30 days/],
    [{ ...body, until: inHours(24 * 31) }, 422, /within 30 days/],
    [{ ...body, profile: 'aws-minimal' }, 404, /there is no profile aws-minimal; there are .*aws-minimal-test/],
  ]
  for (const [wrong, status, says] of refusals) {
    const answer = await set(wrong)
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.stringMatching(says)])
  }
  expect((await resume('destroys')).body).toMatchObject({ isChanged: false, items: [] })
})

it(
  'an install that lost its worker is carried on in a pause; one that made nothing waits',
  { timeout: 120_000 },
  async () => {
    await h.close()
    h = await openHarness({ speed: 1000, leaseSeconds: 10 })
    h.setFaults([{ cluster: 'begun', stage: 'bootstrap', attempt: 1, action: 'hang' }])
    const first = h.startProcess('work')
    const { cluster, job } = await h.requestCluster('begun')
    await eventually(async () => (await h.call('GET', `/jobs/${job.id}`)).body.attempts.at(-1)?.stage === 'bootstrap')
    await pause('creates')
    const later = await h.requestCluster('later')
    await held(later.job.id)
    first.kill('SIGKILL')
    await exitOf(first)
    h.startProcess('work')
    await h.reach(cluster.id, 'READY')
    expect((await h.call('GET', `/jobs/${job.id}`)).body.attempts[0].outcome).toBe('LOST')
    expect(await entryOf(later.job.id)).toMatchObject({ state: 'retry', retryCount: 0 })
    await resume('creates')
    await h.reach(later.cluster.id, 'READY')
    // Nobody here ran the schedule: the worker's process did.
    expect(await h.rows(`select count(*)::int as n from jobs where paused_by is not null`)).toEqual([{ n: 0 }])
  },
)

it('each verb says with dryRun=true what it would come to, and does nothing', async () => {
  const { cluster, job } = await h.requestCluster('looked-at')
  const rows = () => h.rows(`select id, status, paused_by from jobs order by id`)
  const before = await rows()
  const dry = (path: string, body?: object) => h.call('POST', `/api/v1${path}?dryRun=true`, body ? { body } : {})
  expect(await dry(`/jobs/${job.id}/cancel`)).toMatchObject({ status: 200, body: { effect: 'create-cancelled', status: 'CANCELLED' } }) // prettier-ignore
  expect(await dry(`/jobs/${job.id}/retry`)).toMatchObject({ status: 409, body: { code: 'NOT_IN_STATE' } })
  expect(await dry('/schedules/move-logs/run')).toMatchObject({ status: 200, body: { name: 'move-logs', isNew: true } })
  expect(await dry('/schedules/move-logs/run')).toMatchObject({ body: { isNew: true } })
  expect(await rows()).toEqual(before)
  await h.call('POST', `/jobs/${job.id}/cancel`, { key: newId('evt') })
  await h.rows(`update jobs set status = 'FAILED' where id = '${job.id}'`)
  expect(await dry(`/jobs/${job.id}/retry`)).toMatchObject({ status: 200, body: { effect: 'create-again', status: 'PENDING' } }) // prettier-ignore
  expect((await clusterOf(cluster.id)).status).toBe('FAILED')
})
