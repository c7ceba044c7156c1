// Many clusters and several processes on one database.
import type { ChildProcess } from 'node:child_process'
import { afterEach, expect, it } from 'vitest'
import { eventually, exitOf, hear, isThorough, openHarness, type Harness } from './harness.ts'

const CLUSTERS = isThorough ? 100 : 12

let h: Harness
afterEach(() => h.close())

it(
  `takes ${CLUSTERS} clusters requested at once through READY to DESTROYED, ten at a time, and leaves nothing`,
  { timeout: 300_000 },
  async () => {
    h = await openHarness({ concurrency: 10 })
    await h.startWorker()
    const names = Array.from({ length: CLUSTERS }, (_, index) => `fleet-${index}`)
    const asked = await Promise.all(names.map((name) => h.requestCluster(name)))
    await allAre(h, 'READY', CLUSTERS)
    await Promise.all(asked.map(({ cluster }) => h.destroy(cluster.id)))
    await allAre(h, 'DESTROYED', CLUSTERS)
    expect(h.resources()).toEqual([])
    expect(await h.rows('select * from job_locks')).toEqual([])
    expect(overlaps(h)).toEqual([])
    expect(await h.rows(`select * from pgboss.job where name = 'cluster-jobs' and state <> 'completed'`)).toEqual([])
  },
)

