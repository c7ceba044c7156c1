// A whole service for one test: its own database, data directory and simulated cloud; real child processes, real bytes.
import { randomBytes } from 'node:crypto'
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { inject } from 'vitest'
import { stringify } from 'yaml'
import type { App } from '../src/app.ts'
import { createToken } from '../src/auth/api-tokens.ts'
import type { Scope } from '../src/auth/principal.ts'
import { rbacMappings } from '../src/auth/tables.ts'
import type { Role } from '../src/vocabulary.ts'
import { readConfig } from '../src/config.ts'
import { createHttp } from '../src/http/app.ts'
import { newId } from '../src/ids.ts'
import { startLockWatch } from '../src/jobs/lock-watch.ts'
import { renewEveryMs } from '../src/jobs/lock.ts'
import { startWorker, type Worker } from '../src/worker/worker.ts'
import type { CloudDoubles } from './doubles/server.ts'
import { filesUnder } from './fixtures/installer/installer.ts'
import { query, withDatabase } from './global-setup.ts'
import { openTestApp } from './test-app.ts'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

export type Answer = { status: number; headers: Headers; body: any } // eslint-disable-line -- the JSON of any operation

/** THOROUGH=1: tests that are cut short in the suite run whole. */
export const isThorough = process.env['THOROUGH'] === '1'

export type Harness = {
  app: App
  url: string
  environment: Record<string, string>
  cloudDir: string
  /** A token of a new principal with the given bindings. */
  tokenFor: (bindings: { team: string; role: Role }[], options?: { scopes?: Scope[] }) => Promise<string>
  admin: string
  /** Calls the API without a socket. */
  call: (
    method: string,
    path: string,
    options?: { body?: unknown; token?: string; key?: string; headers?: Record<string, string> },
  ) => Promise<Answer>
  requestCluster: (
    name: string,
    more?: Record<string, unknown>,
  ) => Promise<{ cluster: { id: string }; job: { id: string } }>
  destroy: (clusterId: string) => Promise<{ cluster: { id: string }; job: { id: string } }>
  startWorker: () => Promise<Worker>
  /** Another process of the service: `work` or `serve`. */
  startProcess: (role: string, environment?: Record<string, string>) => ChildProcess
  setFaults: (rules: object[]) => void
  /** As if every lock that stands had not been renewed for a whole lease. */
  freeLocks: () => Promise<void>
  /** Resolves when the cluster has one of the states. */
  reach: (clusterId: string, ...statuses: string[]) => Promise<string>
  resources: () => string[]
  journal: () => JournalLine[]
  rows: <T>(text: string) => Promise<T[]>
  close: () => Promise<void>
}

export type JournalLine = {
  event: string
  run: string
  command?: string
  cluster?: string
  infraID?: string
  dir?: string
  at: string
  exitCode?: number
  pid?: number
}

