// What runs from the queue and fails: it is told, it comes back later and later, and it holds up nothing else.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { uuidOf } from '../src/ids.ts'
import { openQueue } from '../src/queue/pg-boss.ts'
import type { Queue } from '../src/queue/queue.ts'
import type { Log } from '../src/observability/log.ts'
import { startWorker } from '../src/worker/worker.ts'
import { eventually, openHarness, type Harness } from './harness.ts'

let h: Harness
let queue: Queue
let lines: { level: string; message: string; err: Error; queue?: string; jobId?: string; failuresSoFar?: number }[]
beforeEach(async () => {
  h = await openHarness()
  lines = []
  const note =
    (level: string) =>
    (about: object, message = '') =>
      void lines.push({ level, message, ...(about as { err: Error }) }) // as the log is called
  const log = { warn: note('warn'), error: note('error'), info: note('info') } as unknown as Log // what the queue uses of it
  queue = await openQueue({ url: h.url, log, name: 'told', max: 4 })
})
afterEach(async () => {
  await queue.close()
  await h.close()
})

it('a delivery that ends without a settle comes back with a growing delay that no wake-up cuts short', async () => {
  const { job } = await h.requestCluster('later')
  let deliveries = 0
  const others: string[] = []
  await queue.work({ installers: 1, turns: 1 }, async ({ jobId }) => {
    if (jobId !== job.id) return void others.push(jobId)
    deliveries++
    throw new Error('no room in the database')
  })
  const waits: number[] = []
  for (let round = 1; round <= 3; round++) {
    const wait = await eventually(async () => {
      const [entry] = await h.rows<{ count: number; seconds: number }>(
        `select retry_count as count, extract(epoch from start_after - completed_at)::float8 as seconds from (
          select retry_count, start_after, now() as completed_at, state from pgboss.job where id = '${uuidOf(job.id)}') e
        where state = 'retry' and retry_count = ${round - 1}`,
      )
      return deliveries === round && entry !== undefined && entry.seconds
    })
    waits.push(wait)
    const startAfter = (when: string) => h.rows(`update pgboss.job set start_after = ${when} where id = '${uuidOf(job.id)}'`) // prettier-ignore
    await startAfter(`now() + interval '1 hour'`)
    // Whoever fetches this one, the newest, would have fetched the first before it.
    const { job: other } = await h.requestCluster(`other-${round}`)
    queue.wake()
    await eventually(() => others.includes(other.id))
    expect(deliveries).toBe(round)
    await startAfter('now()')
  }
  expect(waits[0]).toBeGreaterThan(0.5)
  expect(waits[2]).toBeGreaterThan(waits[0] ?? 0)
  expect(Math.max(...waits)).toBeLessThanOrEqual(60)
  expect(lines.filter(({ level }) => level === 'error')).toMatchObject(
    [1, 2, 3].map((failuresSoFar) => ({ queue: 'cluster-jobs', jobId: job.id, failuresSoFar, err: { message: 'no room in the database' } })), // prettier-ignore
  )
})

it('a claim that fails leaves its cause in the job, and the job goes on when the cause is gone', async () => {
  await h.rows(`create function refuse_attempt() returns trigger language plpgsql as $$ begin raise exception 'no slot is left'; end $$`) // prettier-ignore
  await h.rows('create trigger refuse before insert on job_attempts for each row execute function refuse_attempt()')
  const { cluster, job } = await h.requestCluster('refused')
  const worker = await startWorker({ ...h.app, queue })
  await eventually(async () => (await h.call('GET', `/jobs/${job.id}`)).body.message !== null)
  expect((await h.call('GET', `/jobs/${job.id}`)).body).toMatchObject({
    status: 'PENDING',
    message: 'it could not begin: no slot is left',
  })
  await h.rows('drop trigger refuse on job_attempts')
  await h.reach(cluster.id, 'READY')
  expect((await h.call('GET', `/jobs/${job.id}`)).body).toMatchObject({ status: 'SUCCEEDED', message: null })
  await worker.drain(0)
})

it('a job that no delivery ends is settled with the last cause', async () => {
  const { job } = await h.requestCluster('never')
  await h.rows(`update pgboss.job set retry_limit = 0 where id = '${uuidOf(job.id)}'`)
  const told = new Promise<unknown[]>((resolve) => void queue.workDead(async (...given) => resolve(given)))
  await queue.work({ installers: 1, turns: 1 }, async () => {
    throw new Error('no room in the database')
  })
  expect(await told).toEqual([job.id, 'no room in the database'])
})

