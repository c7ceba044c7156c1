// What is kept of a cluster that is gone, and for how long; and its logs, which are in the artifact store by then.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyRetention } from '../src/clusters/retention.ts'
import { resealSecrets } from '../src/clusters/reseal.ts'
import { newId } from '../src/ids.ts'
import { moveLogs } from '../src/jobs/stored-log.ts'
import { createSecretBox } from '../src/secrets.ts'
import { openHarness, type Harness } from './harness.ts'

let h: Harness
beforeAll(async () => {
  h = await openHarness()
  await h.startWorker()
})
afterAll(() => h.close())

const gone = async (name: string) => {
  const { cluster, job } = await h.requestCluster(name)
  await h.reach(cluster.id, 'READY')
  await h.destroy(cluster.id)
  await h.reach(cluster.id, 'DESTROYED')
  return { id: cluster.id, jobId: job.id }
}
const SYSTEM = { kind: 'system', name: 'janitor' } as const
const age = (id: string, days: number) =>
  h.rows(
    `update clusters set destroyed_at = now() - interval '${days} days 1 minute', look_at = null where id = '${id}'`,
  )
const endLongAgo = () => h.rows(`update jobs set ended_at = ended_at - interval '1 hour' where ended_at is not null`)
const artifactsOf = (id: string) => h.rows<{ key: string; kind: string }>(`select key, kind from cluster_artifacts where cluster_id = '${id}'`) // prettier-ignore
const logOf = async (jobId: string, query = '') => (await h.call('GET', `/jobs/${jobId}/log${query}`)).body

describe('a log', () => {
  it('is the same by the same route when it has moved: pages, stream and all', async () => {
    const { jobId } = await gone('log')
    const before = await logOf(jobId)
    const streamed = (await h.call('GET', `/jobs/${jobId}/log/stream`)).body
    await endLongAgo()
    expect(await moveLogs(h.app)).toBeGreaterThanOrEqual(2)
    expect(await h.rows(`select 1 from job_log_chunks where job_id = '${jobId}'`)).toEqual([])
    expect(await logOf(jobId)).toEqual(before)
    expect((await h.call('GET', `/jobs/${jobId}/log/stream`)).body).toBe(streamed)
    const page = await logOf(jobId, '?after=5&limit=7')
    expect(page.items).toEqual(before.items.slice(5, 12))
    expect(page.nextAfter).toBe(12)
    expect((await logOf(jobId, `?after=${before.items.length}`)).items).toEqual([])
    expect(await moveLogs(h.app)).toBe(0)
  })

  it('with any line that an installer may print comes back as it was', async () => {
    const { jobId } = await gone('odd-log')
    const odd = [
      'line\u2028separator',
      'paragraph\u2029separator',
      'next\u0085line',
      'a\rreturn',
      '\ud83d\ude00 in two halves'.repeat(3000),
    ]
    const lines = odd.map((message, index) => ({
      seq: index + 10_001,
      at: new Date().toISOString(),
      level: 'info',
      message,
    }))
    await h.app.db.$client.query('insert into job_log_chunks (job_id, first_seq, last_seq, lines) values ($1, 10001, $2, $3)', [jobId, 10_000 + odd.length, JSON.stringify(lines)]) // prettier-ignore
    await endLongAgo()
    await moveLogs(h.app)
    expect((await logOf(jobId, '?after=10000')).items).toEqual(lines)
  })

  it('that was damaged is told as such, and is no error of the service', async () => {
    const { id, jobId } = await gone('damaged-log')
    await endLongAgo()
    await moveLogs(h.app)
    await h.rows(`update cluster_artifacts set sha256 = reverse(sha256) where kind = 'log' and cluster_id = '${id}'`)
    const { status, body } = await h.call('GET', `/jobs/${jobId}/log`)
    expect([status, body.code, body.detail]).toEqual([409, 'CONFLICT', `the log of ${jobId} is not what was stored`])
    await h.rows(`update cluster_artifacts set sha256 = reverse(sha256) where kind = 'log' and cluster_id = '${id}'`)
  })

  it('that took longer to store than its discard waits stays where it is', async () => {
    const { jobId } = await gone('slow-log')
    await endLongAgo()
    const db = Object.create(h.app.db) as typeof h.app.db
    // As if the announcement had been made an hour ago.
    db.execute = (async () => ({
      rows: [{ at: new Date(Date.now() - 3_600_000).toISOString() }],
    })) as unknown as typeof db.execute
    expect(await moveLogs({ ...h.app, db })).toBe(0)
    expect((await h.rows(`select 1 from job_log_chunks where job_id = '${jobId}'`)).length).toBeGreaterThan(0)
    expect(await moveLogs(h.app)).toBeGreaterThan(0)
  })

  it('is sealed in the store, and sealed anew with a new key', async () => {
    const { id, jobId } = await gone('sealed-log')
    const before = await logOf(jobId)
    await endLongAgo()
    await moveLogs(h.app)
    const box = createSecretBox(Buffer.alloc(32, 7), [h.environment['OCPCTL_SECRETS_KEY'] ?? ''])
    const app = { ...h.app, box }
    const { failures } = await resealSecrets(app)
    expect(failures).toEqual([])
    const rows = await h.rows<{ key_id: string }>(
      `select distinct key_id from cluster_artifacts where cluster_id = '${id}'`,
    )
    expect(rows).toEqual([{ key_id: box.keyId }])
    const back = createSecretBox(h.environment['OCPCTL_SECRETS_KEY'] ?? '', [Buffer.alloc(32, 7)])
    await resealSecrets({ ...h.app, box: back })
    expect(await logOf(jobId)).toEqual(before)
  })

  it('of a job that has just ended stays for those who follow it', async () => {
    const { jobId } = await gone('fresh-log')
    await moveLogs(h.app)
    expect((await h.rows(`select 1 from job_log_chunks where job_id = '${jobId}'`)).length).toBeGreaterThan(0)
  })

  it('moves once, however many processes move it', async () => {
    const { id } = await gone('many-movers')
    await endLongAgo()
    await Promise.all(Array.from({ length: 4 }, () => moveLogs(h.app)))
    expect((await artifactsOf(id)).filter(({ kind }) => kind === 'log').length).toBe(2) // of create and destroy
  })
})

