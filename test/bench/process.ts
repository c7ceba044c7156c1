// What a process weighs, and how long it takes to start.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { ROOT } from '../harness.ts'
import { medianOf, newRequest, query, rateOf, startServer, type Ground } from './ground.ts'
import type { Report } from './report.ts'

const REQUESTS = 20_000
const STARTS = 3

export const residentMb = (pid: number) =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

export async function measureMemory(ground: Ground, report: Report, baseline: string | undefined): Promise<void> {
  const weigh = async (name: string, tree: string) => {
    const server = await startServer(ground, await ground.createDatabase(name), tree)
    await server.call('GET', '/api/v1/clusters')
    const idle = residentMb(server.pid)
    for (let n = 0; n < 200; n++) await server.call('POST', '/api/v1/clusters', newRequest())
    await rateOf(() => server.call('GET', '/api/v1/clusters?limit=50'), 16, REQUESTS)
    const after = residentMb(server.pid)
    await server.stop()
    return { idle, after }
  }
  const ours = await weigh('memory', ROOT)
  report.figure('memory of an API process, idle', ours.idle, 'MiB')
  report.figure(`memory of it after ${REQUESTS} requests`, ours.after, 'MiB')
  if (baseline === undefined) return
  const before = await weigh('memory_before', baseline)
  report.ratio('memory / older build, idle', ours.idle / before.idle, '≤ 0.6')
  report.ratio(`memory / older build, after ${REQUESTS} requests`, ours.after / before.after, '≤ 0.6')
}

/** With so many installers, which are processes of their own. */
const INSTALLS = 200

export async function measureWorker(ground: Ground, report: Report): Promise<void> {
  const url = await ground.createDatabase('worker')
  const server = await startServer(ground, url, ROOT, 'all', {
    OCPCTL_WORKER_CONCURRENCY: String(INSTALLS),
    OCPCTL_DRAIN_TIMEOUT: '0',
    // An install lasts longer than the measure.
    OCPCTL_SIM_SPEED: '1',
  })
  await server.call('GET', '/api/v1/clusters')
  const idle = residentMb(server.pid)
  for (let n = 0; n < INSTALLS; n++) await server.call('POST', '/api/v1/clusters', newRequest())
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, residentMb(server.pid))), 100)
  // All of them create, each with an attempt that has come to its first log lines.
  const isRunning = async () =>
    Number((await query<{ n: string }>(url, 'select count(distinct job_id) as n from job_log_chunks'))[0]?.n) ===
    INSTALLS
  while (!(await isRunning())) await setTimeout(500)
  clearInterval(watch)
  await server.stop()
  report.figure(`memory of a process with ${INSTALLS} installs beyond idle (goal ≤ 80)`, most - idle, 'MiB')
}

export async function measureStart(ground: Ground, report: Report): Promise<void> {
  const first: number[] = []
  const again: number[] = []
  for (let n = 0; n < STARTS; n++) {
    const [alone, all] = [join(ground.dir, `alone-${n}`), join(ground.dir, `all-${n}`)]
    mkdirSync(alone)
    const floors = [await secondsOf(() => startAlone(alone)), await secondsOf(() => startAlone(alone))]
    const ours = [await secondsOf(() => startAll(all)), await secondsOf(() => startAll(all))]
    first.push((ours[0] ?? 0) - (floors[0] ?? 0))
    again.push((ours[1] ?? 0) - (floors[1] ?? 0))
  }
  report.figure('start, first time, beyond PostgreSQL alone (goal ≤ 1.5)', medianOf(first), 's')
  report.figure('start, again, beyond PostgreSQL alone (goal ≤ 1.5)', medianOf(again), 's')
}

/** Of the start alone: what it gives is closed after that. */
async function secondsOf(start: () => Promise<() => Promise<unknown>>): Promise<number> {
  const from = performance.now()
  const stop = await start()
  const seconds = (performance.now() - from) / 1000
  await stop()
  return seconds
}

const startAlone = async (dir: string) => (await startEmbeddedPostgres(dir)).stop

async function startAll(dir: string): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, ['src/main.ts', 'all'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], OCPCTL_DATA_DIR: dir, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.includes('the API is ready') && resolve())
    child.once('exit', () => reject(new Error('it ended before it was ready')))
  })
  return () =>
    new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.kill('SIGINT')
    })
}
