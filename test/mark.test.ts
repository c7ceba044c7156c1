// A database that was restored from a backup, or lost: it is noticed, no cluster is made meanwhile, and what the mark in the
// artifact store knows is given back.
import { randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sealAudit } from '../src/audit/seal.ts'
import { findLost, recover } from '../src/clusters/adopt.ts'
import { findMarkAhead, keepMark, readMark } from '../src/clusters/mark.ts'
import { recoverLost } from '../src/commands/recover.ts'
import { destroyDueClusters } from '../src/cron/janitor.ts'
import { lookAtDestroyed } from '../src/cron/later-looks.ts'
import { createHttp } from '../src/http/app.ts'
import { newId } from '../src/ids.ts'
import { claimStore } from '../src/installation.ts'
import { reconcile } from '../src/reconcile/reconcile.ts'
import { startWorker } from '../src/worker/worker.ts'
import { backupOf, type Backup } from './backup.ts'
import { eventually, exitOf, openHarness, ROOT, type Harness } from './harness.ts'

let h: Harness
let backup: Backup
beforeEach(async () => {
  h = await openHarness({ speed: 1_000_000, leaseSeconds: 10 })
  backup = backupOf(h)
  await claimStore(h.app, AbortSignal.timeout(10_000))
})
afterEach(async () => {
  await backup.drop()
  await h.close()
})

/** As the clock does every minute. */
const seal = async () => keepMark(h.app, (await sealAudit(h.app.db)).head)
const change = () => h.tokenFor([{ team: 'blue', role: 'requester' }])
/** Two marks after the backup: the loss of less heals by itself. */
const markTwice = async () => {
  for (let times = 0; times < 2; times++) {
    await change()
    expect(await seal()).toBeUndefined()
  }
}
const statuses = async () =>
  Object.fromEntries(
    (await h.rows<{ name: string; status: string }>('select name, status from clusters order by id')).map((row) => [row.name, row.status]), // prettier-ignore
  )
const reasonOf = async (id: string): Promise<string | null> =>
  (await h.call('GET', `/clusters/${id}`)).body.statusReason
const say = async (apply: boolean) => {
  const lines: string[] = []
  const code = await recoverLost(h.app, { apply }, (line) => lines.push(line))
  return { code, said: lines.join('\n') }
}
const command = async (environment: Record<string, string>, ...options: string[]) => {
  const child = spawn(process.execPath, ['src/main.ts', ...options], {
    cwd: ROOT,
    env: { ...h.environment, ...environment },
  })
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await exitOf(child), said: (await said).join('') }
}
/** Long enough ago for the mark to be sure of it. */
const age = () => h.rows(`update clusters set created_at = created_at - interval '1 hour'`)

it(
  'it is noticed: creates wait and say why, destroys and reading go on, until recover has been run',
  { timeout: 60_000 },
  async () => {
    const worker = await h.startWorker()
    const { cluster: old } = await h.requestCluster('old')
    await h.reach(old.id, 'READY')
    await seal()
    await worker.drain(0)
    const { cluster: waiting } = await h.requestCluster('waiting')
    await backup.take()
    expect(await findMarkAhead(h.app)).toBeUndefined()
    await markTwice()
    await backup.putBack()

    expect(await findMarkAhead(h.app)).toBeDefined()
    expect(await seal(), 'nothing replaces the mark').toBeDefined()
    const readiness = await createHttp(h.app).request('/readyz')
    expect({ status: readiness.status, ...((await readiness.json()) as object) }).toMatchObject({
      status: 200,
      degraded: expect.arrayContaining([
        { part: 'database', detail: expect.stringContaining('node src/main.ts recover') },
      ]),
    })
    const process = h.startProcess('work', { OCPCTL_LOG_LEVEL: 'info' })
    let logged = ''
    process.stdout?.on('data', (chunk: Buffer) => void (logged += chunk.toString()))
    await h.destroy(old.id)
    await h.reach(old.id, 'DESTROYED')
    expect(logged).toContain("the database is older than the artifact store's mark")
    expect(await eventually(() => reasonOf(waiting.id).then((reason) => reason ?? undefined))).toContain('recover')
    expect(await statuses()).toMatchObject({ waiting: 'PENDING' })
    process.kill('SIGTERM')
    expect(await exitOf(process)).toBe(0)

    expect(await command({}, 'recover')).toEqual({
      code: 0,
      said: expect.stringMatching(/older than[^]*Nothing was changed/),
    })
    expect(await findMarkAhead(h.app)).toBeDefined()
    expect(await command({}, 'recover', '--apply')).toEqual({
      code: 0,
      said: expect.stringContaining('clusters are made again'),
    })
    expect(await findMarkAhead(h.app)).toBeUndefined()
    expect(await h.rows(`select actor from audit_events where action = 'database.recover'`)).toEqual([
      { actor: 'system:recovery' },
    ])
    await h.startWorker()
    await h.reach(waiting.id, 'READY')
  },
)