it('a scheduled run that fails is told', async () => {
  await queue.schedule('sometimes', '0 0 1 1 *', async () => {
    throw new Error('out of order')
  })
  await queue.runNow('sometimes')
  await eventually(() => lines.some((line) => line.queue === 'sometimes' && line.err.message === 'out of order'))
})

it('one artifact that cannot be deleted does not hold up the rest of its batch', async () => {
  const keys = ['a', 'b', 'c']
  for (const key of keys) await queue.discardArtifact(h.app.db, key, 0)
  const discarded: string[] = []
  await queue.workDiscards(async (key) => {
    if (key === 'a') throw new Error('the bucket refuses it')
    discarded.push(key)
  })
  await eventually(() => discarded.length === 2)
  expect(discarded.toSorted()).toEqual(['b', 'c'])
  await eventually(
    async () =>
      (await h.rows(`select data ->> 'key' as key from pgboss.job where name = 'discard-artifacts' and state = 'completed'`)).length === 2, // prettier-ignore
  )
  await eventually(async () => {
    const [row, ...more] = await h.rows<{ key: string; state: string }>(`select data ->> 'key' as key, state from pgboss.job where name = 'discard-artifacts' and state <> 'completed'`) // prettier-ignore
    return more.length === 0 && row?.key === 'a' && row.state === 'retry'
  })
  expect(lines.filter(({ level }) => level === 'error')).toMatchObject([{ queue: 'discard-artifacts', key: 'a' }])
})

it('what waits in the queue of dead letters is not deleted when it has waited for long', async () => {
  const rows = await h.rows<{ name: string; days: number }>(
    `select name, retention_seconds / 86400 as days from pgboss.queue where name in ('cluster-jobs', 'cluster-jobs-dead', 'discard-artifacts')`, // prettier-ignore
  )
  expect(rows).toHaveLength(3)
  expect(rows.every(({ days }) => days >= 365)).toBe(true)
})

it('after a step of the clock back, the schedules run at once and not when it is past where it was', async () => {
  const runs: string[] = []
  await queue.schedule('each-minute', '* * * * *', async () => void runs.push('minute'))
  await queue.schedule('each-year', '0 0 1 1 *', async () => void runs.push('year'))
  await queue.runNow('each-year')
  await queue.runNow('each-minute')
  await eventually(() => runs.length >= 2)
  await eventually(async () => (await h.rows(`select 1 from pgboss.job where name in ('each-minute', 'each-year') and state <> 'completed'`)).length === 0) // prettier-ignore
  expect(await queue.catchUp(h.app.db)).not.toContain('each-minute')
  // As if the clock had been an hour ahead until now.
  await h.rows(`update pgboss.version set cron_on = now() + interval '1 hour'`)
  await h.rows(
    `update pgboss.queue set maintain_on = now() + interval '1 hour', monitor_on = now() + interval '1 hour'`,
  )
  await h.rows(`update pgboss.job set created_on = created_on + interval '1 hour', completed_on = completed_on + interval '1 hour' where name = 'each-minute'`) // prettier-ignore
  runs.length = 0
  const late = await queue.catchUp(h.app.db)
  expect([late.includes('each-minute'), late.includes('each-year')]).toEqual([true, false])
  await eventually(() => runs.includes('minute'))
  expect(await h.rows(`select 1 from pgboss.version where cron_on > now() + interval '5 seconds'`)).toEqual([])
  expect(await h.rows(`select 1 from pgboss.queue where maintain_on > now() + interval '5 seconds' or monitor_on > now() + interval '5 seconds'`)).toEqual([]) // prettier-ignore
  // Asked at once by many processes, it still runs once.
  await h.rows(`update pgboss.job set created_on = created_on + interval '1 hour' where name = 'each-minute'`)
  await Promise.all(Array.from({ length: 5 }, () => queue.catchUp(h.app.db)))
  expect((await h.rows(`select 1 from pgboss.job where name = 'each-minute' and created_on < now() + interval '1 second'`)).length).toBeLessThanOrEqual(1) // prettier-ignore
})