it('works as two API and two worker processes on one database', { timeout: 120_000 }, async () => {
  h = await openHarness()
  const servers = [
    h.startProcess('serve', { OCPCTL_LOG_LEVEL: 'info' }),
    h.startProcess('serve', { OCPCTL_LOG_LEVEL: 'info' }),
  ]
  h.startProcess('work')
  h.startProcess('work')
  const urls = await Promise.all(servers.map((server) => urlOf(server)))
  const submit = async (index: number) => {
    const response = await fetch(`${urls[index % 2]}/api/v1/clusters`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${h.admin}`,
        'content-type': 'application/json',
        'idempotency-key': `pair-${index >> 1}`,
      },
      body: JSON.stringify({ name: `pair-${index >> 1}`, platform: 'aws', profile: 'aws-minimal-test' }),
    })
    return { status: response.status, body: await response.text() }
  }
  // Each request goes to both servers at the same instant, with the same key.
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => submit(index)))
  for (let pair = 0; pair < 12; pair += 2) expect(answers[pair]).toEqual(answers[pair + 1])
  await allAre(h, 'READY', 6)
  const workers = await h.rows<{ worker: string }>('select distinct worker from job_attempts')
  expect(workers.length).toBe(2)
  for (const { id } of await h.rows<{ id: string }>('select id from clusters')) await h.destroy(id)
  await allAre(h, 'DESTROYED', 6)
  expect(h.resources()).toEqual([])
})

it(
  'rolls all workers during 20 installs: no job is lost, and no install begun anew that could be carried on',
  { timeout: 600_000 },
  async () => {
    h = await openHarness({ concurrency: 7, speed: 400 })
    // So that an install is past its bootstrap for long enough to be handed over then, however slow this machine is.
    h.setFaults([{ cluster: 'roll-*', stage: 'initialize', action: 'throttle', factor: 5 }])
    const [first, second, patient] = [leavesAtOnce(h), leavesAtOnce(h), h.startProcess('work')]
    await Promise.all(Array.from({ length: 20 }, (_, index) => h.requestCluster(`roll-${index}`)))
    for (const leaving of [first, second]) {
      await bootstrapped(h, leaving)
      expect(await stopped(leaving)).toBe(0)
      leavesAtOnce(h)
    }
    const replacement = leavesAtOnce(h)
    expect(await stopped(patient)).toBe(0)
    await allAre(h, 'READY', 20)
    const attempts = await h.rows<{ worker: string; outcome: string }>('select worker, outcome from job_attempts')
    expect(new Set(attempts.map(({ outcome }) => outcome))).toEqual(new Set(['SUCCEEDED', 'INTERRUPTED']))
    expect(attempts.filter(({ worker, outcome }) => isOf(patient)(worker) && outcome !== 'SUCCEEDED')).toEqual([])
    // Each cluster is the first of its installs that got past its bootstrap.
    const carried = await h.rows<{ n: number; living: number }>(
      `select count(*)::int as n, count(*) filter (where empty_at is null)::int as living from infra_ledger
    where bootstrapped_at is not null`,
    )
    expect(carried).toEqual([{ n: 20, living: 20 }])
    expect(h.journal().filter(({ event, command }) => event === 'start' && command?.startsWith('wait-for'))).not.toEqual([]) // prettier-ignore

    for (const { id } of await h.rows<{ id: string }>('select id from clusters')) await h.destroy(id)
    await begun(h, replacement)
    expect(await stopped(replacement)).toBe(0)
    await allAre(h, 'DESTROYED', 20)
    const jobs = await h.rows<{ status: string; n: number }>(
      'select status, count(*)::int as n from jobs group by status',
    )
    expect(jobs).toEqual([{ status: 'SUCCEEDED', n: 40 }])
    expect(h.resources()).toEqual([])
    expect(overlaps(h)).toEqual([])
    expect(await h.rows('select * from job_locks')).toEqual([])
  },
)

/** A worker that hands its jobs to the next one as soon as it is asked to end. */
const leavesAtOnce = (harness: Harness) => harness.startProcess('work', { OCPCTL_DRAIN_TIMEOUT: '0' })

const isOf = (child: ChildProcess) => (worker: string) => worker.endsWith(`:${child.pid}`)

function stopped(child: ChildProcess): Promise<number | string | null> {
  child.kill('SIGTERM')
  return exitOf(child)
}

/** Waits until the worker has jobs that run, or others have done them all. */
const begun = (harness: Harness, child: ChildProcess) =>
  eventually(async () => {
    const rows = await harness.rows<{ worker: string }>('select worker from job_attempts where ended_at is null')
    return rows.map(({ worker }) => worker).some(isOf(child)) || !(await isBusy(harness))
  })

const isBusy = async (harness: Harness) => (await harness.rows('select from jobs where ended_at is null')).length > 0

/** Waits until an install of the worker is past its bootstrap, or all are done. */
const bootstrapped = (harness: Harness, child: ChildProcess) =>
  eventually(async () => {
    const rows = await harness.rows<{ worker: string }>(
      `select worker from job_attempts a join infra_ledger l on l.attempt_id = a.id
      where a.ended_at is null and bootstrapped_at is not null`,
    )
    return rows.map(({ worker }) => worker).some(isOf(child)) || !(await isBusy(harness))
  })

const allAre = (harness: Harness, status: string, count: number) =>
  eventually(async () => {
    const rows = await harness.rows<{ status: string; n: number }>(
      'select status, count(*)::int as n from clusters group by status',
    )
    const stuck = rows.find((row) => ['FAILED', 'DESTROY_FAILED'].includes(row.status))
    if (stuck) throw new Error(`some clusters are ${stuck.status}`)
    return rows.length === 1 && rows[0]?.status === status && rows[0].n === count
  })

/** Clusters that two installer runs worked on at once, by the simulator's own journal. */
function overlaps(harness: Harness): string[] {
  const running = new Map<string, string>()
  const found: string[] = []
  for (const { event, run, cluster } of harness.journal()) {
    if (event === 'start' && cluster) {
      if ([...running.values()].includes(cluster)) found.push(cluster)
      running.set(run, cluster)
    } else if (event === 'end') running.delete(run)
  }
  return found
}

function urlOf(server: ReturnType<Harness['startProcess']>): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    hear(server, (chunk) => {
      text += chunk
      const url = /"url":"([^"]+)"/.exec(text)?.[1]
      if (url) resolve(url)
    })
  })
}
