// One run: the ground, the load, the adversary, the end, and what the evidence says of it.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startS3Server, type S3Server } from '../s3-server.ts'
import { startAdversary, type Adversary, type Fault } from './adversary.ts'
import { checkEvidence, type Breaches } from './checker.ts'
import { collectEvidence, listResources, type Evidence } from './evidence.ts'
import { startFleet, type Fleet } from './fleet.ts'
import { startLoad, type Load } from './load.ts'
import { measure, type Measures } from './measures.ts'
import { DATABASE as NEIGHBOUR, startNeighbour } from './neighbour.ts'
import { faketimeOf, startPostgres, type Postgres } from './postgres.ts'
import { seeded } from './random.ts'
import { witnessSql } from './witness.ts'

const execute = promisify(execFile)
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export type ChaosOptions = {
  seed: number
  adversityMs: number
  /** Everything must be destroyed this long after the adversary stopped; no state that moves may last longer. */
  boundMs: number
  /** Clusters alive at a time. */
  alive: number
  faultsPerMinute: number
  /** Installer faults that take a minute or more of real time. */
  slowFaults: boolean
  /** The tree whose service is run; it is copied first, so that it may change meanwhile. */
  source: string
  /** Keeps the directory of the run in any case. */
  keep: boolean
  say: (line: string) => void
  signal?: AbortSignal
}

export type Report = {
  seed: number
  startedAt: string
  seconds: { adversity: number; settling: number; whole: number }
  isSettled: boolean
  counts: Record<keyof Breaches, number>
  breaches: Breaches
  faultsByKind: Record<string, number>
  clusters: {
    requested: number
    created: number
    ready: number
    destroyed: number
    failed: number
    destroyFailed: number
  }
  requests: { sent: number; repeated: number; answered: Record<string, number>; replayed: number }
  installerRuns: Record<string, number>
  attempts: Record<string, number>
  measures: Measures
  unexpectedEnds: { seconds: number; name: string; end: string; trouble: string | undefined }[]
  ends: { name: string; end: string }[]
  faults: (Fault & { seconds: number })[]
  /** Where the run's files are, unless it was clean. */
  dir: string | undefined
}

const LEASE_SECONDS = 10
const SIMULATED_PULL_SECRET_AUTH = 'c2ltdWxhdGVkOm5vdC1hLXNlY3JldA=='