describe('retention', () => {
  it('removes what the profile no longer keeps, and says first what would go', async () => {
    const { id } = await gone('over')
    const { id: young } = await gone('young')
    await endLongAgo()
    await moveLogs(h.app)
    await age(id, 30)
    await age(young, 29)
    const keys = (await artifactsOf(id)).map(({ key }) => key)
    expect(keys.length).toBeGreaterThan(3)
    const { body } = await h.call('POST', '/api/v1/retention?dryRun=true')
    expect(body).toMatchObject({ dryRun: true, clusters: 1, artifacts: keys.length, items: [{ clusterId: id, name: 'over', artifacts: keys.length }] }) // prettier-ignore
    expect((await artifactsOf(id)).length).toBe(keys.length)
    const { body: done } = await h.call('POST', '/api/v1/retention')
    expect(done).toEqual({ dryRun: false, clusters: 1, artifacts: keys.length, bytes: body.bytes, items: [] })
    expect(await artifactsOf(id)).toEqual([])
    expect((await artifactsOf(young)).length).toBeGreaterThan(3)
    const [event] = await h.rows<{ detail: unknown }>(`select detail from audit_events where action = 'cluster.forget' and cluster_id = '${id}'`) // prettier-ignore
    expect(event?.detail).toEqual({ artifacts: keys.length, bytes: body.bytes, logChunks: 0 })
    // The objects go by the queue.
    const left = await h.rows<{ key: string }>(`select data ->> 'key' as key from pgboss.job where name = 'discard-artifacts' and start_after <= now()`) // prettier-ignore
    expect(left.map(({ key }) => key)).toEqual(expect.arrayContaining(keys))
    expect((await h.call('GET', `/clusters/${id}`)).body.status).toBe('DESTROYED')
  })

  it('counts the days of the profile that the cluster was made with', async () => {
    const { id } = await gone('short')
    await h.rows(
      `update clusters set profile_snapshot = jsonb_set(profile_snapshot, '{retention}', '2') where id = '${id}'`,
    )
    await age(id, 2)
    expect((await applyRetention(h.app, SYSTEM)).clusters).toBe(1)
    expect(await artifactsOf(id)).toEqual([])
  })

  it.each([
    ['lives', `update clusters set status = 'DESTROY_FAILED', destroyed_at = null where id = '$id'`],
    ['has an open ledger entry', `update infra_ledger set empty_at = null where cluster_id = '$id'`],
    [
      'has a leak record',
      `insert into leak_records (id, cluster_id, infra_ids, reason, recorded_by) values ('${newId('lek')}', '$id', '{}', 'left', 'test')`,
    ],
    ['is to be looked at again', `update clusters set look_at = now() where id = '$id'`],
  ])('never touches what a cluster needs that %s', async (why, text) => {
    const { id } = await gone(`needed-${why.slice(0, 5).replaceAll(' ', '-')}${why.length}`)
    await age(id, 4000)
    await h.rows(text.replaceAll('$id', id))
    const before = await artifactsOf(id)
    expect((await h.call('POST', '/api/v1/retention')).body.clusters).toBe(0)
    expect(await artifactsOf(id)).toEqual(before)
  })

  it('and a cluster that comes back at the same moment keep its state whole', async () => {
    const { id } = await gone('race')
    await age(id, 40)
    const client = await h.app.db.$client.connect()
    await client.query('begin')
    await client.query(`update clusters set status = 'DESTROYING', destroyed_at = null where id = $1`, [id])
    await applyRetention(h.app, SYSTEM)
    await client.query('commit')
    client.release()
    expect((await artifactsOf(id)).length).toBeGreaterThan(2)
  })
})
