// A scrape, and the reckoning of the gauges, where 10,000 clusters live: alone, and among 1,000,000, most of which are long
// destroyed, with 200,000 jobs.
import { setTimeout } from 'node:timers/promises'
import { Agent, get } from 'node:http'
import { medianOf, newRequest, query, rateOf, startServer, type Ground, type Server } from './ground.ts'
import { addClusters } from './previews.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const CALLS = 50
const PASSES = 3
const SCRAPES = 5000
/** A period of the reckoning, and what it takes. */
const PERIOD_MS = 15_500

export async function measureMetrics(ground: Ground, report: Report): Promise<void> {
  const servers: { server: Server; database: string; url: string }[] = []
  try {
    for (const size of ['few', 'many']) {
      const database = await ground.createDatabase(`metrics_${size}`)
      const port = String(20_000 + Math.floor(Math.random() * 20_000))
      const server = await startServer(ground, database, undefined, 'serve', { OCPCTL_METRICS_PORT: port })
      servers.push({ server, database, url: `http://127.0.0.1:${port}/metrics` })
      await server.call('POST', '/api/v1/clusters', newRequest())
      await addClusters(
        database,
        'm',
        10_000,
        `profile_snapshot, 'team-' || n % 1000, region, 'READY', null::timestamptz`,
      )
      const jobs = size === 'many' ? 200_000 : 10_000
      if (size === 'many') await addClusters(database, 'd', 990_000, `'{}', 'team-' || n % 1000, region, 'DESTROYED', now() - interval '40 days'`) // prettier-ignore
      await query(
        database,
        `insert into jobs (id, cluster_id, type, status, max_attempts, requested_by, ended_at)
         select 'job_bench' || n, c.id, 'CREATE', 'SUCCEEDED', 1, 'x', now()
         from (select id, row_number() over () as n from clusters limit ${jobs}) c`,
      )
      await query(database, 'vacuum analyze jobs')
    }
    const seconds: number[][] = servers.map(() => [])
    for (let pass = 0; pass < PASSES; pass++) {
      for (const { database } of servers) await query(database, `update gauges set claimed_at = 'epoch'`)
      await setTimeout(PERIOD_MS)
      for (const [index, { database }] of servers.entries()) {
        const [row] = await query<{ seconds: number }>(database, 'select seconds from gauges')
        seconds[index]?.push(row?.seconds ?? 0)
      }
    }
    const [few = 0, many = 0] = seconds.map(medianOf)
    report.figure('the gauges, 10 000 living clusters of 10 000', few * 1000, 'ms')
    report.figure('the gauges, 10 000 living clusters of 1 000 000', many * 1000, 'ms')
    report.ratio('the gauges, of 1 000 000 / of 10 000', many / few, '≤ 2')

    const rates: number[][] = servers.map(() => [])
    const agent = new Agent({ keepAlive: true })
    for (let round = 0; round <= ROUNDS; round++)
      for (const [index, { url }] of servers.entries()) {
        const rate = await rateOf(() => scrape(agent, url), 1, CALLS)
        if (round > 0) rates[index]?.push(rate.p50Ms) // the first one warms
      }
    const [small = 0, large = 0] = rates.map(medianOf)
    report.figure('a scrape at 1 000 000 clusters (goal ≤ 20)', large, 'ms')
    report.ratio('a scrape, of 1 000 000 / of 10 000', large / small, '≤ 2')
    const before = await statementsOf(ground, 'metrics_many')
    for (let n = 0; n < SCRAPES; n++) await scrape(agent, servers[1]?.url ?? '')
    const asked = (await statementsOf(ground, 'metrics_many')) - before
    report.ratio('transactions of the database meanwhile / scrapes', asked / SCRAPES, '0')
    agent.destroy()
  } finally {
    for (const { server } of servers) await server.stop()
  }
}

function scrape(agent: Agent, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => (text.includes('ocpctl_cluster_usd_per_hour{') ? resolve() : reject(new Error(text))))
    }).on('error', reject)
  })
}

/** What the processes of the database have done in it so far; the server tells of it a second late. */
async function statementsOf(ground: Ground, name: string): Promise<number> {
  await setTimeout(1500)
  const [row] = await query<{ n: string }>(ground.url, 'select xact_commit as n from pg_stat_database where datname = $1', [name]) // prettier-ignore
  return Number(row?.n)
}
