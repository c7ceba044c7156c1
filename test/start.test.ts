// Starting: one plain message for what is wrong, an embedded database that keeps its data, one owner a directory.
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { spawn, type ChildProcess } from 'node:child_process'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { ConfigError, readConfig } from '../src/config.ts'
import { openLog } from '../src/observability/log.ts'
import { migrateDatabase } from '../src/db/migrate.ts'
import { migrateQueue } from '../src/queue/setup.ts'
import { exitOf, ROOT } from './harness.ts'
import { query, withDatabase } from './global-setup.ts'

const databases: string[] = []
afterAll(async () => {
  for (const name of databases) await query(inject('serverUrl'), `drop database ${name} with (force)`)
})
const createDatabase = async (name: string, template = 'template1') => {
  await query(inject('serverUrl'), `create database ${name} template ${template}`)
  databases.push(name)
  return withDatabase(inject('serverUrl'), name)
}

describe('the store of the environment', () => {
  it('has a region, and credentials of its own where they are given', () => {
    const given = { OCPCTL_S3_ACCESS_KEY_ID: 'AKIA', OCPCTL_S3_SECRET_ACCESS_KEY: 'x', AWS_REGION: 'eu-central-1' }
    expect(readConfig({ ...given, AWS_ACCESS_KEY_ID: 'the cloud’s' })).toMatchObject({
      s3Region: 'eu-central-1',
      s3Credentials: { accessKeyId: 'AKIA', secretAccessKey: 'x' },
    })
    expect(readConfig({ AWS_DEFAULT_REGION: 'eu-west-1', OCPCTL_S3_PROFILE: 'store' })).toMatchObject({
      s3Region: 'eu-west-1',
      s3Credentials: undefined,
      s3Profile: 'store',
    })
  })
})