it('the loss of what came after the last mark but one heals by itself', async () => {
  await seal()
  await backup.take()
  await change()
  await seal()
  await backup.putBack()
  expect(await findMarkAhead(h.app)).toBeUndefined()
  const { least } = (await readMark(h.app)) ?? {}
  await change()
  expect(await seal()).toBeUndefined()
  expect((await readMark(h.app))?.least, 'a head that is lost is never asked for').toEqual(least)
})

it('a copy of the database that runs beside the first one is noticed by the one that did not write the marks', async () => {
  await seal()
  await backup.take()
  await markTwice()
  const url = h.url.replace(/(\/test_[0-9a-f]+)/, '$1_backup')
  const { said } = await command({ DATABASE_URL: url }, 'recover')
  expect(said).toContain('The database is older than')
  expect(await findMarkAhead(h.app)).toBeUndefined()
})

it(
  'what happened since the backup counts: the destroyed, the moved ends, the protections, the failed; names are free',
  { timeout: 60_000 },
  async () => {
    const worker = await h.startWorker()
    const ids: Record<string, string> = {}
    for (const name of ['gone', 'moved', 'kept']) ids[name] = (await h.requestCluster(name)).cluster.id
    for (const id of Object.values(ids)) await h.reach(id, 'READY')
    await worker.drain(0)
    const { cluster: ended } = await h.requestCluster('ended')
    await age()
    await seal()
    await backup.take()

    const next = await h.startWorker()
    await h.destroy(ids['gone'] ?? '')
    await h.reach(ids['gone'] ?? '', 'DESTROYED')
    const { cluster: again } = await h.requestCluster('gone')
    const post = (id: string | undefined, verb: string, body: object) => h.call('POST', `/clusters/${id}/${verb}`, { key: newId('evt'), body }) // prettier-ignore
    expect(await post(ids['moved'], 'extend', { hours: 6 })).toMatchObject({ status: 200 })
    const { destroyAt } = (await h.call('GET', `/clusters/${ids['moved']}`)).body
    expect(await h.call('PUT', `/clusters/${ids['kept']}/protection`, { body: { reason: 'a demonstration', until: new Date(Date.now() + 86_400_000).toISOString() } })).toMatchObject({ status: 200 }) // prettier-ignore
    const [job] = await h.rows<{ id: string }>(`select id from jobs where cluster_id = '${ended.id}'`)
    await h.reach(ended.id, 'READY')
    await h.reach(again.id, 'READY')
    await h.rows(`update clusters set status = 'FAILED' where id = '${ended.id}'`)
    await markTwice()
    await next.drain(0)
    await backup.putBack()
    expect(await statuses()).toEqual({ gone: 'READY', moved: 'READY', kept: 'READY', ended: 'PENDING' })

    // Their ends, as the backup has them, are over.
    await h.rows(`update clusters set destroy_at = now() - interval '1 minute' where name in ('moved', 'kept')`)
    await destroyDueClusters(h.app)
    expect(await statuses()).toMatchObject({ moved: 'READY', kept: 'READY' })

    expect((await say(false)).said).toMatch(/gone\.[^]*had been destroyed: it would be DESTROYED again/)
    expect(await statuses()).toMatchObject({ gone: 'READY', ended: 'PENDING' })
    expect(await say(true)).toMatchObject({ code: 0 })
    expect(await h.rows(`select id, status from clusters where name = 'gone' order by id`)).toEqual([
      { id: ids['gone'], status: 'DESTROYED' },
      { id: again.id, status: 'READY' },
    ])
    expect(await statuses()).toMatchObject({ ended: 'FAILED' })
    expect(await h.rows(`select status from jobs where id = '${job?.id}'`)).toEqual([{ status: 'CANCELLED' }])
    expect((await h.call('GET', `/clusters/${ids['moved']}`)).body.destroyAt).toBe(destroyAt)
    expect((await h.call('GET', `/clusters/${ids['kept']}`)).body).toMatchObject({ protectedReason: 'a demonstration' })
    await lookAtDestroyed(h.app)
    expect(await h.rows(`select looks from clusters where id = '${ids['gone']}'`)).toEqual([{ looks: 1 }])
    expect((await say(true)).said).toContain('is of a cluster that the database knows')

    await h.startWorker()
    await h.call('DELETE', `/clusters/${ids['kept']}/protection`)
    const living = await h.rows<{ id: string }>(`select id from clusters where status <> 'DESTROYED'`)
    for (const { id } of living) await h.destroy(id)
    for (const { id } of living) await h.reach(id, 'DESTROYED')
    expect(h.resources()).toEqual([])
  },
)

