// Log lines of many installers, to the database and to whoever reads along.
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { uuidOf } from '../../src/ids.ts'
import { claimJob, type Claim } from '../../src/jobs/claim.ts'
import { openJobLogs } from '../../src/jobs/log.ts'
import { openBenchApp } from './app.ts'
import { query, startServer, TOKEN, type Ground } from './ground.ts'
import { fillJobs } from './operations.ts'
import type { Report } from './report.ts'

const INSTALLERS = 200
const LINES_A_SECOND = 50
const SECONDS = 10
const READERS = 20

export async function measureLogs(ground: Ground, report: Report): Promise<void> {
  const url = await ground.createDatabase('logs')
  const { app, close } = await openBenchApp(ground, url)
  const server = await startServer(ground, url)
  const claims: Claim[] = []
  await fillJobs(url, 0, INSTALLERS)
  for (const { id } of await query<{ id: string }>(url, 'select id from jobs order by id')) {
    await query(url, `update pgboss.job set state = 'active', started_on = now() where id = $1`, [uuidOf(id)])
    const claim = await claimJob(app, { jobId: id, queueId: uuidOf(id), retryCount: 0, retryLimit: 20 }, 'bench')
    if (claim) claims.push(claim)
  }
  const logs = openJobLogs(app)
  const open = await Promise.all(claims.map(({ lock }) => logs.open(lock)))
  const readers = claims.slice(0, READERS).map(({ job }) => readAlong(`${server.url}/api/v1/jobs/${job.id}/log/stream`))
  await Promise.all(readers.map(({ begun }) => begun))
  const before = process.cpuUsage()
  const from = performance.now()
  for (let tick = 0; tick < SECONDS * LINES_A_SECOND; tick++) {
    for (const log of open) log.write('info', `sent ${Date.now()} ${'x'.repeat(100)}`)
    await setTimeout(Math.max(0, from + ((tick + 1) * 1000) / LINES_A_SECOND - performance.now()))
  }
  const spent = process.cpuUsage(before)
  const seconds = (performance.now() - from) / 1000
  await Promise.all(open.map((log) => log.flush()))
  const [row] = await query<{ n: number }>(url, 'select sum(last_seq - first_seq + 1)::int as n from job_log_chunks')
  const written = SECONDS * LINES_A_SECOND
  await Promise.all(readers.map(({ until }) => until(written)))
  const delays = readers.flatMap((reader) => reader.delays).toSorted((a, b) => a - b)
  for (const reader of readers) reader.stop()
  await server.stop()
  await close()
  report.figure('log lines written a second', (INSTALLERS * written) / seconds, '/s')
  report.figure('log lines lost', INSTALLERS * written - (row?.n ?? 0), '')
  report.figure('log lines, p99 to the reader (goal ≤ 500)', delays[Math.floor(delays.length * 0.99)] ?? 0, 'ms')
  const share = (spent.user + spent.system) / 1e6 / seconds
  report.figure('log lines, of one core of the worker (goal ≤ 50)', share * 100, '%')
}

function readAlong(url: string) {
  const delays: number[] = []
  const begun = Promise.withResolvers<void>()
  let heard = () => {}
  const asked = request(url, { headers: { authorization: `Bearer ${TOKEN}` } }, (response) => {
    begun.resolve()
    const lines = createInterface({ input: response })
    lines.on('error', () => undefined)
    lines.on('line', (line) => {
      const sentAt = /sent (\d+)/.exec(line)?.[1]
      if (sentAt === undefined) return
      delays.push(Date.now() - Number(sentAt))
      heard()
    })
  })
  asked.on('error', () => undefined) // it is cut in the end
  asked.end()
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      heard = () => {
        if (delays.length >= count) resolve()
      }
      heard()
    })
  return { delays, begun: begun.promise, until, stop: () => asked.destroy() }
}
