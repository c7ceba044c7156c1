// The command line as its source is now, and one PostgreSQL for the run, in it a migrated template that each test file
// clones: TEST_DATABASE_URL, else a container where a Docker engine answers, else the embedded server.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../src/db/embedded.ts'
import { migrateDatabase } from '../src/db/migrate.ts'
import { migrateQueue } from '../src/queue/setup.ts'
import { openLog } from '../src/observability/log.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server, at its maintenance database. */
    serverUrl: string
    template: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // A run within a run has all of it.
  const { TEST_DATABASE_URL: outer, TEST_TEMPLATE: outerTemplate } = process.env
  if (outer !== undefined && outerTemplate !== undefined) {
    project.provide('serverUrl', outer)
    project.provide('template', outerTemplate)
    return async () => undefined
  }
  const { buildCommandLine } = await import('../cli/build.ts')
  await buildCommandLine()
  const server = await startServer()
  const template = `template_${process.pid}`
  await query(server.url, `create database ${template}`)
  await migrateDatabase(withDatabase(server.url, template), openLog('error'), migrateQueue)
  await query(server.url, `alter database ${template} with is_template true allow_connections false`)
  project.provide('serverUrl', server.url)
  project.provide('template', template)
  return async () => {
    await query(server.url, `alter database ${template} with is_template false`)
    await query(server.url, `drop database ${template} with (force)`)
    await server.stop()
  }
}

async function startServer(): Promise<{ url: string; stop: () => Promise<unknown> }> {
  const given = process.env['TEST_DATABASE_URL']
  if (given) return { url: given, stop: async () => undefined }
  if (dockerAnswers()) {
    const { PostgreSqlContainer } = await import('@testcontainers/postgresql')
    const container = await new PostgreSqlContainer('postgres:17-alpine')
      .withCommand(['-c', 'fsync=off', '-c', 'max_connections=300'])
      .start()
    return { url: withDatabase(container.getConnectionUri(), 'postgres'), stop: () => container.stop() }
  }
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-test-'))
  chmodSync(dir, 0o755) // as root, the server runs as another account
  const server = await startEmbeddedPostgres(dir, { fsync: 'off', max_connections: '300' })
  return {
    url: withDatabase(server.url, 'postgres'),
    stop: async () => {
      await server.stop()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function dockerAnswers(): boolean {
  try {
    execFileSync('docker', ['info'], { stdio: 'ignore', timeout: 5000 })
    return true
  } catch {
    return false
  }
}

export function withDatabase(url: string, database: string): string {
  const changed = new URL(url)
  changed.pathname = `/${database}`
  return changed.href
}

export async function query(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}
