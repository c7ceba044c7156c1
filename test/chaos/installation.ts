// One installation of the service: its database, its place in the store, its secrets, its processes, its load. Several
// share a cloud, a database server and a store.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { CloudDoubles } from '../doubles/server.ts'
import type { S3Server } from '../s3-server.ts'
import { listResources } from './cloud.ts'
import type { Evidence } from './evidence.ts'
import { startFleet, type Fleet } from './fleet.ts'
import { startLoad, type Load, type LoadOptions } from './load.ts'
import { marksSql } from './marks.ts'
import type { Database, Postgres } from './postgres.ts'
import type { Random } from './random.ts'
import { witnessSql } from './witness.ts'

const execute = promisify(execFile)
export const LEASE_SECONDS = 10
const SIMULATED_PULL_SECRET_AUTH = 'c2ltdWxhdGVkOm5vdC1hLXNlY3JldA=='

export type Site = {
  dir: string
  cloudDir: string
  product: string
  postgres: Postgres
  store: S3Server
  doubles: CloudDoubles
  asksClouds: boolean
}
type Secrets = { token: string; key: string }

export type Installation = {
  /** Empty for the first. */
  name: string
  database: Database
  fleet: Fleet
  /** A bucket and a prefix in it. */
  home: string
  startLoad: (options: Pick<LoadOptions, 'alive' | 'slowFaults' | 'namesake'>, random: Random) => Load
  secrets: Evidence['secrets']
}

export async function startInstallation(
  site: Site,
  plan: { name: string; workers: number; servers: number },
  signal: AbortSignal | undefined,
): Promise<Installation> {
  const { dir, postgres, store } = site
  const { name } = plan
  const prefix = name === '' ? '' : `${name}-`
  const secrets: Secrets = {
    token: `ocp_${randomBytes(32).toString('base64url')}`,
    key: randomBytes(32).toString('base64'),
  }
  const database = await postgres.createDatabase(`${prefix}ocpctl`.replace('-', '_'))
  const home = `${prefix}chaos/state`
  const faultsFile = join(dir, `${prefix}faults.yaml`)
  const environment = environmentOf({ ...site, secrets, home, faultsFile })
  await execute(process.execPath, ['src/main.ts', 'migrate'], {
    cwd: site.product,
    env: { ...environment, DATABASE_URL: database.urlAt(postgres.port, 'migrate'), OCPCTL_DATA_DIR: dir },
  })
  await database.rows(witnessSql)
  await database.rows(marksSql)
  const { workers, servers } = plan
  const fleet = await startFleet({ ...site, database, prefix, workers, servers, environment, clockHost: 'work-3' })
  const urls = fleet.members.filter((member) => member.role === 'serve').map((member) => member.url)
  try {
    await Promise.all(urls.map((url) => answers(url, signal)))
  } catch (error) {
    await fleet.killAll()
    throw error
  }
  return {
    name,
    database,
    fleet,
    home,
    startLoad: (options, random) =>
      startLoad(
        {
          ...options,
          urls,
          token: secrets.token,
          faultsFile,
          prefix: name === '' ? 'c' : name,
          rows: database.rows,
          isCloudEmpty: async () => (await listResources(site.cloudDir)).length === 0,
        },
        random,
      ),
    secrets: [
      { name: 'the administrator’s token', value: secrets.token },
      { name: 'the secrets key', value: secrets.key },
      { name: 'the database password', value: postgres.password },
      { name: 'the store’s key', value: store.credentials.secretAccessKey },
      { name: 'a pull secret’s credential', value: SIMULATED_PULL_SECRET_AUTH },
    ],
  }
}

function environmentOf(ground: {
  dir: string
  cloudDir: string
  product: string
  store: S3Server
  doubles: CloudDoubles
  asksClouds: boolean
  secrets: Secrets
  /** A bucket and a prefix in it. */
  home: string
  faultsFile: string
}): Record<string, string> {
  const { store, secrets } = ground
  return {
    PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? '/usr/bin:/bin'}`,
    ...(process.env['NODE_COMPILE_CACHE'] ? { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] } : {}),
    ...(process.env['NODE_OPTIONS'] ? { NODE_OPTIONS: process.env['NODE_OPTIONS'] } : {}),
    HOME: ground.dir,
    OCPCTL_ADMIN_TOKEN: secrets.token,
    OCPCTL_SECRETS_KEY: secrets.key,
    OCPCTL_ARTIFACTS: `s3://${ground.home}`,
    OCPCTL_S3_ENDPOINT: store.endpoint,
    AWS_ACCESS_KEY_ID: store.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: store.credentials.secretAccessKey,
    AWS_REGION: store.region,
    OCPCTL_PROFILES: join(ground.product, 'profiles'),
    OCPCTL_SIM_CLOUD: ground.cloudDir,
    ...(ground.asksClouds ? { OCPCTL_SIM_DOUBLES: ground.doubles.origin } : {}),
    OCPCTL_SIM_FAULTS: ground.faultsFile,
    OCPCTL_SIM_SPEED: '400',
    OCPCTL_LEASE_SECONDS: String(LEASE_SECONDS),
    // A destroyer that is killed between the zone and the records never finds the records again.
    OCPCTL_RESIDUE: 'remove',
    OCPCTL_DRAIN_TIMEOUT: '3',
    OCPCTL_WORKER_CONCURRENCY: '6',
    OCPCTL_WORKER_TURNS: '20',
    OCPCTL_DB_POOL_MIN: '1',
    OCPCTL_DB_POOL_MAX: '10',
    OCPCTL_RATE_LIMIT_PER_MINUTE: '0',
    OCPCTL_RATE_LIMIT_ADDRESS_PER_MINUTE: '0',
    OCPCTL_LOG_LEVEL: 'info',
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
