// One installation: its secrets key, its artifact store, its share of a cloud account, and the programs it may run.
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCloudCredentials } from '../src/clouds/access.ts'
import { readConfig } from '../src/config.ts'
import { openInstaller } from '../src/installer/openshift-install.ts'
import { reconcile } from '../src/reconcile/reconcile.ts'
import { createHttp } from '../src/http/app.ts'
import { loadCatalog } from '../src/profiles/catalog.ts'
import { startWorker } from '../src/worker/worker.ts'
import { eventually, exitOf, hear, openHarness, ROOT, type Harness } from './harness.ts'

let h: Harness
const dirs: string[] = []
const newDir = () => {
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-installation-'))
  dirs.push(dir)
  return dir
}
beforeAll(async () => {
  h = await openHarness()
})
afterAll(async () => {
  await h.close()
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
})

const newKey = () => randomBytes(32).toString('base64')
/** Starts a process of the service and stops it when it is ready; how it ended, and what it said. */
async function start(role: string, environment: Record<string, string>) {
  const child = h.startProcess(role, { OCPCTL_LOG_LEVEL: 'info', ...environment })
  let said = ''
  hear(child, (text) => {
    if (!/is ready/.test(said) && /is ready/.test((said += text))) child.kill('SIGTERM')
  })
  const code = await exitOf(child)
  return { state: /is ready/.test(said) ? 'ready' : 'ended', code, said }
}

describe('a process', () => {
  it('with the key and the store of the others runs, and marks the store', async () => {
    expect(await start('work', {})).toMatchObject({ state: 'ready', code: 0 })
    const [row] = await h.rows<{ id: string; marked: boolean }>(
      'select id, store_marked_at is not null as marked from installation',
    )
    expect(row?.marked).toBe(true)
    expect(await h.app.store.find(`installation/${row?.id}`)).toBeDefined()
  })

  it.each(['work', 'serve'])('that is to %s with another key ends with one clear message', async (role) => {
    const { state, code, said } = await start(role, { OCPCTL_SECRETS_KEY: newKey() })
    expect({ state, code }).toEqual({ state: 'ended', code: 1 })
    expect(said.trim()).toMatch(/^ocpctl: OCPCTL_SECRETS_KEY is not the key of this database/)
    expect(said).not.toContain('    at ')
  })

  it('whose new key comes with the old one rotates, and then the old one alone is refused', async () => {
    const [key, old] = [newKey(), h.environment['OCPCTL_SECRETS_KEY'] ?? '']
    expect(await start('work', { OCPCTL_SECRETS_KEY: key, OCPCTL_SECRETS_KEYS_OLD: old })).toMatchObject({ code: 0 })
    expect(await start('work', {})).toMatchObject({ state: 'ended', code: 1 })
    expect(await start('work', { OCPCTL_SECRETS_KEYS_OLD: key })).toMatchObject({ state: 'ready', code: 0 })
  })

  it.each(['work', 'serve'])('that is to %s with another store ends with one clear message', async (role) => {
    const empty = newDir()
    const { state, code, said } = await start(role, { OCPCTL_ARTIFACTS: `file://${empty}` })
    expect({ state, code }).toEqual({ state: 'ended', code: 1 })
    expect(said.trim()).toMatch(/^ocpctl: OCPCTL_ARTIFACTS is not the artifact store of this database/)
    mkdirSync(join(empty, 'installation'))
    writeFileSync(join(empty, 'installation/ins_01k0000000e000000000000000'), '')
    expect((await start(role, { OCPCTL_ARTIFACTS: `file://${empty}` })).said.trim()).toMatch(
      /^ocpctl: OCPCTL_ARTIFACTS is the artifact store of another installation, ins_01k0000000e000000000000000/,
    )
  })
})

