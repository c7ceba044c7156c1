// Pages and single clusters: beside a server that answers a constant, beside an older build, and among a million rows.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { ROOT } from '../harness.ts'
import { medianOf, newRequest, query, rateOf, startServer, type Ground, type Server } from './ground.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const AT = 32

export async function measureReads(ground: Ground, report: Report, baseline: string | undefined): Promise<void> {
  const database = await ground.createDatabase('reads')
  const server = await startServer(ground, database)
  const id = await submitOne(server)
  await addClusters(database, 1000)
  const old = baseline === undefined ? undefined : await startOld(ground, baseline)
  const page = (of: Server) => () => of.call('GET', '/api/v1/clusters?limit=50')
  const one = () => server.call('GET', `/api/v1/clusters/${id}`)
  const size = (await page(server)()).length
  const constant = await startConstant(size)
  try {
    const rates = { page: [] as number[], one: [] as number[], constant: [] as number[], old: [] as number[] }
    for (let round = 0; round <= ROUNDS; round++) {
      const measured = {
        constant: (await rateOf(() => constant.call(), AT, 3000)).perSecond,
        page: (await rateOf(page(server), AT, 2000)).perSecond,
        one: (await rateOf(one, AT, 2000)).perSecond,
        old: old ? (await rateOf(page(old), AT, 600)).perSecond : 0,
      }
      if (round === 0) continue // it warms
      for (const key of ['page', 'one', 'constant', 'old'] as const) rates[key].push(measured[key])
    }
    report.rate(`Hono answering a constant of ${Math.round(size / 1024)} KiB, ${AT} at a time`, rates.constant)
    report.rate(`GET /clusters?limit=50, ${AT} at a time`, rates.page)
    report.rate(`GET /clusters/{id}, ${AT} at a time`, rates.one)
    report.ratio('a page / a constant', medianOf(rates.page) / medianOf(rates.constant), '≥ 0.3')
    report.ratio('one cluster / a constant', medianOf(rates.one) / medianOf(rates.constant), '≥ 0.3')
    if (old) report.ratio('a page / older build', medianOf(rates.page) / medianOf(rates.old), '≥ 4')
    await measureGrowth(database, report, { page: page(server), one })
  } finally {
    constant.stop()
    await old?.stop()
    await server.stop()
  }
}

async function measureGrowth(
  database: string,
  report: Report,
  reads: Record<'page' | 'one', () => Promise<unknown>>,
): Promise<void> {
  const timeOf = async (read: () => Promise<unknown>) => {
    const rates: number[] = []
    for (let round = 0; round < ROUNDS; round++) rates.push((await rateOf(read, 1, 300)).perSecond)
    return 1 / medianOf(rates)
  }
  const few = { page: await timeOf(reads.page), one: await timeOf(reads.one) }
  await addClusters(database, 1_000_000)
  report.ratio('a page among 1 000 000 clusters / among 1 000', (await timeOf(reads.page)) / few.page, '≤ 1.3')
  report.ratio('one cluster among 1 000 000 / among 1 000', (await timeOf(reads.one)) / few.one, '≤ 1.3')
}

async function submitOne(server: Server): Promise<string> {
  const answer = JSON.parse(await server.call('POST', '/api/v1/clusters', newRequest())) as { cluster: { id: string } }
  return answer.cluster.id
}

/** Long destroyed, older than the first, in a thousand teams. */
async function addClusters(database: string, count: number): Promise<void> {
  await query(
    database,
    // Without what triggers write for each.
    `set session_replication_role = replica; insert into clusters (id, name, base_domain, platform, version, profile, profile_hash, profile_snapshot, region, owner, team,
       status, requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, destroyed_at, usd_per_hour)
     select 'clu_00' || to_char(${count} + n, 'FM000000000000000000000000'), 'old-' || n, base_domain, platform, version, profile,
       profile_hash, profile_snapshot, region, owner, 'team-' || n % 1000, 'DESTROYED', requested_by, request, request_tags,
       effective_tags, ttl_hours, destroy_at, now() - interval '40 days', usd_per_hour
     from (select * from clusters order by id desc limit 1) c, generate_series(1, ${count}) n`,
  )
  await query(database, 'vacuum analyze clusters')
}

async function startOld(ground: Ground, tree: string): Promise<Server> {
  const database = await ground.createDatabase('reads_before')
  const server = await startServer(ground, database, tree)
  await submitOne(server)
  await addClusters(database, 1000)
  return server
}

async function startConstant(size: number): Promise<{ call: () => Promise<void>; stop: () => void }> {
  const child = spawn(process.execPath, ['test/bench/constant-server.ts', String(size)], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { promise, resolve } = Promise.withResolvers<string>()
  createInterface({ input: child.stdout }).once('line', resolve)
  const url = await promise
  const call = async () => {
    const response = await fetch(url)
    await response.arrayBuffer()
  }
  return { call, stop: () => child.kill('SIGKILL') }
}
