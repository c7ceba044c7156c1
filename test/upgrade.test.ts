// An upgrade: the processes of the former version go on while and after the database is migrated.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { migrateDatabase } from '../src/db/migrate.ts'
import { openLog } from '../src/observability/log.ts'
import { migrateQueue } from '../src/queue/setup.ts'
import { filesUnder } from './fixtures/installer/installer.ts'
import { query, withDatabase } from './global-setup.ts'
import { eventually, exitOf, hear, ROOT } from './harness.ts'

const JOURNAL = 'drizzle/meta/_journal.json'
/** What the program is made of. */
const PARTS = ['bin', 'drizzle', 'package.json', 'profiles', 'src']
const TOKEN = 'the-administrator-of-this-test'

let dir: string
let database: string
const children: ChildProcess[] = []
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ocpctl-upgrade-'))
  database = `upgrade_${randomBytes(6).toString('hex')}`
  await query(inject('serverUrl'), `create database ${database}`)
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await query(inject('serverUrl'), `drop database ${database} with (force)`)
  rmSync(dir, { recursive: true, force: true })
})

it(
  'the former version’s API and worker go through a create and a destroy on the new schema',
  { timeout: 180_000 },
  async ({ skip }) => {
    const url = withDatabase(inject('serverUrl'), database)
    const former = layOutFormer()
    if (former === undefined)
      return skip('this tree has no history: say in TEST_FORMER where the tree from before the newest migration is')
    const environment = {
      DATABASE_URL: url,
      OCPCTL_DATA_DIR: join(dir, 'data'),
      OCPCTL_SECRETS_KEY: randomBytes(32).toString('base64'),
      OCPCTL_ADMIN_TOKEN: TOKEN,
      OCPCTL_SIM_SPEED: '600',
      OCPCTL_LOG_LEVEL: 'info',
      PORT: '0',
      PATH: process.env['PATH'] ?? '',
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '',
    }
    const start = (home: string, command: string) => {
      const child = spawn(process.execPath, ['src/main.ts', command], { cwd: home, env: environment, stdio: ['ignore', 'pipe', 'pipe'] }) // prettier-ignore
      children.push(child)
      const said = { text: '' }
      hear(child, (text) => (said.text += text))
      return { child, said }
    }
    const [api, worker] = [start(former, 'serve'), start(former, 'work')]
    const at = await eventually(() => /"url":"([^"]+)"/.exec(api.said.text)?.[1] ?? failedStart(api))
    const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
      const response = await fetch(`${at}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          'idempotency-key': randomBytes(6).toString('hex'),
          'content-type': 'application/json',
        },
        ...(body && { body: JSON.stringify(body) }),
      })
      const answer = await response.json()
      if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`)
      return answer as T // each caller names what it reads of it
    }
    const request = async (name: string): Promise<string> =>
      (
        await call<{ cluster: { id: string } }>('POST', '/clusters', {
          name,
          platform: 'aws',
          profile: 'aws-minimal-test',
        })
      ).cluster.id
    const reach = (id: string, status: string) =>
      eventually(async () => {
        const cluster = await call<{ status: string; statusReason: string }>('GET', `/clusters/${id}`)
        if (['FAILED', 'DESTROY_FAILED'].includes(cluster.status)) throw new Error(`${status}: ${cluster.statusReason}`)
        return cluster.status === status
      })

    // One installs while the database is migrated, the other is asked for afterwards.
    const during = await request('during')
    await reach(during, 'CREATING')
    await migrateDatabase(url, openLog('silent'), migrateQueue)
    const after = await request('after')
    for (const id of [during, after]) await reach(id, 'READY')
    const late = start(former, 'work')
    expect(await exitOf(late.child)).toBe(1)
    expect(late.said.text).toContain('the database was migrated by a newer version of ocpctl than this one')
    for (const id of [during, after]) await call('POST', `/clusters/${id}/destroy`)
    for (const id of [during, after]) await reach(id, 'DESTROYED')
    expect(filesUnder(join(dir, 'data/cloud/resources'))).toEqual([])
    const { items } = await call<{ items: { status: string }[] }>('GET', '/jobs')
    expect(items.map(({ status }) => status)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED'])
    for (const { child, said } of [api, worker]) {
      expect(said.text).not.toMatch(/"level":(50|60)|"level":"(error|fatal)"/)
      child.kill('SIGTERM')
      expect(await exitOf(child)).toBe(0)
    }
  },
)

function failedStart({ child, said }: { child: ChildProcess; said: { text: string } }): undefined {
  if (child.exitCode !== null) throw new Error(`the former version does not start: ${said.text}`)
}

/** The program as it was before the newest migration, if that is known. It runs with the packages of now. */
function layOutFormer(): string | undefined {
  const given = process.env['TEST_FORMER']
  if (given) return given
  const commit = findFormer()
  if (commit === undefined) return undefined
  const home = mkdtempSync(join(dir, 'former-'))
  execFileSync('bash', ['-c', `set -o pipefail; git archive ${commit} ${PARTS.join(' ')} | tar -x -C ${home}`], { cwd: ROOT }) // prettier-ignore
  symlinkSync(join(ROOT, 'node_modules'), join(home, 'node_modules'))
  expect(migrationsOf(home).length).toBeLessThan(migrationsOf(ROOT).length)
  return home
}

/** The commit that is meant is the one on the way that main went, not one that a merge brought. */
function findFormer(): string | undefined {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim()
  if (!existsSync(join(ROOT, '.git'))) return undefined
  if (git('status', '--porcelain', '--', JOURNAL) !== '') return 'HEAD'
  try {
    if (git('rev-parse', '--is-shallow-repository') === 'true') git('fetch', '--quiet', '--unshallow')
    const newest = git('log', '--first-parent', '-m', '-s', '-1', '--format=%H', '--', JOURNAL)
    return git('rev-parse', '--verify', `${newest}^1`)
  } catch {
    return undefined
  }
}

const migrationsOf = (home: string): unknown[] =>
  (JSON.parse(readFileSync(join(home, JOURNAL), 'utf8')) as { entries: unknown[] }).entries // drizzle-kit's own file
