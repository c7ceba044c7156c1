// The ground of the bench: a PostgreSQL with durable defaults, servers of this tree or another as processes of their own, and
// clients that keep their connections.
import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Client } from 'pg'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { ROOT } from '../harness.ts'

/** Each has every kind of quota, none of which is reached, and holds some dozens of clusters. */
const TEAMS = 100
export const TOKEN = `ocp_${'bench'.repeat(8)}`

export type Ground = {
  dir: string
  secretsKey: string
  url: string
  /** The URL of a new, empty database. */
  createDatabase: (name: string) => Promise<string>
  close: () => Promise<void>
}

export async function openGround(): Promise<Ground> {
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-bench-'))
  chmodSync(dir, 0o755) // as root, the embedded PostgreSQL runs as another account
  const profiles = join(dir, 'profiles')
  cpSync(join(ROOT, 'profiles'), profiles, { recursive: true })
  writeFileSync(
    join(profiles, 'quotas.yaml'),
    'default: { clusters: 1000000, vcpu: 100000000, concurrentInstalls: 1000000, usdPerMonth: 1000000000 }\n',
  )
  const postgres = await startEmbeddedPostgres(dir, { shared_buffers: '256MB', max_connections: '200' })
  return {
    dir,
    secretsKey: randomBytes(32).toString('base64'),
    url: postgres.url,
    async createDatabase(name) {
      await query(postgres.url, `create database ${name}`)
      return databaseOf(postgres.url, name)
    },
    async close() {
      await postgres.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

const databaseOf = (url: string, name: string) => Object.assign(new URL(url), { pathname: `/${name}` }).href

export async function query<T>(url: string, text: string, values: unknown[] = []): Promise<T[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(text, values)).rows as T[] // the caller names its columns
  } finally {
    await client.end()
  }
}

export type Server = {
  url: string
  pid: number
  call: (method: string, path: string, body?: unknown) => Promise<string>
  stop: () => Promise<void>
}

/** `tree`: a checkout, with its dependencies, whose server is started. */
export async function startServer(
  ground: Ground,
  database: string,
  tree = ROOT,
  role: 'serve' | 'all' = 'serve',
  environment: Record<string, string> = {},
): Promise<Server> {
  const home = join(ground.dir, `home-${randomUUID()}`)
  mkdirSync(home)
  const child = spawn(process.execPath, ['src/main.ts', role], {
    cwd: tree,
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: database,
      OCPCTL_ADMIN_TOKEN: TOKEN,
      OCPCTL_SECRETS_KEY: ground.secretsKey,
      OCPCTL_DATA_DIR: home,
      OCPCTL_PROFILES: join(ground.dir, 'profiles'),
      OCPCTL_RATE_LIMIT_PER_MINUTE: '0',
      OCPCTL_RATE_LIMIT_ADDRESS_PER_MINUTE: '0',
      PORT: '0',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const url = await readyUrl(child)
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  return {
    url,
    pid: child.pid ?? 0,
    call: (method, path, body) => call(agent, `${url}${path}`, method, body),
    async stop() {
      agent.destroy()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** From the first line of the log that names one; what is worth a warning is shown. An older build has its log on stderr. */
function readyUrl({ stdout, stderr }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    for (const input of [stdout, stderr]) {
      if (!input) throw new Error('the log of the server is not read')
      const lines = createInterface({ input })
      lines.on('line', (line) => {
        const url = /"url":"([^"]+)","msg":"the API is ready"/.exec(line)?.[1]
        if (url !== undefined) resolve(url)
        else if (/"level":"(warn|error)"/.test(line) || input === stderr) process.stderr.write(`${line}\n`)
      })
      lines.on('close', () => reject(new Error('the server did not start')))
    }
  })
}

function call(agent: Agent, url: string, method: string, body?: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = body === undefined ? '' : JSON.stringify(body)
    const asked = request(url, {
      agent,
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(method === 'GET' ? {} : { 'idempotency-key': randomUUID() }),
        ...(sent === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }),
      },
    })
    asked.on('error', reject)
    asked.on('response', (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(parts).toString()
        if ((response.statusCode ?? 500) < 400) resolve(text)
        else reject(new Error(`${method} ${url} gave ${response.statusCode}: ${text}`))
      })
    })
    asked.end(sent)
  })
}

let made = 0
/** A request for a cluster whose name nothing else has. */
export const newRequest = (team = `team-${made % TEAMS}`) => ({
  name: `b${process.pid.toString(36)}-${(made++).toString(36)}`,
  platform: 'aws',
  profile: 'aws-minimal-test',
  team,
})

export type Rate = { perSecond: number; p50Ms: number; p99Ms: number }

/** So many calls, so many of them at a time. */
export async function rateOf(run: () => Promise<unknown>, concurrency: number, rounds: number): Promise<Rate> {
  const from = performance.now()
  const took: number[] = []
  let left = rounds
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) {
        const at = performance.now()
        await run()
        took.push(performance.now() - at)
      }
    }),
  )
  const perSecond = rounds / ((performance.now() - from) / 1000)
  took.sort((a, b) => a - b)
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? 0
  return { perSecond, p50Ms: at(0.5), p99Ms: at(0.99) }
}

export const medianOf = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
