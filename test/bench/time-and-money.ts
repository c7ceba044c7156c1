// Ends, warnings, samples, reports and exports, at sizes that no installation has yet.
import { request } from 'node:http'
import { Client } from 'pg'
import type { App } from '../../src/app.ts'
import type { Actor } from '../../src/auth/principal.ts'
import { destroyCluster } from '../../src/clusters/commands.ts'
import { warnOfEnds } from '../../src/clusters/warnings.ts'
import { destroyDueClusters } from '../../src/cron/janitor.ts'
import { readUsage } from '../../src/usage/report.ts'
import { sampleUsage } from '../../src/usage/series.ts'
import { openBenchApp } from './app.ts'
import { medianOf, newRequest, query, rateOf, startServer, TOKEN, type Ground } from './ground.ts'
import { residentMb } from './process.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const SYSTEM: Actor = { kind: 'system', name: 'janitor' }

export async function measureTimeAndMoney(ground: Ground, report: Report): Promise<void> {
  await measurePasses(ground, report)
  await measureSampling(ground, report)
  await measureDestroys(ground, report)
  await measureReport(ground, report)
}

export async function msOf(run: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await run()
  return performance.now() - from
}

/** The median of the ratios of rounds, after one that warms. */
async function ratioOf(ours: () => Promise<unknown>, floor: () => Promise<unknown>, rounds = ROUNDS): Promise<number> {
  const ratios: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const at = await msOf(floor)
    const took = await msOf(ours)
    if (round > 0) ratios.push(took / at)
  }
  return medianOf(ratios)
}

/** Copies of one request, without what triggers write for each. `values`: SQL for columns, by the number n. */
export async function addClusters(
  url: string,
  prefix: string,
  count: number,
  values: Record<string, string>,
): Promise<void> {
  const [{ columns } = { columns: '' }] = await query<{ columns: string }>(
    url,
    `select string_agg(column_name, ',' order by ordinal_position) as columns from information_schema.columns
     where table_schema = 'public' and table_name = 'clusters'`,
  )
  const given: Record<string, string> = { id: `'clu_${prefix}' || to_char(n, 'FM000000000000000000000000')`, name: `'${prefix}-' || n`, ...values } // prettier-ignore
  const selected = columns.split(',').map((column) => (given[column] === undefined ? `c.${column}` : given[column]))
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`set session_replication_role = replica`)
    await client.query(`insert into clusters (${columns}) select ${selected.join(', ')}
      from (select * from clusters where name like 'b%' order by id limit 1) c, generate_series(1, ${count}) n`)
    await client.query('vacuum analyze clusters')
  } finally {
    await client.end()
  }
}

export async function openWithOne(ground: Ground, name: string) {
  const url = await ground.createDatabase(name)
  const opened = await openBenchApp(ground, url)
  const server = await startServer(ground, url)
  await server.call('POST', '/api/v1/clusters', newRequest())
  await query(
    url,
    `update clusters set destroy_at = now() + interval '400 days', warn_at = now() + interval '399 days'`,
  )
  return { url, server, ...opened, close: async () => (await server.stop(), opened.close()) }
}

async function measurePasses(ground: Ground, report: Report): Promise<void> {
  const { app, url, close } = await openWithOne(ground, 'passes')
  try {
    await addClusters(url, 'mm', 1_000_000, {
      status: `'READY'`,
      destroy_at: `now() + interval '1 day' + n * interval '1 second'`,
      warn_at: `now() + interval '1 hour' + n * interval '1 second'`,
    })
    const keyOf = (column: string) => () =>
      times(20, () => app.db.$client.query({ name: `count ${column}`, text: `select count(*) from clusters where ${column} = (select now()) and status <> 'DESTROYED'` })) // prettier-ignore
    report.ratio('TTL pass, none of 1 000 000 has ended / count of one key', await ratioOf(() => times(20, () => destroyDueClusters(app)), keyOf('destroy_at')), '≤ 3') // prettier-ignore
    report.ratio('warning pass, none of 1 000 000 is due / count of one key', await ratioOf(() => times(20, () => warnOfEnds(app)), keyOf('warn_at')), '≤ 3') // prettier-ignore
  } finally {
    await close()
  }
}

async function times(count: number, run: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < count; n++) await run()
}

async function measureSampling(ground: Ground, report: Report): Promise<void> {
  const { app, url, close } = await openWithOne(ground, 'sampling')
  try {
    await addClusters(url, 'ss', 5000, { status: `'READY'` })
    await query(url, 'create table plain (like usage_samples including all)')
    const insert = () =>
      app.db.$client.query(`insert into plain (cluster_id, at, status, nodes, vcpu, usd_per_hour)
        select id, clock_timestamp(), status, 3, vcpu, usd_per_hour from clusters`)
    report.ratio('sampling of 5 000 clusters / an INSERT of as many rows', await ratioOf(() => sampleUsage(app), insert, 9), '≤ 2') // prettier-ignore
  } finally {
    await close()
  }
}