export async function openHarness(
  options: {
    speed?: number
    concurrency?: number
    leaseSeconds?: number
    profilesDir?: string
    /** The clouds' own inventories are asked, of doubles that speak for the simulated cloud. */
    hasDoubles?: boolean
    environment?: Record<string, string>
  } = {},
): Promise<Harness> {
  const database = `test_${randomBytes(6).toString('hex')}`
  await query(inject('serverUrl'), `create database ${database} template ${inject('template')}`)
  const url = withDatabase(inject('serverUrl'), database)
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-'))
  const doubles = options.hasDoubles ? await startDoubles(join(dir, 'cloud')) : undefined
  const environment = {
    DATABASE_URL: url,
    OCPCTL_DATA_DIR: dir,
    OCPCTL_SECRETS_KEY: randomBytes(32).toString('base64'),
    OCPCTL_SIM_SPEED: String(options.speed ?? 1_000_000),
    OCPCTL_SIM_FAULTS: join(dir, 'faults.yaml'),
    // A test that kills workers takes less, so that it need not wait long.
    OCPCTL_LEASE_SECONDS: String(options.leaseSeconds ?? 30),
    OCPCTL_WORKER_CONCURRENCY: String(options.concurrency ?? 4),
    OCPCTL_WORKER_TURNS: '8',
    OCPCTL_PROFILES: options.profilesDir ?? join(ROOT, 'profiles'),
    OCPCTL_DB_POOL_MIN: '0',
    OCPCTL_DB_POOL_MAX: '20',
    // Load is the point of many tests.
    OCPCTL_RATE_LIMIT_PER_MINUTE: '0',
    OCPCTL_RATE_LIMIT_ADDRESS_PER_MINUTE: '0',
    OCPCTL_LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
    ...(doubles && { OCPCTL_SIM_DOUBLES: doubles.origin }),
    PORT: '0',
    PATH: process.env['PATH'] ?? '',
    // Its processes start in two thirds of the time.
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
    NODE_OPTIONS: process.env['NODE_OPTIONS'] ?? '',
    ...options.environment,
  }
  const config = readConfig(environment)
  const { app, close: closeApp } = await openTestApp(config, url)
  const http = createHttp(app)
  const workers: Worker[] = []
  const processes: ChildProcess[] = []

  const tokenFor: Harness['tokenFor'] = async (bindings, { scopes = ['read', 'write'] as Scope[] } = {}) =>
    app.db.transaction(async (tx) => {
      const { id, secret } = await createToken(tx, { kind: 'system', name: 'setup' }, { name: 'test', scopes })
      for (const { team, role } of bindings)
        await tx
          .insert(rbacMappings)
          .values({ id: newId('rbm'), principalType: 'token', principal: id, team, role, createdBy: 'test' })
      return secret
    })
  const admin = await tokenFor([{ team: '*', role: 'platform_admin' }])

  const call: Harness['call'] = async (method, path, { body, token = admin, key, headers = {} } = {}) => {
    const response = await http.request(
      path.startsWith('/api') || (!path.startsWith('/c') && !path.startsWith('/j')) ? path : `/api/v1${path}`,
      {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(key === undefined ? {} : { 'idempotency-key': key }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      },
    )
    const text = await response.text()
    const isJson = /^application\/(problem\+)?json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }
  const accepted = (answer: Answer) => {
    if (answer.status !== 202) throw new Error(`expected 202, got ${answer.status}: ${JSON.stringify(answer.body)}`)
    return answer.body
  }

  return {
    app,
    url,
    environment,
    cloudDir: config.simulator.cloudDir,
    tokenFor,
    admin,
    call,
    requestCluster: async (name, more = {}) =>
      accepted(
        await call('POST', '/clusters', {
          key: newId('evt'),
          body: { name, platform: 'aws', profile: 'aws-minimal-test', ...more },
        }),
      ),
    destroy: async (id) => accepted(await call('POST', `/clusters/${id}/destroy`, { key: newId('evt') })),
    async startWorker() {
      const worker = await startWorker(app)
      workers.push(worker)
      return worker
    },
    startProcess(role, more = {}) {
      const child = spawn(process.execPath, ['src/main.ts', role], {
        cwd: ROOT,
        env: { ...environment, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      processes.push(child)
      return child
    },
    async freeLocks() {
      let nowMs = 0
      const watch = startLockWatch(app, () => nowMs)
      watch.stop()
      // As often as it looks by itself, until a lease is over.
      for (; nowMs <= config.leaseSeconds * 1000; nowMs += renewEveryMs(config.leaseSeconds)) await watch.look()
    },
    setFaults: (rules) => writeFileSync(join(dir, 'faults.yaml'), stringify(rules)),
    async reach(clusterId, ...statuses) {
      for (;;) {
        const { rows } = await app.db.execute<{ status: string; reason: string | null }>(
          sql`select status, status_reason as reason from clusters where id = ${clusterId}`,
        )
        const status = rows[0]?.status ?? 'nowhere'
        if (statuses.includes(status)) return status
        if (
          statuses.length > 0 &&
          ['READY', 'DESTROYED', 'FAILED', 'DESTROY_FAILED'].includes(status) &&
          !statuses.includes(status) &&
          isFinal(status, statuses)
        )
          throw new Error(
            `the cluster is ${status} (${rows[0]?.reason ?? ''}), and will not become ${statuses.join(' or ')}`,
          )
        await heard(app, clusterId)
      }
    },
    resources: () => {
      const root = join(config.simulator.cloudDir, 'resources')
      return filesUnder(root)
        .map((file) => relative(root, file))
        .filter((name) => !basename(name).startsWith('.'))
    },
    journal: () => {
      const file = join(config.simulator.cloudDir, 'journal.ndjson')
      if (!existsSync(file)) return []
      return readFileSync(file, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as JournalLine) // written by the simulator
    },
    rows: async <T>(text: string) => (await app.db.execute(sql.raw(text))).rows as T[], // the test names its own columns
    async close() {
      for (const child of processes) child.kill('SIGKILL')
      await Promise.all(workers.map((worker) => worker.drain(0)))
      await closeApp()
      await doubles?.close()
      await query(inject('serverUrl'), `drop database ${database} with (force)`)
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Loaded where they are needed alone. */
async function startDoubles(cloudDir: string): Promise<CloudDoubles> {
  const [{ startCloudDoubles }, { openWorld }] = await Promise.all([import('./doubles/server.ts'), import('./doubles/world.ts')]) // prettier-ignore
  return startCloudDoubles(openWorld(cloudDir))
}

// DESTROYED is for ever, and a READY or FAILED cluster moves on only when somebody asks for it.
const isFinal = (status: string, wanted: string[]) =>
  status === 'DESTROYED' ||
  (wanted.every((state) => state === 'READY') && status !== 'READY') ||
  (wanted.every((state) => state === 'DESTROYED') && status === 'DESTROY_FAILED')

/** Resolves at the next word about the cluster, or after a while, since words may be lost. */
function heard(app: App, clusterId: string): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      stop()
      resolve()
    }
    const timer = setTimeout(end, 500)
    const stop = app.events.on('cluster', clusterId, end)
  })
}

/** Calls back with all that the process says. */
export function hear({ stdout, stderr }: ChildProcess, heard: (text: string) => void): void {
  for (const stream of [stdout, stderr]) stream?.on('data', (chunk: Buffer) => heard(chunk.toString()))
}

/** The child's exit code, or the signal that ended it. */
export function exitOf(child: ChildProcess): Promise<number | string | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode ?? child.signalCode)
    else child.once('exit', (code, signal) => resolve(code ?? signal))
  })
}

/** Waits until the condition gives something, looking less and less often; the test's own timeout ends it. */
export async function eventually<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (let waitMs = 10; ; waitMs = Math.min(waitMs * 1.5, 200)) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    await new Promise((resolve) => setTimeout(resolve, waitMs))
  }
}
