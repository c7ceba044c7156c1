// Lines of many jobs are stored together, each under its own fence.
import { Client } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { claimJob, type Claim } from '../src/jobs/claim.ts'
import { LockLost } from '../src/jobs/lock.ts'
import { openJobLogs } from '../src/jobs/log.ts'
import { readLog } from '../src/jobs/queries.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
})
afterAll(() => h.close())

async function claim(name: string): Promise<Claim> {
  const { job } = await h.requestCluster(name)
  const [entry] = await h.rows<{ id: string }>(
    `update pgboss.job set state = 'active', started_on = now() where data ->> 'jobId' = '${job.id}' returning id::text`,
  )
  const claimed = await claimJob(
    h.app,
    { jobId: job.id, queueId: entry?.id ?? '', retryCount: 0, retryLimit: 20 },
    'test',
  )
  if (!claimed) throw new Error('not claimed')
  return claimed
}

const stored = async (jobId: string) => {
  const { body } = await h.call('GET', `/jobs/${jobId}/log`)
  return (body.items as { seq: number; message: string }[]).map(({ seq, message }) => `${seq} ${message}`)
}
const some = (count: number) => Array.from({ length: count }, (_, n) => `line ${n + 1}`)
const numbered = (count: number) => some(count).map((line, n) => `${n + 1} ${line}`)

it('a lock that somebody works with holds up the lines of its own job alone', async () => {
  const logs = openJobLogs(h.app)
  const [one, two] = [await claim('held'), await claim('free')]
  const [first, second] = [await logs.open(one.lock), await logs.open(two.lock)]
  const other = new Client({ connectionString: h.url })
  await other.connect()
  await other.query('begin')
  await other.query('select 1 from job_locks where cluster_id = $1 for update', [one.lock.clusterId])
  for (const line of some(700)) for (const log of [first, second]) log.write('info', line)
  await eventually(async () => (await stored(two.job.id)).length === 700)
  expect(await stored(one.job.id)).toEqual([])
  await other.query('commit')
  await other.end()
  await eventually(async () => (await stored(one.job.id)).length === 700)
  expect(await stored(one.job.id)).toEqual(numbered(700))
  expect(await stored(two.job.id)).toEqual(numbered(700))
  await Promise.all([first.close(), second.close()])
})

it('no line is stored once the lock has moved on', async () => {
  const logs = openJobLogs(h.app)
  const [lost, living] = [await claim('lost'), await claim('living')]
  const [first, second] = [await logs.open(lost.lock), await logs.open(living.lock)]
  await h.rows(`delete from job_locks where cluster_id = '${lost.lock.clusterId}'`)
  for (const log of [first, second]) log.write('info', 'line 1')
  await eventually(async () => (await stored(living.job.id)).length === 1)
  await expect(first.flush()).rejects.toThrow(LockLost)
  expect(await stored(lost.job.id)).toEqual([])
  await expect(first.close()).rejects.toThrow(LockLost)
  await second.close()
})

it('what may have been stored when the answer was lost is stored once', async () => {
  const claimed = await claim('unsure')
  let breaks = true
  const { $client } = h.app.db
  const query = async (...args: unknown[]) => {
    const result: unknown = await Reflect.apply($client.query.bind($client), $client, args)
    const [asked] = args as [{ text?: string }]
    if (breaks && asked.text?.includes('job_log_chunks') && asked.text.includes('insert')) {
      breaks = false
      throw new Error('the answer was lost')
    }
    return result
  }
  const db = Object.assign(Object.create(h.app.db) as typeof h.app.db, {
    $client: Object.assign(Object.create($client) as typeof $client, { query }),
  })
  const log = await openJobLogs({ ...h.app, db }).open(claimed.lock)
  for (const line of some(3)) log.write('info', line)
  await eventually(() => !breaks)
  log.write('info', 'line 4')
  await log.flush()
  expect(await stored(claimed.job.id)).toEqual(numbered(4))
  await log.close()
})

it('a page has the lines that come next, however they lie in chunks', async () => {
  const { job } = await h.requestCluster('pages')
  // The first chunk was stored again as part of the second one.
  for (const [first, last] of [
    [1, 3],
    [1, 5],
    [6, 6],
    [7, 20],
    [21, 22],
  ])
    // prettier-ignore
    await h.rows(`insert into job_log_chunks (job_id, first_seq, last_seq, lines) select '${job.id}', ${first}, ${last},
      jsonb_agg(jsonb_build_object('seq', n, 'at', now(), 'level', 'info', 'message', 'line ' || n) order by n) from generate_series(${first}, ${last}) n`)
  for (const limit of [1, 2, 3, 6, 15, 1000])
    for (let after = 0; after <= 22; after++) {
      const lines = await readLog(h.app, job.id, after, limit)
      expect(lines.map(({ seq }) => seq)).toEqual(
        Array.from({ length: Math.min(limit, 22 - after) }, (_, n) => after + n + 1),
      )
    }
})