async function measureDestroys(ground: Ground, report: Report): Promise<void> {
  const { app, url, server, close } = await openWithOne(ground, 'destroys')
  const free: App = { ...app, config: { ...app.config, destroysPerMinute: 1_000_000 } }
  const ended = { status: `'READY'`, destroy_at: `now() - interval '1 minute'` }
  const drain = () => query(url, `update jobs set status = 'CANCELLED', ended_at = now() where ended_at is null; update clusters set status = 'DESTROYED', destroyed_at = now() where status = 'DESTROYING'; delete from pgboss.job where name = 'cluster-jobs'`) // prettier-ignore
  const one = async (id: string) => app.db.transaction((tx) => destroyCluster(app, tx, SYSTEM, id))
  try {
    const ratios: number[] = []
    for (let round = 0; round < 3; round++) {
      await addClusters(url, `d${round}`, 10_000, ended)
      const loop = await msOf(async () => {
        for (const { id } of await query<{ id: string }>(url, `select id from clusters where name like 'd${round}-%' limit 2000`)) await one(id) // prettier-ignore
      })
      await drain()
      const rest = await msOf(() => destroyDueClusters(free))
      await drain()
      ratios.push(rest / 8000 / (loop / 2000))
    }
    report.ratio('destroys of ended clusters, together / one by one', medianOf(ratios), '≤ 0.5')

    const read = () => server.call('GET', '/api/v1/clusters?limit=50')
    await rateOf(read, 4, 2000)
    const p99s: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const idle = await rateOf(read, 4, 2000)
      await addClusters(url, `e${round}`, 10_000, ended)
      // As many as a minute begins. While they are begun, requests go on.
      const over = new AbortController()
      const pass = destroyDueClusters(app).finally(() => over.abort())
      const took: number[] = []
      await Promise.all(
        [1, 2, 3, 4].map(async () => {
          while (!over.signal.aborted) took.push(await msOf(read))
        }),
      )
      await pass
      await drain()
      took.sort((a, b) => a - b)
      p99s.push((took[Math.floor(took.length * 0.99)] ?? 0) / idle.p99Ms)
    }
    report.ratio('p99 of a page while 1 000 of 50 000 destroys are begun / idle', medianOf(p99s), '≤ 2')
  } finally {
    await close()
  }
}

async function measureReport(ground: Ground, report: Report): Promise<void> {
  const { app, url, server, close } = await openWithOne(ground, 'money')
  const from = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() - 1))
  const to = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1))
  try {
    // Three days each, within a month.
    await addClusters(url, 'uu', 100_000, {
      status: `'DESTROYED'`,
      team: `'team-' || n % 100`,
      destroyed_at: `now() - interval '30 days'`,
      created_at: `now() - interval '60 days'`,
    })
    const days = (
      start: string,
    ) => `insert into usage_days (day, cluster_id, status, team, owner, profile, cost_center, platform, region, seconds, node_seconds, vcpu_seconds, usd_seconds)
      select ${start} + k, c.id, 'READY', c.team, c.owner, c.profile, c.cost_center, c.platform, c.region, 86400, 259200, 1036800, 72576
      from (select *, substr(id, 7)::bigint as n from clusters where name like 'uu-%') c, generate_series(0, 2) k`
    const month = from.toISOString().slice(0, 10)
    await query(url, days(`'${month}'::date + (n % 28)::int`))
    await query(
      url,
      `insert into usage_days_rolled (day, clusters, usd_seconds)
       select day, 0, 0 from generate_series('${month}'::date, now()::date - 1, interval '1 day') as day`,
    )
    await query(url, 'vacuum analyze usage_days')
    const scan = async () => {
      const client = await app.db.$client.connect()
      try {
        await client.query('set enable_indexscan = off; set enable_bitmapscan = off; set enable_indexonlyscan = off; set max_parallel_workers_per_gather = 0') // prettier-ignore
        await client.query(`select team, day, sum(seconds), sum(node_seconds), sum(vcpu_seconds), sum(usd_seconds) from usage_days group by team, day`) // prettier-ignore
      } finally {
        await client.query('reset all')
        client.release()
      }
    }
    report.ratio('a month of 100 000 clusters by team and day / a scan of its sums', await ratioOf(() => readUsage(app, SYSTEM, { from, to }, ['team', 'day']), scan), '≤ 3') // prettier-ignore

    const rows = Number((await query<{ n: string }>(url, 'select count(*) as n from usage_days'))[0]?.n)
    const idle = residentMb(server.pid)
    let most = 0
    const watch = setInterval(() => (most = Math.max(most, residentMb(server.pid))), 50)
    const year = new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() - 11))
    const bytes = await exportFocus(server.url, year, to)
    clearInterval(watch)
    report.figure('rows of the FOCUS export of a year of 100 000 clusters', rows, '')
    report.figure('size of it', bytes / 2 ** 20, 'MiB')
    report.figure('memory of the API beyond idle during it (goal ≤ 64)', most - idle, 'MiB')
  } finally {
    await close()
  }
}

function exportFocus(url: string, from: Date, to: Date): Promise<number> {
  const window = new URLSearchParams({ from: from.toISOString(), to: to.toISOString() }).toString()
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/api/v1/usage?${window}`, { headers: { authorization: `Bearer ${TOKEN}`, accept: 'text/csv;profile=focus-1.2' } }) // prettier-ignore
    asked.on('error', reject)
    asked.on('response', (response) => {
      let bytes = 0
      response.on('data', (part: Buffer) => (bytes += part.length))
      response.on('error', reject)
      response.on('end', () => (response.statusCode === 200 ? resolve(bytes) : reject(new Error(`the export gave ${response.statusCode}`)))) // prettier-ignore
    })
    asked.end()
  })
}