it('a cluster that failed in the backup and lives by the mark is not cleaned away', { timeout: 60_000 }, async () => {
  await h.startWorker()
  const { cluster } = await h.requestCluster('lives')
  await h.reach(cluster.id, 'READY')
  await h.rows(`update clusters set status = 'FAILED', destroy_retry_at = now()`)
  await seal()
  await backup.take()
  await h.rows(`update clusters set status = 'READY', destroy_retry_at = null`)
  await markTwice()
  await backup.putBack()
  await destroyDueClusters(h.app)
  expect(await say(true)).toMatchObject({
    code: 0,
    said: expect.stringContaining('what its failed create left is not taken away'),
  })
  await destroyDueClusters(h.app)
  expect(await statuses()).toEqual({ lives: 'FAILED' })
})

it('who slept by the mark sleeps, and who was woken is awake', { timeout: 90_000 }, async () => {
  const worker = await h.startWorker()
  const install = async (name: string) => {
    const { cluster } = await h.requestCluster(name, { profile: 'aws-standard' })
    await h.reach(cluster.id, 'READY')
    return cluster.id
  }
  const turn = async (id: string, verb: string, status: string) => {
    expect(await h.call('POST', `/clusters/${id}/${verb}`, { key: newId('evt'), body: {} })).toMatchObject({
      status: 202,
    })
    await h.reach(id, status)
  }
  const [slept, woken] = [await install('slept'), await install('woken')]
  await turn(woken, 'hibernate', 'HIBERNATED')
  await worker.drain(10_000)
  await seal()
  await backup.take()
  const second = await h.startWorker()
  await turn(slept, 'hibernate', 'HIBERNATED')
  await turn(woken, 'resume', 'READY')
  const lost = await install('lost')
  await turn(lost, 'hibernate', 'HIBERNATED')
  const { wakeBy } = (await h.call('GET', `/clusters/${lost}`)).body
  await second.drain(10_000)
  await markTwice()
  await backup.putBack()
  expect(await statuses()).toEqual({ slept: 'READY', woken: 'HIBERNATED' })
  expect(await say(true)).toMatchObject({ code: 0, said: expect.stringMatching(/slept[^]*is HIBERNATED[^]*woken[^]*is READY[^]*lost[^]*HIBERNATED, as it was/) }) // prettier-ignore
  expect(await statuses()).toEqual({ slept: 'HIBERNATED', woken: 'READY', lost: 'HIBERNATED' })
  expect((await h.call('GET', `/clusters/${lost}`)).body.wakeBy).toBe(wakeBy)
  await h.startWorker()
  for (const id of [slept, lost]) await turn(id, 'resume', 'READY')
})

