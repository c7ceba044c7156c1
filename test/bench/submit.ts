// A request for a cluster: beside an older build, and beside the statements that any such service must make.
import { randomUUID } from 'node:crypto'
import { Pool } from 'pg'
import { uuidOf, newId } from '../../src/ids.ts'
import { medianOf, newRequest, rateOf, startServer, type Ground } from './ground.ts'
import type { Report } from './report.ts'

const ROUNDS = 5
const CALLS = { 1: 100, 8: 240, 16: 320 }

export async function measureSubmit(ground: Ground, report: Report, baseline: string | undefined): Promise<void> {
  const database = await ground.createDatabase('submit')
  const server = await startServer(ground, database)
  const before =
    baseline === undefined ? undefined : await startServer(ground, await ground.createDatabase('before'), baseline)
  const nine = openNineStatements(database)
  try {
    for (const at of [1, 8, 16] as const) {
      const rates = { ours: [] as number[], before: [] as number[], nine: [] as number[], tail: [] as number[] }
      const submit = () => server.call('POST', '/api/v1/clusters', newRequest())
      const submitBefore = () => before?.call('POST', '/api/v1/clusters', newRequest())
      for (let round = 0; round <= ROUNDS; round++) {
        const floor = await rateOf(nine.run, at, CALLS[at])
        const ours = await rateOf(submit, at, CALLS[at])
        const old = before ? await rateOf(async () => submitBefore(), at, CALLS[at]) : undefined
        if (round === 0) continue // it warms
        rates.nine.push(floor.perSecond)
        rates.ours.push(ours.perSecond)
        rates.tail.push(ours.p99Ms / ours.p50Ms)
        if (old) rates.before.push(old.perSecond)
      }
      report.rate(`POST /clusters, ${at} at a time`, rates.ours)
      report.rate(`nine statements, ${at} at a time`, rates.nine)
      report.ratio(`POST / nine statements, ${at} at a time`, medianOf(rates.ours) / medianOf(rates.nine), '≥ 1')
      if (before) {
        report.rate(`POST /clusters of the older build, ${at} at a time`, rates.before)
        const goal = at === 1 ? '≥ 5' : '≥ 6'
        report.ratio(`POST / older build, ${at} at a time`, medianOf(rates.ours) / medianOf(rates.before), goal)
      }
      if (at === 16) report.ratio('POST p99 / its p50, 16 at a time', medianOf(rates.tail), '≤ 6')
    }
  } finally {
    await nine.close()
    await before?.stop()
    await server.stop()
  }
}

/** The rows of a request, a statement each, named and prepared, in one transaction over node-pg; a NOTIFY is the last. */
function openNineStatements(url: string) {
  const pool = new Pool({ connectionString: url, max: 16 })
  const snapshot = JSON.stringify({ name: 'floor', lifecycle: { graceHours: 0 }, padding: 'x'.repeat(2000) })
  const run = async () => {
    const client = await pool.connect()
    const say = (name: string, text: string, values: unknown[]) => client.query({ name, text, values })
    try {
      await client.query('begin')
      await nineStatements(say, snapshot)
      await client.query('commit')
    } finally {
      client.release()
    }
  }
  return { run, close: () => pool.end() }
}

async function nineStatements(
  say: (name: string, text: string, values: unknown[]) => Promise<unknown>,
  snapshot: string,
): Promise<void> {
  const [clusterId, jobId, key] = [newId('clu'), newId('job'), randomUUID()]
  const { name, team } = newRequest()
  await say('f1', `insert into idempotency_keys (principal, key, request_hash, expires_at) values ('floor', $1, $2, now() + interval '24 hours') on conflict do nothing returning key`, [key, key]) // prettier-ignore
  await say('f2', 'select pg_advisory_xact_lock(hashtextextended($1, 0))', [`quota team ${team}`])
  await say('f3', `select count(*) from clusters where team = $1 and destroyed_at is null`, [team])
  await say('f4', `insert into clusters (id, name, base_domain, platform, version, profile, profile_hash, profile_snapshot, region, owner, team, status, requested_by, request, request_tags, effective_tags, ttl_hours, destroy_at, usd_per_hour)
    values ($1, $2, 'floor.example.com', 'aws', '4.20.3', 'floor', 'x', $3, 'us-east-1', 'o', $4, 'PENDING', 'o', '{}', '{}', '{}', 8, now() + interval '8 hours', 1) returning id, created_at`, [clusterId, name, snapshot, team]) // prettier-ignore
  const audit = `insert into audit_events (id, actor, actor_kind, action, cluster_id, outcome, detail) values ($1, 'floor', 'caller', $2, $3, 'success', $4)` // prettier-ignore
  await say('f5', audit, [newId('evt'), 'cluster.request', clusterId, JSON.stringify({ name })])
  await say('f6', `insert into jobs (id, cluster_id, type, max_attempts, requested_by) values ($1, $2, 'CREATE', 3, 'floor') returning id`, [jobId, clusterId]) // prettier-ignore
  await say('f7', `insert into pgboss.job (id, name, data, singleton_key, policy) values ($1, 'cluster-jobs', $2, $3, 'key_strict_fifo')`, [uuidOf(jobId), JSON.stringify({ jobId }), clusterId]) // prettier-ignore
  await say('f5', audit, [newId('evt'), 'job.open', clusterId, '{"type":"CREATE"}'])
  await say('f9', `update idempotency_keys set status = 202, body = $2 where principal = 'floor' and key = $1`, [key, snapshot]) // prettier-ignore
}
