// What the clock does, killed with -9 in the middle of it: nothing is lost, and nothing is done twice.
import { spawn } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { warnOfEnds } from '../src/clusters/warnings.ts'
import { startTelling } from '../src/cron/telling.ts'
import { moveLogs } from '../src/jobs/stored-log.ts'
import { publishNotices } from '../src/notices/publish.ts'
import { readCost } from '../src/usage/report.ts'
import { rollUpDays, sampleUsage } from '../src/usage/series.ts'
import { eventually, exitOf, openHarness, ROOT, type Harness } from './harness.ts'

let h: Harness
let receiver: Server
let url: string
const received: string[] = []

beforeAll(async () => {
  receiver = createServer((request, response) => {
    received.push(String(request.headers['webhook-id']))
    request.resume()
    response.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => receiver.once('listening', resolve))
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` // it listens on TCP
  h = await openHarness({ environment: { OCPCTL_WEBHOOK_ALLOW: '127.0.0.0/8' } })
})
afterAll(async () => {
  await h.close()
  receiver.closeAllConnections()
  receiver.close()
})

const start = (piece: string, point: string) =>
  spawn(process.execPath, ['test/die-in.ts', piece, point], { cwd: ROOT, env: h.environment, stdio: ['ignore', 'ignore', 'inherit'] }) // prettier-ignore
const dieIn = async (piece: string, point: string) => expect(await exitOf(start(piece, point))).toBe('SIGKILL')
const count = async (what: string) => Number((await h.rows<{ n: string }>(`select count(*) as n from ${what}`))[0]?.n)

it.each(['before', 'after'])('a pass of warnings, killed %s its commit, warns once', async (point) => {
  const { cluster } = await h.requestCluster(`warned-${point}`, { ttlHours: 3 })
  await h.rows(`update clusters set destroy_at = now() + interval '1 hour', end_set_at = now() - interval '2 hours', warn_at = now() - interval '1 hour' where id = '${cluster.id}'`) // prettier-ignore
  await dieIn('warn', point)
  const written = () => count(`notices where type = 'cluster.end_near' and cluster_id = '${cluster.id}'`)
  expect(await written()).toBe(point === 'before' ? 0 : 1)
  await warnOfEnds(h.app)
  expect(await written()).toBe(1)
  expect(await count(`cluster_warnings where cluster_id = '${cluster.id}'`)).toBe(1)
})

it.each(['before', 'after'])(
  'the handing on of notices, killed %s its commit, makes each delivery once',
  async (point) => {
    await publishNotices(h.app)
    const body = { team: '*', url, types: ['cluster.requested'] }
    const { id } = (await h.call('POST', '/api/v1/webhooks', { body })).body
    await h.requestCluster(`handed-${point}`)
    await dieIn('publish', point)
    expect(await count(`webhook_deliveries where webhook_id = '${id}'`)).toBe(point === 'before' ? 0 : 1)
    await publishNotices(h.app)
    expect(await count(`webhook_deliveries where webhook_id = '${id}'`)).toBe(1)
    expect(await count(`pgboss.job where name = 'webhook-deliveries' and singleton_key like '${id}:%'`)).toBe(1)
    await h.call('DELETE', `/api/v1/webhooks/${id}`)
  },
)

it('a delivery, killed when the target has it and nobody knows, comes again with the same id', async () => {
  const body = { team: '*', url, types: ['cluster.requested'] }
  const { id } = (await h.call('POST', '/api/v1/webhooks', { body })).body
  await h.requestCluster('delivered')
  await publishNotices(h.app)
  received.length = 0
  await dieIn('deliver', 'before')
  expect(received.length).toBe(1)
  expect(await h.rows(`select status, tries from webhook_deliveries where webhook_id = '${id}'`)).toEqual([{ status: 'PENDING', tries: 0 }]) // prettier-ignore
  // The queue waits for its process for a minute.
  await h.rows(`update pgboss.job set started_on = now() - interval '2 minutes' where name = 'webhook-deliveries' and state = 'active'`) // prettier-ignore
  const stop = await startTelling(h.app)
  await eventually(async () => {
    await h.rows(`update pgboss.job set start_after = now() where name = 'webhook-deliveries' and state = 'retry'`)
    const [row] = await h.rows<{ status: string }>(`select status from webhook_deliveries where webhook_id = '${id}'`)
    return row?.status === 'DELIVERED'
  })
  await stop()
  expect(received.length).toBe(2)
  expect(new Set(received).size).toBe(1)
  await h.call('DELETE', `/api/v1/webhooks/${id}`)
})

it('the sampling, killed in its statement, changes no sum', async () => {
  const { cluster } = await h.requestCluster('sampled')
  await h.rows(`update clusters set status = 'READY' where id = '${cluster.id}'`)
  await h.rows(`update usage_samples set at = at - interval '2 hours' where cluster_id = '${cluster.id}'`)
  const client = await h.app.db.$client.connect()
  try {
    await client.query('begin; lock table usage_samples in access exclusive mode')
    const child = start('sample', '')
    await eventually(async () => (await count(`pg_locks where relation = 'usage_samples'::regclass and not granted`)) > 0) // prettier-ignore
    child.kill('SIGKILL')
    await exitOf(child)
    await client.query('rollback')
  } finally {
    client.release()
  }
  const { usd: before } = await readCost(h.app.db, cluster.id)
  expect(before).toBeGreaterThan(1.6)
  await sampleUsage(h.app)
  await sampleUsage(h.app)
  expect((await readCost(h.app.db, cluster.id)).usd - before).toBeLessThan(0.05)
})

it.each(['before', 'after'])('the summing of a day, killed %s its commit, sums each day once', async (point) => {
  const { cluster } = await h.requestCluster(`summed-${point}`)
  await h.rows(`update clusters set created_at = now() - interval '3 days' where id = '${cluster.id}'`)
  await h.rows(`insert into usage_samples (cluster_id, at, status, nodes, vcpu, usd_per_hour)
    values ('${cluster.id}', now() - interval '3 days', 'READY', 3, 12, 0.84)`)
  await h.rows(`delete from usage_days; delete from usage_days_rolled`)
  await dieIn('roll-up', point)
  expect(await count('usage_days_rolled')).toBe(point === 'before' ? 0 : 1)
  await rollUpDays(h.app)
  await rollUpDays(h.app)
  const rows = await h.rows<{
    usd: string
  }>(`select sum(usd_seconds) / 3600 as usd from usage_days where cluster_id = '${cluster.id}'
    and day between (now() at time zone 'utc')::date - 2 and (now() at time zone 'utc')::date - 1`)
  expect(Number(rows[0]?.usd)).toBeCloseTo(48 * 0.84, 3)
})

it.each(['before', 'after'])('the move of a log, killed %s its commit, keeps every line once', async (point) => {
  const worker = await h.startWorker()
  const { cluster, job } = await h.requestCluster(`moved-${point}`)
  await h.reach(cluster.id, 'READY')
  await worker.drain(0)
  const lines = (await h.call('GET', `/jobs/${job.id}/log`)).body.items
  expect(lines.length).toBeGreaterThan(50)
  await h.rows(`update jobs set ended_at = ended_at - interval '1 hour' where id = '${job.id}'`)
  await dieIn('move-log', point)
  expect((await count(`job_log_chunks where job_id = '${job.id}'`)) > 0).toBe(point === 'before')
  expect((await h.call('GET', `/jobs/${job.id}/log`)).body.items).toEqual(lines)
  await moveLogs(h.app)
  expect(await count(`job_log_chunks where job_id = '${job.id}'`)).toBe(0)
  expect((await h.call('GET', `/jobs/${job.id}/log`)).body.items).toEqual(lines)
  expect(await count(`cluster_artifacts where kind = 'log' and cluster_id = '${cluster.id}'`)).toBe(1)
  const stored: string[] = []
  for await (const key of h.app.store.list(`logs/${job.id}`)) stored.push(key)
  // What the dead process stored, or is stored twice, goes by the queue, which was told of it before.
  expect(stored.length).toBe(point === 'before' ? 2 : 1)
  for (const key of stored)
    expect(await count(`pgboss.job where name = 'discard-artifacts' and data ->> 'key' = '${key}'`)).toBe(1)
})
