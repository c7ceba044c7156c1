// What workers are able to run: FIPS mode takes a build and a host of its own, and each cloud takes credentials.
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { App } from '../src/app.ts'
import { openCloudCredentials } from '../src/clouds/access.ts'
import { findCredentials } from '../src/clouds/credentials.ts'
import { readConfig } from '../src/config.ts'
import { createHttp } from '../src/http/app.ts'
import { openInstaller } from '../src/installer/openshift-install.ts'
import { startWorker } from '../src/worker/worker.ts'
import { eventually, openHarness, ROOT, type Harness } from './harness.ts'
import { RSA_2048 } from './ssh-keys.ts'

const VERSION = '4.20.3'
let h: Harness
const dirs: string[] = []
const newDir = () => {
  const dir = mkdtempSync(join(tmpdir(), 'ocpctl-workers-'))
  dirs.push(dir)
  return dir
}
beforeAll(async () => {
  h = await openHarness()
})
beforeEach(() => h.rows('delete from workers'))
afterAll(async () => {
  await h.close()
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true })
})

/** A directory of programs. That of FIPS is the simulator's, which knows it by its name as the real one does. */
function programs(...names: string[]): string {
  const dir = newDir()
  for (const name of names) {
    const fips = name.includes('-fips-') ? 'true' : 'false'
    const body = `#!/bin/sh\nOCPCTL_SIM_FIPS=${fips} OCPCTL_SIM_VERSION=${VERSION} OCPCTL_SIM_CLOUD="$AWS_CONFIG_FILE" OCPCTL_SIM_SPEED=1000000 exec ${process.execPath} ${ROOT}/bin/openshift-install-sim "$@"\n`
    writeFileSync(join(dir, name), body, { mode: 0o755 })
    writeFileSync(join(dir, `${name}.sha256`), createHash('sha256').update(body).digest('hex'))
  }
  return dir
}

function appWith(dir: string, { hostInFipsMode = false } = {}): App {
  const pullSecret = join(dir, 'pull.json')
  writeFileSync(pullSecret, '{"auths":{"quay.io":{"auth":"YTpi"}}}')
  const config = readConfig({
    ...h.environment,
    OCPCTL_INSTALLER: dir,
    OCPCTL_PULL_SECRET_FILE: pullSecret,
    AWS_CONFIG_FILE: h.cloudDir,
  })
  const installer = { ...openInstaller(config), isHostInFipsMode: async () => hostInFipsMode }
  return { ...h.app, config, installer, credentials: openCloudCredentials(config.credentialsDir, config.environment) }
}

const fipsRequest = { profile: 'aws-fips', version: VERSION, sshPublicKey: RSA_2048 }

it('FIPS: nobody can, so the request is told before it is accepted, and its preview too', async () => {
  const app = appWith(programs(`openshift-install-${VERSION}`, `openshift-install-fips-${VERSION}`))
  const worker = await startWorker(app)
  const body = { name: 'nobody', platform: 'aws', ...fipsRequest }
  const refused = await h.call('POST', '/clusters', { key: 'nobody', body })
  const problem = { pointer: '/version', detail: expect.stringContaining('openshift-install-fips-4.20.3 on a host') }
  expect(refused).toMatchObject({ status: 422, body: { code: 'POLICY_VIOLATION', errors: [problem] } })
  const preview = await h.call('POST', '/clusters?dryRun=true', { key: 'preview', body })
  expect(preview.body).toMatchObject({ allowed: false, violations: [problem] })
  await worker.drain(0)
})