export async function runChaos(options: ChaosOptions): Promise<Report> {
  const { say, signal } = options
  const startedAt = Date.now()
  const seconds = (at = Date.now()) => Math.round((at - startedAt) / 100) / 10
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-chaos-'))
  chmodSync(dir, 0o755) // as root, PostgreSQL runs as another account
  const closers: (() => Promise<unknown>)[] = []
  let report: Report | undefined
  try {
    signal?.throwIfAborted()
    const product = copyProduct(options.source, dir)
    const postgres = await startPostgres(join(dir, 'postgres'), [NEIGHBOUR])
    if (!postgres.stepClock) say('no clock is stepped: install libfaketime (apt-get install libfaketime)')
    closers.push(() => postgres.close())
    const store = await startS3Server()
    closers.push(() => store.close())
    const secrets = {
      token: `ocp_${randomBytes(32).toString('base64url')}`,
      key: randomBytes(32).toString('base64'),
    }
    const cloudDir = join(dir, 'cloud')
    const environment = environmentOf({ dir, cloudDir, product, store, secrets })
    await execute(process.execPath, ['src/main.ts', 'migrate'], {
      cwd: product,
      env: { ...environment, DATABASE_URL: postgres.urlAt(postgres.port, 'migrate'), OCPCTL_DATA_DIR: dir },
    })
    await postgres.rows(witnessSql(LEASE_SECONDS))
    const library = postgres.faketime
    const clock = library ? { clock: (file: string) => faketimeOf(library, file) } : {}
    const fleet = await startFleet({ dir, product, postgres, workers: 3, servers: 2, environment, ...clock })
    closers.push(() => fleet.killAll())
    const urls = fleet.members.filter((member) => member.role === 'serve').map((member) => member.url)
    await Promise.all(urls.map((url) => answers(url, signal)))
    say(`[${seconds()} s] the service runs: 3 workers, 2 APIs, PostgreSQL, a store; files in ${dir}`)

    const random = seeded(options.seed)
    const passwords = watchPasswords(dir)
    closers.push(async () => passwords.stop())
    const load = startLoad(
      {
        urls,
        token: secrets.token,
        faultsFile: join(dir, 'faults.yaml'),
        alive: options.alive,
        slowFaults: options.slowFaults,
        rows: postgres.rows,
        countLeft: async () => (await listResources(cloudDir)).filter((file) => !/\/twin-/.test(file)).length,
      },
      random.fork('load'),
    )
    closers.push(async () => load.abort())
    signal?.addEventListener('abort', () => load.abort())
    const neighbour = await startNeighbour(
      {
        dir,
        product,
        postgres,
        workers: 1,
        servers: 1,
        environment: {
          ...environment,
          OCPCTL_SECRETS_KEY: randomBytes(32).toString('base64'),
          OCPCTL_ARTIFACTS: 's3://chaos/neighbour',
          OCPCTL_SIM_FAULTS: join(dir, 'no-faults.yaml'),
        },
        token: secrets.token,
        cloudDir,
        livingNames: async () =>
          (await postgres.rows<{ name: string }>(`select name from clusters where status = 'READY'`)).map(
            ({ name }) => name,
          ),
      },
      random.fork('neighbour'),
    )
    closers.push(() => neighbour.fleet.killAll())
    const adversary = startAdversary(
      { fleet, postgres, store, journalFile: join(cloudDir, 'journal.ndjson'), leaseMs: LEASE_SECONDS * 1000 },
      random.fork('adversary'),
      options.faultsPerMinute,
    )
    closers.push(() => adversary.stop())
    const status = startStatus({ postgres, adversary, fleet, seconds, say })
    closers.push(async () => status.stop())

    const adversityFrom = Date.now()
    await pause(options.adversityMs, signal)
    await adversary.stop()
    const adversityMs = Date.now() - adversityFrom
    say(`[${seconds()} s] the adversary stops after ${adversary.faults.length} faults; all is destroyed`)
    const seenByNeighbour = await neighbour.finish()
    const { settledAfterMs, isSettled } = await load.finish(options.boundMs)
    const [events] = await postgres.rows<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity where application_name = 'ocpctl-events'`,
    )
    await neighbour.fleet.drain()
    signal?.throwIfAborted()
    status.stop()
    passwords.stop()
    const ends = await fleet.drain()
    const evidence = await collectEvidence(
      { dir, cloudDir, rows: postgres.rows, logFiles: fleet.members.map((member) => member.logFile) },
      {
        stored: new Set([...store.objects.keys()].map((name) => name.replace(/^chaos\/state\//, ''))),
        secrets: [
          { name: 'the administrator’s token', value: secrets.token },
          { name: 'the secrets key', value: secrets.key },
          { name: 'the database password', value: postgres.password },
          { name: 'the store’s key', value: store.credentials.secretAccessKey },
          { name: 'a pull secret’s credential', value: SIMULATED_PULL_SECRET_AUTH },
          ...[...passwords.seen].map((value) => ({ name: 'a kubeadmin password', value })),
        ],
        instances: fleet.instances,
        ends,
        answers: load.answers,
        faults: adversary.faults,
        lost: adversary.lost,
        eventConnections: {
          count: events?.count ?? 0,
          processes: fleet.members.length + neighbour.fleet.members.length,
        },
        neighbour: seenByNeighbour,
        leaseMs: LEASE_SECONDS * 1000,
        boundMs: options.boundMs,
      },
    )
    const breaches = checkEvidence(evidence)
    report = {
      seed: options.seed,
      startedAt: new Date(startedAt).toISOString(),
      seconds: { adversity: adversityMs / 1000, settling: settledAfterMs / 1000, whole: seconds() },
      isSettled,
      counts: Object.fromEntries(
        Object.entries(breaches).map(([name, found]) => [name, found.length]),
      ) as Report['counts'], // of the same keys
      breaches,
      ...summarize(evidence, load),
      measures: measure(evidence),
      unexpectedEnds: fleet.unexpectedEnds.map(({ at, ...end }) => ({ seconds: seconds(at), ...end })),
      ends,
      faults: adversary.faults.map((fault) => ({ seconds: seconds(fault.at), ...fault })),
      dir: undefined,
    }
    return report
  } finally {
    for (const close of closers.toReversed())
      await close().catch((error: unknown) => say(`closing failed: ${String(error)}`))
    await killLeftovers(dir)
    const isClean = report !== undefined && Object.values(report.counts).every((count) => count === 0)
    if (isClean && !options.keep) rmSync(dir, { recursive: true, force: true })
    else {
      if (report) report.dir = dir
      say(`the run's files are kept in ${dir}`)
    }
  }
}

function copyProduct(source: string, dir: string): string {
  const product = join(dir, 'product')
  mkdirSync(product)
  for (const name of ['src', 'bin', 'drizzle', 'profiles', 'package.json'])
    cpSync(join(source, name), join(product, name), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(product, 'node_modules'))
  return product
}