describe('a worker that is set up in another way than one that lives', () => {
  /** Starts a worker, and stops it when it has said this. */
  async function heard(words: RegExp, environment: Record<string, string>, role = 'work') {
    const child = h.startProcess(role, { OCPCTL_LOG_LEVEL: 'info', ...environment })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => void (said += chunk.toString()))
    await eventually(() => words.test(said) || child.exitCode !== null)
    child.kill('SIGTERM')
    return { code: await exitOf(child), said }
  }

  it.each([
    ['a lease', { OCPCTL_LEASE_SECONDS: '20' }, /OCPCTL_LEASE_SECONDS is 20 here and 30 at /],
    ['a simulated cloud', { OCPCTL_SIM_CLOUD: tmpdir() + '/ocpctl-other-cloud' }, /OCPCTL_SIM_CLOUD is another/],
  ])('%s of its own: it waits, says so, and takes no job', { timeout: 120_000 }, async (_, environment, words) => {
    await h.rows('delete from workers')
    const worker = await h.startWorker()
    const { code, said } = await heard(words, environment)
    expect(code).toBe(0)
    expect(said).toMatch(words)
    expect(said).not.toContain('is ready')
    expect(await h.rows('select 1 from workers')).toHaveLength(1)
    await worker.drain(0)
    await h.rows('delete from workers')
    expect((await heard(/is ready/, environment)).said).toMatch(/is ready/)
    await h.rows('delete from workers')
  })

  it('a real installer beside a simulation: it waits, says so, and takes no job', { timeout: 120_000 }, async () => {
    const worker = await h.startWorker()
    const dir = newDir()
    writeFileSync(join(dir, 'pull.json'), '{"auths":{}}')
    const words = /OCPCTL_INSTALLER is a directory here and not at /
    const { said } = await heard(words, { OCPCTL_INSTALLER: dir, OCPCTL_PULL_SECRET_FILE: join(dir, 'pull.json') })
    expect(said).toMatch(words)
    expect(said).not.toContain('is ready')
    await worker.drain(0)
  })

  it('profiles of its own: the readiness of an API says so, and clusters keep those they were made with', async () => {
    await h.rows('delete from workers')
    const worker = await h.startWorker()
    const profiles = newDir()
    cpSync(join(ROOT, 'profiles', 'aws-minimal-test.yaml'), join(profiles, 'aws-minimal-test.yaml'))
    const app = { ...h.app, catalog: loadCatalog(profiles) }
    const degraded = async (of: typeof app) =>
      ((await (await createHttp(of).request('/readyz')).json()) as { degraded: object[] }).degraded
    expect(await degraded(app)).toContainEqual({ part: 'profiles', detail: expect.stringContaining('OCPCTL_PROFILES') })
    expect(await degraded(h.app)).toEqual([])
    await worker.drain(0)
  })

  it('a clock that is off: it is told at the start', { timeout: 120_000 }, async () => {
    const skew = 'const now=Date.now;Date.now=()=>now()+120000'
    const environment = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(skew)}` }
    const words = /the clock of this host is 1\d\d s ahead of that of the database/
    expect((await heard(words, environment, 'serve')).said).toMatch(words)
  })
})

it('clusters that have waited for long say that the worker waits for its store', async () => {
  const dark = await openHarness()
  try {
    const { cluster } = await dark.requestCluster('dark')
    const { cluster: young } = await dark.requestCluster('young')
    await dark.rows(`update clusters set created_at = now() - interval '3 minutes' where id = '${cluster.id}'`)
    const child = dark.startProcess('work', {
      OCPCTL_ARTIFACTS: 's3://bucket',
      OCPCTL_S3_ENDPOINT: 'http://127.0.0.1:1',
      OCPCTL_S3_ACCESS_KEY_ID: 'AKIA',
      OCPCTL_S3_SECRET_ACCESS_KEY: 'x',
    })
    const reasonOf = async (id: string) => (await dark.call('GET', `/clusters/${id}`)).body.statusReason
    expect(await eventually(async () => (await reasonOf(cluster.id)) ?? undefined)).toMatch(
      /^it waits to begin: the artifact store does not work: S3 bucket bucket: .*ECONNREFUSED/,
    )
    expect(await reasonOf(young.id)).toBeNull()
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
  } finally {
    await dark.close()
  }
})

describe('two installations in one cloud', () => {
  let other: Harness
  beforeAll(async () => {
    other = await openHarness({ environment: { OCPCTL_SIM_CLOUD: h.cloudDir } })
  })
  afterAll(() => other.close())

  it(
    'do not report each other’s clusters, and neither takes the other’s names or records',
    { timeout: 90_000 },
    async () => {
      const workers = [await h.startWorker(), await other.startWorker()]
      const { cluster: mine } = await h.requestCluster('mine')
      const { cluster: yours } = await other.requestCluster('yours')
      await h.reach(mine.id, 'READY')
      await other.reach(yours.id, 'READY')
      const { cluster: same } = await other.requestCluster('mine')
      await other.reach(same.id, 'FAILED')
      await other.destroy(same.id)
      await other.reach(same.id, 'DESTROYED')
      for (const each of [h, other]) {
        expect(await reconcile(each.app)).toMatchObject({ filed: 0, repaired: 0 })
        const [row] = await each.rows<{ id: string }>('select id from installation')
        expect(await each.rows(`select effective_tags ->> 'ocpctl-installation-id' as id from clusters where status = 'READY'`)).toEqual([row]) // prettier-ignore
      }
      expect(h.resources().filter((file) => file.startsWith('mine-') && file.includes('dns-record'))).toHaveLength(2)
      await h.destroy(mine.id)
      await other.destroy(yours.id)
      await h.reach(mine.id, 'DESTROYED')
      await other.reach(yours.id, 'DESTROYED')
      expect(h.resources()).toEqual([])
      for (const worker of workers) await worker.drain(0)
    },
  )
})

describe('the programs of a worker', () => {
  const VERSION = '4.20.3'
  const PULL_SECRET = '{"auths":{"quay.io":{"auth":"YTpi"}}}'
  const script = (body: string) => `#!/bin/sh\n${body}\n`
  const put = (dir: string, body: string) => {
    const path = join(dir, `openshift-install-${VERSION}`)
    rmSync(path, { force: true })
    writeFileSync(path, body, { mode: 0o755 })
  }
  const sign = (dir: string, body: string) =>
    writeFileSync(join(dir, `openshift-install-${VERSION}.sha256`), createHash('sha256').update(body).digest('hex'))
  const real = script(
    `OCPCTL_SIM_VERSION=${VERSION} OCPCTL_SIM_CLOUD="$SIM_CLOUD" OCPCTL_SIM_SPEED=1000000 exec ${process.execPath} ${ROOT}/bin/openshift-install-sim "$@"`,
  )
  const configOf = (dir: string, cloud: string) => {
    const pullSecret = join(dir, 'pull.json')
    writeFileSync(pullSecret, PULL_SECRET)
    return readConfig({
      ...h.environment,
      OCPCTL_INSTALLER: dir,
      OCPCTL_PULL_SECRET_FILE: pullSecret,
      // What the driver hands on; the script makes the simulated cloud of it.
      AWS_CONFIG_FILE: cloud,
    })
  }

  /** Where nothing is simulated, the second look that proves it comes a minute later. */
  const takenAway = async (clusterId: string) => {
    await eventually(async () => {
      const [row] = await h.rows(
        `select from job_attempts a join jobs j on j.id = a.job_id where j.cluster_id = '${clusterId}' and a.stage = 'verify' and a.ended_at is null`,
      )
      return row !== undefined
    })
    expect(h.resources()).toEqual([])
  }

  it(
    'are checked before each start: one that was replaced does not run, by a destroy neither',
    { timeout: 60_000 },
    async () => {
      const dir = newDir()
      const body = real.replace('"$SIM_CLOUD"', '"$AWS_CONFIG_FILE"')
      put(dir, body)
      sign(dir, body)
      const config = configOf(dir, h.cloudDir)
      const installer = openInstaller(config)
      const credentials = openCloudCredentials(config.credentialsDir, config.environment)
      const worker = await startWorker({ ...h.app, config, installer, credentials })
      const { cluster } = await h.requestCluster('real', { version: VERSION })
      await h.reach(cluster.id, 'READY')
      const ran = join(dir, 'ran')
      put(dir, script(`touch ${ran}`))
      await expect(installer.check({ version: VERSION, fips: false })).rejects.toThrow('does not match its .sha256')
      await h.destroy(cluster.id)
      await eventually(async () => (await h.rows(`select 1 from job_attempts where message like '%does not match its .sha256%'`)).length > 0) // prettier-ignore
      expect(existsSync(ran)).toBe(false)
      put(dir, body)
      await h.destroy(cluster.id)
      await takenAway(cluster.id)
      expect(existsSync(ran)).toBe(false)
      await worker.drain(0)
    },
  )

  it('missing: it says so, and takes no job until there is one', { timeout: 60_000 }, async () => {
    const dir = newDir()
    const config = configOf(dir, h.cloudDir)
    const credentials = openCloudCredentials(config.credentialsDir, config.environment)
    const app = { ...h.app, config, installer: openInstaller(config), credentials }
    const worker = await startWorker(app)
    const { cluster } = await h.requestCluster('waits', { version: VERSION })
    const readiness = await createHttp(app).request('/readyz')
    expect(readiness.status).toBe(503)
    expect(await readiness.json()).toMatchObject({ ready: false, failing: [{ part: 'installer' }] })
    const body = real.replace('"$SIM_CLOUD"', '"$AWS_CONFIG_FILE"')
    sign(dir, body)
    put(dir, body)
    await h.reach(cluster.id, 'READY')
    expect(await h.rows(`select a.number, a.outcome, a.reason, a.message from job_attempts a join jobs j on j.id = a.job_id where j.cluster_id = '${cluster.id}'`)).toEqual([{ number: 1, outcome: 'SUCCEEDED', reason: null, message: null }]) // prettier-ignore
    await h.destroy(cluster.id)
    await takenAway(cluster.id)
    await worker.drain(0)
  })
})
