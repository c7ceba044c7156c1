// Off-hours: a look at many schedules, many clusters that wake at the same minute, and what a sleep and a waking add to
// the statements of a job.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import { keepHours, listDue, newForesight } from '../../src/clusters/keep-hours.ts'
import { forgetSleep } from '../../src/clusters/sleep.ts'
import { claimJob } from '../../src/jobs/claim.ts'
import { settleJob, type Outcome } from '../../src/jobs/settle.ts'
import { startWorker } from '../../src/worker/worker.ts'
import { ROOT } from '../harness.ts'
import { openBenchApp } from './app.ts'
import { medianOf, query, rateOf, startServer, type Ground } from './ground.ts'
import { fillJobs } from './operations.ts'
import type { Report } from './report.ts'
import { addClusters, msOf, openWithOne } from './time-and-money.ts'

const SCHEDULES = 2000
const WAKING = 200
const ROUNDS = 30
const MINUTE_MS = 60_000
const zones = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Sydney', 'America/St_Johns', 'UTC']

export async function measureHours(ground: Ground, report: Report): Promise<void> {
  await measureLook(ground, report)
  await measureStatements(ground, report)
  await measureWaking(ground, report)
}

async function measureLook(ground: Ground, report: Report): Promise<void> {
  const { app, url, close } = await openWithOne(ground, 'hours')
  try {
    const zone = `(array[${zones.map((each) => `'${each}'`).join(', ')}])[1 + n % ${zones.length}]`
    // No two are alike, and nothing is due of them: they sleep now.
    await addClusters(url, 'hh', SCHEDULES, {
      status: `'READY'`,
      off_hours: `jsonb_build_object('zone', ${zone}, 'awake', jsonb_build_array('00:00-' || to_char(interval '23 hours' + n % 59 * interval '1 minute', 'HH24:MI')))`,
    })
    // Half an hour into the night of none.
    const now = new Date(Date.UTC(2027, 0, 13, 8, 30))
    const foresight = newForesight()
    const cold = await msOf(() => listDue(app, foresight, now))
    const read = () =>
      app.db.$client.query({
        name: 'floor',
        text: `select id, status, off_hours, overrides, announced_for, wake_by, maintenance_until, destroy_at, protected_until from clusters
          where status <> 'DESTROYED' and (off_hours is not null or wake_by is not null or maintenance_until is not null)`,
      })
    const ratios: number[] = []
    let look = 0
    for (let round = 0; round <= ROUNDS; round++) {
      const floor = await msOf(read)
      look = await msOf(() => listDue(app, foresight, new Date(now.getTime() + round * 1000)))
      if (round > 0) ratios.push(look / floor)
    }
    report.figure(`the first look at ${SCHEDULES} schedules`, cold, 'ms')
    report.figure(`each further look at them`, look, 'ms')
    report.ratio('a look at schedules / an indexed read of their rows', medianOf(ratios), '≤ 1.5')
  } finally {
    await close()
  }
}

const outcomes: Record<string, { status: string; outcome: Outcome }> = {
  CREATE: { status: 'PENDING', outcome: { kind: 'succeeded', changes: { readyAt: new Date() } } },
  SCALE_WORKERS: { status: 'SCALING', outcome: { kind: 'succeeded', changes: { workerReplicas: 3 } } },
  HIBERNATE: { status: 'HIBERNATING', outcome: { kind: 'succeeded', changes: { hibernatedAt: new Date(), wakeBy: new Date() } } }, // prettier-ignore
  RESUME: { status: 'RESUMING', outcome: { kind: 'succeeded', changes: { hibernatedAt: null, wakeBy: null } } },
}

async function measureStatements(ground: Ground, report: Report): Promise<void> {
  const url = await ground.createDatabase('turns')
  const { app, close } = await openBenchApp(ground, url)
  let asked = 0
  const counted = new WeakSet<PoolClient>()
  app.db.$client.on('acquire', (client: PoolClient) => {
    if (counted.has(client)) return
    counted.add(client)
    const ask = client.query.bind(client) as (...given: unknown[]) => unknown
    client.query = ((...given: unknown[]) => (asked++, ask(...given))) as typeof client.query
  })
  try {
    await fillJobs(url, 0, Object.keys(outcomes).length)
    const rows = await query<{ id: string; cluster: string }>(
      url,
      'select id, cluster_id as cluster from jobs order by id',
    )
    const counts: Record<string, number> = {}
    for (const [index, [type, { status, outcome }]] of Object.entries(outcomes).entries()) {
      const { id = '', cluster = '' } = rows[index] ?? {}
      await query(url, 'update jobs set type = $1 where id = $2', [type, id])
      await query(url, 'update clusters set status = $1 where id = $2', [status, cluster])
      const record =
        type === 'RESUME' ? { record: (tx: Parameters<typeof forgetSleep>[0]) => forgetSleep(tx, cluster) } : {}
      const entry = await takeEntry(url, id)
      asked = 0
      const claim = await claimJob(app, { jobId: id, queueId: entry, retryCount: 0, retryLimit: 20 }, 'bench')
      if (!claim) throw new Error(`${type} was not claimed`)
      await settleJob(app, claim, { ...outcome, ...record })
      counts[type] = asked
    }
    report.figure('statements of claim and settle of a create', counts['CREATE'] ?? 0, '')
    const [first = 0, ...others] = Object.values(counts)
    report.ratio('statements that a turn adds to those of a create', Math.max(...others) - first, '≤ 1')
  } finally {
    await close()
  }
}