describe('a bad environment', () => {
  it.each([
    [{ OCPCTL_WROKER: '1' }, 'OCPCTL_WROKER is not a variable of ocpctl'],
    [{ PORT: '99999' }, 'PORT must be a whole number from 0 to 65535'],
    [{ PORT: '80a' }, 'PORT must be a whole number'],
    [{ DATABASE_URL: 'mysql://x' }, 'DATABASE_URL must be a URL that starts with postgres://'],
    [{ DATABASE_URL: 'postgres://x' }, 'OCPCTL_SECRETS_KEY is required with DATABASE_URL'],
    [{ OCPCTL_SECRETS_KEY: 'short' }, 'OCPCTL_SECRETS_KEY must be 32 bytes in base64'],
    [{ OCPCTL_INSTALLER: '/opt/installers' }, 'OCPCTL_PULL_SECRET_FILE is required'],
    [{ OCPCTL_ADMIN_TOKEN: 'short' }, 'OCPCTL_ADMIN_TOKEN must have 20 to 512 visible ASCII characters'],
    [{ OCPCTL_ADMIN_TOKEN: 'correct horse battery staple' }, 'OCPCTL_ADMIN_TOKEN must have 20 to 512 visible'],
    [{ OCPCTL_OIDC_ISSUER: 'http://idp.example' }, 'OCPCTL_OIDC_ISSUER must be a URL that starts with https://'],
    [{ OCPCTL_OIDC_ISSUER: 'https://idp.example' }, 'OCPCTL_OIDC_ISSUER and OCPCTL_OIDC_AUDIENCE go together'],
    [{ OCPCTL_AWS_IAM_SERVER_ID: 'a b' }, 'OCPCTL_AWS_IAM_SERVER_ID must be 1 to 128 letters'],
    [{ OCPCTL_AWS_STS_ENDPOINTS: 'http://sts.example' }, 'OCPCTL_AWS_STS_ENDPOINTS must be origins'],
    [{ OCPCTL_AWS_IAM_ACCOUNTS: '123456789012' }, 'which takes OCPCTL_AWS_IAM_SERVER_ID too'],
    [{ OCPCTL_TRUSTED_PROXIES: '10.0.0.1,nonsense' }, 'number 2 of yours is not one'],
    [{ OCPCTL_AWS_IAM_ACCOUNTS: '12' }, 'OCPCTL_AWS_IAM_ACCOUNTS must be account numbers'],
    [{ OCPCTL_SECRETS_KEYS_OLD: 'short' }, 'OCPCTL_SECRETS_KEYS_OLD must be keys with commas between'],
    [{ OCPCTL_LOG_LEVEL: 'loud' }, 'OCPCTL_LOG_LEVEL must be one of debug, info'],
    [{ OCPCTL_ARTIFACTS: 'ftp://x' }, 'OCPCTL_ARTIFACTS must be a URL that starts with file:// or s3://'],
    [{ OCPCTL_S3_ACCESS_KEY_ID: 'AKIA' }, 'OCPCTL_S3_ACCESS_KEY_ID and OCPCTL_S3_SECRET_ACCESS_KEY go together'],
    [
      { OCPCTL_S3_ACCESS_KEY_ID: 'AKIA', OCPCTL_S3_SECRET_ACCESS_KEY: 'x', OCPCTL_S3_PROFILE: 'store' },
      'both say whose credentials the artifact store has',
    ],
    [{ OCPCTL_METRICS_PORT: 'x' }, 'OCPCTL_METRICS_PORT must be a whole number'],
    [{ OCPCTL_METRICS_HOST: '0.0.0.0' }, 'which takes OCPCTL_METRICS_PORT too'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4317' }, 'OTEL_EXPORTER_OTLP_ENDPOINT must be a URL'],
    [{ OCPCTL_DB_POOL_MIN: '30', OCPCTL_DB_POOL_MAX: '20' }, 'OCPCTL_DB_POOL_MIN must not be above'],
  ])('%j is refused with the variable named', (environment, message) => {
    expect(() => readConfig(environment)).toThrow(ConfigError)
    expect(() => readConfig(environment)).toThrow(message)
  })

  it('never shows a secret that is wrong', () => {
    expect(() => readConfig({ OCPCTL_SECRETS_KEY: 'my-real-key', OCPCTL_ADMIN_TOKEN: 'tiny-token' })).toThrow(
      /^(?!.*(my-real-key|tiny-token))/s,
    )
  })

  it('never shows the secret of the store', () => {
    const environment = { OCPCTL_S3_SECRET_ACCESS_KEY: 'kept-to-itself', OCPCTL_S3_PROFILE: 'store' }
    expect(() => readConfig(environment)).toThrow(/^(?!.*kept-to-itself)/s)
  })

  it('tells all of it at once', () => {
    expect(() => readConfig({ PORT: 'x', OCPCTL_X: '1', HOST: 'h' })).toThrow(/OCPCTL_X.*\n.*PORT/)
  })
})

describe('the embedded database', () => {
  let dir: string
  const children: ChildProcess[] = []
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'ocpctl-start-'))
    chmodSync(dir, 0o755)
  })
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(dir, { recursive: true, force: true })
  })
  const start = (environment: Record<string, string> = {}) => {
    const child = spawn(process.execPath, ['src/main.ts', 'all'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'] ?? '',
        OCPCTL_DATA_DIR: dir,
        PORT: '0',
        OCPCTL_LOG_LEVEL: 'warn',
        ...environment,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    children.push(child)
    return child
  }
  const greeting = (child: ChildProcess) =>
    new Promise<{ url: string; token: string | undefined; curl: string }>((resolve, reject) => {
      let [out, err] = ['', '']
      child.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()))
      child.once('exit', () => reject(new Error(err)))
      child.stdout?.on('data', (chunk: Buffer) => {
        out += chunk.toString()
        const curl = /^ {2}(curl .*)$/m.exec(out)?.[1]
        if (out.includes('ocpctl.mjs open') && curl)
          resolve({
            url: /listens at (\S+),/.exec(out)?.[1] ?? '',
            token: /only this once: (\S+)/.exec(out)?.[1],
            curl,
          })
      })
    })

  it(
    'starts, is used, stops at Ctrl-C, keeps its data, survives a kill, and has one owner',
    { timeout: 120_000 },
    async () => {
      const first = start()
      const { url, token, curl } = await greeting(first)
      expect(token).toMatch(/^ocp_/)
      // The printed command works as it is printed.
      const shell = spawn('bash', ['-c', curl], { stdio: ['ignore', 'pipe', 'inherit'] })
      let answer = ''
      shell.stdout.on('data', (chunk: Buffer) => (answer += chunk.toString()))
      expect(await exitOf(shell)).toBe(0)
      expect(JSON.parse(answer).cluster.name).toBe('demo')
      expect((await fetch(`${url}/docs`)).status).toBe(200)
      expect((await fetch(`${url}/docs/swagger-ui-bundle.js`)).status).toBe(200)
      expect(await (await fetch(`${url}/readyz`)).json()).toEqual({
        ready: true,
        failing: [],
        degraded: [],
        clouds: ['aws', 'azure', 'gcp', 'ibmcloud'],
      })
      expect(statSync(join(dir, 'secrets-key')).mode & 0o777).toBe(0o600)

      const second = start()
      let told = ''
      second.stderr?.on('data', (chunk: Buffer) => (told += chunk.toString()))
      expect(await exitOf(second)).toBe(1)
      expect(told).toContain('another ocpctl already runs on the data directory')
      expect(told).toContain('DATABASE_URL="$(cat')

      first.kill('SIGINT')
      expect(await exitOf(first)).toBe(0)

      const third = start()
      const again = await greeting(third)
      expect(again.token).toBeUndefined()
      const listed = await fetch(`${again.url}/api/v1/clusters`, { headers: { authorization: `Bearer ${token}` } })
      expect(await listed.json()).toMatchObject({ items: [{ name: 'demo' }] })
      third.kill('SIGKILL')
      await exitOf(third)

      const fourth = start({ PORT: '0' })
      await greeting(fourth)
      fourth.kill('SIGTERM')
      fourth.kill('SIGTERM')
      expect(await exitOf(fourth)).toBe(0)
    },
  )
})