it(
  'a database that is lost gets a new one in its place, by the command, from whoever has the key',
  { timeout: 45_000 },
  async () => {
    const worker = await h.startWorker()
    const ids: string[] = []
    for (const name of ['one', 'two', 'three']) ids.push((await h.requestCluster(name)).cluster.id)
    for (const id of ids) await h.reach(id, 'READY')
    await h.destroy(ids[2] ?? '')
    await h.reach(ids[2] ?? '', 'DESTROYED')
    await worker.drain(0)
    const { cluster: asked } = await h.requestCluster('asked')
    await age()
    await h.rows(`update clusters set destroy_at = now() + interval '5 days' where id = '${ids[0]}'`)
    await seal()
    const [before] = await h.rows<{ id: string }>('select id from installation')
    await backup.lose()

    const started = await command({}, 'work')
    expect(started).toEqual({
      code: 1,
      said: expect.stringMatching(/artifact store of another installation[^]*recover/),
    })
    expect(
      await command({ OCPCTL_SECRETS_KEY: randomBytes(32).toString('base64') }, 'recover', '--apply'),
    ).toMatchObject({ code: 1 })
    const shown = await command({}, 'recover')
    expect(shown).toEqual({ code: 0, said: expect.stringMatching(/would take the place[^]*would become READY[^]*three\.[^]*would become DESTROYED[^]*asked\.[^]*ask for it again/) }) // prettier-ignore
    expect(await h.rows('select id from clusters')).toEqual([])

    expect(await command({}, 'recover', '--apply')).toMatchObject({ code: 0 })
    expect(await h.rows('select id from installation')).toEqual([before])
    expect(await statuses()).toEqual({ one: 'READY', two: 'READY', three: 'DESTROYED' })
    expect(await h.rows(`select count(*)::int as open from infra_ledger where empty_at is null`)).toEqual([{ open: 2 }])
    expect(
      await h.rows(`select destroy_at > now() + interval '4 days' as kept from clusters where id = '${ids[0]}'`),
    ).toEqual([{ kept: true }])
    expect(await command({}, 'recover', '--apply')).toMatchObject({
      code: 0,
      said: expect.stringContaining('Whatever carries'),
    })
    expect(asked.id).toMatch(/^clu_/)

    const admin = await h.tokenFor([{ team: '*', role: 'platform_admin' }])
    await h.startWorker()
    expect(await reconcile(h.app)).toMatchObject({ filed: 0, repaired: 0 })
    for (const id of ids.slice(0, 2))
      expect(await h.call('POST', `/clusters/${id}/destroy`, { token: admin, key: newId('evt') })).toMatchObject({
        status: 202,
      })
    for (const id of ids.slice(0, 2)) await h.reach(id, 'DESTROYED')
    expect(h.resources()).toEqual([])
  },
)

it('a database that is lost is taken over though a worker has taken back there what it was at', async () => {
  const worker = await h.startWorker()
  const { cluster } = await h.requestCluster('outlived')
  await h.reach(cluster.id, 'READY')
  await worker.drain(0)
  await seal()
  await backup.lose()
  const lost = await findLost(h.app, cluster.id, undefined)
  if (lost) await recover(h.app, lost)
  expect(await command({}, 'recover', '--apply')).toMatchObject({ code: 0, said: expect.stringContaining('takes the place') }) // prettier-ignore
  expect(await statuses()).toEqual({ outlived: 'READY' })
})

it('a database with clusters of its own does not take the place of another one', async () => {
  const worker = await h.startWorker()
  const { cluster } = await h.requestCluster('first')
  await h.reach(cluster.id, 'READY')
  await worker.drain(0)
  await seal()
  await backup.lose()
  const other = { ...h.app, installationId: 'ins_01k0000000e000000000000000' }
  const lost = await findLost(h.app, cluster.id, undefined)
  if (lost) await recover(other, { ...lost, record: { ...lost.record, effectiveTags: { 'ocpctl-installation-id': other.installationId } } }) // prettier-ignore
  expect(await command({}, 'recover', '--apply')).toMatchObject({ code: 1, said: expect.stringContaining('another installation') }) // prettier-ignore
})

it('what lived by the mark lives on, though a look into the wrong cloud account shows nothing of it', async () => {
  const worker = await startWorker(h.app)
  const { cluster } = await h.requestCluster('unseen')
  await h.reach(cluster.id, 'READY')
  await worker.drain(0)
  await seal()
  await backup.lose()
  const { code, said } = await command({ OCPCTL_SIM_CLOUD: `${h.cloudDir}-other` }, 'recover', '--apply')
  expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining('is READY until') })
})