/** As a worker has it that has fetched it. */
async function takeEntry(url: string, jobId: string): Promise<string> {
  const [row] = await query<{ id: string }>(
    url,
    `update pgboss.job set state = 'active', started_on = now(), heartbeat_on = now() where name = 'cluster-jobs' and data ->> 'jobId' = $1 returning id`,
    [jobId],
  )
  if (!row) throw new Error('the queue does not have the job')
  return row.id
}

/** At the speed of real clouds, but for their making. */
async function measureWaking(ground: Ground, report: Report): Promise<void> {
  const url = await ground.createDatabase('waking')
  const cloudDir = mkdtempSync(join(ground.dir, 'cloud-'))
  const environment = { OCPCTL_SIM_CLOUD: cloudDir, OCPCTL_SIM_SPEED: '1000000' }
  const { app, close } = await openBenchApp(ground, url, { ...environment, OCPCTL_WORKER_CONCURRENCY: '8' })
  let worker: ChildProcess | undefined
  let server: Awaited<ReturnType<typeof startServer>> | undefined
  try {
    server = await startServer(ground, url, ROOT, 'serve', environment)
    const making = await startWorker(app)
    const ids: string[] = []
    for (let n = 0; n < WAKING; n++) {
      const body = { name: `wake-${n}`, platform: 'aws', profile: 'aws-off-hours', workerReplicas: 2 }
      const { cluster } = JSON.parse(await server.call('POST', '/api/v1/clusters', body)) as { cluster: { id: string } }
      ids.push(cluster.id)
    }
    await allAre(url, 'READY')
    // All go to sleep because somebody asks for it, until the next minute but one.
    const boundary = new Date(Math.ceil((Date.now() + 90_000) / MINUTE_MS) * MINUTE_MS)
    await query(url, `update clusters set off_hours = '{"zone": "UTC", "awake": ["00:00-23:59"]}',
      overrides = jsonb_build_array(jsonb_build_object('how', 'until', 'state', 'asleep', 'from', '2020-01-01T00:00:00Z', 'until', '${boundary.toISOString()}', 'by', 'bench'))`) // prettier-ignore
    await keepHours(app, newForesight())
    await allAre(url, 'HIBERNATED')
    await making.drain(60_000)
    const later = new Date(Math.ceil((Date.now() + 60_000) / MINUTE_MS) * MINUTE_MS)
    await query(
      url,
      `update clusters set overrides = jsonb_set(overrides, '{0,until}', to_jsonb('${later.toISOString()}'::text))`,
    )

    worker = spawn(process.execPath, ['src/main.ts', 'work'], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], DATABASE_URL: url, OCPCTL_SECRETS_KEY: ground.secretsKey, OCPCTL_DATA_DIR: app.config.dataDir, OCPCTL_PROFILES: join(ground.dir, 'profiles'), ...environment, OCPCTL_SIM_SPEED: '1', OCPCTL_LOG_LEVEL: 'error', PORT: '0' }, // prettier-ignore
      stdio: 'inherit',
    })
    const look = (n: number) => server?.call('GET', `/api/v1/clusters/${ids[n % ids.length]}`) ?? Promise.resolve('')
    let n = 0
    await rateOf(() => look(n++), 2, 500)
    const idle = await rateOf(() => paced(look(n++)), 2, 500)
    await setTimeout(Math.max(0, later.getTime() - 20_000 - Date.now()))
    const started = untilStarted(cloudDir)
    const waking = rateOf(() => paced(look(n++)), 2, 2500)
    const lastMs = await started
    const { p99Ms } = await waking
    report.figure(
      `${WAKING} clusters that wake at the same minute: the last machine is told after`,
      (lastMs - later.getTime()) / 1000,
      's',
    )
    report.ratio("the API's p99 meanwhile / while nothing happens", p99Ms / idle.p99Ms, '≤ 2')
  } finally {
    worker?.kill('SIGTERM')
    if (worker) await once(worker, 'exit')
    await server?.stop()
    await close()
  }
}

/** A portal asks some times a second. */
const paced = async (asked: Promise<unknown>) => {
  await asked
  await setTimeout(20)
}

async function allAre(url: string, status: string): Promise<void> {
  for (;;) {
    const [row] = await query<{ n: number }>(url, 'select count(*)::int as n from clusters where status <> $1', [
      status,
    ])
    if (row?.n === 0) return
    await setTimeout(500)
  }
}

/** The time of the last order to start, once every machine has one. */
async function untilStarted(cloudDir: string): Promise<number> {
  for (;;) {
    await setTimeout(500)
    const machines = readdirSync(join(cloudDir, 'resources')).flatMap(
      (home) =>
      readdirSync(join(cloudDir, 'resources', home))
        .filter((file) => file.startsWith('instance-') && !file.includes('profile'))
        .map((file) => (JSON.parse(readFileSync(join(cloudDir, 'resources', home, file), 'utf8')) as { machine?: { state: string; startedAt?: string } }).machine), // prettier-ignore
    )
    if (machines.every((machine) => machine?.state === 'running')) return Math.max(...machines.map((machine) => Date.parse(machine?.startedAt ?? ''))) // prettier-ignore
  }
}
