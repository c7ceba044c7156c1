// Previews of operations over many clusters: 2,000 of 10,000 that live, alone and among 1,000,000, most of which are long
// destroyed.
import { medianOf, newRequest, query, rateOf, startServer, type Ground, type Server } from './ground.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const CALLS = 5
const verbs = [{ verb: 'destroy' }, { verb: 'extend', hours: 30 }, { verb: 'retry' }, { verb: 'cancel' }]
const filters = { 'by team': { team: 'many' }, 'by region': { region: 'eu-west-1' } }

export async function measurePreviews(ground: Ground, report: Report): Promise<void> {
  const servers: Server[] = []
  try {
    for (const size of ['few', 'many']) {
      const database = await ground.createDatabase(`previews_${size}`)
      const server = await startServer(ground, database)
      servers.push(server)
      await server.call('POST', '/api/v1/clusters', newRequest())
      await addClusters(database, 'm', 2000, `profile_snapshot, 'many', 'eu-west-1', 'READY', null::timestamptz`)
      await addClusters(
        database,
        'o',
        8000,
        `profile_snapshot, 'team-' || n % 1000, region, 'READY', null::timestamptz`,
      )
      if (size === 'many') await addClusters(database, 'd', 990_000, `'{}', 'team-' || n % 1000, region, 'DESTROYED', now() - interval '40 days'`) // prettier-ignore
    }
    for (const [name, filter] of Object.entries(filters))
      for (const body of verbs) {
        // They alternate, so that whatever else the machine does is met by both.
        const rates: number[][] = servers.map(() => [])
        for (let round = 0; round <= ROUNDS; round++)
          for (const [index, server] of servers.entries()) {
            const rate = await rateOf(() => preview(server, { ...body, filter }), 1, CALLS)
            if (round > 0) rates[index]?.push(rate.perSecond) // the first one warms
          }
        const [few = 0, many = 0] = rates.map((each) => 1 / medianOf(each))
        report.figure(`preview of ${body.verb} ${name}, 2 000 of 10 000 clusters`, few * 1000, 'ms')
        report.ratio(`preview of ${body.verb} ${name}, of 1 000 000 / of 10 000`, many / few, '≤ 2')
      }
  } finally {
    for (const server of servers) await server.stop()
  }
}

async function preview(server: Server, body: object): Promise<void> {
  const { matched } = JSON.parse(await server.call('POST', '/api/v1/operations?dryRun=true', body)) as {
    matched: number
  }
  if (matched !== 2000) throw new Error(`${matched} match`)
}

/** `fields`: snapshot of the profile, team, region, state and when it was destroyed. */
export async function addClusters(database: string, kind: string, count: number, fields: string): Promise<void> {
  await query(
    database,
    // Without what triggers write for each.
    `set session_replication_role = replica; insert into clusters (id, name, base_domain, platform, version, profile, profile_hash, owner, profile_snapshot, team, region,
       status, destroyed_at, requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, usd_per_hour)
     select 'clu_00' || lpad(to_hex(hashtext('${kind}' || n)::bit(32)::bigint), 8, '0') || '${kind}' || to_char(n, 'FM000000000000000'), '${kind}-' || n, base_domain, platform, version, profile,
       profile_hash, owner, ${fields}, requested_by, request, request_tags,
       effective_tags, ttl_hours, now() + interval '20 hours', usd_per_hour
     from (select * from clusters order by id desc limit 1) c, generate_series(1, ${count}) n`,
  )
  await query(database, 'vacuum analyze clusters')
}