it('FIPS: the job runs only where it can, and the other workers leave it', { timeout: 60_000 }, async () => {
  const cannot = await startWorker(appWith(programs(`openshift-install-${VERSION}`)))
  await h.rows(
    `insert into workers (id, name, abilities) values ('wrk_other', 'other',
      '{"simulated": false, "versions": [], "fips": {"hostInFipsMode": true, "versions": ["${VERSION}"]}, "clouds": []}')`,
  )
  const { cluster } = await h.requestCluster('secret', fipsRequest)
  const [job] = await eventually(async () => {
    const rows = await h.rows(
      `select status_reason, status from clusters where id = '${cluster.id}' and status_reason is not null`,
    )
    return rows.length > 0 && rows
  })
  expect(job).toEqual({
    status: 'PENDING',
    status_reason: 'it waits for a worker with openshift-install-fips-4.20.3 on a host in FIPS mode',
  })
  expect(await h.rows(`select 1 from job_attempts a join jobs j on j.id = a.job_id where j.cluster_id = '${cluster.id}'`)).toEqual([]) // prettier-ignore
  await cannot.drain(0)
  const can = await startWorker(appWith(programs(`openshift-install-fips-${VERSION}`), { hostInFipsMode: true }))
  await h.rows(`update pgboss.job set start_after = now() where state = 'retry'`)
  h.app.queue.wake()
  await h.reach(cluster.id, 'READY')
  await can.drain(0)
  // Keys are made at the install alone: any worker takes the cluster away.
  const destroyer = await startWorker(appWith(programs(`openshift-install-${VERSION}`)))
  await h.destroy(cluster.id)
  // Where nothing is simulated, the second look that proves it comes a minute later.
  await eventually(async () => (await h.rows(`select from job_attempts where stage = 'verify'`)).length > 0)
  expect(h.resources()).toEqual([])
  await destroyer.drain(0)
})

it('readyz tells the clouds that some worker has credentials for, and the profiles that will fail', async () => {
  const ask = async () => (await createHttp(h.app).request('/readyz')).json()
  expect(await ask()).toMatchObject({ ready: true, clouds: [], degraded: [{ part: 'workers' }] })
  const insert = (id: string, clouds: string[]) =>
    h.rows(
      `insert into workers (id, name, abilities) values ('${id}', 'w', '{"simulated": false, "versions": [],
        "fips": {"hostInFipsMode": false, "versions": []}, "clouds": ${JSON.stringify(clouds)}}')`,
    )
  await insert('wrk_1', ['gcp'])
  await insert('wrk_2', ['ibmcloud', 'azure'])
  await h.rows(`insert into workers select 'wrk_3', name, '{"clouds": ["aws"]}', now(), now() - interval '2 minutes' from workers limit 1`) // prettier-ignore
  expect(await ask()).toMatchObject({
    ready: true,
    clouds: ['azure', 'gcp', 'ibmcloud'],
    degraded: [{ part: 'credentials', detail: expect.stringContaining('no worker has credentials for aws') }],
  })
})

it('a worker of the simulation can do all', async () => {
  const worker = await startWorker(h.app)
  const [row] = await h.rows<{ id: string; abilities: unknown }>('select id, abilities from workers')
  expect(row?.abilities).toMatchObject({ simulated: true, clouds: ['aws', 'azure', 'gcp', 'ibmcloud'] })
  await worker.drain(0)
})

it('credentials are looked for where the installer looks', async () => {
  const home = newDir()
  const found = (environment: Record<string, string>) => findCredentials({ HOME: home, ...environment })
  const none = await found({})
  expect(none).not.toContain('azure')
  expect(none).not.toContain('ibmcloud')
  const key = join(home, 'key.json')
  writeFileSync(key, '{}')
  expect(await found({ GOOGLE_APPLICATION_CREDENTIALS: key })).toContain('gcp')
  expect(await found({ GCLOUD_KEYFILE_JSON: '{"type":"service_account"}' })).toContain('gcp')
  expect(await found({ AZURE_AUTH_LOCATION: key })).toContain('azure')
  const variables = { AZURE_SUBSCRIPTION_ID: 's', AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 'x' }
  expect(await found(variables)).not.toContain('azure')
  expect(await found({ IC_API_KEY: 'k' })).toContain('ibmcloud')
})