describe('a port in use', () => {
  it('is told in one line', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const address = server.address()
    const port = address !== null && typeof address === 'object' ? String(address.port) : ''
    const url = await createDatabase(`port_${process.pid}`, inject('template'))
    const child = spawn(process.execPath, ['src/main.ts', 'serve'], {
      cwd: ROOT,
      env: {
        PATH: process.env['PATH'] ?? '',
        DATABASE_URL: url,
        OCPCTL_SECRETS_KEY: Buffer.alloc(32).toString('base64'),
        OCPCTL_DATA_DIR: mkdtempSync(join(tmpdir(), 'ocpctl-port-')),
        PORT: port,
        OCPCTL_LOG_LEVEL: 'silent',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let told = ''
    child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()))
    expect(await exitOf(child)).toBe(1)
    expect(told).toBe(`ocpctl: 127.0.0.1:${port} is in use: set PORT to another number, or 0 for a free one\n`)
    server.close()
  })
})

describe('migrations', () => {
  const log = openLog('silent')

  it('run once however many start at once', async () => {
    const url = await createDatabase(`many_${process.pid}`)
    await Promise.all(Array.from({ length: 10 }, () => migrateDatabase(url, log, migrateQueue)))
    const client = new Client({ connectionString: url })
    await client.connect()
    const applied = await client.query('select count(*)::int as n from drizzle.__drizzle_migrations')
    const queue = await client.query(`select policy from pgboss.queue where name = 'cluster-jobs'`)
    await client.end()
    expect(applied.rows).toEqual([
      { n: readdirSync(join(ROOT, 'drizzle')).filter((name) => name.endsWith('.sql')).length },
    ])
    expect(queue.rows).toEqual([{ policy: 'key_strict_fifo' }])
  })

  it('refuse a database that is newer than the code', async () => {
    const url = await createDatabase(`newer_${process.pid}`)
    await migrateDatabase(url, log, migrateQueue)
    await query(url, `insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 99999999999999)`)
    await expect(migrateDatabase(url, log, migrateQueue)).rejects.toThrow('newer version')
    await query(url, `delete from drizzle.__drizzle_migrations where hash = 'x'`)
    await query(url, `update pgboss.version set version = 9999`)
    await expect(migrateDatabase(url, log, migrateQueue)).rejects.toThrow('newer version')
  })

  it('say plainly when the server or the database is not there', async () => {
    await expect(migrateDatabase('postgres://u@127.0.0.1:1/x', log, migrateQueue)).rejects.toThrow(
      'no PostgreSQL answers at 127.0.0.1:1',
    )
    await expect(migrateDatabase(withDatabase(inject('serverUrl'), 'nowhere'), log, migrateQueue)).rejects.toThrow(
      'has no database "nowhere"',
    )
  })
})
