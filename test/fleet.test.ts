// Many clusters and several processes on one database.
import { afterEach, expect, it } from 'vitest'
import { eventually, isThorough, openHarness, type Harness } from './harness.ts'

const CLUSTERS = isThorough ? 100 : 24

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
    server.stderr?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const url = /"url":"([^"]+)"/.exec(text)?.[1]
      if (url) resolve(url)
    })
  })
}