function environmentOf(ground: {
  dir: string
  cloudDir: string
  product: string
  store: S3Server
  secrets: { token: string; key: string }
}): Record<string, string> {
  const { store, secrets } = ground
  return {
    PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
    ...(process.env['NODE_COMPILE_CACHE'] ? { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] } : {}),
    ...(process.env['NODE_OPTIONS'] ? { NODE_OPTIONS: process.env['NODE_OPTIONS'] } : {}),
    HOME: ground.dir,
    OCPCTL_ADMIN_TOKEN: secrets.token,
    OCPCTL_SECRETS_KEY: secrets.key,
    OCPCTL_ARTIFACTS: 's3://chaos/state',
    OCPCTL_S3_ENDPOINT: store.endpoint,
    AWS_ACCESS_KEY_ID: store.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.credentials.secretAccessKey,
    AWS_REGION: store.region,
    OCPCTL_PROFILES: join(ground.product, 'profiles'),
    OCPCTL_SIM_CLOUD: ground.cloudDir,
    OCPCTL_SIM_FAULTS: join(ground.dir, 'faults.yaml'),
    OCPCTL_SIM_SPEED: '400',
    OCPCTL_LEASE_SECONDS: String(LEASE_SECONDS),
    OCPCTL_DRAIN_TIMEOUT: '3',
    OCPCTL_WORKER_CONCURRENCY: '6',
    OCPCTL_DB_POOL_MIN: '1',
    OCPCTL_DB_POOL_MAX: '10',
    OCPCTL_RATE_LIMIT_PER_MINUTE: '0',
    OCPCTL_RATE_LIMIT_ADDRESS_PER_MINUTE: '0',
    OCPCTL_LOG_LEVEL: 'info',
  }
}

/** The passwords that installers make, so that they can be looked for. */
function watchPasswords(dir: string) {
  const seen = new Set<string>()
  const look = async () => {
    for await (const file of glob(join(dir, 'hosts/*/work/*/*/auth/kubeadmin-password')))
      await readFile(file, 'utf8').then(
        (text) => text.trim() && seen.add(text.trim()),
        () => undefined, // gone again
      )
  }
  const timer = setInterval(() => void look().catch(() => undefined), 1000)
  return { seen, stop: () => clearInterval(timer) }
}

function startStatus(ground: {
  postgres: Postgres
  adversary: Adversary
  fleet: Fleet
  seconds: () => number
  say: (line: string) => void
}) {
  const show = async () => {
    const rows = await ground.postgres.rows<{ status: string; count: number }>(
      'select status, count(*)::int as count from clusters group by status order by status',
    )
    const troubles = ground.fleet.members.flatMap((member) =>
      member.trouble === undefined ? [] : [`${member.name} ${member.trouble}`],
    )
    ground.say(
      `[${ground.seconds()} s] ${rows.map(({ status, count }) => `${status} ${count}`).join(', ') || 'no clusters'}; ` +
        `${ground.adversary.faults.length} faults${troubles.length > 0 ? `; now: ${troubles.join(', ')}` : ''}`,
    )
  }
  const timer = setInterval(() => void show().catch(() => undefined), 5000)
  return { stop: () => clearInterval(timer) }
}

function summarize(
  { clusters, writes, faults, answers, journal, attempts }: Evidence,
  load: Load,
): Pick<Report, 'faultsByKind' | 'clusters' | 'requests' | 'installerRuns' | 'attempts'> {
  const tally = (names: string[]) =>
    Object.fromEntries([...Map.groupBy(names.sort(), (name) => name)].map(([name, same]) => [name, same.length]))
  const reached = (status: string) =>
    new Set(
      writes.filter((write) => write.table === 'clusters' && write.becomes === status).map((write) => write.clusterId),
    ).size
  return {
    faultsByKind: tally(faults.map((fault) => fault.kind)),
    clusters: {
      requested: load.names.length,
      created: clusters.length,
      ready: reached('READY'),
      destroyed: reached('DESTROYED'),
      failed: reached('FAILED'),
      destroyFailed: reached('DESTROY_FAILED'),
    },
    requests: {
      sent: load.sent.requests,
      repeated: load.sent.repeated,
      answered: tally(answers.map((answer) => `${answer.operation} ${answer.status}`)),
      replayed: answers.filter((answer) => answer.replayed).length,
    },
    installerRuns: tally(journal.flatMap((line) => (line.event === 'start' ? [line.command ?? ''] : []))),
    attempts: tally(attempts.map((attempt) => attempt.outcome ?? 'open')),
  }
}

async function answers(url: string, signal: AbortSignal | undefined): Promise<void> {
  for (const until = Date.now() + 60_000; Date.now() < until;) {
    signal?.throwIfAborted()
    const isUp = await fetch(`${url}/healthz`).then(
      (response) => response.ok,
      () => false,
    )
    if (isUp) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`no API answers at ${url}`)
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    })
  })
}

/** Whatever still runs out of the directory of this run, which nobody else uses. */
async function killLeftovers(dir: string): Promise<void> {
  const { stdout } = await execute('ps', ['-eo', 'pid=,args='], { maxBuffer: 16 * 1024 * 1024 })
  for (const line of stdout.split('\n')) {
    const pid = Number(line.trim().split(/\s/, 1)[0])
    if (!line.includes(dir) || pid === process.pid || !(pid > 1)) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
}
